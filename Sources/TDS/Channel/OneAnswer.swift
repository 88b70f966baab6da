// A wait for one answer that comes from a callback, ends at a deadline, and ends when the task is cancelled.

import NIOCore
import NIOPosix
import Synchronization

/// Whoever answers first is heard; later answers are dropped.
final class OneAnswer<Value: Sendable>: Sendable {
    private enum State {
        case idle
        case waiting(CheckedContinuation<Result<Value, TDSFailure>, Never>, Scheduled<Void>?)
        case answered(Result<Value, TDSFailure>)
        case over
    }

    private let state = Mutex(State.idle)

    /// Takes the answer, unless there was one.
    func answer(_ result: Result<Value, TDSFailure>) {
        let waiting: (CheckedContinuation<Result<Value, TDSFailure>, Never>, Scheduled<Void>?)? = state.withLock { state in
            switch state {
            case .idle:
                state = .answered(result)
                return nil
            case .waiting(let continuation, let timer):
                state = .over
                return (continuation, timer)
            case .answered, .over: return nil
            }
        }
        // Outside the lock: both run foreign code.
        waiting?.1?.cancel()
        waiting?.0.resume(returning: result)
    }

    /// Starts what gives the answer and waits for it; called once. Nothing is started when the deadline has passed or the task is cancelled.
    func wait(
        until deadline: ContinuousClock.Instant, timedOut: TDSFailure, cancelled: TDSFailure, start: @Sendable () -> Void
    ) async throws(TDSFailure) -> Value {
        guard !Task.isCancelled else { throw cancelled }
        guard deadline > .now else { throw timedOut }
        let result = await withTaskCancellationHandler {
            await outcome(within: deadline - .now, timedOut, start: start)
        } onCancel: {
            answer(.failure(cancelled))
        }
        return try result.get()
    }

    /// The same for work of a moment that is waited for even by a cancelled task.
    func outcome(
        within time: Duration, _ timedOut: TDSFailure = TDSFailure(.timedOut, during: .query, "The event loop does not answer."),
        start: @Sendable () -> Void
    ) async -> Result<Value, TDSFailure> {
        await withCheckedContinuation { continuation in
            // Not on the loop of the connection: that one may be shut down by its owner, and then its timers never fire.
            let timer = MultiThreadedEventLoopGroup.singleton.any().scheduleTask(in: time.timeAmount) { self.answer(.failure(timedOut)) }
            let early: Result<Value, TDSFailure>? = state.withLock { state in
                if case .answered(let result) = state {
                    state = .over
                    return result
                }
                state = .waiting(continuation, timer)
                return nil
            }
            if let early {
                timer.cancel()
                continuation.resume(returning: early)
            } else {
                start()
            }
        }
    }
}
