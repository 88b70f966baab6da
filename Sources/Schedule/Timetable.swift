// When each check is due: a value that knows slots and nothing of tasks or clocks.
//
// A slot is a place on the wall clock: the interval is divided evenly among the checks that share it, in the order of their
// hashes. The hash alone would do as an offset, but a thousand random offsets pile up to twice the mean in some second; ranks keep
// the rate flat, hold over restarts because the hash does, and move by at most one place when a check is added or removed.
package import Diagnosis

/// The slots of a set of checks, and which of them have come.
///
/// The wall clock is read once, at the start, to find the first slot; from then on only the monotonic clock counts, so a wall clock
/// that jumps moves nothing.
package struct Timetable: Sendable {
    /// One check that is to be started again and again.
    package struct Entry: Sendable, Hashable {
        package var check: CheckID
        package var interval: Duration

        package init(check: CheckID, interval: Duration) {
            self.check = check
            self.interval = interval
        }
    }

    /// What to do about a slot that has come. The number is that of the entry, given by ``init(_:seed:start:wall:)`` in order from 0
    /// and by ``replace(_:at:)``.
    package enum Decision: Sendable, Hashable {
        case start(Int, due: ContinuousClock.Instant)
        /// The check is still running, or the slot passed while the process was stopped. The following slot is kept.
        case miss(Int, due: ContinuousClock.Instant)
    }

    private let seed: UInt64
    /// A moment, and the reading of the wall clock that belongs to it.
    private let origin: (instant: ContinuousClock.Instant, wall: Timestamp)
    private var entries: [Int: Entry] = [:]
    private var running: Set<Int> = []
    private var slots = SlotHeap()
    private var lastNumber = -1

    /// Lays out the slots.
    /// - Parameters:
    ///   - seed: differs between hosts, so that replicas do not probe a server at the same instant.
    ///   - start: the moment that `wall` belongs to; every check is due once within its first interval after it.
    package init(_ entries: [Entry], seed: UInt64, start: ContinuousClock.Instant, wall: Timestamp) {
        self.seed = seed
        origin = (start, wall)
        _ = replace(entries, at: start)
    }

    /// Puts other entries in the place of those there are. A check that stays, with its interval, keeps its number and its slot; one with
    /// another interval keeps its number. Every other one takes the place it would have had from the start, in its first interval after
    /// `moment`; a probe that runs stays one.
    /// - Returns: the numbers of the entries, in their order.
    package mutating func replace(_ new: [Entry], at moment: ContinuousClock.Instant) -> [Int] {
        let known = Dictionary(entries.map { ($0.value.check, $0.key) }, uniquingKeysWith: { first, _ in first })
        let dues = Dictionary(slots.all.map { ($0.entry, $0.due) }, uniquingKeysWith: { first, _ in first })
        let numbers = new.map { entry in
            if let number = known[entry.check] { return number }
            lastNumber += 1
            return lastNumber
        }
        let wall = (origin.wall + (moment - origin.instant)).milliseconds * 1_000_000
        var heap = SlotHeap()
        for (interval, members) in Dictionary(grouping: new.indices, by: { new[$0].interval }) {
            let offsets = Self.offsets(of: members.map { new[$0].check }, interval: interval.wholeNanoseconds, seed: seed)
            for (member, offset) in zip(members, offsets) {
                let number = numbers[member]
                if let due = dues[number], entries[number]?.interval == interval {
                    heap.insert(SlotHeap.Slot(due: due, entry: number))
                } else {
                    let wait = (offset - wall).modulo(interval.wholeNanoseconds)
                    heap.insert(SlotHeap.Slot(due: moment.advanced(by: .nanoseconds(wait)), entry: number))
                }
            }
        }
        slots = heap
        entries = Dictionary(zip(numbers, new), uniquingKeysWith: { first, _ in first })
        running = running.filter { entries[$0] != nil }
        return numbers
    }

    /// The next moment at which ``due(at:)`` has something to say; nil without checks.
    package var nextDue: ContinuousClock.Instant? { slots.first?.due }

    /// Takes the slots that have come and gives each check its next one.
    ///
    /// A slot later than its grace is not made up for: after the process was stopped or the machine suspended, every check waits for
    /// its next place, so that the rate of starts never rises above the usual one.
    package mutating func due(at now: ContinuousClock.Instant) -> [Decision] {
        var decisions: [Decision] = []
        while let slot = slots.first, slot.due <= now, let entry = entries[slot.entry] {
            let interval = entry.interval
            let late = now - slot.due
            if late <= Self.grace(of: interval), !running.contains(slot.entry) {
                running.insert(slot.entry)
                decisions.append(.start(slot.entry, due: slot.due))
            } else {
                decisions.append(.miss(slot.entry, due: slot.due))
            }
            let passed = late.wholeNanoseconds / interval.wholeNanoseconds + 1
            slots.replaceFirst(due: slot.due.advanced(by: .nanoseconds(passed * interval.wholeNanoseconds)))
        }
        return decisions
    }

    /// The probe of this entry is over; its next slot may start again. An entry that is gone is none.
    package mutating func finish(_ entry: Int) { running.remove(entry) }

    /// How late a start may be and still stand for its slot.
    package static func grace(of interval: Duration) -> Duration { min(interval / 4, .seconds(2)) }

    /// Where in the interval each check has its place. **Unit**: nanoseconds.
    private static func offsets(of checks: [CheckID], interval: Int64, seed: UInt64) -> [Int64] {
        let ranked = checks.indices.sorted { a, b in
            let (left, right) = (mixed(checks[a].stableHash ^ seed), mixed(checks[b].stableHash ^ seed))
            return left == right ? checks[a] < checks[b] : left < right
        }
        // Groups of different intervals, and hosts, begin their rounds at different places.
        let anchor = Int64(mixed(seed ^ UInt64(bitPattern: interval)) % UInt64(interval))
        var offsets = Array(repeating: Int64(0), count: checks.count)
        for (rank, index) in ranked.enumerated() {
            let place = Double(interval) * Double(rank) / Double(checks.count)
            offsets[index] = (anchor + Int64(place)).modulo(interval)
        }
        return offsets
    }

    /// Spreads the bits of a hash, so that similar names do not end up side by side. Source: SplitMix64, its finalizer.
    private static func mixed(_ value: UInt64) -> UInt64 {
        var bits = value &+ 0x9e37_79b9_7f4a_7c15
        bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }
}

