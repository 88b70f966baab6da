// Where the server listens, and how it ends.
import Diagnosis
import Foundation
import Logging
import ServiceLifecycle
import Synchronization
import Telemetry
import Testing

@testable import StatusServer

@Suite(.serialized, .timeLimit(.minutes(2))) struct BindingTests {
    @Test("A port in use is an error that names address, reason and remedy")
    func busyPort() async throws {
        try await withServer { bench in
            let second = StatusServer(
                listen: [Endpoint(host: "127.0.0.1", port: bench.port)], hosts: [],
                sources: StatusSources(
                    exposition: { Samples.exposition(Samples.old()) }, history: nil,
                    liveness: { Liveness(lastTick: nil, period: .seconds(1)) },
                    readiness: { [] }, report: { Samples.report(Samples.old()) }), metrics: Metrics(),
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let error = await #expect(throws: StatusServer.BindFailure.self) { try await second.run() }
            #expect(
                error?.description
                    == "cannot listen on 127.0.0.1:\(bench.port): another process uses this port; stop it or choose another with server.listen"
            )
        }
    }

    private var hasIPv6: Bool {
        let descriptor = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_addr = in6addr_loopback
        let size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        return unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, size) } == 0
        }
    }

    @Test("Several addresses are served at once, and all are reported with their ports")
    func severalAddresses() async throws {
        let (bound, ready) = AsyncStream.makeStream(of: [Endpoint].self)
        // A container may have no IPv6 at all.
        let second = hasIPv6 ? "::1" : "127.0.0.2"
        let server = StatusServer(
            listen: [Endpoint(host: "127.0.0.1", port: 0), Endpoint(host: second, port: 0)], hosts: [],
            sources: StatusSources(
                exposition: { Samples.exposition(Samples.old()) }, history: nil, liveness: { Liveness(lastTick: nil, period: .seconds(1)) },
                readiness: { [] }, report: { Samples.report(Samples.old()) }), metrics: Metrics(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, onBound: { ready.yield($0) })
        let running = Task {  // Ended below.
            defer { ready.finish() }
            try await server.run()
        }
        var count = 0
        for await endpoints in bound {
            count += 1
            #expect(endpoints.map(\.host) == ["127.0.0.1", second])
            #expect(endpoints.allSatisfy { $0.port > 0 })
            #expect(try await RawClient.get("/livez", port: endpoints[0].port).status == 200)
            break
        }
        #expect(count == 1, "it listens")
        running.cancel()
        _ = await running.result
    }

    @Test("Stopping at once while connections pour in ends the service and not the process")
    func abruptStop() async throws {
        for _ in 0..<10 {
            try await withServer { bench in
                let clients = try (0..<100).map { _ in try RawClient(port: bench.port) }
                for client in clients { client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n") }
            }
        }
    }

    @Test("A graceful stop ends the service although clients are connected")
    func gracefulStop() async throws {
        let (ports, ready) = AsyncStream.makeStream(of: Int.self)
        let server = StatusServer(
            listen: [Endpoint(host: "127.0.0.1", port: 0)], hosts: [],
            sources: StatusSources(
                exposition: { Samples.exposition(Samples.old()) }, history: nil, liveness: { Liveness(lastTick: nil, period: .seconds(1)) },
                readiness: { [] }, report: { Samples.report(Samples.old()) }), metrics: Metrics(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, onBound: { ready.yield($0[0].port) })
        let group = ServiceGroup(services: [server], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let running = Task { try await group.run() }  // Ended by the graceful stop.
        for await port in ports {
            let silent = try RawClient(port: port)
            let waiting = try RawClient(port: port)
            waiting.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            _ = await waiting.receive { $0.suffix(3).elementsEqual("ok\n".utf8) }
            await group.triggerGracefulShutdown()
            try await running.value
            #expect(await silent.receive().isClosed)
            #expect(await waiting.receive().isClosed)
            break
        }
    }
}
