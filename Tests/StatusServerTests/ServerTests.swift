// The server over real sockets: answers and refusals.
import Diagnosis
import Foundation
import Logging
import ServiceLifecycle
import Synchronization
import Telemetry
import Testing

@testable import StatusServer

@Suite(.serialized, .timeLimit(.minutes(2))) struct ServerTests {
    struct Path: Sendable {
        var path: String
        var status: Int
        var type: String
        var start: String
        init(_ path: String, _ status: Int, _ type: String, _ start: String) {
            self.path = path
            self.status = status
            self.type = type
            self.start = start
        }
    }

    @Test("Every path answers with its type, and HEAD with the same head and nothing else")
    func paths() async throws {
        let paths = [
            Path("/", 200, "text/html; charset=utf-8", "<!DOCTYPE html>"),
            Path("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", "# HELP dbprobe_up"),
            Path("/livez", 200, "text/plain; charset=utf-8", "ok\n"), Path("/healthz", 200, "text/plain; charset=utf-8", "ok\n"),
            Path("/livez?verbose", 200, "text/plain; charset=utf-8", "[+]scheduler ok"),
            Path("/readyz", 503, "text/plain; charset=utf-8", "[+]configuration ok\n[-]schedule failed: not armed"),
            Path("/api/v1/status", 200, "application/json", "{\"schema\":1,\"version\":\"0.1.0\""),
            Path("/api/v1/history", 200, "application/json", "{\"schema\":1,\"items\":[{\"check\":\"orders/app\""),
            Path("/nothing", 404, "application/json", "{\"schema\":1,\"error\":{\"code\":\"not_found\""),
            Path("/api/v1/incidents?open", 200, "application/json", "{\"schema\":1,\"items\":[{\"check\":\"orders/app\""),
            Path("/api/v1/incidents?check=crm/app", 200, "application/json", "{\"schema\":1,\"items\":[],\"next\":null}"),
            Path("/api/v1/incidents?open=maybe", 400, "application/json", "{\"schema\":1,\"error\":{\"code\":\"parameter_invalid\""),
            Path("/api/v1/incidents?open&open", 400, "application/json", "{\"schema\":1,\"error\":{\"code\":\"parameter_invalid\""),
            Path("/api/v1/incidents?failures", 400, "application/json", "{\"schema\":1,\"error\":{\"code\":\"parameter_invalid\""),
            Path("/api/v1/incidents?target=broken", 503, "application/json", "{\"schema\":1,\"error\":{\"code\":\"history_unavailable\""),
            Path("/api/v1/history?limit=x", 400, "application/json", "{\"schema\":1,\"error\":{\"code\":\"parameter_invalid\""),
            Path("/api/v1/history?target=broken", 503, "application/json", "{\"schema\":1,\"error\":{\"code\":\"history_unavailable\""),
            Path("/%zz", 400, "application/json", "{\"schema\":1,\"error\":{\"code\":\"malformed_request\""),
        ]
        try await withServer { bench in
            for row in paths {
                let reply = try await bench.get(row.path)
                #expect(reply.status == row.status, "\(row.path)")
                #expect(reply.headers["content-type"] == row.type, "\(row.path)")
                #expect(reply.body.hasPrefix(row.start), "\(row.path): \(reply.body.prefix(100))")
                #expect(reply.headers["content-length"] == String(reply.body.utf8.count), "\(row.path)")
                #expect(reply.headers["x-content-type-options"] == "nosniff")
                #expect(reply.headers["cache-control"] == "no-store")
                let head = try await bench.get(row.path, method: "HEAD")
                #expect(head.status == row.status, "\(row.path)")
                #expect(head.body == "", "\(row.path)")
                #expect(Int(head.headers["content-length"] ?? "0") ?? 0 > 0, "\(row.path)")
            }
        }
    }

    @Test("The page forbids everything but its own style")
    func pageHeaders() async throws {
        try await withServer { bench in
            let headers = try await bench.get("/").headers
            #expect(
                headers["content-security-policy"]
                    == "default-src 'none'; style-src 'sha256-\(StatusPage.styleHash)'; img-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
            )
            #expect(headers["x-frame-options"] == "DENY")
            #expect(headers["referrer-policy"] == "no-referrer")
            #expect(headers["cross-origin-resource-policy"] == "same-origin")
        }
    }

    struct Screen: Sendable {
        var width: Int
        var isDark = false
        var isHostile = false
        init(_ width: Int, isDark: Bool = false, isHostile: Bool = false) {
            self.width = width
            self.isDark = isDark
            self.isHostile = isHostile
        }
    }

    @Test(
        "A browser shows the page in its style, runs nothing and complains about nothing",
        arguments: [Screen(1200, isDark: true), Screen(1200, isHostile: true), Screen(320), Screen(320, isHostile: true)])
    func browser(screen: Screen) async throws {
        try await withServer(board: screen.isHostile ? Samples.hostile() : Samples.old()) { bench in
            let folder = ProcessInfo.processInfo.environment["AGENT_PAGE_FOLDER"] ?? FileManager.default.temporaryDirectory.path
            let picture =
                "\(folder)/agent-page-\(screen.width)\(screen.isDark ? "-dark" : "")\(screen.isHostile ? "-hostile" : "")-\(UUID().uuidString.prefix(8)).png"
            let result = try await runBeside(
                "chromium",
                [
                    "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--hide-scrollbars",
                    "--blink-settings=preferredColorScheme=\(screen.isDark ? 0 : 1)", "--window-size=\(screen.width),2400",
                    "--screenshot=\(picture)", "http://127.0.0.1:\(bench.port)/",
                ])
            #expect(result.status == 0)
            // Whatever the policy refuses, and whatever a script would say, is a line of the console.
            #expect(!result.output.contains("CONSOLE"), "\(result.output)")
            #expect(result.output.contains("bytes written to file"), "\(result.output)")
            if ProcessInfo.processInfo.environment["AGENT_PAGE_FOLDER"] == nil { try FileManager.default.removeItem(atPath: picture) }
        }
    }

    @Test("The status is the report, and history follows its parameters")
    func documents() async throws {
        try await withServer { bench in
            let status = try await bench.get("/api/v1/status").body
            #expect(status == Samples.report(Samples.old()).json.compact + "\n")
            let history = try await bench.get("/api/v1/history?check=orders/app&limit=2").body
            #expect(history.components(separatedBy: "\"check\":\"orders/app\"").count == 3)
            #expect(history.contains("\"next\":\"2026-11-22T03:04:10.020Z\""))
            #expect(try await bench.get("/api/v1/history?check=crm/app").body == "{\"schema\":1,\"items\":[],\"next\":null}\n")
        }
    }

    struct Refusal: Sendable {
        var what: String
        var request: String
        var status: Int
        var code: String
        var cause: String
    }

    @Test("What is no acceptable request is answered with the reason, counted, and the connection closed")
    func refusals() async throws {
        let long = String(repeating: "a", count: 9000)
        let field = "X-A: " + String(repeating: "b", count: 17_000)
        let fields = (0..<70).map { "X-\($0): 1\r\n" }.joined()
        let rows = [
            Refusal(
                what: "wrong host", request: "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", status: 421, code: "host_unknown",
                cause: "host"),
            Refusal(
                what: "long address", request: "GET /\(long) HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 414, code: "uri_too_long",
                cause: "uri_size"),
            Refusal(what: "endless address", request: "GET /\(long)\(long)\(long)", status: 414, code: "uri_too_long", cause: "uri_size"),
            Refusal(
                what: "long header", request: "GET / HTTP/1.1\r\nHost: localhost\r\n\(field)\r\n\r\n", status: 431,
                code: "header_too_large", cause: "header_size"),
            Refusal(
                what: "many headers", request: "GET / HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n", status: 431, code: "header_too_large",
                cause: "header_size"),
            Refusal(
                what: "a body", request: "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", status: 413,
                code: "body_not_allowed", cause: "body"),
            Refusal(
                what: "an announced body", request: "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n", status: 413,
                code: "body_not_allowed", cause: "body"),
            Refusal(
                what: "a chunked body", request: "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                status: 413, code: "body_not_allowed", cause: "body"),
            Refusal(what: "no HTTP", request: "SSH-2.0-OpenSSH_9.2\r\n\r\n", status: 400, code: "malformed_request", cause: "malformed"),
            Refusal(
                what: "TLS", request: "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n", status: 400, code: "malformed_request", cause: "malformed"),
            Refusal(
                what: "a broken length", request: "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", status: 400,
                code: "malformed_request", cause: "malformed"),
        ]
        try await withServer { bench in
            for row in rows {
                let before = try bench.metric("dbprobe_http_rejected_total", ["cause": row.cause]) ?? 0
                let client = try RawClient(port: bench.port)
                client.send(row.request)
                let (text, isClosed) = await client.receive()
                let reply = try Reply(text, isClosed: isClosed)
                #expect(reply.status == row.status, "\(row.what)")
                #expect(reply.body.hasPrefix("{\"schema\":1,\"error\":{\"code\":\"\(row.code)\",\"message\":\""), "\(row.what)")
                #expect(reply.headers["connection"] == "close", "\(row.what)")
                #expect(isClosed, "\(row.what)")
                #expect(try bench.metric("dbprobe_http_rejected_total", ["cause": row.cause]) == before + 1, "\(row.what)")
            }
        }
    }

    @Test(
        "Methods that change things are refused and the connection goes on",
        arguments: ["DELETE", "PUT", "OPTIONS", "TRACE", "PATCH", "POST"])
    func methods(method: String) async throws {
        try await withServer { bench in
            let client = try RawClient(port: bench.port)
            client.send("\(method) /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.send("GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            let (text, _) = await client.receive()
            #expect(text.contains("405 Method Not Allowed"))
            #expect(text.contains("Allow: GET, HEAD"))
            #expect(text.hasSuffix("ok\n"))
        }
    }

    @Test("A name from the configuration is accepted as Host")
    func configuredHost() async throws {
        try await withServer(hosts: ["agent.example"]) { bench in
            let own = try await bench.get("/livez", headers: ["Host: Agent.Example:9745"])
            #expect(own.status == 200)
            let foreign = try await bench.get("/livez", headers: ["Host: other.example"])
            #expect(foreign.status == 421)
        }
    }

    @Test("Requests sent together are answered in their order")
    func pipelining() async throws {
        try await withServer { bench in
            let client = try RawClient(port: bench.port)
            let request = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
            client.send(
                request + "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" + request
                    + "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" + request)
            let (text, isClosed) = await client.receive()
            let codes = text.components(separatedBy: "HTTP/1.1 ").dropFirst().map { String($0.prefix(3)) }
            #expect(codes == ["200", "404", "200", "503"])
            #expect(isClosed)
        }
    }

    @Test("Nonsense behind a good request is refused after the answer to it")
    func nonsenseBehind() async throws {
        try await withServer { bench in
            let client = try RawClient(port: bench.port)
            client.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n\u{1}\u{2}nonsense\r\n\r\n")
            let (text, isClosed) = await client.receive()
            #expect(text.components(separatedBy: "HTTP/1.1 ").compactMap { Int($0.prefix(3)) } == [200, 400])
            #expect(isClosed)
        }
    }

    @Test("A client of HTTP/1.0 gets its answer and the end of the connection")
    func oldClient() async throws {
        try await withServer { bench in
            let client = try RawClient(port: bench.port)
            client.send("GET /livez HTTP/1.0\r\n\r\n")
            let (text, isClosed) = await client.receive()
            #expect(text.hasSuffix("ok\n"))
            #expect(isClosed)
        }
    }

    @Test("A client that ends its side after asking still gets its answer")
    func halfClosed() async throws {
        try await withServer { bench in
            let client = try RawClient(port: bench.port)
            client.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.finish()
            let (text, isClosed) = await client.receive()
            #expect(text.hasSuffix("ok\n"))
            #expect(isClosed)
        }
    }

    @Test("Many readers of the metrics cost one rendering a second")
    func renderedOnce() async throws {
        let renderings = Renderings()
        var limits = StatusServer.Limits()
        limits.renderLifetime = .seconds(600)
        try await withServer(limits: limits, renderings: renderings) { bench in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 { group.addTask { try await bench.get("/metrics").status } }
                for try await status in group { #expect(status == 200) }
            }
            #expect(renderings.count.load(ordering: .relaxed) == 1)
        }
    }
}
