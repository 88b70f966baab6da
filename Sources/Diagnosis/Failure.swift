// One value from the lowest client up to history, metrics and exit status.

/// Why an attempt did not do what it was asked. Safe to print: evidence is redacted when it is added.
package struct Failure: Error, Sendable, Hashable, Codable {
    /// Closed list of stable codes (`login_refused`); the key for hints, metrics and exit status.
    package var cause: Cause
    /// How far the attempt got.
    package var phase: Phase
    package var certainty: Certainty
    /// One sentence with the particulars of this failure; the cause's own words when nil.
    package var detail: String? { didSet { detail = detail.map(Redactor.scrub) } }
    /// What was seen, most telling first.
    package var evidence: [Evidence]
    /// Values that fill the placeholders of remedies (`client_ip`, `required_tenant`), scrubbed.
    package var values: [String: String] { didSet { values = values.mapValues(Redactor.scrub) } }

    package init(
        _ cause: Cause, during phase: Phase, certainty: Certainty = .certain, detail: String? = nil, evidence: [Evidence] = [],
        values: [String: String] = [:]
    ) {
        self.cause = cause
        self.phase = phase
        self.certainty = certainty
        self.detail = detail.map(Redactor.scrub)
        self.evidence = evidence
        self.values = values.mapValues(Redactor.scrub)
    }

    package enum Certainty: String, Sendable, Hashable, Codable, CaseIterable, JSONRepresentable { case certain, likely }
}

/// How a wait for something outside can end without an answer.
package enum WaitFailure: Error, Sendable, Hashable {
    case deadline
    /// The caller was cancelled; never reported as a slow peer.
    case cancelled
    /// A system call refused, with its `errno`. Descriptors or memory are short, or the descriptor is not ours.
    case system(Int32)
}
