// A classic histogram with the buckets that all durations share.

/// Counts durations into fixed buckets. The bounds are the same in every instance, so that instances can be added up.
package struct Histogram: Sendable, Hashable {
    /// Upper bounds. **Unit**: nanoseconds.
    package static let bounds: [Int64] = [
        5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000,
        5_000_000_000, 10_000_000_000, 30_000_000_000,
    ]
    /// The bounds as the label `le` shows them, `+Inf` last.
    static let labels = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "+Inf"]

    /// **Shape**: not cumulative, one more than there are bounds.
    package private(set) var counts = [UInt64](repeating: 0, count: bounds.count + 1)
    /// **Unit**: nanoseconds.
    package private(set) var sum: Int64 = 0

    package init() {}

    package var count: UInt64 { counts.reduce(0, +) }

    package mutating func observe(_ duration: Duration) {
        let nanoseconds = max(0, duration.nanoseconds)
        counts[Self.bounds.firstIndex { nanoseconds <= $0 } ?? Self.bounds.count] += 1
        sum = sum.addingReportingOverflow(nanoseconds).partialValue
    }
}

extension Duration {
    /// **Unit**: nanoseconds; spans beyond 292 years are cut.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, isOver) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return isOver ? (seconds < 0 ? .min : .max) : whole &+ attoseconds / 1_000_000_000
    }
}
