// The server over real sockets: clients that are slow, silent or many.
import Diagnosis
import Foundation
import Logging
import ServiceLifecycle
import Synchronization
import Telemetry
import Testing

@testable import StatusServer

@Suite(.serialized, .timeLimit(.minutes(2))) struct SlowClientTests {
    @Test("A client that sends its head byte by byte is cut when the time for heads is over")
    func slowHead() async throws {
        var limits = StatusServer.Limits()
        limits.header = .milliseconds(300)
        try await withServer(limits: limits) { bench in
            let client = try RawClient(port: bench.port)
            let dribble = Task {  // Ended below: it stops by itself after the last byte.
                for byte in "GET / HTTP/1.1\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
                    client.send(String(byte))
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            let start = ContinuousClock.now
            let (text, isClosed) = await client.receive()
            dribble.cancel()
            #expect(text.hasPrefix("HTTP/1.1 408"))
            #expect(isClosed)
            #expect(ContinuousClock.now - start < .seconds(5))
            #expect(try bench.metric("dbprobe_http_rejected_total", ["cause": "header_timeout"]) == 1)
        }
    }

    @Test("The time for a head is five seconds when nothing else is said")
    func defaultHeaderTime() async throws {
        try await withServer { bench in
            let client = try RawClient(port: bench.port)
            client.send("GET / HTTP/1.1\r\n")
            let start = ContinuousClock.now
            let (text, _) = await client.receive()
            let took = ContinuousClock.now - start
            #expect(text.hasPrefix("HTTP/1.1 408"))
            #expect(took > .seconds(4.5) && took < .seconds(9))
        }
    }

    @Test("The head of a second request has to keep to the time as well")
    func slowSecondHead() async throws {
        var limits = StatusServer.Limits()
        limits.header = .milliseconds(300)
        try await withServer(limits: limits) { bench in
            let client = try RawClient(port: bench.port)
            client.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            _ = await client.receive { $0.suffix(3).elementsEqual("ok\n".utf8) }
            client.send("GET /livez HT")
            let (text, isClosed) = await client.receive()
            #expect(text.hasPrefix("HTTP/1.1 408"))
            #expect(isClosed)
        }
    }

    @Test("A connection that stays silent after its answer is closed")
    func idle() async throws {
        var limits = StatusServer.Limits()
        limits.idle = .milliseconds(200)
        try await withServer(limits: limits) { bench in
            let client = try RawClient(port: bench.port)
            client.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let (text, isClosed) = await client.receive()
            #expect(text.hasSuffix("ok\n"))
            #expect(isClosed)
            #expect(try bench.metric("dbprobe_http_rejected_total", ["cause": "idle_timeout"]) == 1)
        }
    }

    @Test("A client that does not take its answer is cut, and holds up nobody else")
    func stalledReader() async throws {
        var limits = StatusServer.Limits()
        limits.writeStall = .milliseconds(500)
        limits.renderLifetime = .seconds(600)
        try await withServer(limits: limits, board: Samples.large()) { bench in
            let client = try RawClient(port: bench.port, receiveBuffer: 4096)
            let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
            client.send(String(repeating: request, count: 20))
            var rejected: Double? = 0
            while rejected == 0 {
                #expect(try await bench.get("/livez").status == 200)
                rejected = try bench.metric("dbprobe_http_rejected_total", ["cause": "write_stall"])
            }
            #expect(rejected == 1)
        }
    }

    @Test("A thousand silent connections make room for a scraper, who waits for none of them")
    func idleCrowd() async throws {
        var limits = StatusServer.Limits()
        limits.connections = 64
        limits.header = .seconds(60)
        try await withServer(limits: limits) { bench in
            // Both ends of each are in this process; some systems give a process 1,024 descriptors at first.
            var descriptors = rlimit()
            let limit = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
            _ = unsafe getrlimit(limit, &descriptors)
            descriptors.rlim_cur = descriptors.rlim_max
            _ = unsafe setrlimit(limit, &descriptors)
            let crowd = try (0..<1000).map { _ in try RawClient(port: bench.port) }
            var slowest = Duration.zero
            for _ in 0..<20 {
                let start = ContinuousClock.now
                #expect(try await bench.get("/metrics").status == 200)
                slowest = max(slowest, .now - start)
            }
            #expect(slowest < .seconds(2))
            #expect(crowd.count == 1000)
            #expect(try bench.metric("dbprobe_http_rejected_total", ["cause": "connection_limit"]) ?? 0 >= 936)
            #expect(try bench.metric("dbprobe_http_connections") ?? 1000 <= 64)
            #expect(try bench.metric("dbprobe_http_connections_limit") == 64)
        }
    }

    @Test("Connections are counted down again when they end")
    func connectionCount() async throws {
        try await withServer { bench in
            for _ in 0..<5 { _ = try await bench.get("/livez") }
            var open = 1.0
            while open > 0 {
                await Task.yield()
                open = try bench.metric("dbprobe_http_connections") ?? 0
            }
            #expect(open == 0)
        }
    }

    @Test("Requests are counted by handler and code")
    func requestCount() async throws {
        try await withServer { bench in
            _ = try await bench.get("/livez")
            _ = try await bench.get("/nothing")
            _ = try await bench.get("/../../etc/passwd")
            #expect(try bench.metric("dbprobe_http_requests_total", ["handler": "livez", "code": "200"]) == 1)
            #expect(try bench.metric("dbprobe_http_requests_total", ["handler": "other", "code": "404"]) == 2)
        }
    }
}
