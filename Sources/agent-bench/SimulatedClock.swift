// A clock whose hands a simulation turns: a day passes in a minute, and the wall clock may be set meanwhile.
import Diagnosis
import Schedule
import Synchronization

/// Sleepers are woken by ``wakeNext(until:late:)`` in the order of their times; between two calls the time stands still.
final class SimulatedClock: ScheduleClock {
    fileprivate struct Sleeper {
        var until: ContinuousClock.Instant
        var id: UInt64
        var wake: CheckedContinuation<Void, any Error>
    }

    fileprivate struct State {
        var now: ContinuousClock.Instant
        var wall: Timestamp
        var lastID: UInt64 = 0
        /// **Shape**: a heap, the earliest first.
        var sleepers: [Sleeper] = []
        var cancelled: Set<UInt64> = []
    }

    private let state: Mutex<State>

    init(start: ContinuousClock.Instant, wall: Timestamp) { state = Mutex(State(now: start, wall: wall)) }

    var now: ContinuousClock.Instant { state.withLock(\.now) }
    var wall: Timestamp { state.withLock(\.wall) }
    var sleepers: Int { state.withLock(\.sleepers.count) }

    /// Somebody sets the wall clock.
    func setWall(by step: Duration) { state.withLock { $0.wall = $0.wall + step } }

    /// The machine stands still: both clocks go on and nobody runs.
    func standStill(for duration: Duration) { state.withLock { $0.advance(to: $0.now + duration) } }

    /// Moves on to the next sleeper and wakes it, `late` after its time as a busy machine would.
    /// - Returns: false when nobody sleeps until `limit`; then it is `limit`.
    func wakeNext(until limit: ContinuousClock.Instant, late: Duration) -> Bool {
        let next = state.withLock { state -> Sleeper? in
            guard let first = state.sleepers.first, first.until + late <= limit else {
                state.advance(to: max(state.now, limit))
                return nil
            }
            state.advance(to: max(state.now, first.until + late))
            return state.takeFirst()
        }
        next?.wake.resume()
        return next != nil
    }

    func sleep(until instant: ContinuousClock.Instant) async throws {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let isCancelled = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return true }
                    state.insert(Sleeper(until: instant, id: id, wake: continuation))
                    return false
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let sleeper = state.withLock { state -> Sleeper? in
                // Rare, at the end of a run: the heap is made anew.
                guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil
                }
                var rest = state.sleepers
                let found = rest.remove(at: index)
                state.sleepers = []
                for sleeper in rest { state.insert(sleeper) }
                return found
            }
            sleeper?.wake.resume(throwing: CancellationError())
        }
    }
}

extension SimulatedClock.State {
    fileprivate mutating func advance(to moment: ContinuousClock.Instant) {
        wall = wall + (moment - now)
        now = moment
    }

    fileprivate mutating func insert(_ sleeper: SimulatedClock.Sleeper) {
        sleepers.append(sleeper)
        var index = sleepers.count - 1
        while index > 0, precedes(index, (index - 1) / 2) {
            sleepers.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    fileprivate mutating func takeFirst() -> SimulatedClock.Sleeper {
        sleepers.swapAt(0, sleepers.count - 1)
        let first = sleepers.removeLast()
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < sleepers.count && precedes(child, least) { least = child }
            guard least != index else { return first }
            sleepers.swapAt(index, least)
            index = least
        }
    }

    private func precedes(_ a: Int, _ b: Int) -> Bool { (sleepers[a].until, sleepers[a].id) < (sleepers[b].until, sleepers[b].id) }
}
