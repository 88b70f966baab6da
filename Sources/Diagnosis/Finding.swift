// What a person should know, with its code and what to do.

/// Codes of findings that are not causes.
package enum FindingCode: String, Sendable, Hashable, Codable, CaseIterable, JSONRepresentable {
    case certificateExpiresSoon = "certificate_expires_soon"
    case clockSkew = "clock_skew"
    case addressDead = "address_dead"
    case tokenUnchanged = "token_unchanged"
    case storeNotPersistent = "store_not_persistent"
    case identityAmbiguous = "identity_ambiguous"
    case probingAsAdmin = "probing_as_admin"
    case overPrivileged = "over_privileged"
    case rowSecurity = "row_security"
    case databaseKeptAwake = "database_kept_awake"
    case loginsRest = "logins_rest"
}

/// A thing to do, with what it does to the world.
package struct Remedy: Sendable, Hashable, JSONRepresentable {
    package var kind: Kind
    /// A command or statement with the real names filled in; what is unknown stands in angle brackets.
    package var text: String

    package init(_ kind: Kind, _ text: String) {
        self.kind = kind
        self.text = text
    }

    package enum Kind: String, Sendable, Hashable, JSONRepresentable {
        /// Changes nothing.
        case look
        case repair
        /// Opens access.
        case widens
        /// Loses grants or settings.
        case destroys
    }

    package var json: JSON { ["kind": kind, "text": text] }
}

/// Something a person should know.
package struct Finding: Sendable, Hashable, JSONRepresentable {
    /// Its name within one report: `f1`.
    package var id: String
    /// A cause or a ``FindingCode``.
    package var code: String
    package var severity: Severity
    package var phase: Phase
    package var certainty: Failure.Certainty
    /// Whether it explains others rather than being explained.
    package var isRoot: Bool
    package var parent: String?
    package var affects: [CheckID]
    package var since: Timestamp?
    package var detail: String
    package var evidence: [Evidence]
    package var hint: String
    package var remedies: [Remedy]
    /// What to look at if this was not it.
    package var next: [String]

    package init(
        id: String, code: String, severity: Severity, phase: Phase, certainty: Failure.Certainty, isRoot: Bool = true,
        parent: String? = nil, affects: [CheckID], since: Timestamp? = nil, detail: String, evidence: [Evidence], hint: String,
        remedies: [Remedy], next: [String]
    ) {
        self.id = id
        self.code = code
        self.severity = severity
        self.phase = phase
        self.certainty = certainty
        self.isRoot = isRoot
        self.parent = parent
        self.affects = affects
        self.since = since
        self.detail = detail
        self.evidence = evidence
        self.hint = hint
        self.remedies = remedies
        self.next = next
    }

    package var json: JSON {
        [
            "id": id, "code": code, "severity": severity, "phase": phase, "certainty": certainty, "root": isRoot,
            "parent": parent, "affects": affects, "since": since, "detail": detail, "evidence": evidence, "hint": hint,
            "remedies": remedies, "next": next,
        ]
    }
}
