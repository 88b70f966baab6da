// A lab and everything a probe needs, for one test.
import Certificates
import Diagnosis
import Glibc
import Lab
import Logging
import Probes
import Readiness

/// A running lab with the tools of a probe.
struct ProbeBench: Sendable {
    let lab: Lab
    let reactor: Reactor
    let tools: ProbeTools
    let tokens: LabTokens

    func probe(
        _ name: String = "orders", trustsLab: Bool = true, privileges: PrivilegeRules = PrivilegeRules()
    ) -> PostgresProbe {
        let target = lab.target(name).map { target in
            let endpoint = lab.endpoint(of: target)
            return Target(
                name: target.name, engine: .postgresql, host: target.host, port: endpoint.port, database: target.database,
                user: target.role, identities: target.identities,
                privileges: privileges)
        }
        let identity = IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned))
        guard let target else { preconditionFailure("the lab has no target \(name)") }
        return PostgresProbe(
            target: target, identity: identity, tokens: tokens, anchors: TrustAnchors(caFile: trustsLab ? lab.caFile : nil), tools: tools)
    }

    /// The probe of a target of any engine.
    func engineProbe(_ name: String) -> any Probe {
        guard let target = lab.target(name) else { preconditionFailure("the lab has no target \(name)") }
        let endpoint = lab.endpoint(of: target)
        let configured = Target(
            name: target.name, engine: target.engine, host: target.host, port: endpoint.port, database: target.database,
            user: target.engine == .azuresql ? nil : target.role, identities: target.identities)
        let identity = IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned))
        let anchors = TrustAnchors(caFile: lab.caFile)
        return switch target.engine {
        case .postgresql: PostgresProbe(target: configured, identity: identity, tokens: tokens, anchors: anchors, tools: tools)
        case .mysql: MySQLProbe(target: configured, identity: identity, tokens: tokens, anchors: anchors, tools: tools)
        case .azuresql: AzureSQLProbe(target: configured, identity: identity, tokens: tokens, anchors: anchors, tools: tools)
        }
    }

    func run(_ timeout: Duration = .seconds(15), depth: ProbeRun.Depth = .query) -> ProbeRun {
        ProbeRun(deadline: .in(timeout), depth: depth, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
}

/// Tokens straight from the lab's issuer, so that a test of the probe does not depend on the identity client.
struct LabTokens: TokenSource {
    let lab: Lab

    func token(for resource: TokenResource, until deadline: Deadline) async throws(ProbeEnd) -> TokenLease {
        do {
            let audience = resource == .azuresql ? AzureSQLService.audience : Lab.audience
            let secret = try await lab.token(audience: audience)
            let claims = TokenClaims(
                audience: audience, objectID: lab.principal("app")?.objectID, principal: .systemAssigned, expires: .now + .seconds(3600)
            )
            let length = secret.reveal { $0.utf8.count }
            let token = AccessToken(
                secret: secret, claims: claims, expires: .now + .seconds(3600), acquired: .now, length: length, fingerprint: 1)
            return TokenLease(token: token, isCached: false)
        } catch {
            throw .failed(Failure(.probeInternal, during: .token, detail: "\(error)"))
        }
    }

    func discard(_ resource: TokenResource) async {}
}

/// Starts a lab for `body` and takes it away again.
func withProbeBench(_ options: LabOptions = LabOptions(), _ body: (ProbeBench) async throws -> Void) async throws {
    let lab = try await Lab.start(options)
    let reactor = try Reactor()
    let servers = [Endpoint(host: lab.nameServer.host, port: lab.nameServer.port)]
    let tools = ProbeTools(
        reactor: reactor, lookup: try NameLookup(reactor: reactor, servers: servers), nameServers: servers, cloud: .public,
        applicationName: "agent/test")
    do {
        try await body(ProbeBench(lab: lab, reactor: reactor, tools: tools, tokens: LabTokens(lab: lab)))
    } catch {
        reactor.close()
        await lab.stop()
        throw error
    }
    reactor.close()
    await lab.stop()
}

/// Sockets of this process.
func openSockets() -> Int {
    var count = 0
    for descriptor in Int32(3)..<1024 {
        var status = stat()
        if unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK { count += 1 }
    }
    return count
}
