// The Azure SQL probe against the lab's server over real sockets: what it sees, what it asks, and what it leaves alone.
import Certificates
import Diagnosis
import Glibc
@testable import Lab
import Logging
import Probes
import Readiness
import TDS
import TestSupport
import Testing

private let secretToken = "eyJhbGciOiJSUzI1NiJ9.canary-of-the-azuresql-tests-0123456789.signature"

private struct CannedTokens: TokenSource {
    func token(for resource: TokenResource, until deadline: Deadline) async throws(ProbeEnd) -> TokenLease {
        #expect(resource == .azuresql)
        let claims = TokenClaims(audience: "https://database.windows.net/", tenant: Principal.tenant, expires: .now + .seconds(3600))
        return TokenLease(
            token: AccessToken(
                secret: Secret(secretToken), claims: claims, expires: .now + .seconds(3600), acquired: .now,
                length: secretToken.utf8.count, fingerprint: 1), isCached: true)
    }

    func discard(_ resource: TokenResource) async {}
}

/// A server, and a probe that leads to it.
private struct AzureBench {
    let server: AzureSQLServer
    let reactor: Reactor
    let probe: AzureSQLProbe

    static func with(
        _ script: AzureSQLScript, names: [String] = ["localhost"], privileges: PrivilegeRules = PrivilegeRules(), wake: WakeMode = .auto,
        past: WakeLedger? = nil, lastGood: Facts? = nil, trusts: Bool = true, _ body: (AzureBench) async throws -> Void
    ) async throws {
        let authority = try CertificateAuthority(commonName: "Test Root")
        let other = try CertificateAuthority(commonName: "Other Root")
        let server = try await AzureSQLServer.start(script: script, certificate: authority.issue(names: names))
        let file = "/tmp/azuresql-probe-\(UInt64.random(in: 0 ... .max)).pem"
        try write((trusts ? authority : other).certificate, to: file)
        let reactor = try Reactor()
        let wakes = WakeBook()
        let tools = ProbeTools(
            reactor: reactor, lookup: try NameLookup(reactor: reactor, servers: []), nameServers: [], cloud: .public,
            applicationName: "agent/test", lastGood: { _ in lastGood }, wakes: wakes)
        let target = Target(
            name: "billing", engine: .azuresql, host: "localhost", port: server.port, database: "billing", user: nil, identities: ["app"],
            privileges: privileges, wake: wake)
        wakes.adopt(CheckPast(facts: lastGood, wake: past), of: target.checks[0], on: target)
        let probe = AzureSQLProbe(
            target: target, identity: IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned)), tokens: CannedTokens(),
            anchors: TrustAnchors(caFile: file), tools: tools)
        do {
            try await body(AzureBench(server: server, reactor: reactor, probe: probe))
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
private func healthy(
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

private func refusing(_ number: Int32, state: UInt8 = 1, _ text: String) -> AzureSQLScript {
    var script = healthy()
    script.admit = { _ in [TDSServerMessage(number: number, state: state, class: 17, text: text)] }
    return script
}

@Suite(.timeLimit(.minutes(2))) struct AzureSQLProbeTests {
    @Test("A healthy database is seen from the token to the query, with every phase timed and every fact named")
    func healthyDatabase() async throws {
        try await AzureBench.with(healthy()) { bench in
            let observation = await bench.observe()
            #expect(observation.outcome == .succeeded, "\(observation.outcome)")
            let timed = observation.phases.filter { $0.duration != nil }.map(\.phase)
            #expect(Set(timed).isSuperset(of: [.dns, .tcp, .negotiate, .tls, .login, .query]), "\(timed)")
            let facts = observation.facts
            #expect(facts.serviceObjective == "GP_Gen5_2" && facts.currentUser == "app" && facts.sessionUser == "app@tenant")
            #expect(facts.database == "billing" && facts.serverVersion == "12.0.2000" && facts.isInRecovery == false)
            #expect(facts.tlsVersion == "TLSv1.2" && facts.certificate?.names == ["localhost"])
            #expect(facts.address != nil && facts.traceID != nil && facts.clockSkew != nil && facts.wake == nil)
            let login = try #require(bench.server.logins.first)
            #expect(login.message.database == "billing" && login.message.applicationName == "agent/test")
            let sent = login.token.map { $0.reveal { $0 } }
            #expect(sent == secretToken)
            #expect(bench.server.logins.count == 1)
        }
    }

    @Test("The place is taken once, before TLS, and given back; who gets none logs in to nothing and spends nothing of the budget")
    func place() async throws {
        try await AzureBench.with(healthy(objective: "GP_S_Gen5_1")) { bench in
            func run(_ gate: any ProbeGate) -> ProbeRun {
                ProbeRun(deadline: .in(.seconds(15)), gate: gate, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            }
            #expect(await bench.probe.observe(run(ShutGate())) == nil)
            #expect(bench.server.logins.isEmpty)
            let gate = CountingGate()
            let observation = await bench.probe.observe(run(gate))
            #expect(observation?.outcome == .succeeded)
            #expect(observation?.facts.wake?.logins.count == 1)
            #expect(gate.entered == 1 && gate.inside == 0)
        }
    }

    @Test("Whom a full cap keeps until the deadline has seen nothing of the server; a wait that ends is no step's time")
    func fullCap() async throws {
        try await AzureBench.with(healthy()) { bench in
            func run(_ gate: any ProbeGate, _ time: Duration) -> ProbeRun {
                ProbeRun(deadline: .in(time), gate: gate, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            }
            for _ in 0..<2 { #expect(await bench.probe.observe(run(FullGate(), .seconds(2))) == nil) }
            #expect(bench.server.logins.isEmpty)
            let observation = try #require(await bench.probe.observe(run(FullGate(for: .seconds(3)), .seconds(15))))
            #expect(observation.outcome == .succeeded && observation.duration >= .seconds(3))
            for result in observation.phases { #expect(result.duration ?? .zero < .seconds(3), "\(result)") }
        }
    }

    @Test("While logins pause the probe stops after TLS, and no login is seen")
    func loginsPause() async throws {
        try await AzureBench.with(healthy()) { bench in
            let observation = await bench.observe(depth: .tls)
            #expect(observation.outcome == .partial(.loginPaused))
            #expect(observation.phases.first { $0.phase == .tls }?.outcome == .ok)
            #expect(observation.phases.first { $0.phase == .login }?.outcome == .skipped("logins pause"))
            #expect(observation.facts.certificate != nil && bench.server.logins.isEmpty)
        }
    }

    @Test("A serverless database is logged in to once, and then let sleep")
    func serverless() async throws {
        try await AzureBench.with(healthy(objective: "GP_S_Gen5_1")) { bench in
            let first = await bench.observe()
            #expect(first.outcome == .succeeded)
            #expect(first.facts.wake?.logins.count == 1)
            for _ in 0..<3 { #expect(await bench.observe().outcome == .partial(.asleep)) }
            #expect(bench.server.logins.count == 1)
            #expect(await bench.observe(wakes: true).outcome == .succeeded)
            #expect(bench.server.logins.count == 2)
        }
    }

    @Test("What an earlier process spent of the budget and knew of the tier holds in the next one")
    func restart() async throws {
        var known = Facts()
        known.serviceObjective = "GP_S_Gen5_1"
        let past = WakeLedger(logins: [.now + .seconds(-60)], settledAt: .now + .seconds(-59))
        try await AzureBench.with(healthy(objective: "GP_S_Gen5_1"), past: past, lastGood: known) { bench in
            #expect(await bench.observe().outcome == .partial(.asleep))
            #expect(bench.server.logins.isEmpty)
        }
    }

    @Test("wake: never logs in to nothing, always to everything", arguments: [WakeMode.never, .always])
    func modes(mode: WakeMode) async throws {
        try await AzureBench.with(healthy(objective: "GP_S_Gen5_1"), wake: mode) { bench in
            for _ in 0..<2 { #expect(await bench.observe().outcome == (mode == .never ? .partial(.asleep) : .succeeded)) }
            #expect(bench.server.logins.count == (mode == .never ? 0 : 2))
        }
    }

    @Test("A paused database is asleep and never down, unless the operator wants it awake")
    func paused() async throws {
        let script = refusing(40613, "Database 'billing' on server 'localhost' is not currently available.")
        try await AzureBench.with(script, wake: .budget(2)) { bench in
            for _ in 0..<3 {
                let observation = await bench.observe()
                #expect(observation.outcome == .partial(.asleep), "\(observation.outcome)")
                #expect(observation.phases.first { $0.phase == .login }?.outcome == .skipped("the database is waking up"))
            }
            // It was woken, so it is asked until it is awake: that is one login of the budget.
            #expect(bench.server.logins.count == 3)
        }
        var known = Facts()
        known.serviceObjective = "GP_S_Gen5_1"
        try await AzureBench.with(script, wake: .always, lastGood: known) { bench in
            #expect(await bench.observe().failure?.cause == .databaseResuming)
        }
        try await AzureBench.with(script) { bench in
            #expect(await bench.observe().failure?.cause == .serverUnavailable)
        }
    }

    @Test("A refusal is a cause with number and state as evidence, after one login")
    func refused() async throws {
        let script = refusing(
            40615, "Cannot open server 'x' requested by the login. Client with IP address '20.1.2.3' is not allowed to access the server.")
        try await AzureBench.with(script) { bench in
            let observation = await bench.observe()
            let failure = try #require(observation.failure)
            #expect(failure.cause == .firewallDenied && failure.phase == .login)
            #expect(failure.evidence.first?.code == "40615" && failure.values["client_ip"] == "20.1.2.3")
            #expect(observation.phases.first { $0.phase == .login }?.outcome == .failed)
            #expect(observation.phases.first { $0.phase == .tls }?.outcome == .ok)
            #expect(bench.server.logins.count == 1)
        }
    }

    @Test("Only a person's question asks the server whose tokens it takes")
    func explained() async throws {
        var script = refusing(
            18456, state: 235,
            "Login failed for user '<token-identified principal>'. The server is not currently configured to accept this token.")
        script.issuer = FederatedAuthenticationInfo(
            stsURL: "https://login.windows.net/00000000-0000-0000-0000-000000000001", spn: "https://database.windows.net/")
        try await AzureBench.with(script) { bench in
            #expect(await bench.observe().failure?.certainty == .likely)
            #expect(bench.server.logins.count == 1)
            let failure = try #require(await bench.observe(explains: true).failure)
            #expect(failure.cause == .tokenWrongTenant && failure.detail?.contains("takes tokens of the tenant") == true, "\(failure)")
            #expect(failure.values["required_tenant"] == "00000000-0000-0000-0000-000000000001")
            let asked = bench.server.logins.filter(\.asksForIssuer)
            #expect(asked.count == 1 && asked.allSatisfy { $0.token == nil })
        }
    }

    @Test("No token leaves for a server that is not trusted, has another name, or does not encrypt")
    func untrusted() async throws {
        try await AzureBench.with(healthy(), trusts: false) { bench in
            let observation = await bench.observe()
            #expect(observation.failure?.cause == .tlsUntrustedIssuer && observation.failure?.phase == .tls)
            #expect(observation.facts.certificate?.names == ["localhost"])
            #expect(bench.server.logins.isEmpty)
        }
        try await AzureBench.with(healthy(), names: ["*.database.windows.net"]) { bench in
            let failure = try #require(await bench.observe().failure)
            #expect(failure.cause == .tlsNameMismatch, "\(failure)")
            #expect(bench.server.logins.isEmpty)
        }
        var plain = healthy()
        plain.encryption = 2
        try await AzureBench.with(plain) { bench in
            #expect(await bench.observe().failure?.cause == .tlsNotNegotiated)
            #expect(bench.server.logins.isEmpty)
        }
    }

    struct Silence: Sendable, CustomTestStringConvertible {
        var step: AzureSQLScript.Step
        var trouble: AzureSQLScript.Trouble
        var cause: Cause
        var phase: Phase
        var testDescription: String { "\(trouble) at \(step)" }
    }

    @Test(
        "Silence and hanging up have a cause at every step, within the deadline",
        arguments: [
            Silence(step: .prelogin, trouble: .silent, cause: .probeDeadline, phase: .negotiate),
            Silence(step: .prelogin, trouble: .close, cause: .tcpReset, phase: .negotiate),
            Silence(step: .prelogin, trouble: .bytes(Array("SSH-2.0-x\r\n".utf8)), cause: .peerNotDatabase, phase: .negotiate),
            Silence(step: .tls, trouble: .silent, cause: .tlsHandshakeAborted, phase: .tls),
            Silence(step: .tls, trouble: .close, cause: .tlsHandshakeAborted, phase: .tls),
            Silence(step: .login, trouble: .silent, cause: .probeDeadline, phase: .login),
            Silence(step: .login, trouble: .close, cause: .serverUnavailable, phase: .login),
            Silence(step: .query, trouble: .silent, cause: .queryTimeout, phase: .query),
            Silence(step: .query, trouble: .close, cause: .connectionLost, phase: .query),
        ])
    func silence(row: Silence) async throws {
        var script = healthy()
        script.troubles = [row.step: row.trouble]
        try await AzureBench.with(script) { bench in
            let begin = ContinuousClock.now
            let failure = try #require(await bench.observe(.seconds(2)).failure)
            #expect(ContinuousClock.now - begin < .seconds(6))
            #expect(failure.cause == row.cause && failure.phase == row.phase, "\(failure)")
        }
    }

    @Test("A redirect is followed once, named as a fact and verified; one that leads nowhere or abroad has its cause")
    func redirect() async throws {
        let authority = try CertificateAuthority(commonName: "Another Root")
        // Nobody trusts this worker: the token stays here.
        let worker = try await AzureSQLServer.start(script: healthy(), certificate: authority.issue(names: ["localhost"]))
        var script = healthy()
        script.route = Route(server: "localhost", port: UInt16(worker.port))
        try await AzureBench.with(script) { bench in
            let observation = await bench.observe()
            #expect(observation.failure?.cause == .tlsUntrustedIssuer, "\(observation.outcome)")
            #expect(observation.facts.redirectedTo == "localhost:\(worker.port)")
            #expect(observation.facts.redirectPhases.last?.phase == .tls && observation.facts.redirectPhases.last?.outcome == .failed)
        }
        #expect(worker.logins.isEmpty)
        await worker.stop()
        script.route = Route(server: "localhost", port: UInt16(worker.port))
        try await AzureBench.with(script) { bench in
            let failure = try #require(await bench.observe().failure)
            #expect(failure.cause == .redirectBlocked && failure.phase == .login, "\(failure)")
            #expect(failure.detail?.contains("localhost:\(worker.port)") == true)
        }
        script.route = Route(server: "evil.example", port: 1433)
        try await AzureBench.with(script) { bench in
            let failure = try #require(await bench.observe().failure)
            #expect(failure.cause == .redirectRefused && failure.detail?.contains("evil.example") == true, "\(failure)")
        }
        script.route = Route(server: "localhost", port: 0)
        try await AzureBench.with(script) { bench in
            #expect(await bench.observe().failure?.cause == .redirectRefused)
        }
    }

    @Test("What fails behind a redirect is a failed login at the place it was, and the gateway's own steps stay good")
    func behindRedirect() async throws {
        let authority = try CertificateAuthority(commonName: "Another Root")
        let worker = try await AzureSQLServer.start(script: healthy(), certificate: authority.issue(names: ["localhost"]))
        let port = worker.port
        var script = healthy()
        script.route = Route(server: "localhost", port: UInt16(port))
        try await AzureBench.with(script) { bench in
            let observation = await bench.observe()
            #expect(observation.failure?.cause == .tlsUntrustedIssuer && observation.failure?.phase == .login)
            #expect(observation.phases.first { $0.phase == .tls }?.outcome == .ok)
            #expect(observation.phases.first { $0.phase == .login }?.outcome == .failed)
        }
        await worker.stop()
        try await AzureBench.with(script) { bench in
            let observation = await bench.observe()
            let failure = try #require(observation.failure)
            #expect(failure.cause == .redirectBlocked, "\(failure)")
            #expect(failure.evidence.first?.text.contains(":\(port) ") == true, "\(failure.evidence)")
            #expect(observation.phases.filter { $0.outcome == .failed }.map(\.phase) == [.login])
        }
    }

    @Test("A login that never reached the server costs nothing of the budget")
    func unreached() async throws {
        try await AzureBench.with(healthy(objective: "GP_S_Gen5_1"), wake: .budget(1)) { bench in
            await bench.server.stop()
            for _ in 0..<3 { #expect(await bench.observe().failure?.cause == .tcpRefused) }
        }
    }

    @Test("A person who only looks does not log in where the database may sleep, and is told what was spent")
    func look() async throws {
        var known = Facts()
        known.serviceObjective = "GP_S_Gen5_1"
        try await AzureBench.with(healthy(objective: "GP_S_Gen5_1"), lastGood: known) { bench in
            let observation = await bench.observe(explains: true)
            #expect(observation.outcome == .partial(.asleep) && bench.server.logins.isEmpty)
            #expect(observation.facts.wake?.limit == 4 && observation.facts.serviceObjective == "GP_S_Gen5_1")
            #expect(await bench.observe(explains: true, wakes: true).outcome == .succeeded)
            #expect(bench.server.logins.count == 1)
        }
    }

    @Test("A serverless database that is logged in to each time is kept awake, and the report says so")
    func keptAwake() async throws {
        for (objective, notices) in [("GP_S_Gen5_1", [FindingCode.databaseKeptAwake]), ("HS_S_Gen5_2", []), ("GP_Gen5_2", [])] {
            try await AzureBench.with(healthy(objective: objective), wake: .always) { bench in
                // A machine may have two addresses for this name, of which the server has one.
                #expect(await bench.observe().notices.map(\.code).filter { $0 != .addressDead } == notices, "\(objective)")
            }
        }
    }

    @Test("A server that never stops sending is cut off at the limit")
    func endless() async throws {
        var script = healthy()
        script.troubles = [.query: .endlessRows]
        try await AzureBench.with(script) { bench in
            let failure = try #require(await bench.observe(.seconds(10)).failure)
            #expect(failure.cause == .protocolViolation, "\(failure)")
        }
    }

    @Test("Rights are asked for in one round trip, and a question without an answer leaves the check up")
    func rights() async throws {
        let rules = PrivilegeRules(require: [PrivilegeRule(object: .table(schema: "sales", name: "orders"), rights: [.select])])
        let script = healthy(rights: {
            let columns = (0..<10).map { TDSColumn("c\($0)", ColumnType(.nVarChar, size: 256)) }
            var first = AzureSQLScript.rows(columns, [["-1", "self", "role", nil, "app", nil, nil, nil, "1", "1"]])
            first[first.count - 1] = .done(Done([.count, .more], command: Done.selectCommand, rowCount: 1))
            return first
                + AzureSQLScript.rows(columns, [["0", "missing", "table", "sales", "orders", "dbo", "SELECT", nil, "1", "1"]])
        })
        try await AzureBench.with(script, privileges: rules) { bench in
            let observation = await bench.observe()
            #expect(observation.outcome == .succeeded)
            #expect(observation.facts.privileges?.entries.map(\.isPassed) == [false])
            #expect(observation.facts.privileges?.problem == nil)
        }
        try await AzureBench.with(healthy(), privileges: rules) { bench in
            let observation = await bench.observe()
            #expect(observation.outcome == .succeeded)
            #expect(observation.facts.privileges?.problem?.cause == .queryFailed)
        }
    }
}
