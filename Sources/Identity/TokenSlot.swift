// The state of one identity's token for one resource, as a pure value. Longer than most files: it is a state machine.
import Diagnosis

/// One token, at most one request in flight, and those who wait for it.
///
/// Inputs are past participles, answers are values to be acted on outside the lock. Nothing here waits or sends.
struct TokenSlot: Sendable {
    typealias Waiter = UInt64

    /// A token is renewed before its last five minutes. **Source**: MSAL counts a token with less as expired.
    static let margin: Duration = .seconds(300)
    /// A token as new as this is used whatever its end says: the source would give the same one again.
    static let hold: Duration = .seconds(30)
    /// How long a failure stands for the source, so that a thousand checks do not ask a thousand times.
    static let memory: Duration = .seconds(5)

    /// A token in the cache.
    struct Held: Sendable {
        var token: AccessToken
        /// The client id that the endpoint echoed.
        var clientID: String?
        /// When to renew it, on the wall clock.
        var renewAt: Timestamp
        var received: ContinuousClock.Instant
        /// A server refused it, or somebody wants to see a new one.
        var isDiscarded = false
    }

    /// What a caller that waits, or does not have to, is told.
    enum Answer: Sendable {
        case lease(TokenLease)
        case failed(Failure)
    }

    /// What becomes of a caller's question.
    enum Reception: Sendable {
        case answered(Answer)
        /// The caller waits; the request has to be started when `startsFlight`.
        case waiting(startsFlight: Bool)
    }

    /// One answer for each of the waiters that are released.
    typealias Release = [(waiter: Waiter, answer: Answer)]

    private struct Party: Sendable {
        var deadline: Deadline
        var isFresh: Bool
    }

    private struct Flight: Sendable {
        var deadline: Deadline
        var waiters: [Waiter: Party] = [:]
        var stage: Stage = .queued
        var lastFailure: Failure?
    }

    /// Where the request is: waiting for the rate cap, on the wire, or pausing between two tries.
    enum Stage: Sendable, Hashable {
        case queued
        case asking(since: ContinuousClock.Instant)
        case pausing(until: ContinuousClock.Instant)
    }

    private struct Remembered: Sendable {
        var failure: Failure
        var until: ContinuousClock.Instant
        /// The source itself said when to come back; nobody overrides that.
        var isOrdered: Bool
    }

    private(set) var held: Held?
    private var flight: Flight?
    private var remembered: Remembered?
    private var renewalFailure: Failure?
    private var lastFingerprint: UInt64?
    /// When the last request ended; nil before the first.
    private(set) var lastEnded: ContinuousClock.Instant?
    /// Requests that failed since the last success.
    private(set) var failuresInRow = 0
    /// Whether the last request succeeded and the one before it failed.
    private(set) var isRecovery = false

    // MARK: Inputs of callers

    /// The token at hand, when it will do without further ado.
    func cached(at now: Moment) -> TokenLease? {
        guard let held, isUsable(held, at: now) else { return nil }
        return TokenLease(token: held.token, isCached: true, renewalFailure: renewalFailure)
    }

    /// - Parameter isFresh: only a new reply of the source will do.
    mutating func asked(_ waiter: Waiter, until deadline: Deadline, isFresh: Bool, at now: Moment) -> Reception {
        if !isFresh, let lease = cached(at: now) { return .answered(.lease(lease)) }
        if let remembered, remembered.until > now.instant, remembered.isOrdered || !isFresh, flight == nil {
            return .answered(answer(to: remembered.failure, isFresh: isFresh, at: now))
        }
        guard var flight else {
            self.flight = Flight(deadline: deadline, waiters: [waiter: Party(deadline: deadline, isFresh: isFresh)])
            return .waiting(startsFlight: true)
        }
        if let failure = flight.lastFailure {
            let answer = answer(to: failure, isFresh: isFresh, at: now)
            if case .lease = answer { return .answered(answer) }
            // The next try comes too late for this caller, so it learns now what it would learn at its deadline.
            if case .pausing(let next) = flight.stage, next >= deadline.instant { return .answered(answer) }
        }
        flight.waiters[waiter] = Party(deadline: deadline, isFresh: isFresh)
        flight.deadline = max(flight.deadline, deadline)
        self.flight = flight
        return .waiting(startsFlight: false)
    }

    /// The caller was cancelled. The request goes on: others may join it, and its token serves the next caller.
    /// - Returns: whether the caller was still waiting.
    mutating func withdrew(_ waiter: Waiter) -> Bool { flight?.waiters.removeValue(forKey: waiter) != nil }

