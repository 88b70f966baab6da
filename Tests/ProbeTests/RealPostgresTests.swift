// The probe against a real PostgreSQL that lets a principal in only with a valid token.
import Certificates
import Diagnosis
import Lab
import Logging
import Postgres
import Probes
import Readiness
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(3))) struct RealPostgresTests {
    @Test("A healthy server is asked from token to query, every phase with its duration")
    func healthy() async throws {
        try await withProbeBench { bench in
            let observation = try #require(await bench.probe().observe(bench.run()))
            #expect(observation.outcome == .succeeded, "\(observation.outcome)")
            #expect(observation.phases.map(\.phase) == Phase.probed)
            for result in observation.phases {
                #expect(result.outcome == .ok, "\(result)")
                #expect(result.duration != nil || result.isCached, "\(result)")
            }
            let facts = observation.facts
            #expect(facts.sessionUser == "aad_orders")
            #expect(facts.database == "orders")
            #expect(facts.isInRecovery == false)
            #expect(facts.serverVersion?.hasPrefix("15.") == true)
            #expect(facts.addresses.count == 1 || facts.addresses.count == 2)
            #expect(facts.tlsVersion == "TLSv1.3")
            #expect(facts.certificate?.names.contains("*.postgres.database.azure.com") == true, "\(String(describing: facts.certificate))")
            #expect(abs(try #require(facts.clockSkew)) < 5)
            #expect(facts.objectID != nil && facts.tokenExpires != nil)
            #expect(observation.duration < .seconds(15))
        }
    }

    @Test("A probe that must not log in stops after tls, and the server sees no login")
    func partial() async throws {
        try await withProbeBench { bench in
            let observation = try #require(await bench.probe().observe(bench.run(depth: .tls)))
            #expect(observation.outcome == .partial(.loginPaused))
            #expect(observation.phases.filter { $0.outcome == .ok }.map(\.phase) == [.token, .dns, .tcp, .negotiate, .tls])
            #expect(observation.phases.filter { $0.phase == .login || $0.phase == .query }.allSatisfy { $0.duration == nil })
        }
    }

    @Test("Without a configured anchor the chain is untrusted, and the certificate is shown all the same")
    func unknownAuthority() async throws {
        try await withProbeBench { bench in
            let observation = try #require(await bench.probe(trustsLab: false).observe(bench.run()))
            let failure = try #require(observation.failure)
            #expect(failure.cause == .tlsUntrustedIssuer)
            #expect(failure.phase == .tls)
            #expect(failure.evidence.contains { $0.kind == .verify })
            #expect(observation.facts.certificate?.issuer.isEmpty == false)
        }
    }

    @Test("A cancelled probe gives no observation")
    func cancelled() async throws {
        try await withProbeBench { bench in
            let probe = bench.probe()
            let run = bench.run()
            let task = Task { await probe.observe(run) }
            task.cancel()
            #expect(await task.value == nil)
        }
    }

    @Test("The token is in nothing that a probe leaves behind")
    func canary() async throws {
        try await withProbeBench { bench in
            let token = try await bench.lab.token()
            let observation = try #require(await bench.probe().observe(bench.run()))
            token.reveal { secret in
                let pieces = secret.split(separator: ".")
                let text = "\(observation)" + String(reflecting: observation)
                for piece in pieces { #expect(!text.contains(piece)) }
            }
        }
    }

    @Test("Probes leave no descriptor open")
    func descriptors() async throws {
        try await withProbeBench { bench in
            let probe = bench.probe()
            _ = await probe.observe(bench.run())
            let before = openSockets()
            for _ in 0..<20 { _ = await probe.observe(bench.run()) }
            // The server's side of a connection in this process closes after the client's.
            for _ in 0..<100 where openSockets() > before { try await Task.sleep(for: .milliseconds(50)) }
            #expect(openSockets() <= before)
        }
    }
}
