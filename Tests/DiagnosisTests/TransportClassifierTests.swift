import Testing

@testable import Diagnosis

@Suite struct TransportClassifierTests {
    @Test(
        "Numbers of the system become causes by number and phase",
        arguments: [
            (Int32(111), Phase.tcp, Cause.tcpRefused), (110, .tcp, .tcpTimeout), (113, .tcp, .tcpUnreachable), (101, .tcp, .tcpUnreachable),
            (97, .tcp, .tcpUnreachable), (1, .tcp, .tcpUnreachable), (13, .tcp, .tcpUnreachable), (24, .tcp, .probeInternal),
            (23, .tcp, .probeInternal),
            (99, .tcp, .probeInternal), (105, .tcp, .probeInternal), (12, .tcp, .probeInternal), (104, .tcp, .tcpReset),
            (104, .negotiate, .tcpReset),
            (104, .tls, .tlsHandshakeAborted), (104, .login, .serverUnavailable), (104, .query, .connectionLost),
            (32, .login, .serverUnavailable),
            (32, .query, .connectionLost), (110, .tls, .tlsHandshakeAborted), (110, .query, .connectionLost),
            (104, .token, .identityEndpointUnreachable),
            (9999, .login, .unclassified), (9999, .tcp, .tcpUnreachable),
        ])
    func errno(code: Int32, phase: Phase, cause: Cause) {
        let failure = Classifier.errno(code, phase: phase)
        #expect(failure.cause == cause)
        #expect(failure.phase == phase)
        #expect(failure.evidence.map(\.code) == [String(code)])
    }

    @Test(
        "No address to connect from is an address mistake on the host itself and exhaustion elsewhere",
        arguments: [
            ("127.0.0.1", Cause.tcpRefused), ("::1", .tcpRefused), ("localhost", .tcpRefused), ("10.0.0.4", .probeInternal),
        ])
    func noLocalAddress(address: String, cause: Cause) { #expect(Classifier.errno(99, phase: .tcp, address: address).cause == cause) }

    @Test(
        "A deadline is named by the phase it fell into",
        arguments: [
            (Phase.dns, Cause.dnsResolverError), (.tcp, .tcpTimeout), (.negotiate, .probeDeadline), (.tls, .tlsHandshakeAborted),
            (.login, .probeDeadline), (.token, .probeDeadline), (.query, .queryTimeout), (.privileges, .queryTimeout),
            (.internal, .probeDeadline),
        ])
    func deadline(phase: Phase, cause: Cause) {
        let failure = Classifier.deadline(phase: phase, after: .milliseconds(4980))
        #expect(failure.cause == cause)
        #expect(failure.evidence.first?.text == "no answer for 5 s")
        #expect(Classifier.deadline(phase: phase).evidence.first?.text == "no answer until the deadline")
    }

    @Test(
        "A connection that ends without a word is named by the phase",
        arguments: [
            (Phase.tcp, Cause.tcpReset), (.negotiate, .tcpReset), (.tls, .tlsHandshakeAborted), (.login, .serverUnavailable),
            (.query, .connectionLost), (.privileges, .connectionLost),
        ])
    func closed(phase: Phase, cause: Cause) { #expect(Classifier.closed(phase: phase).cause == cause) }

    @Test(
        "Numbers of the resolver",
        arguments: [
            (Int32(1), Cause.dnsNotFound), (4, .dnsNotFound), (19, .dnsNotFound), (2, .dnsResolverError), (3, .dnsResolverError),
            (5, .dnsResolverError),
            (6, .dnsResolverError), (10, .dnsResolverError), (11, .dnsResolverError), (12, .dnsResolverError), (14, .dnsResolverError),
            (26, .dnsResolverError), (8, .configInvalid), (7, .configInvalid), (17, .configInvalid), (15, .probeInternal),
            (16, .probeInternal),
            (24, .probeInternal), (4711, .dnsResolverError),
        ])
    func ares(code: Int32, cause: Cause) {
        let failure = Classifier.ares(code: code, name: "db.example", servers: ["168.63.129.16"])
        #expect(failure.cause == cause)
        #expect(failure.phase == .dns)
        #expect(failure.evidence.first?.text.contains("db.example") == true)
        #expect(failure.evidence.first?.text.contains("168.63.129.16") == true)
    }

    @Test(
        "Numbers of the verification",
        arguments: [
            (9, Cause.tlsCertValidity), (10, .tlsCertValidity), (18, .tlsUntrustedIssuer), (19, .tlsUntrustedIssuer),
            (20, .tlsUntrustedIssuer),
            (21, .tlsUntrustedIssuer), (23, .tlsUntrustedIssuer), (26, .tlsUntrustedIssuer), (62, .tlsNameMismatch), (64, .tlsNameMismatch),
            (66, .tlsUntrustedIssuer), (68, .tlsUntrustedIssuer), (999, .tlsUntrustedIssuer),
        ])
    func verify(code: Int, cause: Cause) {
        let failure = Classifier.verify(
            code: code, host: "orders.postgres.database.azure.com", certificate: Fixture.certificate(), now: noon)
        #expect(failure?.cause == cause)
        #expect(failure?.phase == .tls)
        #expect(failure?.evidence.map(\.kind) == [.verify, .certificate])
    }

    @Test("A verification that succeeded is no failure")
    func verifyOk() { #expect(Classifier.verify(code: 0, host: "x") == nil) }

    @Test("What was seen of a refused certificate is said")
    func verifyDetail() {
        let certificate = Fixture.certificate(ends: noon + .seconds(-86400))
        let expired = Classifier.verify(code: 10, host: "x", certificate: certificate, now: noon)
        #expect(expired?.detail == "The certificate ended 2026-11-21T12:00:00.000Z, it is now 2026-11-22T12:00:00.000Z here.")
        let name = Classifier.verify(code: 62, host: "alias.example", certificate: certificate)
        #expect(name?.detail == "The certificate is for orders.postgres.database.azure.com, not for alias.example.")
    }

    @Test(
        "Addresses are told apart by their reach",
        arguments: [
            ("10.1.2.3", AddressKind.private), ("172.16.0.1", .private), ("172.32.0.1", .public), ("192.168.1.1", .private),
            ("100.64.0.1", .private),
            ("100.128.0.1", .public), ("169.254.169.254", .private), ("127.0.0.1", .loopback), ("20.61.88.14", .public), ("::1", .loopback),
            ("fd00::1", .private), ("fe80::1", .private), ("2603:1020::1", .public), ("::ffff:10.0.0.1", .private),
        ])
    func addressKind(text: String, kind: AddressKind) { #expect(AddressKind(text) == kind) }

    @Test("What is no address has no reach", arguments: ["", "db.example", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1..2.3"])
    func noAddress(text: String) { #expect(AddressKind(text) == nil) }
}
