// One run of the Azure SQL probe, phase by phase; one login, one redirect at most, and no hidden retry.
//
// The TDS client goes from TCP to the end of the login in one call and tells afterwards how long each step took.
import Certificates
import Diagnosis
import Readiness
import Synchronization
import TDS

struct AzureSQLRun: TokenRun {
    let probe: AzureSQLProbe
    let run: ProbeRun
    let place: GatePlace
    /// The part of the wait under the cap that the record knows of: a second attempt waits for nothing.
    var waitTold = Duration.zero
    var record: ProbeRecord
    var token: AccessToken?

    init(probe: AzureSQLProbe, run: ProbeRun) {
        self.probe = probe
        self.run = run
        self.place = GatePlace(run)
        self.record = ProbeRecord(check: probe.id, unasked: probe.target.privileges.isEmpty ? [.privileges] : [])
    }

    mutating func perform() async throws(ProbeEnd) -> Observation.Outcome {
        let token = try await acquireToken()
        let addresses = try await resolve()
        // Without a word of history an earlier process's logins would be made again.
        if run.depth != .tls { await tools.wakes.awaitRecall(of: probe.id, atMost: min(.seconds(2), run.deadline.remaining / 4)) }
        let trust = try await tools.trust.anchors(probe.anchors, until: run.deadline)
        defer { place.leave() }
        let decision = run.depth == .tls ? nil : tools.wakes.reserve(probe.id, on: target, wakes: run.wakes, isLook: run.explains)
        guard case .login(let login) = decision else {
            defer { noteWake() }
            try await greet(addresses, trust)
            record.facts.serviceObjective = knownObjective
            return .partial(decision == nil ? .loginPaused : .asleep)
        }
        let connection: TDSConnection
        do {
            connection = try await logIn(addresses, trust, token, login)
        } catch {
            guard case .failed(let failure) = error, failure.cause == .databaseResuming, target.wake != .always else { throw error }
            // It was asleep and is not down: the next probe looks again.
            record.leave()
            record.skip(.login, "the database is waking up")
            record.facts.serviceObjective = knownObjective
            return .partial(.asleep)
        }
        do {
            try await ask(connection)
            try await askPrivileges(connection)
        } catch {
            await connection.hangUp()
            throw error
        }
        // Whether the server answers the goodbye is no part of the probe: on a path that died it would take the probe beyond its deadline.
        await connection.hangUp()
        return .succeeded
    }

    // MARK: wake

    /// The tier, as far as anybody has seen it.
    private var knownObjective: String? { record.facts.serviceObjective ?? tools.wakes.objective(on: target) }

    var isServerless: Bool? { knownObjective.map(ServiceObjective.isServerless) }

    /// What history keeps of the budget. Of a database that may be kept awake there is nothing to keep.
    mutating func noteWake() {
        guard target.wake != .always, target.wake.expectsSleep(isServerless: isServerless) else { return }
        record.facts.wake = tools.wakes.ledger(of: probe.id, on: target).kept
    }

    // MARK: tcp to login

    private func options(_ trust: TDSTrust, strict: Bool) -> TDSOptions {
        var options = TDSOptions(trust: trust)
        options.applicationName = tools.applicationName
        options.encryption = strict ? .strict : .mandatory
        options.limits.session = AzureSQLProbe.byteBudget
        options.limits.reply = AzureSQLProbe.byteBudget
        options.limits.value = 64 * 1024
        options.limits.rows = AzureSQLPrivileges.rowLimit
        options.limits.columns = 64
        options.attentionTimeout = .milliseconds(500)
        let lookup = tools.lookup
        // The client goes from TCP to the end of the login in one call, and asks here when the server has answered and TLS is next.
        let place = place
        options.beforeTLS = { () async throws(TDSFailure) in
            do {
                _ = try await place.take()
            } catch {
                throw TDSFailure(.cancelled, during: .tls, "No place came free in time.")
            }
        }
        options.lookUp = { (host, deadline) async throws(TDSFailure) in try await Self.addresses(of: host, deadline, lookup) }
        return options
    }

    /// The name that a redirect leads to.
    private static func addresses(
        of host: String, _ deadline: ContinuousClock.Instant, _ lookup: NameLookup
    ) async throws(TDSFailure) -> [String] {
        let failure: NameLookupFailure
        do {
            return try await lookup.resolve(host, until: Deadline(deadline)).addresses
        } catch {
            failure = error
        }
        switch failure {
        case .wait(.cancelled): throw TDSFailure(.cancelled, during: .name, "The name lookup was cancelled.")
        case .wait: throw TDSFailure(.timedOut, during: .name, "The name \(host) was not resolved in time.")
        case .ares(let code, let text, _):
            guard Classifier.ares(code: code, name: host).cause == .dnsNotFound else {
                throw TDSFailure(.unreachable, during: .name, "The name service does not answer the question for \(host): \(text).")
            }
            throw TDSFailure(.nameNotFound, during: .name, "The name \(host) has no address: \(text).")
        }
    }

