// One absolute point in time, passed down through every layer.

/// The moment at which an attempt must be over, on the monotonic clock.
package struct Deadline: Sendable, Hashable, Comparable {
    package var instant: ContinuousClock.Instant

    package init(_ instant: ContinuousClock.Instant) { self.instant = instant }

    /// The deadline `duration` from now.
    package static func `in`(_ duration: Duration) -> Deadline { Deadline(ContinuousClock.now.advanced(by: duration)) }

    /// What is left; negative once the deadline has passed.
    package var remaining: Duration { instant - ContinuousClock.now }
    package var isPassed: Bool { remaining <= .zero }

    /// What is left in whole milliseconds, rounded up, never negative. **Unit**: milliseconds.
    package var remainingMilliseconds: Int {
        let left = remaining
        return left <= .zero ? 0 : Int((left.seconds * 1000).rounded(.up))
    }

    /// The earlier of this deadline and `duration` from now.
    package func capped(to duration: Duration) -> Deadline { min(self, .in(duration)) }

    package static func < (a: Deadline, b: Deadline) -> Bool { a.instant < b.instant }
}

extension Duration {
    /// **Unit**: seconds.
    package var seconds: Double {
        let (whole, attoseconds) = components
        return Double(whole) + Double(attoseconds) * 1e-18
    }

    /// Held within a century either way, because the figure may come from a peer's clock; what is no number counts as zero.
    package static func seconds(fraction: Double) -> Duration {
        let century = 3.2e9
        return fraction.isNaN ? .zero : .nanoseconds(Int64((min(max(fraction, -century), century) * 1e9).rounded()))
    }
}
