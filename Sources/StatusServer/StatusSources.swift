// What the HTTP side is given: closures and values, so that it knows nobody and tests inject what they like.
package import Diagnosis
package import Telemetry

/// Where answers come from.
package struct StatusSources: Sendable {
    /// Everything `/metrics` shows; called at most once a second.
    package var exposition: @Sendable () -> ExpositionInput
    /// Nil when no history is kept.
    package var history: (any HistoryReading)?
    package var liveness: @Sendable () -> Liveness
    package var readiness: @Sendable () -> [ReadinessCondition]
    /// What the page and `/api/v1/status` show; called at most twice a second.
    package var report: @Sendable () -> Report
    /// The configured targets, for `/probe` and `/sd/targets`.
    package var targets: @Sendable () -> [Target]
    /// Probes one check now, within the given time; nil where nothing is probed on demand.
    package var probe: (@Sendable (CheckID, Duration) async -> ProbeReply)?
    /// Explains checks now; nil where nothing is probed on demand.
    package var diagnosis: (any Diagnosing)?

    package init(
        exposition: @escaping @Sendable () -> ExpositionInput, history: (any HistoryReading)?,
        liveness: @escaping @Sendable () -> Liveness, readiness: @escaping @Sendable () -> [ReadinessCondition],
        report: @escaping @Sendable () -> Report, targets: @escaping @Sendable () -> [Target] = { [] },
        probe: (@Sendable (CheckID, Duration) async -> ProbeReply)? = nil, diagnosis: (any Diagnosing)? = nil
    ) {
        self.exposition = exposition
        self.history = history
        self.liveness = liveness
        self.readiness = readiness
        self.report = report
        self.targets = targets
        self.probe = probe
        self.diagnosis = diagnosis
    }
}

/// What came of a probe on demand.
package enum ProbeReply: Sendable {
    /// - Parameter resting: why logins of the check rest, when the probe stopped before its login for that reason.
    case observed(Observation, resting: Failure?)
    /// As many such probes as may be are under way.
    case busy
    /// No place came free in time under the cap on probes that talk to servers.
    case crowded
    /// Somebody else's probe of the check is under way, and did not end within the time.
    case late
    /// The agent is stopping, or the check is gone since the request came.
    case closed
}
