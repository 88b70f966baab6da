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

    package init(
        exposition: @escaping @Sendable () -> ExpositionInput, history: (any HistoryReading)?,
        liveness: @escaping @Sendable () -> Liveness, readiness: @escaping @Sendable () -> [ReadinessCondition],
        report: @escaping @Sendable () -> Report
    ) {
        self.exposition = exposition
        self.history = history
        self.liveness = liveness
        self.readiness = readiness
        self.report = report
    }
}
