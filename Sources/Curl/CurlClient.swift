// HTTP through libcurl. Waiting: one owned thread that runs a multi handle, because libcurl brings a loop of its own.
package import Diagnosis
import Synchronization

/// Sends HTTP requests; any number at a time, all on one thread that is started with the first of them.
package final class CurlClient: Sendable {
    private enum State {
        case idle
        case running(TransferLoop, OwnedThread)
        case closed
    }

    private let state = Mutex(State.idle)
    private let identifiers = Atomic<UInt64>(0)

    package init() {}

    deinit {
        guard case .running(let loop, let thread) = state.withLock({ $0 }) else { return }
        loop.stop()
        thread.release()
    }

    /// Initialises libcurl for the process; once, early, while there is one thread. Later calls do nothing.
    package static func prepareLibrary() { _ = CurlLibrary.prepare() }

    /// Sends one request and waits for the whole reply, of whatever status.
    ///
    /// No proxy, no redirect, no retry, no kept connection. Cancelling the caller closes the connection at once.
    /// **Throws**: `deadline` at the deadline whatever the peer does; `cancelled` when the caller was.
    package func send(_ request: HTTPRequest, until deadline: Deadline) async throws(CurlFailure) -> HTTPReply {
        guard !Task.isCancelled else { throw CurlFailure(.cancelled, text: "cancelled") }
        guard !deadline.isPassed else { throw CurlFailure(.deadline, text: "no time was left to send the request") }
        let loop = try runningLoop()
        let id = identifiers.add(1, ordering: .relaxed).newValue
        let result: Result<HTTPReply, CurlFailure> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let order = TransferLoop.Order(id: id, request: request, deadline: deadline, continuation: continuation)
                guard loop.start(order) else {
                    continuation.resume(returning: .failure(CurlFailure(.closed, text: "the client was closed")))
                    return
                }
                // A cancellation that came before the order was posted has found nothing to cancel.
                if Task.isCancelled { loop.cancel(id) }
            }
        } onCancel: {
            loop.cancel(id)
        }
        return try result.get()
    }

    /// Ends every transfer with `closed` and joins the thread. Later requests are refused.
    package func close() async {
        let running: (TransferLoop, OwnedThread)? = state.withLock { state in
            defer { state = .closed }
            if case .running(let loop, let thread) = state { return (loop, thread) }
            return nil
        }
        guard let (loop, thread) = running else { return }
        loop.stop()
        await loop.end()
        thread.join()
    }

    private func runningLoop() throws(CurlFailure) -> TransferLoop {
        let loop: Result<TransferLoop, CurlFailure> = state.withLock { state in
            switch state {
            case .running(let loop, _): return .success(loop)
            case .closed: return .failure(CurlFailure(.closed, text: "the client was closed"))
            case .idle:
                guard let loop = TransferLoop(), let thread = OwnedThread({ loop.run() }) else {
                    return .failure(CurlFailure(.transfer, code: 27, text: "no memory or no thread for transfers"))
                }
                state = .running(loop, thread)
                return .success(loop)
            }
        }
        return try loop.get()
    }
}
