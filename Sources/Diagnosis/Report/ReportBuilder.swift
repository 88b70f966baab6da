// From the states of checks and identities to findings: what explains what, and who is hit.

/// Draws up the findings of one report.
///
/// An identity that fails explains the checks that failed in `token` by it.
/// Checks of one server that fail for the same cause are one finding.
struct ReportBuilder {
    private let snapshot: Board.Snapshot
    private let definitions: [String: IdentityDefinition]
    private let cloud: Cloud
    private let now: Timestamp
    private var drafts: [Draft] = []
    private var draftOfKey: [Key: Int] = [:]
    /// Checks that an identity's finding covers.
    private var explained: Set<Int> = []
    // Looked up once for all checks: ten thousand of them may fail at the same time.
    private let checksOfIdentity: [String: [Int]]
    private let checksOfHost: [String: [Int]]
    private let sourceOfIdentity: [String: TokenSourceKind]
    /// How many identities a server refuses, where it refuses all and more than one; by host.
    private var refusedAlike: [String: Int?] = [:]

    struct Result {
        var findings: [Finding]
        /// Names of findings, one list per check of the snapshot.
        var checks: [[String]]
        var identities: [[String]]
    }

    /// A finding before it has a name.
    private struct Draft {
        var finding: Finding
        var parent: Int?
        var checks: [Int] = []
        var identities: [Int] = []
    }

    /// What makes two failures one finding.
    private struct Key: Hashable {
        var code: String
        var place: String
    }

