// The cap on requests to the identity endpoint, across all identities of the process.
import Curl
import Diagnosis
import Synchronization

/// Lets at most two requests at a time and five a second through. A lock around ``PaceState``.
///
/// It also remembers for a moment that nobody can connect to the endpoint, which is as true for the next identity as for this one:
/// twenty identities find out in the time of one that a host has no metadata service.
final class RequestPace: Sendable {
    /// Why a request was not let through.
    enum Refusal: Error, Sendable {
        case deadline
        case cancelled
        /// Somebody else has just failed to connect.
        case outage(CurlFailure)
    }

    private typealias Turn = CheckedContinuation<ContinuousClock.Instant?, Never>

    private struct State {
        var pace = PaceState()
        var waiting: [PaceState.Visitor: Turn] = [:]
        var lastVisitor: PaceState.Visitor = 0
        var outage: (failure: CurlFailure, until: ContinuousClock.Instant)?

        func outage(at now: ContinuousClock.Instant) -> CurlFailure? {
            guard let outage, outage.until > now else { return nil }
            return outage.failure
        }
    }

    private let state = Mutex(State())
    private let time: IdentityTime

    init(time: IdentityTime) { self.time = time }

    /// Waits for a place and for its moment; every success is paired with one ``leave()``.
    /// - Parameters:
    ///   - isInsistent: a person wants to know how it is now, so what was found out a moment ago does not do.
    ///   - onHold: called once when the request has to wait.
    /// **Throws**: `deadline` when the moment would come too late, and then at once if that is known.
    func enter(until deadline: Deadline, isInsistent: Bool = false, onHold: () -> Void) async throws(Refusal) {
        let now = time.instant()
        let (visitor, outage, granted) = state.withLock { state in
            state.lastVisitor += 1
            let outage = isInsistent ? nil : state.outage(at: now)
            return (state.lastVisitor, outage, outage == nil ? state.pace.enteredIfFree(at: now) : nil)
        }
        if let outage { throw .outage(outage) }
        if granted != now { onHold() }
        var start = granted
        if start == nil { start = await place(for: visitor, until: deadline) }
        guard var start else {
            if Task.isCancelled { throw .cancelled }
            let later = time.instant()
            throw state.withLock { $0.outage(at: later) }.map(Refusal.outage) ?? .deadline
        }
        while true {
            let present = time.instant()
            if start <= present {
                guard let later = state.withLock({ $0.pace.starts(at: present) }) else { return }
                start = later
            }
            guard start < deadline.instant else {
                leave()
                throw .deadline
            }
            do { try await time.sleep(start) } catch {
                leave()
                throw .cancelled
            }
        }
    }

    func leave() {
        let now = time.instant()
        let heir = state.withLock { state -> (Turn, ContinuousClock.Instant)? in
            guard let (visitor, start) = state.pace.left(at: now) else { return nil }
            // Entering the queue and leaving it change both collections under one lock, so an heir has a continuation.
            return state.waiting.removeValue(forKey: visitor).map { ($0, start) }
        }
        if let (turn, start) = heir { turn.resume(returning: start) }
    }

    /// Nobody can connect to the endpoint: those who wait need not try.
    func report(outage failure: CurlFailure) {
        let until = time.instant() + TokenSlot.memory
        let turns = state.withLock { state in
            state.outage = (failure, until)
            return state.pace.emptied().compactMap { state.waiting.removeValue(forKey: $0) }
        }
        for turn in turns { turn.resume(returning: nil) }
    }

    /// The endpoint asked for quiet.
    func hold(for duration: Duration) {
        let until = time.instant() + duration
        state.withLock { $0.pace.held(until: until) }
    }

    private func place(for visitor: PaceState.Visitor, until deadline: Deadline) async -> ContinuousClock.Instant? {
        await withTaskGroup(of: ContinuousClock.Instant?.self) { group in
            group.addTask { await self.turn(of: visitor) }
            group.addTask { [time] in
                try? await time.sleep(deadline.instant)
                self.withdraw(visitor)
                return nil
            }
            // A turn ends the sleep, the sleep withdraws the visitor: both children end soon after the first.
            let first = await group.next() ?? nil
            group.cancelAll()
            let second = await group.next() ?? nil
            return first ?? second
        }
    }

    private func turn(of visitor: PaceState.Visitor) async -> ContinuousClock.Instant? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { (turn: Turn) in
                let now = time.instant()
                let admission = state.withLock { state in
                    let admission = state.pace.entered(visitor, at: now)
                    if admission == .queued { state.waiting[visitor] = turn }
                    return admission
                }
                if case .start(let moment) = admission { turn.resume(returning: moment) }
                // A cancellation that came before the visitor queued has found nobody to withdraw.
                if Task.isCancelled { withdraw(visitor) }
            }
        } onCancel: {
            withdraw(visitor)
        }
    }

    private func withdraw(_ visitor: PaceState.Visitor) {
        let turn = state.withLock { state -> Turn? in
            guard state.pace.withdrew(visitor) else { return nil }
            return state.waiting.removeValue(forKey: visitor)
        }
        turn?.resume(returning: nil)
    }
}
