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
            switch row.meaning {
            case .cause(let cause, let certainty, let detail):
                return Failure(cause, during: place, certainty: certainty, detail: detail, evidence: [evidence])
            case .closed:
                if place == .login, context.exceedsTokenLimit {
                    return Failure(
                        .tokenTooLarge, during: place, certainty: .likely,
                        detail: "The server ended the connection at a token of \(context.tokenLength ?? 0) bytes.", evidence: [evidence])
                }
                return closed(phase: place, evidence: evidence)
            case .deadline:
                var failure = deadline(phase: place)
                failure.evidence = [evidence]
                return failure
            case .silence:
                var failure = errno(110, phase: place)
                failure.evidence = [evidence]
                return failure
            case .emptyToken:
                return context.isOwnProbe
                    ? Failure(.probeInternal, during: .login, detail: "The agent logged in without a token.", evidence: [evidence])
                    : Failure(.tokenNotSent, during: .login, evidence: [evidence])
            case .noLocalAddress:
                var failure = errno(99, phase: place, address: context.host)
                failure.evidence = [evidence]
                return failure
            }
        }
        switch phase {
        case .tls where message.matches("ssl"): return Failure(.tlsHandshakeAborted, during: .tls, certainty: .likely, evidence: [evidence])
        case .query, .privileges: return Failure(.connectionLost, during: phase, certainty: .likely, evidence: [evidence])
        default: return Failure(.unclassified, during: phase, evidence: [evidence])
        }
    }

    private enum Meaning {
        case cause(Cause, Failure.Certainty, String?)
        /// The peer went away; the phase decides.
        case closed
        /// A time limit; the phase decides.
        case deadline
        /// The system gave up on a peer that no longer answers; the phase decides.
        case silence
        case emptyToken, noLocalAddress
    }

    private struct LibPQRow {
        var patterns: [String]
        var meaning: Meaning
        /// Where this can only have happened; nil when the caller knows.
        var phase: Phase?

        init(_ patterns: String..., cause: Cause, at phase: Phase? = nil, certainty: Failure.Certainty = .certain, detail: String? = nil) {
            self.patterns = patterns
            meaning = .cause(cause, certainty, detail)
            self.phase = phase
        }

        init(_ patterns: String..., means meaning: Meaning, at phase: Phase? = nil) {
            self.patterns = patterns
            self.meaning = meaning
            self.phase = phase
        }
    }

    /// First hit wins.
    private static let libpqRows: [LibPQRow] = [
        // config
        LibPQRow(
            "root certificate file*does not exist", "could not read root certificate file", "could not load root certificate",
            "could not load system root certificate", cause: .configInvalid, at: .config,
            detail: "The file of trust anchors cannot be used."),
        LibPQRow(
            "invalid connection option", "invalid sslmode value", "invalid gssencmode value", "invalid channel_binding value",
            "invalid integer value", "invalid port number",
            "gssapi encryption required but was impossible", "could not parse network address", cause: .configInvalid, at: .config,
            detail: "libpq does not take a setting of the connection."),
        // dns
        LibPQRow("could not translate host name*temporary failure", cause: .dnsResolverError, at: .dns),
        LibPQRow("could not translate host name*non-recoverable failure", cause: .dnsResolverError, at: .dns),
        LibPQRow(
            "could not translate host name*name or service not known", "could not translate host name*no address associated",
            cause: .dnsNotFound, at: .dns),
        LibPQRow("could not translate host name", cause: .dnsResolverError, at: .dns, certainty: .likely),
        // negotiate
        LibPQRow(
            "received unencrypted data after ssl response", cause: .protocolViolation, at: .negotiate,
            detail: "Bytes were stuffed into the stream before TLS began."),
        LibPQRow(
            "server does not support ssl", cause: .tlsNotNegotiated, at: .negotiate,
            detail: "The peer refused TLS; the token was not sent."),
        LibPQRow("received invalid response to ssl negotiation", cause: .peerNotDatabase, at: .negotiate),
        LibPQRow(
            "server sent an error response during ssl exchange", cause: .serverUnavailable, at: .negotiate, certainty: .likely,
            detail: "The server answered the request for TLS with an error, whose text is withheld because it came unprotected."),
        // tls
        LibPQRow("certificate verify failed", cause: .tlsUntrustedIssuer, at: .tls, certainty: .likely),
        LibPQRow(
            "does not match host name", "server's host name from server certificate", "host name from server certificate",
            cause: .tlsNameMismatch, at: .tls),
        LibPQRow("wrong version number", cause: .peerNotDatabase, at: .tls, detail: "The peer agreed to TLS and then did not speak it."),
        LibPQRow(
            "ssl*protocol version", "ssl*unsupported protocol", "ssl*no protocols available", "ssl*handshake failure",
            "ssl*no shared cipher", "ssl*no ciphers available", "ssl*insufficient security", "ssl*inappropriate fallback",
            "does not support any ssl protocol version between", cause: .tlsProtocolMismatch, at: .tls),
        // login
        LibPQRow("no password supplied", means: .emptyToken, at: .login),
        LibPQRow(
            "authentication method requirement", "channel binding required", "channel binding*not supported", "scram", "sasl",
            "authentication method * not supported", "gssapi", "sspi", cause: .authMethodUnexpected, at: .login),
        LibPQRow("expected authentication request", cause: .peerNotDatabase, at: .login),
        LibPQRow(
            "message contents do not agree with length", "lost synchronization with server", "unexpected message from server",
            "unexpected response from server", "insufficient data in", "invalid message length", "message type 0x",
            "could not interpret result", cause: .protocolViolation),
        // tcp
        LibPQRow("connection refused", cause: .tcpRefused, at: .tcp),
        LibPQRow(
            "no route to host", "network is unreachable", "host is down", "address family not supported", cause: .tcpUnreachable, at: .tcp),
        LibPQRow("cannot assign requested address", means: .noLocalAddress, at: .tcp),
        LibPQRow("too many open files", "could not create socket", "out of memory", "could not set socket", cause: .probeInternal),
        LibPQRow("timeout expired", means: .deadline),
        LibPQRow("connection timed out", "operation timed out", means: .silence),
        LibPQRow(
            "permission denied", "operation not permitted", cause: .tcpUnreachable,
            detail: "A policy of this host does not let the agent connect."),
        // the end of a connection
        LibPQRow("no connection to the server", cause: .connectionLost, at: .query),
        LibPQRow(
            "server closed the connection unexpectedly", "connection has been closed", "eof detected", "unexpected eof",
            "connection reset", "broken pipe", "connection not open", "ssl syscall error", "could not receive data", "could not send",
            "terminating connection", means: .closed),
        LibPQRow(
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
