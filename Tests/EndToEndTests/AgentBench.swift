// A lab and the agent beside it, each as its users have them.
import Curl
import Diagnosis
import Foundation
import Lab
import Testing

/// A running lab, a configuration for it, and the agent as a program.
final class AgentBench: Sendable {
    let lab: Lab
    let folder: URL
    let http = CurlClient()

    private let usesSystemStore: Bool

    /// - Parameters:
    ///   - usesSystemStore: the lab's authority is in the system's store (`SSL_CERT_FILE`), and no target names a file.
    ///   - interval: of all checks.
    ///   - timeout: of each probe.
    init(lab: Lab, usesSystemStore: Bool = false, interval: String = "1s", timeout: String = "3s") throws {
        self.lab = lab
        self.usesSystemStore = usesSystemStore
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("agent-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let extra = """
            defaults: {interval: \(interval), timeout: \(timeout)}
            server: {listen: ["127.0.0.1:0"]}
            history: {path: "\(historyPath)"}
            log: {level: trace}

            """
        let lines = lab.configurationYAML.split(separator: "\n").filter { !usesSystemStore || !$0.contains("ca_file") }
        try (extra + lines.joined(separator: "\n") + "\n").write(toFile: configurationPath, atomically: true, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    var configurationPath: String { folder.appendingPathComponent("agent.yaml").path }
    var historyPath: String { folder.appendingPathComponent("history.db").path }
    var agent: Program {
        let store = usesSystemStore ? ["SSL_CERT_FILE": lab.caFile] : [:]
        return Program(name: "agent", environment: lab.environment.merging(store) { $1 })
    }

    func diagnose(_ arguments: [String] = []) async throws -> ProgramResult {
        try await agent.run(["diagnose", "--config", configurationPath, "--log-level", "trace"] + arguments)
    }

    /// Starts the service and waits until it listens.
    /// - Parameters:
    ///   - environment: variables beside those of the lab.
    ///   - launcher: a command that becomes the agent, with its arguments.
    func startService(
        keepingHistory: Bool = false, environment: [String: String] = [:], through launcher: [String] = []
    ) async throws -> Service {
        for file in ["history.db", "history.db-wal", "history.db-shm"] where !keepingHistory {
            try? FileManager.default.removeItem(at: folder.appendingPathComponent(file))
        }
        var program = agent
        program.environment.merge(environment) { $1 }
        var arguments = ["run", "--config", configurationPath]
        if let command = launcher.first {
            arguments = launcher.dropFirst() + [Program.products.appendingPathComponent("agent").path] + arguments
            program = Program(name: command, environment: program.environment)
        }
        return try await service(of: try program.start(arguments))
    }

    /// Waits until the service that was started listens.
    func service(of program: RunningProgram) async throws -> Service {
        let address = try await eventually("the service listens") {
            guard program.isRunning else { throw BenchError("agent run ended: \(program.errors)") }
            return program.errors.split(separator: "\n").first { $0.contains("status server is listening") }
                .flatMap { line in line.split(separator: " ").first { $0.hasPrefix("server.address=") }.map { String($0.dropFirst(15)) } }
        }
        return Service(bench: self, program: program, address: address)
    }

    /// The service while it runs.
    struct Service: Sendable {
        let bench: AgentBench
        let program: RunningProgram
        let address: String

        func get(_ path: String) async throws -> (status: Int, body: String) {
            let reply = try await bench.http.send(.init(url: "http://\(address)\(path)", bodyLimit: 16 << 20), until: .in(.seconds(10)))
            return (reply.status, String(decoding: reply.body, as: UTF8.self))
        }

        /// The check `id` of `/api/v1/status`.
        func check(_ id: String) async throws -> [String: Any] {
            let document = try jsonObject(try await get("/api/v1/status").body)
            let checks = document["checks"] as? [[String: Any]] ?? []
            return checks.first { $0["id"] as? String == id } ?? [:]
        }
    }
}

struct BenchError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Looks again and again until there is something to return. **Throws**: after `limit`, with what was waited for.
func eventually<T>(_ what: String, within limit: Duration = .seconds(40), _ look: () async throws -> T?) async throws -> T {
    let end = ContinuousClock.now + limit
    while ContinuousClock.now < end {
        if let found = try await look() { return found }
        try await Task.sleep(for: .milliseconds(40))
    }
    throw BenchError("waited \(limit) in vain: \(what)")
}

func jsonObject(_ text: String) throws -> [String: Any] {
    guard let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] else {
        throw BenchError("no JSON object: \(text.prefix(200))")
    }
    return object
}

/// Starts a lab for `body` and takes it away again.
func withAgentBench(
    _ options: LabOptions = LabOptions(), usesSystemStore: Bool = false, interval: String = "1s", timeout: String = "3s",
    _ body: (AgentBench) async throws -> Void
) async throws {
    let lab = try await Lab.start(options)
    let bench: AgentBench
    do {
        bench = try AgentBench(lab: lab, usesSystemStore: usesSystemStore, interval: interval, timeout: timeout)
        try await body(bench)
    } catch {
        await lab.stop()
        throw error
    }
    await bench.http.close()
    await lab.stop()
}
