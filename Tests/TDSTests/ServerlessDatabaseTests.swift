// The lab's database that pauses by itself, as a client meets it.

import Testing

@testable import Lab
@testable import TDS

@Suite(.timeLimit(.minutes(1))) struct ServerlessDatabaseTests {
    @Test("A login wakes it and is refused with 40613 until it is up; a session keeps it up, and some time after the last one it pauses")
    func naps() async throws {
        let nap = Duration.milliseconds(500)
        let database = ServerlessDatabase(pausesAfter: nap, resumesIn: .milliseconds(300))
        var script = AzureSQLScript.standard()
        script.admit = { _ in database.isAvailable() ? nil : AzureSQLFaults.refusals[.azureUnavailable] }
        script.noteSession = { $0 ? database.sessionBegan() : database.sessionEnded() }
        let bench = try await Bench(script)
        #expect(database.isPaused)
        #expect(try await bench.refusal().message?.number == 40613)
        #expect(database.resumes == 1 && !database.isPaused)
        let connection = try await awake(bench)
        // Longer than it takes to pause, with a session open.
        await wait(nap * 2)
        #expect(!database.isPaused && database.pauses == 0)
        await connection.close()
        await bench.server.drained()
        await wait(nap + .milliseconds(50))
        #expect(database.isPaused && database.pauses == 1 && database.resumes == 1)
        #expect(try await bench.refusal().message?.number == 40613)
        #expect(database.resumes == 2)
        await bench.stop()
    }

    /// Time is what is tested here.
    private func wait(_ time: Duration) async { try? await Task.sleep(for: time) }

    private func awake(_ bench: Bench) async throws -> TDSConnection {
        while true {
            do {
                return try await bench.connect()
            } catch let failure as TDSFailure where failure.message?.number == 40613 {
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }
}
