// A thread for the loop, and sleep that does not pass the cooperative pool.
//
// On Linux tasks of every priority share one pool with a thread per core, and the wake-up of `Task.sleep` is a job of that pool too:
// measured, probes that hold both cores for 0.7 s made a loop at high priority 0.65 s late. So the loop's jobs and its timer go to a
// serial queue, for which libdispatch finds a thread whatever the pool is doing: one for both, because the timer does no more than wake the loop.
import Diagnosis
import Dispatch
import Synchronization

/// Runs the jobs of one task, one after the other, apart from the pool.
final class LoopExecutor: TaskExecutor {
    fileprivate static let queue = DispatchQueue(label: "agent.schedule", qos: .userInteractive)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        Self.queue.async { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// One sleep. Cancelled, it ends at once; its timer then fires without effect.
final class LoopSleep: Sendable {
    private enum State {
        case new
        case asleep(CheckedContinuation<Void, any Error>)
        case over
    }

    private let state = Mutex(State.new)

    func run(for duration: Duration) async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isCancelled = state.withLock { state in
                    if case .over = state { return true }
                    state = .asleep(continuation)
                    return false
                }
                guard !isCancelled else { return continuation.resume(throwing: CancellationError()) }
                LoopExecutor.queue.asyncAfter(deadline: .now() + max(0, duration.seconds)) { self.end(cancelled: false) }
            }
        } onCancel: {
            end(cancelled: true)
        }
    }

    private func end(cancelled: Bool) {
        let continuation: CheckedContinuation<Void, any Error>? = state.withLock { state in
            defer { state = .over }
            if case .asleep(let continuation) = state { return continuation }
            return nil
        }
        if cancelled { continuation?.resume(throwing: CancellationError()) } else { continuation?.resume() }
    }
}
