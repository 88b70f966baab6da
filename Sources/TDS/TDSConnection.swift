// The client: a connection to one database, logged in with an access token.

import NIOCore
import NIOPosix
import Synchronization

/// A connection to SQL Server or Azure SQL Database that was logged in with a Microsoft Entra access token.
///
/// ```swift
/// let trust = try await TDSTrust.load(.system)                       // once
/// let target = TDSTarget(host: "billing.database.windows.net", database: "billing")
/// let connection = try await TDSConnection.connect(
///     to: target, token: TDSAccessToken(jwt), options: TDSOptions(trust: trust), until: .now + .seconds(15))
/// let result = try await connection.query("SELECT name FROM sys.schemas", until: .now + .seconds(5))
/// for row in result.rows { print(row[0]) }
/// await connection.close()
/// ```
///
/// Values never go into the text of a statement:
///
/// ```swift
/// let found = try await connection.execute(
///     "SELECT HAS_PERMS_BY_NAME(@object, 'OBJECT', 'SELECT') AS may", [TDSParameter("object", .text(name))], until: deadline)
/// if found.sets.first?[0, "may"]?.boolean == true { print("may read \(name)") }
/// ```
///
/// The server's certificate and name are verified before a byte of the token leaves; nothing turns this off. One request at a time. Every
/// wait ends at its deadline and when the task is cancelled; a request that is given up is ended on the server by ATTENTION, and the connection
/// can be used again.
public final class TDSConnection: Sendable {
    /// What was learned while logging in.
    public let facts: TDSFacts
    /// How long each step took, those of the gateway before a redirect included.
    public let timings: [TDSTiming]
    private let session: Session
    private let counter = Atomic<UInt64>(0)

    private init(_ session: Session, facts: TDSFacts, timings: [TDSTiming]) {
        self.session = session
        self.facts = facts
        self.timings = timings
    }

    deinit { session.close() }

    /// Connects, secures the connection and logs in; follows one redirect within the same service.
    ///
    /// **Throws** a failure whose `phase` says how far it came and whose `timings` hold every step up to there.
    public static func connect(
        to target: TDSTarget, token: TDSAccessToken, options: TDSOptions, until deadline: ContinuousClock.Instant
    ) async throws(TDSFailure) -> TDSConnection {
        guard token.bytes.count > 0 else { throw TDSFailure(.misuse, during: .login, "The token is empty; nothing was sent.") }
        try check(target, options)
        var course = Course(target: target, token: token, options: options, deadline: deadline, method: .token)
        let (session, opening) = try await course.run()
        guard case .ready(var facts) = opening else {
            throw TDSFailure(.protocolViolation, during: .login, "The login ended without a session.")
        }
        facts.redirectedTo = course.redirectedTo
        return TDSConnection(session, facts: facts, timings: course.timings)
    }

    /// Asks the server which tenant's tokens it takes, without showing it one, and hangs up.
    ///
    /// Meant for a person who wonders why a token was refused: the tenant of `TDSIssuer` against the token's `tid`, its resource against the
    /// token's `aud`. The server counts this as a login that was broken off, so do not do it again and again.
    public static func issuer(
        of target: TDSTarget, options: TDSOptions, until deadline: ContinuousClock.Instant
    ) async throws(TDSFailure) -> TDSIssuer {
        try check(target, options)
        var course = Course(target: target, token: TDSAccessToken(""), options: options, deadline: deadline, method: .askIssuer)
        let (_, opening) = try await course.run()
        guard case .issuer(let info, _) = opening else {
            throw TDSFailure(.protocolViolation, during: .login, "The server does not say who issues tokens for it.")
        }
        return TDSIssuer(authority: info.stsURL, tenant: info.tenant, resource: info.spn, timings: course.timings)
    }

    /// Connects and secures the connection, then hangs up: no login, no token, so a database that sleeps goes on sleeping.
    ///
    /// **Throws** like ``connect(to:token:options:until:)``, for every phase up to TLS.
    public static func greet(
        _ target: TDSTarget, options: TDSOptions, until deadline: ContinuousClock.Instant
    ) async throws(TDSFailure) -> TDSGreeting {
        var course = Course(target: target, token: TDSAccessToken(""), options: options, deadline: deadline, method: .hangUp)
        let (_, opening) = try await course.run()
        guard case .secured(let facts) = opening else {
            throw TDSFailure(.protocolViolation, during: .login, "The server answers a login that was not made.")
        }
        return TDSGreeting(facts: facts, timings: course.timings)
    }

