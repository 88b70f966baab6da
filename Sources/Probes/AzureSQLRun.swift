// One run of the Azure SQL probe, phase by phase; one login, one redirect at most, and no hidden retry.
//
// The TDS client goes from TCP to the end of the login in one call and tells afterwards how long each step took.
import Certificates
import Diagnosis
import Readiness
import Synchronization
import TDS

struct AzureSQLRun: TokenRun {
    let probe: AzureSQLProbe
    let run: ProbeRun
    var record: ProbeRecord
    var token: AccessToken?

    init(probe: AzureSQLProbe, run: ProbeRun) {
        self.probe = probe
        self.run = run
        self.record = ProbeRecord(check: probe.id, unasked: probe.target.privileges.isEmpty ? [.privileges] : [])
    }

    mutating func perform() async throws(ProbeEnd) -> Observation.Outcome {
        let token = try await acquireToken()
        let addresses = try await resolve()
        let decision = run.depth == .tls ? nil : wakeDecision()
        let trust: TDSTrust
        do {
            trust = try await tools.trust.anchors(probe.anchors)
        } catch {
            throw .failed(error)
        }
        // The client connects and secures in one call, so the place is taken before `tcp`.
        if let gate = run.gate {
            do {
                try await gate.enter(until: run.deadline)
            } catch {
                throw .cancelled
            }
        }
        defer { run.gate?.leave() }
        guard decision == .login else {
            try await greet(addresses, trust)
            record.facts.wake = decision == nil ? nil : probe.memory.withLock(\.ledger)
            return .partial(decision == nil ? .loginPaused : .asleep)
        }
        let connection: TDSConnection
        do {
            connection = try await logIn(addresses, trust, token)
        } catch {
            guard case .failed(let failure) = error, failure.cause == .databaseResuming, target.wake != .always else { throw error }
            // It was asleep and is not down: the next probe looks again.
            record.leave()
            record.skip(.login, "the database is waking up")
            return .partial(.asleep)
        }
        do {
            try await ask(connection)
            try await askPrivileges(connection)
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
        return .succeeded
    }

    // MARK: wake

    private var isServerless: Bool? {
        let objective = record.facts.serviceObjective ?? probe.memory.withLock(\.serviceObjective) ?? tools.lastGood(probe.id)?.serviceObjective
        return objective.map(ServiceObjective.isServerless)
    }

    private func wakeDecision() -> WakeLedger.Decision {
        guard !run.wakes else { return .login }
        let limit = target.wake.loginsPerDay(isServerless: isServerless)
        // What an earlier process spent counts as well.
        let past = tools.wakeLedger(probe.id)
        return probe.memory.withLock { memory in
            if let past { memory.ledger.merge(past) }
            return memory.ledger.decide(limit: limit, now: .now)
        }
    }

    private mutating func noteLogin() {
        guard isServerless != false || target.wake.loginsPerDay(isServerless: isServerless) != nil else { return }
        probe.memory.withLock { $0.ledger.begin(at: .now) }
    }

    private mutating func noteLoginEnd(isUnavailable: Bool) {
        let ledger = probe.memory.withLock { memory in
            memory.ledger.end(isUnavailable: isUnavailable, at: .now)
            return memory.ledger
        }
        if target.wake.expectsSleep(isServerless: isServerless) { record.facts.wake = ledger }
    }

    // MARK: tcp to login

    private func options(_ trust: TDSTrust, strict: Bool) -> TDSOptions {
        var options = TDSOptions(trust: trust)
        options.applicationName = tools.applicationName
        options.encryption = strict ? .strict : .mandatory
        options.limits.session = AzureSQLProbe.byteBudget
        options.limits.reply = AzureSQLProbe.byteBudget
        options.limits.value = 64 * 1024
        options.limits.rows = AzureSQLPrivileges.rowLimit
        options.attentionTimeout = .milliseconds(500)
        let lookup = tools.lookup
        options.lookUp = { (host, deadline) async throws(TDSFailure) in try await Self.addresses(of: host, deadline, lookup) }
        return options
    }

    /// The name that a redirect leads to.
    private static func addresses(
        of host: String, _ deadline: ContinuousClock.Instant, _ lookup: NameLookup
    ) async throws(TDSFailure) -> [String] {
        let failure: NameLookupFailure
        do {
            return try await lookup.resolve(host, until: Deadline(deadline)).addresses
        } catch {
            failure = error
        }
        switch failure {
        case .wait(.cancelled): throw TDSFailure(.cancelled, during: .name, "The name lookup was cancelled.")
        case .wait: throw TDSFailure(.timedOut, during: .name, "The name \(host) was not resolved in time.")
        case .ares(_, let text, _): throw TDSFailure(.nameNotFound, during: .name, "The name \(host) has no address: \(text).")
        }
    }

    private func server(_ addresses: [String]) -> TDSTarget {
        TDSTarget(host: target.host, port: target.port, database: target.database, addresses: addresses)
    }

    /// Everything up to TLS, and no login.
    private mutating func greet(_ addresses: [String], _ trust: TDSTrust) async throws(ProbeEnd) {
        let start = ContinuousClock.now
        record.enter(.tcp, at: start)
        let strict = probe.memory.withLock(\.isStrict)
        do {
            let greeting = try await TDSConnection.greet(
                server(addresses), options: options(trust, strict: strict), until: run.deadline.instant)
            note(greeting.timings, from: start)
            note(greeting.facts, addresses)
            record.leave()
        } catch {
            throw end(of: error, from: start, addresses)
        }
    }

    private mutating func logIn(
        _ addresses: [String], _ trust: TDSTrust, _ token: Secret<String>
    ) async throws(ProbeEnd) -> TDSConnection {
        let isStrict = probe.memory.withLock(\.isStrict)
        do {
            return try await logIn(addresses, trust, token, strict: isStrict)
        } catch {
            // The server wants TLS 1.3, which the older way of TDS does not have: refused before it looked at the token, so it is asked once more.
            // Source: azure-sql-tds.md 2.1.
            guard !isStrict, case .failed(let failure) = error, failure.cause == .tlsProtocolMismatch, failure.evidence.first?.code == "47072"
            else { throw error }
            record.reopen(.tcp)
            let connection = try await logIn(addresses, trust, token, strict: true)
            probe.memory.withLock { $0.isStrict = true }
            return connection
        }
    }

    private mutating func logIn(
        _ addresses: [String], _ trust: TDSTrust, _ token: Secret<String>, strict: Bool
    ) async throws(ProbeEnd) -> TDSConnection {
        let start = ContinuousClock.now
        record.enter(.tcp, at: start)
        noteLogin()
        do {
            let connection = try await TDSConnection.connect(
                to: server(addresses), token: token.reveal { TDSAccessToken($0) }, options: options(trust, strict: strict),
                until: run.deadline.instant)
            note(connection.timings, from: start)
            note(connection.facts, addresses)
            record.leave()
            noteLoginEnd(isUnavailable: false)
            return connection
        } catch {
            let isUnavailable = error.messages.contains { $0.number == 40613 }
            var end = end(of: error, from: start, addresses)
            noteLoginEnd(isUnavailable: isUnavailable)
            if run.explains, case .failed(let failure) = end, failure.evidence.contains(where: { $0.code == "18456" }),
                [.tokenWrongTenant, .loginRefused, .tokenWrongAudience].contains(failure.cause)
            {
                end = await explained(error, failure, options(trust, strict: strict), addresses)
            }
            throw end
        }
    }

    /// Asks the server whose tokens it takes: only for a person, on a connection of its own, and without the token.
    private func explained(
        _ refusal: TDSFailure, _ failure: Failure, _ options: TDSOptions, _ addresses: [String]
    ) async -> ProbeEnd {
        let deadline = run.deadline.capped(to: .seconds(3))
        guard let issuer = try? await TDSConnection.issuer(of: server(addresses), options: options, until: deadline.instant) else {
            return .failed(failure)
        }
        var failure = Classifier.azureSQL(refusal.messages.map(Self.error), phase: failure.phase, context: context(tenant: issuer.tenant))
        failure.evidence.append(
            Evidence(
                .agent,
                text: "asked without a token, the server says that it takes those of \(issuer.authority ?? "nobody") for \(issuer.resource ?? "nothing")"))
        return .failed(failure)
    }

    // MARK: what was seen on the way

    /// Steps of the first server are phases; those after a redirect are part of `login`, and listed apart.
    private mutating func note(_ timings: [TDSTiming], from start: ContinuousClock.Instant, failed: TDSFailure? = nil) {
        var instant = start
        for timing in timings {
            if timing.hop == 0 {
                record.enter(Self.phase(timing.phase), at: instant)
            } else {
                record.facts.redirectPhases.append(PhaseResult(Self.phase(timing.phase), .ok, duration: timing.duration))
            }
            instant += timing.duration
        }
        guard let failed else { return }
        if failed.hop == 0 {
            if record.current != Self.phase(failed.phase) { record.enter(Self.phase(failed.phase), at: min(instant, .now)) }
        } else if record.facts.redirectPhases.last?.phase == Self.phase(failed.phase) {
            record.facts.redirectPhases[record.facts.redirectPhases.count - 1].outcome = .failed
        }
    }

    private mutating func note(_ facts: TDSFacts?, _ addresses: [String], refused certificate: [UInt8]? = nil) {
        if let facts {
            record.facts.tlsVersion = facts.tlsVersion.map(Self.version) ?? record.facts.tlsVersion
            record.facts.serverVersion = facts.version ?? facts.preloginVersion ?? record.facts.serverVersion
            record.facts.database = facts.database ?? record.facts.database
            record.facts.redirectedTo = facts.redirectedTo
            record.facts.traceID = facts.traceID
            noteAddress(facts.remoteAddress, addresses, isRedirected: facts.redirectedTo != nil)
        }
        guard let der = certificate ?? facts?.certificate else { return }
        let known = probe.memory.withLock(\.certificate)
        if let known, known.der == der {
            record.facts.certificate = known.facts
        } else if let read = CertificateFacts(der: der) {
            record.facts.certificate = read
            probe.memory.withLock { $0.certificate = (der, read) }
        }
    }

    private mutating func noteAddress(_ remote: String?, _ addresses: [String], isRedirected: Bool) {
        guard let remote, let colon = remote.lastIndex(of: ":") else { return }
        let address = remote[..<colon].filter { $0 != "[" && $0 != "]" }
        record.facts.address = address
        guard !isRedirected, let place = addresses.firstIndex(of: address), place > 0 else { return }
        let dead = addresses[..<place].joined(separator: ", ")
        record.notices.append(
            Notice(
                .addressDead, during: .tcp, detail: "The name also has the address \(dead), which does not answer; \(address) does.",
                evidence: addresses[..<place].map { Evidence(.address, text: $0) }))
    }

    private static func phase(_ phase: TDSPhase) -> Phase {
        switch phase {
        case .name: .dns
        case .tcp: .tcp
        case .negotiate: .negotiate
        case .tls: .tls
        case .login: .login
        case .query: .query
        }
    }

    /// In OpenSSL's words, as for the other engines.
    private static func version(_ text: String) -> String {
        switch text.lowercased() {
        case "tlsv12": "TLSv1.2"
        case "tlsv13": "TLSv1.3"
        default: text
        }
    }

    // MARK: query

    private mutating func ask(_ connection: TDSConnection) async throws(ProbeEnd) {
        record.enter(.query)
        let sent = ContinuousClock.now
        let rows: [[TDSValue]]
        do {
            let limit = max(500, min(5000, run.deadline.remainingMilliseconds))
            rows = try await connection.query(AzureSQLStatement.question(milliseconds: limit), until: run.deadline.instant).rows
        } catch {
            throw end(of: error, during: .query)
        }
        let roundTrip = ContinuousClock.now - sent
        let received = Timestamp.now
        guard let row = rows.first, row.count == AzureSQLStatement.columns else {
            throw .failed(
                Failure(
                    .protocolViolation, during: .query, detail: "The answer to the probe's question has not the shape that was asked for.",
                    evidence: [Evidence(.agent, code: rows.first?.count ?? 0, text: "columns in the first row")]))
        }
        record.leave()
        record.facts.sessionUser = row[0].text
        record.facts.currentUser = row[1].text
        record.facts.database = row[2].text ?? record.facts.database
        record.facts.isInRecovery = row[3].text.map { $0.uppercased() == "READ_ONLY" }
        if let objective = row[4].text {
            record.facts.serviceObjective = objective
            probe.memory.withLock { $0.serviceObjective = objective }
            noteLoginEnd(isUnavailable: false)
        }
        if let server = row[5].integer {
            let skew = Double(server) / 1000 - (received.seconds - roundTrip.seconds / 2)
            record.facts.clockSkew = (skew * 1000).rounded() / 1000
        }
    }

    // MARK: privileges

    /// Asks for the configured rights in one round trip. Whatever comes of it, the probe has succeeded: up means from token to query.
    /// **Throws**: only when the caller was cancelled.
    private mutating func askPrivileges(_ connection: TDSConnection) async throws(ProbeEnd) {
        guard !target.privileges.isEmpty else { return try await surveyRights(connection) }
        record.enter(.privileges)
        do {
            record.facts.privileges = try await rights(connection)
            record.leave()
        } catch {
            guard case .failed(let failure) = error else { throw error }
            record.leaveFailed()
            record.facts.privileges = PrivilegeReport(role: record.facts.currentUser ?? "", problem: failure, engine: .azuresql)
        }
    }

    private func rights(_ connection: TDSConnection) async throws(ProbeEnd) -> PrivilegeReport {
        let question = AzureSQLPrivileges.question(target.privileges)
        let result: TDSResult
        do {
            let parameters = question.parameters.map { TDSParameter($0.name, .text($0.value)) }
            result =
                parameters.isEmpty
                ? try await connection.query(question.text, until: run.deadline.instant)
                : try await connection.execute(question.text, parameters, until: run.deadline.instant)
        } catch {
            throw end(of: error, during: .privileges)
        }
        let sets = result.sets.map { $0.rows.map(Self.texts) }
        guard !result.isTruncated, let report = AzureSQLPrivileges.report(target.privileges, sets: sets) else {
            throw .failed(
                Failure(
                    .protocolViolation, during: .privileges,
                    detail: "The answer to the question for rights has not the shape that was asked for.",
                    evidence: [Evidence(.agent, code: sets.count, text: "result sets in the answer")]))
        }
        return report
    }

    private static func texts(_ row: [TDSValue]) -> [String?] { row.map { $0.isNull ? nil : $0.description } }

    /// Where nothing is configured: what the user can do, at the first success and then once an hour. Not worth a failure, nor much time.
    private mutating func surveyRights(_ connection: TDSConnection) async throws(ProbeEnd) {
        let now = ContinuousClock.now
        let isDue = probe.memory.withLock { memory in
            guard memory.survey.due.map({ $0 <= now }) ?? true else { return false }
            memory.survey.due = now + AzureSQLProbe.surveyInterval
            return true
        }
        if isDue {
            record.enter(.privileges)
            do {
                let answer = try await connection.query(
                    PrivilegeSurvey.azureSQLStatement, until: run.deadline.capped(to: .seconds(2)).instant)
                record.leave()
                if var seen = PrivilegeSurvey(answer: answer.rows.map(Self.texts)) {
                    seen.engine = .azuresql
                    probe.memory.withLock { $0.survey.seen = seen }
                }
            } catch {
                record.leave()
                record.skip(.privileges, "rights could not be looked at")
                if error.cause == .cancelled { throw .cancelled }
            }
        }
        record.facts.rights = probe.memory.withLock(\.survey.seen)
    }

    // MARK: how it ends

    private mutating func end(of failure: TDSFailure, from start: ContinuousClock.Instant, _ addresses: [String]) -> ProbeEnd {
        note(failure.timings, from: start, failed: failure)
        note(failure.facts, addresses, refused: failure.certificate)
        if record.facts.address == nil { record.facts.address = addresses.first }
        return end(of: failure, during: Self.phase(failure.phase))
    }

    private func end(of failure: TDSFailure, during phase: Phase) -> ProbeEnd {
        guard failure.cause != .cancelled else { return .cancelled }
        let seen = classified(failure, phase)
        guard failure.hop > 0, !failure.cause.isServersWord else { return .failed(seen) }
        return .failed(redirected(seen, failure))
    }

    /// The gateway was reached; what it sends its clients to was not.
    private func redirected(_ seen: Failure, _ failure: TDSFailure) -> Failure {
        let place = failure.facts?.redirectedTo ?? record.facts.redirectedTo ?? failure.address ?? "another server"
        var seen = seen
        seen.evidence.append(Evidence(.agent, text: "after the gateway's redirect to \(place)"))
        guard failure.phase == .tcp else { return seen }
        return Failure(
            .redirectBlocked, during: .login, detail: "The gateway answers and sends its clients to \(place), which cannot be reached from here.",
            evidence: seen.evidence)
    }

    private func classified(_ failure: TDSFailure, _ phase: Phase) -> Failure {
        let said = Evidence(.agent, text: failure.detail)
        switch failure.cause {
        case .cancelled: return Failure(.probeInternal, during: phase, evidence: [said])
        case .nameNotFound: return Failure(.dnsNotFound, during: .dns, evidence: [said])
        case .refused, .unreachable, .closed:
            if let code = failure.errno { return located(Classifier.errno(code, phase: phase, address: record.facts.address)) }
            return located(Classifier.closed(phase: phase, evidence: said))
        case .timedOut: return located(Classifier.deadline(phase: phase, after: ContinuousClock.now - record.begin))
        case .notSQLServer: return located(Failure(.peerNotDatabase, during: phase, evidence: [bytes(failure)]))
        case .encryptionRefused:
            return located(Failure(.tlsNotNegotiated, during: phase, detail: failure.detail, evidence: [said]))
        case .certificateUntrusted, .certificateExpired, .certificateNameMismatch: return certificate(failure)
        case .tlsFailed:
            let isMismatch = ["PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_SHARED_CIPHER", "HANDSHAKE_FAILURE"].contains {
                failure.detail.contains($0)
            }
            return located(Failure(isMismatch ? .tlsProtocolMismatch : .tlsHandshakeAborted, during: .tls, evidence: [said]))
        case .loginRefused, .requestFailed:
            return Classifier.azureSQL(failure.messages.map(Self.error), phase: phase, context: context(tenant: nil))
        case .redirectRefused, .protocolViolation:
            return Failure(.protocolViolation, during: phase, detail: failure.detail, evidence: [bytes(failure)])
        case .tooLarge:
            return Failure(
                .protocolViolation, during: phase, detail: "The server sent more than a probe reads.",
                evidence: [said, Evidence(.agent, code: AzureSQLProbe.byteBudget, text: "bytes are the limit after the TLS handshake")])
        case .misuse: return Failure(.probeInternal, during: phase, detail: failure.detail, evidence: [said])
        }
    }

    private func certificate(_ failure: TDSFailure) -> Failure {
        let seen = failure.certificate.flatMap(CertificateFacts.init(der:))
        // Source: OpenSSL 3, x509_vfy.h: 9 not yet valid, 10 expired, 18 self-signed, 20 no issuer, 62 host name.
        let code =
            switch failure.cause {
            case .certificateExpired: (seen?.notBefore ?? .now) > .now ? 9 : 10
            case .certificateNameMismatch: 62
            default: seen.map { $0.subject == $0.issuer } == true ? 18 : 20
            }
        let host = failure.hop == 0 ? target.host : failure.facts?.redirectedTo ?? "the server of the redirect"
        return Classifier.verify(code: code, host: host, certificate: seen, now: .now, text: failure.detail)
            ?? Failure(.tlsUntrustedIssuer, during: .tls, evidence: [Evidence(.agent, text: failure.detail)])
    }

    private func bytes(_ failure: TDSFailure) -> Evidence {
        failure.bytes.isEmpty
            ? Evidence(.agent, text: failure.detail) : Evidence(.bytes, code: hex(failure.bytes.prefix(16)), text: failure.detail)
    }

    private static func error(_ message: TDSServerMessage) -> AzureSQLError {
        AzureSQLError(number: Int(message.number), state: Int(message.state), level: Int(message.class), text: message.text)
    }

    private func context(tenant: String?) -> AzureSQLContext {
        AzureSQLContext(
            host: target.host, database: target.database, sentToken: true,
            isServerless: target.wake.expectsSleep(isServerless: isServerless),
            resumingFor: probe.memory.withLock(\.ledger).resumingFor(now: .now), claims: token?.claims, now: .now, prediction: prediction,
            requiredTenant: tenant)
    }
}

extension TDSFailure.Cause {
    /// Whether it is the server's answer, rather than the way to it.
    fileprivate var isServersWord: Bool { self == .loginRefused || self == .requestFailed || self == .redirectRefused }
}
