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
    /// The server asked for something else than a clear-text password; the token was not sent. `nil`: it asked for nothing.
    case authentication(AuthenticationRequest?)
    /// Bytes that the protocol does not allow at this point. **Shape**: the first bytes, at most 16.
    case violation([UInt8], text: String)
    /// More bytes than a probe may read.
    case budget(Int)
}

/// A refusal in the words of libpq or the server, as they came.
package struct PostgresError: Error, Sendable, Hashable {
    /// Known for a refused statement; the text of a failed connect carries its code inside (`PQERRORS_VERBOSE`).
    package var sqlState: String?
    package var text: String
    /// Whether the server had asked for a password by then: splits refusals before from those after the token.
    package var usedPassword: Bool

    package init(sqlState: String?, text: String, usedPassword: Bool) {
        self.sqlState = sqlState
        self.text = text
        self.usedPassword = usedPassword
    }

    /// Whether libpq refused the peer's certificate, for a reason it does not tell.
    package var isCertificateRefusal: Bool {
        sqlState == nil && (text.contains("certificate verify failed") || text.contains("server certificate for \""))
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
