import Testing

@testable import Diagnosis

@Suite struct LibPQClassifierTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var text: String
        var phase: Phase
        var cause: Cause
        var seenIn: Phase
        var testDescription: String { "\(phase): \(text)" }

        init(_ text: String, _ phase: Phase, _ cause: Cause, in seen: Phase? = nil) {
            (self.text, self.phase, self.cause, seenIn) = (text, phase, cause, seen ?? phase)
        }
    }

    private static let prefix = "connection to server at \"orders.postgres.database.azure.com\" (10.20.4.7), port 5432 failed: "

    @Test(
        "What libpq says by itself",
        arguments: [
            Row("invalid connection option \"require_auth\"", .config, .configInvalid),
            Row("invalid sslmode value: \"verify\"", .tcp, .configInvalid, in: .config),
            Row("invalid integer value \"x\" for connection option \"port\"", .tcp, .configInvalid, in: .config),
            Row("invalid port number: \"70000\"", .tcp, .configInvalid, in: .config),
            Row(
                "root certificate file \"/x\" does not exist\nEither provide the file or change sslmode to disable server certificate verification.",
                .tls, .configInvalid, in: .config),
            Row("GSSAPI encryption required but was impossible (possibly no credential cache)", .tcp, .configInvalid, in: .config),
            Row("could not translate host name \"x\" to address: Name or service not known", .tcp, .dnsNotFound, in: .dns),
            Row("could not translate host name \"x\" to address: No address associated with hostname", .tcp, .dnsNotFound, in: .dns),
            Row("could not translate host name \"x\" to address: Temporary failure in name resolution", .tcp, .dnsResolverError, in: .dns),
            Row(prefix + "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?", .tcp, .tcpRefused),
            Row(prefix + "Connection timed out\n\tIs the server running on that host and accepting TCP/IP connections?", .tcp, .tcpTimeout),
            Row(prefix + "No route to host", .tcp, .tcpUnreachable),
            Row(prefix + "Network is unreachable", .tcp, .tcpUnreachable),
            Row(prefix + "timeout expired", .tcp, .tcpTimeout),
            Row(prefix + "timeout expired", .tls, .tlsHandshakeAborted),
            Row(
                prefix
                    + "server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally\n\tbefore or while processing the request.",
                .negotiate, .tcpReset),
            Row(prefix + "server closed the connection unexpectedly", .tls, .tlsHandshakeAborted),
            Row(prefix + "server closed the connection unexpectedly", .login, .serverUnavailable),
            Row(prefix + "could not receive data from server: Connection reset by peer", .negotiate, .tcpReset),
            Row(prefix + "SSL SYSCALL error: Connection reset by peer", .tls, .tlsHandshakeAborted),
            Row(prefix + "SSL SYSCALL error: EOF detected", .tls, .tlsHandshakeAborted),
            Row(prefix + "SSL error: unexpected eof while reading", .tls, .tlsHandshakeAborted),
            Row(prefix + "server does not support SSL, but SSL was required", .negotiate, .tlsNotNegotiated),
            Row(prefix + "received invalid response to SSL negotiation: H", .negotiate, .peerNotDatabase),
            Row(prefix + "received unencrypted data after SSL response", .negotiate, .protocolViolation),
            Row(prefix + "server sent an error response during SSL exchange", .negotiate, .serverUnavailable),
            Row(prefix + "SSL error: certificate verify failed", .tls, .tlsUntrustedIssuer),
            Row(
                prefix + "server certificate for \"other\" (and 2 other names) does not match host name \"orders\"", .tls, .tlsNameMismatch),
            Row(
                prefix
                    + "SSL error: wrong version number\nThis may indicate that the server does not support any SSL protocol version between TLSv1.2 and TLSv1.3.",
                .tls, .peerNotDatabase),
            Row(
                prefix
                    + "SSL error: tlsv1 alert protocol version\nThis may indicate that the server does not support any SSL protocol version between TLSv1.2 and TLSv1.3.",
                .tls, .tlsProtocolMismatch),
            Row(prefix + "SSL error: unsupported protocol", .tls, .tlsProtocolMismatch),
            Row(prefix + "SSL error: no protocols available", .tls, .tlsProtocolMismatch),
            Row(prefix + "SSL error: sslv3 alert handshake failure", .tls, .tlsProtocolMismatch),
            Row(prefix + "SSL error: tlsv1 alert internal error", .tls, .tlsHandshakeAborted),
            Row(prefix + "fe_sendauth: no password supplied", .login, .probeInternal),
            Row(prefix + "channel binding required but not supported by server's authentication request", .login, .authMethodUnexpected),
            Row(
                prefix + "authentication method requirement \"password\" failed: server requested SASL authentication", .login,
                .authMethodUnexpected),
            Row(prefix + "authentication method 7 not supported", .login, .authMethodUnexpected),
            Row(prefix + "expected authentication request from server, but received H", .login, .peerNotDatabase),
            Row("message contents do not agree with length in message type \"R\"", .login, .protocolViolation),
            Row("lost synchronization with server: got message type \"x\", length 70000", .query, .protocolViolation),
            Row("SSL error: decryption failed or bad record mac", .query, .protocolViolation),
            Row("SSL connection has been closed unexpectedly", .query, .connectionLost),
            Row("SSL SYSCALL error: EOF detected", .query, .connectionLost),
            Row("SSL SYSCALL error: Connection timed out", .query, .connectionLost),
            Row("no connection to the server", .query, .connectionLost),
            Row("out of memory", .login, .probeInternal),
            Row(prefix + "could not create socket: Too many open files", .tcp, .probeInternal),
            Row("a text of a later version", .login, .unclassified),
        ])
    func texts(row: Row) {
        let failure = Classifier.libpq(text: row.text, phase: row.phase, context: Fixture.context())
        #expect(failure.cause == row.cause)
        #expect(failure.phase == row.seenIn)
        #expect(failure.evidence.map(\.kind) == [.libpq])
    }

    @Test("Evidence shows what happened, without libpq's address and advice")
    func evidence() {
        let text = Self.prefix + "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?\n"
        #expect(Classifier.libpq(text: text, phase: .tcp, context: Fixture.context()).evidence.first?.text == "Connection refused")
    }

    @Test("A connection that ends at a token longer than the way takes is explained by its length")
    func longToken() {
        func cause(_ length: Int, _ port: Int) -> Cause {
            Classifier.libpq(
                text: "SSL connection has been closed unexpectedly", phase: .login,
                context: Fixture.context(tokenLength: length, port: port)
            ).cause
        }
        #expect(cause(70_000, 5432) == .tokenTooLarge)
        #expect(cause(2047, 6432) == .tokenTooLarge)
        #expect(cause(2046, 6432) == .serverUnavailable)
        #expect(cause(4000, 5432) == .serverUnavailable)
    }

    @Test("Pasted text without a password is a token that was not sent")
    func pasted() {
        let context = Fixture.context(isOwnProbe: false)
        #expect(Classifier.libpq(text: "fe_sendauth: no password supplied", phase: .login, context: context).cause == .tokenNotSent)
    }

    @Test("A failed connect's text is taken apart whatever the severity is called")
    func serverMessage() {
        let english = Classifier.serverMessage(
            in: Self.prefix + "FATAL:  28P01: password authentication failed for user \"x\"\nLOCATION:  auth_failed, auth.c:331\n")
        #expect(english.sqlState == "28P01")
        #expect(english.text == "password authentication failed for user \"x\"")
        let german = Classifier.serverMessage(in: Self.prefix + "SCHWERWIEGEND:  3D000: Datenbank »x« existiert nicht")
        #expect(german.sqlState == "3D000")
        let detailed = Classifier.serverMessage(
            in:
                "FATAL:  42501: permission denied for database \"d\"\nDETAIL:  User does not have CONNECT privilege.\nLOCATION:  CheckMyDatabase, postinit.c:400"
        )
        #expect(detailed.text == "permission denied for database \"d\" DETAIL:  User does not have CONNECT privilege.")
        let own = Classifier.serverMessage(in: Self.prefix + "Connection refused")
        #expect(own.sqlState == nil)
    }

    @Test("Of two messages in one text the first counts: the second is the retry without TLS")
    func firstMessage() {
        let text =
            Self.prefix + "FATAL:  28P01: password authentication failed for user \"x\"\n" + Self.prefix
            + "FATAL:  28000: no pg_hba.conf entry for host \"10.0.0.1\", user \"x\", database \"d\", no encryption"
        #expect(Classifier.connect(text: text, phase: .login, context: Fixture.context()).cause == .loginPrincipalUnknown)
    }

    @Test("A failed connect goes to the server's rules when there is a code, else to libpq's")
    func connect() {
        let context = Fixture.context()
        let server = Classifier.connect(
            text: Self.prefix + "FATAL:  57P03: the database system is starting up", phase: .login, context: context)
        #expect(server.cause == .serverUnavailable)
        #expect(server.evidence.first?.kind == .sqlstate)
        #expect(Classifier.connect(text: Self.prefix + "Connection refused", phase: .tcp, context: context).cause == .tcpRefused)
        #expect(Classifier.connect(text: "", phase: .login, context: context).cause == .unclassified)
    }

    @Test(
        "Garbage of any kind is classified without a trap",
        arguments: [
            "", ":", ": 28P01:", ":  28P01", "\u{0}\u{FFFD}", "failed: ", String(repeating: ": 00000: ", count: 1000),
            String(repeating: "a", count: 20_000),
            "tenant", "group id", "no pg_hba.conf", "cached error: cached error: cached error: ",
        ])
    func garbage(text: String) {
        for phase in [Phase.tcp, .login, .query] {
            let failure = Classifier.connect(text: text, phase: phase, context: Fixture.context())
            #expect(failure.evidence.allSatisfy { $0.text.unicodeScalars.count <= Redactor.limit })
            _ = Classifier.postgres(sqlState: "28000", text: text, phase: phase, context: Fixture.context())
        }
    }
}
