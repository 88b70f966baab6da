// Where a check stands: a value that observations move on.

/// The verdict on a check.
package enum CheckState: String, Sendable, Hashable, Codable, CaseIterable, JSONRepresentable {
    case up, down, asleep, unknown, disabled
}

/// A change of verdict, for the log line that is written once per change.
package struct StateChange: Sendable, Hashable {
    package var check: CheckID
    package var from: CheckState
    package var to: CheckState
    package var cause: Cause?
    package var phase: Phase?
    /// When it was seen.
    package var time: Timestamp
    /// Since when it is so; earlier than it was seen where history knows of it from before this process.
    package var since: Timestamp
}

/// Everything that is known about one check now.
package struct CheckStatus: Sendable, Hashable {
    package var id: CheckID
    package var target: Target
    package var state: CheckState = .unknown
    package var cause: Cause?
    package var phase: Phase?
    /// Since when `state` and `cause` are what they are.
    package var since: Timestamp?
    /// When the last successful probe ended.
    package var lastGood: Timestamp?
    /// What the last successful probe saw: the measure for what changed since.
    package var lastGoodFacts: Facts?
    package var consecutiveFailures = 0
    package var probes: UInt64 = 0
    package var failures: UInt64 = 0
    /// The last observation that was not partial.
    package var last: Observation?
    /// The last observation that stopped on purpose, when it is newer than `last`.
    package var lastPartial: Observation?
    /// The newest of these, however far it went.
    package var newest: Observation? { lastPartial ?? last }
    /// What differs from the last successful probe, each with the time at which it was seen first; empty while up.
    package var changes: [FactsComparison.Change] = []
    /// Logins to a database that may sleep, from before this process.
    private(set) var pastWake: WakeLedger?
    /// Since when it failed, by cause, before this process began: for the first failure that it sees.
    private var failingSince: [Cause: Timestamp] = [:]
    /// The probe before this process that a server answered with a block of this client, which may last.
    private var pastBlock: Observation?
    /// The last probe that failed at its login or behind it, until one works: what a database that is left asleep stays with.
    private var failedLogin: Observation?

    package init(id: CheckID, target: Target) {
        self.id = id
        self.target = target
    }

    /// Takes an observation into account.
    ///
    /// One that was under way already when the last one started is counted and changes nothing else.
    /// - Returns: the change of verdict, or of cause while down; nil when everything stays as it was.
    package mutating func apply(_ observation: Observation) -> StateChange? {
        let isOlder = last.map { observation.span.isOlder(than: $0.span) } ?? false
        guard !observation.isPartial else {
            guard !isOlder else { return nil }
            lastPartial = observation
            return observation.outcome == .partial(.loginPaused) ? standBlocked(observation) : fallAsleep(observation)
        }
        probes += 1
        if observation.failure != nil { failures += 1 }
        guard !isOlder else { return nil }
        let isSimultaneous = last.map { $0.failure != nil && observation.span.overlaps($0.span) } ?? false
        last = observation
        lastPartial = nil
        let before = (state, cause)
        if let failure = observation.failure {
            if !isSimultaneous { consecutiveFailures += 1 }
            (state, cause, phase) = (.down, failure.cause, failure.phase)
            if failure.phase.isOfLogin { failedLogin = observation }
            if let lastGoodFacts {
                changes = FactsComparison.changes(from: lastGoodFacts, to: observation.facts, at: observation.started, known: changes)
            }
        } else {
            consecutiveFailures = 0
            lastGood = observation.ended
            lastGoodFacts = observation.facts
            failedLogin = nil
            changes = []
            (state, cause, phase) = (.up, nil, nil)
        }
        guard before != (state, cause) else { return nil }
        let begun = before.0 == .unknown ? cause.flatMap { failingSince[$0] } ?? observation.started : observation.started
        since = begun
        return StateChange(check: id, from: before.0, to: state, cause: cause, phase: phase, time: observation.started, since: begun)
    }

    /// Nobody logs in, so that the database may sleep: neither up nor down, unless the last login has failed, which still stands where there
    /// will be another one.
    private mutating func fallAsleep(_ observation: Observation) -> StateChange? {
        guard observation.outcome == .partial(.asleep) else { return nil }
        let before = state
        let begun: Timestamp
        if let failedLogin, let failure = failedLogin.failure, observation.facts.wake?.limit != 0 {
            guard state != .down || phase?.isOfLogin != true else { return nil }
            // The way to the login works again, or this process has not logged in yet: what the last login has shown is the newest word on it.
            (state, cause, phase) = (.down, failure.cause, failure.phase)
            last = failedLogin
            consecutiveFailures = max(consecutiveFailures, 1)
            begun = before == .down ? observation.started : failingSince[failure.cause] ?? failedLogin.started
        } else {
            guard state != .asleep else { return nil }
            (state, cause, phase) = (.asleep, nil, nil)
            consecutiveFailures = 0
            begun = observation.started
        }
        since = begun
        return StateChange(check: id, from: before, to: state, cause: cause, phase: phase, time: observation.started, since: begun)
    }

    /// This process has not logged in yet, because a server blocked the one before it: what that has seen stands.
    private mutating func standBlocked(_ observation: Observation) -> StateChange? {
        guard state == .unknown, let pastBlock, let failure = pastBlock.failure else { return nil }
        (state, cause, phase) = (.down, failure.cause, failure.phase)
        last = pastBlock
        consecutiveFailures = max(consecutiveFailures, 1)
        let begun = failingSince[failure.cause] ?? pastBlock.started
        since = begun
        return StateChange(check: id, from: .unknown, to: .down, cause: cause, phase: phase, time: observation.started, since: begun)
    }

    /// From when on the budget allows the next login to a database that may sleep; nil for never.
    package func nextLogin(now: Timestamp) -> Timestamp? {
        guard let wake = newest?.facts.wake else { return nil }
        return switch wake.decide(limit: wake.limit, interval: target.interval, now: now) {
        case .login: now
        case .sleep(let until): until
        }
    }

    /// Takes in what history knows from before this process. What was seen since then stands.
    package mutating func adopt(_ past: CheckPast) {
        failingSince = past.failingSince
        pastWake = past.wake
        pastBlock = past.blocked
        if state == .down, let cause, let earlier = past.failingSince[cause] { since = min(since ?? earlier, earlier) }
        guard lastGood == nil else { return }
        failedLogin = failedLogin ?? past.failedLogin
        (lastGood, lastGoodFacts, changes) = (past.lastGood, past.facts, past.changes)
        guard let last, last.failure != nil, let lastGoodFacts else { return }
        changes = FactsComparison.changes(from: lastGoodFacts, to: last.facts, at: last.started, known: changes)
    }
}

