// Where history and socket are when nobody says so, and who has them: the real programs in real folders.
import Foundation
import Lab
import Testing

@Suite(.timeLimit(.minutes(5))) struct HistoryPlaceTests {
    /// Where an ordinary user's state belongs, seen from an empty folder.
    struct Home: Sendable, CustomTestStringConvertible {
        var variable: String
        /// Folders that are made, from the outermost.
        var makes: [String]
        var testDescription: String { variable }
    }

    @Test(
        "A first start in an empty home makes the folder of the history for this user alone, and is reached there",
        arguments: [
            Home(variable: "XDG_STATE_HOME", makes: ["agent"]),
            Home(variable: "HOME", makes: [".local", ".local/state", ".local/state/agent"]),
        ])
    func emptyHome(row: Home) async throws {
        try await withAgentBench { bench in
            let home = bench.folder.appendingPathComponent("home").path
            try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: false)
            try bench.configure([("history: {path: \"\(bench.historyPath)\"}\n", "")])
            let agent = Program(name: "agent", environment: bench.lab.environment.merging([row.variable: home]) { $1 })
            let program = try agent.start(["run", "--config", bench.configurationPath])
            let up = try await eventually("the store's line") { program.lines(of: "store").first }
            // The machine's own folder comes first where there is one.
            if !FileManager.default.isWritableFile(atPath: "/var/lib/agent") {
                let path = "\(home)/\(row.makes.last ?? "")/history.db"
                #expect(try jsonObject(up)["id"] as? String == path, "\(up)")
                #expect(FileManager.default.fileExists(atPath: path))
                for folder in row.makes {
                    let rights = try FileManager.default.attributesOfItem(atPath: "\(home)/\(folder)")[.posixPermissions] as? Int
                    #expect(rights == 0o700, "\(folder)")
                }
            }
            let result = try await eventually("commands reach it") {
                let result = try await agent.run(["diagnose", "orders", "--config", bench.configurationPath])
                return result.output.contains("inside agent") ? result : nil
            }
            #expect(result.status == 0)
            #expect(!program.errors.contains("cannot be kept as configured") && !program.errors.contains("no local socket"))
            #expect(await program.stop().status == 0)
        }
    }

    @Test("A folder that the configuration names is not made: the message says what to do")
    func configuredFolder() async throws {
        try await withAgentBench { bench in
            let missing = bench.folder.appendingPathComponent("missing").path
            let text = try String(contentsOfFile: bench.configurationPath, encoding: .utf8)
            try text.replacingOccurrences(of: bench.historyPath, with: missing + "/history.db")
                .write(toFile: bench.configurationPath, atomically: true, encoding: .utf8)
            let service = try await bench.startService()
            _ = try await eventually("the message") { service.program.errors.contains("create the directory, or set") ? true : nil }
            #expect(service.program.errors.contains("its folder does not exist; see server.socket"))
            #expect(!FileManager.default.fileExists(atPath: missing))
            // Made by its owner, it is found.
            try FileManager.default.createDirectory(atPath: missing, withIntermediateDirectories: false)
            _ = try await eventually("the socket") { FileManager.default.fileExists(atPath: missing + "/agent.sock") ? true : nil }
            #expect(await service.program.stop().status == 0)
        }
    }

    @Test("An agent whose place at the socket was somebody else's gets it when that one ends")
    func inheritedSocket() async throws {
        try await withAgentBench { bench in
            let first = try await bench.startWithHistory()
            let second = try await bench.startService(keepingHistory: true)
            let refusal = "there is no local socket"
            _ = try await eventually("the second has no socket") { second.program.errors.contains(refusal) ? true : nil }
            #expect(await first.program.stop().status == 0)
            let result = try await eventually("commands reach the second") {
                let result = try await bench.run(["diagnose", "orders"])
                return result.output.contains("inside agent") ? result : nil
            }
            #expect(result.status == 0)
            #expect(second.program.errors.components(separatedBy: refusal).count == 2, "told once")
            #expect(second.program.errors.contains("commands are answered at the local socket"))
            #expect(await second.program.stop().status == 0)
            #expect(!FileManager.default.fileExists(atPath: bench.socketPath), "gone with the second")
        }
    }

    @Test("A file that was edited badly does not keep the running agent from answering at its usual place")
    func badFile() async throws {
        try await withAgentBench { bench in
            let state = bench.folder.appendingPathComponent("state").path
            try bench.configure([("history: {path: \"\(bench.historyPath)\"}\n", "")])
            // The machine's own folder comes first where there is one.
            let place = FileManager.default.isWritableFile(atPath: "/var/lib/agent") ? "/var/lib/agent" : state + "/agent"
            let agent = Program(name: "agent", environment: bench.lab.environment.merging(["XDG_STATE_HOME": state]) { $1 })
            let program = try agent.start(["run", "--config", bench.configurationPath])
            _ = try await eventually("the socket") { FileManager.default.fileExists(atPath: place + "/agent.sock") ? true : nil }
            try "targets: [".write(toFile: bench.configurationPath, atomically: true, encoding: .utf8)
            let result = try await agent.run(["diagnose", "orders", "--config", bench.configurationPath])
            #expect(result.status == 0 && result.output.contains("inside agent"), "\(result.errors)")
            #expect(result.errors.contains("cannot be read now (agent config check)"), "\(result.errors)")
            #expect(await program.stop().status == 0)
            #expect(try await agent.run(["diagnose", "orders", "--config", bench.configurationPath]).status == 78)
        }
    }
}
