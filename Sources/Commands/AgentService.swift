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
    /// How long first probes wait for what history knows of servers that blocked this client.
    private static let recallLimit = Duration.seconds(2)

    private let surroundings: ServiceSurroundings
    private let running: Running
    private let store: HistoryStore
    private let metrics: Metrics
    private let gate: Gate
    private let scheduler: Scheduler
    private let onDemand: OnDemand
    private let hosts: HostNames
    private let diagnosis: InsideDiagnosis
    private let verdict: ConfigurationVerdict
    private let listening: ConfigurationVerdict
    private let door: FrontDoor?
    private let lines: FirstLines
    private let logger: Logger
    private let isListening = Atomic(false)

    /// - Parameters:
    ///   - verdict: on the configuration, which is good now.
    ///   - door: where somebody else has listened until now.
    init(
        _ configuration: Configuration, _ surroundings: ServiceSurroundings, verdict: ConfigurationVerdict, door: FrontDoor? = nil
    ) throws(Failure) {
        let configuration = surroundings.adjusted(configuration)
        let (metrics, logger, tell) = (surroundings.metrics, surroundings.logger, surroundings.tell)
        (self.surroundings, self.metrics, self.logger, self.verdict) = (surroundings, metrics, logger, verdict)
        let lines = FirstLines(tell)
        self.lines = lines
        let storeState = StoreVerdict(path: configuration.history.path)
        let store = HistoryStore(
            path: configuration.history.path, retention: Retention(configuration.history), makesFolder: configuration.history.isDefault,
            isContainer: surroundings.isContainer, logger: logger,
            onCommit: { metrics.commit($0.duration) }, onChange: { if let line = storeState.change($0, at: .now) { tell(line) } })
        self.store = store
        let workbench = try Workbench(
            configuration, logger: logger,
            onToken: { event in
                guard case .request(let result) = event else { return }
                metrics.tokenRequest(result)
                store.record(result)
            }, onIdentity: { lines.tell($0) })
        let running = Running(workbench)
        let listening = door?.verdict ?? ConfigurationVerdict()
        (self.running, self.listening, self.door) = (running, listening, door)
        store.follow(workbench.followed)
        workbench.recall(nil)
        hosts = surroundings.hosts
        hosts.replace(configuration.server.hosts)
        let gate = Gate(limit: configuration.limits.concurrency)
        self.gate = gate
        metrics.concurrencyLimit(gate.limit)
        let board = workbench.board
        let found: @Sendable (Observation) -> Void = { observation in
            store.record(observation)
            if let engine = board.engine(of: observation.check) { metrics.observe(observation, engine: engine) }
            guard let change = board.record(observation) else { return }
            lines.tell(StateLine(change))
            Self.log(change, observation, logger)
        }
        let scheduler = Scheduler(
            probes: workbench.probes, gate: gate, seed: CheckID(target: Terminal.hostName, identity: "").stableHash, drain: Self.drain,
            // A probe holds one or two descriptors; some are kept for the page, the metrics and the database.
            limit: max(8, surroundings.descriptors / 2 - 64), onTurn: { ServiceManager.inherited?.tick { Self.statusLine(board) } },
            onEvent: { event in
                switch event {
                case .started(_, let lag): metrics.schedulerLag(lag)
                case .missed(_, let reason): metrics.missed(MissedReason(rawValue: reason.rawValue) ?? .overrun)
                case .finished(let observation): found(observation)
                }
            }, logger: logger)
        scheduler.recall(within: Self.recallLimit)
        self.scheduler = scheduler
        // Such probes answer who asked and count as logins; only those of the agent's own commands change what the schedule has found,
        // because who asks over HTTP may have left them less time than the configuration does.
        let onDemand = OnDemand(
            gate: gate, find: { scheduler.probe(of: $0) }, depth: { scheduler.depth(of: $0) },
            notice: { scheduler.notice(of: $0) }, note: { scheduler.note($0) }, found: found, logger: logger)
        self.onDemand = onDemand
        diagnosis = InsideDiagnosis(
            InsideDiagnosis.Sources(
                targets: { running.workbench.configuration.targets },
                identities: { running.workbench.configuration.identities.map(\.name) },
                ask: { name, deadline in
                    await running.workbench.acquire(name, fresh: true, until: deadline)
                }, board: { board },
                adopt: {
                    scheduler.adopt($0)
                    running.workbench.adopt($0)
                },
                recalled: { checks in
                    scheduler.finishRecall()
                    running.workbench.finishRecall(checks)
                    lines.release(checks, board)
                },
                report: { snapshot in
                    Self.report(
                        snapshot, running.workbench.configuration, store.status, [verdict, listening].compactMap(\.failure))
                }, reset: { scheduler.reset($0) }),
            onDemand: onDemand, store: store)
    }

    /// What runs now.
    var workbench: Workbench { running.workbench }

    /// Serves until a signal comes. **Throws**: `StatusServer.BindFailure`, `LocalSocket.Refusal`.
    func run() async throws {
        let workbench = self.workbench
        // A server of its own, so that commands reach the agent also while it waits for its port.
        let local = try workbench.configuration.server.socket.map { socket in
            try LocalDoor(
                socket, stays: surroundings.stays, makeFolder: { self.store.makeFolder() },
                server: {
                    StatusServer(
                        listen: [], socket: $0, hosts: self.hosts, sources: self.sources, metrics: self.metrics, logger: self.logger)
                }, logger: logger)
        }
        logger.notice(
            "agent starts",
            metadata: [
                "agent.version": "\(AgentVersion.current)", "checks": "\(workbench.probes.count)",
                "history.path": "\(workbench.configuration.history.path)",
            ])
        let patient = PatientServer(
            server: {
                StatusServer(
                    listen: self.workbench.configuration.server.listen, hosts: self.hosts, sources: self.sources, metrics: self.metrics,
                    logger: self.logger,
                    onBound: { _ in
                        self.isListening.store(true, ordering: .releasing)
                        PatientServer.bound(self.listening, self.surroundings.tell)
                    })
            }, stays: surroundings.stays, verdict: listening, tell: surroundings.tell, logger: logger)
        let http = await takenOver() ?? patient
        let reloader = Reloader(
            file: surroundings.file, bell: surroundings.bell, verdict: verdict, metrics: metrics,
            adopt: { configuration throws(Failure) in try self.adopt(configuration) }, tell: surroundings.tell, logger: logger)
        let store = self.store
        let identities = workbench.identities
        var group = ServiceGroupConfiguration(
            services: [
                .init(service: Work { await cancelWhenGracefulShutdown { await store.run() } }),
                .init(service: Work { await cancelWhenGracefulShutdown { await identities.watch() } }),
                .init(service: scheduler, successTerminationBehavior: .ignore),
                .init(service: onDemand, successTerminationBehavior: .ignore),
                .init(service: Work { await cancelWhenGracefulShutdown { await reloader.run() } }),
                .init(service: http),
                .init(service: Work { try await local?.run() }, successTerminationBehavior: .ignore),
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
        lines.release(nil, workbench.board)
        await workbench.close()
        logger.notice("agent has stopped")
    }

    /// The door that is open where this agent is to listen anyway. Any other one is closed.
    private func takenOver() async -> (any Service)? {
        guard let door else { return nil }
        guard door.isOpen, door.listen == workbench.configuration.server.listen else {
            await door.close()
            return nil
        }
        isListening.store(true, ordering: .releasing)
        door.handOver(to: sources)
        logger.notice("The agent goes on listening where it waited for its configuration")
        return door
    }

    /// Puts a configuration in force without disturbing what it does not change.
    ///
    /// First nothing starts any more that is not wanted, then everybody sees the new state of things; what is new begins a moment later.
    /// **Isolation**: called by the reloader only, one after the other.
    private func adopt(_ configuration: Configuration) throws(Failure) -> ConfigurationChange {
        let before = workbench
        let wanted = surroundings.adjusted(configuration)
        var change = ConfigurationChange(from: before.configuration, to: wanted)
        guard !change.isEmpty else { return change }
        var next = Configuration.running(after: before.configuration, adopting: wanted)
        // As long as it waits for its place, it can take another one.
        if !isListening.load(ordering: .acquiring) {
            change.makeLive("server.listen")
            next.server.listen = wanted.server.listen
        }
        let after = try before.adopting(next, change)
        after.recall(Set(change.checks.added))
        let newcomers = Set(change.checks.added + change.identities.added.map { CheckID(watching: $0) })
        lines.expect(newcomers)
        scheduler.replace(after.probes, keeping: Set(change.checks.unchanged))
        onDemand.forget(Set(change.checks.removed + change.checks.changed))
        after.board.replace(
            targets: after.configuration.targets, identities: after.configuration.identities.map(\.name),
            renewed: Set(change.identities.changed))
        running.workbench = after
        store.follow(after.followed)
        // An identity that is another one now under its name has no past.
        diagnosis.recall(newcomers)
        hosts.replace(after.configuration.server.hosts)
        surroundings.sink.obey(after.configuration.log)
        if gate.limit != after.configuration.limits.concurrency {
            gate.limit = after.configuration.limits.concurrency
            metrics.concurrencyLimit(gate.limit)
        }
        return change
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
            logger.notice("check is \(change.to.rawValue)", metadata: metadata)
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
            report: {
                let workbench = self.workbench
                return Self.report(workbench.board.snapshot, workbench.configuration, self.store.status, self.troubles)
            }, targets: { self.workbench.configuration.targets },
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
            return .observed(observation, resting: status?.state == .down ? status?.last?.failure : nil)
        }
    }

    private static func report(
        _ snapshot: Board.Snapshot, _ configuration: Configuration, _ status: StoreStatus, _ troubles: [Failure]
    ) -> Report {
        return Report.make(
            snapshot: snapshot, identities: configuration.identities, mode: .inside, host: Terminal.hostName,
            version: AgentVersion.current, now: .now, cloud: configuration.cloud, troubles: troubles, notices: status.notices)
    }

    /// What is wrong with the agent itself while it goes on: the file it was given, the place it should listen at.
    private var troubles: [Failure] { [verdict, listening].compactMap(\.failure) }

    private var exposition: ExpositionInput {
        let workbench = self.workbench
        var snapshot = metrics.snapshot
        snapshot.schedule.inFlight = scheduler.inFlight
        return ExpositionInput(
            board: workbench.board.snapshot, metrics: snapshot, build: surroundings.build,
            store: StoreGauges(store.status), process: ProcessStats.current(), log: surroundings.sink.counts,
            sources: workbench.identities.sourceKinds, troubles: troubles)
    }
}
