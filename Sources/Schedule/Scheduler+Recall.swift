// What history knows of rests from before this process: a server that blocked this client has not forgotten that because the agent crashed.
package import Diagnosis
import Synchronization

/// Whether history is being asked, and who waits for it.
struct Recall: Sendable {
    /// How long that holds anybody; nil when nobody is held.
    var end: ContinuousClock.Instant?
    var waiters: [AsyncStream<Never>.Continuation] = []
}

extension Scheduler {
    /// History is going to be asked; probes that could meet a block wait for that, but not longer.
    package func recall(within limit: Duration) {
        let end = clock.now.advanced(by: limit)
        state.withLock { $0.recall.end = end }
    }

    /// What it knows.
    package func adopt(_ pasts: [CheckID: CheckPast]) {
        let (now, wall) = (clock.now, clock.wall)
        state.withLock { state in
            for (check, past) in pasts {
                guard let block = past.blocked, let target = state.probe(of: check)?.target else { continue }
                let left = CheckPast.blockRest - (wall - block.ended)
                // A wall clock that was put back must not make it longer.
                if left > .zero { state.pauses.adopt(blockOf: target, until: now.advanced(by: min(left, CheckPast.blockRest))) }
            }
        }
    }

    /// It has told everything it knows, or cannot.
    package func finishRecall() {
        let waiters = state.withLock { state in
            defer { state.recall = Recall() }
            return state.recall.waiters
        }
        for waiter in waiters { waiter.finish() }
    }

    /// The start as it is when history has told.
    func recalled(_ start: Start) async -> Start {
        guard start.awaitsHistory else { return start }
        if let end = state.withLock(\.recall.end), clock.now < end {
            let (told, waiter) = AsyncStream<Never>.makeStream()
            state.withLock { state in
                // It may have been told meanwhile.
                if state.recall.end == nil { waiter.finish() } else { state.recall.waiters.append(waiter) }
            }
            _ = await told.first(until: end)
        }
        var start = start
        start.rest = state.withLock { $0.pauses.begin(start.probe.id, on: start.probe.target, at: start.due) }
        return start
    }
}
