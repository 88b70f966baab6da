// Probes as the service runs them: the same clients, cached tokens, board, metrics, history file and log.
import Certificates
import Curl
import Diagnosis
import Identity
import Logging
import Probes
import Readiness
import Schedule
import Store
import Synchronization
import Telemetry

/// Everything between the schedule and the disk for the targets of one lab.
final class ProbeRig: Sendable {
    let probes: [any Probe]
    let board: Board
    let metrics = Metrics()
    let store: HistoryStore
    let gate: Gate
    let logger: Logger
    private let engine: Engine
    private let reactor: Reactor
    private let http: CurlClient
    /// What went wrong first; a figure of failing probes would say nothing.
    private let trouble = Mutex<String?>(nil)

    var firstTrouble: String? { trouble.withLock { $0 } }

    /// - Parameters:
    ///   - usesCAFile: whether the probes are told the lab's root certificate, or have to find it in the system's store.
    ///   - concurrency: probes that may be past `tcp`.
    ///   - interval: of the target at this place in the list.
    init(
        _ lab: LabFacts, historyFile: String, usesCAFile: Bool = true, timeout: Duration = .seconds(15), concurrency: Int = 64,
        sink: LogSink, interval: (Int) -> Duration = { _ in .seconds(60) }
    ) throws {
        let logger = Logger(label: "agent") { AgentLogHandler(label: $0, sink: sink, format: .text) }
        self.logger = logger
        let servers = [try Self.endpoint(lab.nameServer)]
        let targets = lab.targets.enumerated().map {
            Target(
                name: $1.name, engine: lab.engine, host: $1.host, port: $1.port, database: $1.database, user: $1.user, identities: ["app"],
                interval: interval($0), timeout: timeout, caFile: usesCAFile ? lab.caFile : nil)
        }
        let board = Board(targets: targets, identities: ["app"])
        self.board = board
        let store = HistoryStore(path: historyFile, logger: logger)
        self.store = store
        let metrics = self.metrics
        reactor = try Reactor()
        http = CurlClient()
        let identity = IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned))
        let environment = IdentityEnvironment(
            identityEndpoint: lab.environment["IDENTITY_ENDPOINT"], identityHeader: lab.environment["IDENTITY_HEADER"].map { Secret($0) })
        let identities = Identities(
            definitions: [identity], cloud: .public, environment: environment, http: http,
            onEvent: { event in
                let news = board.record(event)
                if case .request(let result) = event {
                    metrics.tokenRequest(result)
                    store.record(result, watch: news.observation)
                }
            }, logger: logger)
        guard let tokens = identities.source(named: "app") else { throw BenchError("the identity app has no source") }
        let tools = ProbeTools(
            reactor: reactor, lookup: try NameLookup(reactor: reactor, servers: servers), nameServers: servers, cloud: .public,
            applicationName: "agent/bench", lastGood: { board.lastGoodFacts(of: $0) })
        let anchors = TrustAnchors(caFile: usesCAFile ? lab.caFile : nil)
        probes = targets.map { target -> any Probe in
            switch target.engine {
            case .mysql: MySQLProbe(target: target, identity: identity, tokens: tokens, anchors: anchors, tools: tools)
            case .postgresql: PostgresProbe(target: target, identity: identity, tokens: tokens, anchors: anchors, tools: tools)
            case .azuresql: AzureSQLProbe(target: target, identity: identity, tokens: tokens, anchors: anchors, tools: tools)
            }
        }
        engine = lab.engine
        gate = Gate(limit: concurrency)
    }

    /// Runs `body` while the store writes, then ends all parts.
    func use<R>(_ body: () async throws -> R) async throws -> R {
        let writing = Task { await store.run() }  // Ended four lines below, whatever the body does.
        let result: Result<R, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        writing.cancel()
        await writing.value
        await http.close()
        reactor.close()
        return try result.get()
    }

    /// One probe with everything the service does about it.
    func probe(_ probe: any Probe) async {
        metrics.probeStarted()
        metrics.schedulerLag(.zero)
        if let observation = await probe.observe(ProbeRun(deadline: .in(probe.target.timeout), gate: gate, logger: logger)) {
            take(observation)
        }
    }

    func take(_ observation: Observation) {
        metrics.probeEnded()
        metrics.observe(observation, engine: engine)
        store.record(observation)
        if let change = board.record(observation) {
            logger.notice(
                "The state of a check changed",
                metadata: [
                    "check.id": "\(change.check)", "check.state": "\(change.to.rawValue)",
                    "failure.cause": "\(change.cause?.rawValue ?? "-")",
                ])
        }
        if let failure = observation.failure {
            trouble.withLock {
                $0 = $0 ?? "\(observation.check): \(failure.cause.rawValue) in \(failure.phase.rawValue): \(failure.evidence.map(\.line))"
            }
        }
    }

    static func endpoint(_ text: String) throws -> Endpoint {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]) else {
            throw BenchError("'\(text)' is no address and port")
        }
        return Endpoint(host: String(text[..<colon]), port: port)
    }
}
