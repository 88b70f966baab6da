// The rules of the cap on requests to the identity endpoint.

/// Who may send next. A pure value: places are limited, starts are spaced, those who wait are served in order.
struct PaceState: Sendable {
    typealias Visitor = UInt64

    /// Four starts a second. The metadata service allows 5 in general (and 20 to its identity part, 5 at a time); the rest is
    /// room for starts that come late and are then nearer to the next one.
    static let spacing: Duration = .milliseconds(250)
    static let places = 2

    private var taken = 0
    private var queue: [Visitor] = []
    private var nextStart: ContinuousClock.Instant?
    private var lastStart: ContinuousClock.Instant?
    /// Until when the endpoint wants quiet, also from those who had their moment before it said so.
    private var quietUntil: ContinuousClock.Instant?

    enum Admission: Sendable, Hashable {
        /// A place is taken; the request may start at this moment.
        case start(at: ContinuousClock.Instant)
        case queued
    }

    mutating func entered(_ visitor: Visitor, at now: ContinuousClock.Instant) -> Admission {
        if let start = enteredIfFree(at: now) { return .start(at: start) }
        queue.append(visitor)
        return .queued
    }

    /// - Returns: nil when there is no place, and then nothing has changed.
    mutating func enteredIfFree(at now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        guard taken < Self.places else { return nil }
        taken += 1
        return reserve(now)
    }

    /// - Returns: who takes the place over, and when it may start.
    mutating func left(at now: ContinuousClock.Instant) -> (visitor: Visitor, start: ContinuousClock.Instant)? {
        guard !queue.isEmpty else {
            taken -= 1
            return nil
        }
        return (queue.removeFirst(), reserve(now))
    }

    /// - Returns: whether the visitor was still waiting for a place.
    mutating func withdrew(_ visitor: Visitor) -> Bool {
        guard let index = queue.firstIndex(of: visitor) else { return false }
        queue.remove(at: index)
        return true
    }

    /// The moment has come, perhaps late.
    /// - Returns: nil to start; else the moment to which the start before, which was late itself, or the endpoint's wish moves this one.
    mutating func starts(at now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        if let quietUntil, now < quietUntil { return quietUntil }
        if let lastStart, now < lastStart + Self.spacing { return lastStart + Self.spacing }
        lastStart = now
        return nil
    }

    /// Everybody who waits is sent away. Places that are taken stay taken.
    mutating func emptied() -> [Visitor] {
        defer { queue = [] }
        return queue
    }

    /// Nobody starts before `moment`: the endpoint asked for quiet.
    mutating func held(until moment: ContinuousClock.Instant) {
        nextStart = max(nextStart ?? moment, moment)
        quietUntil = max(quietUntil ?? moment, moment)
    }

    private mutating func reserve(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant {
        let start = max(now, nextStart ?? now)
        nextStart = start + Self.spacing
        return start
    }
}
