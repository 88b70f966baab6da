// One connection through libpq, step by step, so that every step can be timed and the token leaves only after the last check.
// Way of waiting: readiness; libpq gives a descriptor and a step function. No pointer leaves this file.
import CLibPQ
import CLinux
package import Certificates
package import Diagnosis
import Glibc
package import Readiness

/// What a connection needs to know. Built as keys and values for libpq, never by joining text.
package struct PostgresEndpoint: Sendable {
    /// The name that the certificate has to be for.
    package var host: String
    /// The numeric address that is connected to, so that libpq looks nothing up.
    package var address: String
    package var port: Int
    package var database: String
    package var user: String
    /// The trust anchors; read by libpq in ``PostgresConnection/startTLS(on:until:)`` and not before.
    package var anchors: AnchorFile
    package var applicationName: String
    /// **Unit**: milliseconds, enforced by the server.
    package var statementTimeout: Int

    package init(
        host: String, address: String, port: Int, database: String, user: String, anchors: AnchorFile, applicationName: String,
        statementTimeout: Int
    ) {
        self.host = host
        self.address = address
        self.port = port
        self.database = database
        self.user = user
        self.anchors = anchors
        self.applicationName = applicationName
        self.statementTimeout = statementTimeout
    }
}

/// A PostgreSQL connection that is opened phase by phase: ``connectTCP(on:until:)``, ``negotiate(on:until:)``, ``startTLS(on:until:)``,
/// ``login(on:until:)``, then ``query(_:on:until:)``.
///
/// **Isolation**: belongs to the task that made it. Closes politely when it goes away.
@safe package final class PostgresConnection {
    /// Largest number of bytes read after the TLS handshake.
    package static let byteBudget = 256 * 1024
    /// Where Azure's PgBouncer listens, which refuses startup options that it does not know.
    package static let poolerPort = 6432

    private let connection: OpaquePointer
    /// Held because libpq opens the file only in the handshake.
    package let anchors: AnchorFile
    private var budgetBase = 0

    /// Starts connecting. `token` stays inside libpq until the server asks for it in ``login(on:until:)``; nil when the probe ends before.
    ///
    /// **Throws**: `library` when an option is refused or the connection fails at once.
    package init(_ endpoint: PostgresEndpoint, token: Secret<String>?) throws(PostgresFailure) {
        anchors = endpoint.anchors
        var parameters: [(String, String)] = [
            ("host", endpoint.host), ("hostaddr", endpoint.address), ("port", String(endpoint.port)), ("dbname", endpoint.database),
            ("user", endpoint.user), ("sslmode", "verify-full"), ("sslrootcert", endpoint.anchors.path), ("gssencmode", "disable"),
            ("ssl_min_protocol_version", "TLSv1.2"), ("channel_binding", "disable"), ("target_session_attrs", "any"),
            ("client_encoding", "UTF8"), ("application_name", endpoint.applicationName), ("fallback_application_name", "agent"),
            // A path without a file: no client certificate from the home directory.
            ("sslcert", "/proc/self/no-client-certificate"), ("sslkey", "/proc/self/no-client-certificate"),
            ("sslcrl", "/proc/self/no-revocation-list"),
        ]
        if PQlibVersion() >= 160_000 { parameters.append(("require_auth", "password")) }
        // PgBouncer refuses unknown startup options. To compile questions to catalogs takes seconds and saves none; a setting from 11 on.
        if endpoint.port != Self.poolerPort {
            let limit = endpoint.statementTimeout
            parameters.append(
                (
                    "options",
                    "-c statement_timeout=\(limit) -c lock_timeout=\(limit) -c idle_in_transaction_session_timeout=\(limit)"
                        + " -c default_transaction_read_only=on -c jit=off"
                ))
        }
        let secret = token ?? Secret("none")
        let handle = unsafe secret.reveal { unsafe Self.start(parameters + [("password", $0)]) }
        guard let handle = unsafe handle else {
            throw .library(PostgresError(sqlState: nil, text: "out of memory", usedPassword: false))
        }
        unsafe connection = handle
        // Before the first poll: only verbose texts of a failed connect carry the SQLSTATE.
        _ = unsafe PQsetErrorVerbosity(connection, PQERRORS_VERBOSE)
        // Notices of a server are hostile input with nothing to say to a probe; libpq would print them.
        _ = unsafe PQsetNoticeReceiver(connection, { _, _ in }, nil)
        if unsafe PQstatus(connection) == CONNECTION_BAD { throw .library(lastError) }
    }

    deinit { unsafe PQfinish(connection) }

    private static func start(_ parameters: [(String, String)]) -> OpaquePointer? {
        let keys = unsafe parameters.map { unsafe strdup($0.0) }
        let values = unsafe parameters.map { unsafe strdup($0.1) }
        defer {
            unsafe keys.forEach { unsafe free($0) }
            unsafe values.forEach { value in
                // Also clears the copy of the token.
                if let value = unsafe value { unsafe explicit_bzero(value, strlen(value)) }
                unsafe free(value)
            }
        }
        let keyPointers = unsafe keys.map { unsafe UnsafePointer($0) } + [nil]
        let valuePointers = unsafe values.map { unsafe UnsafePointer($0) } + [nil]
        return unsafe PQconnectStartParams(keyPointers, valuePointers, 0)
    }

    // MARK: Phases

    /// Waits for the TCP connection. **Throws**: `socket`, `wait`, `library`.
    package func connectTCP(on reactor: Reactor, until deadline: Deadline) async throws(PostgresFailure) {
        try await wait(.write, reactor, deadline)
        // Read here because libpq keeps only its text; a socket without an error reads 0 again for libpq.
        let code = unsafe clinux_socket_error(PQsocket(connection))
        guard code == 0 else { throw .socket(code) }
        _ = try step()
    }

    /// Asks for TLS and waits for the answer. **Throws**: `negotiation` for any answer but yes, `closed`, `socket`, `wait`.
    package func negotiate(on reactor: Reactor, until deadline: Deadline) async throws(PostgresFailure) {
        while unsafe PQstatus(connection) == CONNECTION_MADE { try await wait(step(), reactor, deadline) }
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe recv(PQsocket(connection), $0.baseAddress, $0.count, Int32(MSG_PEEK)) }
        guard count > 0 else { throw count == 0 ? .closed : .socket(errno) }
        guard bytes[0] == UInt8(ascii: "S") else {
            let answer = Array(bytes.prefix(count))
            do {
                _ = try step()
            } catch .library(let error) {
                throw .negotiation(answer, text: error.text)
            }
            throw .negotiation(answer, text: "")
        }
    }

    /// Shakes hands and verifies chain and name. **Throws**: `library` with OpenSSL's words, `wait`.
    package func startTLS(on reactor: Reactor, until deadline: Deadline) async throws(PostgresFailure) {
        while true {
            let interest = try step()
            if unsafe PQstatus(connection) == CONNECTION_MADE { break }
            try await wait(interest, reactor, deadline)
        }
        budgetBase = session?.bytesRead ?? 0
    }

    /// Sends the startup packet and, when the server asks for a clear-text password, the token.
    ///
    /// **Throws**: `authentication` when the server asks for anything else (the token is not sent then), `violation`, `budget`, `library`, `wait`.
    package func login(on reactor: Reactor, until deadline: Deadline) async throws(PostgresFailure) {
        try await wait(step(), reactor, deadline)
        try await judgeFirstMessage(on: reactor, until: deadline)
        while true {
            let interest = try step()
            try checkBudget()
            if unsafe PQstatus(connection) == CONNECTION_OK { return }
            try await wait(interest, reactor, deadline)
        }
    }

    private func judgeFirstMessage(on reactor: Reactor, until deadline: Deadline) async throws(PostgresFailure) {
        while true {
            guard let session else { throw .violation([], text: "no TLS session") }
            // The end of the stream is for libpq to report.
            guard let bytes = session.peek(FirstMessage.wanted) else { return }
            switch FirstMessage(bytes) {
            case .proceed: return
            case .refuse(let request): throw .authentication(request)
            case .violation: throw .violation(bytes, text: "unexpected first message after the startup packet")
            case .incomplete: try await wait(.read, reactor, deadline)
            }
        }
    }

    /// Runs one statement and returns the rows of its first result as text.
    ///
    /// **Shape**: at most `limit` rows; a null is nil. **Throws**: `library` with the SQLSTATE, `budget`, `wait`.
    package func query(
        _ sql: String, limit: Int = 100, on reactor: Reactor, until deadline: Deadline
    ) async throws(PostgresFailure) -> [[String?]] {
        guard unsafe PQsetnonblocking(connection, 1) == 0, unsafe PQsendQuery(connection, sql) == 1 else { throw .library(lastError) }
        while true {
            let left = unsafe PQflush(connection)
            if left == 0 { break }
            guard left > 0 else { throw .library(lastError) }
            try await wait(.write, reactor, deadline)
        }
        var rows: [[String?]] = []
        var failure: PostgresError?
        while true {
            while unsafe PQisBusy(connection) == 1 {
                try await wait(.read, reactor, deadline)
                guard unsafe PQconsumeInput(connection) == 1 else { throw .library(failure ?? lastError) }
                try checkBudget()
            }
            guard let result = unsafe PQgetResult(connection) else { break }
            defer { unsafe PQclear(result) }
            switch unsafe PQresultStatus(result) {
            case PGRES_TUPLES_OK:
                if rows.isEmpty { unsafe rows = Self.rows(of: result, limit: limit) }
            case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: break
            default:
                // A killed session brings several results; the first with a code says why.
                let error = unsafe error(of: result)
                if failure?.sqlState == nil { failure = error }
            }
        }
        if let failure { throw .library(failure) }
        return rows
    }

    // MARK: What is known

    /// The TLS session, for facts about the peer; nil before TLS and after a failed handshake.
    package var session: PeerSession? { unsafe PeerSession(borrowing: PQsslStruct(connection, "OpenSSL")) }

    package var serverVersion: String? {
        guard let text = unsafe PQparameterStatus(connection, "server_version") else { return nil }
        return unsafe Redactor.scrub(String(cString: text))
    }

    // MARK: Steps

    /// Lets libpq work once. **Throws**: `library` when the connection failed. - Returns: what to wait for next.
    private func step() throws(PostgresFailure) -> Interest {
        switch unsafe PQconnectPoll(connection) {
        case PGRES_POLLING_FAILED: throw .library(lastError)
        case PGRES_POLLING_READING: return .read
        default: return .write
        }
    }

    private func wait(_ interest: Interest, _ reactor: Reactor, _ deadline: Deadline) async throws(PostgresFailure) {
        do {
            // Read anew each time: libpq may have replaced its socket.
            try await reactor.wait(for: interest, on: unsafe PQsocket(connection), until: deadline)
        } catch {
            throw .wait(error)
        }
    }

    private func checkBudget() throws(PostgresFailure) {
        guard let session else { return }
        let count = session.bytesRead - budgetBase
        if count > Self.byteBudget { throw .budget(count) }
    }

    private var lastError: PostgresError {
        unsafe PostgresError(
            sqlState: nil, text: String(cString: PQerrorMessage(connection)), usedPassword: PQconnectionUsedPassword(connection) == 1)
    }

    private func error(of result: OpaquePointer) -> PostgresError {
        func field(_ code: Character) -> String? {
            guard let text = unsafe PQresultErrorField(result, Int32(code.asciiValue ?? 0)) else { return nil }
            return unsafe String(cString: text)
        }
        // Source: postgres_ext.h, PG_DIAG_SQLSTATE 'C', MESSAGE_PRIMARY 'M', DETAIL 'D', HINT 'H'.
        let text = [field("M"), field("D"), field("H")].compactMap { $0 }.joined(separator: " ")
        return unsafe PostgresError(
            sqlState: field("C"), text: text.isEmpty ? String(cString: PQresultErrorMessage(result)) : text, usedPassword: true)
    }

    private static func rows(of result: OpaquePointer, limit: Int) -> [[String?]] {
        let columns = unsafe PQnfields(result)
        return (0..<min(unsafe PQntuples(result), Int32(clamping: limit))).map { row in
            (0..<min(columns, 64)).map { column in
                guard unsafe PQgetisnull(result, row, column) == 0 else { return nil }
                return unsafe Redactor.scrub(String(cString: PQgetvalue(result, row, column)))
            }
        }
    }
}
