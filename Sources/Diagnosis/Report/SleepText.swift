// A check that sleeps, in words: why nobody logs in, when somebody will, and what it costs to look now.

/// The same for `diagnose`, `status` and the page.
package enum SleepText {
    /// `serverless (GP_S_Gen5_1), so it may be paused; wake: auto; 1 login in the last day, at 02:10:11Z; the next one from 08:10:11Z on`.
    package static func sentence(_ status: CheckStatus, now: Timestamp) -> String {
        let ledger = ledger(of: status)
        if let since = ledger.resumingSince, case .login = decision(status, now: now) {
            return "The database is waking up since \(since.near(now)), which takes about a minute; the next probe asks again."
        }
        var parts: [String] = []
        switch objective(of: status) {
        case let tier? where ServiceObjective.isServerless(tier):
            parts.append("The database is serverless (\(Redactor.scrub(tier))), so it may be paused")
        case let tier?: parts.append("The database's tier is \(Redactor.scrub(tier))")
        case nil: parts.append("The database's tier is not known yet")
        }
        parts.append("wake: \(status.target.wake.text)")
        let recent = ledger.recent(now)
        switch recent.last {
        case nil: parts.append("no login in the last day")
        case let last? where recent.count == 1: parts.append("1 login in the last day, at \(last.near(now))")
        case let last?: parts.append("\(recent.count) logins in the last day, the newest at \(last.near(now))")
        }
        parts.append(next(status, now: now) ?? "")
        return parts.filter { !$0.isEmpty }.joined(separator: "; ") + "."
    }

    /// `next login from 08:10:11Z on`; nil for a check that does not sleep.
    package static func next(_ status: CheckStatus, now: Timestamp) -> String? {
        guard status.state == .asleep else { return nil }
        switch decision(status, now: now) {
        case .login: return "next login with the next probe"
        case .sleep(until: let time?): return "next login from \(time.near(now)) on"
        case .sleep(until: nil): return "no login by itself"
        }
    }

    private static func decision(_ status: CheckStatus, now: Timestamp) -> WakeLedger.Decision {
        let isServerless = objective(of: status).map(ServiceObjective.isServerless)
        return ledger(of: status).decide(
            limit: status.target.wake.loginsPerDay(isServerless: isServerless), interval: status.target.interval, now: now)
    }

    package static func hint(_ status: CheckStatus) -> String {
        "agent diagnose \(Redactor.scrub(status.id.description)) --wake logs in now. That wakes the database, and is billed: as a rule for an hour."
    }

    private static func ledger(of status: CheckStatus) -> WakeLedger {
        status.newest?.facts.wake ?? status.last?.facts.wake ?? status.pastWake ?? WakeLedger()
    }

    private static func objective(of status: CheckStatus) -> String? {
        status.newest?.facts.serviceObjective ?? status.last?.facts.serviceObjective ?? status.lastGoodFacts?.serviceObjective
    }
}
