// Everything of the simulated day runs on one thread, one job after the other: no job waits for another thread, and when none is left the
// moment is over. On the pool each of the three million steps of a day cost a dozen wake-ups of threads, which is all that a day then took.
import Dispatch
import Synchronization

/// Runs jobs in the order in which they came, while a moment is played.
final class SimulatedExecutor: TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        /// Jobs before this one have run.
        var next = 0
    }

    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "agent-bench.day")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        state.withLock { $0.jobs.append(job) }
    }

    /// Calls `moment` whenever no job is left, until it says that there is nothing more to do.
    func play(_ moment: @escaping @Sendable () -> Bool) async {
        await withCheckedContinuation { continuation in
            queue.async {
                repeat { self.drain() } while moment()
                continuation.resume()
            }
        }
    }

    private func drain() {
        while let job = take() { unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
    }

    private func take() -> UnownedJob? {
        state.withLock { state in
            guard state.next < state.jobs.count else {
                state.jobs.removeAll(keepingCapacity: true)
                state.next = 0
                return nil
            }
            defer { state.next += 1 }
            return state.jobs[state.next]
        }
    }
}
