// The pure parts of the HTTP side: hosts, addresses, parameters, health.
import Diagnosis
import NIOCore
import Telemetry
import Testing

@testable import StatusServer

struct HostRow: Sendable {
    var host: String?
    var isAccepted: Bool
    init(_ host: String?, _ isAccepted: Bool) {
        self.host = host
        self.isAccepted = isAccepted
    }
}

@Suite struct RuleTests {
    @Test(
        "Addresses, localhost and configured names are accepted as Host, everything else is not",
        arguments: [
            HostRow(nil, true), HostRow("127.0.0.1", true), HostRow("127.0.0.1:9745", true), HostRow("10.1.2.3:80", true),
            HostRow("[::1]", true), HostRow("[::1]:9745", true), HostRow("[fd00::4]:1", true), HostRow("localhost", true),
            HostRow("LOCALHOST:9745", true), HostRow("agent.example", true), HostRow("Agent.Example.:80", true),
            HostRow("evil.example", false), HostRow("agent.example.evil.example", false), HostRow("127.0.0.1.evil.example", false),
            HostRow("", false), HostRow(":80", false), HostRow("localhost:80:80", false), HostRow("localhost@evil.example", false),
            HostRow("[localhost]", false), HostRow("[127.0.0.1]", false), HostRow("[::1", false), HostRow("[::1]x", false),
            HostRow("0x7f000001", false), HostRow("2130706433", false), HostRow("localhost:١", false), HostRow("localhost/", false),
        ])
    func hosts(row: HostRow) {
        #expect(HostRule(names: ["Agent.Example"]).accepts(row.host) == row.isAccepted)
    }

    struct TargetRow: Sendable {
        var uri: String
        var path: String?
        var parameters: [String]
    }

    @Test(
        "The target of a request is decoded once, and what cannot be decoded is refused",
        arguments: [
            TargetRow(uri: "/", path: "/", parameters: []), TargetRow(uri: "/a%20b?x=1&y", path: "/a b", parameters: ["x=1", "y="]),
            TargetRow(uri: "/?a=b%26c&d=e+f%2B", path: "/", parameters: ["a=b&c", "d=e f+"]),
            TargetRow(uri: "/x?a=b=c#frag", path: "/x", parameters: ["a=b=c"]), TargetRow(uri: "/%252e", path: "/%2e", parameters: []),
            TargetRow(uri: "http://x/", path: nil, parameters: []), TargetRow(uri: "*", path: nil, parameters: []),
            TargetRow(uri: "", path: nil, parameters: []), TargetRow(uri: "/%", path: nil, parameters: []),
            TargetRow(uri: "/%4", path: nil, parameters: []), TargetRow(uri: "/%zz", path: nil, parameters: []),
            TargetRow(uri: "/%ff", path: nil, parameters: []), TargetRow(uri: "/?a=%00", path: nil, parameters: []),
        ])
    func targets(row: TargetRow) {
        let target = RequestTarget(row.uri)
        #expect(target?.path == row.path)
        #expect((target?.parameters ?? []).map { "\($0.name)=\($0.value)" } == row.parameters)
    }

    @Test("The parameters of history become a query")
    func historyQuery() throws {
        let uri = "/api/v1/history?check=orders/app&since=2026-11-22T00:00:00Z&before=2026-11-22T03:00:00.5Z&limit=7&failures"
        let query = try HistoryRoute.query(#require(RequestTarget(uri))).get()
        #expect(
            query
                == HistoryQuery(
                    check: CheckID(target: "orders", identity: "app"), since: Timestamp(rfc3339: "2026-11-22T00:00:00Z"),
                    before: Timestamp(rfc3339: "2026-11-22T03:00:00.500Z"), limit: 7, onlyFailures: true))
        #expect(try HistoryRoute.query(#require(RequestTarget("/api/v1/history?target=orders"))).get().target == "orders")
    }

    @Test("Facts are asked for of one check, with nothing but a limit beside it")
    func factQuestions() throws {
        func question(_ parameters: String) throws -> Result<HistoryQuestion, HistoryRoute.Problem> {
            HistoryRoute.question(.history, try #require(RequestTarget("/api/v1/history?\(parameters)")))
        }
        let asked = HistoryQuestion.facts(CheckID(target: "orders", identity: "app"), limit: 7)
        #expect(try question("check=orders/app&facts&limit=7").get() == asked)
        #expect(try HistoryRoute.question(.history, #require(RequestTarget(asked.uri))).get() == asked, "what a command asks")
        for wrong in ["facts", "facts&target=orders", "facts=maybe&check=a/b", "facts&facts&check=a/b", "facts&check=a/b&failures"] {
            #expect(throws: HistoryRoute.Problem.self, "\(wrong)") { try question(wrong).get() }
        }
    }

    @Test(
        "A wrong parameter of history is refused and not guessed at",
        arguments: [
            "check=orders", "check=a/b/c", "target=", "since=yesterday", "before=2026-13-01T00:00:00Z", "limit=0", "limit=1001", "limit=x",
            "limit=1&limit=2", "failures=maybe", "unknown=1", "check=a/b&target=a",
        ])
    func historyRefusals(parameters: String) throws {
        let result = HistoryRoute.query(try #require(RequestTarget("/api/v1/history?\(parameters)")))
        #expect(throws: HistoryRoute.Problem.self) { try result.get() }
    }

    @Test("A page of history names the next one, the last page none")
    func historyNext() {
        let items = (0..<3).map { index in
            HistoryItem(
                check: CheckID(target: "a", identity: "b"), time: Samples.now + .seconds(-index), state: .up, cause: nil, phase: nil,
                duration: .milliseconds(20), phases: [], evidence: [], isPartial: false)
        }
        #expect(HistoryAnswer.observations(items, limit: 3).json.compact.hasSuffix("\"next\":\"2026-11-22T03:04:09.020Z\"}"))
        #expect(HistoryAnswer.observations(items, limit: 4).json.compact.hasSuffix("\"next\":null}"))
    }

    @Test("The agent is alive while its scheduler ticks, and before there is one")
    func liveness() {
        let now = ContinuousClock.now
        #expect(Liveness(lastTick: nil, period: .seconds(1)).isAlive(now: now))
        #expect(Liveness(lastTick: now - .milliseconds(2999), period: .seconds(1)).isAlive(now: now))
        #expect(!Liveness(lastTick: now - .seconds(3), period: .seconds(1)).isAlive(now: now))
        let dead = Health.livez(Liveness(lastTick: now - .seconds(9), period: .seconds(1)), isVerbose: false, now: now)
        #expect(dead.status == 503)
        #expect(String(buffer: dead.body).hasPrefix("[-]scheduler failed: last tick 9.0 s ago, period 1.0 s\n"))
        #expect(Health.livez(Liveness(lastTick: now, period: .seconds(1)), isVerbose: false, now: now).status == 200)
    }

    @Test("Ready means every condition is met, and what is missing is named")
    func readiness() {
        let waiting = Health.readyz(
            [.init("configuration", isMet: true), .init("schedule", isMet: false, detail: "not armed")], isVerbose: false)
        #expect(waiting.status == 503)
        #expect(String(buffer: waiting.body) == "[+]configuration ok\n[-]schedule failed: not armed\nreadyz check failed\n")
        #expect(Health.readyz([.init("configuration", isMet: true)], isVerbose: false).status == 200)
    }
}
