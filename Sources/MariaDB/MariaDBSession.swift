// One MYSQL handle: options, login, statements, in the calls the library wants, each of which may block its thread.
import CMariaDB
import Certificates
import Diagnosis
import Glibc

/// A handle of libmariadb with the transport it works on. The only place of this target that calls into a connection.
///
/// **Isolation**: unchecked because one thread at a time uses it: `MariaDBConnection` sends it to a thread and touches it again only after
/// that thread has answered. A thread that was given up keeps it alone.
@safe final class MariaDBSession: @unchecked Sendable {
    let transport: Transport
    private let handle: UnsafeMutablePointer<MYSQL>
    private var isLoggingIn = false

    /// - Returns: nil when there is no memory.
    init?(_ transport: Transport) {
        guard let handle = unsafe mysql_init(nil) else { return nil }
        unsafe self.handle = handle
        self.transport = transport
    }

    /// Says goodbye without waiting for an answer.
    deinit {
        transport.deadline = .in(.zero)
        unsafe mysql_close(handle)
        HandshakeWatch.forgetErrors()
    }

    /// Sends the request for TLS, shakes hands, logs in.
    func logIn(_ endpoint: MariaDBEndpoint) throws(MariaDBFailure) {
        // The library reads more into a host than a name: lists, schemes, whole connection strings. A zero would cut a name short.
        guard endpoint.host.utf8.allSatisfy(Self.isHostPart), !(endpoint.user + endpoint.database).utf8.contains(0) else {
            throw .unusable(
                Failure(
                    .configInvalid, during: .config, detail: "The host, user or database holds what a connection to MySQL cannot carry."))
        }
        try setOptions(endpoint)
        HandshakeWatch.forgetErrors()
        isLoggingIn = true
        defer { isLoggingIn = false }
        // An empty password: the library has none to give away. Ours leaves through the plugin, and only there.
        let database = endpoint.database.isEmpty ? nil : endpoint.database
        let result = unsafe mysql_real_connect(handle, endpoint.host, endpoint.user, "", database, UInt32(endpoint.port), nil, 0)
        guard unsafe result != nil else { throw failure }
        guard transport.watch.isVerified else { throw .violation("the login was over without a verified peer", bytes: []) }
        if transport.sentToken, let plugin = transport.otherPlugin { throw .turnedAway(plugin: plugin, answer: nil) }
        guard transport.sentToken else { throw .authentication(plugin: transport.otherPlugin, answer: nil) }
    }

