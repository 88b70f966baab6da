// F22, F23, F24 and F26 of the promises, on the timetable itself: a thousand checks, hours of their time, and how evenly they start.
import Diagnosis
import Schedule
import Testing
import TestSupport

@Suite struct RateTests {
    /// What was seen of a simulated run. Times are seconds since the start.
    struct Run {
        var starts: [(entry: Int, at: Double)] = []
        var missed = 0
        /// The most probes of one check at once.
        var together = 0

        /// The most starts in any second of a span.
        func peak(_ span: Range<Double>) -> Int {
            let times = starts.map(\.at).filter(span.contains)
            var (first, most) = (0, 0)
            for last in times.indices {
                while times[last] - times[first] >= 1 { first += 1 }
                most = max(most, last - first + 1)
            }
            return most
        }
    }

    private let checks = 1000
    /// **Unit**: seconds.
    private let interval = 30.0
    private var mean: Double { Double(checks) / interval }

    /// Plays the timetable as the scheduler does.
    /// - Parameters:
    ///   - takes: how long a probe takes that starts at this time.
    ///   - stands: when the process stands still.
    private func play(until end: Double, stands: Range<Double>? = nil, takes: (Double) -> Double) -> Run {
        let start = ContinuousClock.now
        let entries = (0..<checks).map {
            Timetable.Entry(check: CheckID(target: "db-\($0)", identity: "app"), interval: .seconds(interval))
        }
        var table = Timetable(entries, seed: 11, start: start, wall: Timestamp(milliseconds: 1_790_000_000_000))
        var run = Run()
        var running = Array(repeating: 0, count: checks)
        // The latest end first, so that the next one is taken off the end.
        var ends: [(at: Double, entry: Int)] = []
        while let next = table.nextDue {
            // The instant itself where nothing stands still: seconds are rounded, and what is due would not quite be.
            var instant = next
            if let stands, stands.contains((next - start).seconds) { instant = start + .seconds(stands.upperBound) }
            let now = (instant - start).seconds
            guard now < end else { return run }
            while let (at, entry) = ends.last, at <= now {
                ends.removeLast()
                running[entry] -= 1
                table.finish(entry)
            }
            for decision in table.due(at: instant) {
                switch decision {
                case .miss: run.missed += 1
                case .start(let entry, _):
                    run.starts.append((entry, now))
                    running[entry] += 1
                    run.together = max(run.together, running[entry])
                    let at = now + takes(now)
                    ends.insert((at, entry), at: ends.firstIndex { $0.at < at } ?? ends.endIndex)
                }
            }
        }
        return run
    }

    @Test("A thousand checks that come back at once keep their slots: no burst in the minute of recovery, nor while they were down")
    func recovery() {
        // Every probe hangs to its deadline for ten minutes.
        let run = play(until: 1200) { (300..<900).contains($0) ? 15 : 0.03 }
        let spans = [0.0..<300, 300.0..<900, 885.0..<960, 960.0..<1200]
        for span in spans { #expect(Double(run.peak(span)) <= 1.05 * mean + 1, "\(span)") }
        #expect(run.missed == 0)
        promise(
            "F22",
            "1,000 checks every 30 s: at most \(run.peak(spans[2])) starts in a second of the recovery, \(run.peak(spans[1])) while down, \(rounded(mean)) in the mean"
        )
    }

    @Test("Probes slower than their interval are never two at once for a check, and what they miss is counted")
    func slow() {
        let run = play(until: 600) { _ in 45 }
        #expect(run.together == 1)
        // Every second slot of everybody.
        #expect(run.starts.count == checks * 10 && run.missed == checks * 10)
        promise(
            "F24",
            "probes of 45 s every 30 s for 10 min: \(run.together) at once for a check, \(run.starts.count) started, \(run.missed) counted as missed"
        )
    }

    @Test("Ten minutes of standstill are not made up for: one missed slot counted for each check, then the usual rate")
    func standstill() {
        let run = play(until: 1500, stands: 300..<900) { _ in 0.03 }
        // Those whose slot has just come are within their grace.
        #expect(Double(run.peak(899..<1500)) <= 3 * mean + 1)
        #expect(Double(run.peak(902..<1500)) <= 1.05 * mean + 1)
        #expect((checks - Int(2 * mean) - 1...checks).contains(run.missed))
        promise(
            "F26",
            "10 min simulated: at most \(run.peak(902..<1500)) starts in a second afterwards, \(rounded(mean)) in the mean, \(run.missed) slots counted as missed"
        )
    }

    @Test("A cold start reaches every check within one interval at an even rate")
    func coldStart() {
        let run = play(until: interval) { _ in 0.03 }
        #expect(Set(run.starts.map(\.entry)).count == checks)
        #expect(Double(run.peak(0..<interval)) <= 1.05 * mean + 1)
        promise(
            "F23",
            "1,000 checks every 30 s: all started within one interval, at most \(run.peak(0..<interval)) in a second, \(rounded(mean)) in the mean"
        )
    }
}
