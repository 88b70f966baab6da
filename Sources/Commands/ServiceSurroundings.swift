// What the service is given by the process it runs in, whatever its configuration says.
import Diagnosis
import Logging
import ServiceLifecycle
import Settings
import Store
import StatusServer
import Synchronization
import Telemetry

/// Made once, before the configuration is known to be good; shared by the waiting room and the service.
struct ServiceSurroundings: Sendable {
    let file: ConfigurationFile
    /// Rings on SIGHUP.
    let bell: Doorbell
    let metrics: Metrics
    let sink: LogSink
    let logger: Logger
    /// Writes a state line to standard output.
    let tell: @Sendable (StateLine) -> Void
    /// Whether the agent goes on where it would otherwise end with status 78.
    let stays: Bool
    let isContainer: Bool
    let build: BuildInfo
    /// How many descriptors the process may have.
    let descriptors: Int
    /// Names that requests may carry; those of the configuration, once there is one.
    let hosts = HostNames([])
    /// Where to listen instead of where the configuration says; empty for there.
    let listen: [Endpoint]

    /// The configuration with what was said on the command line.
    func adjusted(_ configuration: Configuration) -> Configuration {
        guard !listen.isEmpty else { return configuration }
        var configuration = configuration
        configuration.server.listen = listen
        return configuration
    }
}

/// What runs now. Everybody who shows or asks something reads it anew; only the reloader puts another value in its place.
final class Running: Sendable {
    private let state: Mutex<Workbench>

    init(_ workbench: Workbench) { state = Mutex(workbench) }

    var workbench: Workbench {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

/// An async function as a service.
struct Work: Service {
    var body: @Sendable () async throws -> Void
    func run() async throws { try await body() }
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
            isUp: status.isUp, records: status.records, recordFailures: status.failures, queued: status.queue,
            queueLimit: status.queueLimit, size: status.size, writeAheadLogSize: status.walSize, lastCheckpoint: status.lastCheckpoint,
            recoveries: status.recoveries, pruned: status.pruned)
    }
}
