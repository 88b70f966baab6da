// Reading what happened, whoever keeps it.

/// Reads recorded observations. One suite of tests runs over every implementation.
package protocol HistoryReading: Sendable {
    /// **Shape**: newest first. **Throws**: `config_invalid` (no such file, newer schema), `probe_internal` (the file cannot be read).
    func observations(_ query: HistoryQuery) async throws(Failure) -> [HistoryItem]
    /// **Shape**: newest first by their opening. **Throws**: as ``observations(_:)``.
    func incidents(_ query: IncidentQuery) async throws(Failure) -> [Incident]
    /// Sums by hour or day. **Shape**: newest first. **Throws**: as ``observations(_:)``.
    func rollups(_ query: RollupQuery) async throws(Failure) -> [Rollup]
    /// What differed when the check began to fail last. **Throws**: as ``observations(_:)``.
    func changes(of check: CheckID) async throws(Failure) -> FactsComparison
    /// When facts of the check changed. **Shape**: newest first. **Throws**: as ``observations(_:)``.
    func factChanges(of check: CheckID, limit: Int) async throws(Failure) -> [FactChange]
}

extension HistoryReading {
    /// A history that keeps no incidents has none.
    package func incidents(_ query: IncidentQuery) async throws(Failure) -> [Incident] { [] }
    /// A history that keeps no sums has none.
    package func rollups(_ query: RollupQuery) async throws(Failure) -> [Rollup] { [] }
    /// A history that keeps no facts knows of no failure to compare.
    package func changes(of check: CheckID) async throws(Failure) -> FactsComparison { FactsComparison(check: check) }
    /// ... and of none that changed.
    package func factChanges(of check: CheckID, limit: Int) async throws(Failure) -> [FactChange] { [] }
}

/// Keeps what happened. Never blocks: what does not fit is dropped, oldest first, and counted.
package protocol HistoryRecording: Sendable {
    func record(_ observation: Observation)
    /// - Parameter watch: what the request says of its identity.
    func record(_ request: TokenRequestResult, watch: Observation?)
}

/// Which observations are wanted.
package struct HistoryQuery: Sendable, Hashable {
    /// Nil for all checks; a target name stands for all its checks.
    package var check: CheckID?
    package var target: String?
    package var since: Timestamp?
    /// Only observations that ended before this time: the cursor of the next page.
    package var before: Timestamp?
    package var limit: Int
    package var onlyFailures: Bool

    package init(
        check: CheckID? = nil, target: String? = nil, since: Timestamp? = nil, before: Timestamp? = nil, limit: Int = 50,
        onlyFailures: Bool = false
    ) {
        self.check = check
        self.target = target
        self.since = since
        self.before = before
        self.limit = limit
        self.onlyFailures = onlyFailures
    }
}

/// One recorded observation.
package struct HistoryItem: Sendable, Hashable, JSONTabled {
    package var check: CheckID
    /// When the probe started.
    package var time: Timestamp
    package var state: CheckState
    package var cause: Cause?
    package var phase: Phase?
    package var duration: Duration
    package var phases: [PhaseResult]
    package var evidence: [Evidence]
    /// Whether the probe stopped on purpose before the login.
    package var isPartial: Bool

    package init(
        check: CheckID, time: Timestamp, state: CheckState, cause: Cause?, phase: Phase?, duration: Duration,
        phases: [PhaseResult], evidence: [Evidence], isPartial: Bool
    ) {
        self.check = check
        self.time = time
        self.state = state
        self.cause = cause
        self.phase = phase
        self.duration = duration
        self.phases = phases
        self.evidence = evidence
        self.isPartial = isPartial
    }

    package static let table = JSONTable<HistoryItem>("observation", "One recorded probe.") {
        JSONKey("check", "TARGET/IDENTITY, or /IDENTITY for a request for a token.") { $0.check }
        JSONKey("time", "When it started.") { $0.time }
        JSONKey("state", "What it said of the check; unknown when it stopped before a login that rests.") { $0.state }
        JSONKey("cause", "Why it failed.") { $0.cause }
        JSONKey("phase", "Where it failed.") { $0.phase }
        JSONKey("duration_seconds", "How long it took.") { $0.duration }
        JSONKey("phases", "Its steps in order.") { $0.phases }
        JSONKey("evidence", "What was seen, most telling first.") { $0.evidence }
        JSONKey("partial", "Whether it stopped before the login on purpose.") { $0.isPartial }
    }
}
