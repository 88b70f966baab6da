// A server of Azure SQL in the lab's way, and a probe that leads to it, for the length of a test.
import Certificates
import Diagnosis
import Glibc
@testable import Lab
import Logging
import Probes
import Readiness
import Synchronization
import TDS
import Testing

private struct CannedTokens: TokenSource {
    func token(for resource: TokenResource, until deadline: Deadline) async throws(ProbeEnd) -> TokenLease {
        #expect(resource == .azuresql)
        let claims = TokenClaims(audience: "https://database.windows.net/", tenant: Principal.tenant, expires: .now + .seconds(3600))
        return TokenLease(
            token: AccessToken(
                secret: Secret(AzureBench.token), claims: claims, expires: .now + .seconds(3600), acquired: .now,
                length: AzureBench.token.utf8.count, fingerprint: 1), isCached: true)
    }

    func discard(_ resource: TokenResource) async {}
}

/// A server, and a probe that leads to it.
struct AzureBench {
    static let token = "eyJhbGciOiJSUzI1NiJ9.canary-of-the-azuresql-tests-0123456789.signature"

    let server: AzureSQLServer
    /// How the server treats whoever comes next.
    let behavior: Behavior
    /// Whose certificates the probe believes, unless it trusts nobody here.
    let authority: CertificateAuthority
    let reactor: Reactor
    let probe: AzureSQLProbe

    final class Behavior: Sendable {
        private let state: Mutex<AzureSQLScript>

        init(_ script: AzureSQLScript) { state = Mutex(script) }
        var script: AzureSQLScript { state.withLock(\.self) }
        func become(_ script: AzureSQLScript) { state.withLock { $0 = script } }
    }

    static func with(
        _ script: AzureSQLScript, names: [String] = ["localhost"], privileges: PrivilegeRules = PrivilegeRules(), wake: WakeMode = .auto,
        past: WakeLedger? = nil, lastGood: Facts? = nil, trusts: Bool = true, host: String = "localhost", nameServers: [Endpoint] = [],
        _ body: (AzureBench) async throws -> Void
    ) async throws {
        let authority = try CertificateAuthority(commonName: "Test Root")
        let other = try CertificateAuthority(commonName: "Other Root")
        let behavior = Behavior(script)
        let tls = try AzureSQLTLS(authority.issue(names: names))
        let server = try await AzureSQLServer.start(on: "127.0.0.1") { AzureSQLBehavior(script: behavior.script, tls: tls) }
        let file = "/tmp/azuresql-probe-\(UInt64.random(in: 0 ... .max)).pem"
        try write((trusts ? authority : other).certificate, to: file)
        let reactor = try Reactor()
        let wakes = WakeBook()
        let tools = ProbeTools(
            reactor: reactor, lookup: try NameLookup(reactor: reactor, servers: nameServers), nameServers: nameServers, cloud: .public,
            applicationName: "agent/test", lastGood: { _ in lastGood }, wakes: wakes)
        let target = Target(
            name: "billing", engine: .azuresql, host: host, port: server.port, database: "billing", user: nil, identities: ["app"],
            privileges: privileges, wake: wake)
        wakes.adopt(CheckPast(facts: lastGood, wake: past), of: target.checks[0], on: target)
        let probe = AzureSQLProbe(
            target: target, identity: IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned)), tokens: CannedTokens(),
            anchors: TrustAnchors(caFile: file), tools: tools)
        do {
            try await body(AzureBench(server: server, behavior: behavior, authority: authority, reactor: reactor, probe: probe))
        } catch {
            remove(file)
            await server.stop()
            reactor.close()
            throw error
        }
        remove(file)
        await server.stop()
        reactor.close()
    }

    func observe(_ timeout: Duration = .seconds(15), depth: ProbeRun.Depth = .query, explains: Bool = false, wakes: Bool = false)
        async -> Observation
    {
        let run = ProbeRun(
            deadline: .in(timeout), depth: depth, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, explains: explains,
            wakes: wakes)
        guard let observation = await probe.observe(run) else {
            Issue.record("the probe gave no observation")
            return Observation(check: probe.id, started: .now, duration: .zero, phases: [], outcome: .succeeded)
        }
        #expect(!"\(observation)".contains("canary") && !observation.facts.json.compact.contains("canary"))
        return observation
    }
}

private func write(_ text: String, to path: String) throws {
    let opened = unsafe fopen(path, "w")
    let file = try unsafe #require(opened)
    _ = unsafe fputs(text, file)
    _ = unsafe fclose(file)
}

private func remove(_ path: String) { _ = unsafe unlink(path) }

/// A server that answers the probe's own questions.
func healthyAzureSQL(
    objective: String = "GP_Gen5_2", rights: @escaping @Sendable () -> [ReplyToken] = { AzureSQLScript.unknownStatement("rights") }
) -> AzureSQLScript {
    var script = AzureSQLScript()
    script.answer = { sql, parameters in
        func text(_ name: String) -> TDSColumn { TDSColumn(name, ColumnType(.nVarChar, size: 256)) }
        if sql.contains("ServiceObjective") {
            return AzureSQLScript.rows(
                [text("a"), text("b"), text("c"), text("d"), text("e"), TDSColumn("f", ColumnType(.intN, size: 8))],
                [["app@tenant", "app", "billing", "READ_WRITE", .text(objective), .integer(1_790_000_000_000)]])
        }
        if !parameters.isEmpty || sql.contains("N'self'") { return rights() }
        return AzureSQLScript.unknownStatement(sql)
    }
    return script
}

func refusingAzureSQL(_ number: Int32, state: UInt8 = 1, _ text: String) -> AzureSQLScript {
    var script = healthyAzureSQL()
    script.admit = { _ in [TDSServerMessage(number: number, state: state, class: 17, text: text)] }
    return script
}
