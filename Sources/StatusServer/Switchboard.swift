// Who answers: while the server goes on listening, one part of the program may hand over to another.
import Synchronization

/// Where the answers of a server come from now.
package final class Switchboard: Sendable {
    /// What was rendered for one side is no answer of the other, so each has its own cache.
    struct Side: Sendable {
        var sources: StatusSources
        var caches: RenderCaches
    }

    private let current: Mutex<Side>
    private let lifetime: Duration

    /// - Parameter lifetime: how long a rendered answer is kept.
    package init(_ sources: StatusSources, lifetime: Duration = StatusServer.Limits().renderLifetime) {
        self.lifetime = lifetime
        current = Mutex(Side(sources: sources, caches: RenderCaches(lifetime: lifetime)))
    }

    /// Requests that come from now on are answered out of these; those under way end as they began.
    package func handOver(to sources: StatusSources) {
        let side = Side(sources: sources, caches: RenderCaches(lifetime: lifetime))
        current.withLock { $0 = side }
    }

    var side: Side { current.withLock { $0 } }
}
