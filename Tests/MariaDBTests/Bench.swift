// What a connection of a test needs.
import Certificates
import Diagnosis
import Logging
import MariaDB
import Probes
import Readiness

let secretToken = "eyJhbGciOiJSUzI1NiJ9.canary-of-the-mysql-tests-0123456789.signature"

/// Tokens that say what a test wants.
struct CannedTokens: TokenSource {
    var secret = secretToken
    var claims = TokenClaims(audience: "https://ossrdbms-aad.database.windows.net", expires: .now + .seconds(3600))

    func token(for resource: TokenResource, until deadline: Deadline) async throws(ProbeEnd) -> TokenLease {
        TokenLease(
            token: AccessToken(
                secret: Secret(secret), claims: claims, expires: .now + .seconds(3600), acquired: .now, length: secret.utf8.count,
                fingerprint: 1), isCached: true)
    }

    func discard(_ resource: TokenResource) async {}
}

/// A reactor and the tools of a probe, for one test.
struct Bench: Sendable {
    let reactor: Reactor
    let tools: ProbeTools

    init() throws {
        reactor = try Reactor()
        tools = ProbeTools(
            reactor: reactor, lookup: try NameLookup(reactor: reactor, servers: []), nameServers: [], cloud: .public,
            applicationName: "agent/test")
    }

    func close() { reactor.close() }

    func probe(
        host: String = "127.0.0.1", port: Int, user: String = "aad_shop", database: String = "shop", caFile: String?,
        tokens: CannedTokens = CannedTokens(), privileges: PrivilegeRules = PrivilegeRules()
    ) -> MySQLProbe {
        MySQLProbe(
            target: Target(
                name: "shop", engine: .mysql, host: host, port: port, database: database, user: user, identities: ["app"],
                privileges: privileges),
            identity: IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned)), tokens: tokens,
            anchors: TrustAnchors(caFile: caFile), tools: tools)
    }

    func run(_ timeout: Duration = .seconds(15), depth: ProbeRun.Depth = .query) -> ProbeRun {
        ProbeRun(deadline: .in(timeout), depth: depth, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
}
