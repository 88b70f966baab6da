// How a step of a PostgreSQL connection can end badly: what was seen, not yet what it means.
package import Diagnosis

/// What a step of a connection ran into. `Probes` turns it into a cause, with the token's claims at hand.
package enum PostgresFailure: Error, Sendable {
    case wait(WaitFailure)
    /// The socket's own error, before libpq looked.
    case socket(Int32)
    /// The peer closed the connection before it said anything.
    case closed
    /// The peer answered the wish for TLS with something else than yes. **Shape**: the first bytes, at most 16.
    case negotiation([UInt8], text: String)
    /// libpq gave up.
    case library(PostgresError)
    /// The server asked for something else than a clear-text password; nothing was sent. `nil`: it asked for nothing.
    case authentication(AuthenticationRequest?)
    /// Bytes that the protocol does not allow at this point. **Shape**: the first bytes, at most 16.
    case violation([UInt8], text: String)
    /// More bytes than a probe may read.
    case budget(Int)
}

/// A refusal in the words of libpq or the server.
package struct PostgresError: Error, Sendable, Hashable {
    /// Nil when the text is libpq's own.
    package var sqlState: String?
    package var text: String
    package var detail: String?
    package var hint: String?
    /// Whether the server had asked for a password by then: splits refusals before from those after the token.
    package var usedPassword: Bool

    package init(sqlState: String?, text: String, detail: String? = nil, hint: String? = nil, usedPassword: Bool) {
        self.sqlState = sqlState
        self.text = text
        self.detail = detail
        self.hint = hint
        self.usedPassword = usedPassword
    }

    /// Takes the verbose text of a failed connect apart.
    ///
    /// **Source**: libpq with `PQERRORS_VERBOSE` writes `SEVERITY:  SQLSTATE: text`, then `DETAIL:`, `HINT:`, `LOCATION:` lines; the
    /// severity is localised, so its word is not looked at. Only the first message counts.
    package init(connectionMessage message: String, usedPassword: Bool) {
        var sqlState: String?
        var text = ""
        var detail: String?
        var hint: String?
        for (index, line) in message.split(separator: "\n", omittingEmptySubsequences: true).enumerated() {
            if index == 0 {
                (sqlState, text) = Self.firstLine(String(line))
            } else if line.hasPrefix("LOCATION:") {
                break
            } else if let rest = Self.rest(of: line, after: "DETAIL:") {
                detail = rest
            } else if let rest = Self.rest(of: line, after: "HINT:") {
                hint = rest
            } else if sqlState == nil {
                text += " " + line.drop { $0 == "\t" || $0 == " " }
            }
        }
        self.init(sqlState: sqlState, text: text, detail: detail, hint: hint, usedPassword: usedPassword)
    }

    private static func rest(of line: Substring, after word: String) -> String? {
        guard line.hasPrefix(word) else { return nil }
        return String(line.dropFirst(word.count).drop { $0 == " " })
    }

    /// Cuts `connection to server at … failed: ` off and finds `XXXXX: ` behind the severity.
    private static func firstLine(_ line: String) -> (String?, String) {
        var body = line[...]
        if body.hasPrefix("connection to server"), let end = body.firstRange(of: " failed: ") { body = body[end.upperBound...] }
        if let colon = body.firstIndex(of: ":") {
            let candidate = body[body.index(after: colon)...].drop { $0 == " " }
            let state = candidate.prefix(5)
            if state.utf8.count == 5, candidate.dropFirst(5).hasPrefix(": "),
                state.utf8.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || ($0 >= 0x41 && $0 <= 0x5A) })
            {
                return (String(state), String(candidate.dropFirst(7)))
            }
        }
        return (nil, String(body))
    }
}

/// What a server can ask for in place of a clear-text password.
/// Source: PostgreSQL documentation, "Message Formats", AuthenticationXXX.
package struct AuthenticationRequest: Sendable, Hashable, CustomStringConvertible {
    package var code: UInt32

    package init(code: UInt32) { self.code = code }

    package static let ok: UInt32 = 0
    package static let clearText: UInt32 = 3

    package var description: String {
        switch code {
        case 2: "Kerberos V5"
        case 5: "an MD5 password"
        case 7: "GSSAPI"
        case 9: "SSPI"
        case 10: "SCRAM (SASL)"
        default: "authentication request \(code)"
        }
    }
}
