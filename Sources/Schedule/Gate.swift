// The cap on probes that talk TLS and SQL: first come, first served.
package import Diagnosis
import Synchronization

/// Lets at most ``limit`` probes in at once. Who waits is let in by the order of arrival. The limit may change; a lower one sends nobody
/// out, it lets nobody in until enough have left.
///
/// The state is a few lines under a `Mutex`; continuations are resumed after the lock is released.
package final class Gate: ProbeGate {
    private let state: Mutex<State>

    package init(limit: Int = 64) {
        precondition(limit > 0, "a gate without places would never let anybody in")
        state = Mutex(State(limit: limit))
    }

    /// Places inside.
    package var limit: Int {
        get { state.withLock(\.limit) }
        set {
            precondition(newValue > 0, "a gate without places would never let anybody in")
            let admitted = state.withLock { state -> [Continuation] in
                state.limit = newValue
                var admitted: [Continuation] = []
                while state.inside < newValue, let next = state.takeFirstWaiting() {
                    state.inside += 1
                    admitted.append(next)
                }
                return admitted
            }
            for next in admitted { next.resume(returning: .success(())) }
        }
    }

    /// Probes that are inside now.
    package var inside: Int { state.withLock { $0.inside } }
    /// Probes that wait for a place now.
    package var waiting: Int { state.withLock { $0.waiting.count } }

    /// Waits for a place until the deadline.
    ///
    /// **Throws**: `.deadline` when no place came free in time, `.cancelled` when the caller was cancelled while waiting. A place
    /// that was granted stays granted: after a return without error ``leave()`` is due, whatever happened to the caller since.
    package func enter(until deadline: Deadline) async throws(WaitFailure) {
        guard !Task.isCancelled else { throw .cancelled }
        let ticket: UInt64? = state.withLock { state in
            if state.inside < state.limit, state.waiting.isEmpty {
                state.inside += 1
                return nil
            }
            return state.newTicket()
        }
        guard let ticket else { return }
        // One more task only while the gate is full: it ends the wait at the deadline, and is cancelled with it.
        let result = await withTaskGroup(of: Void.self) { group in
            group.addTask {
                try? await Task.sleep(until: deadline.instant, tolerance: .milliseconds(5), clock: .continuous)
                if !Task.isCancelled { self.refuse(ticket, .deadline) }
            }
            let result = await self.wait(ticket)
            group.cancelAll()
            return result
        }
        try result.get()
    }

    /// Gives the place back, or on to the one who has waited longest.
    package func leave() {
        let next: Continuation? = state.withLock { state in
            precondition(state.inside > 0, "leave() without enter()")
            if state.inside <= state.limit, let next = state.takeFirstWaiting() { return next }
            state.inside -= 1
            return nil
        }
        next?.resume(returning: .success(()))
    }

    private func wait(_ ticket: UInt64) async -> Result<Void, WaitFailure> {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Result<Void, WaitFailure>? = state.withLock { state in
                    state.announced.remove(ticket)
                    if let failure = state.refused.removeValue(forKey: ticket) { return .failure(failure) }
                    if state.inside < state.limit, state.waiting.isEmpty {
                        state.inside += 1
                        return .success(())
                    }
                    state.waiting[ticket] = continuation
                    state.order.append(ticket)
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            self.refuse(ticket, .cancelled)
        }
    }

    private func refuse(_ ticket: UInt64, _ failure: WaitFailure) {
        let continuation: Continuation? = state.withLock { state in
            if let waiting = state.waiting.removeValue(forKey: ticket) { return waiting }
            // Cancelled between taking the ticket and lining up: remembered for the moment of lining up.
            if state.announced.contains(ticket) { state.refused[ticket] = failure }
            return nil
        }
        continuation?.resume(returning: .failure(failure))
    }

    private typealias Continuation = CheckedContinuation<Result<Void, WaitFailure>, Never>

    private struct State {
        var limit: Int
        var inside = 0
        var lastTicket: UInt64 = 0
        /// Took a ticket and does not wait yet.
        var announced: Set<UInt64> = []
        var refused: [UInt64: WaitFailure] = [:]
        var waiting: [UInt64: Continuation] = [:]
        /// Tickets in order of arrival; those that gave up are passed over when their turn comes.
        var order: [UInt64] = []
        var head = 0

        mutating func newTicket() -> UInt64 {
            lastTicket += 1
            announced.insert(lastTicket)
            return lastTicket
        }

        mutating func takeFirstWaiting() -> Continuation? {
            while head < order.count {
                let next = waiting.removeValue(forKey: order[head])
                head += 1
                if head == order.count || head > 256 {
                    order.removeFirst(head)
                    head = 0
                }
                if let next { return next }
            }
            return nil
        }
    }
}