    private func setOptions(_ endpoint: MariaDBEndpoint) throws(MariaDBFailure) {
        unsafe Transport.refuseFiles(of: handle, context: transport)
        var one: my_bool = 1
        var zero: UInt32 = 0
        var protocolKind = UInt32(MYSQL_PROTOCOL_TCP.rawValue)
        // Never the clock that decides: the transport waits until the deadline of the probe.
        var seconds = UInt32(max(1, (endpoint.timeoutMilliseconds + 999) / 1000))
        var packet = MariaDBConnection.byteBudget
        func set(_ option: mysql_option, _ value: UnsafeRawPointer?) -> Bool { unsafe mysql_options(handle, option, value) == 0 }
        let isSet =
            unsafe set(MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &one) && set(MYSQL_OPT_SSL_ENFORCE, &one)
            // A directory that is not there: without the store that `HandshakeWatch` sets, nothing is trusted.
            && set(MYSQL_OPT_SSL_CAPATH, "/proc/self/no-trust-anchors") && set(MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3")
            && set(MYSQL_OPT_LOCAL_INFILE, &zero) && set(MYSQL_OPT_MAX_ALLOWED_PACKET, &packet) && set(MYSQL_OPT_PROTOCOL, &protocolKind)
            // Nothing is loaded because a server names it.
            && set(MYSQL_PLUGIN_DIR, "/proc/self/no-plugins") && set(MYSQL_DEFAULT_AUTH, MariaDBLibrary.opening)
            && set(MARIADB_OPT_RESTRICTED_AUTH, MariaDBLibrary.allowed)
            && set(MYSQL_OPT_CONNECT_TIMEOUT, &seconds) && set(MYSQL_OPT_READ_TIMEOUT, &seconds)
            && set(MYSQL_OPT_WRITE_TIMEOUT, &seconds) && set(MYSQL_SET_CHARSET_NAME, "utf8mb4")
            && cmariadb_attribute(handle, "program_name", endpoint.applicationName) == 0
        guard isSet else { throw failure }
    }

    /// Runs one statement. **Shape**: at most `limit` rows of at most 64 columns, as text; a null is nil.
    func query(_ sql: String, limit: Int) throws(MariaDBFailure) -> [[String?]] {
        HandshakeWatch.forgetErrors()
        guard unsafe mysql_real_query(handle, sql, UInt(sql.utf8.count)) == 0 else { throw failure }
        // Row by row: what is not read does not pile up.
        guard let result = unsafe mysql_use_result(handle) else {
            guard unsafe mysql_errno(handle) == 0 else { throw failure }
            return []
        }
        defer { unsafe mysql_free_result(result) }
        let columns = Int(min(unsafe mysql_num_fields(result), 64))
        var rows: [[String?]] = []
        while let row = unsafe mysql_fetch_row(result) {
            guard rows.count < limit else { throw .violation("more rows than were asked for", bytes: []) }
            guard let lengths = unsafe mysql_fetch_lengths(result) else { break }
            rows.append(
                (0..<columns).map { column in
                    guard let cell = unsafe row[column] else { return nil }
                    let bytes = unsafe UnsafeRawBufferPointer(start: cell, count: Int(clamping: lengths[column]))
                    return unsafe String(decoding: bytes, as: UTF8.self)
                })
        }
        guard unsafe mysql_errno(handle) == 0 else { throw failure }
        return rows
    }

    /// The TLS session, for facts about the peer; nil when there is none any more.
    var session: PeerSession? { unsafe PeerSession(borrowing: cmariadb_session(handle)) }

    /// What the last call ended with: first what we know ourselves, then what the library says.
    private var failure: MariaDBFailure {
        if let refusal = transport.watch.refusal { return .certificate(refusal) }
        if let count = transport.watch.excess { return .budget(count) }
        if transport.askedForFile { return .violation("the server asked for a file of this host", bytes: []) }
        var error = unsafe MariaDBError(
            number: Int(mysql_errno(handle)), sqlState: String(cString: mysql_sqlstate(handle)), text: String(cString: mysql_error(handle)),
            sentToken: transport.sentToken)
        // The library takes names for its messages out of a buffer that the token has gone through.
        if Self.isLibrarys(error.number), transport.holdsPartOfToken(error.text) {
            error.text = "The client library has no words for it that may be shown."
        }
        if let request = transport.excessiveRequest { return .violation(request, bytes: []) }
        if transport.hasTimedOut { return .wait(.deadline) }
        if isLoggingIn, transport.watch.isVerified {
            if let plugin = transport.otherPlugin {
                return transport.sentToken
                    ? .turnedAway(plugin: plugin, answer: error) : .authentication(plugin: plugin, answer: error)
            }
            // Our plugins are part of the process, so one that is missing is one that the server asked for. The words are the library's only
            // when the number is: a server says of its own plugins that they are not loaded.
            if Self.isLibrarys(error.number), error.text.hasPrefix("Plugin ") || transport.sentToken && error.number == 5010 {
                let plugin = "a plugin that the agent does not have"
                return transport.sentToken
                    ? .turnedAway(plugin: plugin, answer: error) : .authentication(plugin: plugin, answer: error)
            }
        }
        // The library gives up a connection that says what it does not understand, or too much at once, in the words for a lost one.
        if Self.vague.contains(error.number), transport.watch.isVerified, transport.peerIsThere {
            return .violation("packets that the client library does not take (it says \(error.number) \(error.text))", bytes: [])
        }
        return .library(error)
    }

    /// **Source**: errmsg.h, `CR_MIN_ERROR` to `CR_MAX_ERROR`, and `CR_PLUGIN_NOT_ALLOWED`.
    private static func isLibrarys(_ number: Int) -> Bool { (2000..<3000).contains(number) || number == 5010 }

    private static func isHostPart(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x3A, 0x5F: true
        default: false
        }
    }

    /// Numbers of the library that may mean a lost connection or a packet it refused. **Source**: errmsg.h, `CR_UNKNOWN_ERROR`,
    /// `CR_SERVER_GONE_ERROR`, `CR_SERVER_LOST`, `CR_NET_PACKET_TOO_LARGE`, `CR_MALFORMED_PACKET`.
    private static let vague: Set<Int> = [2000, 2006, 2013, 2020, 2027]
}
