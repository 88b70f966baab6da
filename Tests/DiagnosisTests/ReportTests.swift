import Testing

@testable import Diagnosis

@Suite struct ReportTests {
    private static let refused = Failure(.tcpRefused, during: .tcp, evidence: [Evidence(.errno, code: 111, text: "connection refused")])
    private static let unreachable = Failure(
        .identityEndpointUnreachable, during: .token, evidence: [Evidence(.curl, code: 28, text: "timeout")])

    @Test("When all is well there are no findings, and the number is 0")
    func healthy() {
        let report = Fixture.report([Fixture.status(Fixture.target())], [Fixture.identity()])
        #expect(report.findings.isEmpty)
        #expect(report.exit == .healthy)
        #expect(report.exit(failOn: .warning) == .healthy)
    }

    @Test("One cause on one server is one finding that hits several checks")
    func sameServer() {
        let report = Fixture.report([
            Fixture.status(Fixture.target(), failure: Self.refused),
            Fixture.status(Fixture.target("crm", database: "crm"), failure: Self.refused),
            Fixture.status(Fixture.target("else", host: "else.example"), failure: Self.refused),
        ])
        #expect(
            report.findings.map(\.affects)
                == [[CheckID("orders/app"), CheckID("crm/app")], [CheckID("else/app")]].map { $0.compactMap { $0 } })
        #expect(report.findings.map(\.id) == ["f1", "f2"])
        #expect(report.checks.map(\.findings) == [["f1"], ["f1"], ["f2"]])
        #expect(report.exit == .network)
    }

    @Test("A resolver that fails is one finding for all servers")
    func resolver() {
        let failure = Failure(.dnsResolverError, during: .dns)
        let report = Fixture.report([
            Fixture.status(Fixture.target(), failure: failure),
            Fixture.status(Fixture.target("else", host: "else.example"), failure: failure),
        ])
        #expect(report.findings.count == 1)
        #expect(report.findings.first?.affects.count == 2)
    }

    @Test("Logins are told apart by user and identity, because their remedies differ")
    func loginsDiffer() {
        let failure = Failure(.loginPrincipalUnknown, during: .login, certainty: .likely)
        let report = Fixture.report([
            Fixture.status(Fixture.target(), failure: failure),
            Fixture.status(Fixture.target("crm", user: "aad_crm"), failure: failure),
        ])
        #expect(report.findings.count == 2)
        #expect(report.findings[1].remedies.contains { $0.text.contains("'aad_crm'") })
    }

    struct Shared: Sendable, CustomTestStringConvertible {
        var cause: Cause
        var phase: Phase = .login
        var findings: Int
        var testDescription: String { cause.rawValue }
    }

    @Test(
        "Two databases of one Azure SQL server share what is the server's, and nothing that is the database's",
        arguments: [
            Shared(cause: .serverUnavailable, findings: 2), Shared(cause: .databaseResuming, findings: 2),
            Shared(cause: .serverStopped, findings: 2), Shared(cause: .connectionLimit, findings: 2),
            Shared(cause: .serviceThrottled, findings: 2), Shared(cause: .loginPrincipalUnknown, findings: 2),
            Shared(cause: .firewallDenied, findings: 1), Shared(cause: .clientBlocked, findings: 1),
            Shared(cause: .tcpTimeout, phase: .tcp, findings: 1),
        ])
    func databases(row: Shared) {
        func status(_ name: String) -> CheckStatus {
            var target = Fixture.target(name, host: "billing.database.windows.net", port: 1433, database: name, user: nil)
            target.engine = .azuresql
            return Fixture.status(target, failure: Failure(row.cause, during: row.phase))
        }
        #expect(Fixture.report([status("billing"), status("crm")]).findings.count == row.findings)
    }

    @Test("An identity that fails explains the checks that failed for want of its token")
    func identityIsRoot() {
        let other = Failure(.probeDeadline, during: .token)
        let report = Fixture.report(
            [
                Fixture.status(Fixture.target(), failure: Self.unreachable), Fixture.status(Fixture.target("crm"), failure: other),
                Fixture.status(Fixture.target("well"), identity: "other"),
            ], [Fixture.identity(failure: Self.unreachable, tokenEnds: nil), Fixture.identity("other")])
        let root = report.findings[0]
        #expect(root.code == "identity_endpoint_unreachable")
        #expect(root.isRoot && root.severity == .error)
        #expect(root.affects.map(\.description) == ["orders/app", "crm/app"])
        let child = report.findings[1]
        #expect(child.code == "probe_deadline" && !child.isRoot && child.parent == "f1")
        #expect(child.affects.map(\.description) == ["crm/app"])
        #expect(report.findings.count == 2)
        #expect(report.checks.map(\.findings) == [["f1"], ["f1", "f2"], []])
        #expect(report.identities.map(\.findings) == [["f1"], []])
        #expect(report.exit == .token)
    }

    @Test("A renewal that fails under a valid token is a warning that names the checks at risk")
    func renewalFails() {
        let report = Fixture.report(
            [Fixture.status(Fixture.target()), Fixture.status(Fixture.target("crm"))], [Fixture.identity(failure: Self.unreachable)])
        #expect(report.findings.map(\.severity) == [.warning])
        #expect(report.findings[0].affects.count == 2)
        #expect(report.findings[0].detail.contains("2 h 48 min"))
        #expect(report.exit == .healthy)
        #expect(report.exit(failOn: .warning) == .warnings)
    }

    @Test("Without a valid token the same failure is an error, even before a check has met it")
    func noTokenLeft() {
        let report = Fixture.report([], [Fixture.identity(failure: Self.unreachable, tokenEnds: noon + .seconds(-1))])
        #expect(report.findings.map(\.severity) == [.error])
        #expect(report.exit == .token)
    }

    @Test("An endpoint that fails for two identities is one finding; a missing assignment is one for each")
    func twoIdentities() {
        let endpoint = Fixture.report(
            [],
            [
                Fixture.identity("a", failure: Self.unreachable, tokenEnds: nil),
                Fixture.identity("b", failure: Self.unreachable, tokenEnds: nil),
            ])
        #expect(endpoint.findings.count == 1)
        #expect(endpoint.identities.map(\.findings) == [["f1"], ["f1"]])
        let missing = Failure(.identityNotAssigned, during: .token)
        let assignment = Fixture.report(
            [], [Fixture.identity("a", failure: missing, tokenEnds: nil), Fixture.identity("b", failure: missing, tokenEnds: nil)])
        #expect(assignment.findings.count == 2)
    }

    @Test("A failure in token without a failing identity stands by itself")
    func tokenFailureAlone() {
        let wrong = Failure(.tokenWrongAudience, during: .token)
        let report = Fixture.report(
            [Fixture.status(Fixture.target(), failure: wrong), Fixture.status(Fixture.target("crm"), failure: wrong)], [Fixture.identity()])
        #expect(report.findings.map(\.code) == ["token_wrong_audience"])
        #expect(report.findings[0].affects.count == 2)
        #expect(report.findings[0].isRoot)
    }

    @Test(
        "Several failures end with the lowest number of a root",
        arguments: [
            ([Cause.queryFailed, .tcpRefused, .loginRefused], 20), ([.configInvalid, .loginRefused], 40), ([.probeInternal], 70),
            ([.tlsNameMismatch, .tokenExpired], 10),
        ])
    func lowestNumber(causes: [Cause], number: Int) {
        let phases: [Cause: Phase] = [.queryFailed: .query, .tcpRefused: .tcp, .configInvalid: .config, .tlsNameMismatch: .tls]
        let checks = causes.enumerated().map { index, cause in
            Fixture.status(Fixture.target("t\(index)", host: "h\(index).example"), failure: Failure(cause, during: phases[cause] ?? .login))
        }
        #expect(Int(Fixture.report(checks).exit.rawValue) == number)
    }

    @Test("Findings come worst first, then by number")
    func order() {
        var facts = Fixture.facts()
        facts.certificate = Fixture.certificate(ends: noon + .seconds(10 * 86400))
        let report = Fixture.report([
            Fixture.status(Fixture.target("a", host: "a.example"), facts: facts),
            Fixture.status(Fixture.target("b", host: "b.example"), failure: Failure(.queryFailed, during: .query)),
            Fixture.status(Fixture.target("c", host: "c.example"), failure: Self.refused),
        ])
        #expect(report.findings.map(\.code) == ["tcp_refused", "query_failed", "certificate_expires_soon"])
        #expect(report.findings.map(\.id) == ["f1", "f2", "f3"])
    }

    @Test(
        "A certificate near its end is a warning, and an error in its last three days",
        arguments: [
            (22.0, nil as Severity?), (20, .warning), (3.5, .warning), (2.9, .error),
        ])
    func certificate(days: Double, severity: Severity?) {
        var facts = Fixture.facts()
        facts.certificate = Fixture.certificate(ends: noon + .seconds(Int64(days * 86400)))
        let report = Fixture.report([Fixture.status(Fixture.target(), facts: facts)])
        #expect(report.findings.first?.severity == severity)
        #expect(report.findings.first?.code == severity.map { _ in "certificate_expires_soon" })
        #expect(report.exit == (severity == .error ? .tls : .healthy))
    }

    @Test(
        "A clock that is off is a warning over one minute and an error over four, whoever is ahead",
        arguments: [
            (59.0, nil as Severity?), (61, .warning), (-61, .warning), (240, .warning), (241, .error), (-1e12, .error),
        ])
    func clock(skew: Double, severity: Severity?) {
        var facts = Fixture.facts()
        facts.clockSkew = skew
        let report = Fixture.report([Fixture.status(Fixture.target(), facts: facts), Fixture.status(Fixture.target("crm"), facts: facts)])
        #expect(report.findings.map(\.severity) == (severity.map { [$0] } ?? []))
        if severity != nil { #expect(report.findings[0].affects.count == 2) }
    }

    @Test("What a probe noticed becomes a finding once per server and is not derived twice")
    func notices() {
        var facts = Fixture.facts()
        facts.certificate = Fixture.certificate(ends: noon + .seconds(86400 * 10))
        let notices = [
            Notice(.addressDead, during: .tcp, detail: "10.20.4.8 did not answer"),
            Notice(.certificateExpiresSoon, during: .tls, detail: "said by the probe"),
        ]
        let report = Fixture.report([
            Fixture.status(Fixture.target(), facts: facts, notices: notices),
            Fixture.status(Fixture.target("crm"), facts: facts, notices: notices),
        ])
        #expect(report.findings.map(\.code) == ["address_dead", "certificate_expires_soon"])
        #expect(report.findings.map(\.detail) == ["10.20.4.8 did not answer", "said by the probe"])
        #expect(report.findings.allSatisfy { $0.affects.count == 2 && $0.severity == .warning })
    }

    @Test("When every identity of a server is unknown to it, the report says what that may mean")
    func allRefusedAlike() {
        let failure = Failure(.loginPrincipalUnknown, during: .login, certainty: .likely)
        let target = Fixture.target(identities: ["app", "reporting"])
        let all = Fixture.report([
            Fixture.status(target, failure: failure), Fixture.status(target, identity: "reporting", failure: failure),
        ])
        #expect(all.findings.allSatisfy { $0.detail.contains("Entra authentication") })
        let some = Fixture.report([Fixture.status(target, failure: failure), Fixture.status(target, identity: "reporting")])
        #expect(some.findings.allSatisfy { !$0.detail.contains("Entra authentication") })
    }

    @Test("Only the remedies of the product and of the source in use are offered, filled with real names")
    func remedies() {
        let report = Fixture.report(
            [Fixture.status(Fixture.target(), failure: Failure(.firewallDenied, during: .login, values: ["client_ip": "203.0.113.9"]))],
            [Fixture.identity()])
        let texts = report.findings[0].remedies.map(\.text)
        #expect(texts.count == 2)
        #expect(texts.allSatisfy { $0.hasPrefix("az postgres") && $0.contains(" orders ") })
        #expect(texts[1].contains("203.0.113.9"))
    }

    @Test("A refused certificate is shown with what was seen of it")
    func certificateEvidence() {
        let report = Fixture.report([Fixture.status(Fixture.target(), failure: Failure(.tlsUntrustedIssuer, during: .tls))])
        #expect(report.findings[0].evidence.map(\.kind) == [.certificate])
    }

    @Test("What is different from when it last worked is said, and makes a public address for a private one certain")
    func changes() {
        let target = Fixture.target()
        var now = Fixture.facts()
        now.addresses = ["20.61.88.14"]
        now.address = "20.61.88.14"
        now.objectID = Fixture.appID
        let failure = Failure(.dnsPublicForPrivate, during: .tcp, certainty: .likely)
        let report = Fixture.report([Fixture.status(target, failure: failure, facts: now)])
        #expect(report.findings[0].certainty == .certain)
        #expect(report.findings[0].detail == "The name leads to 20.61.88.14, which is public; it led to 10.20.4.7 when it last worked.")
        let changes = report.checks[0].status.changes
        #expect(
            changes.flatMap(\.phrases) == [
                "address 10.20.4.7 (private) → 20.61.88.14 (public)", "token's object id \(Fixture.objectID) → \(Fixture.appID)",
            ])
        #expect(report.json["checks"]?[0]?["changes"]?.items?.compactMap { $0["name"]?.text } == ["addresses", "object_id"])
    }

    @Test("A certificate of the same issuer and end differs by its subject, its names, or at least the head of its hash")
    func certificateChange() {
        let old = Fixture.certificate()
        func phrases(_ change: (inout CertificateFacts) -> Void) -> [String] {
            var new = old
            new.sha256 = "1f2e3d4c" + String(repeating: "0", count: 56)
            change(&new)
            return FactsComparison.Change(name: "certificate", before: old.json, after: new.json, time: noon).phrases
        }
        #expect(phrases { _ in } == ["certificate \(old.sha256.prefix(8)) → 1f2e3d4c"])
        #expect(phrases { $0.subject = "CN=other" } == ["certificate's subject \(old.subject) → CN=other"])
        #expect(phrases { $0.names = ["b.example"] } == ["certificate's names \(old.names.joined(separator: ", ")) → b.example"])
    }

    @Test("Facts that are equal, unknown or in another order are no change")
    func noChange() {
        var old = Fixture.facts()
        old.addresses = ["10.0.0.1", "10.0.0.2"]
        var new = old
        new.addresses = ["10.0.0.2", "10.0.0.1"]
        new.serverVersion = nil
        #expect(FactsChange.phrases(from: old, to: new).isEmpty)
        new.serverVersion = "16.4"
        new.isInRecovery = true
        old.isInRecovery = false
        #expect(FactsChange.phrases(from: old, to: new) == ["server version 15.18 → 16.4", "role of the server primary → replica"])
    }

    @Test("Trouble of the agent itself is a finding that hits no check")
    func agentFailure() {
        let report = Report.make(
            snapshot: Board.Snapshot(checks: [], identities: []), identities: [], mode: .local, host: "h", version: "v", now: noon,
            failures: [Failure(.configInvalid, during: .config, detail: "agent.yaml:3: unknown key")])
        #expect(report.exit == .configuration)
        #expect(report.findings.first?.affects.isEmpty == true)
    }

    @Test("Ten times as many failing checks, each on a server of its own, cost ten times as much, not a hundred times")
    func growth() {
        func cost(_ count: Int) -> Duration {
            let checks = (0..<count).map { Fixture.status(Fixture.target("t\($0)", host: "t\($0).example.net"), failure: Self.refused) }
            let begun = ContinuousClock.now
            let report = Fixture.report(checks)
            #expect(report.findings.count == count)
            return ContinuousClock.now - begun
        }
        let few = (0..<3).map { _ in cost(200) }.min() ?? .zero
        let many = (0..<2).map { _ in cost(2000) }.min() ?? .zero
        #expect(many < few * 35, "\(many) against \(few)")
    }

    @Test("So does their text, with checks beside them that are well and identities that explain some of them")
    func growthOfText() {
        func cost(_ count: Int) -> Duration {
            let failing = (0..<count).map {
                Fixture.status(Fixture.target("t\($0)", host: "t\($0).example.net"), identity: "i\($0)", failure: Self.refused)
            }
            let well = (0..<count).map { Fixture.status(Fixture.target("w\($0)", host: "w\($0).example.net"), identity: "i\($0)") }
            let identities = (0..<count).map { Fixture.identity("i\($0)") }
            let report = Fixture.report(failing + well, identities)
            let begun = ContinuousClock.now
            #expect(ReportText.render(report).count > count * 200)
            return ContinuousClock.now - begun
        }
        let few = (0..<3).map { _ in cost(100) }.min() ?? .zero
        let many = (0..<2).map { _ in cost(1000) }.min() ?? .zero
        #expect(many < few * 35, "\(many) against \(few)")
    }

    @Test("One server that refuses a thousand identities is told apart from each of them in one look at its checks")
    func refusedAlike() {
        func cost(_ count: Int) -> Duration {
            let refused = Failure(.loginPrincipalUnknown, during: .login)
            let checks = (0..<count).map { Fixture.status(Fixture.target("t\($0)", user: "u\($0)"), identity: "i\($0)", failure: refused) }
            let begun = ContinuousClock.now
            let report = Fixture.report(checks)
            #expect(report.findings.count == count)
            #expect(report.findings.last?.detail.contains("All \(count) identities") == true)
            return ContinuousClock.now - begun
        }
        let few = (0..<3).map { _ in cost(150) }.min() ?? .zero
        let many = (0..<2).map { _ in cost(1500) }.min() ?? .zero
        #expect(many < few * 35, "\(many) against \(few)")
    }

    @Test("A thousand checks with one cause are one finding, quickly")
    func many() {
        let checks = (0..<1000).map { Fixture.status(Fixture.target("t\($0)"), failure: Self.refused) }
        let report = Fixture.report(checks)
        #expect(report.findings.count == 1)
        #expect(report.findings[0].affects.count == 1000)
    }
}

