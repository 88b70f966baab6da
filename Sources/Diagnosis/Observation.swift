// What one probe saw.

/// The result of one probe of one check.
package struct Observation: Sendable, Hashable {
    package var check: CheckID
    /// Wall-clock time of the first step.
    package var started: Timestamp
    /// Monotonic duration of the whole probe.
    package var duration: Duration
    /// One entry for every phase in ``Phase/probed``, in order.
    package var phases: [PhaseResult]
    package var outcome: Outcome
    package var facts: Facts
    /// What a person should know although it does not decide the outcome.
    package var notices: [Notice]

    package init(
        check: CheckID, started: Timestamp, duration: Duration, phases: [PhaseResult], outcome: Outcome, facts: Facts = Facts(),
        notices: [Notice] = []
    ) {
        self.check = check
        self.started = started
        self.duration = duration
        self.phases = phases
        self.outcome = outcome
        self.facts = facts
        self.notices = notices
    }

    package enum Outcome: Sendable, Hashable {
        case succeeded
        case failed(Failure)
        /// The probe stopped on purpose before the login; not counted in probes or failures.
        case partial(PartialReason)
    }

    /// Why a probe stopped on purpose.
    package enum PartialReason: String, Sendable, Hashable, Codable, JSONRepresentable {
        /// Logins of this check pause after a failure that repeating cannot mend.
        case loginPaused = "login_paused"
        /// A serverless database sleeps, or may sleep: nobody logs in, so that it is not woken and billed.
        case asleep
    }

    package var failure: Failure? {
        if case .failed(let failure) = outcome { failure } else { nil }
    }
    package var isPartial: Bool {
        if case .partial = outcome { true } else { false }
    }
    package var ended: Timestamp { started + duration }
    package var span: Span { Span(started: started, ended: ended) }

    /// From when to when a probe ran: probes of the schedule and those on demand may run at once and end in any order.
    package struct Span: Sendable, Hashable {
        package var started: Timestamp
        package var ended: Timestamp

        /// Whether it was under way already when the other one started, so that the other one's word is the newer one.
        ///
        /// A start before the other's alone does not say so: a wall clock that was put back gives one to every probe after it.
        package func isOlder(than other: Span) -> Bool { started < other.started && ended >= other.started }

        /// Whether both ran at one time: two failures of the same moment are no two failures in a row.
        package func overlaps(_ other: Span) -> Bool { started < other.ended && ended > other.started }
    }
}

/// One timed step of a probe.
package struct PhaseResult: Sendable, Hashable, JSONTabled {
    package var phase: Phase
    package var outcome: Outcome
    /// Monotonic duration; nil for a phase that did not run and for a cached token.
    package var duration: Duration?
    package var isCached: Bool

    package init(_ phase: Phase, _ outcome: Outcome, duration: Duration? = nil, isCached: Bool = false) {
        self.phase = phase
        self.outcome = outcome
        self.duration = duration
        self.isCached = isCached
    }

    /// Why a phase is skipped that the configuration asks nothing of.
    package static let nothingConfigured = "nothing configured"

    package enum Outcome: Sendable, Hashable {
        case ok, failed
        case skipped(String)

        package var name: String {
            switch self {
            case .ok: "ok"
            case .failed: "failed"
            case .skipped: "skipped"
            }
        }
        package var reason: String? {
            if case .skipped(let reason) = self { reason } else { nil }
        }
    }

    /// A phase that did not run has a reason and no duration.
    static let rules: [JSONObjectShape.Rule] = [
        .init(
            when: "outcome", is: "skipped", then: [("reason", String.shape), ("duration_seconds", .null)],
            otherwise: [("reason", .null)])
    ]
    static let outcomes = JSONShape.words(["ok", "failed", "skipped"])

    package static let table = JSONTable<PhaseResult>("step", "One timed step of a probe.", rules: rules) {
        JSONKey("name", "The phase.") { $0.phase }
        JSONKey("outcome", "Whether it worked, failed or did not run.", outcomes) { $0.outcome.name }
        JSONKey("duration_seconds", "How long it took; null for a cached token too.") { $0.duration }
        JSONKey("cached", "Whether the token came out of the cache.") { $0.isCached }
        JSONKey("reason", "Why it did not run.") { $0.outcome.reason }
    }
}

/// Something noticed that does not decide the outcome: a finding without its place in a report.
package struct Notice: Sendable, Hashable {
    package var code: FindingCode
    package var phase: Phase
    package var detail: String
    package var evidence: [Evidence]
    /// Where the particulars make it worse than its code usually is.
    package var severity: Severity?
    /// Where the usual hint of its code would mislead.
    package var hint: String?

    package init(
        _ code: FindingCode, during phase: Phase, detail: String, evidence: [Evidence] = [], severity: Severity? = nil,
        hint: String? = nil
    ) {
        self.code = code
        self.phase = phase
        self.detail = Redactor.scrub(detail)
        self.evidence = evidence
        self.severity = severity
        self.hint = hint
    }
}

