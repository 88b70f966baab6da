// One run of the MySQL probe, phase by phase; one connection, one login and no hidden retry.
//
// The server's greeting is read by us on the very connection that then logs in, so there is no separate look ahead and no handshake left
// unfinished: MySQL counts those, and blocks a host for them.
import Certificates
import Diagnosis
import MariaDB
import Readiness
import Synchronization

struct MySQLRun: TokenRun {
    let probe: MySQLProbe
    let run: ProbeRun
    var record: ProbeRecord
    var token: AccessToken?
    private var greeting: Greeting?

    init(probe: MySQLProbe, run: ProbeRun) {
        self.probe = probe
        self.run = run
        self.record = ProbeRecord(check: probe.id, unasked: probe.target.privileges.isEmpty ? [.privileges] : [])
    }

    mutating func perform() async throws(ProbeEnd) {
        let token = try await acquireToken()
        let addresses = try await resolve()
        // A connection without a login would be counted against this host.
        guard run.depth == .query else { return }
        // From here on the probe counts against the cap, until its connection is closed. Who waits, waits before the greeting: a server
        // counts a client that hangs up behind it.
        if let gate = run.gate {
            do {
                try await gate.enter(until: run.deadline)
            } catch {
                throw .cancelled
            }
        }
        defer { run.gate?.leave() }
        try await awaitThread()
        let connection = try await connect(to: addresses)
        defer { connection.close() }
        try await logIn(connection, token)
        try await ask(connection)
        settle(nil)
        try await askPrivileges(connection)
    }

    /// Remembers for the next run whether the server held a thread until the deadline, in whatever step.
    private func settle(_ failure: MariaDBFailure?) {
        switch failure {
        case .unasked?, .wait(.cancelled)?: break
        case .wait(.deadline)?: probe.standing.withLock { $0 = .stalled }
        default: probe.standing.withLock { $0 = .proven }
        }
    }

    /// Looks until a thread could take the login. **Throws**: `cancelled` when none came free in time to ask anything.
    private func awaitThread() async throws(ProbeEnd) {
        let standing = probe.standing.withLock { $0 }
        while !tools.threads.hasRoom(for: standing) {
            guard run.deadline.instant - .now > Self.turn * 4 else { throw .cancelled }
            do {
                try await tools.reactor.sleep(until: .in(Self.turn))
            } catch {
                throw .cancelled
            }
        }
    }

    /// How often it is looked whether a thread is free.
    private static let turn = Duration.milliseconds(50)

    // MARK: tcp, negotiate

    /// Connects to the first address that answers, and reads its greeting.
    private mutating func connect(to addresses: [String]) async throws(ProbeEnd) -> MariaDBConnection {
        var attempt = Attempts(addresses)
        while let (address, deadline) = attempt.next(until: run.deadline) {
            do {
                let connection = try await connect(to: address, by: deadline)
                if let notice = attempt.notice(living: address) { record.notices.append(notice) }
                return connection
            } catch {
                guard attempt.goesOn(after: error) else { throw error }
            }
        }
        throw .failed(attempt.failure(host: target.host))
    }

