// The line of JSON that is written once per change of state: the contract for alerts on a log stream.

/// One change of state of anything.
package struct StateLine: Sendable, Hashable, JSONRepresentable {
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

    package enum Kind: String, Sendable, Hashable, JSONRepresentable { case check, identity, store, configuration }

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

    package var json: JSON {
        [
            "schema": Report.schema, "time": time, "kind": kind, "id": id, "from": from, "to": to, "cause": cause, "phase": phase,
            "since": since,
        ]
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
