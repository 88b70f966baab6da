// The one interface between what asks and when it is asked.
package import Logging

/// One question asked of one target.
package protocol Probe: Sendable {
    /// Stable across restarts: the key of history rows and metric labels.
    var id: CheckID { get }
    var target: Target { get }

    /// Asks once, phase by phase, and stops at the deadline.
    ///
    /// Does not throw: a broken target is an answer. The scheduler and `agent diagnose` make the same call.
    /// - Returns: nil when the caller was cancelled; a cancelled probe gives no observation.
    func observe(_ run: ProbeRun) async -> Observation?
}

/// The circumstances of one probe.
package struct ProbeRun: Sendable {
    /// The probe is over at this moment, whatever the peer does.
    package var deadline: Deadline
    package var depth: Depth
    /// Counts probes from `tls` on; nil when nobody counts.
    package var gate: (any ProbeGate)?
    package var logger: Logger
    /// A person waits for the answer: a second connection may be made to explain a refusal.
    package var explains: Bool
    /// A person has said that a sleeping database may be woken, whatever that costs.
    package var wakes: Bool

    package init(
        deadline: Deadline, depth: Depth = .query, gate: (any ProbeGate)? = nil, logger: Logger, explains: Bool = false, wakes: Bool = false
    ) {
        self.explains = explains
        self.wakes = wakes
        self.deadline = deadline
        self.depth = depth
        self.gate = gate
        self.logger = logger
    }

    package enum Depth: Sendable, Hashable {
        /// Stops after the TLS handshake; the server sees no login.
        case tls
        case query
    }
}

/// The cap on probes that are past `tcp`. Waiting for a name or a connection costs a descriptor only and is not counted.
package protocol ProbeGate: Sendable {
    /// Waits for a place; every success is paired with one ``leave()``.
    func enter(until deadline: Deadline) async throws(WaitFailure)
    func leave()
}
