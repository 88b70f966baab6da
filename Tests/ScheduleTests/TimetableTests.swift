import Diagnosis
import Schedule
import Testing

@Suite struct TimetableTests {
    private let start = ContinuousClock.now
    private let wall = Timestamp(milliseconds: 1_790_000_012_345)

    private func entries(_ count: Int, every interval: Duration) -> [Timetable.Entry] {
        (0..<count).map { Timetable.Entry(check: CheckID(target: "db-\($0)", identity: "app"), interval: interval) }
    }

    /// Lets every probe end at once and collects the starts until `end`, waking exactly when the timetable says.
    private func starts(_ table: inout Timetable, until end: ContinuousClock.Instant) -> [(entry: Int, due: ContinuousClock.Instant)] {
        var starts: [(entry: Int, due: ContinuousClock.Instant)] = []
        while let next = table.nextDue, next < end {
            for case .start(let entry, let due) in table.due(at: next) {
                starts.append((entry, due))
                table.finish(entry)
            }
        }
        return starts
    }

    struct Spread: Sendable {
        var checks: Int
        var seconds: Int
    }

    @Test(
        "Every check starts once within its first interval, and no second sees more than one and a half times the mean",
        arguments: [
            Spread(checks: 1000, seconds: 30), Spread(checks: 1000, seconds: 60), Spread(checks: 1000, seconds: 10),
            Spread(checks: 997, seconds: 60),
        ])
    func firstRoundIsComplete(row: Spread) {
        var table = Timetable(entries(row.checks, every: .seconds(row.seconds)), seed: 42, start: start, wall: wall)
        let starts = starts(&table, until: start + .seconds(row.seconds))
        #expect(Set(starts.map(\.entry)).count == row.checks)
        #expect(starts.count == row.checks)
        let perSecond = Dictionary(grouping: starts) { Int(($0.due - start).components.seconds) }.mapValues(\.count)
        #expect(Double(perSecond.values.max() ?? 0) <= 1.5 * Double(row.checks) / Double(row.seconds))
    }

    @Test("A restart keeps the slots, whenever it happens", arguments: [1, 999, 17_003, 86_400_000, 2_592_000_007] as [Int64])
    func restartKeepsSlots(later: Int64) {
        func slots(_ wall: Timestamp) -> [Int64] {
            var table = Timetable(entries(50, every: .seconds(60)), seed: 7, start: start, wall: wall)
            return starts(&table, until: start + .seconds(60)).sorted { $0.entry < $1.entry }
                .map { (wall.milliseconds + Int64((($0.due - start).seconds * 1000).rounded())) % 60_000 }
        }
        #expect(slots(wall) == slots(Timestamp(milliseconds: wall.milliseconds + later)))
    }

    @Test("Another host has other slots")
    func seedMoves() {
        func order(_ seed: UInt64) -> [Int] {
            var table = Timetable(entries(50, every: .seconds(60)), seed: seed, start: start, wall: wall)
            return starts(&table, until: start + .seconds(60)).map(\.entry)
        }
        #expect(order(1) != order(2))
        #expect(order(0) == order(0))
    }

    @Test("A check added to a thousand moves the others by no more than their distance")
    func additionMovesLittle() {
        func slots(_ count: Int) -> [Int: Double] {
            var table = Timetable(entries(count, every: .seconds(60)), seed: 7, start: start, wall: wall)
            let starts = starts(&table, until: start + .seconds(60))
            return Dictionary(uniqueKeysWithValues: starts.map { ($0.entry, ($0.due - start).seconds) })
        }
        let (before, after) = (slots(1000), slots(1001))
        for (entry, slot) in before {
            let moved = abs(slot - after[entry]!)
            #expect(min(moved, 60 - moved) <= 0.0601, "check \(entry)")
        }
    }

    @Test("Each interval is kept apart from the others")
    func intervalsAreKept() {
        let mixed =
            entries(3, every: .seconds(10))
            + entries(2, every: .seconds(60)).map {
                Timetable.Entry(check: CheckID(target: "slow-" + $0.check.target, identity: "app"), interval: $0.interval)
            }
        var table = Timetable(mixed, seed: 0, start: start, wall: wall)
        let counts = Dictionary(grouping: starts(&table, until: start + .seconds(600)), by: \.entry).mapValues(\.count)
        #expect(counts == [0: 60, 1: 60, 2: 60, 3: 10, 4: 10])
    }

    @Test("A probe slower than its interval misses slots and never runs twice at once")
    func overrun() throws {
        var table = Timetable(entries(1, every: .seconds(10)), seed: 0, start: start, wall: wall)
        let first = try #require(table.nextDue)
        #expect(table.due(at: first) == [.start(0, due: first)])
        #expect(table.due(at: first + .seconds(10)) == [.miss(0, due: first + .seconds(10))])
        #expect(table.due(at: first + .seconds(20)) == [.miss(0, due: first + .seconds(20))])
        table.finish(0)
        #expect(table.due(at: first + .seconds(29)) == [])
        #expect(table.due(at: first + .seconds(30)) == [.start(0, due: first + .seconds(30))])
    }

    @Test("After the process stood still nothing is made up for: one miss a check, and the next slots are the usual ones")
    func standstill() throws {
        var table = Timetable(entries(1000, every: .seconds(30)), seed: 3, start: start, wall: wall)
        _ = starts(&table, until: start + .seconds(30))
        let awake = start + .seconds(30 + 600)
        let decisions = table.due(at: awake)
        let begun = decisions.count { if case .start = $0 { true } else { false } }
        #expect(decisions.count == 1000)
        #expect(begun == 0)
        let after = starts(&table, until: awake + .seconds(30))
        #expect(Set(after.map(\.entry)).count == 1000)
        let perSecond = Dictionary(grouping: after) { Int(($0.due - awake).components.seconds) }.mapValues(\.count)
        #expect((perSecond.values.max() ?? 0) <= 50)
    }

    @Test("A small delay of the loop costs no slot, and the slot after it is not moved")
    func smallDelay() throws {
        var table = Timetable(entries(1, every: .seconds(30)), seed: 3, start: start, wall: wall)
        let first = try #require(table.nextDue)
        #expect(table.due(at: first + .milliseconds(1900)) == [.start(0, due: first)])
        #expect(table.nextDue == first + .seconds(30))
    }

    @Test("No checks, nothing due")
    func empty() {
        var table = Timetable([], seed: 3, start: start, wall: wall)
        #expect(table.nextDue == nil)
        #expect(table.due(at: start + .seconds(1000)) == [])
    }

    @Test("A wall clock before the epoch is a wall clock all the same")
    func beforeTheEpoch() {
        var table = Timetable(
            entries(10, every: .seconds(30)), seed: 3, start: start, wall: Timestamp(milliseconds: -1_000_000_000_123))
        #expect(starts(&table, until: start + .seconds(30)).count == 10)
    }
}
