// When a token is renewed ahead of time, and when an endpoint is asked although nothing is due.
import Diagnosis

/// The times of the watch over identities, with jitter so that a thousand tokens that came together do not end together.
enum RenewalPlan {
    /// Every local endpoint is asked this often.
    static let interval: Duration = .seconds(300)
    /// A success that follows a failure is asked to repeat itself this soon, once: an incident ends with the second one.
    static let confirmation: Duration = .seconds(30)

    /// When to renew a token: at half of what is left of a long one, else five minutes before its last five minutes.
    ///
    /// **Source**: MSAL refreshes tokens of two hours and more at half life.
    /// - Parameter random: `0..<1`; the lead is spread by ±10 %.
    static func renewal(of token: AccessToken, random: Double) -> Timestamp {
        let left = (token.expires - token.acquired).seconds
        let spread = 0.9 + 0.2 * random
        let lead: Double
        if left >= 7200 {
            lead = left / 2 * spread
        } else if left >= 1800 {
            lead = left - (600 * spread)
        } else {
            // Too short for fixed margins: half of it, and never a storm of requests for one that is over already.
            lead = max(30, left / 2 * spread)
        }
        return token.acquired + .seconds(fraction: lead)
    }

    /// When the next question is due after a request that has ended.
    /// - Parameter isRecovery: the request succeeded and the one before it failed.
    static func next(
        after ended: ContinuousClock.Instant, failuresInRow: Int, isRecovery: Bool = false, renewAt: Timestamp?, now: Moment, random: Double
    ) -> ContinuousClock.Instant {
        let spread = 0.9 + 0.2 * random
        var due = ended + .seconds(fraction: (isRecovery ? confirmation : interval).seconds * spread)
        if failuresInRow > 0 {
            let pause = min(interval.seconds, 30 * Double(1 << min(failuresInRow - 1, 4)))
            return ended + .seconds(fraction: pause * spread)
        }
        if let renewAt { due = min(due, max(now.instant + (renewAt - now.wall), ended + TokenSlot.hold)) }
        return due
    }

    /// The first question of the identity at `index` of `count`, so that all of them are known within a minute.
    static func offset(index: Int, count: Int) -> Duration {
        .milliseconds(Int64(index) * 60_000 / Int64(max(1, count)))
    }
}
