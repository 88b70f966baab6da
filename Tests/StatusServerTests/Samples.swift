// Boards and reports that tests look at from several sides.
import Diagnosis
import Telemetry

enum Samples {
    static let now = Timestamp(rfc3339: "2026-11-22T03:04:11.000Z")!

    static func target(_ name: String, host: String? = nil, identities: [String] = ["app"]) -> Target {
        Target(
            name: name, engine: .postgresql, host: host ?? "\(name).postgres.database.azure.com", port: 5432, database: name,
            user: "aad_\(name)", identities: identities)
    }

    static func phases(until failed: Phase? = nil) -> [PhaseResult] {
        var isOver = false
        return Phase.probed.enumerated().map { index, phase in
            if phase == .privileges { return PhaseResult(phase, .skipped(PhaseResult.nothingConfigured)) }
            if isOver { return PhaseResult(phase, .skipped("not reached")) }
            if phase == .token, failed != .token { return PhaseResult(.token, .ok, isCached: true) }
            isOver = phase == failed
            return PhaseResult(phase, isOver ? .failed : .ok, duration: .microseconds(1500 * index + 100))
        }
    }

    static func facts() -> Facts {
        var facts = Facts()
        facts.addresses = ["10.20.4.7"]
        facts.address = "10.20.4.7"
        facts.serverVersion = "PostgreSQL 16.4"
        facts.tokenExpires = now + .seconds(10_000)
        facts.certificate = CertificateFacts(
            subject: "CN=orders", issuer: "CN=DigiCert", names: ["orders"], notBefore: now + .seconds(-86400 * 100),
            notAfter: now + .seconds(86400 * 200), chainNotAfter: now + .seconds(86400 * 190), sha256: "00")
        return facts
    }

    static func success(_ check: CheckID, at time: Timestamp = now) -> Observation {
        Observation(
            check: check, started: time, duration: .microseconds(21_250), phases: phases(), outcome: .succeeded, facts: facts())
    }

    static func failure(
        _ check: CheckID, _ cause: Cause = .tcpRefused, _ phase: Phase = .tcp, at time: Timestamp = now, evidence: [Evidence]? = nil,
        facts: Facts = Facts()
    ) -> Observation {
        Observation(
            check: check, started: time, duration: .milliseconds(3), phases: phases(until: phase),
            outcome: .failed(
                Failure(cause, during: phase, evidence: evidence ?? [Evidence(.errno, code: 111, text: "connection refused")])),
            facts: facts)
    }

    /// Nothing was probed yet.
    static func young() -> Board {
        Board(targets: [target("orders", identities: ["app", "reporting"])], identities: ["app", "reporting"])
    }

    /// One check up, one down, one waiting, an identity with a token and one that failed.
    static func old() -> Board {
        let board = Board(targets: [target("orders"), target("billing"), target("crm")], identities: ["app", "reporting"])
        _ = board.record(success(CheckID(target: "orders", identity: "app")))
        for back in [120, 60, 0] {
            var observation = failure(CheckID(target: "billing", identity: "app"))
            observation.started = observation.started + .seconds(-back)
            _ = board.record(observation)
        }
        board.record(.lookup(identity: "app", hit: false))
        board.record(.lookup(identity: "app", hit: true))
        board.record(.request(request("app", .acquired(expires: now + .seconds(86400), isSameToken: false))))
        board.record(
            .request(
                request(
                    "reporting",
                    .failed(
                        Failure(.identityNotAssigned, during: .token, evidence: [Evidence(.http, code: 400, text: "Identity not found")])))
            ))
        board.record(.throttled(source: .imds))
        return board
    }

    static func request(_ identity: String, _ outcome: TokenRequestResult.Outcome) -> TokenRequestResult {
        TokenRequestResult(
            identity: identity, resource: .ossrdbms, source: .imds, time: now, duration: .milliseconds(30), outcome: outcome)
    }

    static func report(_ board: Board) -> Report {
        let snapshot = board.snapshot
        return Report.make(
            snapshot: snapshot,
            identities: snapshot.identities.map { IdentityDefinition(name: $0.name, kind: .managedIdentity(.systemAssigned)) },
            mode: .inside, host: "aks-w-07", version: "0.1.0", now: now)
    }

