// What a caller chooses: the server, the trust, the limits.

public import NIOCore
public import NIOPosix

/// A database on a server, by name.
public struct TDSTarget: Sendable, Hashable {
    /// The name that is looked up, sent to the gateway and compared with the certificate. An IP address is refused: no certificate could be verified.
    public var host: String
    public var port: Int
    /// Never left to the server: without one the login would land in `master`, so a login without one is refused here.
    public var database: String
    /// Where `host` is, when the caller has looked it up itself; IP addresses, best first.
    public var addresses: [String]

    public init(host: String, port: Int = 1433, database: String, addresses: [String] = []) {
        self.host = host
        self.port = port
        self.database = database
        self.addresses = addresses
    }
}

/// How to connect.
public struct TDSOptions: Sendable {
    public var trust: TDSTrust
    public var encryption = Encryption.mandatory
    /// `program_name` in the server's views.
    public var applicationName = "swift-tds"
    /// The name of this machine in the server's views; empty is allowed, and 60 characters are sent.
    public var hostName = ""
    public var limits = TDSLimits()
    /// Endings of own services within which a redirect may lead, of two labels or more: `db.example`, with or without a dot before it. A shorter
    /// one is ignored. Those of Azure are known.
    public var redirectSuffixes: [String] = []
    /// Looks up the name of the server, and of the one a redirect leads to. Not waited for beyond the deadline; its task is cancelled then.
    public var lookUp: @Sendable (_ host: String, _ deadline: ContinuousClock.Instant) async throws(TDSFailure) -> [String]
    /// Awaited before every TLS handshake, when the server has taken the connection and, unless `encryption` is `strict`, answered PRELOGIN: for
    /// a cap on handshakes that silent servers do not use up. Has to answer cancellation; what it throws ends the connection. Its time counts
    /// as part of no step.
    public var beforeTLS: (@Sendable () async throws(TDSFailure) -> Void)?
    /// The first of them is tried first; at most so many are.
    public var mostAddresses = 3
    public var group: any EventLoopGroup
    /// How long the server may take to confirm that a cancelled request has ended.
    public var attentionTimeout = Duration.seconds(5)

    public enum Encryption: Sendable, Hashable {
        /// TDS 7.4: PRELOGIN in the clear, then TLS 1.2 for everything.
        case mandatory
        /// TDS 8.0: TLS 1.2 or 1.3 from the first byte.
        case strict
    }

    public init(trust: TDSTrust, group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton) {
        self.trust = trust
        self.group = group
        lookUp = { (host, deadline) async throws(TDSFailure) in
            try await SystemLookup.addresses(of: host, on: group.next(), until: deadline)
        }
    }
}

/// How much a server may send. Nothing is allocated from an announced size.
public struct TDSLimits: Sendable, Hashable {
    /// Rows of one request; what comes after them is not read, and the result says so.
    public var rows = 1_000
    /// One answer. **Unit**: bytes.
    public var reply = 4 * 1024 * 1024
    /// Everything after the TLS handshake, over the life of the connection; nil for no limit. **Unit**: bytes.
    public var session: Int?
    /// One value. **Unit**: bytes.
    public var value = 1024 * 1024
    public var columns = 1_024
    /// Result sets of one answer.
    public var sets = 1_000
    /// Values of all rows of one answer.
    public var cells = 250_000

    public init() {}

    var decoding: DecodingLimits {
        var limits = DecodingLimits()
        limits.reply = reply
        limits.value = value
        limits.columns = columns
        limits.sets = sets
        limits.cells = cells
        return limits
    }
}

extension Duration {
    /// For NIO's timers; never negative.
    var timeAmount: TimeAmount {
        let (seconds, attoseconds) = components
        guard seconds < 1 << 32 else { return .hours(24 * 365) }
        return .nanoseconds(max(0, seconds * 1_000_000_000 + attoseconds / 1_000_000_000))
    }
}
