// One ledger for each database, against a database that pauses and wakes as the serverless tier does.
import Testing

@testable import Diagnosis

@Suite struct WakeBookTests {
    private static func later(_ seconds: Double) -> Timestamp { noon + .seconds(fraction: seconds) }

    static func target(
        _ identities: [String] = ["app"], interval: Duration = .seconds(60), wake: WakeMode = .auto, name: String = "billing"
    ) -> Target {
        Target(
            name: name, engine: .azuresql, host: "billing.database.windows.net", port: 1433, database: "billing", user: nil,
            identities: identities, interval: interval, wake: wake)
    }

    /// A book that knows the tier.
    static func book(_ target: Target, objective: String = "GP_S_Gen5_1") -> WakeBook {
        let book = WakeBook()
        book.note(objective: objective, on: target)
        return book
    }

    /// Pauses when nobody was there for a while, and wakes when somebody knocks.
    struct SleepyDatabase {
        var resume: Duration
        var pause: Duration
        var awakeFrom: Timestamp?
        var seen: Timestamp?
        var wakings = 0

        mutating func admits(_ now: Timestamp) -> Bool {
            guard let from = awakeFrom, let seen, now - max(from, seen) < pause else {
                (awakeFrom, seen) = (now + resume, now)
                wakings += 1
                return false
            }
            guard now >= from else { return false }
            self.seen = now
            return true
        }
    }

    struct Drive: Sendable, CustomTestStringConvertible {
        var interval: Duration
        var resume: Duration = .seconds(60)
        var pause: Duration = .seconds(3600)
        var identities = ["app"]
        var testDescription: String { "every \(interval), resume \(resume), pause \(pause), \(identities.count) identities" }
    }

    /// What became of every login of some days.
    static func run(_ drive: Drive, days: Double, wake: WakeMode = .auto) -> (
        logins: [(time: Timestamp, check: CheckID, cause: Cause?)], wakings: Int
    ) {
        let target = target(drive.identities, interval: drive.interval, wake: wake)
        let book = book(target)
        var database = SleepyDatabase(resume: drive.resume, pause: drive.pause)
        var logins: [(Timestamp, CheckID, Cause?)] = []
        var now = 0.0
        while now < days * 86400 {
            for (index, check) in target.checks.enumerated() {
                let time = later(now + drive.interval.seconds * Double(index) / Double(drive.identities.count))
                guard case .login(let login) = book.reserve(check, on: target, now: time) else { continue }
                let ledger = book.ledger(of: check, on: target)
                guard !database.admits(time) else {
                    book.end(login, .worked, at: time)
                    logins.append((time, check, nil))
                    continue
                }
                let failure = Classifier.azureSQL(
                    [AzureSQLError(number: 40613, level: 17, text: "Database 'billing' is not currently available.")], phase: .login,
                    context: AzureSQLContext(
                        host: target.host, database: target.database, sentToken: true, isServerless: true,
                        resumingFor: ledger.resumingFor(now: time), idleFor: ledger.idleFor(now: time), now: time))
                book.end(login, .unavailable, at: time)
                logins.append((time, check, failure.cause))
            }
            now += drive.interval.seconds
        }
        return (logins, database.wakings)
    }

