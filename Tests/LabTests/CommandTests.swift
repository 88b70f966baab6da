// The program: one ready line, faults switched from outside, and nothing left however it ends.
import FoundationEssentials
import Lab
import Subprocess
import Testing

extension RealServer {
    @Suite struct CommandTests {
        /// The built program, beside the test bundle's own executable.
        static var program: String {
            let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
            // Swift Testing may run the bundle through a helper elsewhere; the bundle itself is always named on the command line.
            let starts = [own] + CommandLine.arguments
            for start in starts {
                let candidate = URL(filePath: start).deletingLastPathComponent().appending(path: "agent-lab").path
                if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
            }
            return "agent-lab"
        }

        static func run(_ arguments: [String]) async throws -> (isSuccess: Bool, output: String, error: String) {
            let result = try await Subprocess.run(
                .name("env"), arguments: Arguments([program] + arguments), input: .none, output: .string(limit: 1 << 20),
                error: .string(limit: 1 << 20))
            return (result.terminationStatus.isSuccess, result.standardOutput, result.standardError)
        }

        struct Ready: Decodable {
            var directory, configuration, environment, ca_file, token_check: String
            var ready: Bool
            var targets: [Target]
            struct Target: Decodable {
                var name, host, address: String
                var port: Int
                var black_hole: Bool
            }
        }

        /// Starts the program, hands over its ready line, and ends it with `signal`. Returns after it has ended.
        static func withProgram(_ arguments: [String], endedBy signal: Signal, _ body: (Ready) async throws -> Void) async throws {
            _ = try await Subprocess.run(
                .name("env"), arguments: Arguments([program, "up", "--json"] + arguments), input: .none, output: .sequence,
                error: .discarded
            ) { execution in
                var line: [UInt8] = []
                reading: for try await piece in execution.standardOutput {
                    for byte in unsafe piece.withUnsafeBytes({ unsafe Array($0) }) {
                        if byte == 10 { break reading }
                        line.append(byte)
                    }
                }
                do {
                    try await body(try JSONDecoder().decode(Ready.self, from: Data(line)))
                } catch {
                    try execution.send(signal: .terminate)
                    throw error
                }
                try execution.send(signal: signal)
            }
        }

        /// Waits until `isTrue`, looking every 20 ms; the time limit of the test bounds it.
        static func eventually(_ isTrue: () -> Bool) async throws {
            while !isTrue() { try await Task.sleep(for: .milliseconds(20)) }
        }

        @Test("up, fault on, fault off and env work together, and Ctrl-C leaves nothing", .timeLimit(.minutes(1)))
        func wholeLife() async throws {
            let folder = "/tmp/lab-test-" + String(UInt32.random(in: .min ... .max), radix: 36)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try await Self.withProgram(["--directory", folder], endedBy: .interrupt) { ready in
                #expect(ready.ready && ready.targets.map(\.name) == ["orders", "billing", "stock", "ledger"])
                let configuration = try String(contentsOfFile: ready.configuration, encoding: .utf8)
                #expect(
                    configuration.contains("host: orders.postgres.database.azure.com") && configuration.contains("engine: mysql")
                        && configuration.contains(ready.ca_file))
                let second = try await Self.run(["up", "--directory", folder])
                #expect(!second.isSuccess && second.error.contains("already running"))
                let on = try await Self.run(["fault", "on", "tls_expired", "orders", "--directory", folder])
                #expect(on.isSuccess && on.output == "tls_expired is on for orders\n", "\(on.error)")
                let list = try await Self.run(["fault", "list", "--directory", folder])
                #expect(list.output.split(separator: "\n").contains { $0.hasPrefix("* tls_expired ") && $0.hasSuffix("on for orders") })
                let wrong = try await Self.run(["fault", "on", "tls_expird", "--directory", folder])
                #expect(!wrong.isSuccess && wrong.output.isEmpty && wrong.error.contains("Similar: tls_unknown_ca"))
                let off = try await Self.run(["fault", "off", "tls_expired", "--directory", folder])
                #expect(off.output == "tls_expired is off\n")
                let env = try await Self.run(["env", "--directory", folder])
                let names = env.output.split(separator: "\n").compactMap { $0.split(separator: "=").first }
                #expect(names == ["export AGENT_CONFIG", "export IDENTITY_ENDPOINT", "export IDENTITY_HEADER"])
                #expect(env.output == (try String(contentsOfFile: ready.environment, encoding: .utf8)))
            }
            #expect(Traces.processes(naming: folder) == 0 && Traces.pamFiles(naming: folder).isEmpty)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
            let gone = try await Self.run(["env", "--directory", folder])
            #expect(!gone.isSuccess && gone.error.contains("No lab is running in \(folder)"))
        }

        @Test("Killed without warning, the lab takes its servers and its PAM file along", .timeLimit(.minutes(1)))
        func killed() async throws {
            let folder = "/tmp/lab-test-" + String(UInt32.random(in: .min ... .max), radix: 36)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try await Self.withProgram(["--directory", folder], endedBy: .kill) { _ in
                #expect(Traces.processes(naming: folder) > 1)
            }
            try await Self.eventually { Traces.processes(naming: folder) == 0 }
            #expect(Traces.pamFiles(naming: folder).isEmpty)
            // The next lab in the same folder is not disturbed by what is left of the socket.
            try await Self.withProgram(["--directory", folder], endedBy: .terminate) { ready in #expect(ready.ready) }
            #expect(Traces.processes(naming: folder) == 0)
        }

        @Test("A thousand names share one proxy, and the black-holed ones never answer", .timeLimit(.minutes(1)))
        func fleet() async throws {
            let folder = "/tmp/lab-test-" + String(UInt32.random(in: .min ... .max), radix: 36)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try await Self.withProgram(["--directory", folder, "--targets", "1000", "--black-hole", "990"], endedBy: .terminate) { ready in
                #expect(ready.targets.count == 1_000 && ready.targets.filter(\.black_hole).count == 990)
                #expect(Set(ready.targets.map { "\($0.address):\($0.port)" }).count == 2)
            }
        }
    }
}
