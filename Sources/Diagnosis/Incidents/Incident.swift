// A span of time in which a check was failing, with its causes: the value, its JSON form and the question for it.

/// A span of time in which a check was failing.
package struct Incident: Sendable, Hashable, JSONTabled {
    package var check: CheckID
    /// When the first failing probe started: the key of the incident together with `check`.
    package var opened: Timestamp
    /// When the first of the two successful probes that ended it started, or when its check left the configuration; nil while it lasts.
    package var closed: Timestamp?
    /// When the newest failing probe started.
    package var lastFailure: Timestamp
    /// Failing probes.
    package var failures: Int
    /// **Shape**: each cause once, in the order in which they were met first; never empty.
    package var causes: [CauseSpan]

    /// A cause and when it was met first.
    package struct CauseSpan: Sendable, Hashable, Codable, JSONTabled {
        package var cause: Cause
        package var phase: Phase
        package var time: Timestamp
        /// Failing probes with this cause.
        package var failures: Int

        package init(cause: Cause, phase: Phase, time: Timestamp, failures: Int = 1) {
            self.cause = cause
            self.phase = phase
            self.time = time
            self.failures = failures
        }

        package static let table = JSONTable<CauseSpan>("cause_span", "A cause and when it was met first.") {
            JSONKey("cause", "The cause.") { $0.cause }
            JSONKey("phase", "Where it was seen.") { $0.phase }
            JSONKey("time", "When a probe with it started first.") { $0.time }
            JSONKey("failures", "Failing probes with it.") { $0.failures }
        }
    }

    package init(
        check: CheckID, opened: Timestamp, closed: Timestamp? = nil, lastFailure: Timestamp, failures: Int, causes: [CauseSpan]
    ) {
        self.check = check
        self.opened = opened
        self.closed = closed
        self.lastFailure = lastFailure
        self.failures = failures
        self.causes = causes
    }

    /// Begins with the first failing probe.
    init(check: CheckID, failure: Failure, started: Timestamp) {
        self.init(
            check: check, opened: started, lastFailure: started, failures: 1,
            causes: [CauseSpan(cause: failure.cause, phase: failure.phase, time: started)])
    }

    package var isOpen: Bool { closed == nil }

    /// The earliest step that broke: the fewest steps worked then.
    package var worstPhase: Phase? {
        causes.map(\.phase).min { (Phase.allCases.firstIndex(of: $0) ?? 0) < (Phase.allCases.firstIndex(of: $1) ?? 0) }
    }

    /// Takes one more failing probe in.
    /// - Returns: whether its cause is a new one.
    mutating func add(_ failure: Failure, started: Timestamp) -> Bool {
        failures += 1
        lastFailure = max(lastFailure, started)
        if let index = causes.firstIndex(where: { $0.cause == failure.cause }) {
            causes[index].failures += 1
            return false
        }
        causes.append(CauseSpan(cause: failure.cause, phase: failure.phase, time: started))
        return true
    }

    /// Takes in what another account of the same trouble tells, which began later.
    mutating func merge(_ later: Incident) {
        failures += later.failures
        lastFailure = max(lastFailure, later.lastFailure)
        for span in later.causes {
            if let index = causes.firstIndex(where: { $0.cause == span.cause }) {
                causes[index].failures += span.failures
            } else {
                causes.append(span)
            }
        }
    }

    package static let table = JSONTable<Incident>(
        "incident", "A span of time in which a check or an identity was failing.",
        rules: [.init(when: "closed", is: nil, then: [("duration_seconds", .null)], otherwise: [("duration_seconds", .seconds)])]
    ) {
        JSONKey("check", "TARGET/IDENTITY, or /IDENTITY for an identity by itself.") { $0.check }
        JSONKey("opened", "When the first failing probe started.") { $0.opened }
        JSONKey("closed", "When the first of the two good probes started that ended it; null while it lasts.") { $0.closed }
        JSONKey("duration_seconds", "From opened to closed.") { incident in incident.closed.map { $0 - incident.opened } }
        JSONKey("last_failure", "When the newest failing probe started.") { $0.lastFailure }
        JSONKey("failures", "Failing probes.") { $0.failures }
        JSONKey("phase", "The earliest step that broke.") { $0.worstPhase }
        JSONKey("causes", "Each once, in the order in which they were met.") { $0.causes }
    }
}

/// Which incidents are wanted.
package struct IncidentQuery: Sendable, Hashable {
    /// Nil for all checks; a target name stands for all its checks.
    package var check: CheckID?
    package var target: String?
    /// Only incidents that lasted longer than until this time.
    package var since: Timestamp?
    /// Only incidents that opened before this time: the cursor of the next page.
    package var before: Timestamp?
    package var limit: Int
    package var onlyOpen: Bool

    package init(
        check: CheckID? = nil, target: String? = nil, since: Timestamp? = nil, before: Timestamp? = nil, limit: Int = 50,
        onlyOpen: Bool = false
    ) {
        self.check = check
        self.target = target
        self.since = since
        self.before = before
        self.limit = limit
        self.onlyOpen = onlyOpen
    }
}
