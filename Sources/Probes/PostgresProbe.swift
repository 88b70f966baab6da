// The PostgreSQL probe: who asks whom, and what is kept between two runs. The run itself is `PostgresRun`.
package import Certificates
package import Diagnosis
import Synchronization

/// Asks one PostgreSQL server whether it lets one identity in.
package final class PostgresProbe: Probe {
    /// The statement every probe asks: one round trip, nothing but the session's own facts.
    package static let question =
        "SELECT session_user, current_user, current_database(), pg_is_in_recovery(), extract(epoch FROM clock_timestamp())"

    package let target: Target
    package let id: CheckID
    /// The statement that asks for the configured rights.
    let privilegeQuestion: String
    /// The statement that holds the tutorials' view against it; nil where no rule is about tables.
    let listingQuestion: String?
    let tokens: any TokenSource
    /// Whose token it should be.
    let identity: IdentityDefinition
    let anchors: TrustAnchors
    let tools: ProbeTools
    let rights = RightsMemory<PrivilegeSurvey>()
    let listing = RightsMemory<ListedRights>()
    /// Facts of the certificate seen last, so that an unchanged one is not read anew.
    let knownCertificate = Mutex<CertificateFacts?>(nil)

    /// - Parameters:
    ///   - target: has a `user`; `Settings` sees to it for this engine.
    ///   - anchors: shared by all probes of the same server.
    package init(target: Target, identity: IdentityDefinition, tokens: any TokenSource, anchors: TrustAnchors, tools: ProbeTools) {
        self.target = target
        self.privilegeQuestion = target.privileges.isEmpty ? "" : PrivilegeStatement.text(target.privileges)
        self.listingQuestion = PrivilegeListing.statement(target.privileges)
        self.identity = identity
        self.id = CheckID(target: target.name, identity: identity.name)
        self.tokens = tokens
        self.anchors = anchors
        self.tools = tools
    }

    package func observe(_ run: ProbeRun) async -> Observation? { await observation(of: run, by: PostgresRun.self) }
}

/// What the tutorials' view said, and the verdicts of that time.
struct ListedRights: Sendable {
    var entries: [PrivilegeReport.Entry]
    /// Nil when it gave no answer.
    var listing: PrivilegeListing?
}
