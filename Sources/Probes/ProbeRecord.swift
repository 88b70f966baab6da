// Collects what a probe sees while it runs, phase by phase.
import Diagnosis

/// The growing record of one probe. Every phase that ran has its own duration, also the one that failed.
struct ProbeRecord {
    let check: CheckID
    let started: Timestamp
    let begin: ContinuousClock.Instant
    private var durations: [Phase: Duration] = [:]
    private var outcomes: [Phase: PhaseResult.Outcome] = [:]
    private var cached: Set<Phase> = []
    private var running: (phase: Phase, since: ContinuousClock.Instant)?
    /// Phases that the configuration asks nothing of.
    private let unasked: Set<Phase>
    var facts = Facts()
    var notices: [Notice] = []

    init(check: CheckID, unasked: Set<Phase> = []) {
        self.check = check
        self.unasked = unasked
        started = .now
        begin = ContinuousClock.now
    }

    /// The phase that runs now, or ran last.
    private(set) var current = Phase.token

    /// Begins a phase; the one before it is over and was fine.
    /// - Parameter instant: when it began, for a boundary that is told afterwards.
    mutating func enter(_ phase: Phase, at instant: ContinuousClock.Instant = .now) {
        finishRunning(.ok, at: instant)
        current = phase
        running = (phase, instant)
    }

    /// Ends the running phase, so that what follows belongs to none.
    mutating func leave(at instant: ContinuousClock.Instant = .now) { finishRunning(.ok, at: instant) }

    /// Ends the running phase, which failed without ending the probe.
    mutating func leaveFailed() { finishRunning(.failed) }

    /// Goes back: what `phase` and everything after it said so far does not count; their time does.
    mutating func reopen(_ phase: Phase) {
        finishRunning(.ok)
        for later in Phase.probed.drop(while: { $0 != phase }) { outcomes[later] = nil }
    }

    mutating func skip(_ phase: Phase, _ reason: String) { outcomes[phase] = .skipped(reason) }

    /// The token came out of the cache: the phase is fine and took no time worth a number.
    mutating func markCached(_ phase: Phase) { cached.insert(phase) }

    func observation(_ outcome: Observation.Outcome) -> Observation {
        var record = self
        var ended: PhaseResult.Outcome = .ok
        if case .failed(let failure) = outcome {
            ended = .failed
            record.current = failure.phase
            // The cause may belong to another phase than the step that met it (a certificate that expired is `tls`).
            if record.running?.phase != failure.phase { record.outcomes[failure.phase] = .failed }
        }
        record.finishRunning(ended)
        let phases = Phase.probed.map { phase -> PhaseResult in
            guard let result = record.outcomes[phase] else {
                let reason =
                    if unasked.contains(phase) { PhaseResult.nothingConfigured } else if outcome == .partial(.asleep) {
                        "the database may sleep"
                    } else if case .partial = outcome {
                        "logins pause"
                    } else { "not reached" }
                return PhaseResult(phase, .skipped(reason))
            }
            let isCached = record.cached.contains(phase)
            return PhaseResult(phase, result, duration: isCached ? nil : record.durations[phase], isCached: isCached)
        }
        return Observation(
            check: check, started: started, duration: ContinuousClock.now - begin, phases: phases, outcome: outcome, facts: facts,
            notices: notices)
    }

    private mutating func finishRunning(_ outcome: PhaseResult.Outcome, at instant: ContinuousClock.Instant = .now) {
        guard let (phase, since) = running else { return }
        running = nil
        durations[phase, default: .zero] += instant - since
        outcomes[phase] = outcome
    }
}
