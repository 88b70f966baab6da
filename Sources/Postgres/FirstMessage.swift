// Judges the server's first message after the startup packet, before libpq may answer it.
//
// libpq 15 has no `require_auth`: it would answer SCRAM and MD5 requests by itself with the token as password. So the message is looked
// at inside the TLS layer first, and libpq goes on only for a clear-text request or an error.

/// What to do with the server's first message.
enum FirstMessage: Equatable {
    /// Not enough is there yet.
    case incomplete
    /// libpq may read and answer it.
    case proceed
    /// A request that the token must not answer.
    case refuse(AuthenticationRequest?)
    /// Not a message of the protocol, or split so that it cannot be judged.
    case violation

    /// - Parameter bytes: what lies at the start of the first record, at most ``wanted``.
    /// Source: PostgreSQL documentation, "Message Formats": type byte, length of 4 bytes, for `R` a code of 4 bytes.
    init(_ bytes: [UInt8]) {
        guard let type = bytes.first else {
            self = .incomplete
            return
        }
        switch type {
        case UInt8(ascii: "E"):
            // libpq takes a longer error for one of a protocol of the last century, and reads it to the first zero byte.
            // Source: PostgreSQL, fe-connect.c, PQconnectPoll, CONNECTION_AWAITING_RESPONSE.
            self = bytes.count < 5 || (8...30_000).contains(Self.integer(bytes[1..<5])) ? .proceed : .violation
        case UInt8(ascii: "R"):
            // TLS shows one record at a time: what is shorter now stays shorter. No server splits nine bytes.
            guard bytes.count >= Self.wanted else {
                self = .violation
                return
            }
            let length = Self.integer(bytes[1..<5])
            let code = Self.integer(bytes[5..<9])
            switch code {
            case _ where length < 8 || length > 2000: self = .violation
            case AuthenticationRequest.clearText: self = length == 8 ? .proceed : .violation
            case AuthenticationRequest.ok: self = .refuse(nil)
            default: self = .refuse(AuthenticationRequest(code: code))
            }
        default: self = .violation
        }
    }

    /// **Unit**: bytes.
    static let wanted = 9

    private static func integer(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }
}
