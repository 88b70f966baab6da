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
    let place: GatePlace
    var record: ProbeRecord
    var token: AccessToken?

    init(probe: AzureSQLProbe, run: ProbeRun) {
        self.probe = probe
        self.run = run
        self.place = GatePlace(run)
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
        defer { place.leave() }
        guard decision == .login else {
            try await greet(addresses, trust)
            record.facts.serviceObjective = knownObjective
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
            record.facts.serviceObjective = knownObjective
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

    /// The tier, as far as anybody has seen it.
    private var knownObjective: String? {
        record.facts.serviceObjective ?? probe.memory.withLock(\.serviceObjective) ?? tools.lastGood(probe.id)?.serviceObjective
    }

    var isServerless: Bool? { knownObjective.map(ServiceObjective.isServerless) }

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

    /// Whether a login counts, as far as is known before it.
    private var paysLogin: Bool { isServerless != false || target.wake.loginsPerDay(isServerless: isServerless) != nil }

    mutating func noteLoginEnd(isUnavailable: Bool) {
        let ledger = probe.memory.withLock { memory in
            memory.ledger.end(isUnavailable: isUnavailable, at: .now)
            return memory.ledger
        }
        if target.wake.expectsSleep(isServerless: isServerless) { record.facts.wake = ledger }
    }

    // MARK: tcp to login

    private func options(_ trust: TDSTrust, strict: Bool, logsIn: Bool = true) -> TDSOptions {
        var options = TDSOptions(trust: trust)
        options.applicationName = tools.applicationName
        options.encryption = strict ? .strict : .mandatory
        options.limits.session = AzureSQLProbe.byteBudget
        options.limits.reply = AzureSQLProbe.byteBudget
        options.limits.value = 64 * 1024
        options.limits.rows = AzureSQLPrivileges.rowLimit
        options.limits.columns = 64
        options.attentionTimeout = .milliseconds(500)
        let lookup = tools.lookup
        // The client goes from TCP to the end of the login in one call, and asks here when the server has answered and TLS is next.
        let (place, probe, paysLogin) = (place, probe, paysLogin)
        options.beforeTLS = { () async throws(TDSFailure) in
            do {
                if try await place.take(), logsIn, paysLogin { probe.memory.withLock { $0.ledger.begin(at: .now) } }
            } catch {
                throw TDSFailure(.cancelled, during: .tls, "No place came free in time.")
            }
        }
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
                server(addresses), options: options(trust, strict: strict, logsIn: false), until: run.deadline.instant)
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
            guard !isStrict, case .failed(let failure) = error, failure.cause == .tlsProtocolMismatch,
                failure.evidence.first?.code == "47072"
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
        do {
            let connection = try await TDSConnection.connect(
                to: server(addresses), token: token.reveal { TDSAccessToken($0) }, options: options(trust, strict: strict),
                until: run.deadline.instant)
            note(connection.timings, from: start)
            note(connection.facts, addresses)
            record.leave()
            noteLoginEnd(isUnavailable: false)
            if let tenant = self.token?.claims.tenant { probe.memory.withLock { $0.requiredTenant = tenant } }
            return connection
        } catch {
            let isUnavailable = error.messages.contains { $0.number == 40613 }
            var end = end(of: error, from: start, addresses)
            guard case .failed(let failure) = end else { throw end }
            noteLoginEnd(isUnavailable: isUnavailable)
            if run.explains, failure.evidence.contains(where: { $0.code == "18456" }),
                [.tokenWrongTenant, .entraAuthDisabled, .loginRefused, .tokenWrongAudience].contains(failure.cause)
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
        if let tenant = issuer.tenant { probe.memory.withLock { $0.requiredTenant = tenant } }
        var failure = Classifier.azureSQL(refusal.messages.map(Self.error), phase: failure.phase, context: context(tenant: issuer.tenant))
        failure.evidence.append(
            Evidence(
                .agent,
                text:
                    "asked without a token, the server says that it takes those of \(issuer.authority ?? "nobody") for \(issuer.resource ?? "nothing")"
            ))
        return .failed(failure)
    }

    // MARK: what was seen on the way

    /// Steps of the first server are phases; those after a redirect are part of `login`, and listed apart.
    mutating func note(_ timings: [TDSTiming], from start: ContinuousClock.Instant, failed: TDSFailure? = nil) {
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

    mutating func note(_ facts: TDSFacts?, _ addresses: [String], refused certificate: [UInt8]? = nil) {
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

    static func phase(_ phase: TDSPhase) -> Phase {
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
}