    private func server(_ addresses: [String]) -> TDSTarget {
        TDSTarget(host: target.host, port: target.port, database: target.database, addresses: addresses)
    }

    /// Everything up to TLS, and no login.
    private mutating func greet(_ addresses: [String], _ trust: TDSTrust) async throws(ProbeEnd) {
        let start = ContinuousClock.now
        record.enter(.tcp, at: start)
        let strict = probe.memory.withLock(\.isStrict)
        do {
            let greeting = try await TDSConnection.greet(
                server(addresses), options: options(trust, strict: strict), until: run.deadline.instant)
            note(greeting.timings, from: start)
            note(greeting.facts, addresses)
            record.leave()
        } catch {
            if strict, error.isOfHandshake { probe.memory.withLock { $0.isStrict = false } }
            throw end(of: error, from: start, addresses)
        }
    }

    private mutating func logIn(
        _ addresses: [String], _ trust: TDSTrust, _ token: Secret<String>, _ login: WakeBook.Login
    ) async throws(ProbeEnd) -> TDSConnection {
        let isStrict = probe.memory.withLock(\.isStrict)
        do {
            let connection = try await logIn(addresses, trust, token, strict: isStrict)
            end(login, .worked)
            return connection
        } catch {
            guard !isStrict, error.failure.messages.contains(where: { $0.number == 47072 }) else {
                if isStrict, error.failure.isOfHandshake { probe.memory.withLock { $0.isStrict = false } }
                end(login, Self.answer(error))
                throw error.end
            }
            return try await logInStrictly(addresses, trust, token, login, after: error)
        }
    }

    /// The server wants TLS 1.3, which the older way of TDS does not have: refused before it looked at the token, so it is asked once more.
    /// **Source**: Microsoft Learn, "TLS 1.3 support" (it needs TDS 8.0), and error 47072.
    private mutating func logInStrictly(
        _ addresses: [String], _ trust: TDSTrust, _ token: Secret<String>, _ login: WakeBook.Login, after refused: FailedLogin
    ) async throws(ProbeEnd) -> TDSConnection {
        record.leaveFailed()
        let before = record
        record.reopen(.tcp)
        // Those of a worker that refused belong to the first attempt.
        record.facts.redirectPhases = []
        record.facts.redirectedTo = nil
        do {
            let connection = try await logIn(addresses, trust, token, strict: true)
            probe.memory.withLock { $0.isStrict = true }
            end(login, .worked)
            return connection
        } catch {
            guard error.failure.isBeforeLogin else {
                end(login, Self.answer(error))
                throw error.end
            }
            // Something on the way takes no strict TDS, or is in trouble: what the server said of the older way is all that was said of the login.
            record = before
            end(login, Self.answer(refused))
            guard case .failed(var failure) = refused.end, case .failed(let strictly) = error.end else { throw error.end }
            let why = "\(strictly.phase.rawValue): \(error.failure.detail)"
            failure.evidence.append(Evidence(.agent, text: "asked again in strict mode (TDS 8.0), which failed in \(why)"))
            throw .failed(failure)
        }
    }

    private mutating func end(_ login: WakeBook.Login, _ answer: WakeLedger.Answer) {
        tools.wakes.end(login, answer)
        noteWake()
    }

    /// A login that came to nothing: what the client met, and what that means for the probe.
    private struct FailedLogin: Error {
        var failure: TDSFailure
        var end: ProbeEnd
    }

    /// What a failed login says of the next one.
    private static func answer(_ error: FailedLogin) -> WakeLedger.Answer {
        let failure = error.failure
        if failure.messages.contains(where: { $0.number == 40613 }) { return .unavailable }
        // LOGIN7 names the database, and nothing before it does.
        if failure.isBeforeLogin { return .notReached }
        let isServersWord = !failure.messages.isEmpty
        guard case .failed(let seen) = error.end, !seen.cause.isTransient else { return .passing(isServersWord: isServersWord) }
        return .lasting(isServersWord: isServersWord)
    }

    private mutating func logIn(
        _ addresses: [String], _ trust: TDSTrust, _ token: Secret<String>, strict: Bool
    ) async throws(FailedLogin) -> TDSConnection {
        let start = ContinuousClock.now
        record.enter(.tcp, at: start)
        do {
            let connection = try await TDSConnection.connect(
                to: server(addresses), token: token.reveal { TDSAccessToken($0) }, options: options(trust, strict: strict),
                until: run.deadline.instant)
            note(connection.timings, from: start)
            note(connection.facts, addresses)
            record.leave()
            if let tenant = self.token?.claims.tenant { probe.memory.withLock { $0.requiredTenant = tenant } }
            return connection
        } catch {
            var end = end(of: error, from: start, addresses)
            if run.explains, case .failed(let failure) = end, Self.isWorthExplaining(failure) {
                end = await explained(error, failure, options(trust, strict: strict), addresses)
            }
            throw FailedLogin(failure: error, end: end)
        }
    }

