// One run of the MySQL probe, phase by phase; one connection, one login and no hidden retry.
//
// The server's greeting is read by us on the very connection that then logs in, so there is no separate look ahead and no handshake left
// unfinished: MySQL counts those, and blocks a host for them.
import Certificates
import Diagnosis
import MariaDB
import Readiness
import Synchronization

struct MySQLRun: SteppedRun {
    let probe: MySQLProbe
    let run: ProbeRun
    let place: GatePlace
    var record: ProbeRecord
    var token: AccessToken?
    /// What the server said of itself on the connection in use.
    var greeting: Greeting?
    /// How the server compares names; known from the question on.
    var naming = NameCase.exact

    init(probe: MySQLProbe, run: ProbeRun) {
        self.probe = probe
        self.run = run
        self.place = GatePlace(run)
        self.record = ProbeRecord(check: probe.id, unasked: probe.target.privileges.isEmpty ? [.privileges] : [])
    }

    mutating func perform() async throws(ProbeEnd) -> Observation.Outcome {
        let token = try await acquireToken()
        let addresses = try await resolve()
        // A connection without a login would be counted against this host.
        guard run.depth == .query else { return .partial(.loginPaused) }
        // A server counts a client that hangs up behind its greeting. So who has to wait, for a place or for a thread, waits before it; but
        // a place is kept only from `tls` on, until the connection is closed: a server that does not greet takes none.
        defer { place.leave() }
        do {
            try await place.look()
        } catch {
            throw .cancelled
        }
        try await awaitThread()
        let connection = try await connect(to: addresses)
        defer { connection.close() }
        try await enterGate()
        try await logIn(connection, token)
        try await ask(connection)
        settle(nil)
        try await askPrivileges(connection)
        return .succeeded
    }

    /// Remembers for the next run whether the server held a thread until the deadline, in whatever step.
    func settle(_ failure: MariaDBFailure?) {
        switch failure {
        case .unasked?, .wait(.cancelled)?: break
        case .wait(.deadline)?: probe.standing.withLock { $0 = .stalled }
        default: probe.standing.withLock { $0 = .proven }
        }
    }

    /// Waits until a thread could take the login. **Throws**: `cancelled` when none came free in time to ask anything.
    private func awaitThread() async throws(ProbeEnd) {
        let standing = probe.standing.withLock { $0 }
        do {
            try await tools.threads.room(
                for: standing, on: tools.reactor, until: Deadline(run.deadline.instant.advanced(by: .zero - Self.leastTime)))
        } catch {
            throw .cancelled
        }
    }

    /// With less time than this nothing can be asked of a server.
    private static let leastTime = Duration.milliseconds(200)

    // MARK: tcp, negotiate

    /// Connects, and reads the server's greeting.
    mutating func connect(to address: String, by deadline: Deadline) async throws(ProbeEnd) -> MariaDBConnection {
        record.enter(.tcp)
        record.facts.address = address
        let connection = MariaDBConnection(reactor: tools.reactor, threads: tools.threads)
        do {
            try await connection.connect(address, port: target.port, until: deadline)
        } catch {
            throw end(of: error, during: .tcp)
        }
        record.enter(.negotiate)
        do {
            let greeting = try await connection.greet(until: run.deadline)
            self.greeting = greeting
            record.facts.serverVersion = greeting.serverVersion
        } catch {
            throw end(of: error, during: .negotiate)
        }
        record.leave()
        return connection
    }

    // MARK: tls, login

    private mutating func logIn(_ connection: MariaDBConnection, _ token: Secret<String>) async throws(ProbeEnd) {
        let endpoint = MariaDBEndpoint(
            host: target.host, port: target.port, database: target.database, user: target.user ?? "",
            applicationName: tools.applicationName, timeoutMilliseconds: run.deadline.remainingMilliseconds)
        let (login, failure) = await connection.logIn(
            endpoint, token: token, anchors: probe.anchors, known: probe.knownCertificate.withLock { $0 },
            standing: probe.standing.withLock { $0 }, until: run.deadline)
        if let certificate = login.certificate {
            record.facts.certificate = certificate
            probe.knownCertificate.withLock { $0 = certificate }
        }
        record.facts.tlsVersion = login.tlsVersion
        record.facts.tlsCipher = login.tlsCipher
        // The wait for a thread is no time of the server's.
        record.enter(.tls, at: login.begun ?? .now)
        // The library does both in one call; OpenSSL told when the first was over.
        if let finished = login.handshakeFinished { record.enter(.login, at: finished) }
        // No thread came free: nothing was asked of the server, as where the cap on probes leaves no place.
        guard login.hasBegun else { throw .cancelled }
        if let failure {
            settle(failure)
            throw end(of: failure, during: login.handshakeFinished == nil ? .tls : .login)
        }
        record.leave()
    }
}
