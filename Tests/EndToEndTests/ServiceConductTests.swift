// How the programs behave towards their surroundings: signals, ports, bad input, closed outputs.
import Diagnosis
import Foundation
import Lab
import Testing

@Suite(.timeLimit(.minutes(5))) struct ServiceConductTests {
    @Test("The service goes from healthy to broken and back, and every surface follows")
    func roundTrip() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startService()
            _ = try await eventually("orders is up") { try await service.check("orders/app")["state"] as? String == "up" ? true : nil }
            try await bench.lab.faults.turnOn(.tcpRefused, target: "orders")
            _ = try await eventually("orders is down") {
                try await service.check("orders/app")["cause"] as? String == "tcp_refused" ? true : nil
            }
            #expect(try await service.check("billing/app")["state"] as? String == "up", "its neighbour is not drawn in")
            try await bench.lab.faults.turnOffAll()
            _ = try await eventually("orders is up again") {
                try await service.check("orders/app")["state"] as? String == "up" ? true : nil
            }
            let status = try await bench.agent.run(["status", "--address", service.address])
            #expect(status.status == 0)
            #expect(status.output.contains("orders/app"))
            let stopped = await service.program.stop()
            #expect(stopped.status == 0)
            let lines = stopped.output.split(separator: "\n").filter { $0.contains("orders/app") }
            // A probe that is under way when the port closes may fail in its own way first.
            let states = try lines.compactMap { try jsonObject(String($0))["to"] as? String }
            let changes = states.enumerated().filter { $0.offset == 0 || states[$0.offset - 1] != $0.element }.map(\.element)
            #expect(changes == ["up", "down", "up"] && lines.count <= 4, "one line per change of state:\n\(stopped.output)")
            #expect(try await bench.agent.run(["status", "--address", service.address]).status == 70)
        }
    }

    @Test("A first signal ends the service within ten seconds although probes hang; a second ends it at once")
    func signals() async throws {
        try await withAgentBench { bench in
            try await bench.lab.faults.turnOn(.silentAfterAccept, target: "orders")
            for count in [1, 2] {
                let service = try await bench.startService()
                _ = try await eventually("a probe hangs") {
                    let flying = try await service.sample("dbprobe_probes_in_flight") ?? 0
                    return try await service.check("billing/app")["state"] as? String == "up" && flying > 0 ? true : nil
                }
                let clock = ContinuousClock.now
                for _ in 0..<count {
                    service.program.signal(SIGTERM)
                    try await Task.sleep(for: .milliseconds(200))
                }
                let result = await service.program.wait()
                let took = ContinuousClock.now - clock
                #expect(took < .seconds(12), "\(count) signals: \(took)")
                #expect(result.status == (count == 1 ? 0 : 143), "\(count) signals: \(result.status)\n\(result.errors.suffix(1500))")
                if count == 2 { #expect(took < .seconds(3), "\(took)") }
            }
        }
    }

    @Test("Ctrl-C ends diagnose at once with 130 and with what is known")
    func interrupted() async throws {
        try await withAgentBench { bench in
            try await bench.lab.faults.turnOn(.silentAfterAccept, target: "orders")
            let program = try bench.agent.start(["diagnose", "--config", bench.configurationPath, "--output", "json"])
            _ = try await eventually("billing is finished and orders hangs") {
                bench.lab.recorder.records(of: "billing").contains(where: \.isOver) && !bench.lab.recorder.records(of: "orders").isEmpty
                    ? true : nil
            }
            // Until the command has written down what the server saw the end of.
            try await Task.sleep(for: .milliseconds(300))
            program.signal(SIGINT)
            let result = await program.wait()
            #expect(result.status == 130, "\(result.errors)")
            #expect(result.errors.contains("interrupted"))
            let checks = try jsonObject(result.output)["checks"] as? [[String: Any]] ?? []
            #expect(checks.contains { $0["state"] as? String == "up" }, "billing was finished")
            #expect(checks.contains { $0["state"] as? String == "unknown" }, "orders was not")
        }
    }

    @Test("diagnose ends with 75 at its own deadline, with what is known")
    func commandDeadline() async throws {
        try await withAgentBench { bench in
            try await bench.lab.faults.turnOn(.silentAfterAccept, target: "orders")
            let result = try await bench.diagnose(["--timeout", "1.5"])
            #expect(result.status == 75, "\(result.output)")
            #expect(result.errors.contains("orders/app"))
        }
    }

    @Test("A port in use is an error with an address and a way out")
    func busyPort() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startService()
            let second = try await bench.agent.run(["run", "--no-stay", "--config", bench.configurationPath, "--listen", service.address])
            #expect(second.status == 78)
            #expect(second.errors.contains(service.address))
            #expect(second.errors.contains("--listen"))
        }
    }

    @Test("A closed standard output is no reason to stop")
    func closedOutput() async throws {
        try await withAgentBench { bench in
            let shell = Program(name: "/bin/sh", environment: bench.lab.environment)
            let agent = Program.products.appendingPathComponent("agent").path
            let program = try shell.start(["-c", "exec '\(agent)' run --config '\(bench.configurationPath)' >&-"])
            let address = try await eventually("the service listens") {
                program.errors.split(separator: "\n").first { $0.contains("status server is listening") }
                    .flatMap { line in line.split(separator: " ").first { $0.hasPrefix("server.address=") }.map { String($0.dropFirst(15)) }
                    }
            }
            let service = AgentBench.Service(bench: bench, program: program, address: address)
            _ = try await eventually("orders is up") { try await service.check("orders/app")["state"] as? String == "up" ? true : nil }
            // A process that hides its memory shows its descriptors only to those who may trace others.
            if let taken = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(program.identifier)/fd/1") {
                #expect(taken == "/dev/null", "no socket and no database has the number of standard output")
            }
            #expect(await program.stop().status == 0)
        }
    }

    @Test("A report that cannot be written is no success")
    func fullOutput() async throws {
        let shell = Program(name: "/bin/sh")
        let agent = Program.products.appendingPathComponent("agent").path
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("agent-full-\(UUID().uuidString).yaml")
        try "identities: {app: {kind: managed_identity}}\ntargets: []\n".write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let result = try await shell.run(["-c", "exec '\(agent)' config check --output json --config '\(file.path)' >/dev/full"])
        #expect(result.status == 70, "\(result.errors)")
        #expect(result.errors.contains("could not be written"))
    }

    @Test("More checks than may run at once are all run by diagnose, each with its own time")
    func cap() async throws {
        try await withAgentBench { bench in
            let text = try String(contentsOfFile: bench.configurationPath, encoding: .utf8) + "limits: {concurrency: 1}\n"
            try text.write(toFile: bench.configurationPath, atomically: true, encoding: .utf8)
            try await bench.lab.faults.turnOn(.loginSilent, target: "orders")
            let result = try await bench.diagnose(["--output", "json"])
            let checks = try jsonObject(result.output)["checks"] as? [[String: Any]] ?? []
            #expect(Set(checks.compactMap { $0["state"] as? String }) == ["up", "down"], "\(result.output)")
            #expect(result.status == 40)
        }
    }

    struct Misuse: Sendable {
        var arguments: [String]
        var status: Int32
        var says: String
    }

    @Test(
        "What cannot be done is said clearly, with the right exit status",
        arguments: [
            Misuse(arguments: ["diagnose", "--config", "/nonexistent/agent.yaml"], status: 78, says: "no such file"),
            Misuse(arguments: ["diagnose", "--output", "yaml"], status: 64, says: "not in this version"),
            Misuse(arguments: ["diagnose", "--output", "colour"], status: 64, says: "no output format"),
            Misuse(arguments: ["diagnose", "--timeout", "0"], status: 64, says: "out of bounds"),
            Misuse(arguments: ["diagnose", "--every", "5s"], status: 64, says: "not in this version"),
            Misuse(arguments: ["diagnose", "--frobnicate"], status: 64, says: "Unknown option"),
            Misuse(arguments: ["explain", "some text"], status: 64, says: "not in this version"),
            Misuse(arguments: ["wait", "orders"], status: 64, says: "not in this version"),
            Misuse(arguments: ["discover"], status: 64, says: "not in this version"),
            Misuse(arguments: ["incidents", "--limit", "0"], status: 64, says: "--limit"),
            Misuse(arguments: ["incidents", "--since", "yesterday"], status: 64, says: "yesterday"),
            Misuse(arguments: ["incidents", "--file", "/nonexistent/history.db"], status: 78, says: "/nonexistent/history.db"),
            Misuse(arguments: ["changes"], status: 64, says: "check"),
            Misuse(arguments: ["changes", "orders"], status: 64, says: "TARGET/IDENTITY"),
            Misuse(arguments: ["changes", "orders/app", "--file", "/nonexistent/history.db"], status: 78, says: "/nonexistent/history.db"),
            Misuse(arguments: ["history", "--by", "week"], status: 64, says: "hour or day"),
            Misuse(arguments: ["restart-safe"], status: 64, says: "not in this version"),
            Misuse(arguments: ["config", "show", "--config", "/nonexistent/agent.yaml"], status: 78, says: "no such file"),
            Misuse(arguments: ["config", "show", "--output", "text"], status: 64, says: "yaml or json"),
            Misuse(arguments: ["config", "schema", "--output", "toml"], status: 64, says: "yaml or json"),
            Misuse(arguments: ["run", "--no-stay", "--config", "/nonexistent/agent.yaml"], status: 78, says: "no such file"),
            Misuse(arguments: ["run", "--shard", "auto"], status: 64, says: "not in this version"),
            Misuse(arguments: ["run", "--listen", "nowhere"], status: 64, says: "host:port"),
            Misuse(arguments: ["history", "--limit", "0"], status: 64, says: "--limit"),
            Misuse(arguments: ["history", "--since", "yesterday"], status: 64, says: "yesterday"),
            Misuse(arguments: ["history", "--file", "/nonexistent/history.db"], status: 78, says: "/nonexistent/history.db"),
            Misuse(arguments: ["status", "--address", "127.0.0.1:1"], status: 70, says: "127.0.0.1:1"),
            Misuse(arguments: ["nonsense"], status: 64, says: "nonsense"),
        ])
    func misuse(row: Misuse) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("agent-misuse-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("agent.yaml")
        let text = """
            identities: {app: {kind: managed_identity}}
            targets: [{name: orders, engine: postgresql, host: orders.postgres.database.azure.com, database: orders, user: aad_orders, identities: [app]}]
            """
        try text.write(to: file, atomically: true, encoding: .utf8)
        let result = try await Program(name: "agent", environment: ["AGENT_CONFIG": file.path]).run(row.arguments)
        #expect(result.status == row.status, "\(row.arguments): \(result.status)\n\(result.errors)")
        #expect(result.errors.contains(row.says), "\(row.arguments):\n\(result.errors)")
        #expect(result.output.isEmpty, "data only goes to standard output")
    }

    @Test("Help and version go to standard output with 0")
    func help() async throws {
        for arguments in [["--help"], ["--version"], ["diagnose", "--help"], ["run", "--help"], ["config", "check", "--help"]] {
            let result = try await Program(name: "agent").run(arguments)
            #expect(result.status == 0)
            #expect(!result.output.isEmpty && result.errors.isEmpty)
        }
        #expect(try await Program(name: "agent").run(["--version"]).output == "agent 0.1.0\n")
    }

    @Test("A typo in a check's name is answered with what there is")
    func unknownCheck() async throws {
        try await withAgentBench { bench in
            let result = try await bench.diagnose(["order"])
            #expect(result.status == 64)
            #expect(result.errors.contains("orders/app"))
        }
    }
}