    /// What cannot be written into a login is refused before anything is sent. **Source**: MS-TDS 2.2.6.4, 128 characters for each text.
    private static func check(_ target: TDSTarget, _ options: TDSOptions) throws(TDSFailure) {
        guard !target.database.isEmpty else {
            throw TDSFailure(.misuse, during: .name, "No database is named, so the login would land in master; nothing was sent.")
        }
        for (what, text) in [("server", target.host), ("database", target.database), ("application", options.applicationName)]
        where text.utf16.count > LoginMessage.longestText {
            throw TDSFailure(
                .misuse, during: .name,
                "The name of the \(what) has \(text.utf16.count) characters, and a login has room for \(LoginMessage.longestText); nothing was sent."
            )
        }
    }

    /// Runs a batch of SQL as it is. For values use `execute`.
    ///
    /// Of rows beyond `TDSLimits.rows` the result has the first ones and says so.
    ///
    /// **Throws** `requestFailed` with the server's messages when a statement fails. The connection stays open after that, and after `timedOut` and
    /// `cancelled` once the server has confirmed that it stopped; it is closed when the server ended it (an error of class 20 or more, DONE 0x0100),
    /// when an answer is `tooLarge` or a `protocolViolation`, and when a stop is not confirmed within `TDSOptions.attentionTimeout`. Requests after
    /// that fail as `closed` and say why; those after ``close()``, and a second one at the same time, as `misuse`.
    public func query(_ sql: String, until deadline: ContinuousClock.Instant) async throws(TDSFailure) -> TDSResult {
        try await run(.sqlBatch, SQLBatch(sql).encode(), until: deadline)
    }

    /// Runs a statement with parameters by `sp_executesql`; values travel beside the text.
    ///
    /// **Throws** like ``query(_:until:)``, and `misuse` before anything is sent for a name that a parameter cannot have and for a value that the
    /// server could not hold: a number that is infinite or none, a decimal of more than 38 digits, a day outside the years 1 to 9999.
    public func execute(
        _ sql: String, _ parameters: [TDSParameter], until deadline: ContinuousClock.Instant
    ) async throws(TDSFailure) -> TDSResult {
        if let parameter = parameters.first(where: { !$0.hasUsableName }) {
            throw TDSFailure(.misuse, during: .query, "'\(printable(parameter.name))' cannot be the name of a parameter.")
        }
        let message: [UInt8]
        do throws(WireError) {
            message = try ProcedureCall.executeSQL(sql, parameters, collation: .default).encode()
        } catch {
            throw TDSFailure(.misuse, during: .query, "A parameter cannot be sent: \(error).")
        }
        return try await run(.rpc, message, until: deadline)
    }

    /// Ends the session politely. Requests under way fail as `closed`.
    ///
    /// Returns once the socket is closed, at the latest after a quarter of a second: a server that does not answer the goodbye of TLS is not waited
    /// for, and its socket is closed some seconds later.
    public func close() async {
        await session.closed(within: .milliseconds(250))
    }

    /// Ends the session politely like ``close()``, and returns as soon as the goodbye is on its way: its answer is somebody else's time.
    ///
    /// The socket is closed when the server answers, at the latest a second later.
    public func hangUp() async { await session.saidGoodbye() }

    private func run(_ type: PacketType, _ message: [UInt8], until deadline: ContinuousClock.Instant) async throws(TDSFailure) -> TDSResult
    {
        let id = RequestID(counter.add(1, ordering: .relaxed).newValue)
        let answer = OneAnswer<TDSResult>()
        do throws(TDSFailure) {
            return try await answer.wait(
                until: deadline,
                timedOut: TDSFailure(.timedOut, during: .query, "The server did not finish the request in time."),
                cancelled: TDSFailure(.cancelled, during: .query, "The request was cancelled.")
            ) { session.send(id, type, message, answer) }
        } catch {
            // What the connection itself says has its place already.
            guard error.cause == .timedOut || error.cause == .cancelled, error.address == nil else { throw error }
            throw await session.abandoned(id, error)
        }
    }
}

/// Who issues tokens for a server, as the server says it.
public struct TDSIssuer: Sendable, Hashable {
    /// `https://login.microsoftonline.com/<tenant>`.
    public var authority: String?
    /// The first part of the authority's path: a GUID, a domain, or `common`, which says nothing.
    public var tenant: String?
    /// `https://database.windows.net/`.
    public var resource: String?
    public var timings: [TDSTiming]
}

/// What a server shows before anybody logs in.
public struct TDSGreeting: Sendable, Hashable {
    public var facts: TDSFacts
    public var timings: [TDSTiming]
}
