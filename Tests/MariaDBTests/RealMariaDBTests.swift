// The probe against a real MariaDB that asks for a password in clear text.
import Diagnosis
import Probes
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(3))) struct RealMariaDBTests {
    @Test func `a healthy server is asked from token to query, every phase with its duration`() async throws {
        try await RealMariaDB.run { server in
            let bench = try Bench()
            defer { bench.close() }
            try await server.run("CREATE DATABASE shop; \(RealMariaDB.account("aad_shop")) GRANT SELECT ON shop.* TO 'aad_shop'@'%'")
            let probe = bench.probe(port: server.port, caFile: server.caFile)
            for _ in 0..<3 {
                let observation = try #require(await probe.observe(bench.run()))
                #expect(observation.outcome == .succeeded, "\(observation.outcome)")
                #expect(observation.phases.map(\.phase) == Phase.probed)
                for result in observation.phases.dropLast() where result.phase != .dns {
                    #expect(result.outcome == .ok, "\(result)")
                    #expect(result.duration != nil || result.isCached, "\(result)")
                }
                let facts = observation.facts
                #expect(facts.sessionUser == "aad_shop@127.0.0.1")
                #expect(facts.currentUser == "aad_shop@%")
                #expect(facts.database == "shop")
                #expect(facts.isInRecovery == false)
                #expect(facts.serverVersion?.contains("MariaDB") == true)
                #expect(facts.tlsVersion == "TLSv1.3")
                #expect(facts.certificate?.names.contains("localhost") == true)
                #expect(abs(try #require(facts.clockSkew)) < 5)
            }
        }
    }
}
