// The line of JSON that is written once per change of state: the contract for alerts on a log stream.

/// One change of state of anything.
package struct StateLine: Sendable, Hashable, JSONTabled {
    package var time: Timestamp
    package var kind: Kind
    package var id: String
    package var from: CheckState
    package var to: CheckState
    /// A code of the lists that JSON may hold.
    package var cause: String?
    package var phase: Phase?
    /// Since when it is so, as every other surface says.
    package var since: Timestamp

    package enum Kind: String, Sendable, Hashable, CaseIterable, JSONRepresentable { case check, identity, store, configuration }

    /// - Parameter since: nil for `time`.
    package init(
        time: Timestamp, kind: Kind, id: String, from: CheckState, to: CheckState, cause: String? = nil, phase: Phase? = nil,
        since: Timestamp? = nil
    ) {
        self.time = time
        self.kind = kind
        self.id = id
        self.from = from
        self.to = to
        self.cause = cause
        self.phase = phase
        self.since = since ?? time
    }

    package static let table = JSONTable<StateLine>(
        "state-line", "One change of state, as a line of agent run.",
        rules: [.init(when: "to", is: "down", then: [("cause", FindingCode.causeOrCode)], otherwise: [("cause", .null)])]
    ) {
        JSONKey("schema", "The number of the contract.") { _ in SchemaNumber() }
        JSONKey("time", "When the probe, the request or the attempt began that changed it.") { $0.time }
        JSONKey("kind", "What changed.") { $0.kind }
        JSONKey("id", "TARGET/IDENTITY, the name of the identity, the file of the history or the configuration.") { $0.id }
        JSONKey("from", "Before.") { $0.from }
        JSONKey("to", "From now on.") { $0.to }
        JSONKey("cause", "Why it is down.", .orNull(FindingCode.causeOrCode)) { $0.cause }
        JSONKey("phase", "Where.") { $0.phase }
        JSONKey("since", "Since when it is so, as every other surface says.") { $0.since }
    }
}

extension StateLine {
    /// The line of a check.
    package init(_ change: StateChange) {
        self.init(
            time: change.time, kind: .check, id: change.check.description, from: change.from, to: change.to,
            cause: change.cause?.rawValue, phase: change.phase, since: change.since)
    }
}

extension StateChange {
    /// The line of a check.
    package var stateLine: JSON { StateLine(self).json }
}
