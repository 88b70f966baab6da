// Where the agent waits for a configuration it can use: in a container, or with --stay, an exit could take the application down.
//
// It is alive (`/livez` 200) and not ready (`/readyz` 503), and says why wherever somebody looks. It keeps no history, because where that
// would be kept is in the file that cannot be read.
import Diagnosis
import Logging
import ServiceLifecycle
import Settings
import StatusServer
import Synchronization
import Telemetry
import UnixSignals

/// Serves what can be said without a configuration, until there is one.
final class WaitingRoom: Sendable {
    /// How often the log says that the agent is waiting.
    static let reminder = Duration.seconds(60)

    private let surroundings: ServiceSurroundings
    private let verdict: ConfigurationVerdict
    private let found = Mutex<(Configuration, [SettingsIssue])?>(nil)
    private let lastTick = Mutex(ContinuousClock.now)
    private let door = Mutex<FrontDoor?>(nil)

    init(_ surroundings: ServiceSurroundings, verdict: ConfigurationVerdict) {
        self.surroundings = surroundings
        self.verdict = verdict
    }

    /// Waits.
    /// - Parameter issues: why the configuration was refused.
    /// - Returns: the configuration, once it is right, with its warnings, and the door that is open; nil when a signal came first.
    func run(_ issues: [SettingsIssue], listen: [Endpoint]) async throws -> (Configuration, [SettingsIssue], FrontDoor)? {
        refuse(issues)
        let door = FrontDoor(surroundings, listen: listen, sources: sources)
        self.door.withLock { $0 = door }
        var group = ServiceGroupConfiguration(
            services: [
                .init(
                    service: Work { try await cancelWhenGracefulShutdown { try await door.untilClosed() } },
                    successTerminationBehavior: .ignore),
                .init(
                    service: Work { await cancelWhenGracefulShutdown { await self.wait() } },
                    successTerminationBehavior: .gracefullyShutdownGroup),
            ], gracefulShutdownSignals: [.sigterm, .sigint], logger: surroundings.logger)
        group.maximumGracefulShutdownDuration = .seconds(5)
        do {
            try await ServiceGroup(configuration: group).run()
        } catch {
            await door.close()
            throw error
        }
        guard let (configuration, warnings) = found.withLock({ $0 }) else {
            await door.close()
            return nil
        }
        return (configuration, warnings, door)
    }

    /// Looks at the file until it is right, or until the task is cancelled.
    private func wait() async {
        var told = ContinuousClock.now
        while !Task.isCancelled {
            let hasRung = await surroundings.bell.wait(Reloader.pause)
            lastTick.withLock { $0 = .now }
            ServiceManager.inherited?.tick { "waits for a configuration that it can use" }
            if Task.isCancelled { return }
            if let result = await surroundings.file.look(isForced: hasRung) {
                switch result {
                case .success(let configuration, let warnings):
                    surroundings.metrics.configurationLoaded()
                    if let line = verdict.accepted(configuration.file) { surroundings.tell(line) }
                    surroundings.logger.notice(
                        "The configuration is right; the agent goes on", metadata: ["configuration.file": "\(configuration.file)"])
                    found.withLock { $0 = (configuration, warnings) }
                    return
                case .failure(let issues):
                    let before = verdict.failure
                    refuse(issues, isReload: true)
                    if verdict.failure != before { told = log() }
                }
            }
            if .now - told >= Self.reminder { told = log() }
        }
    }

    private func refuse(_ issues: [SettingsIssue], isReload: Bool = false) {
        surroundings.metrics.configurationRefused(isReload: isReload)
        let failure = Failure(
            refused: issues, consequence: "Nothing is probed until it is right; the agent watches the file and goes on by itself.")
        if let line = verdict.refused(issues.first?.file ?? surroundings.file.path ?? "agent.yaml", because: failure) {
            surroundings.tell(line)
        }
        if !isReload { _ = log() }
    }

    private func log() -> ContinuousClock.Instant {
        surroundings.logger.error(
            "The agent waits for a configuration that it can use",
            metadata: [
                "failure.cause": "\(Cause.configInvalid.rawValue)", "failure.detail": "\(verdict.failure?.detail ?? "")",
            ])
        return .now
    }

    private var sources: StatusSources {
        let nothing = Board.Snapshot(checks: [], identities: [])
        return StatusSources(
            exposition: { [self] in
                ExpositionInput(
                    board: nothing, metrics: surroundings.metrics.snapshot, build: surroundings.build,
                    process: ProcessStats.current(), log: surroundings.sink.counts, troubles: failures)
            }, history: nil, liveness: { [self] in Liveness(lastTick: lastTick.withLock { $0 }, period: Reloader.pause * 5) },
            readiness: { [self] in
                [
                    ReadinessCondition("configuration", isMet: false, detail: verdict.failure?.detail ?? ""),
                    ReadinessCondition("listening", isMet: door.withLock { $0 }?.isOpen ?? false),
                ]
            },
            report: { [self] in
                Report.make(
                    snapshot: nothing, identities: [], mode: .inside, host: Terminal.hostName, version: AgentVersion.current, now: .now,
                    failures: failures)
            })
    }

    private var failures: [Failure] { [verdict.failure, door.withLock { $0 }?.verdict.failure].compactMap(\.self) }
}
