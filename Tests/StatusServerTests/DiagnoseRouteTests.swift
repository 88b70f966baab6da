// `/api/v1/diagnose`, and what text and JSON of the history a command gets: through the routes, over the web and as if over the socket.
import Diagnosis
import Foundation
import Logging
import NIOCore
import Synchronization
import Telemetry
import Testing

@testable import StatusServer

/// Answers as it is told to, and remembers what it was asked.
private final class ScriptedDiagnosis: Diagnosing {
    let asked = Mutex<[DiagnoseQuestion]>([])
    let ended = Mutex<[String]>([])
    let reply: @Sendable () -> DiagnoseReply

    init(_ reply: @escaping @Sendable () -> DiagnoseReply) { self.reply = reply }

    private func unknown(_ names: [String]) -> UnknownCheck? {
        names.contains("<typo>") ? UnknownCheck(known: ["orders", "orders/app"]) : nil
    }

    func plan(_ names: [String]) -> Result<DiagnosePlan, UnknownCheck> {
        if let unknown = unknown(names) { return .failure(unknown) }
        let check = CheckID(target: "orders", identity: "app")
        return .success(DiagnosePlan(version: "0.1.0", checks: [check], limit: .seconds(17), underWay: [check]))
    }

    func diagnose(_ question: DiagnoseQuestion) async -> Result<DiagnoseReply, UnknownCheck> {
        if let unknown = unknown(question.names) { return .failure(unknown) }
        asked.withLock { $0.append(question) }
        return .success(reply())
    }

    func end(_ run: String) { ended.withLock { $0.append(run) } }
}

private struct RouteBench {
    let diagnosis: ScriptedDiagnosis
    let metrics = Metrics()

    init(_ reply: @escaping @Sendable () -> DiagnoseReply = { .report(Samples.report(Samples.old())) }) {
        diagnosis = ScriptedDiagnosis(reply)
    }

    func ask(
        _ uri: String, method: String = "GET", accept: String? = nil, host: String? = nil, isLocal: Bool = false
    ) async -> (status: Int, type: String, headers: [String: String], text: String) {
        let sources = StatusSources(
            exposition: { Samples.exposition(Samples.old()) }, history: nil, liveness: { Liveness(lastTick: nil, period: .seconds(1)) },
            readiness: { [] }, report: { Samples.report(Samples.old()) }, diagnosis: diagnosis)
        let routes = Routes(
            sources: sources, metrics: metrics, hosts: [], uriLimit: 8192, caches: RenderCaches(lifetime: .zero))
        let answer = await routes.answer(
            RequestFacts(
                method: method, uri: uri, host: host, hasBody: false, accept: accept, acceptEncoding: nil, scrapeTimeout: nil,
                isLocal: isLocal)
        ).answer
        let headers = Dictionary(answer.headers.map { ($0.0, $0.1) }, uniquingKeysWith: { first, _ in first })
        return (answer.status, headers["Content-Type"] ?? "", headers, String(buffer: answer.body))
    }
}