    /// Whether the tenant that the server names could tell more.
    private static func isWorthExplaining(_ failure: Failure) -> Bool {
        failure.evidence.contains { $0.kind == .tds && ($0.code == "18456" || $0.code == "40697") }
            && [.tokenWrongTenant, .loginRefused, .tokenWrongAudience, .loginPrincipalUnknown, .entraAuthDisabled].contains(failure.cause)
    }

    /// Asks the server whose tokens it takes: only for a person, on a connection of its own, and without the token.
    private func explained(
        _ refusal: TDSFailure, _ failure: Failure, _ options: TDSOptions, _ addresses: [String]
    ) async -> ProbeEnd {
        let deadline = run.deadline.capped(to: .seconds(3))
        guard let issuer = try? await TDSConnection.issuer(of: server(addresses), options: options, until: deadline.instant) else {
            return .failed(failure)
        }
        if let tenant = issuer.tenant { probe.memory.withLock { $0.requiredTenant = tenant } }
        var failure = Classifier.azureSQL(refusal.messages.map(Self.error), phase: failure.phase, context: context(tenant: issuer.tenant))
        failure = told(failure, refusal)
        failure.evidence.append(
            Evidence(
                .agent,
                text:
                    "asked without a token, the server says that it takes those of \(issuer.authority ?? "nobody") for \(issuer.resource ?? "nothing")"
            ))
        return .failed(failure)
    }

    // MARK: what was seen on the way

    /// Steps of the first server are phases; those after a redirect are part of `login`, and listed apart.
    mutating func note(_ timings: [TDSTiming], from start: ContinuousClock.Instant, failed: TDSFailure? = nil) {
        var instant = start
        for timing in timings {
            if timing.hop == 0 {
                if timing.phase == .tls {
                    // The wait under the cap lies before it and is no step's.
                    record.leave(at: instant)
                    instant += place.waited - waitTold
                    waitTold = place.waited
                }
                record.enter(Self.phase(timing.phase), at: instant)
            } else {
                record.facts.redirectPhases.append(PhaseResult(Self.phase(timing.phase), .ok, duration: timing.duration))
            }
            instant += timing.duration
        }
        guard let failed else { return }
        if failed.hop == 0 {
            if record.current != Self.phase(failed.phase) { record.enter(Self.phase(failed.phase), at: min(instant, .now)) }
        } else if record.facts.redirectPhases.last?.phase == Self.phase(failed.phase) {
            record.facts.redirectPhases[record.facts.redirectPhases.count - 1].outcome = .failed
        }
    }

    mutating func note(_ facts: TDSFacts?, _ addresses: [String], refused certificate: [UInt8]? = nil) {
        if let facts {
            record.facts.tlsVersion = facts.tlsVersion.map(Self.version) ?? record.facts.tlsVersion
            record.facts.serverVersion = facts.version ?? facts.preloginVersion ?? record.facts.serverVersion
            record.facts.database = facts.database ?? record.facts.database
            record.facts.redirectedTo = facts.redirectedTo
            record.facts.traceID = facts.traceID
            noteAddress(facts.remoteAddress, addresses, isRedirected: facts.redirectedTo != nil)
        }
        guard let der = certificate ?? facts?.certificate else { return }
        let known = probe.memory.withLock(\.certificate)
        if let known, known.der == der {
            record.facts.certificate = known.facts
        } else if let read = CertificateFacts(der: der) {
            record.facts.certificate = read
            probe.memory.withLock { $0.certificate = (der, read) }
        }
    }

    private mutating func noteAddress(_ remote: String?, _ addresses: [String], isRedirected: Bool) {
        guard let remote, let colon = remote.lastIndex(of: ":") else { return }
        let address = remote[..<colon].filter { $0 != "[" && $0 != "]" }
        record.facts.address = address
        guard !isRedirected, let place = addresses.firstIndex(of: address), place > 0 else { return }
        let dead = addresses[..<place].joined(separator: ", ")
        record.notices.append(
            Notice(
                .addressDead, during: .tcp, detail: "The name also has the address \(dead), which does not answer; \(address) does.",
                evidence: addresses[..<place].map { Evidence(.address, text: $0) }))
    }

    static func phase(_ phase: TDSPhase) -> Phase {
        switch phase {
        case .name: .dns
        case .tcp: .tcp
        case .negotiate: .negotiate
        case .tls: .tls
        case .login: .login
        case .query: .query
        }
    }

    /// In OpenSSL's words, as for the other engines.
    private static func version(_ text: String) -> String {
        switch text.lowercased() {
        case "tlsv12": "TLSv1.2"
        case "tlsv13": "TLSv1.3"
        default: text
        }
    }
}
