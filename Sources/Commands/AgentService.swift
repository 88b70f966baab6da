// Everything long-lived, in start order; stopping runs in reverse. Plain wiring, read from top to bottom.
import Diagnosis
import Glibc
import Identity
import Logging
import Schedule
import ServiceLifecycle
import Settings
import StatusServer
import Store
import Synchronization
import Telemetry
import UnixSignals

/// The running agent.
final class AgentService: Sendable {
    /// How long running probes may finish after the first signal.
    static let drain = Duration.seconds(8)

    private let configuration: Configuration
    private let workbench: Workbench
    private let store: HistoryStore
    private let metrics: Metrics
    private let gate: Gate
    private let scheduler: Scheduler
    private let onDemand: OnDemand
    private let diagnosis: InsideDiagnosis
    private let sink: LogSink
    private let logger: Logger
    private let isListening = Atomic(false)

    init(_ configuration: Configuration, descriptors: Int, logger: Logger, sink: LogSink) throws(Failure) {
        self.configuration = configuration
        self.logger = logger
        self.sink = sink
        let metrics = Metrics()
        self.metrics = metrics
        // Standard output may be a pipe that nobody reads, so its lines go through a queue of their own.
        let stateLines = LogSink(descriptor: STDOUT_FILENO, reportsDrops: false)
        let tell: @Sendable (JSON) -> Void = { stateLines.write(Array(($0.compact + "\n").utf8), level: .info) }
        let storeState = StoreVerdict(path: configuration.history.path)
        let store = HistoryStore(
            path: configuration.history.path, retention: Retention(configuration.history), logger: logger,
            onCommit: { metrics.commit($0.duration) }, onChange: { if let line = storeState.change($0, at: .now) { tell(line.json) } })
        self.store = store
        let workbench = try Workbench(
            configuration, logger: logger,
            onToken: { event in
                guard case .request(let result) = event else { return }
                metrics.tokenRequest(result)
                store.record(result)
            }, onIdentity: { tell($0.json) })
        self.workbench = workbench
        let gate = Gate(limit: configuration.limits.concurrency)
        self.gate = gate
        metrics.concurrencyLimit(gate.limit)
        metrics.configurationLoaded(isReload: false)
        let board = workbench.board
        let engines = Dictionary(uniqueKeysWithValues: workbench.probes.map { ($0.id, $0.target.engine) })
        let found: @Sendable (Observation) -> Void = { observation in
            store.record(observation)
            if let engine = engines[observation.check] { metrics.observe(observation, engine: engine) }
            guard let change = board.record(observation) else { return }
            tell(change.stateLine)
            Self.log(change, observation, logger)
        }
        let scheduler = Scheduler(
            probes: workbench.probes, gate: gate, seed: CheckID(target: Terminal.hostName, identity: "").stableHash, drain: Self.drain,
            // A probe holds one or two descriptors; some are kept for the page, the metrics and the database.
            limit: max(8, descriptors / 2 - 64), onTurn: { ServiceManager.inherited?.tick { Self.statusLine(board) } },
            onEvent: { event in
                switch event {
                case .started(_, let lag): metrics.schedulerLag(lag)
                case .missed(_, let reason): metrics.missed(MissedReason(rawValue: reason.rawValue) ?? .overrun)
                case .finished(let observation): found(observation)
                }
            }, logger: logger)
        self.scheduler = scheduler
        // Such probes answer who asked and count as logins; only those of the agent's own commands change what the schedule has found,
        // because who asks over HTTP may have left them less time than the configuration does.
        let probes = Dictionary(uniqueKeysWithValues: workbench.probes.map { ($0.id, $0) })
        let onDemand = OnDemand(
            gate: gate, find: { probes[$0] }, depth: { scheduler.depth(of: $0) }, note: { scheduler.note($0) }, found: found,
            logger: logger)
        self.onDemand = onDemand
        diagnosis = InsideDiagnosis(
            InsideDiagnosis.Sources(
                targets: { configuration.targets }, board: { board },
                report: { Self.report($0, configuration, store.status) }, reset: { scheduler.reset($0) }),
            onDemand: onDemand, store: store)
    }

