// What a probe makes of what the last successful one saw.
import Certificates
import Diagnosis
import Lab
import Probes
import Testing

@Suite(.timeLimit(.minutes(1))) struct LastGoodTests {
    @Test("A name that led to a private address and leads to a public one is the DNS's fault for certain", arguments: [true, false])
    func publicForPrivate(wasPrivate: Bool) async throws {
        try await withProbeBench { bench in
            var tools = bench.tools
            tools.lastGood = { check in
                guard check == CheckID(target: "orders", identity: "app") else { return nil }
                var facts = Facts()
                facts.addresses = [wasPrivate ? "10.20.4.7" : "20.9.9.9"]
                return facts
            }
            // Of no private network, and yet this host itself, where nothing listens on the port.
            let target = Target(
                name: "orders", engine: .postgresql, host: "0.0.0.0", port: 1, database: "orders", user: "aad_orders", identities: ["app"])
            let probe = PostgresProbe(
                target: target, identity: IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned)), tokens: bench.tokens,
                anchors: TrustAnchors(caFile: nil), tools: tools)
            let failure = try #require(await probe.observe(bench.run())?.failure)
            #expect(failure.cause == (wasPrivate ? .dnsPublicForPrivate : .tcpRefused), "\(failure)")
            #expect(failure.certainty == .certain)
            #expect(failure.phase == .tcp && failure.evidence.first?.code == "111")
        }
    }
}
