// `/livez` and `/readyz`: about this process only, never about a target.
import Diagnosis

/// Whether the scheduler is alive.
package struct Liveness: Sendable, Hashable {
    /// When it last went through its loop; nil when nothing is scheduled yet, which is no reason to be restarted.
    package var lastTick: ContinuousClock.Instant?
    /// How often it goes through its loop when all is well.
    package var period: Duration

    package init(lastTick: ContinuousClock.Instant?, period: Duration) {
        self.lastTick = lastTick
        self.period = period
    }

    /// A tick may be three periods old.
    package func isAlive(now: ContinuousClock.Instant = .now) -> Bool {
        guard let lastTick else { return true }
        return now - lastTick < period * 3
    }
}

/// One condition for being ready.
package struct ReadinessCondition: Sendable, Hashable {
    /// One word: `configuration`, `listening`, `schedule`.
    package var name: String
    package var isMet: Bool
    /// What is missing, when it is not met.
    package var detail: String

    package init(_ name: String, isMet: Bool, detail: String = "") {
        self.name = name
        self.isMet = isMet
        self.detail = detail
    }
}

enum Health {
    static func livez(_ liveness: Liveness, isVerbose: Bool, now: ContinuousClock.Instant = .now) -> Answer {
        let isAlive = liveness.isAlive(now: now)
        let age = liveness.lastTick.map { "last tick \(rounded(now - $0)) s ago, period \(rounded(liveness.period)) s" }
        let condition = ReadinessCondition("scheduler", isMet: isAlive, detail: age ?? "nothing is scheduled yet")
        return answer("livez", [condition], isVerbose: isVerbose || !isAlive)
    }

    static func readyz(_ conditions: [ReadinessCondition], isVerbose: Bool) -> Answer {
        let isReady = conditions.allSatisfy(\.isMet)
        return answer("readyz", conditions, isVerbose: isVerbose || !isReady)
    }

    /// Source: Kubernetes "API health endpoints": the status code is the contract, the text is for people.
    private static func answer(_ name: String, _ conditions: [ReadinessCondition], isVerbose: Bool) -> Answer {
        let isGood = conditions.allSatisfy(\.isMet)
        guard isVerbose else { return .text("ok\n", status: isGood ? 200 : 503) }
        var lines = conditions.map { condition in
            "[\(condition.isMet ? "+" : "-")]\(condition.name) \(condition.isMet ? "ok" : "failed")"
                + (condition.detail.isEmpty ? "" : ": \(Redactor.scrub(condition.detail))")
        }
        lines.append("\(name) check \(isGood ? "passed" : "failed")")
        return .text(lines.joined(separator: "\n") + "\n", status: isGood ? 200 : 503)
    }

    private static func rounded(_ duration: Duration) -> Double { (duration.seconds * 10).rounded() / 10 }
}
