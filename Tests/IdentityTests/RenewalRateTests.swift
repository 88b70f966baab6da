// F17 of the promises: tokens that all end at the same instant, and the requests that renew them.
import Diagnosis
import Testing
import TestSupport

@testable import Identity

@Suite struct RenewalRateTests {
    @Test("A thousand tokens that end at the same instant are renewed by at most five requests a second, all of them in time")
    func allAtOnce() {
        let start = ContinuousClock.now
        let acquired = Timestamp(milliseconds: 1_790_000_000_000)
        let expires = acquired + .seconds(86_400)
        let claims = TokenClaims()
        var dice = SystemRandomNumberGenerator()
        let moments = (0..<1000).map { _ -> Double in
            let token = AccessToken(secret: Secret("t"), claims: claims, expires: expires, acquired: acquired, length: 1, fingerprint: 1)
            return (RenewalPlan.renewal(of: token, random: Double.random(in: 0..<1, using: &dice)) - acquired).seconds
        }.sorted()
        #expect(moments.first ?? 0 >= 0.45 * 86_400 && moments.last ?? 0 <= 0.55 * 86_400, "half-life, ten per cent either way")
        let plan = starts(moments, from: start)
        // The worst that can happen: a restart of everything, all thousand asked for in one instant.
        let storm = starts(Array(repeating: 0, count: 1000), from: start)
        for (name, times) in [("renewals", plan), ("a storm", storm)] {
            #expect(times.count == 1000)
            #expect(peak(times) <= 5, "\(name): \(peak(times)) in a second")
        }
        #expect(plan.last ?? 0 < 0.56 * 86_400)
        promise(
            "F17",
            "1,000 tokens that end together: at most \(peak(plan)) requests in a second, the last after \(rounded((plan.last ?? 0) / 3600)) h of 24; asked for all at once: \(peak(storm)) in a second"
        )
    }

    /// Lets visitors that come at these seconds through the pace, each request taking a tenth of a second.
    private func starts(_ arrivals: [Double], from start: ContinuousClock.Instant) -> [Double] {
        var pace = PaceState()
        var starts: [Double] = []
        // Places that are given back, in order.
        var leaving: [Double] = []
        func leave(until now: Double) {
            while let first = leaving.first, first <= now {
                leaving.removeFirst()
                if let heir = pace.left(at: start + .seconds(first)) { begin((heir.start - start).seconds) }
            }
        }
        func begin(_ at: Double) {
            starts.append(at)
            leaving.append(at + 0.1)
            leaving.sort()
        }
        for (visitor, arrival) in arrivals.enumerated() {
            leave(until: arrival)
            if case .start(let moment) = pace.entered(PaceState.Visitor(visitor), at: start + .seconds(arrival)) {
                begin((moment - start).seconds)
            }
        }
        leave(until: .infinity)
        return starts.sorted()
    }

    private func peak(_ times: [Double]) -> Int {
        var (first, most) = (0, 0)
        for last in times.indices {
            // A start that is a rounding error nearer is not within the second.
            while times[last] - times[first] >= 1 - 1e-9 { first += 1 }
            most = max(most, last - first + 1)
        }
        return most
    }
}
