// What only a running agent can tell: since when, against what is usual, what changed, who else is hit.
import Testing

@testable import Diagnosis

@Suite struct InsideReportTests {
    private static let refused = Failure(
        .tcpRefused, during: .tcp, evidence: [Evidence(.errno, code: 111, text: "ECONNREFUSED, connection refused")])
    private static let medians = PhaseMedians(
        probes: 10_078,
        durations: [
            .token: .milliseconds(38), .dns: .microseconds(2900), .tcp: .milliseconds(2), .negotiate: .milliseconds(3),
            .tls: .milliseconds(9), .login: .milliseconds(55), .query: .milliseconds(1),
        ])

    struct Row: Sendable {
        var failure: Failure?
        var norm: String?
    }

    @Test(
        "Under the phases of a probe stands how long they usually take, as far as it went",
        arguments: [
            Row(failure: refused, norm: "  norm dns 2.9 ms · tcp 2 · median of 7 d, 10078 probes"),
            Row(
                failure: nil,
                norm: "  norm dns 2.9 ms · tcp 2 · negotiate 3 · tls 9 · login 55 · query 1 · median of 7 d, 10078 probes"),
            Row(
                failure: Failure(.identityEndpointUnreachable, during: .token),
                norm: "  norm token 38 ms · median of 7 d, 10078 probes"),
        ])
    func norm(row: Row) throws {
        var report = Fixture.report([Fixture.status(Fixture.target(), failure: row.failure)])
        #expect(!ReportText.render(report).contains("norm"), "what nobody knows is not said")
        report.medians = [CheckID(target: "orders", identity: "app"): Self.medians]
        let lines = ReportText.render(report, style: TextStyle(width: 200)).split(separator: "\n").map(String.init)
        let index = try #require(lines.firstIndex { $0.contains("  norm ") })
        #expect(lines[index] == row.norm)
        #expect(lines[index - 1].hasPrefix("  token "), "right under the phases")
        let phases = try #require(report.json["checks"]?[0]?["phases"]?.items)
        #expect(phases.first { $0["name"]?.text == "tls" }?["median_seconds"] == .number(0.009))
        #expect(phases.first { $0["name"]?.text == "privileges" }?["median_seconds"] == .null)
    }

