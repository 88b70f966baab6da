// `/probe`, `/sd/targets` and compression, through the routes and over the wire.
import Diagnosis
import Foundation
import Logging
import NIOCore
import Synchronization
import Telemetry
import Testing

@testable import StatusServer

/// Routes over a board, and what was asked of them.
private final class RouteBench: Sendable {
    let asked = Mutex<[(check: CheckID, timeout: Duration)]>([])
    let renderings = Atomic(0)
    let metrics = Metrics()

    func routes(
        board: Board = Samples.old(), targets: [Target]? = nil, isOnDemand: Bool = true,
        reply: @escaping @Sendable (CheckID) -> ProbeReply = { .observed(Samples.success($0), resting: nil) }
    ) -> Routes {
        let targets = targets ?? [Samples.target("orders"), Samples.target("shared", identities: ["app", "reporting"])]
        let probe: @Sendable (CheckID, Duration) async -> ProbeReply = { check, timeout in
            self.asked.withLock { $0.append((check, timeout)) }
            return reply(check)
        }
        let sources = StatusSources(
            exposition: {
                self.renderings.add(1, ordering: .relaxed)
                return Samples.exposition(board)
            }, history: nil, liveness: { Liveness(lastTick: nil, period: .seconds(1)) }, readiness: { [] },
            report: { Samples.report(board) }, targets: { targets }, probe: isOnDemand ? probe : nil)
        return Routes(
            sources: sources, metrics: metrics, hosts: [], uriLimit: 8192, caches: RenderCaches(lifetime: .seconds(600)))
    }
}

extension Routes {
    fileprivate func get(
        _ uri: String, accept: String? = nil, encoding: String? = nil, scrapeTimeout: String? = nil
    ) async -> Answer {
        await answer(
            RequestFacts(
                method: "GET", uri: uri, host: nil, hasBody: false, accept: accept, acceptEncoding: encoding, scrapeTimeout: scrapeTimeout)
        ).answer
    }
}

extension Answer {
    fileprivate func header(_ name: String) -> [String] { headers.filter { $0.0 == name }.map(\.1) }
    fileprivate var text: String { String(buffer: body) }
}

private func unpacked(_ answer: Answer) throws -> String {
    let result = try run("gzip", ["-dc"], input: Array(answer.body.readableBytesView))
    #expect(result.status == 0)
    return result.output
}