    /// What an agent of some age would show, everything filled.
    static func exposition(_ board: Board, isOld: Bool = true) -> ExpositionInput {
        let metrics = Metrics()
        guard isOld else {
            return ExpositionInput(board: board.snapshot, metrics: metrics.snapshot, build: BuildInfo(version: "0.1.0"))
        }
        metrics.observe(success(CheckID(target: "orders", identity: "app")), engine: .postgresql)
        metrics.observe(failure(CheckID(target: "billing", identity: "app")), engine: .postgresql)
        // A pair that the table of possible ones does not have.
        metrics.observe(failure(CheckID(target: "billing", identity: "app"), .dnsNotFound, .query), engine: .postgresql)
        metrics.tokenRequest(request("app", .acquired(expires: now, isSameToken: true)))
        metrics.schedulerLag(.milliseconds(4))
        metrics.missed(.overrun)
        metrics.concurrencyLimit(64)
        metrics.configurationLoaded(at: now)
        metrics.configurationRefused()
        metrics.commit(.milliseconds(2))
        metrics.httpRequest(.metrics, code: 200, duration: .milliseconds(12))
        metrics.httpRequest(.other, code: 404, duration: .microseconds(80))
        metrics.httpRejected(.host)
        metrics.httpConnectionOpened()
        return ExpositionInput(
            board: board.snapshot, metrics: metrics.snapshot, build: BuildInfo(version: "0.1.0", revision: "abc", swiftVersion: "6.3"),
            store: StoreGauges(
                isUp: true, records: 12, recordFailures: [.missing: 1], queued: 3, queueLimit: 1000, size: 40960, writeAheadLogSize: 8192,
                lastCheckpoint: now, pruned: 7),
            process: ProcessStats(
                cpu: .milliseconds(1234), residentMemory: 30 << 20, virtualMemory: 1 << 30, openDescriptors: 12, descriptorLimit: 1024,
                started: now), log: LogSink.Counts(messages: [0, 0, 5, 1, 2, 0, 0], dropped: 4))
    }

    /// What an agent shows that has just started, everything there and nothing happened.
    static func fresh() -> ExpositionInput {
        ExpositionInput(
            board: young().snapshot, metrics: Metrics().snapshot, build: BuildInfo(version: "0.1.0"), store: StoreGauges(isUp: true),
            process: ProcessStats(
                cpu: .zero, residentMemory: 30 << 20, virtualMemory: 1 << 30, openDescriptors: 12, descriptorLimit: 1024, started: now),
            log: LogSink.Counts(messages: [0, 0, 0, 0, 0, 0, 0], dropped: 0), sources: ["app": .imds, "reporting": .imds])
    }

    /// A board of 1,000 checks as a fleet would have it.
    static func large(isDown: Bool = false) -> Board {
        let targets = (0..<1000).map { target("orders-\($0)-prod", host: "orders-\($0)-prod.postgres.database.azure.com") }
        let board = Board(targets: targets, identities: ["app"])
        for target in targets {
            for check in target.checks { _ = board.record(isDown ? failure(check) : success(check)) }
        }
        return board
    }

    /// Every place that somebody else decides about holds the payload.
    static func hostile(_ payload: String = "<script>console.log(1)</script>\"><img src=//x onerror=console.log(2)>") -> Board {
        var target = target("orders")
        target.database = payload
        target.user = payload
        target.host = payload
        var facts = facts()
        facts.serverVersion = payload
        facts.certificate = CertificateFacts(
            subject: payload, issuer: payload, names: [payload], notBefore: now, notAfter: now + .seconds(60),
            chainNotAfter: now + .seconds(60), sha256: payload)
        facts.sessionUser = payload
        let identity = payload
        target.identities = ["app", identity]
        let board = Board(targets: [target], identities: ["app", identity])
        for check in target.checks {
            _ = board.record(
                failure(check, .loginRefused, .login, evidence: [Evidence(.sqlstate, code: payload, text: payload)], facts: facts))
        }
        board.record(
            .request(
                request(
                    identity,
                    .failed(
                        Failure(.identityReplyInvalid, during: .token, detail: payload, evidence: [Evidence(.http, code: 1, text: payload)])
                    ))))
        return board
    }
}