/// What history knows of one check from before this process.
package struct CheckPast: Sendable, Hashable {
    /// When the last successful probe ended.
    package var lastGood: Timestamp?
    /// What lasts of what it saw.
    package var facts: Facts?
    /// Since when each cause was met, while the check is failing.
    package var failingSince: [Cause: Timestamp]
    /// What was found different since the last successful probe.
    package var changes: [FactsComparison.Change]
    /// Logins of the last day to a database that may sleep, failed ones included.
    package var wake: WakeLedger?
    /// Of such a database: the last probe that failed at its login or behind it, when none has worked since.
    package var failedLogin: Observation?
    /// The last probe that a server answered with a block of this client, not longer than ``blockRest`` ago, when none has worked since.
    package var blocked: Observation?

    /// How long nothing logs in to a server that has blocked this client.
    package static let blockRest: Duration = .seconds(15 * 60)

    package init(
        lastGood: Timestamp? = nil, facts: Facts? = nil, failingSince: [Cause: Timestamp] = [:],
        changes: [FactsComparison.Change] = [], wake: WakeLedger? = nil, failedLogin: Observation? = nil, blocked: Observation? = nil
    ) {
        self.blocked = blocked
        self.wake = wake
        self.failedLogin = failedLogin
        self.lastGood = lastGood
        self.facts = facts
        self.failingSince = failingSince
        self.changes = changes
    }
}

/// Where an identity stands, by itself and apart from any target.
package struct IdentityStatus: Sendable, Hashable {
    package var name: String
    package var state: CheckState = .unknown
    package var cause: Cause?
    package var failure: Failure?
    package var source: TokenSourceKind?
    package var since: Timestamp?
    /// When its source was asked last; nil before the first answer.
    package var asked: Timestamp?
    package var tokens: [TokenResource: TokenStatus] = [:]
    package var lookups: UInt64 = 0
    package var cacheHits: UInt64 = 0
    package var requests: [TokenSourceKind: UInt64] = [:]
    package var requestFailures: [TokenSourceKind: [Cause: UInt64]] = [:]
    /// Since when it failed, by cause, before this process began: for the first failure that it sees.
    private var failingSince: [Cause: Timestamp] = [:]

    package init(name: String) { self.name = name }

    package struct TokenStatus: Sendable, Hashable {
        package var expires: Timestamp
        package var lifetime: Duration
        package var acquired: Timestamp
        package var isSameToken: Bool
    }

    /// - Returns: the change of verdict, or of cause while down; nil when everything stays as it was.
    @discardableResult
    package mutating func apply(_ event: TokenEvent) -> StateLine? {
        switch event {
        case .lookup(_, let hit):
            lookups += 1
            if hit { cacheHits += 1 }
        case .throttled: break
        case .request(let result):
            source = result.source
            asked = result.time
            requests[result.source, default: 0] += 1
            let before = (state, cause)
            switch result.outcome {
            case .acquired(let expires, let isSameToken):
                (state, cause, failure) = (.up, nil, nil)
                tokens[result.resource] = TokenStatus(
                    expires: expires, lifetime: expires - result.time, acquired: result.time, isSameToken: isSameToken)
            case .failed(let reason):
                (state, cause, failure) = (.down, reason.cause, reason)
                requestFailures[result.source, default: [:]][reason.cause, default: 0] += 1
            }
            guard before != (state, cause) else { return nil }
            // The start of the request, as for checks and incidents: one moment on every surface.
            let started = result.started
            let begun = before.0 == .unknown ? cause.flatMap { failingSince[$0] } ?? started : started
            since = begun
            return StateLine(
                time: started, kind: .identity, id: name, from: before.0, to: state, cause: cause?.rawValue, phase: failure?.phase,
                since: begun)
        }
        return nil
    }

    /// Takes in what history knows of its watch from before this process.
    package mutating func adopt(_ past: CheckPast) {
        failingSince = past.failingSince
        if state == .down, let cause, let earlier = past.failingSince[cause] { since = min(since ?? earlier, earlier) }
    }

    /// The earliest end of a token that is held.
    package var expires: Timestamp? { tokens.values.map(\.expires).min() }
}