/// Slots by time, the earliest first. Every operation costs the logarithm of the number of checks.
private struct SlotHeap: Sendable {
    struct Slot: Sendable {
        var due: ContinuousClock.Instant
        var entry: Int
    }

    private var slots: [Slot] = []

    var first: Slot? { slots.first }
    var all: [Slot] { slots }

    mutating func insert(_ slot: Slot) {
        slots.append(slot)
        var index = slots.count - 1
        while index > 0, precedes(index, (index - 1) / 2) {
            slots.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    /// Gives the earliest slot a later time.
    mutating func replaceFirst(due: ContinuousClock.Instant) {
        slots[0].due = due
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < slots.count && precedes(child, least) { least = child }
            guard least != index else { return }
            slots.swapAt(index, least)
            index = least
        }
    }

    /// Equal times are taken in the order of the entries, so that a timetable is the same in every run.
    private func precedes(_ a: Int, _ b: Int) -> Bool { (slots[a].due, slots[a].entry) < (slots[b].due, slots[b].entry) }
}

extension Duration {
    /// **Unit**: nanoseconds, at least 1 for an interval. An interval of zero would come due for ever at the same instant.
    fileprivate var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return max(1, seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}

extension Int64 {
    /// The remainder that is never negative.
    fileprivate func modulo(_ divisor: Int64) -> Int64 {
        let rest = self % divisor
        return rest < 0 ? rest + divisor : rest
    }
}
