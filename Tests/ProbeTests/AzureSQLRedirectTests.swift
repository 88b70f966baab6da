// Where a gateway of Azure SQL sends its clients, and what is told of what fails there.
import Diagnosis
@testable import Lab
import Probes
import TDS
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct AzureSQLRedirectTests {
    @Test("A redirect is followed once, named as a fact and verified; one that leads nowhere or abroad has its cause")
    func redirect() async throws {
        let authority = try CertificateAuthority(commonName: "Another Root")
        // Nobody trusts this worker: the token stays here.
        let worker = try await AzureSQLServer.start(script: healthyAzureSQL(), certificate: authority.issue(names: ["localhost"]))
        var script = healthyAzureSQL()
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
        let worker = try await AzureSQLServer.start(script: healthyAzureSQL(), certificate: authority.issue(names: ["localhost"]))
        let port = worker.port
        var script = healthyAzureSQL()
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

    @Test("A name service that fails behind a redirect is that service's failure, and no closed way")
    func nameService() async throws {
        let names = try ScriptedNameServer(.answer(aliases: [], addresses: ["127.0.0.1"], ttl: 0))
        var script = healthyAzureSQL()
        script.route = Route(server: "w1.database.windows.net", port: 11_000)
        // It answers for the gateway and is gone when the worker is asked for.
        script.admit = { _ in
            names.close()
            return nil
        }
        let servers = [Endpoint(host: "127.0.0.1", port: names.port)]
        try await AzureBench.with(
            script, names: ["*.database.windows.net"], host: "billing.database.windows.net", nameServers: servers
        ) { bench in
            let failure = try #require(await bench.observe(.seconds(6)).failure)
            #expect(failure.cause == .dnsResolverError || failure.cause == .probeDeadline, "\(failure)")
            #expect(failure.phase == .login)
            #expect(failure.evidence.contains { $0.text.contains("redirect to w1.database.windows.net:11000") }, "\(failure)")
        }
    }

    @Test("Packets that are dropped behind a redirect are a closed way only where there was time to see it")
    func late() async throws {
        let hole = try await BlackHole.open(on: "127.0.0.1")
        let names = try ScriptedNameServer(.answer(aliases: [], addresses: ["127.0.0.1"], ttl: 60))
        var script = healthyAzureSQL()
        script.route = Route(server: "w1.database.windows.net", port: UInt16(hole.port))
        let servers = [Endpoint(host: "127.0.0.1", port: names.port)]
        try await AzureBench.with(
            script, names: ["*.database.windows.net"], host: "billing.database.windows.net", nameServers: servers
        ) { bench in
            let late = try #require(await bench.observe(.milliseconds(1_500)).failure)
            #expect(late.cause == .probeDeadline && late.phase == .login, "\(late)")
            let closed = try #require(await bench.observe(.seconds(4)).failure)
            #expect(closed.cause == .redirectBlocked && closed.phase == .login, "\(closed)")
        }
        names.close()
        await hole.close()
    }
}
