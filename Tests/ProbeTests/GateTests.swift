// The cap counts probes from `tls` on: a server that takes the connection and says nothing uses none of it, whatever the engine.
import Certificates
import Diagnosis
import Glibc
import Logging
import Probes
import Readiness
import TestSupport
import Testing

/// A port that takes connections, as far as the kernel does, and never says a word.
private final class MuteServer: Sendable {
    let port: Int
    private let descriptor: Int32

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe bind(descriptor, generic, length) == 0 && listen(descriptor, 8) == 0
                    && getsockname(descriptor, generic, &length) == 0
            }
        }
        self.descriptor = descriptor
        port = Int(UInt16(bigEndian: address.sin_port))
        guard status else { throw TestFailure("no port: \(errno)") }
    }

    deinit { close(descriptor) }

    /// Returns once somebody has come; the connection stays open until the end of the test.
    func accepted() async -> Int32 {
        while true {
            let client = accept(descriptor, nil, nil)
            if client >= 0 { return client }
            await Task.yield()
        }
    }
}

private struct AnyToken: TokenSource {
    func token(for resource: TokenResource, until deadline: Deadline) async throws(ProbeEnd) -> TokenLease {
        let audience =
            resource == .azuresql ? "https://database.windows.net/" : "https://ossrdbms-aad.database.windows.net"
        return TokenLease(
            token: AccessToken(
                secret: Secret("no-token"), claims: TokenClaims(audience: audience, expires: .now + .seconds(3600)),
                expires: .now + .seconds(3600), acquired: .now, length: 8, fingerprint: 1), isCached: true)
    }

    func discard(_ resource: TokenResource) async {}
}

@Suite(.timeLimit(.minutes(1))) struct GateTests {
    @Test("A server that takes the connection and says nothing holds no place", arguments: [Engine.postgresql, .mysql, .azuresql])
    func silence(engine: Engine) async throws {
        let server = try MuteServer()
        let reactor = try Reactor()
        defer { reactor.close() }
        let tools = ProbeTools(
            reactor: reactor, lookup: try NameLookup(reactor: reactor, servers: []), nameServers: [], cloud: .public,
            applicationName: "agent/test")
        let target = Target(
            name: "mute", engine: engine, host: engine == .azuresql ? "localhost" : "127.0.0.1", port: server.port, database: "mute",
            user: engine == .azuresql ? nil : "aad_mute", identities: ["app"])
        let identity = IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned))
        let anchors = TrustAnchors(caFile: nil)
        let probe: any Probe =
            switch engine {
            case .postgresql: PostgresProbe(target: target, identity: identity, tokens: AnyToken(), anchors: anchors, tools: tools)
            case .mysql: MySQLProbe(target: target, identity: identity, tokens: AnyToken(), anchors: anchors, tools: tools)
            case .azuresql: AzureSQLProbe(target: target, identity: identity, tokens: AnyToken(), anchors: anchors, tools: tools)
            }
        let gate = CountingGate()
        let run = ProbeRun(
            deadline: .in(.seconds(2)), gate: gate, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        async let observation = probe.observe(run)
        let client = await server.accepted()
        #expect(gate.inside == 0)
        let failure = await observation?.failure
        #expect(failure?.phase == .negotiate, "\(failure.debugDescription)")
        #expect(gate.inside == 0)
        // MySQL looks for a place before it connects, and gives it back at once: behind the greeting it must not wait.
        #expect(gate.entered == (engine == .mysql ? 1 : 0))
        close(client)
    }
}
