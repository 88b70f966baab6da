// The clocks of the scheduler, so that tests can turn the hands.
package import Diagnosis

/// Tells the time and wakes at a time.
package protocol ScheduleClock: Sendable {
    /// The monotonic clock, the one deadlines are measured by.
    var now: ContinuousClock.Instant { get }
    /// The wall clock; read once, to find the first slots.
    var wall: Timestamp { get }
    /// Waits until the moment. **Throws**: `CancellationError` when cancelled, and nothing else.
    func sleep(until instant: ContinuousClock.Instant) async throws
}

/// The clocks of the machine.
package struct SystemClock: ScheduleClock {
    package init() {}
    package var now: ContinuousClock.Instant { .now }
    package var wall: Timestamp { .now }
    package func sleep(until instant: ContinuousClock.Instant) async throws {
        try await Task.sleep(until: instant, tolerance: .milliseconds(1), clock: .continuous)
    }
}
