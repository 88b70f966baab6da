// One managed identity: its cache, its single request in flight, and everybody who waits for it.
import Curl
import Diagnosis
import Logging
import Synchronization

/// Gives tokens of one managed identity. A lock around ``TokenSlot`` values; requests run in tasks of their own.
final class ManagedIdentity: TokenSource {
    /// What a waiter is told.
    enum Delivery: Sendable {
        case answer(TokenSlot.Answer)
        case cancelled
    }

    struct State {
        var slots: [TokenResource: TokenSlot] = [:]
        var waiting: [TokenSlot.Waiter: CheckedContinuation<Delivery, Never>] = [:]
        var lastWaiter: TokenSlot.Waiter = 0
        /// The tries of the last request, for ``acquire(_:fresh:until:)``.
        var attempts: [TokenResource: [TokenAttempt]] = [:]
        var isSameToken: [TokenResource: Bool] = [:]
    }

    /// A request whose callers wait no longer than this alone is given this much time by the watch.
    static let renewalTime: Duration = .seconds(90)
    /// One try, however long its callers would wait.
    static let tryLimit: Duration = .seconds(30)
    /// What a request ends before its callers' deadline, so that they hear its own words.
    static let lead: Duration = .milliseconds(25)

    let name: String
    let selector: ManagedIdentitySelector
    let endpoint: ManagedIdentityEndpoint
    let cloud: Cloud
    let http: CurlClient
    let pace: RequestPace
    let fingerprints: TokenFingerprint
    let time: IdentityTime
    let onEvent: @Sendable (TokenEvent) -> Void
    let logger: Logger
    /// Everything that changes.
    let state = Mutex(State())

    init(
        name: String, selector: ManagedIdentitySelector, endpoint: ManagedIdentityEndpoint, shared: Identities.Shared
    ) {
        self.name = name
        self.selector = selector
        self.endpoint = endpoint
        cloud = shared.cloud
        http = shared.http
        pace = shared.pace
        fingerprints = shared.fingerprints
        time = shared.time
        onEvent = shared.onEvent
        logger = shared.logger
    }

    // MARK: TokenSource

    func token(for resource: TokenResource, until deadline: Deadline) async throws(ProbeEnd) -> TokenLease {
        switch await ask(for: resource, isFresh: false, until: deadline) {
        case .answer(.lease(let lease)): return lease
        case .answer(.failed(let failure)): throw .failed(failure)
        case .cancelled: throw .cancelled
        }
    }

    func discard(_ resource: TokenResource) async {
        let now = time.now
        state.withLock { $0.slots[resource]?.discarded(at: now) }
    }

    // MARK: For people

    /// Tells the whole story. **Throws**: `cancelled` only.
    func acquire(_ resource: TokenResource, fresh: Bool, until deadline: Deadline) async throws(ProbeEnd) -> TokenAcquisition {
        let began = time.instant()
        let outcome: TokenAcquisition.Outcome
        let delivery = await ask(for: resource, isFresh: fresh, until: deadline)
        let (held, attempts, isSame) = state.withLock { state in
            (state.slots[resource]?.held, state.attempts[resource] ?? [], state.isSameToken[resource] ?? false)
        }
        var isFromCache = false
        switch delivery {
        case .cancelled: throw .cancelled
        case .answer(.failed(let failure)): outcome = .failed(failure)
        case .answer(.lease(let lease)):
            isFromCache = lease.isCached && lease.renewalFailure == nil
            outcome = .acquired(
                AcquiredToken(
                    token: lease.token, isCached: lease.isCached, isSameToken: isSame,
                    clientID: held?.token.fingerprint == lease.token.fingerprint ? held?.clientID : nil,
                    renewalFailure: lease.renewalFailure))
        }
        return TokenAcquisition(
            identity: name, source: endpoint.source, place: endpoint.place, apiVersion: endpoint.apiVersion,
            parameter: endpoint.parameter(for: selector).map { "\($0.name)=\($0.value)" }, resource: cloud.resourceURI(resource),
            attempts: isFromCache ? [] : attempts, duration: time.instant() - began, outcome: outcome)
    }

    // MARK: The watch

    /// When the next question of the watch is due for each resource in use; `nil` for one that was never asked for.
    /// - Parameter uses: those resources; nil for all that were ever asked for.
    func dueTimes(at now: Moment, for uses: [TokenResource]?) -> [TokenResource: ContinuousClock.Instant?] {
        let slots = state.withLock { $0.slots }
        // An identity without targets is watched too, and by the resource that most engines share.
        let watched = uses ?? (slots.isEmpty ? [.ossrdbms] : Array(slots.keys))
        return watched.reduce(into: [:]) { times, resource in
            let slot = slots[resource]
            let due = slot?.lastEnded.map { ended in
                RenewalPlan.next(
                    after: ended, failuresInRow: slot?.failuresInRow ?? 0, isRecovery: slot?.isRecovery ?? false,
                    renewAt: slot?.held?.renewAt, now: now, random: 0.5)
            }
            times.updateValue(due, forKey: resource)
        }
    }

