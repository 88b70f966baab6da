// The phases of a probe on one line.

/// Makes the parts of `token cached · dns 3 ms · tcp 2 · tls 9 · login 61 × 28P01 … · query not reached`.
enum PhaseLine {
    static func parts(_ observation: Observation) -> [String] {
        var parts: [String] = []
        var isUnitShown = false
        var pending: (names: [String], reason: String) = ([], "")
        func flush() {
            if !pending.names.isEmpty { parts.append(pending.names.joined(separator: ", ") + " " + pending.reason) }
            pending = ([], "")
        }
        func length(_ duration: Duration) -> String {
            defer { isUnitShown = true }
            return Span.milliseconds(duration) + (isUnitShown ? "" : " ms")
        }
        for result in observation.phases where result.outcome.reason != PhaseResult.nothingConfigured {
            if case .skipped(let reason) = result.outcome {
                let reason = reason == "not reached" ? reason : "skipped (\(reason))"
                if pending.reason != reason { flush() }
                pending = (pending.names + [result.phase.rawValue], reason)
                continue
            }
            flush()
            var part = result.phase.rawValue
            if result.isCached { part += " cached" }
            if let duration = result.duration { part += " " + length(duration) }
            if result.outcome == .failed { part += " ×" + short(observation) }
            parts.append(part)
        }
        flush()
        return parts
    }

    /// `token 38 ms · dns 3 · tls 9`: of the phases that the probe ran, and of the one that it failed in.
    static func parts(_ medians: PhaseMedians, of observation: Observation) -> [String] {
        var isUnitShown = false
        return observation.phases.compactMap { result in
            // A phase that the probe did not reach has nothing to be compared; neither has a token out of the cache.
            guard result.outcome.reason == nil, !result.isCached, let usual = medians.durations[result.phase] else { return nil }
            defer { isUnitShown = true }
            return "\(result.phase.rawValue) \(Span.milliseconds(usual))\(isUnitShown ? "" : " ms")"
        }
    }

    /// The code of the first evidence, and where a connection attempt went.
    private static func short(_ observation: Observation) -> String {
        guard let failure = observation.failure else { return "" }
        if failure.phase == .tcp, let address = observation.facts.address { return " \(address)" }
        return failure.evidence.first?.code.map { " \($0)" } ?? ""
    }
}
