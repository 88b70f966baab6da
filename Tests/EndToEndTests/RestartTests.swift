// F1, F4 and F6 of the promises: an agent that is killed, one that may not write, and two that want the same file.
import Diagnosis
import Foundation
import Lab
import Store
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(20))) struct RestartTests {
    @Test("Killed again and again, beside a second agent, or where nothing can be written, the agent probes, and history stays whole")
    func surroundings() async {
        await sideBySide([("killed", killed), ("a second agent", second), ("read-only", readOnly)])
    }

    /// No server: a refused connection is a verdict as well.
    private func options(_ count: Int) -> LabOptions {
        var options = LabOptions()
        options.targets = LabTarget.fleet(count: count)
        options.postgres = false
        return options
    }

    /// Killed again and again, the agent probes within a second of its start, and nothing that was committed is missing.
    @Sendable private func killed() async throws {
        try await withAgentBench(options(10)) { bench in
            var waits: [Double] = []
            var known = 0
            for round in 0..<Scale.pick(4, deep: 100) {
                let begun = ContinuousClock.now
                let program = try bench.agent.start(["run", "--config", bench.configurationPath])
                _ = try await eventually("a first probe in round \(round)") {
                    program.output.contains("\"kind\":\"check\"") ? true : nil
                }
                waits.append((ContinuousClock.now - begun).seconds)
                _ = try await eventually("records of round \(round)") {
                    ((try? await bench.recorded().count) ?? 0) > known ? true : nil
                }
                // Somewhere in the second between two commits, or in the middle of one.
                try await Task.sleep(for: .milliseconds(50 + round * 97 % 600))
                program.signal(SIGKILL)
                _ = await program.wait()
                let count = try await bench.recorded().count
                #expect(count >= known, "round \(round): what was there is gone")
                known = count
            }
            #expect(try await HistoryFile(path: bench.historyPath).integrity() == [])
            #expect(known > 10 * waits.count / 2, "every round was recorded: \(known)")
            // The best of the table is the program; the rest is what else the machine does.
            #expect(percentile(waits, 0.5) < 1.5, "\(waits)")
            promise(
                "F1",
                "\(waits.count) kills: restart to first probe p50 \(rounded(percentile(waits, 0.5))) s, p99 \(rounded(percentile(waits, 0.99))) s; \(known) records, 0 missing"
            )
        }
    }

    /// A second agent on the same history names the first by its number and goes on in memory.
    @Sendable private func second() async throws {
        try await withAgentBench(options(2)) { bench in
            let first = try await bench.startService()
            let second = try await bench.startService(keepingHistory: true)
            _ = try await eventually("the second says who has the file") {
                second.program.errors.contains("process \(first.program.identifier)") ? true : nil
            }
            let scrape = try await second.scrape()
            #expect(scrape.sum("dbprobe_store_up") == 0)
            #expect(try await second.get("/livez").status == 200)
            #expect(try await first.scrape().sum("dbprobe_store_up") == 1, "the first is not disturbed")
            #expect(await first.program.stop().status == 0)
            #expect(await second.program.stop().status == 0)
            #expect(try await HistoryFile(path: bench.historyPath).integrity() == [])
            promise("F6", "refused, with the number of the other process; both go on probing")
        }
    }

    /// Where nothing can be written the agent starts all the same, keeps history in memory and warns once.
    @Sendable private func readOnly() async throws {
        try await withAgentBench(options(2)) { bench in
            // Nobody may create a file there, not even root.
            try bench.configure([(bench.historyPath, "/sys/agent-history.db")])
            let service = try await bench.startService()
            _ = try await eventually("history in memory") {
                try jsonObject(try await service.get("/api/v1/history").body)["items"].flatMap {
                    ($0 as? [Any])?.isEmpty == false ? true : nil
                }
            }
            #expect(try await service.scrape().sum("dbprobe_store_up") == 0)
            #expect(await service.program.stop().status == 0)
            let warnings = service.program.errors.split(separator: "\n").filter { $0.contains("cannot be kept as configured") }
            #expect(warnings.count == 1 && warnings[0].contains("/sys/agent-history.db"), "\(warnings)")
            promise("F4", "starts, memory only, \(warnings.count) warning")
        }
    }
}
