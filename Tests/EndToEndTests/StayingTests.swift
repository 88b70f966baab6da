// In a container the agent does not end because of its configuration: it says what is wrong, waits, and goes on.
import Diagnosis
import Foundation
import Glibc
import Lab
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5))) struct StayingTests {
    /// How the agent is told to stay, or is not.
    struct Way: Sendable, CustomTestStringConvertible {
        var arguments: [String]
        var environment: [String: String]
        var testDescription: String { "\(arguments) \(environment)" }
    }

    @Test(
        "With a bad configuration it is alive and not ready, says why everywhere, and goes on when the file is right",
        arguments: [
            Way(arguments: ["--stay"], environment: [:]), Way(arguments: [], environment: ["KUBERNETES_SERVICE_HOST": "10.0.0.1"]),
        ])
    func badConfiguration(way: Way) async throws {
        try await withAgentBench { bench in
            let good = try bench.configurationText()
            try bench.replaceConfiguration(good.replacing("targets:", with: "target:"))
            let agent = Program(name: "agent", environment: bench.lab.environment.merging(way.environment) { $1 })
            let program = try agent.start(["run", "--config", bench.configurationPath, "--listen", "127.0.0.1:0"] + way.arguments)
            let room = try await bench.service(program, listening: 1)
            #expect(try await room.get("/livez").status == 200)
            let readiness = try await room.get("/readyz")
            #expect(readiness.status == 503)
            #expect(readiness.body.contains("agent.yaml:"), "\(readiness.body)")
            #expect(try await room.get("/").body.contains("config_invalid"))
            #expect(try await room.sample("dbprobe_config_last_reload_successful") == 0)
            #expect(try await room.sample("dbprobe_agent_failure_cause{phase=\"config\",cause=\"config_invalid\"}") == 1)
            // By the absence of these DbProbeAgentIdle tells an agent that watches nothing from one that keeps an older configuration.
            let metrics = try await room.get("/metrics").body
            for name in ["dbprobe_checks", "dbprobe_token_lookups_total"] { #expect(!metrics.contains("\n\(name){"), "\(name)") }
            let status = try jsonObject(try await room.get("/api/v1/status").body)
            #expect(status["exit"] as? Int == 78)
            #expect(try await room.finding("config_invalid")?["severity"] as? String == "error")
            #expect(try await room.get("/api/v1/history").status == 200)
            #expect(program.output.contains("\"from\":\"unknown\",\"to\":\"down\",\"cause\":\"config_invalid\""))
            #expect(program.errors.contains("did you mean \"targets\"?"), "\(program.errors)")
            let status2 = try await agent.run(["status", "--address", room.address])
            #expect(status2.status == 0, "alive: \(status2.errors)")

            // Another mistake is another line; the right file is the end of the waiting.
            try bench.replaceConfiguration("")
            _ = try await eventually("the other mistake") { program.errors.contains("the file is empty") ? true : nil }
            let knocks = Knocks(at: room.address)
            try bench.replaceConfiguration(good)
            let service = room
            _ = try await eventually("orders is up") { try await service.check("orders/app")["state"] as? String == "up" ? true : nil }
            let refused = await knocks.end()
            #expect(refused.knocks > 100 && refused.refused == 0, "somebody is at the door all the time: \(refused)")
            #expect(try await service.get("/readyz").status == 200)
            #expect(program.errors.contains("goes on listening where it waited"))
            _ = try await eventually("the metrics follow") {
                try await service.sample("dbprobe_config_last_reload_successful") == 1 ? true : nil
            }
            let after = try await service.get("/metrics").body
            for name in ["dbprobe_checks", "dbprobe_token_lookups_total"] { #expect(after.contains("\n\(name){"), "\(name)") }
            #expect(try await service.finding("config_invalid") == nil)
            let stopped = await program.stop()
            #expect(stopped.status == 0, "\(stopped.errors.suffix(800))")
            #expect(stopped.output.contains("\"from\":\"down\",\"to\":\"up\""))
        }
    }

    @Test("Where the configuration names another place to listen at, the service is there and nowhere else")
    func otherPlace() async throws {
        try await withAgentBench { bench in
            let good = try bench.configurationText()
            try bench.replaceConfiguration(good.replacing("targets:", with: "target:"))
            let program = try bench.agent.start(["run", "--config", bench.configurationPath, "--stay"])
            // The usual place may be somebody else's; then it is waited for.
            _ = try await eventually("it waits") { program.errors.contains("waits for a configuration") ? true : nil }
            try bench.replaceConfiguration(good)
            let address = try await eventually("it listens where the file says") {
                program.errors.split(separator: "\n").filter { $0.contains("status server is listening") && !$0.contains(":9745") }.last?
                    .split(separator: " ").first { $0.hasPrefix("server.address=") }.map { String($0.dropFirst(15)) }
            }
            let service = AgentBench.Service(bench: bench, program: program, address: address)
            #expect(try await service.get("/readyz").status == 200)
            #expect(!program.errors.contains("goes on listening where it waited"))
            #expect(try await service.finding("config_invalid") == nil)
            #expect(await program.stop().status == 0)
        }
    }

    @Test("No file at all is waited for as well; a signal ends the waiting")
    func noFile() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("agent-stay-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("agent.yaml").path
        let program = try Program(name: "agent").start(["run", "--stay", "--config", path, "--listen", "127.0.0.1:0"])
        _ = try await eventually("the room is open") { program.errors.contains("status server is listening") ? true : nil }
        #expect(program.errors.contains("waits for a configuration"))
        let stopped = await program.stop()
        #expect(stopped.status == 0)
    }

    @Test("Where it does not stay, it ends with 78 and every mistake of the file")
    func ends() async throws {
        try await withAgentBench { bench in
            try bench.replaceConfiguration(try bench.configurationText().replacing("targets:", with: "target:"))
            let result = try await bench.agent.run(["run", "--no-stay", "--config", bench.configurationPath])
            #expect(result.status == 78)
            #expect(result.errors.contains("did you mean \"targets\"?"))
        }
    }

    @Test("A port in use is waited for, with a state line, while the probes run")
    func busyPort() async throws {
        try await withAgentBench { bench in
            let first = try await bench.startService()
            let path = bench.folder.appendingPathComponent("second.yaml").path
            let text = try bench.configurationText().replacing("history.db", with: "second.db")
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            let second = try bench.agent.start(["run", "--stay", "--config", path, "--listen", first.address])
            _ = try await eventually("the trouble is told") {
                second.output.contains("\"id\":\"server.listen\",\"from\":\"unknown\",\"to\":\"down\",\"cause\":\"config_invalid\"")
                    ? true : nil
            }
            _ = try await eventually("probes run all the same") { second.output.contains("\"id\":\"orders/app\"") ? true : nil }
            #expect(second.errors.contains("another process uses this port"))
            #expect(await first.program.stop().status == 0)
            let service = try await bench.service(second, listening: 1)
            #expect(service.address == first.address)
            #expect(try await service.finding("config_invalid") == nil)
            #expect(try await service.check("orders/app")["state"] as? String == "up")
            let stopped = await second.stop()
            #expect(stopped.status == 0)
            #expect(stopped.output.contains("\"id\":\"server.listen\",\"from\":\"down\",\"to\":\"up\""), "\(stopped.output)")
            #expect(stopped.errors.components(separatedBy: "cannot listen and tries again").count == 2, "one line a minute")
        }
    }

    @Test("An agent that waits for its port takes another one out of a new configuration")
    func otherPort() async throws {
        try await withAgentBench { bench in
            let first = try await bench.startService()
            let path = bench.folder.appendingPathComponent("second.yaml").path
            let text = try bench.configurationText().replacing("history.db", with: "second.db")
            try text.replacing("127.0.0.1:0", with: first.address).write(toFile: path, atomically: true, encoding: .utf8)
            let second = try bench.agent.start(["run", "--stay", "--config", path])
            _ = try await eventually("the trouble is told") { second.errors.contains("cannot listen and tries again") ? true : nil }
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            let service = try await bench.service(second, listening: 1)
            #expect(service.address != first.address)
            #expect(!second.errors.contains("need a restart"))
            #expect(await second.stop().status == 0)
            #expect(await first.program.stop().status == 0)
        }
    }

    @Test("A missing identity and an unusable store are no reason to end")
    func nothingWorks() async throws {
        try await withAgentBench { bench in
            let text = try bench.configurationText().replacing(bench.historyPath, with: "/proc/nowhere/history.db")
            try bench.replaceConfiguration(text)
            let agent = Program(name: "agent", environment: ["AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"])
            let program = try agent.start(["run", "--stay", "--config", bench.configurationPath])
            let service = try await bench.service(program, listening: 1)
            _ = try await eventually("the identity is down") {
                let identities = try jsonObject(try await service.get("/api/v1/status").body)["identities"] as? [[String: Any]] ?? []
                return identities.contains { $0["state"] as? String == "down" } ? true : nil
            }
            #expect(try await service.finding("store_not_persistent") != nil)
            #expect(try await service.get("/livez").status == 200)
            #expect(try await service.get("/readyz").status == 200)
            #expect(await program.stop().status == 0)
        }
    }
}

/// Somebody who knocks at a port again and again, as a platform's probe does, and counts how often nobody was there.
private final class Knocks: Sendable {
    private struct State {
        var isOver = false
        var knocks = 0
        var refused = 0
        var whenOver: CheckedContinuation<Void, Never>?
        var isDone = false
    }

    private let state = Mutex(State())

    init(at address: String) {
        let port = UInt16(address.split(separator: ":").last ?? "") ?? 0
        // Ends with `end`.
        Thread.detachNewThread { [self] in
            while !state.withLock(\.isOver) {
                let isRefused = Self.knock(port)
                state.withLock { state in
                    state.knocks += 1
                    state.refused += isRefused ? 1 : 0
                }
                usleep(500)
            }
            let waiting = state.withLock { state in
                state.isDone = true
                return state.whenOver
            }
            waiting?.resume()
        }
    }

    /// Stops knocking.
    func end() async -> (knocks: Int, refused: Int) {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                state.isOver = true
                state.whenOver = continuation
                return state.isDone
            }
            if isDone { continuation.resume() }
        }
        return state.withLock { ($0.knocks, $0.refused) }
    }

    private static func knock(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size)) != 0
            }
        }
    }
}

extension AgentBench {
    /// The service behind a program, once its log tells for the nth time where it listens.
    func service(_ program: RunningProgram, listening count: Int) async throws -> Service {
        let address = try await eventually("it listens") { () -> String? in
            guard program.isRunning else { throw BenchError("agent run ended: \(program.errors)") }
            let lines = program.errors.split(separator: "\n").filter { $0.contains("status server is listening") }
            guard lines.count >= count, let line = lines.last else { return nil }
            return line.split(separator: " ").first { $0.hasPrefix("server.address=") }.map { String($0.dropFirst(15)) }
        }
        return Service(bench: self, program: program, address: address)
    }
}
