// One run of the PostgreSQL probe, phase by phase; one login and no hidden retry.
import Certificates
import Diagnosis
import Postgres
import Readiness
import Synchronization

/// The state of one run. Throws the failure of the phase that ended it.
struct PostgresRun: TokenRun {
    let probe: PostgresProbe
    let run: ProbeRun
    var record: ProbeRecord
    var token: AccessToken?

    init(probe: PostgresProbe, run: ProbeRun) {
        self.probe = probe
        self.run = run
        self.record = ProbeRecord(check: probe.id, unasked: probe.privilegeQuestion == nil ? [.privileges] : [])
    }

    mutating func perform() async throws(ProbeEnd) {
        let token = try await acquireToken()
        let addresses = try await resolve()
        let (connection, address) = try await connect(to: addresses, token)
        // From here on the probe counts against the cap, until its connection is closed.
        if let gate = run.gate {
            do {
                try await gate.enter(until: run.deadline)
            } catch {
                throw .cancelled
            }
        }
        defer { run.gate?.leave() }
        let session = try await secure(connection, at: address, token)
        guard run.depth == .query else { return }
        try await login(session)
        try await ask(session)
        try await askPrivileges(session)
    }

    // MARK: tcp, negotiate

    /// Connects to the first address that answers, and asks it for TLS.
    private mutating func connect(
        to addresses: [String], _ token: Secret<String>
    ) async throws(ProbeEnd) -> (connection: PostgresConnection, address: String) {
        var attempt = Attempts(addresses)
        while let (address, deadline) = attempt.next(until: run.deadline) {
            do {
                let connection = try await connect(to: address, token, by: deadline)
                if let notice = attempt.notice(living: address) { record.notices.append(notice) }
                return (connection, address)
            } catch {
                guard attempt.goesOn(after: error) else { throw error }
            }
        }
        throw .failed(attempt.failure(host: target.host))
    }

    private mutating func connect(
        to address: String, _ token: Secret<String>, by deadline: Deadline
    ) async throws(ProbeEnd) -> PostgresConnection {
        record.enter(.tcp)
        record.facts.address = address
        let anchors: AnchorFile
        do {
            // A server that is seen for the first time gets an empty file, which is filled before the handshake.
            if let known = probe.anchors.file { anchors = known } else { anchors = try AnchorFile() }
        } catch {
            throw .failed(error)
        }
        let connection: PostgresConnection
        do {
            connection = try PostgresConnection(endpoint(address, anchors), token: run.depth == .query ? token : nil)
            try await connection.connectTCP(on: tools.reactor, until: deadline)
        } catch {
            throw end(of: error, during: .tcp)
        }
        record.enter(.negotiate)
        do {
            try await connection.negotiate(on: tools.reactor, until: run.deadline)
        } catch {
            throw end(of: error, during: .negotiate)
        }
        record.leave()
        return connection
    }

    private func endpoint(_ address: String, _ anchors: AnchorFile) -> PostgresEndpoint {
        PostgresEndpoint(
            host: target.host, address: address, port: target.port, database: target.database, user: target.user ?? "", anchors: anchors,
            applicationName: tools.applicationName, statementTimeout: max(500, min(5000, run.deadline.remainingMilliseconds)))
    }

    // MARK: tls

    /// Shakes hands; when the verification fails, looks for the reason without a token, and starts over once when the store vouches for an
    /// anchor that was not in use.
    private mutating func secure(
        _ connection: PostgresConnection, at address: String, _ token: Secret<String>
    ) async throws(ProbeEnd) -> PostgresConnection {
        record.enter(.tls)
        if connection.anchors.isEmpty { try await findAnchor(at: address, filling: connection.anchors) }
        do {
            try await connection.startTLS(on: tools.reactor, until: run.deadline)
            note(connection)
            return connection
        } catch {
            guard case .library(let refusal) = error, refusal.isCertificateRefusal else { throw end(of: error, during: .tls) }
            let stamp = probe.anchors.currentStamp()
            // Also when nothing can be seen, it is known that the certificate was refused.
            guard let view = try? await look(at: address) else { throw Task.isCancelled ? .cancelled : end(of: error, during: .tls) }
            try adopt(anchorOf: view, vouchedAt: stamp)
        }
        record.reopen(.tcp)
        let second = try await connect(to: address, token, by: run.deadline)
        record.enter(.tls)
        // The store changed since it vouched, so it is asked again.
        if second.anchors.isEmpty { try await findAnchor(at: address, filling: second.anchors) }
        do {
            try await second.startTLS(on: tools.reactor, until: run.deadline)
        } catch {
            throw end(of: error, during: .tls)
        }
        note(second)
        return second
    }

