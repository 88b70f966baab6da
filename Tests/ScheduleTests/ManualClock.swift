// A clock whose hands a test turns.
import Diagnosis
import Schedule
import Synchronization

/// Wakes sleepers when a test says that it is time. Wall and monotonic time move apart only when a test wants it.
final class ManualClock: ScheduleClock {
    fileprivate struct State {
        var now: ContinuousClock.Instant
        var wall: Timestamp
        var sleepers: [Int: (until: ContinuousClock.Instant, wake: CheckedContinuation<Void, any Error>)] = [:]
        var cancelled: Set<Int> = []
        var last = 0
        var watchers: [(count: Int, tell: CheckedContinuation<Void, Never>)] = []
    }

    let start: ContinuousClock.Instant
    private let state: Mutex<State>

    init(wall: Timestamp = Timestamp(milliseconds: 1_790_000_000_000)) {
        start = .now
        state = Mutex(State(now: start, wall: wall))
    }

    var now: ContinuousClock.Instant { state.withLock(\.now) }
    var wall: Timestamp { state.withLock(\.wall) }

    func sleep(until instant: ContinuousClock.Instant) async throws {
        let id = state.withLock { state in
            state.last += 1
            return state.last
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                enum Answer { case wait, wake, cancelled }
                let (answer, watchers) = state.withLock { state -> (Answer, [CheckedContinuation<Void, Never>]) in
                    if state.cancelled.remove(id) != nil { return (.cancelled, []) }
                    if state.now >= instant { return (.wake, []) }
                    state.sleepers[id] = (instant, continuation)
                    return (.wait, state.takeWatchers())
                }
                for watcher in watchers { watcher.resume() }
                switch answer {
                case .wait: break
                case .wake: continuation.resume()
                case .cancelled: continuation.resume(throwing: CancellationError())
                }
            }
        } onCancel: {
            let wake = state.withLock { state in
                let sleeper = state.sleepers.removeValue(forKey: id)
                if sleeper == nil { state.cancelled.insert(id) }
                return sleeper?.wake
            }
            wake?.resume(throwing: CancellationError())
        }
    }

    /// Moves both clocks and wakes who slept until then. A negative `wall` step models a wall clock that was set back.
    func advance(by duration: Duration, wall step: Duration? = nil) {
        let awake = state.withLock { state in
            state.now += duration
            state.wall = state.wall + (step ?? duration)
            let due = state.sleepers.filter { $0.value.until <= state.now }
            for id in due.keys { state.sleepers[id] = nil }
            return due.values.sorted { $0.until < $1.until }.map(\.wake)
        }
        for wake in awake { wake.resume() }
    }

    /// Returns when at least `count` tasks sleep.
    func sleepers(_ count: Int = 1) async {
        await withCheckedContinuation { continuation in
            let now = state.withLock { state in
                guard state.sleepers.count < count else { return true }
                state.watchers.append((count, continuation))
                return false
            }
            if now { continuation.resume() }
        }
    }
}

extension ManualClock.State {
    fileprivate mutating func takeWatchers() -> [CheckedContinuation<Void, Never>] {
        let ready = watchers.filter { $0.count <= sleepers.count }
        watchers.removeAll { $0.count <= sleepers.count }
        return ready.map(\.tell)
    }
}