    @Test(
        "A serverless database comes up in every quarter of a day, at no more wakings than its budget, however rarely it is probed",
        arguments: [
            Drive(interval: .seconds(15)), Drive(interval: .seconds(60)), Drive(interval: .seconds(60), resume: .seconds(110)),
            Drive(interval: .seconds(180)), Drive(interval: .seconds(300)), Drive(interval: .seconds(300), pause: .seconds(900)),
            Drive(interval: .seconds(3600)), Drive(interval: .seconds(60), identities: ["app", "reporting", "batch"]),
            Drive(interval: .seconds(300), identities: ["app", "reporting"]),
        ])
    func comesUp(drive: Drive) {
        let (logins, wakings) = Self.run(drive, days: 3)
        for check in Self.target(drive.identities).checks {
            for quarter in 0..<12 {
                let (from, to) = (Self.later(Double(quarter) * 21600), Self.later(Double(quarter + 1) * 21600 + 3600))
                #expect(
                    logins.contains { $0.check == check && $0.cause == nil && $0.time >= from && $0.time < to },
                    "\(check) quarter \(quarter)")
            }
        }
        // It wakes for nobody's sake but ours, so every 40613 is the database waking, on the first day and on the third.
        #expect(
            logins.allSatisfy { $0.cause == nil || $0.cause == .databaseResuming }, "\(logins.filter { $0.cause == .serverUnavailable })")
        #expect(wakings <= 13, "\(wakings)")
    }

    @Test("A resume that takes longer than it should is told as trouble, and the next slots see it end")
    func slow() throws {
        let (logins, _) = Self.run(Drive(interval: .seconds(60), resume: .seconds(150)), days: 0.1)
        #expect(logins.map(\.cause) == [.databaseResuming, .databaseResuming, .serverUnavailable, nil], "\(logins)")
        #expect(try #require(logins.last).time == Self.later(180))
    }

    @Test("A login that met a passing trouble is followed by three more within five minutes, and then by none until the budget allows")
    func passing() {
        let target = Self.target()
        let book = Self.book(target)
        var times: [Double] = []
        for minute in 0..<120 {
            guard case .login(let login) = book.reserve(target.checks[0], on: target, now: Self.later(Double(minute) * 60)) else {
                continue
            }
            times.append(Double(minute))
            book.end(login, .passing(isServersWord: true), at: Self.later(Double(minute) * 60))
        }
        #expect(times == [0, 1, 2, 3])
    }

    @Test("A login that never reached the server costs nothing, one that was refused costs its share")
    func refund() {
        let target = Self.target(wake: .budget(1))
        let check = target.checks[0]
        let book = Self.book(target)
        for minute in 0..<5 {
            guard case .login(let login) = book.reserve(check, on: target, now: Self.later(Double(minute) * 60)) else {
                Issue.record("no login in minute \(minute)")
                return
            }
            book.end(login, .notReached, at: Self.later(Double(minute) * 60 + 1))
            #expect(book.ledger(of: check, on: target).logins.isEmpty)
        }
        guard case .login(let login) = book.reserve(check, on: target, now: Self.later(600)) else {
            Issue.record("no login")
            return
        }
        book.end(login, .lasting(isServersWord: true), at: Self.later(601))
        #expect(book.reserve(check, on: target, now: Self.later(660)) == .sleep)
        #expect(book.ledger(of: check, on: target).logins == [Self.later(600)])
    }

    @Test("A login that never reached the server is paid all the same when another went along with it and did")
    func company() {
        let target = Self.target(["app", "reports"], wake: .budget(1))
        for comesFirst in [true, false] {
            let book = Self.book(target)
            guard case .login(let lost) = book.reserve(target.checks[0], on: target, now: Self.later(0)),
                case .login(let along) = book.reserve(target.checks[1], on: target, now: Self.later(1))
            else {
                Issue.record("both may log in")
                return
            }
            #expect(lost.charged != nil && along.charged == nil)
            if comesFirst { book.end(along, .unavailable, at: Self.later(2)) }
            book.end(lost, .notReached, at: Self.later(3))
            if !comesFirst { book.end(along, .unavailable, at: Self.later(4)) }
            #expect(book.ledger(of: target.checks[0], on: target).logins == [Self.later(0)], "\(comesFirst)")
        }
    }

    @Test("Only the server's word ends a waking: a lost packet in between does not")
    func word() {
        var ledger = WakeLedger()
        ledger.begin(at: noon)
        ledger.end(.unavailable, at: noon)
        ledger.end(.notReached, at: Self.later(30))
        ledger.end(.passing(isServersWord: false), at: Self.later(40))
        #expect(ledger.resumingFor(now: Self.later(60)) == .seconds(60))
        ledger.end(.lasting(isServersWord: true), at: Self.later(61))
        #expect(ledger.resumingFor(now: Self.later(62)) == nil)
    }

    @Test("Two who ask at one moment make one login, and two targets of one database share one budget")
    func race() {
        let (one, other) = (Self.target(name: "billing"), Self.target(name: "billing-too"))
        let book = Self.book(one)
        guard case .login(let login) = book.reserve(one.checks[0], on: one, now: noon) else {
            Issue.record("no login")
            return
        }
        #expect(book.reserve(one.checks[0], on: one, now: noon) == .sleep)
        book.end(login, .worked, at: Self.later(1))
        #expect(book.reserve(one.checks[0], on: one, now: Self.later(2)) == .sleep)
        // While it is awake the other one looks as well, and neither again until the evening.
        guard case .login(let second) = book.reserve(other.checks[0], on: other, now: Self.later(30)) else {
            Issue.record("no login beside the first")
            return
        }
        book.end(second, .worked, at: Self.later(31))
        #expect(book.ledger(of: one.checks[0], on: one).logins == [noon])
        for check in [(one, one.checks[0]), (other, other.checks[0])] {
            #expect(book.reserve(check.1, on: check.0, now: Self.later(3600)) == .sleep)
        }
    }

    @Test("Who only looks does not log in where the database may sleep, and who may wake it does at once")
    func looks() {
        let target = Self.target()
        let book = Self.book(target)
        #expect(book.reserve(target.checks[0], on: target, isLook: true, now: noon) == .sleep)
        #expect(book.reserve(target.checks[0], on: target, wakes: true, isLook: true, now: noon) != .sleep)
        let provisioned = Self.book(target, objective: "GP_Gen5_2")
        #expect(provisioned.reserve(target.checks[0], on: target, isLook: true, now: noon) != .sleep)
        let always = Self.target(wake: .always)
        #expect(Self.book(always).reserve(always.checks[0], on: always, isLook: true, now: noon) != .sleep)
    }

    @Test("Until history has told what an earlier process spent nobody logs in; what it told is taken in once", .timeLimit(.minutes(1)))
    func recall() async {
        let target = Self.target()
        let check = target.checks[0]
        let book = Self.book(target)
        book.recall([check], within: .seconds(60))
        #expect(book.reserve(check, on: target, now: noon) == .sleep)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await book.awaitRecall(of: check, atMost: .seconds(60)) }
            group.addTask {
                let wake = WakeLedger(logins: [Self.later(-60)], resumingSince: Self.later(-60))
                book.adopt(CheckPast(wake: wake), of: check, on: target, now: noon)
                book.finishRecall([check])
            }
        }
        // It was waking a minute ago: that goes on, and ends with the first login that works.
        guard case .login(let login) = book.reserve(check, on: target, now: noon) else {
            Issue.record("no login")
            return
        }
        #expect(book.ledger(of: check, on: target).resumingFor(now: noon) == .seconds(60))
        book.end(login, .worked, at: noon)
        #expect(book.ledger(of: check, on: target).resumingFor(now: Self.later(60)) == nil)
        #expect(book.reserve(check, on: target, now: Self.later(60)) == .sleep)
    }

    @Test("A history that does not answer holds logins for its time and no longer", .timeLimit(.minutes(1)))
    func silentHistory() async {
        let target = Self.target()
        let book = Self.book(target)
        book.recall(target.checks, within: .milliseconds(50))
        await book.awaitRecall(of: target.checks[0], atMost: .seconds(60))
        #expect(book.reserve(target.checks[0], on: target, now: noon) != .sleep)
    }

    @Test("What history knows of another database is not this one's, and a waking of yesterday is over")
    func foreign() {
        let target = Self.target()
        let check = target.checks[0]
        var book = Self.book(target)
        book.adopt(CheckPast(wake: WakeLedger(logins: [Self.later(-60)], place: "other:1433/x")), of: check, on: target, now: noon)
        #expect(book.reserve(check, on: target, now: noon) != .sleep)
        book = Self.book(target)
        book.adopt(
            CheckPast(wake: WakeLedger(logins: [Self.later(-90000)], resumingSince: Self.later(-90000))), of: check, on: target, now: noon)
        #expect(book.ledger(of: check, on: target).resumingSince == nil)
    }
}