    /// Asks the source whether or not a token is held; what is held stays when that fails.
    func renew(_ resource: TokenResource) async {
        let now = time.now
        let starts = state.withLock { state in
            state.slots[resource, default: TokenSlot()].renewalDue(until: Deadline(now.instant + Self.renewalTime), at: now)
        }
        if starts { await fly(resource) }
    }

    // MARK: Waiting

    private func ask(for resource: TokenResource, isFresh: Bool, until deadline: Deadline) async -> Delivery {
        let now = time.now
        // The usual case is a cached token: no continuation, no child task.
        if !isFresh, let lease = state.withLock({ $0.slots[resource]?.cached(at: now) }) {
            onEvent(.lookup(identity: name, hit: true))
            return .answer(.lease(lease))
        }
        let waiter = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        return await withTaskGroup(of: Delivery?.self) { group in
            group.addTask { await self.wait(waiter, for: resource, isFresh: isFresh, until: deadline) }
            group.addTask {
                try? await self.time.sleep(deadline.instant)
                self.expire(waiter, resource)
                return nil
            }
            // Exactly one child delivers: the wait ends by an answer, by the clock's `expire`, or by cancellation.
            var delivery: Delivery?
            for await result in group where result != nil {
                delivery = result
                group.cancelAll()
            }
            return delivery ?? .cancelled
        }
    }

    private func wait(
        _ waiter: TokenSlot.Waiter, for resource: TokenResource, isFresh: Bool, until deadline: Deadline
    ) async -> Delivery {
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Delivery, Never>) in
                guard !Task.isCancelled else { return continuation.resume(returning: .cancelled) }
                let now = time.now
                let reception = state.withLock { state in
                    let reception = state.slots[resource, default: TokenSlot()]
                        .asked(waiter, until: deadline, isFresh: isFresh, at: now)
                    if case .waiting = reception { state.waiting[waiter] = continuation }
                    return reception
                }
                switch reception {
                case .answered(let answer):
                    // A token that serves because its source is ill comes from the cache as well.
                    let isHit = if case .lease = answer { true } else { false }
                    onEvent(.lookup(identity: name, hit: isHit))
                    continuation.resume(returning: .answer(answer))
                case .waiting(let startsFlight):
                    onEvent(.lookup(identity: name, hit: false))
                    // Unstructured, because the request outlives the caller that started it: others wait for it too. It ends
                    // by itself at the latest of its callers' deadlines, or when the HTTP client is closed.
                    if startsFlight { Task { await self.fly(resource) } }
                    // A cancellation that came before the continuation was stored has found nobody to release.
                    if Task.isCancelled { withdraw(waiter, resource) }
                    // Nor has a deadline that passed before: the clock calls once.
                    if time.instant() >= deadline.instant { expire(waiter, resource) }
                }
            }
        } onCancel: {
            withdraw(waiter, resource)
        }
    }

    private func withdraw(_ waiter: TokenSlot.Waiter, _ resource: TokenResource) {
        let continuation = state.withLock { state -> CheckedContinuation<Delivery, Never>? in
            guard state.slots[resource]?.withdrew(waiter) == true else { return nil }
            return state.waiting.removeValue(forKey: waiter)
        }
        continuation?.resume(returning: .cancelled)
    }

    private func expire(_ waiter: TokenSlot.Waiter, _ resource: TokenResource) {
        let now = time.now
        let expired = state.withLock { state -> (CheckedContinuation<Delivery, Never>, Failure)? in
            guard let (stage, failure) = state.slots[resource]?.timedOut(waiter),
                let continuation = state.waiting.removeValue(forKey: waiter)
            else { return nil }
            return (continuation, IdentityVerdict.late(stage, lastFailure: failure, at: endpoint, naming: selector, now: now))
        }
        if let (continuation, failure) = expired { continuation.resume(returning: .answer(.failed(failure))) }
    }

    func release(_ release: TokenSlot.Release) {
        let ready = state.withLock { state in
            release.compactMap { party in state.waiting.removeValue(forKey: party.waiter).map { ($0, party.answer) } }
        }
        for (continuation, answer) in ready { continuation.resume(returning: .answer(answer)) }
    }
}