    init(snapshot: Board.Snapshot, identities: [IdentityDefinition], cloud: Cloud, now: Timestamp) {
        self.snapshot = snapshot
        self.cloud = cloud
        self.now = now
        definitions = Dictionary(identities.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        checksOfIdentity = Dictionary(grouping: snapshot.checks.indices) { snapshot.checks[$0].id.identity }
        checksOfHost = Dictionary(grouping: snapshot.checks.indices) { snapshot.checks[$0].target.host }
        sourceOfIdentity = Dictionary(
            snapshot.identities.compactMap { status in status.source.map { (status.name, $0) } }, uniquingKeysWith: { first, _ in first })
    }

    mutating func build(failures: [Failure], troubles: [Failure] = [], notices: [Notice]) -> Result {
        for failure in failures { add(failure, severity: failure.cause.row.severity) }
        for trouble in troubles { add(trouble, severity: .warning) }
        for index in snapshot.identities.indices { addIdentity(index) }
        for index in drafts.indices { addCachedTokens(toDraft: index) }
        for index in snapshot.checks.indices { addFailure(ofCheck: index) }
        for index in snapshot.checks.indices { addPrivileges(ofCheck: index) }
        for index in snapshot.checks.indices { addNotices(ofCheck: index) }
        for notice in notices { add(notice, facts: Facts(), check: nil) }
        return finished()
    }

    // MARK: failures

    private mutating func add(_ failure: Failure, severity: Severity) {
        let draft = draft(failure, severity: severity, values: RemedyValues(failure: failure), engine: nil, source: nil, facts: nil)
        drafts.append(draft)
    }

    private mutating func addIdentity(_ index: Int) {
        let status = snapshot.identities[index]
        guard status.state == .down, let failure = status.failure else { return }
        let users = checksOfIdentity[status.name] ?? []
        let broken = users.filter { isDownInToken(snapshot.checks[$0]) }
        // A token that is still good makes it a warning, as long as nobody went without one.
        let holdsToken = status.tokens.values.contains { $0.expires > now }
        let severity: Severity = broken.isEmpty && holdsToken ? .warning : failure.cause.row.severity
        // An endpoint belongs to the host, so identities that fail alike at it fail for one reason.
        let isOfHost = Self.isOfHost(failure.cause.rawValue)
        let key = Key(
            code: failure.cause.rawValue, place: isOfHost ? "source \(status.source?.rawValue ?? "")" : "identity \(status.name)")
        let position: Int
        if let known = draftOfKey[key] {
            position = known
            drafts[position].finding.severity = max(drafts[position].finding.severity, severity)
        } else {
            let check = broken.first ?? users.first
            let values = RemedyValues(
                target: check.map { snapshot.checks[$0].target }, identity: definitions[status.name], failure: failure, cloud: cloud)
            var named = values
            named[.identity] = status.name
            var new = draft(failure, severity: severity, values: named, engine: nil, source: status.source, facts: nil)
            // Only what is older than a question of just now needs its age.
            if let asked = status.asked, now - asked >= .seconds(30) {
                new.finding.detail += " Asked last at \(asked.near(now)), \(Span.long(now - asked)) ago."
            }
            new.finding.since = status.since
            position = drafts.count
            drafts.append(new)
            draftOfKey[key] = position
        }
        drafts[position].identities.append(index)
        drafts[position].checks += severity == .warning ? users : broken
        explained.formUnion(severity == .warning ? users : broken)
        for check in broken where snapshot.checks[check].cause != failure.cause { addChild(check, of: position) }
    }

    /// Whether trouble with this code is that of the source on this host, whichever identity met it.
    static func isOfHost(_ code: String) -> Bool {
        [Cause.identityEndpointUnreachable, .identityReplyInvalid, .entraUnavailable].contains { $0.rawValue == code }
    }

    /// Who goes on with the token that is held, and for how long at least, while its source is ill.
    private mutating func addCachedTokens(toDraft index: Int) {
        let identities = drafts[index].identities.map { snapshot.identities[$0] }
        guard let end = identities.flatMap(\.tokens.values).map(\.expires).filter({ $0 > now }).min() else { return }
        let users = identities.flatMap { checksOfIdentity[$0.name] ?? [] }.map { snapshot.checks[$0] }
        let well = users.count { $0.state == .up }
        let until = "\(end.description) (\(Span.long(end - now)))"
        guard !users.isEmpty else {
            drafts[index].finding.detail += " The cached token is good until \(until)."
            return
        }
        let who = "\(well) of \(users.count) log in with the cached token, which is good until \(until)."
        drafts[index].finding.detail += well == users.count ? " Nothing is down yet: \(who)" : " \(who)"
    }

    /// A check whose own words differ from those of the identity that explains it.
    private mutating func addChild(_ check: Int, of parent: Int) {
        let status = snapshot.checks[check]
        guard let failure = status.last?.failure else { return }
        var child = draft(failure, of: status)
        child.finding.isRoot = false
        child.finding.since = status.since
        child.parent = parent
        child.checks = [check]
        drafts.append(child)
    }

    private mutating func addFailure(ofCheck index: Int) {
        let status = snapshot.checks[index]
        guard status.state == .down, let failure = status.last?.failure else { return }
        if isDownInToken(status), explained.contains(index) { return }
        let key = Key(code: failure.cause.rawValue, place: place(of: failure, status))
        if let known = draftOfKey[key] {
            drafts[known].checks.append(index)
            if let since = status.since { drafts[known].finding.since = min(drafts[known].finding.since ?? since, since) }
            return
        }
        var new = draft(failure, of: status)
        new.finding.since = status.since
        new.checks = [index]
        if [.loginPrincipalUnknown, .tokenWrongTenant, .entraAuthDisabled].contains(failure.cause), let others = allRefusedAlike(status) {
            let look =
                status.target.engine == .azuresql
                ? "whether the server has an Entra administrator, and of which tenant" : "whether Entra authentication is on"
            new.finding.detail += " All \(others) identities of this server are refused alike: look \(look)."
        }
        draftOfKey[key] = drafts.count
        drafts.append(new)
    }

    /// What two checks must share for one failure to be the reason of both.
    private func place(of failure: Failure, _ status: CheckStatus) -> String {
        let server = "\(status.target.host):\(status.target.port)"
        switch failure.cause.group {
        case .dns where failure.cause == .dnsResolverError: return "resolver"
        case .token where failure.phase == .token: return "identity \(status.id.identity)"
        // Users of Azure SQL are the database's own, and so is its being awake, throttled or there at all: a server is only a name for many.
        case .login where status.target.engine == .azuresql && failure.cause != .clientBlocked:
            return "\(server) \(status.target.database) \(status.id.identity)"
        case .session where status.target.engine == .azuresql: return "\(server) \(status.target.database)"
        case .token, .login: return "\(server) \(status.target.user ?? "") \(status.id.identity)"
        case .session where [.databaseUnknown, .databaseAccessDenied].contains(failure.cause), .privilege:
            return "\(server) \(status.target.database) \(status.target.user ?? "")"
        default: return server
        }
    }

    /// Whether every identity of this server, and more than one, is refused by it for the same cause.
    /// - Returns: how many there are.
    private mutating func allRefusedAlike(_ status: CheckStatus) -> Int? {
        if let known = refusedAlike[status.target.host] { return known }
        let neighbours = (checksOfHost[status.target.host] ?? []).lazy.map { [snapshot] in snapshot.checks[$0] }
        let identities = Set(neighbours.map(\.id.identity))
        let all = identities.count > 1 && neighbours.allSatisfy { $0.cause == status.cause && $0.phase == .login } ? identities.count : nil
        refusedAlike.updateValue(all, forKey: status.target.host)
        return all
    }

    private func isDownInToken(_ status: CheckStatus) -> Bool { status.state == .down && status.phase == .token }

    // MARK: rights

    /// What the last probe learnt about rights. The check itself is up: up means from token to query.
    private mutating func addPrivileges(ofCheck index: Int) {
        let status = snapshot.checks[index]
        guard let last = status.last, let role = last.facts.privileges?.role ?? last.facts.rights?.role else { return }
        var values = RemedyValues(target: status.target, identity: definitions[status.id.identity], facts: last.facts, cloud: cloud)
        // MySQL names the account with its host, which the remedies write themselves.
        values[.user] = status.target.engine == .mysql ? MySQLPrivileges.user(of: role) : role
        let findings =
            last.facts.privileges.map { PrivilegeFindings.of($0, values: values) }
            ?? last.facts.rights.map { PrivilegeFindings.of($0, values: values) } ?? []
        for finding in findings {
            // The rules are the target's and the rights the role's: identities that share both share the finding.
            let key = Key(code: finding.code, place: "\(status.target.name) \(role)")
            if let known = draftOfKey[key] {
                drafts[known].checks.append(index)
            } else {
                draftOfKey[key] = drafts.count
                drafts.append(Draft(finding: finding, checks: [index]))
            }
        }
    }

    // MARK: notices

    private mutating func addNotices(ofCheck index: Int) {
        // Who only looks at a database that may sleep sees its certificate and addresses all the same.
        let status = snapshot.checks[index]
        for notice in status.lastPartial?.notices ?? [] where notice.code == .loginsRest { add(notice, facts: Facts(), check: index) }
        guard let last = status.state == .asleep ? status.newest : status.last else { return }
        let derived = Notice.derived(from: last.facts, now: now).filter { new in !last.notices.contains { $0.code == new.code } }
        for notice in last.notices + derived { add(notice, facts: last.facts, check: index) }
    }

    private mutating func add(_ notice: Notice, facts: Facts, check: Int?) {
        let status = check.map { snapshot.checks[$0] }
        let place: String =
            switch notice.code {
            case .clockSkew, .storeNotPersistent: ""
            case .tokenUnchanged, .identityAmbiguous: status?.id.identity ?? ""
            case .certificateExpiresSoon, .addressDead: status?.target.host ?? ""
            case .loginsRest: "\(status?.target.host ?? "") \(status?.target.port ?? 0)"
            case .databaseKeptAwake: "\(status?.target.host ?? "") \(status?.target.database ?? "")"
            case .probingAsAdmin, .overPrivileged, .rowSecurity: "\(status?.target.name ?? "") \(status?.target.user ?? "")"
            }
        let key = Key(code: notice.code.rawValue, place: place)
        if let known = draftOfKey[key] {
            if let check { drafts[known].checks.append(check) }
            return
        }
        let row = notice.code.row
        let values = RemedyValues(
            target: status?.target, identity: status.flatMap { definitions[$0.id.identity] }, facts: facts, cloud: cloud)
        let finding = Finding(
            id: "", code: notice.code.rawValue, severity: notice.severity(facts: facts, now: now), phase: notice.phase,
            certainty: .certain, affects: [], detail: notice.detail.isEmpty ? row.means : notice.detail, evidence: notice.evidence,
            hint: notice.hint ?? row.hint, remedies: remedies(row.remedies, values, engine: status?.target.engine, source: nil),
            next: row.next)
        draftOfKey[key] = drafts.count
        drafts.append(Draft(finding: finding, checks: check.map { [$0] } ?? []))
    }

    // MARK: drafts

    private func draft(_ failure: Failure, of status: CheckStatus) -> Draft {
        var failure = failure
        // The first probe of a service may be over before history has told what was seen before.
        if failure.cause == .dnsPublicForPrivate, let facts = status.last?.facts {
            failure = Classifier.refined(failure, facts: facts, lastGood: status.lastGoodFacts)
        }
        let definition = definitions[status.id.identity]
        var values = RemedyValues(target: status.target, identity: definition, facts: status.last?.facts, failure: failure, cloud: cloud)
        values[.identity] = status.id.identity
        values[.check] = status.id.description
        let source = sourceOfIdentity[status.id.identity]
        return draft(
            failure, severity: failure.cause.row.severity, values: values, engine: status.target.engine, source: source,
            facts: status.last?.facts)
    }

    private func draft(
        _ failure: Failure, severity: Severity, values: RemedyValues, engine: Engine?, source: TokenSourceKind?, facts: Facts?
    ) -> Draft {
        let row = failure.cause.row
        return Draft(
            finding: Finding(
                id: "", code: failure.cause.rawValue, severity: severity, phase: failure.phase, certainty: failure.certainty,
                affects: [], detail: failure.detail ?? row.means, evidence: evidence(of: failure, facts),
                hint: failure.cause.hint(during: failure.phase, engine: engine, source: source),
                remedies: remedies(row.remedies, values, engine: engine, source: source),
                next: row.next(engine: engine, source: source)))
    }

    /// The failure's evidence, and what the probe saw of addresses and certificate where the cause is about them.
    private func evidence(of failure: Failure, _ facts: Facts?) -> [Evidence] {
        var evidence = failure.evidence
        guard let facts else { return evidence }
        let kinds = Set(evidence.map(\.kind))
        switch failure.cause.group {
        case .dns, .tcp:
            let addresses = facts.address.map { [$0] } ?? facts.addresses
            if !kinds.contains(.address), !addresses.isEmpty {
                evidence.append(Evidence(.address, text: addresses.prefix(3).joined(separator: ", ")))
            }
        case .tls:
            if !kinds.contains(.certificate), let certificate = facts.certificate { evidence.append(Classifier.evidence(of: certificate)) }
        default: break
        }
        return evidence
    }

    private func remedies(
        _ templates: [RemedyTemplate], _ values: RemedyValues, engine: Engine?, source: TokenSourceKind?
    ) -> [Remedy] {
        templates.filter { $0.applies(to: engine, source: source, values: values) }.map { $0.filled(from: values) }
    }

    // MARK: order and names

    private func finished() -> Result {
        let roots = drafts.indices.filter { drafts[$0].parent == nil }.sorted { a, b in
            let (x, y) = (drafts[a].finding, drafts[b].finding)
            if x.severity != y.severity { return x.severity > y.severity }
            return x.exit != y.exit ? x.exit < y.exit : a < b
        }
        var findings: [Finding] = []
        var checks = [[String]](repeating: [], count: snapshot.checks.count)
        var identities = [[String]](repeating: [], count: snapshot.identities.count)
        func place(_ index: Int, parent: String?) -> String {
            var finding = drafts[index].finding
            finding.id = "f\(findings.count + 1)"
            finding.parent = parent
            finding.isRoot = parent == nil
            var seen = Set<Int>()
            for check in drafts[index].checks where seen.insert(check).inserted {
                finding.affects.append(snapshot.checks[check].id)
                checks[check].append(finding.id)
            }
            for identity in drafts[index].identities { identities[identity].append(finding.id) }
            findings.append(finding)
            return finding.id
        }
        let children = Dictionary(grouping: drafts.indices.filter { drafts[$0].parent != nil }) { drafts[$0].parent ?? 0 }
        for root in roots {
            let name = place(root, parent: nil)
            for child in children[root] ?? [] { _ = place(child, parent: name) }
        }
        return Result(findings: findings, checks: checks, identities: identities)
    }
}
