// Causes of what libmariadb says by itself. Its numbers lie (2026 after the login is a lost connection, 2002 may hide a server's refusal), so
// the text comes first. Source: fact sheet "MySQL probe", section 5.

extension Classifier {
    /// An error of the library, from 2000 to 2999 or from 5000 to 5999.
    /// - Parameter phase: how far the connection had got; texts that belong to one place override it.
    package static func libmariadb(number: Int, text: String, phase: Phase, context: MySQLContext) -> Failure {
        let message = ForeignText(text)
        let evidence = Evidence(.libmariadb, code: number, text: text)
        let isSession = phase == .query || phase == .privileges
        if let row = libmariadbRows.first(where: { message.matchesAny($0.patterns) }) {
            return failure(of: row.meaning, row.phase ?? phase, evidence, context)
        }
        if let row = libmariadbNumbers[number] { return failure(of: row, phase, evidence, context) }
        switch number {
        // Not what the protocol allows: before the login it is not this kind of server, after it the server is broken.
        case 2000, 2007, 2012, 2027:
            return Failure(
                phase == .login || isSession ? .protocolViolation : .peerNotDatabase, during: phase, certainty: .likely,
                evidence: [evidence])
        case 2026 where phase == .tls: return Failure(.tlsHandshakeAborted, during: phase, certainty: .likely, evidence: [evidence])
        case 2026: return closed(phase: phase, evidence: evidence)
        default: return Failure(.unclassified, during: phase, evidence: [evidence])
        }
    }

    private enum LibMariaDBMeaning {
        case cause(Cause, Failure.Certainty, String?)
        /// The peer went away; the phase decides.
        case closed
        /// A time limit; the phase decides.
        case deadline
        /// A number of the system; the phase decides.
        case errno(Int32)
    }

    private static func failure(
        of meaning: LibMariaDBMeaning, _ phase: Phase, _ evidence: Evidence, _ context: MySQLContext
    ) -> Failure {
        var failure: Failure
        switch meaning {
        case .cause(let cause, let certainty, let detail): failure = Failure(cause, during: phase, certainty: certainty, detail: detail)
        case .closed: failure = closed(phase: phase)
        case .deadline: failure = deadline(phase: phase)
        case .errno(let code): failure = errno(code, phase: phase, address: context.host)
        }
        failure.evidence = [evidence]
        return failure
    }

    private struct LibMariaDBRow {
        var patterns: [String]
        var meaning: LibMariaDBMeaning
        /// Where this can only have happened; nil when the caller knows.
        var phase: Phase?

        init(_ patterns: String..., cause: Cause, at phase: Phase? = nil, certainty: Failure.Certainty = .certain, detail: String? = nil) {
            self.patterns = patterns
            meaning = .cause(cause, certainty, detail)
            self.phase = phase
        }

        init(_ patterns: String..., means meaning: LibMariaDBMeaning, at phase: Phase? = nil) {
            self.patterns = patterns
            self.meaning = meaning
            self.phase = phase
        }
    }

    private static let libmariadbNumbers: [Int: LibMariaDBMeaning] = [
        2006: .closed, 2013: .closed, 2055: .closed,
        2008: .cause(.probeInternal, .certain, "The client library has no memory."),
        2014: .cause(.probeInternal, .certain, nil), 2058: .cause(.probeInternal, .certain, nil),
        2020: .cause(.protocolViolation, .certain, "The server sent a packet that is larger than a probe takes."),
        2059: .cause(.configInvalid, .likely, "The client library lacks a plugin."),
        5010: .cause(.authMethodUnexpected, .certain, "The server asks for another plugin than the one for tokens; nothing was sent."),
    ]

    /// First hit wins.
    private static let libmariadbRows: [LibMariaDBRow] = [
        // config
        LibMariaDBRow(
            "plugin*could not be loaded", "plugin*cannot be loaded", cause: .configInvalid, at: .config,
            detail: "The client library lacks a plugin."),
        LibMariaDBRow("no cipher match", cause: .configInvalid, at: .config, detail: "The configured ciphers are unknown here."),
        LibMariaDBRow("no such file or directory", cause: .configInvalid, at: .config, detail: "A file of the configuration is not there."),
        // dns
        LibMariaDBRow("unknown*server host*(-3)", "unknown*server host*(-4)", cause: .dnsResolverError, at: .dns),
        LibMariaDBRow("unknown*server host", cause: .dnsNotFound, at: .dns),
        // tcp
        LibMariaDBRow("connect to*(111)", "connection refused", means: .errno(111), at: .tcp),
        LibMariaDBRow("connect to*(110)", means: .errno(110), at: .tcp),
        LibMariaDBRow("connect to*(113)", "no route to host", means: .errno(113), at: .tcp),
        LibMariaDBRow("connect to*(101)", "network is unreachable", means: .errno(101), at: .tcp),
        // The number in the text is that of a connection under way and means nothing.
        LibMariaDBRow("can't connect to*server", cause: .tcpRefused, at: .tcp, certainty: .likely),
        // tls
        LibMariaDBRow(
            "ssl is required*server does not support", cause: .tlsNotNegotiated, at: .negotiate,
            detail: "The peer offers no TLS; nothing was sent."),
        LibMariaDBRow("certificate has expired", "certificate is not yet valid", cause: .tlsCertValidity, at: .tls),
        LibMariaDBRow("validation of ssl server certificate failed", "hostname mismatch", cause: .tlsNameMismatch, at: .tls),
        LibMariaDBRow(
            "self-signed certificate", "self signed certificate", "unable to get local issuer certificate", "certificate verify failed",
            "unable to verify the first certificate", "unable to get issuer certificate", cause: .tlsUntrustedIssuer, at: .tls),
        LibMariaDBRow(
            "wrong version number", cause: .peerNotDatabase, at: .tls, detail: "The peer agreed to TLS and then did not speak it."),
        LibMariaDBRow(
            "alert protocol version", "unsupported protocol", "no protocols available", "handshake failure", "no shared cipher",
            "insufficient security", "inappropriate fallback", "no ciphers available", cause: .tlsProtocolMismatch, at: .tls),
        // login
        LibMariaDBRow(
            "restricted_auth", cause: .authMethodUnexpected, at: .login,
            detail: "The server asks for another plugin than the one for tokens; nothing was sent."),
        LibMariaDBRow("plugin not enabled", "cleartext", cause: .tokenNotSent, at: .login),
        LibMariaDBRow("local infile", cause: .protocolViolation, detail: "The server asked for a file of this host; it got none."),
        // the end of a connection
        LibMariaDBRow("connection timed out", "operation timed out", "(110)", means: .deadline),
        LibMariaDBRow("bad record mac", "decryption failed", "packet length too long", "record layer failure", cause: .protocolViolation),
        LibMariaDBRow(
            "unexpected eof", "connection reset", "broken pipe", "lost connection", "gone away", "(104)", "(32)", means: .closed),
    ]
}
