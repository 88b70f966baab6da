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
package struct Remedy: Sendable, Hashable, JSONTabled {
    package var kind: Kind
    /// A command or statement with the real names filled in; what is unknown stands in angle brackets.
    package var text: String

    package init(_ kind: Kind, _ text: String) {
        self.kind = kind
        self.text = text
    }

    package enum Kind: String, Sendable, Hashable, CaseIterable, JSONRepresentable {
        /// Changes nothing.
        case look
        case repair
        /// Opens access.
        case widens
        /// Loses grants or settings.
        case destroys
    }

    package static let table = JSONTable<Remedy>("remedy", "A thing to do.") {
        JSONKey("kind", "look changes nothing, repair mends, widens opens access, destroys loses grants or settings.") { $0.kind }
        JSONKey("text", "A command or statement; what is unknown stands in angle brackets.") { $0.text }
    }
}

/// Something a person should know.
package struct Finding: Sendable, Hashable, JSONTabled {
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

    /// Its name within one report.
    static let idShape = JSONShape.text(pattern: "^f[1-9][0-9]*$")

    package static let table = JSONTable<Finding>(
        "finding", "Something that a person should know.",
        rules: [.init(when: "root", is: true, then: [("parent", .null)], otherwise: [("parent", idShape)])]
    ) {
        JSONKey("id", "Its name within this document.", idShape) { $0.id }
        JSONKey("code", "A cause, or the code of a finding that is no failure.", FindingCode.causeOrCode) { $0.code }
        JSONKey("severity", "Its impact: error cannot work, warning works and will not for long, info is good to know.") { $0.severity }
        JSONKey("phase", "Where it was seen.") { $0.phase }
        JSONKey("certainty", "Whether the evidence leaves another explanation.") { $0.certainty }
        JSONKey("root", "Whether it explains others instead of being explained.") { $0.isRoot }
        JSONKey("parent", "The finding that explains it.", .orNull(idShape)) { $0.parent }
        JSONKey("affects", "The checks that are hit.") { $0.affects }
        JSONKey("since", "Since when; only a running agent knows.") { $0.since }
        JSONKey("detail", "What is wrong here, as a sentence.") { $0.detail }
        JSONKey("evidence", "What was seen, most telling first.") { $0.evidence }
        JSONKey("hint", "What a person should try next.") { $0.hint }
        JSONKey("remedies", "What to run, looks first.") { $0.remedies }
        JSONKey("next", "What to look at if it was not this.") { $0.next }
    }
}
