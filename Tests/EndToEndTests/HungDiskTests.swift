// A disk or network mount that hangs below the history file: no command waits for it for ever.
import Foundation
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite(.timeLimit(.minutes(2))) struct HungDiskTests {
    /// To open a pipe for reading waits until somebody writes to it, as a mount waits for its server.
    private func hangingFile() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("agent-hung-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try #require(unsafe mkfifo(folder.appendingPathComponent("history.db").path, 0o600) == 0)
        return folder
    }

    @Test("history, incidents and changes give up after ten seconds, say why and end with 75")
    func reading() async throws {
        let folder = try hangingFile()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("history.db").path
        let began = ContinuousClock.now
        try await withThrowingTaskGroup(of: (String, ProgramResult).self) { group in
            for verb in [["history"], ["incidents", "--output", "json"], ["changes", "orders/app"]] {
                // At once, because each waits ten seconds; the group waits for all of them.
                group.addTask { (verb[0], try await Program(name: "agent").run(verb + ["--file", file])) }
            }
            for try await (verb, result) in group {
                #expect(result.status == 75, "\(verb): \(result.status)")
                #expect(result.output.isEmpty)
                #expect(result.errors.contains("\(file) was not read within 10 s"), "\(result.errors)")
            }
        }
        #expect(ContinuousClock.now - began < .seconds(45))
    }

    @Test("diagnose looks at the checks all the same")
    func diagnose() async throws {
        let folder = try hangingFile()
        defer { try? FileManager.default.removeItem(at: folder) }
        let configuration = folder.appendingPathComponent("agent.yaml")
        let text = """
            history: {path: \(folder.path)/history.db}
            identities: {app: {kind: managed_identity}}
            targets: [{name: orders, engine: postgresql, host: orders.invalid, database: orders, user: aad_orders, identities: [app]}]
            """
        try text.write(to: configuration, atomically: true, encoding: .utf8)
        let result = try await Program(name: "agent").run(["diagnose", "--local", "--timeout", "5", "--config", configuration.path])
        #expect([10, 20, 75].contains(result.status), "\(result.status)\n\(result.errors)")
        #expect(result.output.contains("orders/app"))
    }
}
