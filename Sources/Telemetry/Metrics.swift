// The registry: a fixed catalogue as typed fields. What belongs to one check is on the board; here is what is added up.
package import Diagnosis
import Synchronization

/// Why a due probe was not started.
package enum MissedReason: String, Sendable, Hashable, CaseIterable { case overrun, concurrency, shutdown }

/// What answered an HTTP request; the label `handler`.
package enum HTTPHandlerName: String, Sendable, Hashable, CaseIterable {
    case page, metrics, livez, readyz, healthz, status, history, incidents, changes, diagnose, probe, discovery, other
}

/// Why the HTTP side refused something; the label `cause`.
package enum HTTPRejection: String, Sendable, Hashable, CaseIterable {
    case connectionLimit = "connection_limit"
    case headerTimeout = "header_timeout"
    case headerSize = "header_size"
    case uriSize = "uri_size"
    case idleTimeout = "idle_timeout"
    case writeStall = "write_stall"
    case malformed, host, method, body, rate, peer
}

/// Counts what happens. Every call takes one short lock and never waits for anything else.
package final class Metrics: Sendable {
    /// Everything that was counted, at one moment.
    package struct Snapshot: Sendable {
        package var probes = Probes()
        package var tokens = Tokens()
        package var schedule = Schedule()
        package var http = HTTP()
        package var commits = Histogram()

        package init() {}
    }

    package struct Probes: Sendable {
        /// **Shape**: by `Engine.allCases`.
        var durations = [Histogram](repeating: Histogram(), count: Engine.allCases.count)
        /// **Shape**: by engine, then by `Phase.probed`.
        var phases = [Histogram](repeating: Histogram(), count: Engine.allCases.count * Phase.probed.count)
        var failures: [FailureKey: UInt64] = [:]
    }

    struct FailureKey: Sendable, Hashable {
        var engine: Engine
        var phase: Phase
        var cause: Cause
    }

    package struct Tokens: Sendable {
        var durations: [TokenSourceKind: Histogram] = [:]
    }

    package struct Schedule: Sendable {
        var lag = Histogram()
        var missed: [MissedReason: UInt64] = [:]
        package var inFlight = 0
        var limit = 0
        package var reloads: UInt64 = 0
        package var reloadFailures: UInt64 = 0
        var lastReloadSucceeded = true
        var lastReloadSuccess: Timestamp?
    }

    package struct HTTP: Sendable {
        var requests: [RequestKey: UInt64] = [:]
        var durations: [HTTPHandlerName: Histogram] = [:]
        var rejections: [HTTPRejection: UInt64] = [:]
        var connections = 0
        var connectionLimit = 0
    }

    struct RequestKey: Sendable, Hashable {
        var handler: HTTPHandlerName
        var code: Int
    }

    private let probes = Mutex(Probes())
    private let tokens = Mutex(Tokens())
    private let schedule = Mutex(Schedule())
    private let http = Mutex(HTTP())
    private let commits = Mutex(Histogram())

    package init() {}

    /// Adds one finished probe; partial and cancelled ones do not count.
    package func observe(_ observation: Observation, engine: Engine) {
        guard !observation.isPartial, let engineIndex = Engine.allCases.firstIndex(of: engine) else { return }
        probes.withLock { probes in
            probes.durations[engineIndex].observe(observation.duration)
            for result in observation.phases {
                guard let duration = result.duration, !result.isCached, let index = Phase.probed.firstIndex(of: result.phase) else {
                    continue
                }
                probes.phases[engineIndex * Phase.probed.count + index].observe(duration)
            }
            if let failure = observation.failure {
                probes.failures[FailureKey(engine: engine, phase: failure.phase, cause: failure.cause), default: 0] += 1
            }
        }
    }

    package func tokenRequest(_ result: TokenRequestResult) {
        tokens.withLock { $0.durations[result.source, default: Histogram()].observe(result.duration) }
    }

    // MARK: Scheduler and configuration

    /// How much later than due a probe was started.
    package func schedulerLag(_ lag: Duration) { schedule.withLock { $0.lag.observe(lag) } }
    package func missed(_ reason: MissedReason) { schedule.withLock { $0.missed[reason, default: 0] += 1 } }
    package func probeStarted() { schedule.withLock { $0.inFlight += 1 } }
    package func probeEnded() { schedule.withLock { $0.inFlight -= 1 } }
    package func concurrencyLimit(_ limit: Int) { schedule.withLock { $0.limit = limit } }

    /// Notes that a configuration was read, at start or by a reload.
    package func configurationLoaded(at time: Timestamp = .now, isReload: Bool = true) {
        schedule.withLock { schedule in
            if isReload { schedule.reloads += 1 }
            schedule.lastReloadSucceeded = true
            schedule.lastReloadSuccess = time
        }
    }

    /// Notes that a configuration was refused, and the old one kept if there is one.
    package func configurationRefused(isReload: Bool = true) {
        schedule.withLock { schedule in
            if isReload {
                schedule.reloads += 1
                schedule.reloadFailures += 1
            }
            schedule.lastReloadSucceeded = false
        }
    }

    // MARK: Store

    package func commit(_ duration: Duration) { commits.withLock { $0.observe(duration) } }

    // MARK: HTTP

    package func httpRequest(_ handler: HTTPHandlerName, code: Int, duration: Duration) {
        http.withLock { http in
            http.requests[RequestKey(handler: handler, code: code), default: 0] += 1
            http.durations[handler, default: Histogram()].observe(duration)
        }
    }

    package func httpRejected(_ cause: HTTPRejection) { http.withLock { $0.rejections[cause, default: 0] += 1 } }
    package func httpConnectionOpened() { http.withLock { $0.connections += 1 } }
    package func httpConnectionClosed() { http.withLock { $0.connections -= 1 } }
    package func httpConnectionLimit(_ limit: Int) { http.withLock { $0.connectionLimit = limit } }

    package var snapshot: Snapshot {
        var snapshot = Snapshot()
        snapshot.probes = probes.withLock { $0 }
        snapshot.tokens = tokens.withLock { $0 }
        snapshot.schedule = schedule.withLock { $0 }
        snapshot.http = http.withLock { $0 }
        snapshot.commits = commits.withLock { $0 }
        return snapshot
    }
}
