// The lab's own process: its servers and name service must not be counted with the agent's side.
import ArgumentParser
import Diagnosis
import Dispatch
import FoundationEssentials
import Glibc
import Lab

/// What the measuring process has to know of the lab. **Shape**: one line of JSON on standard output.
struct LabFacts: Codable, Sendable {
    struct Entry: Codable, Sendable {
        var name: String
        var host: String
        var port: Int
        var database: String
        var user: String
    }

    var engine: Engine
    /// Where all targets but the black-holed ones end up.
    var address: String
    var nameServer: String
    var caFile: String
    /// A folder of the lab that vanishes with it.
    var folder: String
    var environment: [String: String]
    /// A complete configuration file for these targets.
    var configuration: String
    var targets: [Entry]
    /// What the identity endpoint gives to the identity `app` for this engine.
    var token: String
}

/// `agent-bench lab`: runs until its standard input ends.
struct LabChild: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab", abstract: "The lab side of the figures, in a process of its own.", shouldDisplay: false)

    @Option var targets = 1
    @Option var blackHoles = 0
    @Option var connections = 200
    @Option var engine = Engine.postgresql.rawValue

    func run() async throws {
        var options = LabOptions()
        guard let engine = Engine(rawValue: engine) else { throw ValidationError("--engine \(engine) is none of the lab's.") }
        options.targets = LabTarget.fleet(count: targets, blackHoles: blackHoles, engine: engine)
        options.maxConnections = connections
        // No fault proxy in between, and the cheapest way of checking tokens: the server's work is not what is measured.
        options.direct = true
        options.tokenCheck = .password
        let lab = try await Lab.start(options)
        do {
            try await announce(lab)
        } catch {
            await lab.stop()
            throw error
        }
        for await _ in Self.endOfInput() {}
        await lab.stop()
    }

    private func announce(_ lab: Lab) async throws {
        let engine = lab.options.targets[0].engine
        let token = try await engine == .azuresql ? lab.token(audience: AzureSQLService.audience) : lab.token()
        let facts = LabFacts(
            engine: engine, address: lab.endpoint(of: lab.options.targets[0]).host,
            nameServer: lab.nameServers.first ?? "", caFile: lab.caFile,
            folder: lab.scratch.path, environment: lab.environment, configuration: lab.configurationYAML,
            targets: lab.options.targets.map {
                LabFacts.Entry(name: $0.name, host: $0.host, port: lab.endpoint(of: $0).port, database: $0.database, user: $0.role)
            }, token: token.reveal { $0 })
        Output.write(String(decoding: try JSONEncoder().encode(facts), as: UTF8.self), to: STDOUT_FILENO)
    }

    /// Ends when the process that started the lab closes its end of the pipe, or is gone.
    private static func endOfInput() -> AsyncStream<Never> {
        AsyncStream { continuation in
            let source = DispatchSource.makeReadSource(fileDescriptor: STDIN_FILENO)
            source.setEventHandler {
                var byte: UInt8 = 0
                if unsafe read(STDIN_FILENO, &byte, 1) <= 0 {
                    source.cancel()
                    continuation.finish()
                }
            }
            source.resume()
        }
    }
}
