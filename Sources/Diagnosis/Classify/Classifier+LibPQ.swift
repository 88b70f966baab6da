// Causes of what libpq says by itself, and the reading of a failed connect's text.
// Source: fact sheet "PostgreSQL probe", sections 6, 7 and 9.

extension Classifier {
    /// The error of a failed connect: read, and given to ``postgres(sqlState:text:phase:context:)`` or ``libpq(text:phase:context:)``.
    /// - Parameter text: `PQerrorMessage` under `PQERRORS_VERBOSE`.
    package static func connect(text: String, phase: Phase, context: PostgresContext) -> Failure {
        let message = serverMessage(in: text)
        return message.sqlState == nil
            ? libpq(text: text, phase: phase, context: context)
            : postgres(sqlState: message.sqlState, text: message.text, phase: phase, context: context)
    }

    /// Takes a verbose message apart: `…failed: FATAL:  28P01: text`, with its `DETAIL` and `HINT`, without its `LOCATION`.
    ///
    /// The severity is translated by the server, so it is not relied on. The first message counts; a second one is a retry's.
    /// - Returns: no code and the whole text when the server said nothing.
    package static func serverMessage(in text: String) -> (sqlState: String?, text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
        for (index, line) in lines.enumerated() {
            guard let (code, first) = codeAndText(in: line) else { continue }
            var parts = [first]
            for next in lines[(index + 1)...] {
                // Details follow as `WORD:  text`; the source location and a second message do not belong to it.
                if next.hasPrefix("LOCATION:") || next.contains("failed: ") || codeAndText(in: next) != nil { break }
                parts.append(next)
            }
            return (code, parts.joined(separator: " "))
        }
        return (nil, text)
    }

    /// `[… failed: ]SEVERITY:  CODE: text`, two blanks after the severity in verbose form.
    private static func codeAndText(in line: String) -> (code: String, text: String)? {
        let bytes = Array(line.utf8)
        guard bytes.count > 7 else { return nil }
        // Search for ": " (one or two blanks), five of [0-9A-Z], ": ".
        var index = 0
        while index + 8 < bytes.count {
            defer { index += 1 }
            guard bytes[index] == 0x3A, bytes[index + 1] == 0x20 else { continue }
            var start = index + 2
            if bytes[start] == 0x20 { start += 1 }
            guard start + 6 < bytes.count, bytes[start + 5] == 0x3A, bytes[start + 6] == 0x20 else { continue }
            let code = bytes[start..<start + 5]
            guard code.allSatisfy({ (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) }), code.contains(where: { $0 < 0x41 }) else {
                continue
            }
            return (String(decoding: code, as: UTF8.self), String(decoding: bytes[(start + 7)...], as: UTF8.self))
        }
        return nil
    }

    /// A text of libpq itself.
    /// - Parameter phase: how far the connection had got; texts that belong to one place override it.
    package static func libpq(text: String, phase: Phase, context: PostgresContext) -> Failure {
        let message = ForeignText(text)
        let evidence = Evidence(.libpq, text: ownPart(of: text))
        if let row = libpqRows.first(where: { message.matchesAny($0.patterns) }) {
            let place = row.phase ?? phase
            if case .closed = row.meaning, place == .login, context.exceedsTokenLimit {
                return Failure(
                    .tokenTooLarge, during: place, certainty: .likely,
                    detail: "The server ended the connection at a token of \(context.tokenLength ?? 0) bytes.", evidence: [evidence])
            }
            return failure(of: row.meaning, place, evidence, host: context.host) { meaning in
                switch meaning {
                case .emptyToken:
                    context.isOwnProbe
                        ? Failure(.probeInternal, during: .login, detail: "The agent logged in without a token.")
                        : Failure(.tokenNotSent, during: .login)
                }
            }
        }
        switch phase {
        case .tls where message.matches("ssl"): return Failure(.tlsHandshakeAborted, during: .tls, certainty: .likely, evidence: [evidence])
        case .query, .privileges: return Failure(.connectionLost, during: phase, certainty: .likely, evidence: [evidence])
        default: return Failure(.unclassified, during: phase, evidence: [evidence])
        }
    }

    private enum LibPQMeaning { case emptyToken }

