// What every probe does around its run: two log lines, the last look at a failure, the fresh token after an expired one.
import Diagnosis
import Logging

extension TokenProbe {
    /// - Returns: nil when the run was cancelled.
    func observation(
        of run: ProbeRun, _ attempt: () async -> (record: ProbeRecord, end: Result<Observation.Outcome, ProbeEnd>)
    ) async -> Observation? {
        var logger = run.logger
        logger[metadataKey: "check.id"] = "\(id)"
        logger.trace("probe begins", metadata: ["server.host": "\(target.host)", "probe.depth": "\(run.depth)"])
        let (record, end) = await attempt()
        let observation: Observation
        switch end {
        case .success(let outcome): observation = record.observation(outcome)
        case .failure(.failed(let failure)):
            // The next probe gets a fresh one; this one does not try twice.
            if failure.cause == .tokenExpired { await tokens.discard(target.engine.resource) }
            observation = record.observation(.failed(Classifier.refined(failure, facts: record.facts, lastGood: tools.lastGood(id))))
        case .failure(.cancelled):
            logger.debug("probe was cancelled")
            return nil
        }
        let phases = observation.phases.compactMap { result in result.duration.map { "\(result.phase.rawValue) \(Span.short($0))" } }
        logger.debug(
            "probe is over",
            metadata: [
                "probe.phases": "\(phases.joined(separator: ", "))", "server.address": "\(observation.facts.address ?? "")",
                "failure.cause": "\(observation.failure?.cause.rawValue ?? "none")",
                "failure.evidence": "\(observation.failure?.evidence.first?.line ?? "none")",
            ])
        return observation
    }
}
