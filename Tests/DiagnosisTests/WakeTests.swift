// Who may wake a database that sleeps, and how often.
import Testing

@testable import Diagnosis

@Suite struct WakeTests {
    private static func later(_ seconds: Int) -> Timestamp { noon + .seconds(seconds) }

    /// When logins are made by a probe every minute for `days`.
    private static func logins(limit: Int?, days: Int) -> [Timestamp] {
        var ledger = WakeLedger()
        var made: [Timestamp] = []
        for minute in 0..<(days * 1440) {
            let now = later(minute * 60)
            guard ledger.decide(limit: limit, now: now) == .login else { continue }
            ledger.begin(at: now)
            ledger.end(.worked, at: now)
            made.append(now)
        }
        return made
    }

    @Test("A budget is never exceeded within any day, and is spread over it", arguments: [1, 4, 7, 24])
    func budget(limit: Int) {
        let made = Self.logins(limit: limit, days: 3)
        #expect(made.count <= limit * 3 && made.count >= limit * 3 - limit / 4 - 3, "\(made.count)")
        for (index, time) in made.enumerated() {
            let day = made[index...].prefix { $0 - time < WakeLedger.day }
            #expect(day.count <= limit)
            if index > 0 { #expect(time - made[index - 1] >= .seconds(86400 / limit)) }
        }
    }

    @Test("Without a limit every probe logs in, with the limit 0 none does and nobody says when")
    func extremes() {
        #expect(Self.logins(limit: nil, days: 1).count == 1440)
        #expect(WakeLedger().decide(limit: 0, now: noon) == .sleep(until: nil))
    }

    @Test("A budget survives a restart: what is written reads back the same, and decides the same")
    func restart() throws {
        var ledger = WakeLedger()
        ledger.begin(at: noon)
        ledger.end(.worked, at: noon)
        ledger.limit = 4
        let written = try #require(JSON(parsing: ledger.json.compact))
        let read = try #require(WakeLedger(written))
        #expect(read == ledger)
        #expect(read.decide(limit: 4, now: Self.later(60)) == .sleep(until: Self.later(6 * 3600)))
        var fresh = WakeLedger()
        fresh.merge(read, now: Self.later(60))
        #expect(fresh.decide(limit: 4, now: Self.later(60)) == .sleep(until: Self.later(6 * 3600)))
        #expect(WakeLedger(JSON.null) == nil)
        // What an earlier version wrote: its logins are over.
        let text = #"{"logins":["\#(noon.description)"],"resuming_since":null}"#
        let old = try #require(JSON(parsing: text).flatMap { WakeLedger($0) })
        #expect(old.decide(limit: 4, now: Self.later(60)) == .sleep(until: Self.later(6 * 3600)))
    }

    @Test("A database that was woken is asked until it is awake, at no further cost; one that does not wake is let be")
    func resuming() {
        var ledger = WakeLedger()
        ledger.begin(at: noon)
        ledger.end(.unavailable, at: noon)
        #expect(ledger.decide(limit: 1, now: Self.later(60)) == .login)
        #expect(ledger.isFree(interval: .seconds(60), followUps: 0, now: Self.later(60)))
        #expect(ledger.resumingFor(now: Self.later(60)) == .seconds(60))
        ledger.end(.unavailable, at: Self.later(60))
        #expect(ledger.resumingSince == noon)
        #expect(ledger.decide(limit: 1, now: Self.later(600)) == .sleep(until: Self.later(86400)))
        // An hour is the next slot.
        #expect(ledger.decide(limit: 1, interval: .seconds(3600), now: Self.later(3600)) == .login)
        ledger.end(.worked, at: Self.later(61))
        #expect(ledger.decide(limit: 1, now: Self.later(62)) == .sleep(until: Self.later(86400)))
    }

    @Test("A waking of six hours ago is over when the next one begins")
    func stale() {
        var ledger = WakeLedger()
        ledger.begin(at: noon)
        ledger.end(.unavailable, at: noon)
        ledger.begin(at: Self.later(21600))
        #expect(ledger.resumingFor(now: Self.later(21600)) == nil)
        ledger.end(.unavailable, at: Self.later(21600))
        #expect(ledger.resumingSince == Self.later(21600))
    }

    @Test("History keeps no more logins than decide over the next one")
    func kept() {
        let all = (0..<1000).map { Self.later($0 * 60) }
        #expect(WakeLedger(logins: all, limit: 6).kept.logins == Array(all.suffix(6)))
        #expect(WakeLedger(logins: all).kept.logins.count == 4)
        let ledger = WakeLedger(logins: all, limit: 6)
        #expect(ledger.kept.decide(limit: 6, now: Self.later(60_000)) == ledger.decide(limit: 6, now: Self.later(60_000)))
    }

    @Test("A clock that was set back locks nobody out")
    func clock() {
        let ledger = WakeLedger(logins: [Self.later(86400)])
        #expect(ledger.decide(limit: 4, now: noon) == .login)
        // A little is no such mistake: the login was a moment ago.
        var slipped = WakeLedger(logins: [Self.later(30)], settledAt: Self.later(31))
        #expect(slipped.decide(limit: 4, now: noon) != .login)
        slipped.begin(at: noon)
        #expect(slipped.logins == [noon, Self.later(30)])
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var mode: WakeMode
        var isServerless: Bool?
        var limit: Int?
        var expectsSleep: Bool
        var testDescription: String { "\(mode.text), serverless \(isServerless.map(String.init) ?? "unknown")" }
    }

    @Test(
        "Modes and tiers",
        arguments: [
            Row(mode: .auto, isServerless: nil, limit: nil, expectsSleep: false),
            Row(mode: .auto, isServerless: false, limit: nil, expectsSleep: false),
            Row(mode: .auto, isServerless: true, limit: 4, expectsSleep: true),
            Row(mode: .always, isServerless: true, limit: nil, expectsSleep: true),
            Row(mode: .never, isServerless: false, limit: 0, expectsSleep: false),
            Row(mode: .never, isServerless: nil, limit: 0, expectsSleep: true),
            Row(mode: .budget(6), isServerless: nil, limit: 6, expectsSleep: true),
        ])
    func modes(row: Row) {
        #expect(row.mode.loginsPerDay(isServerless: row.isServerless) == row.limit)
        #expect(row.mode.expectsSleep(isServerless: row.isServerless) == row.expectsSleep)
    }

    @Test("Budgets and service objectives are read as they are written")
    func spelling() {
        #expect(WakeMode.budget(from: "6 per day") == .budget(6))
        for text in ["6", "0 per day", "six per day", "6 per hour", "1441 per day", "-1 per day", ""] {
            #expect(WakeMode.budget(from: text) == nil, "\(text)")
        }
        #expect(ServiceObjective.isServerless("GP_S_Gen5_1"))
        for objective in ["GP_Gen5_2", "HS_S_Gen5_2", "S0", "Basic", "ElasticPool", "BC_Gen5_4", ""] {
            #expect(!ServiceObjective.isServerless(objective), "\(objective)")
        }
    }

    @Test("A check whose logins are left out is asleep; a login that failed before stands, a broken way does not")
    func status() {
        let target = Fixture.target()
        func observation(_ outcome: Observation.Outcome) -> Observation {
            Observation(check: target.checks[0], started: noon, duration: .seconds(1), phases: [], outcome: outcome)
        }
        var status = CheckStatus(id: target.checks[0], target: target)
        #expect(status.apply(observation(.succeeded))?.to == .up)
        let change = status.apply(observation(.partial(.asleep)))
        #expect(change?.from == .up && change?.to == .asleep)
        #expect(status.apply(observation(.partial(.asleep))) == nil)
        #expect(status.probes == 1 && status.failures == 0)
        _ = status.apply(observation(.failed(Failure(.tcpTimeout, during: .tcp))))
        #expect(status.apply(observation(.partial(.asleep)))?.to == .asleep)
        _ = status.apply(observation(.failed(Failure(.loginPrincipalUnknown, during: .login))))
        #expect(status.apply(observation(.partial(.asleep))) == nil)
        #expect(status.state == .down)
        _ = status.apply(observation(.succeeded))
        #expect(status.apply(observation(.partial(.loginPaused))) == nil && status.state == .up)
        // A way that broke and works again says nothing of a login that was refused before.
        _ = status.apply(observation(.failed(Failure(.loginPrincipalUnknown, during: .login))))
        _ = status.apply(observation(.failed(Failure(.tcpTimeout, during: .tcp))))
        let back = status.apply(observation(.partial(.asleep)))
        #expect(back?.from == .down && back?.to == .down && back?.cause == .loginPrincipalUnknown && back?.phase == .login)
        #expect(status.last?.failure?.cause == .loginPrincipalUnknown && status.newest?.outcome == .partial(.asleep))
        #expect(status.apply(observation(.partial(.asleep))) == nil)
        // Where nobody will ever log in, no login can take back what one has said.
        _ = status.apply(observation(.failed(Failure(.serverUnavailable, during: .login))))
        var forever = observation(.partial(.asleep))
        forever.facts.wake = WakeLedger(limit: 0)
        #expect(status.apply(forever)?.to == .asleep)
    }

    @Test("A login that was refused before a restart stands until one works, though the new process only looks")
    func refusedBeforeRestart() {
        let target = Fixture.target()
        func observation(_ outcome: Observation.Outcome, at seconds: Int = 0) -> Observation {
            Observation(check: target.checks[0], started: Self.later(seconds), duration: .seconds(1), phases: [], outcome: outcome)
        }
        let refused = observation(.failed(Failure(.loginPrincipalUnknown, during: .login)), at: -3600)
        var status = CheckStatus(id: target.checks[0], target: target)
        status.adopt(CheckPast(failingSince: [.loginPrincipalUnknown: Self.later(-7200)], wake: WakeLedger(), failedLogin: refused))
        #expect(status.state == .unknown)
        let change = status.apply(observation(.partial(.asleep)))
        #expect(change?.from == .unknown && change?.to == .down && change?.cause == .loginPrincipalUnknown)
        #expect(status.since == Self.later(-7200) && status.last == refused && status.probes == 0)
        #expect(status.apply(observation(.succeeded, at: 60))?.to == .up)
        #expect(status.apply(observation(.partial(.asleep), at: 120))?.to == .asleep)
    }

    @Test("A check that sleeps says why, since which login, when the next one is due, and how to wake it")
    func words() throws {
        var target = Fixture.target()
        var facts = Facts()
        func sentence(_ ledger: WakeLedger) -> (sentence: String, next: String?, hint: String) {
            facts.wake = ledger
            var status = CheckStatus(id: target.checks[0], target: target)
            _ = status.apply(
                Observation(
                    check: target.checks[0], started: noon, duration: .seconds(1), phases: [], outcome: .partial(.asleep), facts: facts))
            #expect(status.state == .asleep)
            return (SleepText.sentence(status, now: noon), SleepText.next(status, now: noon), SleepText.hint(status))
        }
        facts.serviceObjective = "GP_S_Gen5_1"
        let once = sentence(WakeLedger(logins: [noon + .seconds(-3600)]))
        #expect(
            once.sentence == "The database is serverless (GP_S_Gen5_1), so it may be paused; wake: auto; 1 login in the last day, at "
                + "\((noon + .seconds(-3600)).near(noon)); next login from \((noon + .seconds(5 * 3600)).near(noon)) on.")
        #expect(once.hint.contains("agent diagnose \(target.checks[0]) --wake") && once.hint.contains("billed"))
        #expect(sentence(WakeLedger(resumingSince: noon + .seconds(-10))).sentence.contains("waking up"))
        target.wake = .never
        facts.serviceObjective = nil
        let never = sentence(WakeLedger())
        #expect(never.sentence.contains("not known yet; wake: never; no login in the last day"))
        #expect(never.next == "no login by itself")
        let status = CheckStatus(id: target.checks[0], target: target)
        #expect(SleepText.next(status, now: noon) == nil)
    }

    @Test("From when on the budget allows a login is what the ledger decides; nothing is said of a database that has none")
    func next() {
        let target = WakeBookTests.target()
        var status = CheckStatus(id: target.checks[0], target: target)
        #expect(status.nextLogin(now: noon) == nil)
        var asleep = Observation(check: target.checks[0], started: noon, duration: .seconds(1), phases: [], outcome: .partial(.asleep))
        asleep.facts.wake = WakeLedger(logins: [noon], settledAt: noon, limit: 4)
        _ = status.apply(asleep)
        #expect(status.nextLogin(now: Self.later(60)) == Self.later(21600))
        asleep.facts.wake = WakeLedger(limit: 0)
        _ = status.apply(asleep)
        #expect(status.nextLogin(now: Self.later(60)) == nil)
    }
}
