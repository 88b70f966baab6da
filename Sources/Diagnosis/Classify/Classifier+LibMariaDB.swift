// Causes of what libmariadb says by itself. Its numbers lie (2026 after the login is a lost connection, 2002 may hide a server's refusal), so
// the text comes first. Source: fact sheet "MySQL probe", section 5.

extension Classifier {
    /// An error of the library, from 2000 to 2999 or from 5000 to 5999.
    /// - Parameter phase: how far the connection had got; texts that belong to one place override it.
    package static func libmariadb(number: Int, text: String, phase: Phase, context: MySQLContext) -> Failure {
        let message = ForeignText(text)
        let evidence = Evidence(.libmariadb, code: number, text: text)
        let isSession = phase == .query || phase == .privileges
        let row = libmariadbRows.first { message.matchesAny($0.patterns) }
        if let meaning = row?.meaning ?? libmariadbNumbers[number] {
            return failure(of: meaning, row?.phase ?? phase, evidence, host: context.host) { meaning in
                switch meaning {
                case .otherPlugin: Failure(.authMethodUnexpected, during: row?.phase ?? phase, detail: otherPlugin(context))
                }
            }
        }
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
        /// The server asked for a plugin that the client does not let it have.
        case otherPlugin
    }

    /// The library refuses a plugin before and after the token alike: a client may send the token with its first packet, unasked.
    private static func otherPlugin(_ context: MySQLContext) -> String {
        let asked = "The server asks for another plugin than the client allows"
        guard context.isOwnProbe else { return asked + "; whether the token had left by then, this text does not tell." }
        return asked + (context.sentToken ? ", and had the token by then." : "; the token was not sent.")
    }

    private static let libmariadbNumbers: [Int: LibraryMeaning<LibMariaDBMeaning>] = [
        2006: .closed, 2013: .closed, 2055: .closed,
        2008: .cause(.probeInternal, .certain, "The client library has no memory."),
        2014: .cause(.probeInternal, .certain, nil), 2058: .cause(.probeInternal, .certain, nil),
        2020: .cause(.protocolViolation, .certain, "The server sent a packet that is larger than a probe takes."),
        2059: .cause(.configInvalid, .likely, "The client library lacks a plugin."),
        5010: .own(.otherPlugin),
    ]

    /// First hit wins.
    private static let libmariadbRows: [LibraryTextRow<LibMariaDBMeaning>] = [
        // config
        LibraryTextRow(
            "plugin*could not be loaded", "plugin*cannot be loaded", cause: .configInvalid, at: .config,
            detail: "The client library lacks a plugin."),
        LibraryTextRow("no cipher match", cause: .configInvalid, at: .config, detail: "The configured ciphers are unknown here."),
        LibraryTextRow(
            "no such file or directory", cause: .configInvalid, at: .config, detail: "A file of the configuration is not there."),
        // dns
        LibraryTextRow("unknown*server host*(-3)", "unknown*server host*(-4)", cause: .dnsResolverError, at: .dns),
        LibraryTextRow("unknown*server host", cause: .dnsNotFound, at: .dns),
        // tcp
        LibraryTextRow("connect to*(111)", "connection refused", means: .errno(111), at: .tcp),
        LibraryTextRow("connect to*(110)", means: .errno(110), at: .tcp),
        LibraryTextRow("connect to*(113)", "no route to host", means: .errno(113), at: .tcp),
        LibraryTextRow("connect to*(101)", "network is unreachable", means: .errno(101), at: .tcp),
        // The number in the text is that of a connection under way and means nothing.
        LibraryTextRow("can't connect to*server", cause: .tcpRefused, at: .tcp, certainty: .likely),
        // tls
        LibraryTextRow(
            "ssl is required*server does not support", cause: .tlsNotNegotiated, at: .negotiate,
            detail: "The peer offers no TLS; neither the name nor the token was sent."),
        LibraryTextRow("certificate has expired", "certificate is not yet valid", cause: .tlsCertValidity, at: .tls),
        LibraryTextRow("validation of ssl server certificate failed", "hostname mismatch", cause: .tlsNameMismatch, at: .tls),
        LibraryTextRow(
            "self-signed certificate", "self signed certificate", "unable to get local issuer certificate", "certificate verify failed",
            "unable to verify the first certificate", "unable to get issuer certificate", cause: .tlsUntrustedIssuer, at: .tls),
        LibraryTextRow(
            "wrong version number", cause: .peerNotDatabase, at: .tls, detail: "The peer agreed to TLS and then did not speak it."),
        LibraryTextRow(
            "alert protocol version", "unsupported protocol", "no protocols available", "handshake failure", "no shared cipher",
            "insufficient security", "inappropriate fallback", "no ciphers available", cause: .tlsProtocolMismatch, at: .tls),
        // login
        LibraryTextRow("restricted_auth", means: .own(.otherPlugin), at: .login),
        LibraryTextRow("plugin not enabled", "cleartext", cause: .tokenNotSent, at: .login),
        LibraryTextRow("local infile", cause: .protocolViolation, detail: "The server asked for a file of this host; it got none."),
        // the end of a connection
        LibraryTextRow("connection timed out", "operation timed out", "(110)", means: .deadline),
        LibraryTextRow("bad record mac", "decryption failed", "packet length too long", "record layer failure", cause: .protocolViolation),
        LibraryTextRow(
            "unexpected eof", "connection reset", "broken pipe", "lost connection", "gone away", "(104)", "(32)", means: .closed),
    ]
}
