import Testing

@testable import Diagnosis

@Suite struct ReportTextTests {
    private static let refused = Failure(
        .tcpRefused, during: .tcp, evidence: [Evidence(.errno, code: 111, text: "ECONNREFUSED, connection refused")])

    @Test("A failing check is told from the top: what, since when, phase by phase, what it is not, what to run")
    func failing() {
        let text = ReportText.render(
            Fixture.report([
                Fixture.status(Fixture.target(), failure: Self.refused), Fixture.status(Fixture.target("ledger", host: "ledger.example")),
            ]))
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        #expect(
            lines[0]
                == "orders/app  postgresql orders.postgres.database.azure.com/orders   inside agent, vm-orders-2, 12:00:00Z   exit 20")
        #expect(lines[1] == "× tcp  tcp_refused, certain   since 11:59:00Z (1 min), last good 11:58:00Z")
        #expect(lines[2] == "  token cached · dns 3 ms · tcp 61 × 10.20.4.7 · negotiate, tls, login, query not reached")
        #expect(text.contains("\n  saw  errno 111: ECONNREFUSED, connection refused\n"))
        #expect(text.contains("not: identity (ledger/app is up), DNS\n  hit: orders/app   users: new connections fail"))
        #expect(text.contains("\n  hint Server stopped or restarting"))
        #expect(text.contains("\n  mend [look] az postgres flexible-server show -g <resource group> -n orders --query state -o tsv\n"))
        #expect(text.contains("\n  mend [repair] az postgres flexible-server start -g <resource group> -n orders\n"))
        #expect(text.contains("\n  next the port in the configuration; "))
        #expect(text.contains("\n\n√ ledger/app  postgresql ledger.example/orders   up since"))
        #expect(text.hasSuffix("\n"))
    }

    /// A failure, and what it means for others.
    struct Effect: Sendable {
        var cause: Cause
        var phase: Phase
        var users: String
    }

    @Test(
        "What a failure means for users depends on whether the login works",
        arguments: [
            Effect(cause: .tcpRefused, phase: .tcp, users: "new connections fail"),
            Effect(cause: .connectionLost, phase: .login, users: "new connections fail"),
            Effect(cause: .connectionLost, phase: .query, users: "they log in, statements fail"),
            Effect(cause: .queryTimeout, phase: .login, users: "new connections fail"),
            Effect(cause: .queryTimeout, phase: .query, users: "they log in, statements fail"),
            Effect(cause: .queryFailed, phase: .query, users: "they log in, statements fail"),
            Effect(cause: .databaseReadOnly, phase: .query, users: "they log in, statements fail"),
            Effect(cause: .queryFailed, phase: .privileges, users: "they log in, statements fail"),
        ])
    func users(row: Effect) {
        let text = ReportText.render(Fixture.report([Fixture.status(Fixture.target(), failure: Failure(row.cause, during: row.phase))]))
        let told = text.split(separator: "\n").filter { $0.contains("users: ") }
        #expect(told.count == 1 && told.allSatisfy { $0.hasSuffix("users: \(row.users)") }, "\(text)")
    }

    @Test("A check that found no place is not told as if nothing were known of the reason")
    func crowded() {
        let status = CheckStatus(id: Fixture.target().checks[0], target: Fixture.target())
        var report = Fixture.report([status])
        #expect(!ReportText.render(report).contains("limits.concurrency"))
        report.crowded = [status.id]
        #expect(ReportText.render(report).contains("not probed: as many probes talk to servers as limits.concurrency lets"))
    }

    @Test("A healthy check is three lines with every phase and what will end when")
    func healthy() {
        let text = ReportText.render(
            Fixture.report([Fixture.status(Fixture.target(port: 6432))], mode: .local), style: TextStyle(width: 400))
        #expect(
            text == """
                √ orders/app  postgresql orders.postgres.database.azure.com:6432/orders   up since 11:59:00Z (1 min)   this shell, vm-orders-2, 12:00:00Z   exit 0
                  token cached · dns 3 ms · tcp 3 · negotiate 3 · tls 3 · login 3 · query 3 · total 82 ms
                  10.20.4.7 · certificate ends 2027-01-21 12:00Z (in 60 d) · TLSv1.3 · server 15.18 · token ends 13:00:00Z (in 1 h) · user aad_orders

                """)
    }

    @Test("An endpoint that fails under valid tokens is a warning that counts the checks and says what 1 would need")
    func warning() {
        let failure = Failure(.identityEndpointUnreachable, during: .token, evidence: [Evidence(.curl, code: 28, text: "timeout")])
        let report = Fixture.report(
            [Fixture.status(Fixture.target()), Fixture.status(Fixture.target("crm", host: "crm.example"))],
            [Fixture.identity(failure: failure)])
        let text = ReportText.render(report, style: TextStyle(width: 400))
        #expect(
            text.hasPrefix(
                "2 checks, identity app   inside agent, vm-orders-2, 12:00:00Z   exit 0 (1 with --fail-on warning)\n‼ token  identity_endpoint_unreachable, certain"
            ))
        #expect(
            text.contains(
                "Nothing is down yet: 2 of 2 log in with the cached token, which is good until 2026-11-22T14:48:00.000Z (2 h 48 min)."))
        #expect(text.contains("concerns: orders/app, crm/app"))
        #expect(!text.contains("users: new connections fail"))
        #expect(text.contains("√ orders/app"))
    }

    @Test("An endpoint that fails beside servers that fail shows no phases of theirs, and counts who still logs in")
    func warningBesideFailures() throws {
        let failure = Failure(.identityEndpointUnreachable, during: .token)
        let report = Fixture.report(
            [
                Fixture.status(Fixture.target(), failure: Self.refused), Fixture.status(Fixture.target("crm"), failure: Self.refused),
                Fixture.status(Fixture.target("ledger", host: "ledger.example")),
            ], [Fixture.identity(failure: failure)])
        let blocks = ReportText.render(report, style: TextStyle(width: 400)).split(separator: "\n\n")
        let block = try #require(blocks.first { $0.contains("identity_endpoint_unreachable, certain") })
        #expect(
            block.contains("1 of 3 log in with the cached token, which is good until") && !block.contains("Nothing is down"), "\(block)")
        #expect(!block.contains(" · tcp ") && !block.contains("not: "), "\(block)")
    }

    private static func server(_ name: String) -> Target { Fixture.target(name, host: "\(name).postgres.database.azure.com") }

    @Test("One fault on three servers is one block that names each of them, with every server's commands, and stays three findings")
    func oneFaultManyServers() {
        let report = Fixture.report(
            ["orders", "ledger", "crm"].map { Fixture.status(Self.server($0), failure: Self.refused) } + [Fixture.status(Self.server("hr"))]
        )
        #expect(report.findings.filter(\.isRoot).count == 3)
        let text = ReportText.render(report, style: TextStyle(width: 120))
        #expect(text.hasPrefix("3 checks, 3 servers   inside agent, vm-orders-2, 12:00:00Z   exit 20\n× tcp  tcp_refused"), "\(text)")
        #expect(text.components("tcp_refused, certain") == 2)
        #expect(text.contains("\n  same ledger/app  postgresql ledger.postgres.database.azure.com/orders   since 11:59:00Z (1 min)\n"))
        #expect(text.contains("\n  hit: orders/app, ledger/app, crm/app   users: new connections fail\n"))
        #expect(text.components("\n  hint ") == 2)
        for name in ["orders", "ledger", "crm"] {
            #expect(text.contains("az postgres flexible-server start -g <resource group> -n \(name)\n"))
        }
        let kinds = text.split(separator: "\n").filter { $0.hasPrefix("  mend [") }.map { $0.hasPrefix("  mend [look]") }
        #expect(kinds.prefix(3) == [true, true, true] && kinds.last == false, "what only looks comes first")
        #expect(text.contains("\n\n√ hr/app"))
        let status = StatusText.render(report)
        #expect(status.components("× tcp_refused: ") == 2 && status.contains("\n  same crm/app, ledger/app\n"), "\(status)")
    }

    @Test("Many servers with one fault are counted, and the way to the commands that are not written out is said")
    func veryManyServers() {
        let names = (0..<40).map { "db\($0)" }
        let text = ReportText.render(Fixture.report(names.map { Fixture.status(Self.server($0), failure: Self.refused) }))
        #expect(text.split(separator: "\n").count < 45, "\(text)")
        #expect(text.contains("\n  same and 31 more\n"))
        #expect(text.contains("\n  mend the others likewise; their commands: agent diagnose db10 "))
    }

    @Test("Several causes have a summary, one line each, before their blocks; one cause has none")
    func summary() {
        let unknown = Failure(.loginPrincipalUnknown, during: .login)
        let text = ReportText.render(
            Fixture.report([
                Fixture.status(Fixture.target(), failure: unknown),
                Fixture.status(Fixture.target("ledger", host: "ledger.example"), failure: Self.refused),
                Fixture.status(Fixture.target("crm", host: "crm.example"), failure: Self.refused),
                Fixture.status(Fixture.target("hr", host: "hr.example")),
            ]))
        #expect(
            text.hasPrefix(
                """
                4 checks, 3 down   inside agent, vm-orders-2, 12:00:00Z   exit 20
                × tcp  tcp_refused   ledger/app, crm/app
                × login  login_principal_unknown   orders/app

                2 checks, 2 servers
                """), "\(text)")
        #expect(text.components("exit 20") == 2)
        #expect(!ReportText.render(Fixture.report([Fixture.status(Fixture.target(), failure: unknown)])).contains("1 check, "))
    }

    @Test("Two identities that fail at one source point to the source, one that goes on getting tokens away from it")
    func sourceOrIdentity() {
        let failure = Failure(.identityEndpointUnreachable, during: .token)
        let checks = [Fixture.status(Fixture.target(identities: ["app", "reporting"]))]
        let both = ReportText.render(
            Fixture.report(checks, [Fixture.identity(failure: failure), Fixture.identity("reporting", failure: failure)]),
            style: TextStyle(width: 400))
        #expect(both.contains("\n  not: databases, network\n"), "\(both)")
        #expect(both.contains("\n  also fails: identity reporting, so it is the source on this host, not the identity app\n"))
        var well = Fixture.identity("reporting")
        func text() -> String {
            ReportText.render(Fixture.report(checks, [Fixture.identity(failure: failure), well]), style: TextStyle(width: 400))
        }
        #expect(!text().contains("not: the source"), "asked before the trouble began")
        well.apply(
            .request(
                TokenRequestResult(
                    identity: "reporting", resource: .ossrdbms, source: .appService, time: noon, duration: .zero,
                    outcome: .acquired(expires: noon + .seconds(3600), isSameToken: false))))
        #expect(text().contains("\n  not: the source on this host, identity reporting gets tokens\n"), "\(text())")
    }

    @Test("Findings that a root explains are told under it")
    func children() {
        let failure = Failure(.identityEndpointUnreachable, during: .token)
        let report = Fixture.report(
            [
                Fixture.status(Fixture.target(), failure: failure),
                Fixture.status(Fixture.target("crm"), failure: Failure(.probeDeadline, during: .token)),
            ],
            [Fixture.identity(failure: failure, tokenEnds: nil)])
        let text = ReportText.render(report)
        #expect(text.contains("\n  also crm/app: probe_deadline, "))
        #expect(text.components("mend [look] agent token app") == 2)
    }

    @Test("Prose is broken at the width and never inside a command")
    func width() {
        let report = Fixture.report([Fixture.status(Fixture.target(), failure: Failure(.tcpTimeout, during: .tcp))])
        let text = ReportText.render(report, style: TextStyle(width: 60))
        for line in text.split(separator: "\n").dropFirst(2) where !line.hasPrefix("  mend") && !line.contains("certificate") {
            #expect(line.count <= 60, "\(line)")
        }
        #expect(text.contains("--destination-port-ranges 5432"))
    }

    @Test("Colour changes nothing but colour")
    func color() {
        let report = Fixture.report([
            Fixture.status(Fixture.target(), failure: Self.refused), Fixture.status(Fixture.target("ledger", host: "l.example")),
        ])
        let plain = ReportText.render(report)
        let colored = ReportText.render(report, style: TextStyle(color: true))
        #expect(!plain.contains("\u{1B}"))
        #expect(colored.contains("\u{1B}[31m×\u{1B}[0m"))
        var stripped = colored
        for code in ["31", "32", "33", "01", "02", "0"] {
            stripped = stripped.split(separator: "\u{1B}[\(code)m", omittingEmptySubsequences: false).joined()
        }
        #expect(stripped == plain)
    }

    @Test("Colour does not move where lines break and how far they are indented")
    func colorKeepsPlaces() {
        for color in [true, false] {
            let style = TextStyle(color: color, width: 40)
            let lines = style.paragraph(style.mark(.error) + " ", "login_refused: the server refused the login and says no more than that")
            #expect(lines.count == 2 && lines.last?.hasPrefix("  login and") == true, "\(lines)")
        }
    }

    @Test("Names and facts from outside cannot write on the terminal")
    func hostile() {
        var facts = Fixture.facts()
        facts.serverVersion = "15\u{1B}]0;owned\u{7}"
        facts.sessionUser = "x\u{202E}y"
        facts.aliases = ["a\u{1B}[2J.privatelink.example"]
        var target = Fixture.target()
        target.database = "d\u{1B}[2J"
        let report = Fixture.report([
            Fixture.status(target, facts: facts),
            Fixture.status(
                Fixture.target("b", host: "b.example", user: "u\u{1B}[2J"),
                failure: Failure(
                    .loginRefused, during: .login, detail: "\u{1B}[2J", evidence: [Evidence(.sqlstate, code: "\u{1B}2", text: "\u{1B}")])),
        ])
        let everything = ReportText.render(report) + StatusText.render(report) + report.json.compact
        #expect(everything.unicodeScalars.allSatisfy { $0 == "\n" || ($0.value >= 0x20 && $0.value != 0x7F && $0.value != 0x202E) })
    }

    @Test("Nothing to show is said")
    func empty() { #expect(ReportText.render(Fixture.report([])) == "no checks   inside agent, vm-orders-2, 12:00:00Z   exit 0\n") }

    @Test("The status is a table, worst first")
    func status() {
        let report = Fixture.report(
            [Fixture.status(Fixture.target()), Fixture.status(Fixture.target("crm"), failure: Self.refused)], [Fixture.identity()])
        let lines = StatusText.render(report).split(separator: "\n").map(String.init)
        #expect(lines[0] == "vm-orders-2, agent 0.1.0, 12:00:00Z: 1 up, 1 down")
        #expect(lines[1] == "× crm/app     down  tcp_refused in tcp  since 11:59:00Z (1 min)  82 ms")
        #expect(lines[2].hasPrefix("√ orders/app  up"))
        #expect(lines[3].hasPrefix("√ identity app  up  app_service"))
        #expect(lines[4].hasPrefix("× tcp_refused: "))
        let waiting = Report.make(
            snapshot: Board.Snapshot(checks: [], identities: []), identities: [], mode: .inside, host: "vm", version: "0.1.0", now: noon,
            failures: [Failure(.configInvalid, during: .config, detail: "agent.yaml:3: no such key")])
        let text = StatusText.render(waiting, style: TextStyle(width: 200))
        #expect(text.contains(": no checks\n× config_invalid: agent.yaml:3: no such key\n  hint "), "\(text)")
    }

    @Test("The history is a table, and an empty one says so")
    func history() {
        let item = HistoryItem(
            check: CheckID(target: "orders", identity: "app"), time: noon, state: .down, cause: .tcpRefused, phase: .tcp,
            duration: .milliseconds(21),
            phases: [], evidence: [Evidence(.errno, code: 111, text: "connection refused")], isPartial: false)
        #expect(
            StatusText.render(history: [item], now: noon)
                == "× 2026-11-22T12:00:00.000Z  orders/app  down  21 ms  tcp_refused in tcp  errno 111: connection refused\n")
        #expect(StatusText.render(history: [], now: noon) == "nothing recorded\n")
    }

    @Test("A token is told by its claims and times")
    func token() {
        let report = TokenReport(
            identity: IdentityDefinition(name: "app", kind: .managedIdentity(.clientID(Fixture.appID))), resource: .ossrdbms,
            source: .appService,
            endpoint: "http://172.16.0.5:8081/msi/token", duration: .milliseconds(41), time: noon,
            outcome: .acquired(Fixture.claims(), expires: noon + .seconds(3600), length: 1712, isCached: false, warning: nil),
            chain: [
                .init(source: .appService, result: "won", reason: "IDENTITY_ENDPOINT is set"),
                .init(source: .imds, result: "skipped", reason: "App Service answers"),
            ])
        let text = TokenText.render(report)
        #expect(
            text.hasPrefix(
                "√ identity app  ossrdbms from app_service http://172.16.0.5:8081/msi/token   41 ms   exit 0\n  token      1712 bytes\n"))
        #expect(text.contains("\n  object id  \(Fixture.objectID)\n"))
        #expect(text.contains("\n    imds         skipped  App Service answers\n"))
        #expect(report.json["claims"]?["object_id"]?.text == Fixture.objectID)
        #expect(report.json["cause"] == .null)
    }

    @Test("A token that was not to be had is told with cause and remedy")
    func tokenFailure() {
        let report = TokenReport(
            identity: IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned)), resource: .ossrdbms, source: .imds,
            endpoint: "http://169.254.169.254", duration: .seconds(2), time: noon,
            outcome: .failed(Classifier.curl(code: 28, text: "timed out", source: .imds)))
        let text = TokenText.render(report)
        #expect(text.contains("exit 10\n  identity_endpoint_unreachable, certain: The identity endpoint did not answer in time."))
        #expect(text.contains("mend [look] agent token app"))
        #expect(!text.contains("az webapp"))
        #expect(report.json["exit"] == .integer(10))
        #expect(report.json["claims"] == .null)
    }
}

extension String {
    /// How many parts `separator` makes of this text.
    func components(_ separator: String) -> Int { split(separator: separator, omittingEmptySubsequences: false).count }
}