    /// Lets the whole store find the anchor of a server that is seen for the first time. What this handshake meets, the real one would.
    private mutating func findAnchor(at address: String, filling file: AnchorFile) async throws(ProbeEnd) {
        let view: CertificateView
        let stamp = probe.anchors.currentStamp()
        do {
            view = try await look(at: address)
        } catch {
            switch error {
            case .wait(let wait): throw end(of: wait, during: .tls)
            case .errno(let code): throw .failed(located(Classifier.errno(code, phase: .tls, address: address)))
            case .closed: throw .failed(located(Classifier.closed(phase: .tls)))
            case .refusedTLS(let byte):
                throw end(of: .negotiation([byte], text: "server does not support SSL, but SSL was required"), during: .tls)
            case .stuffed(let bytes):
                throw end(
                    of: .violation(bytes, text: "bytes in the clear between the agreement on TLS and the handshake"), during: .negotiate)
            case .openssl(_, let reason):
                throw .failed(Classifier.libpq(text: "SSL error: \(reason)", phase: .tls, context: context(usedPassword: false)))
            }
        }
        try adopt(anchorOf: view, vouchedAt: stamp, filling: file)
    }

    /// Takes the anchor over that the whole store found. **Throws**: what is wrong with the certificate.
    private mutating func adopt(
        anchorOf view: CertificateView, vouchedAt stamp: TrustAnchors.Stamp, filling file: AnchorFile? = nil
    ) throws(ProbeEnd) {
        record.facts.certificate = view.certificate
        record.facts.tlsVersion = view.tlsVersion
        let verdict = Classifier.verify(
            code: view.verifyCode, host: target.host, certificate: view.certificate, now: .now, text: view.verifyText)
        if var verdict {
            verdict.evidence.append(Evidence(.agent, text: "seen in a second handshake, made without a token"))
            throw .failed(verdict)
        }
        guard let anchor = view.anchorPEM else {
            throw .failed(Failure(.probeInternal, during: .tls, detail: "The verified chain has no anchor that can be kept."))
        }
        do {
            try probe.anchors.adopt(anchorPEM: anchor, vouchedAt: stamp, filling: file)
        } catch {
            throw .failed(error)
        }
    }

    /// Source: PostgreSQL documentation, "Message Formats", SSLRequest: length 8, code 80877103; the answer to it is one byte.
    private func look(at address: String) async throws(LookFailure) -> CertificateView {
        try await tools.look.look(
            at: address, port: target.port, name: target.host, caFile: probe.anchors.caFile,
            preamble: [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F], reply: UInt8(ascii: "S"), until: run.deadline)
    }

    private mutating func note(_ connection: PostgresConnection) {
        record.leave()
        guard let session = connection.session else { return }
        let certificate = session.certificate(known: probe.knownCertificate.withLock { $0 })
        probe.knownCertificate.withLock { $0 = certificate }
        record.facts.certificate = certificate
        record.facts.tlsVersion = session.version
        record.facts.tlsCipher = session.cipher
    }

    // MARK: login, query

    private mutating func login(_ connection: PostgresConnection) async throws(ProbeEnd) {
        record.enter(.login)
        do {
            try await connection.login(on: tools.reactor, until: run.deadline)
        } catch {
            throw end(of: error, during: .login)
        }
        record.leave()
        record.facts.serverVersion = connection.serverVersion
    }

    private mutating func ask(_ connection: PostgresConnection) async throws(ProbeEnd) {
        record.enter(.query)
        let sent = ContinuousClock.now
        let rows: [[String?]]
        do {
            rows = try await connection.query(PostgresProbe.question, on: tools.reactor, until: run.deadline)
        } catch {
            throw end(of: error, during: .query)
        }
        let roundTrip = ContinuousClock.now - sent
        let received = Timestamp.now
        record.leave()
        guard let row = rows.first, row.count == 5 else {
            throw .failed(
                Failure(
                    .protocolViolation, during: .query, detail: "The answer to the probe's question has not the shape that was asked for.",
                    evidence: [Evidence(.agent, code: rows.first?.count ?? 0, text: "columns in the first row")]))
        }
        record.facts.sessionUser = row[0]
        record.facts.currentUser = row[1]
        record.facts.database = row[2]
        record.facts.isInRecovery = row[3].map { $0 == "t" }
        if let server = row[4].flatMap(Double.init) {
            let skew = server - (received.seconds - roundTrip.seconds / 2)
            record.facts.clockSkew = (skew * 1000).rounded() / 1000
        }
    }

    // MARK: privileges

