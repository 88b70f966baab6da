// F7 of the promises: somebody sets the wall clock of a running agent forward and back by a day.
import Diagnosis
import Foundation
import Lab
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(10))) struct WallClockTests {
    static let day: Int64 = 86_400

    @Test("A wall clock that jumps a day forward and back makes no burst, no gap, no negative duration and no false alarm")
    func jumps() async throws {
        try await withAgentBench { bench in
            let preload = try Preload(folder: bench.folder)
            let service = try await bench.startService(environment: preload.environment)
            _ = try await eventually("both are up") {
                try await service.scrape().sum("dbprobe_up") == 2 ? true : nil
            }
            let calm = Scale.pick(1, deep: 45)
            var counts: [Double] = []
            let stalls = Stalls()
            defer { stalls.end() }
            // Between the looks the time of the test passes, not that of the agent: its clock is where it was set.
            for shift in [0, Self.day, 0, -Self.day, 0] {
                try preload.shiftClock(by: shift)
                let before = try await service.scrape()
                try await Task.sleep(for: .seconds(calm))
                let after = try await service.scrape()
                #expect(after.sum("dbprobe_up") == 2, "the token is judged by who checks it, not by a clock that is wrong: \(shift)")
                counts.append((after.sum("dbprobe_probes_total") ?? 0) - (before.sum("dbprobe_probes_total") ?? 0))
                #expect(after.sum("dbprobe_probes_missed_total") ?? -1 <= stalls.slots(of: 2, every: 1), "\(shift)")
            }
            // Two checks a second: one more or less where a slot falls on the edge of the window.
            for count in counts { #expect(abs(count - Double(2 * calm)) <= 2 + stalls.slots(of: 2, every: 1), "\(counts)") }
            let stopped = await service.program.stop()
            #expect(stopped.status == 0)
            let lines = stopped.output.split(separator: "\n").filter { $0.contains("\"kind\":\"check\"") }
            #expect(lines.count == 2, "each check came up once and stayed up:\n\(stopped.output)")
            let items = try await bench.recorded()
            let days = Set(items.map { Int64(($0.time.seconds - Timestamp.now.seconds) / Double(Self.day) * 2) })
            #expect(days.count >= 3, "the agent did see the jumps: \(days)")
            #expect(items.allSatisfy { $0.duration >= .zero && $0.duration < .seconds(3) })
            #expect(items.allSatisfy { $0.phases.allSatisfy { ($0.duration ?? .zero) >= .zero } })
            let most = counts.max() ?? 0
            promise(
                "F7",
                "\(items.count) probes over jumps of +1, -1, -1, +1 days; at most \(Int(most)) in \(calm) s where \(2 * calm) are due, 0 missed, 0 negative"
            )
        }
    }
}
