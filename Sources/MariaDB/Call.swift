// What a task and a thread have between them: one answer, which the task may stop waiting for.
import Certificates
import Diagnosis
import Readiness
import Synchronization

/// A call that runs on a thread, and that its caller may give up.
final class Call<Value: Sendable>: Sendable {
    private let state = Mutex(State())

    private struct State {
        var continuation: CheckedContinuation<Result<Value, WaitFailure>, Never>?
        var result: Result<Value, WaitFailure>?
        var transport: Transport?
        var begun: ContinuousClock.Instant?
        var hasValue = false
    }

    private let submitted = ContinuousClock.now
    /// A wait for a thread that counts, and the time that has to be left after one to ask anything.
    private static var wait: Duration { .milliseconds(50) }
    private static var rest: Duration { .milliseconds(250) }

    /// Called by the thread that takes the call.
    /// - Returns: false when the call is given up already, or when the wait for a thread left no time to ask: threads come free just when
    ///   their calls end at the same deadline.
    func begin(before deadline: Deadline) -> Bool {
        let now = ContinuousClock.now
        guard now - submitted < Self.wait || deadline.instant - now > Self.rest else { return false }
        return state.withLock { state in
            guard state.result == nil, !state.hasValue else { return false }
            state.begun = now
            return true
        }
    }

    var begun: ContinuousClock.Instant? { state.withLock(\.begun) }
    var hasBegun: Bool { state.withLock { $0.transport != nil } }
    var handshakeFinished: ContinuousClock.Instant? { state.withLock { $0.transport?.watch.finished } }

    /// Lets the giver-up end the thread's waiting. - Returns: false when the call is given up already.
    func lend(_ transport: Transport) -> Bool {
        state.withLock { state in
            guard state.result == nil, !state.hasValue else { return false }
            state.transport = transport
            return true
        }
    }

    /// Waits for the answer, and gives the call up a little after the deadline: then the thread drains by itself.
    func outcome(on reactor: Reactor, until deadline: Deadline, grace: Duration = .zero) async -> Result<Value, WaitFailure> {
        let alarm = reactor.alarm(at: Deadline(deadline.instant.advanced(by: grace))) { self.finish(.failure($0)) }
        defer { reactor.stop(alarm) }
        return await value()
    }

    private func value() async -> Result<Value, WaitFailure> {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let known: Result<Value, WaitFailure>? = state.withLock { state in
                    guard let result = state.result else {
                        state.continuation = continuation
                        return nil
                    }
                    return result
                }
                if let known { continuation.resume(returning: known) }
            }
        } onCancel: {
            finish(.failure(.cancelled))
        }
    }

    func finish(_ result: Result<Value, WaitFailure>) {
        let (continuation, abandoned) = state.withLock { state -> (CheckedContinuation<Result<Value, WaitFailure>, Never>?, Transport?) in
            guard !state.hasValue else { return (nil, nil) }
            state.hasValue = true
            state.result = result
            defer { state.continuation = nil }
            if case .failure = result { return (state.continuation, state.transport) }
            return (state.continuation, nil)
        }
        abandoned?.interrupt()
        continuation?.resume(returning: result)
    }
}