/// What a probe learnt about the way and the server. Absent knowledge is nil.
package struct Facts: Sendable, Hashable, JSONTabled {
    /// Every address the name resolved to, in the resolver's order.
    package var addresses: [String] = []
    /// The address that the last connection went to.
    package var address: String?
    /// The chain of aliases behind the name, first alias first.
    package var aliases: [String] = []
    /// **Unit**: seconds.
    package var timeToLive: Int?
    package var certificate: CertificateFacts?
    package var tlsVersion: String?
    package var tlsCipher: String?
    package var serverVersion: String?
    package var sessionUser: String?
    package var currentUser: String?
    package var database: String?
    /// The tier of an Azure SQL database: `GP_S_Gen5_1`.
    package var serviceObjective: String?
    /// Where a gateway sent the client, `host:port`.
    package var redirectedTo: String?
    /// The steps on the server that a gateway sent the client to; their time is part of `login`.
    package var redirectPhases: [PhaseResult] = []
    /// The logins of the last day, while the database may sleep: so that the budget outlives a restart.
    package var wake: WakeLedger?
    /// The id under which the service's own logs know the last connection.
    package var traceID: String?
    /// Whether the server is a replica or still recovering.
    package var isInRecovery: Bool?
    /// The server's clock minus ours, half the round trip taken off. **Unit**: seconds.
    package var clockSkew: Double?
    package var tokenExpires: Timestamp?
    package var principal: TokenClaims.PrincipalKind?
    package var objectID: String?
    package var appID: String?
    package var tenant: String?
    /// Nil when nothing about rights is configured or the probe did not get that far.
    package var privileges: PrivilegeReport?
    /// What the role can do; looked at now and then where nothing about rights is configured.
    package var rights: PrivilegeSurvey?

    package init() {}

    package static let table = JSONTable<Facts>("facts", "What the last probe learnt about the way and the server.") {
        JSONKey("addresses", "Every address of the name, in the resolver's order.") { $0.addresses }
        JSONKey("address", "The address that the last connection went to.") { $0.address }
        JSONKey("aliases", "The chain of aliases behind the name.") { $0.aliases.map(Redactor.scrub) }
        JSONKey("ttl_seconds", "How long the answer of the resolver may be kept.") { $0.timeToLive }
        JSONKey("certificate", "Of the server, also when it was refused.") { $0.certificate }
        JSONKey("tls_version", "As OpenSSL names it.") { $0.tlsVersion }
        JSONKey("tls_cipher", "Likewise.") { $0.tlsCipher }
        JSONKey("server_version", "In the server's words.") { $0.serverVersion.map(Redactor.scrub) }
        JSONKey("session_user", "Who logged in.") { $0.sessionUser.map(Redactor.scrub) }
        JSONKey("current_user", "Whose rights count.") { $0.currentUser.map(Redactor.scrub) }
        JSONKey("database", "Which one the session is in.") { $0.database.map(Redactor.scrub) }
        JSONKey("in_recovery", "Whether the server is a replica or recovers.") { $0.isInRecovery }
        JSONKey("service_objective", "The tier of an Azure SQL database.") { $0.serviceObjective.map(Redactor.scrub) }
        JSONKey("redirected_to", "Where a gateway sent the client, host:port.") { $0.redirectedTo.map(Redactor.scrub) }
        JSONKey("redirect_phases", "The steps there; their time is part of login.") { $0.redirectPhases }
        JSONKey("trace_id", "Under which the service's own logs know the connection.") { $0.traceID.map(Redactor.scrub) }
        JSONKey("clock_skew_seconds", "The server's clock minus the one here.") { $0.clockSkew }
        JSONKey("token_expires", "When the token of the last probe ends.") { $0.tokenExpires }
        JSONKey("principal", "The kind of principal that the token is of.") { $0.principal }
        JSONKey("object_id", "Of the principal, by the token.") { $0.objectID }
        JSONKey("app_id", "Of the principal, by the token.") { $0.appID }
        JSONKey("tenant_id", "By the token.") { $0.tenant }
        JSONKey("privileges", "The verdict on rights that are configured.") { $0.privileges }
        JSONKey("rights", "What the role can do, where nothing about rights is configured.") { $0.rights }
    }
}

/// What the certificate of a server says, also when it was refused.
package struct CertificateFacts: Sendable, Hashable, JSONTabled {
    package var subject: String
    package var issuer: String
    /// The names it is for (subject alternative names, else the common name), at most 32.
    package var names: [String]
    package var notBefore: Timestamp
    package var notAfter: Timestamp
    /// Earliest end of any certificate in the chain that was presented.
    package var chainNotAfter: Timestamp
    /// SHA-256 of the leaf, hexadecimal.
    package var sha256: String

    package init(
        subject: String, issuer: String, names: [String], notBefore: Timestamp, notAfter: Timestamp, chainNotAfter: Timestamp,
        sha256: String
    ) {
        self.subject = Redactor.scrub(subject)
        self.issuer = Redactor.scrub(issuer)
        self.names = names.prefix(32).map(Redactor.scrub)
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.chainNotAfter = chainNotAfter
        self.sha256 = sha256
    }

    package static let table = JSONTable<CertificateFacts>("certificate", "What the certificate of a server says.") {
        JSONKey("subject", "Of the leaf.") { $0.subject }
        JSONKey("issuer", "Of the leaf.") { $0.issuer }
        JSONKey("names", "What it is for, at most 32.") { $0.names }
        JSONKey("not_before", "Of the leaf.") { $0.notBefore }
        JSONKey("not_after", "Of the leaf.") { $0.notAfter }
        JSONKey("chain_not_after", "The earliest end in the chain that was presented.") { $0.chainNotAfter }
        JSONKey("sha256", "Of the leaf, hexadecimal.") { $0.sha256 }
    }
}
