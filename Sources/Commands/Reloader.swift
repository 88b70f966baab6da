// Takes up a new configuration while the agent runs: on SIGHUP, and when the file has become another one.
import Diagnosis
import Logging
import Settings
import Telemetry

/// Looks after the configuration file. A bad one changes nothing and is told on every surface.
struct Reloader: Sendable {
    /// The time between two looks at the file.
    static let pause = Duration.seconds(1)

    var file: ConfigurationFile
    var bell: Doorbell
    var verdict: ConfigurationVerdict
    var metrics: Metrics
    /// Puts the file's content in force; what is not in the file (`--listen`) included.
    /// **Throws**: `probe_internal` when the system lacks what that needs.
    var adopt: @Sendable (Configuration) throws(Failure) -> ConfigurationChange
    var tell: @Sendable (StateLine) -> Void
    /// Who started the service and wants to be told.
    var manager = ServiceManager.inherited
    var logger: Logger

    /// Looks until the task is cancelled.
    func run() async {
        // A good file that the system had no room for: tried again until it is in force or another one is there.
        var waiting: Good?
        while !Task.isCancelled {
            let hasRung = await bell.wait(Self.pause)
            if Task.isCancelled { return }
            if let result = await file.look(isForced: hasRung) {
                if Task.isCancelled { return }
                manager?.reloading()
                waiting = take(result)
                manager?.ready()
            } else if let good = waiting, !Task.isCancelled {
                waiting = retry(good)
            }
        }
    }

    /// A configuration that is right, with what is doubtful in it.
    private typealias Good = (configuration: Configuration, warnings: [SettingsIssue])

    /// - Returns: what waits for the system.
    private func take(_ result: ConfigurationResult) -> Good? {
        switch result {
        case .success(let configuration, let warnings):
            do {
                let change = try adopt(configuration)
                accepted(configuration, change, warnings)
                return nil
            } catch {
                refused(error, at: configuration.file)
                return (configuration, warnings)
            }
        case .failure(let issues):
            let id = issues.first?.file ?? file.path ?? "agent.yaml"
            refused(Failure(refused: issues, consequence: "The one before stays in force."), at: id)
            return nil
        }
    }

    /// The same once more; only what comes out differently is told and counted.
    private func retry(_ good: Good) -> Good? {
        do {
            let change = try adopt(good.configuration)
            manager?.reloading()
            accepted(good.configuration, change, good.warnings)
            manager?.ready()
            return nil
        } catch {
            if verdict.failure != error { refused(error, at: good.configuration.file) }
            return good
        }
    }

    private func refused(_ failure: Failure, at id: String) {
        metrics.configurationRefused()
        // The same trouble, found again because somebody rang or a named file may be there by now, is no news.
        if verdict.failure != failure {
            logger.error(
                "The configuration was refused; the one before stays in force",
                metadata: ["failure.cause": "\(failure.cause.rawValue)", "failure.detail": "\(failure.detail ?? "")"])
        }
        if let line = verdict.refused(id, because: failure) { tell(line) }
    }

    private func accepted(_ configuration: Configuration, _ change: ConfigurationChange, _ warnings: [SettingsIssue]) {
        metrics.configurationLoaded()
        for warning in warnings.prefix(5) {
            logger.warning("The configuration holds something doubtful", metadata: ["configuration.issue": "\(warning.oneLine)"])
        }
        if !change.needsRestart.isEmpty {
            logger.warning(
                "Some of the configuration's changes need a restart of the agent",
                metadata: ["configuration.keys": "\(change.needsRestart.joined(separator: " "))"])
        }
        logger.notice(
            change.isEmpty ? "The configuration is as it was" : "The configuration was reloaded",
            metadata: [
                "configuration.file": "\(configuration.file)", "checks.added": "\(change.checks.added.count)",
                "checks.removed": "\(change.checks.removed.count)", "checks.changed": "\(change.checks.changed.count)",
                "checks.unchanged": "\(change.checks.unchanged.count)", "configuration.keys": "\(change.live.joined(separator: " "))",
            ])
        if let line = verdict.accepted(configuration.file) { tell(line) }
    }
}