    private mutating func connect(to address: String, by deadline: Deadline) async throws(ProbeEnd) -> MariaDBConnection {
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

    // MARK: query

    private mutating func ask(_ connection: MariaDBConnection) async throws(ProbeEnd) {
        record.enter(.query)
        let isMariaDB = greeting?.isMariaDB ?? false
        let sent: ContinuousClock.Instant
        let rows: [[String?]]
        do {
            let limit = max(500, min(5000, run.deadline.remainingMilliseconds))
            _ = try await connection.query(MySQLStatement.session(isMariaDB: isMariaDB, milliseconds: limit), until: run.deadline)
            sent = .now
            rows = try await connection.query(MySQLStatement.question, until: run.deadline)
        } catch {
            settle(error)
            throw end(of: error, during: .query)
        }
        let roundTrip = ContinuousClock.now - sent
        let received = Timestamp.now
        record.leave()
        guard let row = rows.first, row.count == MySQLStatement.columns else {
            throw .failed(
                Failure(
                    .protocolViolation, during: .query, detail: "The answer to the probe's question has not the shape that was asked for.",
                    evidence: [Evidence(.agent, code: rows.first?.count ?? 0, text: "columns in the first row")]))
        }
        record.facts.sessionUser = row[0]
        record.facts.currentUser = row[1]
        record.facts.database = row[2]
        record.facts.isInRecovery = row[3].map { $0 != "0" && $0 != "OFF" }
        if let server = row[4].flatMap(Double.init) {
            let skew = server - (received.seconds - roundTrip.seconds / 2)
            record.facts.clockSkew = (skew * 1000).rounded() / 1000
        }
    }

    // MARK: privileges

    /// Asks for the configured rights. Whatever comes of it, the probe has succeeded: up means from token to query, and a question that
    /// found no answer is a fact of its own. **Throws**: only when the caller was cancelled.
    private mutating func askPrivileges(_ connection: MariaDBConnection) async throws(ProbeEnd) {
        guard !target.privileges.isEmpty else { return }
        let account = record.facts.currentUser ?? target.user ?? ""
        record.enter(.privileges)
        do {
            record.facts.privileges = try await rights(connection, account)
            record.leave()
        } catch {
            guard case .failed(let failure) = error else { throw error }
            record.leaveFailed()
            record.facts.privileges = PrivilegeReport(role: account, problem: failure, engine: .mysql)
        }
    }

    /// The grants, and the objects that the grants do not decide; the roles first where the server lists them apart.
    private func rights(_ connection: MariaDBConnection, _ account: String) async throws(ProbeEnd) -> PrivilegeReport {
        do {
            var roles: [(name: String, quoted: String)] = []
            var isLiteral = false
            if greeting.map({ !$0.isMariaDB && $0.majorVersion >= 8 }) ?? false {
                let row = try await connection.query(MySQLStatement.roles, until: run.deadline).first ?? []
                roles = GrantSet.roles(in: row.first.flatMap { $0 } ?? "")
                isLiteral = row.last.flatMap { $0 }.map { $0 == "1" || $0 == "ON" } ?? false
            }
            let rows = try await grants(connection, "SHOW GRANTS")
            let all = roles.isEmpty ? [] : try await grants(connection, MySQLStatement.grants(using: roles.map(\.quoted)))
            let privileges = MySQLPrivileges(
                rules: target.privileges,
                grants: GrantSet(
                    rows: rows, rowsWithRoles: all, user: MySQLPrivileges.user(of: account), activeRoles: roles.map(\.name),
                    isLiteral: isLiteral),
                account: account, database: target.database)
            var answer: [[String?]] = []
            if let question = privileges.question {
                answer = try await connection.query(question, limit: MySQLPrivileges.rowLimit, until: run.deadline)
            }
            if let report = privileges.report(answer) { return report }
        } catch {
            settle(error)
            throw end(of: error, during: .privileges)
        }
        throw .failed(
            Failure(
                .protocolViolation, during: .privileges,
                detail: "The answer to the question for rights has not the shape that was asked for."))
    }

    private func grants(_ connection: MariaDBConnection, _ statement: String) async throws(MariaDBFailure) -> [String] {
        try await connection.query(statement, limit: MySQLStatement.grantLimit, until: run.deadline).compactMap { $0.first.flatMap { $0 } }
    }

    // MARK: how it ends

    private func end(of failure: MariaDBFailure, during phase: Phase) -> ProbeEnd {
        switch failure {
        case .wait(let wait): return end(of: wait, during: phase)
        case .unasked: return .cancelled
        case .socket(let code): return .failed(located(Classifier.errno(code, phase: phase, address: record.facts.address)))
        case .closed(let bytes):
            var failure = Classifier.closed(phase: phase)
            if !bytes.isEmpty { failure.evidence.append(Self.first(bytes)) }
            return .failed(located(failure))
        case .greeting(.refused(let refusal), _):
            var failure = Classifier.mysql(
                number: refusal.number, sqlState: refusal.sqlState, text: refusal.text, phase: phase, context: context(sentToken: false))
            failure.evidence.append(Evidence(.agent, text: "said before TLS, so nobody vouches for it"))
            return .failed(failure)
        case .greeting(.version(let version), let bytes):
            return .failed(
                Failure(
                    .peerNotDatabase, during: phase, detail: "The server speaks version \(version) of the protocol, which ended in 1998.",
                    evidence: [Self.first(bytes)]))
        case .greeting(.foreign, let bytes):
            return .failed(located(Failure(.peerNotDatabase, during: phase, evidence: [Self.first(bytes)])))
        case .unable(let what):
            return .failed(
                located(
                    Failure(
                        .tlsNotNegotiated, during: phase, detail: "The peer cannot do what a login with a token needs; nothing was sent.",
                        evidence: [Evidence(.agent, text: what)])))
        case .certificate(let refusal):
            let failure = Classifier.verify(
                code: refusal.code, host: target.host, certificate: refusal.certificate, now: .now, text: refusal.text)
            return .failed(failure ?? Failure(.tlsUntrustedIssuer, during: .tls, evidence: [Evidence(.openssl, text: refusal.text)]))
        case .library(let error):
            let failure = Classifier.mysql(
                number: error.number, sqlState: error.sqlState, text: error.text, phase: phase, context: context(sentToken: error.sentToken)
            )
            return .failed(failure)
        case .authentication(let plugin, let answer): return .failed(otherAuthentication(plugin, answer, phase))
        case .turnedAway(let plugin, let answer):
            return .failed(
                Classifier.mysqlTurnedAway(
                    plugin, number: answer?.number, sqlState: answer?.sqlState, text: answer?.text, phase: phase,
                    context: context(sentToken: true)))
        case .violation(let what, let bytes):
            let evidence = bytes.isEmpty ? Evidence(.agent, text: what) : Evidence(.bytes, code: hex(bytes.prefix(16)), text: what)
            return .failed(Failure(.protocolViolation, during: phase, evidence: [evidence]))
        case .budget(let count):
            return .failed(
                Failure(
                    .protocolViolation, during: phase, detail: "The server sent more than a probe reads.",
                    evidence: [
                        Evidence(
                            .agent, code: count, text: "bytes read after the TLS handshake; the limit is \(MariaDBConnection.byteBudget)")
                    ]))
        case .unusable(let failure): return .failed(failure)
        }
    }

    /// The server wanted something else than the token. What it said to an answer without a password tells whether it knows the name.
    private func otherAuthentication(_ plugin: String?, _ answer: MariaDBError?, _ phase: Phase) -> Failure {
        guard let plugin else {
            return Failure(
                .authMethodUnexpected, during: phase,
                detail: "The server lets the user in without asking for anything, so the token was not tested.",
                evidence: [Evidence(.agent, text: "login without a request for the token")])
        }
        return Classifier.mysqlOtherPlugin(
            plugin, number: answer?.number, sqlState: answer?.sqlState, text: answer?.text, phase: phase, context: context(sentToken: false)
        )
    }

    private func context(sentToken: Bool) -> MySQLContext {
        MySQLContext(
            user: target.user ?? "", database: target.database, port: target.port, sentToken: sentToken, claims: token?.claims, now: .now,
            prediction: prediction, host: target.host)
    }

    private static func first(_ bytes: [UInt8]) -> Evidence {
        Evidence(.bytes, code: hex(bytes.prefix(16)), text: "first bytes of the peer")
    }
}
