// How a step of a MySQL connection can end badly: what was seen, not yet what it means.
package import Certificates
package import Diagnosis

/// What a step of a connection ran into. `Probes` turns it into a cause, with the token's claims at hand.
package enum MariaDBFailure: Error, Sendable {
    case wait(WaitFailure)
    /// No thread came free before the deadline, so the server was not asked and is not to blame.
    case unasked
    /// The socket's own error.
    case socket(Int32)
    /// The peer closed the connection before it said anything, or in the middle of its greeting. **Shape**: what came, at most 16 bytes.
    case closed([UInt8])
    /// What came first is no greeting. **Shape**: the first bytes, at most 16.
    case greeting(GreetingFailure, bytes: [UInt8])
    /// The server offers no TLS, or none of what a login needs; nothing was sent.
    case unable(String)
    /// The certificate was refused; neither name nor token was sent.
    case certificate(CertificateRefusal)
    /// The server refused, or the library gave up; the number tells which. **Source**: errmsg.h, numbers from 2000 are the library's.
    case library(MariaDBError)
    /// The server asked for something else than a clear-text password, and the token was not sent. `plugin` is nil when the server let the user in
    /// without asking; `answer` is what it said to an answer without a password.
    case authentication(plugin: String?, answer: MariaDBError?)
    /// The server got the token and then asked for a password by `plugin`, so the token did not open the account. `answer` is what it said
    /// to an answer without a password; nil when it let the user in.
    case turnedAway(plugin: String, answer: MariaDBError?)
    /// What the protocol does not allow at this point.
    case violation(String, bytes: [UInt8])
    /// More bytes than a probe may read.
    case budget(Int)
    /// The client library or a file it needs cannot be used.
    case unusable(Failure)
}

/// A refusal in the words of the library or the server, as they came.
package struct MariaDBError: Error, Sendable, Hashable {
    package var number: Int
    package var sqlState: String?
    package var text: String
    /// Whether the token had been sent by then.
    package var sentToken: Bool

    package init(number: Int, sqlState: String? = nil, text: String, sentToken: Bool) {
        self.number = number
        self.sqlState = sqlState
        self.text = text
        self.sentToken = sentToken
    }
}
