// Name lookup against scripted name servers: answers, refusals, garbage and silence.
import Diagnosis
import Readiness
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(1))) struct NameLookupTests {
    private func lookup(
        _ script: ScriptedNameServer.Script, _ host: String = "orders.postgres.database.azure.com", within: Duration = .seconds(20),
        _ body: (Result<NameResolution, NameLookupFailure>) throws -> Void
    ) async throws {
        let server = try ScriptedNameServer(script)
        defer { server.close() }
        let reactor = try Reactor()
        defer { reactor.close() }
        let lookup = try NameLookup(reactor: reactor, servers: [Endpoint(host: "127.0.0.1", port: server.port)])
        do {
            let resolution = try await lookup.resolve(host, until: .in(within))
            try body(.success(resolution))
        } catch let failure as NameLookupFailure {
            try body(.failure(failure))
        }
    }

    @Test("Addresses come with their aliases and the smallest time to live")
    func addresses() async throws {
        let script = ScriptedNameServer.Script.answer(
            aliases: ["orders.privatelink.postgres.database.azure.com"], addresses: ["10.20.4.7", "10.20.4.8"], ttl: 30)
        try await lookup(script) { result in
            let resolution = try result.get()
            #expect(Set(resolution.addresses) == ["10.20.4.7", "10.20.4.8"])
            #expect(resolution.aliases == ["orders.privatelink.postgres.database.azure.com"])
            #expect(resolution.timeToLive == 30)
        }
    }

    struct Refusal: Sendable { var rcode: UInt8; var ares: Int32 }

    @Test(
        "The answer's code tells a missing name from a failing server",
        arguments: [Refusal(rcode: 3, ares: 4), Refusal(rcode: 2, ares: 3), Refusal(rcode: 5, ares: 6), Refusal(rcode: 4, ares: 5)])
    func refusals(row: Refusal) async throws {
        try await lookup(.code(row.rcode)) { result in
            guard case .failure(.ares(let code, let text, _)) = result else {
                Issue.record("no refusal: \(result)")
                return
            }
            #expect(code == row.ares)
            #expect(!text.isEmpty)
        }
    }

    @Test("A name without addresses is told apart from a name that does not exist")
    func noData() async throws {
        try await lookup(.answer(aliases: [], addresses: [], ttl: 30)) { result in
            guard case .failure(.ares(let code, _, _)) = result else {
                Issue.record("no refusal: \(result)")
                return
            }
            #expect(code == 1)
        }
    }

    @Test("A silent server is given up after two tries")
    func silence() async throws {
        let clock = ContinuousClock.now
        try await lookup(.silence) { result in
            guard case .failure(.ares(let code, _, let timeouts)) = result else {
                Issue.record("no refusal: \(result)")
                return
            }
            #expect(code == 12)
            #expect(timeouts >= 1)
        }
        #expect(ContinuousClock.now - clock < .seconds(12))
    }

    @Test("The deadline of the probe ends a lookup")
    func deadline() async throws {
        let clock = ContinuousClock.now
        try await lookup(.silence, within: .milliseconds(200)) { result in
            #expect(result == .failure(.wait(.deadline)))
        }
        #expect(ContinuousClock.now - clock < .seconds(5))
    }

    @Test("Garbage is no answer", arguments: [[UInt8](repeating: 0xFF, count: 40), []])
    func garbage(bytes: [UInt8]) async throws {
        try await lookup(.raw(bytes), within: .seconds(1)) { result in
            if case .success(let resolution) = result { Issue.record("garbage gave \(resolution)") }
        }
    }

    @Test("A numeric host is its own address and asks nobody", arguments: ["127.0.0.1", "::1"])
    func numericHost(host: String) async throws {
        try await lookup(.silence, host, within: .seconds(1)) { result in
            let resolution = try result.get()
            #expect(resolution.addresses == [host])
        }
    }

    @Test("Cancellation ends a lookup")
    func cancellation() async throws {
        let server = try ScriptedNameServer(.silence)
        defer { server.close() }
        let reactor = try Reactor()
        defer { reactor.close() }
        let lookup = try NameLookup(reactor: reactor, servers: [Endpoint(host: "127.0.0.1", port: server.port)])
        let task = Task { try await lookup.resolve("orders.example", until: .in(.seconds(60))) }
        await server.firstQuestion()
        task.cancel()
        await #expect(throws: NameLookupFailure.wait(.cancelled)) { try await task.value }
    }
}
