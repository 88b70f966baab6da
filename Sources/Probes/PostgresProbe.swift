// The PostgreSQL probe: who asks whom, and what is kept between two runs. The run itself is `PostgresRun`.
package import Certificates
package import Diagnosis
package import MariaDB
package import Readiness
import Synchronization

/// What all probes of one process share.
package struct ProbeTools: Sendable {
    package var reactor: Reactor
    package var lookup: NameLookup
    /// The servers that `lookup` asks; empty for the system's.
    package var nameServers: [Endpoint]
    package var look: CertificateLook
    /// For libmariadb, which blocks.
    package var threads: MariaDBThreads
    /// For the TDS client, whose TLS is not OpenSSL's.
    let trust = AzureSQLTrust()
    package var cloud: Cloud
    /// What sessions call themselves: `agent/VERSION`.
    package var applicationName: String
    /// What the last successful probe of a check saw, where that is known: a failure is read in its light.
    package var lastGood: @Sendable (CheckID) -> Facts?
    /// What history knows of logins to a database that may sleep.
    package var wakeLedger: @Sendable (CheckID) -> WakeLedger?

    package init(
        reactor: Reactor, lookup: NameLookup, nameServers: [Endpoint], cloud: Cloud, applicationName: String,
        lastGood: @escaping @Sendable (CheckID) -> Facts? = { _ in nil },
        wakeLedger: @escaping @Sendable (CheckID) -> WakeLedger? = { _ in nil }
    ) {
        self.reactor = reactor
        self.lookup = lookup
        self.nameServers = nameServers
        self.look = CertificateLook(reactor: reactor)
        self.threads = MariaDBThreads()
        self.cloud = cloud
        self.applicationName = applicationName
        self.lastGood = lastGood
        self.wakeLedger = wakeLedger
    }
}

/// Asks one PostgreSQL server whether it lets one identity in.
package final class PostgresProbe: Probe {
    /// The statement every probe asks: one round trip, nothing but the session's own facts.
    package static let question =
        "SELECT session_user, current_user, current_database(), pg_is_in_recovery(), extract(epoch FROM clock_timestamp())"

    package let target: Target
    package let id: CheckID
    /// The statement that asks for the configured rights; nil when there are none.
    let privilegeQuestion: String?
    let tokens: any TokenSource
    /// Whose token it should be.
    let identity: IdentityDefinition
    let anchors: TrustAnchors
    let tools: ProbeTools
    /// What the role can do, where nothing is configured about it, and when to look again.
    let survey = Mutex<(seen: PrivilegeSurvey?, due: ContinuousClock.Instant?)>((nil, nil))
    /// Rights change rarely, and looking at them reads the whole catalog.
    static let surveyInterval = Duration.seconds(3600)
    /// Facts of the certificate seen last, so that an unchanged one is not read anew.
    let knownCertificate = Mutex<CertificateFacts?>(nil)

    /// - Parameters:
    ///   - target: has a `user`; `Settings` sees to it for this engine.
    ///   - anchors: shared by all probes of the same server.
    package init(target: Target, identity: IdentityDefinition, tokens: any TokenSource, anchors: TrustAnchors, tools: ProbeTools) {
        self.target = target
        self.privilegeQuestion = target.privileges.isEmpty ? nil : PrivilegeStatement.text(target.privileges)
        self.identity = identity
        self.id = CheckID(target: target.name, identity: identity.name)
        self.tokens = tokens
        self.anchors = anchors
        self.tools = tools
    }

    package func observe(_ run: ProbeRun) async -> Observation? {
        await observation(of: run) {
            var attempt = PostgresRun(probe: self, run: run)
            do throws(ProbeEnd) {
                try await attempt.perform()
                return (attempt.record, .success(run.depth == .tls ? .partial(.loginPaused) : .succeeded))
            } catch {
                return (attempt.record, .failure(error))
            }
        }
    }
}