@Suite(.timeLimit(.minutes(2))) struct OnDemandRouteTests {
    @Test("A configured target is probed with its identity and the time that the scraper leaves")
    func probes() async {
        let bench = RouteBench()
        let answer = await bench.routes().get("/probe?target=orders", scrapeTimeout: "10")
        #expect(answer.status == 200)
        #expect(answer.header("Content-Type") == ["text/plain; version=0.0.4; charset=utf-8"])
        #expect(answer.text.contains("\nprobe_success 1\n"))
        #expect(answer.text.contains("\nprobe_timeout_seconds 9.5\n"))
        let open = await bench.routes().get(
            "/probe?target=shared&identity=reporting", accept: "application/openmetrics-text;version=1.0.0")
        #expect(open.header("Content-Type") == ["application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"])
        #expect(open.text.hasSuffix("# EOF\n"))
        let asked = bench.asked.withLock { $0 }
        #expect(asked.map(\.check.description) == ["orders/app", "shared/reporting"])
        #expect(asked.map(\.timeout) == [.seconds(9.5), .seconds(15)])
    }

    @Test(
        "What is not configured is never probed, and the answer repeats nothing of the question",
        arguments: [
            "", "?target=", "?target=evil.example", "?target=orders.postgres.database.azure.com", "?target=orders&identity=evil",
            "?target=shared", "?target=orders&target=orders", "?target=orders&module=evil", "?identity=app",
        ])
    func refuses(parameters: String) async {
        let bench = RouteBench()
        let answer = await bench.routes().get("/probe" + parameters)
        #expect(answer.status == 400)
        #expect(answer.text.hasPrefix("{\"schema\":1,\"error\":{\"code\":\"parameter_invalid\""))
        #expect(!answer.text.contains("evil"))
        #expect(bench.asked.withLock { $0.isEmpty })
    }

    @Test("Too much at once is a 503 that is counted, and so is every other reason for no result")
    func unavailable() async throws {
        let bench = RouteBench()
        let busy = await bench.routes(reply: { _ in .busy }).get("/probe?target=orders")
        #expect(busy.status == 503)
        #expect(busy.header("Retry-After") == ["1"])
        #expect(busy.text.contains("\"code\":\"probe_limit\""))
        let crowded = await bench.routes(reply: { _ in .crowded }).get("/probe?target=orders")
        #expect(crowded.status == 503)
        #expect(crowded.text.contains("\"code\":\"probe_concurrency\"") && crowded.text.contains("limits.concurrency"))
        #expect(await bench.routes(reply: { _ in .late }).get("/probe?target=orders").status == 503)
        #expect(await bench.routes(reply: { _ in .closed }).get("/probe?target=orders").status == 503)
        var input = Samples.exposition(Samples.young(), isOld: false)
        input.metrics = bench.metrics.snapshot
        #expect(try ParsedExposition(Exposition.render(input)).value("dbprobe_http_rejected_total", ["cause": "rate"]) == 2)
        #expect(await bench.routes(isOnDemand: false).get("/probe?target=orders").status == 404)
    }

    @Test("Service discovery lists every check in the form that Prometheus reads")
    func discovery() async throws {
        let bench = RouteBench()
        let answer = await bench.routes().get("/sd/targets")
        #expect(answer.header("Content-Type") == ["application/json"])
        let groups = try #require(try JSONSerialization.jsonObject(with: Data(answer.body.readableBytesView)) as? [[String: Any]])
        #expect(groups.map { $0["targets"] as? [String] } == [["orders"], ["shared"], ["shared"]])
        #expect(
            groups[2]["labels"] as? [String: String] == [
                "__metrics_path__": "/probe", "__param_target": "shared", "__param_identity": "reporting",
                "__meta_dbprobe_engine": "postgresql", "__meta_dbprobe_host": "shared.postgres.database.azure.com",
                "instance": "shared/reporting", "target": "shared", "identity": "reporting",
            ])
        #expect(await bench.routes(targets: []).get("/sd/targets").text == "[]\n")
    }

    // MARK: Compression and negotiation

    @Test(
        "Whatever is large is compressed for who accepts it, and unpacks to what the others get",
        arguments: ["/metrics", "/", "/api/v1/status", "/api/v1/history"])
    func compression(path: String) async throws {
        let routes = RouteBench().routes()
        let plain = await routes.get(path)
        let packed = await routes.get(path, encoding: "gzip")
        let refused = await routes.get(path, encoding: "gzip;q=0")
        #expect(plain.header("Content-Encoding") == [] && refused.header("Content-Encoding") == [])
        #expect(packed.header("Content-Encoding") == ["gzip"])
        for answer in [plain, packed, refused] {
            #expect(answer.header("Content-Length") == [String(answer.body.readableBytes)])
            #expect(
                answer.header("Vary") == [
                    ["/metrics", "/api/v1/history", "/api/v1/status"].contains(path) ? "Accept, Accept-Encoding" : "Accept-Encoding"
                ])
            #expect(answer.header("Content-Type") == plain.header("Content-Type"))
        }
        #expect(refused.text == plain.text)
        #expect(try unpacked(packed) == plain.text)
    }

    @Test("A page of a thousand checks shrinks to a tenth")
    func ratio() async {
        let routes = RouteBench().routes(board: Samples.large())
        let plain = await routes.get("/metrics").body.readableBytes
        let packed = await routes.get("/metrics", encoding: "gzip").body.readableBytes
        #expect(plain > 1_000_000 && packed * 8 < plain, "\(packed) of \(plain)")
    }

    @Test("Many scrapers of both formats cost one rendering and one compression of each")
    func sharing() async {
        let bench = RouteBench()
        let routes = bench.routes()
        let openMetrics = "application/openmetrics-text;version=1.0.0"
        await withTaskGroup(of: Int.self) { group in
            for index in 0..<60 {
                group.addTask {
                    await routes.get(
                        "/metrics", accept: index % 2 == 0 ? nil : openMetrics, encoding: index % 3 == 0 ? nil : "gzip"
                    ).status
                }
            }
            for await status in group { #expect(status == 200) }
        }
        #expect(bench.renderings.load(ordering: .relaxed) == 2)
        #expect(await routes.caches.metrics.compressions == 1)
        #expect(await routes.caches.openMetrics.compressions == 1)
    }

    @Test("The scheme that a scraper names comes back although the page is kept for all")
    func escaping() async {
        let routes = RouteBench().routes()
        for scheme in ["allow-utf-8", "underscores", "dots"] {
            let answer = await routes.get("/metrics", accept: "application/openmetrics-text;version=1.0.0;escaping=\(scheme)")
            #expect(answer.header("Content-Type") == ["application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=\(scheme)"])
        }
    }

    @Test("A client on the wire unpacks the same page, and HEAD tells the length of the packed one")
    func wire() async throws {
        let routes = RouteBench().routes()
        let (ports, ready) = AsyncStream.makeStream(of: Int.self)
        let server = StatusServer(
            listen: [Endpoint(host: "127.0.0.1", port: 0)], hosts: [], sources: routes.sources, metrics: Metrics(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, onBound: { ready.yield($0[0].port) })
        let running = Task { try await server.run() }  // Ended below.
        for await port in ports {
            let url = "http://127.0.0.1:\(port)/metrics"
            let plain = try await runBeside("curl", ["-sS", url])
            let packed = try await runBeside("curl", ["-sS", "--compressed", url])
            #expect(plain.status == 0 && packed.status == 0 && plain.output == packed.output)
            let head = try await RawClient.get(
                "/metrics", port: port, method: "HEAD",
                headers: [
                    "Host: localhost", "Accept-Encoding: deflate", "Accept-Encoding: gzip",
                    "Accept: application/openmetrics-text;version=1.0.0",
                ])
            #expect(head.headers["content-encoding"] == "gzip")
            #expect(head.headers["vary"] == "Accept, Accept-Encoding")
            #expect(head.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores")
            #expect(Int(head.headers["content-length"] ?? "") ?? .max < plain.output.utf8.count / 4)
            let probe = try await RawClient.get(
                "/probe?target=orders", port: port, headers: ["Host: localhost", "X-Prometheus-Scrape-Timeout-Seconds: 3"])
            #expect(probe.body.contains("\nprobe_timeout_seconds 2.5\n"))
            break
        }
        running.cancel()
        _ = await running.result
    }
}
