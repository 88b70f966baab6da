// Servers that want a newer TLS than TDS 7.4 has: asked in strict mode, which is remembered, and forgotten when it does not hold any more.
import Diagnosis
@testable import Lab
import Probes
import Schedule
import TDS
import Testing

@Suite(.timeLimit(.minutes(2))) struct AzureSQLStrictTests {
    /// Refuses whoever comes with TDS 7.4, after the login.
    private static func strictOnly(_ script: AzureSQLScript = healthyAzureSQL()) -> AzureSQLScript {
        var script = script
        script.admit = { $0.isStrict ? nil : AzureSQLFaults.refusals[.azureTLSPolicy] }
        return script
    }

    @Test("47072 is answered in strict mode at once; the next probe and a look without login begin there")
    func remembered() async throws {
        try await AzureBench.with(Self.strictOnly()) { bench in
            let first = await bench.observe()
            #expect(first.outcome == .succeeded, "\(first.outcome)")
            #expect(first.facts.tlsVersion == "TLSv1.3")
            #expect(first.phases.allSatisfy { $0.outcome != .failed }, "\(first.phases)")
            #expect(bench.server.logins.map(\.isStrict) == [false, true])
            #expect(await bench.observe().outcome == .succeeded)
            #expect(bench.server.logins.map(\.isStrict) == [false, true, true])
            let look = await bench.observe(depth: .tls)
            #expect(look.outcome == .partial(.loginPaused) && look.facts.tlsVersion == "TLSv1.3")
        }
    }

    @Test("A server that does not speak strict TDS any more is asked in the older way by the next probe", arguments: [false, true])
    func goingBack(byLook: Bool) async throws {
        try await AzureBench.with(Self.strictOnly()) { bench in
            #expect(await bench.observe().outcome == .succeeded)
            var script = healthyAzureSQL()
            script.strictTrouble = .close
            bench.behavior.become(script)
            let failed = await bench.observe(depth: byLook ? .tls : .query)
            #expect(failed.failure?.phase == .tls, "\(failed.outcome)")
            #expect(await bench.observe().outcome == .succeeded)
            #expect(bench.server.logins.map(\.isStrict) == [false, true, false])
        }
    }

    @Test(
        "Where strict mode does not get through, what the server said is the cause, logins rest, and the login counts",
        arguments: [AzureSQLScript.Trouble.close, .silent, .reset])
    func closed(trouble: AzureSQLScript.Trouble) async throws {
        var script = Self.strictOnly(healthyAzureSQL(objective: "GP_S_Gen5_1"))
        script.strictTrouble = trouble
        var known = Facts()
        known.serviceObjective = "GP_S_Gen5_1"
        try await AzureBench.with(script, wake: .budget(3), lastGood: known) { bench in
            let observation = await bench.observe(.seconds(3))
            let failure = try #require(observation.failure)
            #expect(failure.cause == .tlsProtocolMismatch && failure.phase == .login, "\(failure)")
            #expect(failure.evidence.first?.code == "47072")
            let said = failure.evidence.map(\.text)
            #expect(said.contains { $0.contains("strict mode") && $0.contains("failed in tls") }, "\(said)")
            #expect(observation.phases.first { $0.phase == .tls }?.outcome == .ok)
            #expect(observation.phases.first { $0.phase == .login }?.outcome == .failed)
            #expect(observation.facts.wake?.logins.count == 1, "LOGIN7 has named the database")
            #expect(bench.server.logins.count == 1)
            var pause = LoginPause()
            pause.apply(observation, slot: .now)
            #expect(pause.isResting)
        }
    }

    @Test("When a worker behind a redirect refused, only the steps of the second way there are shown")
    func behindRedirect() async throws {
        try await AzureBench.with(healthyAzureSQL()) { bench in
            let worker = try await AzureSQLServer.start(script: Self.strictOnly(), certificate: bench.authority.issue(names: ["localhost"]))
            var gateway = healthyAzureSQL()
            gateway.route = Route(server: "localhost", port: UInt16(worker.port))
            bench.behavior.become(gateway)
            let observation = await bench.observe()
            #expect(observation.outcome == .succeeded, "\(observation.outcome)")
            #expect(worker.logins.map(\.isStrict) == [false, true])
            #expect(observation.facts.redirectPhases.map(\.phase) == [.dns, .tcp, .tls, .negotiate, .login])
            #expect(observation.facts.redirectPhases.allSatisfy { $0.outcome == .ok })
            await worker.stop()
        }
    }
}
