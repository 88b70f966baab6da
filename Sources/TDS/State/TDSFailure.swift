// Why the client did not do what it was asked: one value for every phase, with what the server said.

/// A step of a connection. Every step is timed apart.
public enum TDSPhase: String, Sendable, Hashable, CaseIterable, Codable {
    /// The name became addresses.
    case name
    case tcp
    /// PRELOGIN: both sides agree on encryption.
    case negotiate
    case tls
    /// From LOGIN7 to the end of the server's answer.
    case login
    case query
}

/// How long a step took, the failed one included.
public struct TDSTiming: Sendable, Hashable {
    public var phase: TDSPhase
    /// 0 for the server that was asked for, 1 after a redirect.
    public var hop: Int
    public var duration: Duration

    public init(_ phase: TDSPhase, hop: Int = 0, duration: Duration) {
        self.phase = phase
        self.hop = hop
        self.duration = duration
    }
}

/// Why a connection or a request failed. Safe to print: where the server quotes the token it was shown, `<redacted>` stands instead.
public struct TDSFailure: Error, Sendable, Hashable, CustomStringConvertible {
    public var cause: Cause
    /// How far the attempt got.
    public var phase: TDSPhase
    /// One sentence with the particulars.
    public var detail: String
    /// Everything the server said, in its order; `message` picks the most telling one.
    public var messages: [TDSServerMessage]
    /// The bytes that could not be understood, at most 32.
    public var bytes: [UInt8]
    /// The error of the operating system, where one is known.
    public var errno: Int32?
    /// The certificate that was refused, as it came (DER).
    public var certificate: [UInt8]?
    /// Address and port of the server, once it is known.
    public var address: String?
    /// Of an attempt to connect: 0 for the server that was asked for, 1 after a redirect. A request leaves it at 0.
    public var hop = 0
    /// Of an attempt to connect: the steps up to and with the failed one.
    public var timings: [TDSTiming] = []
    /// What was learned before it failed.
    public var facts: TDSFacts?
    /// Of the addresses of the same name that were tried before the last one, in their order.
    public var earlier: [TDSFailure] = []

    public init(
        _ cause: Cause, during phase: TDSPhase, _ detail: String, messages: [TDSServerMessage] = [], bytes: [UInt8] = [],
        errno: Int32? = nil,
        certificate: [UInt8]? = nil
    ) {
        self.cause = cause
        self.phase = phase
        self.detail = detail
        self.messages = messages
        self.bytes = bytes
        self.errno = errno
        self.certificate = certificate
    }

    /// A closed list, so that a `switch` over it is complete.
    public enum Cause: String, Sendable, Hashable, CaseIterable, Codable {
        case nameNotFound = "name_not_found"
        case refused
        /// No way to an address; during `name`, the name service itself does not answer.
        case unreachable
        /// The deadline passed; `phase` says where.
        case timedOut = "timed_out"
        /// The calling task was cancelled.
        case cancelled
        /// The connection ended, politely or not, or has ended before; `detail` says by whom.
        case closed
        /// What answers is no SQL Server.
        case notSQLServer = "not_sql_server"
        /// The server does not encrypt everything; no token was sent.
        case encryptionRefused = "encryption_refused"
        case certificateUntrusted = "certificate_untrusted"
        /// The certificate is not valid yet or not any more.
        case certificateExpired = "certificate_expired"
        case certificateNameMismatch = "certificate_name_mismatch"
        case tlsFailed = "tls_failed"
        /// The server said no; `message` has number and state.
        case loginRefused = "login_refused"
        /// The gateway sends the client where it must not go.
        case redirectRefused = "redirect_refused"
        case protocolViolation = "protocol_violation"
        /// The peer sends more than the limits allow.
        case tooLarge = "too_large"
        /// The statement failed; the connection goes on unless the error is of class 20 or more.
        case requestFailed = "request_failed"
        /// The call itself is wrong: a parameter without name, a second request at the same time, a closed connection.
        case misuse
    }

    /// The message that tells most: of several errors the most specific one, because the last is often only "login failed".
    public var message: TDSServerMessage? { Self.mostTelling(of: messages) }

    public var description: String {
        let said = message.map { " The server says: \($0)" } ?? ""
        return "\(cause.rawValue) during \(phase.rawValue): \(detail)\(said)"
    }

    /// A database that cannot be opened gives 4060 and then 18456. **Source**: python-tds.
    static func mostTelling(of messages: [TDSServerMessage]) -> TDSServerMessage? {
        let errors = messages.filter { $0.class > 10 }
        let candidates = errors.isEmpty ? messages : errors
        func rank(_ message: TDSServerMessage) -> Int {
            if let place = ranked.firstIndex(of: message.number) { return place }
            return message.number == 18456 ? ranked.count + 2 : (33_000..<34_000).contains(message.number) ? ranked.count + 1 : ranked.count
        }
        return candidates.enumerated().min { (rank($0.element), $0.offset) < (rank($1.element), $1.offset) }?.element
    }

    private static let ranked: [Int32] = [
        47073, 47072, 40615, 40914, 40635, 42119, 40613, 40532, 40501, 10928, 10929, 10936, 49918, 49919, 49920, 4060, 4064, 916,
    ]

    /// What a broken rule of the format means in the given phase.
    init(_ error: WireError, during phase: TDSPhase) {
        switch error.reason {
        case .beyondLimit: self.init(.tooLarge, during: phase, "The server sends too much: \(error).", bytes: error.evidence)
        default:
            // Before the login nothing proves that a server of this kind is there at all.
            let cause: Cause = phase == .negotiate ? .notSQLServer : .protocolViolation
            self.init(cause, during: phase, "The server breaks the rules of its protocol: \(error).", bytes: error.evidence)
        }
    }
}

/// What a connection learned about its server.
public struct TDSFacts: Sendable, Hashable {
    /// From PRELOGIN: the version of the gateway or server.
    public var preloginVersion: String?
    /// Whether the server asks for token logins (FEDAUTHREQUIRED).
    public var requiresToken: Bool?
    /// `TLSv1.2` and the like.
    public var tlsVersion: String?
    /// The certificate that was verified, as it came (DER).
    public var certificate: [UInt8]?
    /// From LOGINACK: `Microsoft SQL Server` and `12.0.2000`.
    public var program: String?
    public var version: String?
    /// The database the session is in.
    public var database: String?
    /// **Unit**: bytes.
    public var packetSize: Int?
    /// The server's process id, as `@@SPID`.
    public var processID: Int?
    public var localAddress: String?
    public var remoteAddress: String?
    /// The id under which the server's logs know this connection.
    public var traceID: String?
    /// Where a gateway sent this client, `host:port`.
    public var redirectedTo: String?
    /// Notices of the login (INFO).
    public var notices: [TDSServerMessage] = []

    public init() {}
}

/// A bearer token. No text form of it shows more than `<redacted>`.
public struct TDSAccessToken: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// UTF-16LE, as it travels.
    package let bytes: SensitiveBytes

    public init(_ token: String) {
        var writer = ByteWriter()
        writer.text(token)
        bytes = SensitiveBytes(writer.bytes)
    }

    public var description: String { "<redacted>" }
    public var debugDescription: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