    /// The caller's deadline passed.
    /// - Returns: nil when the caller has its answer already; else where the request was.
    mutating func timedOut(_ waiter: Waiter) -> (stage: Stage, lastFailure: Failure?)? {
        guard flight?.waiters.removeValue(forKey: waiter) != nil, let flight else { return nil }
        return (flight.stage, flight.lastFailure)
    }

    /// A server refused the token, or a person wants a new one. A token that has just come is kept:
    /// the complaint is about the one before it.
    mutating func discarded(at now: Moment) {
        guard let held, now.instant - held.received >= Self.hold else { return }
        self.held?.isDiscarded = true
    }

    // MARK: Inputs of the watch

    /// - Returns: whether a request has to be started to renew ahead of time.
    mutating func renewalDue(until deadline: Deadline, at now: Moment) -> Bool {
        guard flight == nil else { return false }
        if let remembered, remembered.until > now.instant { return false }
        flight = Flight(deadline: deadline)
        return true
    }

    // MARK: Inputs of the request

    /// By when the request must be over: the latest deadline of all who asked for it. Nil when there is none.
    var flightDeadline: Deadline? { flight?.deadline }

    /// Whether somebody waits for whom only a new reply of the source will do.
    var isForPerson: Bool { flight?.waiters.values.contains(where: \.isFresh) ?? false }

    mutating func queued() { flight?.stage = .queued }
    mutating func sent(at now: Moment) { flight?.stage = .asking(since: now.instant) }

    /// A try failed and another follows.
    /// - Returns: those for whom it follows too late, and those who can live with the token at hand.
    mutating func tryFailed(_ failure: Failure, next: ContinuousClock.Instant, at now: Moment) -> Release {
        guard var flight else { return [] }
        flight.lastFailure = failure
        flight.stage = .pausing(until: next)
        var release: Release = []
        for (waiter, party) in flight.waiters {
            let answer = answer(to: failure, isFresh: party.isFresh, at: now)
            if case .failed = answer, next < party.deadline.instant { continue }
            release.append((waiter, answer))
        }
        for (waiter, _) in release { flight.waiters[waiter] = nil }
        self.flight = flight
        return release
    }

    /// The source gave a token.
    mutating func acquired(_ new: Held, at now: Moment) -> (release: Release, isSameToken: Bool) {
        let isSame = lastFingerprint == new.token.fingerprint
        lastFingerprint = new.token.fingerprint
        held = new
        isRecovery = failuresInRow > 0
        (remembered, renewalFailure, failuresInRow, lastEnded) = (nil, nil, 0, now.instant)
        let lease = TokenLease(token: new.token, isCached: false)
        return (land().map { ($0.key, .lease(lease)) }, isSame)
    }

    /// Whether `new` must not replace what is held: it has ended and the held one has not.
    func isWorse(_ new: AccessToken, at now: Moment) -> Bool {
        guard let held, !held.isDiscarded else { return false }
        return new.expires <= now.wall && held.token.expires > now.wall
    }

    /// The request is over without a token. What is held stays.
    /// - Parameter retryAfter: the source's own wish.
    mutating func failed(_ failure: Failure, retryAfter: Duration?, at now: Moment) -> Release {
        failuresInRow += 1
        isRecovery = false
        lastEnded = now.instant
        renewalFailure = failure
        remembered = Remembered(
            failure: failure, until: now.instant + max(Self.memory, retryAfter ?? .zero), isOrdered: retryAfter != nil)
        let waiters = land()
        let release: Release = waiters.map { ($0.key, answer(to: failure, isFresh: $0.value.isFresh, at: now)) }
        // A discarded token that could not be replaced is the best there is: the next caller may try it and see.
        held?.isDiscarded = false
        return release
    }

    /// The request was given up without a verdict: the process is ending.
    mutating func abandoned() -> [Waiter] { Array(land().keys) }

    // MARK: Rules

    private mutating func land() -> [Waiter: Party] {
        defer { flight = nil }
        return flight?.waiters ?? [:]
    }

    private func isUsable(_ held: Held, at now: Moment) -> Bool {
        guard !held.isDiscarded else { return false }
        return held.token.expires - now.wall > Self.margin || now.instant - held.received < Self.hold
    }

    /// A caller that does not insist on a new token is served with one that has not ended, and told why it is not newer.
    private func answer(to failure: Failure, isFresh: Bool, at now: Moment) -> Answer {
        guard !isFresh, let held, !held.isDiscarded, held.token.expires > now.wall else { return .failed(failure) }
        return .lease(TokenLease(token: held.token, isCached: true, renewalFailure: failure))
    }
}