@Suite struct ReportJSONTests {
    private static let phases = ["token", "dns", "tcp", "negotiate", "tls", "login", "query", "privileges"]

    private var report: Report {
        Fixture.report(
            [
                Fixture.status(
                    Fixture.target(),
                    failure: Failure(.tcpRefused, during: .tcp, evidence: [Evidence(.errno, code: 111, text: "connection refused")])),
                CheckStatus(id: CheckID(target: "new", identity: "app"), target: Fixture.target("new", user: nil)),
            ], [Fixture.identity(), IdentityStatus(name: "idle")])
    }

    @Test("The document has the keys of schema 1, in order, and none is missing")
    func document() throws {
        let json = try #require(JSON(parsing: report.json.compact))
        #expect(json.keys == ["schema", "version", "time", "host", "mode", "exit", "checks", "identities", "findings"])
        #expect(json["schema"] == .integer(1))
        #expect(json["time"]?.text == "2026-11-22T12:00:00.000Z")
        #expect(json["mode"]?.text == "inside")
        #expect(json["exit"] == .integer(20))
        #expect(JSON(parsing: report.json.pretty) == json)
    }

    @Test("A check has all its keys, also one that was never probed")
    func checks() throws {
        let checks = try #require(report.json["checks"]?.items)
        let keys = [
            "id", "target", "identity", "engine", "host", "port", "database", "user", "state", "cause", "phase", "since", "last_good",
            "started",
            "duration_seconds", "phases", "facts", "changes", "findings",
        ]
        #expect(checks.allSatisfy { $0.keys == keys })
        let down = checks[0]
        #expect(down["state"]?.text == "down")
        #expect(down["cause"]?.text == "tcp_refused")
        #expect(down["duration_seconds"] == .number(0.082))
        #expect(down["last_good"]?.text == "2026-11-22T11:58:00.082Z")
        #expect(down["findings"] == .array([.string("f1")]))
        let new = checks[1]
        for key in ["user", "cause", "phase", "since", "last_good", "started", "duration_seconds"] { #expect(new[key] == .null, "\(key)") }
        #expect(new["state"]?.text == "unknown")
        for check in checks { #expect(check["phases"]?.items?.compactMap { $0["name"]?.text } == Self.phases) }
    }

    @Test("Phases say what they did, how long, and why not")
    func phaseObjects() throws {
        let phases = try #require(report.json["checks"]?[0]?["phases"]?.items)
        #expect(phases.allSatisfy { $0.keys == ["name", "outcome", "duration_seconds", "cached", "reason", "median_seconds"] })
        #expect(
            phases[0].compact
                == #"{"name":"token","outcome":"ok","duration_seconds":null,"cached":true,"reason":null,"median_seconds":null}"#)
        #expect(
            phases[2].compact
                == #"{"name":"tcp","outcome":"failed","duration_seconds":0.061,"cached":false,"reason":null,"median_seconds":null}"#)
        #expect(
            phases[4].compact
                == #"{"name":"tls","outcome":"skipped","duration_seconds":null,"cached":false,"reason":"not reached","median_seconds":null}"#
        )
    }

    @Test("Facts have the contract's keys, null where nothing is known")
    func facts() throws {
        let facts = try #require(report.json["checks"]?.items).compactMap { $0["facts"] }
        for fact in facts { #expect(Set(["addresses", "certificate", "server_version"]).isSubset(of: Set(fact.keys ?? []))) }
        #expect(facts[0]["certificate"]?["not_after"]?.text == "2027-01-21T12:00:00.000Z")
        #expect(facts[1]["certificate"] == .null)
        #expect(facts[1]["addresses"] == .array([]))
    }

    @Test("An identity has all its keys")
    func identities() throws {
        let identities = try #require(report.json["identities"]?.items)
        #expect(
            identities[0].compact
                == #"{"identity":"app","state":"up","cause":null,"source":"app_service","expires":"2026-11-22T14:48:00.000Z","same_token":false,"findings":[]}"#
        )
        #expect(
            identities[1].compact
                == #"{"identity":"idle","state":"unknown","cause":null,"source":null,"expires":null,"same_token":null,"findings":[]}"#)
    }

    @Test("A finding has all its keys")
    func findings() throws {
        let finding = try #require(report.json["findings"]?[0])
        #expect(
            finding.keys == [
                "id", "code", "severity", "phase", "certainty", "root", "parent", "affects", "since", "detail", "evidence", "hint",
                "remedies", "next",
            ])
        #expect(finding["severity"]?.text == "error")
        #expect(finding["root"] == .bool(true))
        #expect(finding["parent"] == .null)
        #expect(finding["affects"] == .array([.string("orders/app")]))
        #expect(finding["evidence"]?[0]?.compact == #"{"kind":"errno","code":"111","text":"connection refused"}"#)
        #expect(finding["remedies"]?[0]?.keys == ["kind", "text"])
        #expect(finding["remedies"]?[0]?["kind"]?.text == "look")
    }

    @Test("Lists have their own frame")
    func list() {
        #expect(Report.listJSON(items: [1, 2]).compact == #"{"schema":1,"items":[1,2],"next":null}"#)
        #expect(Report.listJSON(items: [], next: "c").compact == #"{"schema":1,"items":[],"next":"c"}"#)
    }

    @Test("The line of a change of verdict is the contract's")
    func stateLine() {
        let change = StateChange(
            check: CheckID(target: "orders", identity: "app"), from: .unknown, to: .down, cause: .tcpRefused, phase: .tcp, time: noon,
            since: noon + .seconds(-3600))
        #expect(
            change.stateLine.compact
                == #"{"schema":1,"time":"2026-11-22T12:00:00.000Z","kind":"check","id":"orders/app","from":"unknown","to":"down","cause":"tcp_refused","phase":"tcp","since":"2026-11-22T11:00:00.000Z"}"#
        )
    }
}