    /// Asks for the configured rights in one statement. Whatever comes of it, the probe has succeeded: up means from token to query, and
    /// a question that found no answer is a fact of its own. **Throws**: only when the caller was cancelled.
    private mutating func askPrivileges(_ connection: PostgresConnection) async throws(ProbeEnd) {
        guard let question = probe.privilegeQuestion else { return try await surveyRights(connection) }
        record.enter(.privileges)
        do {
            record.facts.privileges = try await rights(connection, question)
            record.leave()
        } catch {
            guard case .failed(let failure) = error else { throw error }
            record.leaveFailed()
            record.facts.privileges = PrivilegeReport(role: record.facts.currentUser ?? target.user ?? "", problem: failure)
        }
    }

    /// Where nothing is configured: what the role can do, at the first success and then once an hour. Not worth a failure, nor much time.
    private mutating func surveyRights(_ connection: PostgresConnection) async throws(ProbeEnd) {
        let now = ContinuousClock.now
        let isDue = probe.survey.withLock { survey in
            guard survey.due.map({ $0 <= now }) ?? true else { return false }
            survey.due = now + PostgresProbe.surveyInterval
            return true
        }
        if isDue {
            record.enter(.privileges)
            do {
                let answer = try await connection.query(
                    PrivilegeSurvey.statement, limit: 1, on: tools.reactor, until: run.deadline.capped(to: .seconds(2)))
                record.leave()
                if let seen = PrivilegeSurvey(answer: answer) { probe.survey.withLock { $0.seen = seen } }
            } catch {
                record.leave()
                record.skip(.privileges, "rights could not be looked at")
                if case .wait(.cancelled) = error { throw .cancelled }
            }
        }
        record.facts.rights = probe.survey.withLock(\.seen)
    }

    private func rights(_ connection: PostgresConnection, _ question: String) async throws(ProbeEnd) -> PrivilegeReport {
        let answer: [[String?]]
        do {
            answer = try await connection.query(question, limit: PrivilegeStatement.rowLimit, on: tools.reactor, until: run.deadline)
        } catch {
            throw end(of: error, during: .privileges)
        }
        guard let report = PrivilegeReport(target.privileges, answer: answer) else {
            throw .failed(
                Failure(
                    .protocolViolation, during: .privileges,
                    detail: "The answer to the question for rights has not the shape that was asked for.",
                    evidence: [Evidence(.agent, code: answer.count, text: "rows in the answer")]))
        }
        return report
    }

    // MARK: how it ends

    private func end(of failure: PostgresFailure, during phase: Phase) -> ProbeEnd {
        switch failure {
        case .wait(let wait): return end(of: wait, during: phase)
        case .socket(let code): return .failed(located(Classifier.errno(code, phase: phase, address: record.facts.address)))
        case .closed: return .failed(located(Classifier.closed(phase: phase)))
        case .negotiation(let bytes, let text):
            var failure = Classifier.libpq(text: text, phase: phase, context: context(usedPassword: false))
            failure.evidence.append(Evidence(.bytes, code: hex(bytes), text: "first bytes of the answer to the request for TLS"))
            return .failed(failure)
        case .authentication(let request):
            return .failed(
                Failure(
                    .authMethodUnexpected, during: phase,
                    detail: request.map { "The server asks for \($0) instead of the token in clear text inside TLS; nothing was sent." }
                        ?? "The server lets the user in without asking for anything, so the token was not tested.",
                    evidence: [Evidence(.agent, code: request?.code ?? 0, text: "authentication request of the server")]))
        case .violation(let bytes, let text):
            return .failed(Failure(.protocolViolation, during: phase, evidence: [Evidence(.bytes, code: hex(bytes), text: text)]))
        case .budget(let count):
            return .failed(
                Failure(
                    .protocolViolation, during: phase, detail: "The server sent more than a probe reads.",
                    evidence: [
                        Evidence(
                            .agent, code: count, text: "bytes read after the TLS handshake; the limit is \(PostgresConnection.byteBudget)")
                    ]))
        case .library(let error):
            let context = context(usedPassword: error.usedPassword)
            guard let sqlState = error.sqlState else {
                let failure = Classifier.connect(text: error.text, phase: phase, context: context)
                return .failed(phase == .tcp ? located(failure) : failure)
            }
            return .failed(Classifier.postgres(sqlState: sqlState, text: error.text, phase: phase, context: context))
        }
    }

    private func context(usedPassword: Bool) -> PostgresContext {
        PostgresContext(
            user: target.user ?? "", database: target.database, port: target.port, usedPassword: usedPassword, claims: token?.claims,
            tokenLength: token?.length, now: .now, prediction: prediction, host: target.host)
    }
}
