// When an incident opens and closes: a pure state machine for one check, in the words of the rules.
//
// Opens after two failures in a row, after one when its cause is not transient. Closes after two successes in a row. A new cause keeps it
// open. Nothing opens while the caller says so (the first minute of the service), but failures of that time count as the first ones; when
// logins rest after them, the next probe opens the incident, although it does not log in.
//
// Of a database that may sleep most probes stop before the login. They count as successes where no login has failed, or one has worked since:
// otherwise an incident of the network would last until the next login of the budget but one. Where nobody will ever log in they always count.

/// Follows the observations of one check.
package struct IncidentTracker: Sendable, Hashable {
    private let check: CheckID
    private var state = State.quiet
    /// Successes in a row since the last failure, and when the first of them started. Nil after a failure and before everything.
    private var recovery: Recovery?
    /// Failures since the last success; those that ran at one time count once.
    private var failuresInRow = 0
    /// When the last probe ran that was taken into account, and the last one that stopped before a login: a login that takes its time while
    /// others only look is no old news.
    private var last: Observation.Span?
    private var lastSleep: Observation.Span?

    private enum State: Sendable, Hashable {
        case quiet
        /// Failures that are not an incident yet.
        case suspected(Incident)
        case open(Incident)
    }

    private struct Recovery: Sendable, Hashable {
        var count: Int
        var since: Timestamp
        /// Whether one of them logged in, or none ever will.
        var hasLogin: Bool

        /// Whether they show that what failed works again: only a login does so for a failed login.
        func ends(_ incident: Incident) -> Bool {
            hasLogin || !incident.causes.contains { $0.phase.isOfLogin }
        }
    }

    /// What an observation did to the incident.
    package enum Step: Sendable, Hashable {
        case opened(Incident)
        case causeAdded(Incident)
        /// One more failure of a known cause.
        case continued(Incident)
        case closed(Incident)

        package var incident: Incident {
            switch self {
            case .opened(let incident), .causeAdded(let incident), .continued(let incident), .closed(let incident): incident
            }
        }
    }

    package init(_ check: CheckID) { self.check = check }

    /// The incident that lasts now.
    package var open: Incident? {
        if case .open(let incident) = state { incident } else { nil }
    }

    /// Takes an observation into account; what stopped on purpose neither fails nor mends, and what was under way already when the last
    /// one started says nothing new.
    /// - Parameter mayOpen: false in the first minute of the service.
    package mutating func apply(_ observation: Observation, mayOpen: Bool) -> Step? {
        let isSleep = observation.outcome == .partial(.asleep)
        if observation.isPartial, !isSleep { return confirmed(mayOpen: mayOpen) }
        let span = observation.span
        guard !(last.map { span.isOlder(than: $0) } ?? false) else { return nil }
        let isNext = ![last, isSleep ? lastSleep : nil].contains { $0.map { span.overlaps($0) } ?? false }
        if isSleep { lastSleep = span } else { last = span }
        if let failure = observation.failure { return failed(failure, observation.started, isNext: isNext, mayOpen: mayOpen) }
        return succeeded(
            observation.started, isNext: isNext, hasLogin: !isSleep || observation.facts.wake?.limit == 0, mayOpen: mayOpen)
    }

    /// A login that rests will not show for minutes what the last ones have shown.
    private mutating func confirmed(mayOpen: Bool) -> Step? {
        guard case .suspected(let incident) = state, let cause = incident.causes.last?.cause else { return nil }
        return suspect(incident, cause, mayOpen: mayOpen)
    }

    /// Takes up an incident that an earlier run of the service left open.
    /// - Returns: a step when what was seen meanwhile already changes it.
    package mutating func adopt(_ earlier: Incident) -> Step? {
        var incident = earlier
        switch state {
        case .open(let later) where later.opened == earlier.opened: return nil
        case .open(let later), .suspected(let later):
            incident.merge(later)
            state = .open(incident)
            return .continued(incident)
        case .quiet:
            state = .open(incident)
            return recovery.flatMap { closeIfRecovered($0) }
        }
    }

    /// - Parameter isNext: the probe did not run at the same time as the one before it.
    private mutating func succeeded(_ started: Timestamp, isNext: Bool, hasLogin: Bool, mayOpen: Bool) -> Step? {
        var recovery = recovery ?? Recovery(count: 0, since: started, hasLogin: hasLogin)
        if hasLogin, !recovery.hasLogin { recovery = Recovery(count: 0, since: started, hasLogin: true) }
        if isNext || recovery.count == 0 { recovery.count += 1 }
        self.recovery = recovery
        if case .suspected(let incident) = state {
            guard recovery.ends(incident) else { return confirmed(mayOpen: mayOpen) }
            state = .quiet
        }
        failuresInRow = 0
        return closeIfRecovered(recovery)
    }

    private mutating func closeIfRecovered(_ recovery: Recovery) -> Step? {
        guard recovery.count >= 2, case .open(var incident) = state, recovery.ends(incident) else { return nil }
        // A wall clock that was put back does not make a span negative.
        incident.closed = max(recovery.since, incident.opened)
        state = .quiet
        return .closed(incident)
    }

    private mutating func failed(_ failure: Failure, _ started: Timestamp, isNext: Bool, mayOpen: Bool) -> Step? {
        recovery = nil
        if isNext || failuresInRow == 0 { failuresInRow += 1 }
        switch state {
        case .open(var incident):
            let isNew = incident.add(failure, started: started)
            state = .open(incident)
            return isNew ? .causeAdded(incident) : .continued(incident)
        case .suspected(var incident):
            _ = incident.add(failure, started: started)
            return suspect(incident, failure.cause, mayOpen: mayOpen)
        case .quiet:
            return suspect(Incident(check: check, failure: failure, started: started), failure.cause, mayOpen: mayOpen)
        }
    }

    private mutating func suspect(_ incident: Incident, _ cause: Cause, mayOpen: Bool) -> Step? {
        guard mayOpen, failuresInRow >= 2 || !cause.isTransient else {
            state = .suspected(incident)
            return nil
        }
        state = .open(incident)
        return .opened(incident)
    }
}
