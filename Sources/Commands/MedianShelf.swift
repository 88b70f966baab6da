// Medians of checks, kept for some minutes: over a week they hardly move, and the history has better to do than to add them up again.
import Diagnosis
import Store
import Synchronization

/// What phases usually take, as far as it was asked for lately.
final class MedianShelf: Sendable {
    /// How many checks one question to the history is about: many, because a question reads the newest records once for all of them, and
    /// not all, so that there is something to show when the time is over.
    static let atOnce = 250
    private static let lifetime = Duration.seconds(600)
    private let store: HistoryStore
    private let known = Mutex<[CheckID: (medians: PhaseMedians, until: ContinuousClock.Instant)]>([:])

    init(_ store: HistoryStore) { self.store = store }

    /// **Shape**: without checks of which no successful probe is kept; empty when the history cannot be read.
    func medians(of checks: Set<CheckID>) async -> [CheckID: PhaseMedians] {
        let now = ContinuousClock.now
        var found = known.withLock { known in known.filter { checks.contains($0.key) && now < $0.value.until }.mapValues(\.medians) }
        let missing = checks.subtracting(found.keys)
        guard !missing.isEmpty, let new = try? await store.medians(of: missing) else { return found }
        known.withLock { known in
            known = known.filter { now < $0.value.until }
            for (check, medians) in new {
                // While there are few, one more moves them.
                known[check] = (medians, now + (medians.probes < 250 ? .seconds(5) : Self.lifetime))
            }
        }
        found.merge(new) { $1 }
        return found
    }
}
