// How long what is kept: every such constant of the store.

/// How long records are kept, and how large they may grow together.
package struct Retention: Sendable, Hashable {
    /// Probes that succeeded or stopped on purpose.
    package var successes: Duration = .seconds(7 * 86_400)
    /// Probes that failed, with their evidence.
    package var failures: Duration = .seconds(90 * 86_400)
    /// Facts that later ones have replaced, and requests for tokens.
    package var changes: Duration = .seconds(90 * 86_400)
    /// Sums by hour.
    package var hourly: Duration = .seconds(90 * 86_400)
    /// Sums by day, and incidents since their end.
    package var daily: Duration = .seconds(400 * 86_400)
    /// **Unit**: bytes. The oldest records go first when the file comes near it.
    package var maximumSize: Int64 = 4 << 30
    /// The same for a store in memory.
    package var maximumMemory: Int64 = 8 << 20
    /// Rows or blocks that one step of deletion removes at most, so that no transaction is long.
    package var step = 500
    /// How often old records are looked for.
    package var pause: Duration = .seconds(60)

    package init() {}
}
