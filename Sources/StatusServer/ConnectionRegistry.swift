// Who is connected: the cap on connections, and who has to go when it is reached.
import NIOCore
import Synchronization
import Telemetry

/// Counts the connections of all listeners together.
///
/// When the cap is reached the connection that has waited longest without a request makes room: idle or slow clients can then never keep
/// a scraper out. A new connection is refused only when every other one is being answered.
final class ConnectionRegistry: Sendable {
    private struct Entry {
        var channel: any Channel
        /// Since when nothing was asked; nil while a request is being answered.
        var waitingSince: NIODeadline?
    }

    private let entries = Mutex<[ObjectIdentifier: Entry]>([:])
    private let limit: Int
    private let metrics: Metrics

    init(limit: Int, metrics: Metrics) {
        self.limit = limit
        self.metrics = metrics
        metrics.httpConnectionLimit(limit)
    }

    /// Admits a connection, at the cost of an idle one if need be.
    /// - Returns: false when the new connection has to be closed.
    func admit(_ channel: any Channel) -> Bool {
        let outcome = entries.withLock { entries -> (isAdmitted: Bool, evicted: (any Channel)?) in
            var evicted: (any Channel)?
            if entries.count >= limit {
                let idlest = entries.filter { $0.value.waitingSince != nil }
                    .min { ($0.value.waitingSince ?? .distantFuture) < ($1.value.waitingSince ?? .distantFuture) }
                guard let idlest else { return (false, nil) }
                evicted = idlest.value.channel
                entries[idlest.key] = nil
            }
            entries[ObjectIdentifier(channel)] = Entry(channel: channel, waitingSince: .now())
            return (true, evicted)
        }
        if !outcome.isAdmitted || outcome.evicted != nil { metrics.httpRejected(.connectionLimit) }
        if outcome.isAdmitted { metrics.httpConnectionOpened() }
        if let evicted = outcome.evicted {
            metrics.httpConnectionClosed()
            evicted.close(mode: .all, promise: nil)
        }
        return outcome.isAdmitted
    }

    /// Notes whether a request of the connection is being answered.
    func setBusy(_ channel: any Channel, _ isBusy: Bool) {
        entries.withLock { entries in
            entries[ObjectIdentifier(channel)]?.waitingSince = isBusy ? nil : .now()
        }
    }

    /// Cuts every connection, and with it whatever a client was still being told.
    func closeAll() {
        let channels = entries.withLock { entries in entries.values.map(\.channel) }
        for channel in channels { channel.close(mode: .all, promise: nil) }
    }

    func remove(_ channel: any Channel) {
        let wasThere = entries.withLock { $0.removeValue(forKey: ObjectIdentifier(channel)) != nil }
        if wasThere { metrics.httpConnectionClosed() }
    }
}