    @Test("What changed is told with the time at which it was seen first, also after many more failures")
    func changed() {
        let target = Fixture.target()
        var status = Fixture.status(target)
        var facts = Fixture.facts()
        facts.addresses = ["20.61.88.14"]
        let id = status.id
        _ = status.apply(Fixture.observation(id, failure: Self.refused, facts: facts, at: noon + .seconds(-50)))
        facts.appID = Fixture.objectID
        _ = status.apply(Fixture.observation(id, failure: Self.refused, facts: facts, at: noon + .seconds(-40)))
        var early = Facts()
        early.addresses = facts.addresses
        _ = status.apply(Fixture.observation(id, failure: Self.refused, facts: early, at: noon + .seconds(-30)))
        let text = ReportText.render(Fixture.report([status]), style: TextStyle(width: 200))
        #expect(
            text.contains(
                """

                  changed 11:59:10Z  address 10.20.4.7 (private) → 20.61.88.14 (public)
                  changed 11:59:20Z  token's app id \(Fixture.appID) → \(Fixture.objectID)

                """), "\(text)")
        _ = status.apply(Fixture.observation(id, facts: Fixture.facts(), at: noon + .seconds(-20)))
        #expect(status.changes.isEmpty, "it works again")
    }

    @Test("A change that is taken back is none, and a new value has its own time")
    func changeOfChange() {
        let old = Fixture.facts()
        var new = old
        new.serverVersion = "16.1"
        let first = FactsComparison.changes(from: old, to: new, at: noon)
        #expect(first.map(\.name) == ["server_version"] && first.first?.time == noon)
        new.serverVersion = "16.2"
        #expect(FactsComparison.changes(from: old, to: new, at: noon + .seconds(9), known: first).first?.time == noon + .seconds(9))
        #expect(FactsComparison.changes(from: old, to: old, at: noon, known: first).isEmpty)
        var moved = old
        moved.addresses = ["10.20.4.8", "10.20.4.7"]
        var back = old
        back.addresses = ["10.20.4.7", "10.20.4.8"]
        #expect(FactsComparison.changes(from: moved, to: back, at: noon).isEmpty, "order is the resolver's whim")
    }

    @Test("Every fact that is compared comes back from its JSON form")
    func factsReadBack() {
        var facts = Fixture.facts()
        facts.aliases = ["orders.privatelink.example"]
        facts.tlsCipher = "TLS_AES_256_GCM_SHA384"
        facts.currentUser = "aad_orders"
        facts.database = "orders"
        facts.isInRecovery = false
        facts.serviceObjective = "GP_S_Gen5_1"
        facts.redirectedTo = "tr1.worker.database.windows.net:11003"
        facts.principal = .userAssigned
        facts.tenant = Fixture.tenant
        var copy = Facts()
        for name in FactsComparison.names {
            let value = facts.json[name]
            #expect(value != nil && value != .null, "\(name)")
            if let value { copy.take(name, value) }
        }
        for name in FactsComparison.names { #expect(copy.json[name] == facts.json[name], "\(name)") }
        copy.take("ttl_seconds", .integer(7))
        #expect(copy.timeToLive == nil)
    }

    @Test("What history knows from before the start is taken over: last good, since when, what changed")
    func past() {
        let id = CheckID(target: "orders", identity: "app")
        let change = FactsComparison.Change(name: "server_version", before: "15.17", after: "15.18", time: noon + .seconds(-500))
        var good = Fixture.facts()
        good.serverVersion = "15.17"
        let past = CheckPast(
            lastGood: noon + .seconds(-600), facts: good, failingSince: [.tcpRefused: noon + .seconds(-550)], changes: [change])
        func failing(_ status: inout CheckStatus) {
            _ = status.apply(Fixture.observation(id, failure: Self.refused, at: noon + .seconds(-10)))
        }
        var before = CheckStatus(id: id, target: Fixture.target())
        before.adopt(past)
        failing(&before)
        var after = CheckStatus(id: id, target: Fixture.target())
        failing(&after)
        after.adopt(past)
        for status in [before, after] {
            #expect(status.since == noon + .seconds(-550))
            #expect(status.lastGood == past.lastGood && status.lastGoodFacts == good)
            #expect(status.changes == [change])
        }
        var other = CheckStatus(id: id, target: Fixture.target())
        other.adopt(past)
        _ = other.apply(Fixture.observation(id, failure: Failure(.tcpTimeout, during: .tcp), at: noon))
        #expect(other.since == noon, "this cause is new")
        var healthy = Fixture.status(Fixture.target())
        let known = healthy
        healthy.adopt(past)
        #expect((healthy.since, healthy.lastGood, healthy.changes) == (known.since, known.lastGood, []), "what was seen since stands")
    }

    @Test("An identity that failed before the start fails since then, whichever comes first, its history or its next request")
    func pastOfIdentity() {
        let early = noon + .seconds(-900)
        let failure = Failure(.identityEndpointUnreachable, during: .token)
        let past = [CheckID(watching: "app"): CheckPast(failingSince: [.identityEndpointUnreachable: early])]
        let request = TokenEvent.request(
            TokenRequestResult(
                identity: "app", resource: .ossrdbms, source: .appService, time: noon, duration: .milliseconds(40),
                outcome: .failed(failure)))
        for isFirst in [true, false] {
            let board = Board(targets: [Fixture.target()], identities: ["app"])
            if isFirst { board.adopt(past) }
            board.record(request)
            if !isFirst { board.adopt(past) }
            #expect(board.snapshot.identities.first?.since == early)
        }
    }

    @Test("A report about some checks tells of the others whom it hits and what works, and ends as they alone would")
    func narrowed() throws {
        let (orders, crm) = (Fixture.target(), Fixture.target("crm", database: "crm"))
        let ledger = Fixture.target("ledger", host: "ledger.example")
        let broken = Fixture.target("broken", host: "broken.example", identities: ["reporting"])
        let all = Fixture.report(
            [
                Fixture.status(broken, identity: "reporting", failure: Failure(.dnsNotFound, during: .dns)),
                Fixture.status(orders, failure: Self.refused), Fixture.status(crm, failure: Self.refused), Fixture.status(ledger),
            ], [Fixture.identity(), Fixture.identity("reporting")])
        #expect(all.findings.map(\.code) == ["dns_not_found", "tcp_refused"])
        let id = CheckID(target: "orders", identity: "app")
        let report = all.narrowed(to: [id])
        #expect(report.checks.map(\.status.id) == [id])
        #expect(report.checks.map(\.findings) == [["f1"]])
        #expect(report.identities.map(\.status.name) == ["app"])
        #expect(report.findings.map(\.id) == ["f1"] && report.findings.map(\.code) == ["tcp_refused"])
        #expect(report.exit == .network)
        let text = ReportText.render(report)
        #expect(text.contains("hit: orders/app, crm/app"))
        #expect(text.contains("identity (ledger/app is up)"))
        #expect(!text.contains("dns_not_found") && !text.contains("√ ledger/app"))
        #expect(all.narrowed(to: [CheckID(target: "ledger", identity: "app")]).exit == .healthy)
    }

    @Test("A question for history is asked of an agent as it is asked of a file")
    func questions() {
        let time = noon
        let id = CheckID(target: "orders", identity: "app")
        let rows: [(HistoryQuestion, String)] = [
            (.observations(HistoryQuery(limit: 7)), "/api/v1/history?limit=7"),
            (
                .observations(HistoryQuery(check: id, since: time, before: time, limit: 1, onlyFailures: true)),
                "/api/v1/history?check=orders%2Fapp&since=2026-11-22T12%3A00%3A00.000Z&before=2026-11-22T12%3A00%3A00.000Z&limit=1&failures=true"
            ),
            (.sums(RollupQuery(.day, target: "a b&c", limit: 5)), "/api/v1/history?target=a%20b%26c&by=day&limit=5"),
            (.incidents(IncidentQuery(limit: 3, onlyOpen: true)), "/api/v1/incidents?limit=3&open=true"),
            (.changes(id), "/api/v1/changes?check=orders%2Fapp"),
        ]
        for (question, uri) in rows { #expect(question.uri == uri) }
        #expect(HistoryAnswer.observations([], limit: 3).text(place: "x", now: noon) == "Nothing recorded in x.\n")
        #expect(HistoryAnswer.incidents([], limit: 3, onlyOpen: true).text(place: "x", now: noon) == "No incident is open in x.\n")
    }
}