@Suite(.timeLimit(.minutes(1))) struct DiagnoseRouteTests {
    @Test("A shell elsewhere gets the text of one check and the number of it, JSON when it asks for that, and resets nothing")
    func web() async {
        let bench = RouteBench()
        let text = await bench.ask("/api/v1/diagnose?check=orders/app")
        #expect(text.status == 200 && text.type == "text/plain; charset=utf-8")
        #expect(text.text.contains("inside agent"))
        #expect(
            text.headers["X-Agent-Exit"] == "\(Samples.report(Samples.old()).exit.rawValue)"
                && text.headers["Vary"] == "Accept, Accept-Encoding")
        let json = await bench.ask("/api/v1/diagnose?check=orders/app", accept: "application/json")
        #expect(json.type == "application/json" && JSON(parsing: json.text)?["mode"]?.text == "inside")
        #expect(await bench.ask("/api/v1/diagnose?check=orders/app", accept: "*/*").type.hasPrefix("text/plain"))
        #expect(bench.diagnosis.asked.withLock { $0.map(\.isCommand) } == [false, false, false])
        #expect(bench.diagnosis.asked.withLock { $0.allSatisfy { $0.timeout == nil && $0.run == nil } })
    }

    @Test(
        "Over the web there is one check and nothing else, and no answer repeats what was asked",
        arguments: [
            "", "?check=", "?check=%3Ctypo%3E", "?check=orders/app&check=billing/app", "?check=orders/app&timeout=1",
            "?check=orders/app&run=a",
            "?check=orders/app&plan", "?check=orders/app&width=40", "?check=orders/app&color=true", "?target=orders", "?end&run=x",
        ])
    func refused(query: String) async {
        let bench = RouteBench()
        let answer = await bench.ask("/api/v1/diagnose\(query)")
        #expect(answer.status == 400)
        #expect(!answer.text.contains("typo") && !answer.text.contains("billing"))
        #expect(bench.diagnosis.asked.withLock { $0.isEmpty } && bench.diagnosis.ended.withLock { $0.isEmpty })
    }

    @Test("Nothing is posted over the web, and on the socket to this one path only")
    func methods() async {
        let bench = RouteBench()
        #expect(await bench.ask("/api/v1/diagnose?check=orders/app", method: "POST").status == 405)
        #expect(await bench.ask("/api/v1/status", method: "POST", isLocal: true).status == 405)
        #expect(await bench.ask("/api/v1/diagnose", method: "DELETE", isLocal: true).status == 405)
        #expect(bench.diagnosis.asked.withLock { $0.isEmpty })
    }

    @Test("The host of a request matters to browsers, which do not reach the socket")
    func host() async {
        let bench = RouteBench()
        #expect(await bench.ask("/livez", host: "evil.example").status == 421)
        #expect(await bench.ask("/livez", host: "evil.example", isLocal: true).status == 200)
    }

    @Test("The command says how long, how it is to look, and by which name it may be ended")
    func command() async {
        let bench = RouteBench()
        let answer = await bench.ask(
            "/api/v1/diagnose?check=orders&check=billing%2Fapp&timeout=2.5&fail_on=warning&run=abc&width=60&color=true", method: "POST",
            accept: "text/plain", isLocal: true)
        #expect(answer.status == 200 && answer.text.contains("\u{1B}["))
        let question = DiagnoseQuestion(
            names: ["orders", "billing/app"], isCommand: true, timeout: .seconds(2.5), failOn: .warning, run: "abc")
        #expect(bench.diagnosis.asked.withLock { $0 } == [question])
        #expect(await bench.ask("/api/v1/diagnose?end&run=abc", method: "POST", isLocal: true).status == 200)
        #expect(bench.diagnosis.ended.withLock { $0 } == ["abc"])
        let pretty = await bench.ask("/api/v1/diagnose?pretty=true", method: "POST", accept: "application/json", isLocal: true)
        #expect(pretty.text.hasPrefix("{\n  \"schema\": 1"))
        #expect(pretty.headers["X-Agent-Unfinished"] == "crm/app", "no result is told apart from a result")
    }

    @Test("What would run is told before, and a name that fits nothing with what there is")
    func plan() async {
        let bench = RouteBench()
        let plan = await bench.ask("/api/v1/diagnose?plan", isLocal: true)
        #expect(
            plan.text
                == #"{"schema":1,"version":"0.1.0","checks":["orders/app"],"limit_seconds":17,"under_way":["orders/app"]}"# + "\n")
        let typo = await bench.ask("/api/v1/diagnose?plan&check=%3Ctypo%3E", isLocal: true)
        #expect(typo.status == 400)
        #expect(JSON(parsing: typo.text)?["known"] == ["orders", "orders/app"])
        #expect(bench.diagnosis.asked.withLock { $0.isEmpty })
    }

    @Test(
        "Whoever cannot be answered now is told why",
        arguments: [(DiagnoseReply.busy, "probe_limit"), (.crowded, "probe_concurrency"), (.late, "probe_late"), (.closed, "stopping")])
    func unavailable(reply: DiagnoseReply, code: String) async {
        let bench = RouteBench { reply }
        let answer = await bench.ask("/api/v1/diagnose?check=orders/app")
        #expect(answer.status == 503)
        #expect(JSON(parsing: answer.text)?["error"]?["code"]?.text == code)
        #expect(answer.headers["Retry-After"] == "1")
    }

    @Test("History is JSON by itself and text for a command that asks for it")
    func history() async {
        let bench = RouteBench()
        #expect(await bench.ask("/api/v1/history").type == "application/json")
        let text = await bench.ask("/api/v1/history?by=day", accept: "text/plain")
        #expect(text.type.hasPrefix("text/plain") && text.text == "Nothing recorded in the running agent.\n")
        #expect(await bench.ask("/api/v1/changes?check=orders/app", accept: "text/plain").text.contains("No failure of orders/app"))
        #expect(await bench.ask("/api/v1/history?limit=1001").status == 400)
        #expect(await bench.ask("/api/v1/history?limit=10000", isLocal: true).status == 200)
        for wrong in ["history?by=week", "history?by=day&by=hour", "history?by=day&failures", "changes", "changes?check=orders"] {
            #expect(await bench.ask("/api/v1/\(wrong)").status == 400, "\(wrong)")
        }
    }

    @Test("Every question that a command has for history is understood as it was meant")
    func questions() throws {
        let id = CheckID(target: "orders", identity: "app")
        let time = Samples.now
        let all: [(HTTPHandlerName, HistoryQuestion)] = [
            (.history, .observations(HistoryQuery(check: id, since: time, before: time, limit: 9, onlyFailures: true))),
            (.history, .sums(RollupQuery(.hour, target: "orders", since: time, limit: 9))),
            (.incidents, .incidents(IncidentQuery(target: "orders", since: time, before: time, limit: 9, onlyOpen: true))),
            (.changes, .changes(id)),
        ]
        for (handler, question) in all {
            let target = try #require(RequestTarget(question.uri))
            #expect(Routes.handler(target.path) == handler)
            #expect(try HistoryRoute.question(handler, target).get() == question)
        }
    }
}
