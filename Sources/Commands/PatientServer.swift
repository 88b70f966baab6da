// The HTTP side that does not give up: where the agent stays, a port in use is waited for.
import Diagnosis
import Logging
import ServiceLifecycle
import StatusServer
import Telemetry

/// Runs the status server; tries again while it cannot listen, unless the agent is to end then.
struct PatientServer: Service {
    /// The pauses between two tries grow to this.
    static let longestPause = Duration.seconds(15)
    /// How often the trouble is logged while it lasts.
    static let reminder = Duration.seconds(60)

    /// Made anew for every try, because the place to listen at may have changed.
    var server: @Sendable () -> StatusServer
    /// Whether to try again.
    var stays: Bool
    var verdict: ConfigurationVerdict
    var tell: @Sendable (StateLine) -> Void
    var logger: Logger

    /// What the state line calls it.
    static let id = "server.listen"

    /// **Throws**: `StatusServer.BindFailure` when it is not to stay.
    func run() async throws {
        var pause = Duration.seconds(1)
        var told: ContinuousClock.Instant?
        while true {
            do {
                return try await server().run()
            } catch let failure as StatusServer.BindFailure where stays {
                let line = verdict.refused(
                    Self.id,
                    because: Failure(
                        .configInvalid, during: .config,
                        detail: "The agent \(failure.description); it goes on trying, and probes meanwhile."))
                if let line { tell(line) }
                // It does what it is there for, as far as it can.
                if told == nil { ServiceManager.inherited?.ready() }
                if told.map({ .now - $0 >= Self.reminder }) ?? true {
                    told = .now
                    logger.error(
                        "The agent cannot listen and tries again",
                        metadata: ["failure.cause": "\(Cause.configInvalid.rawValue)", "failure.detail": "\(failure)"])
                }
            }
            let time = pause
            await cancelWhenGracefulShutdown { try? await Task.sleep(for: time, clock: .continuous) }
            if Task.isCancelled || Task.isShuttingDownGracefully { return }
            pause = min(pause * 2, Self.longestPause)
        }
    }

    /// To be called when the server listens.
    static func bound(_ verdict: ConfigurationVerdict, _ tell: (StateLine) -> Void) {
        ServiceManager.inherited?.ready()
        // The first time is no news: only the end of a trouble is.
        guard verdict.failure != nil, let line = verdict.accepted(id) else { return }
        tell(line)
    }
}