    /// Serves until a signal comes. **Throws**: `StatusServer.BindFailure`, `LocalSocket.Refusal`.
    func run() async throws {
        let socket = try configuration.server.socket.flatMap { try LocalSocket($0, logger: logger) }
        logger.notice(
            "agent starts",
            metadata: [
                "agent.version": "\(AgentVersion.current)", "checks": "\(workbench.probes.count)",
                "history.path": "\(configuration.history.path)",
            ])
        let server = StatusServer(
            listen: configuration.server.listen, socket: socket, hosts: configuration.server.hosts, sources: sources, metrics: metrics,
            logger: logger,
            onBound: { _ in
                self.isListening.store(true, ordering: .releasing)
                ServiceManager.inherited?.ready()
            })
        let store = self.store
        let identities = workbench.identities
        var group = ServiceGroupConfiguration(
            services: [
                .init(service: Work { await cancelWhenGracefulShutdown { await store.run() } }),
                .init(service: Work { await cancelWhenGracefulShutdown { await identities.watch() } }),
                .init(service: scheduler, successTerminationBehavior: .ignore),
                .init(service: onDemand, successTerminationBehavior: .ignore),
                .init(service: server),
                .init(service: diagnosis, successTerminationBehavior: .ignore),
                // Last in the list, so told first.
                .init(
                    service: Work {
                        try? await gracefulShutdown()
                        ServiceManager.inherited?.stopping()
                    }, successTerminationBehavior: .ignore),
            ], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        group.maximumGracefulShutdownDuration = .seconds(10)
        try await ServiceGroup(configuration: group).run()
        await workbench.close()
        logger.notice("agent has stopped")
    }

    /// For `systemctl status`.
    private static func statusLine(_ board: Board) -> String {
        let checks = board.snapshot.checks
        return "\(checks.count { $0.state == .up }) of \(checks.count) checks up"
    }

    /// Once per change of verdict, not per run.
    private static func log(_ change: StateChange, _ observation: Observation, _ logger: Logger) {
        var metadata: Logger.Metadata = ["check.id": "\(change.check)", "state.from": "\(change.from.rawValue)"]
        guard change.to == .down else {
            logger.notice("check is up", metadata: metadata)
            return
        }
        metadata["failure.cause"] = "\(change.cause?.rawValue ?? "")"
        metadata["phase.name"] = "\(change.phase?.rawValue ?? "")"
        metadata["failure.evidence"] = "\(observation.failure?.evidence.first?.line ?? "")"
        logger.warning("check is down", metadata: metadata)
    }

    // MARK: What the HTTP side sees

    private var sources: StatusSources {
        StatusSources(
            exposition: { self.exposition }, history: store,
            liveness: { Liveness(lastTick: self.scheduler.lastTick, period: Scheduler.pulse) },
            readiness: {
                [
                    ReadinessCondition("configuration", isMet: true),
                    ReadinessCondition("listening", isMet: self.isListening.load(ordering: .acquiring)),
                ]
            },
            report: { Self.report(self.workbench.board.snapshot, self.configuration, self.store.status) },
            targets: { self.configuration.targets },
            probe: { check, timeout in await self.probe(check, within: timeout) }, diagnosis: diagnosis)
    }

    private func probe(_ check: CheckID, within timeout: Duration) async -> ProbeReply {
        switch await onDemand.ask(check, within: timeout) {
        case .busy: return .busy
        case .late: return .late
        case .closed: return .closed
        case .observed(let observation):
            guard observation.isPartial else { return .observed(observation, resting: nil) }
            let status = workbench.board.snapshot.checks.first { $0.id == check }
            return .observed(observation, resting: status?.last?.failure)
        }
    }

    private static func report(_ snapshot: Board.Snapshot, _ configuration: Configuration, _ status: StoreStatus) -> Report {
        var notices: [Notice] = []
        if status.mode == .memory || !status.isUp {
            let reason = status.message ?? "no file is configured"
            notices.append(Notice(.storeNotPersistent, during: .internal, detail: "History is kept in memory only: \(reason)."))
        }
        return Report.make(
            snapshot: snapshot, identities: configuration.identities, mode: .inside, host: Terminal.hostName,
            version: AgentVersion.current, now: .now, cloud: configuration.cloud, notices: notices)
    }

    private var exposition: ExpositionInput {
        var snapshot = metrics.snapshot
        snapshot.schedule.inFlight = scheduler.inFlight
        return ExpositionInput(
            board: workbench.board.snapshot, metrics: snapshot, build: BuildInfo(version: AgentVersion.current),
            store: StoreGauges(store.status), process: ProcessStats.current(), log: sink.counts,
            sources: workbench.identities.sourceKinds)
    }
}

/// An async function as a service.
private struct Work: Service {
    var body: @Sendable () async -> Void
    func run() async throws { await body() }
}

extension LocalSocket {
    /// Takes the configured place. A place that nobody chose is not worth failing for: commands then take the other ways.
    /// - Returns: nil when it cannot be had.
    convenience init?(_ socket: Configuration.Socket, logger: Logger) throws(Refusal) {
        do {
            try self.init(path: socket.path, isRequired: !socket.isDefault)
        } catch {
            guard socket.isDefault else { throw error }
            logger.warning("there is no local socket", metadata: ["error": "\(error)"])
            return nil
        }
    }
}

extension Retention {
    init(_ history: Configuration.History) {
        self.init()
        (successes, failures, changes) = (history.keep.detail, history.keep.failures, history.keep.failures)
        (hourly, daily, maximumSize) = (history.keep.hourly, history.keep.daily, history.maximumSize)
    }
}

extension StoreGauges {
    init(_ status: StoreStatus) {
        self.init(
            isUp: status.isUp, records: status.records, recordFailures: Self.names(status.failures), queued: status.queue,
            queueLimit: status.queueLimit, size: status.size, writeAheadLogSize: status.walSize, lastCheckpoint: status.lastCheckpoint,
            recoveries: Self.names(status.recoveries), pruned: status.pruned)
    }

    private static func names(_ counts: [StoreTrouble: UInt64]) -> [String: UInt64] {
        Dictionary(uniqueKeysWithValues: counts.map { ($0.key.rawValue, $0.value) })
    }
}
