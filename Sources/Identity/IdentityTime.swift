// The clocks and the dice of token work, so that tests can hold them.
package import Diagnosis

/// Wall clock for when tokens end, monotonic clock for waiting, randomness for jitter.
package struct IdentityTime: Sendable {
    package var wall: @Sendable () -> Timestamp
    package var instant: @Sendable () -> ContinuousClock.Instant
    /// Waits for a moment. **Throws**: when the task is cancelled, and then at once.
    package var sleep: @Sendable (ContinuousClock.Instant) async throws -> Void
    /// A number in `0..<1`.
    package var random: @Sendable () -> Double

    package init(
        wall: @escaping @Sendable () -> Timestamp, instant: @escaping @Sendable () -> ContinuousClock.Instant,
        sleep: @escaping @Sendable (ContinuousClock.Instant) async throws -> Void, random: @escaping @Sendable () -> Double
    ) {
        self.wall = wall
        self.instant = instant
        self.sleep = sleep
        self.random = random
    }

    package static let system = IdentityTime(
        wall: { .now }, instant: { .now }, sleep: { try await Task.sleep(until: $0, clock: .continuous) },
        random: { Double.random(in: 0..<1) })

    /// Both clocks at once.
    var now: Moment { Moment(wall: wall(), instant: instant()) }
}

/// One moment on both clocks.
struct Moment: Sendable, Hashable {
    var wall: Timestamp
    var instant: ContinuousClock.Instant
}
