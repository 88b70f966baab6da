// A server of the lab for one test, and a client that trusts it.

import Diagnosis
@testable import Lab
import NIOCore
import NIOPosix
import Testing

@testable import TDS

/// A server, its trust, and a target that leads to it.
struct Bench: Sendable {
    let server: AzureSQLServer
    let trust: TDSTrust
    let authority: CertificateAuthority
    let folder: Folder

    static let host = "shop.database.windows.net"

    init(_ script: AzureSQLScript = .standard(), names: [String] = AzureSQLServer.names) async throws {
        authority = try CertificateAuthority(commonName: "Test Root")
        folder = try Folder()
        let file = try folder.write(authority.certificate, to: "ca.pem")
        server = try await AzureSQLServer.start(script: script, certificate: authority.issue(names: names))
        trust = try TDSTrust(.files([file]))
    }

    func stop() async {
        await server.stop()
        folder.remove()
    }

    var target: TDSTarget { TDSTarget(host: Self.host, port: server.port, database: "billing", addresses: ["127.0.0.1"]) }

    func options(_ change: (inout TDSOptions) -> Void = { _ in }) -> TDSOptions {
        var options = TDSOptions(trust: trust)
        options.lookUp = { (_, _) async throws(TDSFailure) in ["127.0.0.1"] }
        change(&options)
        return options
    }

    func connect(_ options: TDSOptions? = nil, until deadline: ContinuousClock.Instant = .now + .seconds(20)) async throws -> TDSConnection
    {
        try await TDSConnection.connect(to: target, token: TDSAccessToken("a.b.c"), options: options ?? self.options(), until: deadline)
    }

    /// The failure of a login that must not work.
    func refusal(_ options: TDSOptions? = nil, within time: Duration = .seconds(20), sourceLocation: SourceLocation = #_sourceLocation)
        async throws
        -> TDSFailure
    {
        try await failure(sourceLocation) { _ = try await connect(options, until: .now + time) }
    }
}

/// The failure of something that must not work.
func failure(_ sourceLocation: SourceLocation = #_sourceLocation, of work: () async throws -> Void) async throws -> TDSFailure {
    do {
        try await work()
    } catch let failure as TDSFailure {
        return failure
    }
    Issue.record("this should have failed", sourceLocation: sourceLocation)
    throw NoFailure()
}

struct NoFailure: Error {}

/// What a server of the lab tells of a test's course.
struct Watch: Sendable {
    enum Event: Sendable, Equatable { case step(AzureSQLScript.Step), attention }

    private let events: AsyncStream<Event>
    private let source: AsyncStream<Event>.Continuation

    init(_ script: inout AzureSQLScript) {
        (events, source) = AsyncStream.makeStream()
        script.noteStep = { [source] in source.yield(.step($0)) }
        script.noteAttention = { [source] in source.yield(.attention) }
    }

    /// Returns once the server has seen it.
    func saw(_ wanted: Event) async {
        for await event in events where event == wanted { return }
    }
}