    /// First hit wins.
    private static let libpqRows: [LibraryTextRow<LibPQMeaning>] = [
        // config
        LibraryTextRow(
            "root certificate file*does not exist", "could not read root certificate file", "could not load root certificate",
            "could not load system root certificate", cause: .configInvalid, at: .config,
            detail: "The file of trust anchors cannot be used."),
        LibraryTextRow(
            "invalid connection option", "invalid sslmode value", "invalid gssencmode value", "invalid channel_binding value",
            "invalid integer value", "invalid port number",
            "gssapi encryption required but was impossible", "could not parse network address", cause: .configInvalid, at: .config,
            detail: "libpq does not take a setting of the connection."),
        // dns
        LibraryTextRow("could not translate host name*temporary failure", cause: .dnsResolverError, at: .dns),
        LibraryTextRow("could not translate host name*non-recoverable failure", cause: .dnsResolverError, at: .dns),
        LibraryTextRow(
            "could not translate host name*name or service not known", "could not translate host name*no address associated",
            cause: .dnsNotFound, at: .dns),
        LibraryTextRow("could not translate host name", cause: .dnsResolverError, at: .dns, certainty: .likely),
        // negotiate
        LibraryTextRow(
            "received unencrypted data after ssl response", cause: .protocolViolation, at: .negotiate,
            detail: "Bytes were stuffed into the stream before TLS began."),
        LibraryTextRow(
            "server does not support ssl", cause: .tlsNotNegotiated, at: .negotiate,
            detail: "The peer refused TLS; the token was not sent."),
        LibraryTextRow("received invalid response to ssl negotiation", cause: .peerNotDatabase, at: .negotiate),
        LibraryTextRow(
            "server sent an error response during ssl exchange", cause: .serverUnavailable, at: .negotiate, certainty: .likely,
            detail: "The server answered the request for TLS with an error, whose text is withheld because it came unprotected."),
        // tls
        LibraryTextRow("certificate verify failed", cause: .tlsUntrustedIssuer, at: .tls, certainty: .likely),
        LibraryTextRow(
            "does not match host name", "server's host name from server certificate", "host name from server certificate",
            cause: .tlsNameMismatch, at: .tls),
        LibraryTextRow(
            "wrong version number", cause: .peerNotDatabase, at: .tls, detail: "The peer agreed to TLS and then did not speak it."),
        LibraryTextRow(
            "ssl*protocol version", "ssl*unsupported protocol", "ssl*no protocols available", "ssl*handshake failure",
            "ssl*no shared cipher", "ssl*no ciphers available", "ssl*insufficient security", "ssl*inappropriate fallback",
            "does not support any ssl protocol version between", cause: .tlsProtocolMismatch, at: .tls),
        // login
        LibraryTextRow("no password supplied", means: .own(.emptyToken), at: .login),
        LibraryTextRow(
            "authentication method requirement", "channel binding required", "channel binding*not supported", "scram", "sasl",
            "authentication method * not supported", "gssapi", "sspi", cause: .authMethodUnexpected, at: .login),
        LibraryTextRow("expected authentication request", cause: .peerNotDatabase, at: .login),
        LibraryTextRow(
            "message contents do not agree with length", "lost synchronization with server", "unexpected message from server",
            "unexpected response from server", "insufficient data in", "invalid message length", "message type 0x",
            "could not interpret result", cause: .protocolViolation),
        // tcp
        LibraryTextRow("connection refused", cause: .tcpRefused, at: .tcp),
        LibraryTextRow(
            "no route to host", "network is unreachable", "host is down", "address family not supported", cause: .tcpUnreachable, at: .tcp),
        LibraryTextRow("cannot assign requested address", means: .errno(99), at: .tcp),
        LibraryTextRow("too many open files", "could not create socket", "out of memory", "could not set socket", cause: .probeInternal),
        LibraryTextRow("timeout expired", means: .deadline),
        LibraryTextRow("connection timed out", "operation timed out", means: .errno(110)),
        LibraryTextRow(
            "permission denied", "operation not permitted", cause: .tcpUnreachable,
            detail: "A policy of this host does not let the agent connect."),
        // the end of a connection
        LibraryTextRow("no connection to the server", cause: .connectionLost, at: .query),
        LibraryTextRow(
            "server closed the connection unexpectedly", "connection has been closed", "eof detected", "unexpected eof",
            "connection reset", "broken pipe", "connection not open", "ssl syscall error", "could not receive data", "could not send",
            "terminating connection", means: .closed),
        LibraryTextRow(
            "bad record mac", "decryption failed", "packet length too long", "record layer failure", "record too small",
            cause: .protocolViolation, at: nil),
    ]

    /// The text without libpq's address prefix and its lines of advice, so that evidence shows what happened.
    private static func ownPart(of text: String) -> String {
        let lines = text.split(separator: "\n").map(String.init)
        let useful = lines.filter { line in
            !line.hasPrefix("\tIs the server running") && !line.hasPrefix("\tThis probably means")
                && !line.hasPrefix("\tbefore or while processing")
        }
        // Only advice, or nothing: then that is all there is to see.
        let joined = useful.isEmpty ? text : useful.joined(separator: " ")
        guard joined.hasPrefix("connection to server"), let own = ForeignTextSplit.after(" failed: ", in: joined) else { return joined }
        return own.isEmpty ? joined : own
    }
}

/// Splitting at a marker.
enum ForeignTextSplit {
    /// What stands behind the first occurrence of `marker`.
    static func after(_ marker: String, in text: String) -> String? {
        let bytes = Array(text.utf8)
        let needle = Array(marker.utf8)
        guard bytes.count >= needle.count else { return nil }
        for first in 0...(bytes.count - needle.count) where bytes[first..<first + needle.count].elementsEqual(needle) {
            return String(decoding: bytes[(first + needle.count)...], as: UTF8.self)
        }
        return nil
    }
}
