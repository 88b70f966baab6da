// What every probe does around its run: two log lines, the last look at a failure, the fresh token after an expired one.
import Diagnosis
import Logging

extension TokenProbe {
    /// - Returns: nil when the run was cancelled.
    func observation<Run: TokenRun>(of run: ProbeRun, by kind: Run.Type) async -> Observation? where Run.Kind == Self {
        var logger = run.logger
        logger[metadataKey: "check.id"] = "\(id)"
        logger.trace("probe begins", metadata: ["server.host": "\(target.host)", "probe.depth": "\(run.depth)"])
        var attempt = kind.init(probe: self, run: run)
        let observation: Observation
        do throws(ProbeEnd) {
            let outcome = try await attempt.perform()
            observation = attempt.record.observation(outcome)
        } catch {
            guard case .failed(let failure) = error else {
                logger.debug("probe was cancelled")
                return nil
            }
            // The next probe gets a fresh one; this one does not try twice.
            if failure.cause == .tokenExpired { await tokens.discard(target.engine.resource) }
            let refined = Classifier.refined(failure, facts: attempt.record.facts, lastGood: tools.lastGood(id))
            observation = attempt.record.observation(.failed(refined))
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
