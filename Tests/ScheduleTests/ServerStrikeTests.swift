// What MySQL counts against a host, and what it does not: a server that answers is asked on, one that breaks off is knocked at rarely.
import Diagnosis
import Logging
import Schedule
import Testing

@Suite(.timeLimit(.minutes(1))) struct ServerStrikeTests {
    private static let start = ContinuousClock.now
    private static let target = target("orders")

    private static func target(_ name: String, identities: [String] = ["app"]) -> Target {
        Target(name: name, engine: .mysql, host: "db.example", port: 3306, database: "a", user: "u", identities: identities)
    }

    private static func minute(_ minutes: Int) -> ContinuousClock.Instant { start + .seconds(60 * minutes) }

    /// A connection's end: with the server's own error, or without any.
    private static func failed(_ cause: Cause, _ number: Int? = nil, _ phase: Phase = .login, check: CheckID? = nil) -> Observation {
        let evidence =
            number.map { Evidence(.mysql, code: $0, text: "what the server says") } ?? Evidence(.libmariadb, code: 2013, text: "lost")
        return observation(.failed(Failure(cause, during: phase, evidence: [evidence])), check: check)
    }

    private static func observation(_ outcome: Observation.Outcome, check: CheckID? = nil) -> Observation {
        var facts = Facts()
        facts.tokenExpires = Timestamp(milliseconds: 1000)
        facts.addresses = ["10.0.0.1"]
        return Observation(
            check: check ?? target.checks[0], started: Timestamp(milliseconds: 0), duration: .zero, phases: [], outcome: outcome,
            facts: facts)
    }

    /// Probes once a minute. - Returns: the minutes in which somebody logged in.
    private static func logins(_ pauses: inout LoginPauses, _ minutes: Range<Int>, _ seen: (Int) -> Observation) -> [Int] {
        minutes.filter { minute in
            let rest = pauses.begin(target.checks[0], on: target, at: Self.minute(minute))
            let result = rest == nil ? seen(minute) : observation(.partial(.loginPaused))
            _ = pauses.apply(result, on: target, slot: Self.minute(minute))
            return rest == nil
        }
    }

    @Test(
        "A server that answers logins with a passing error is asked every minute, for hours",
        arguments: [(3032, Cause.serverUnavailable), (1053, .serverUnavailable), (1203, .connectionLimit), (1226, .connectionLimit)])
    func passing(number: Int, cause: Cause) {
        var pauses = LoginPauses()
        let logins = Self.logins(&pauses, 0..<600) { _ in Self.failed(cause, number) }
        #expect(logins == Array(0..<600))
    }

    @Test("A user that is made in the sixth hour of refusals is noticed within a quarter of an hour")
    func refused() {
        var pauses = LoginPauses()
        let made = 6 * 60 + 7
        var noticed: Int?
        _ = Self.logins(&pauses, 0..<(8 * 60)) { minute in
            guard minute >= made else { return Self.failed(.loginPrincipalUnknown, 1045) }
            noticed = noticed ?? minute
            return Self.observation(.succeeded)
        }
        #expect(noticed.map { $0 - made <= 15 } ?? false, "\(String(describing: noticed))")
    }

    struct Breaking: Sendable, CustomTestStringConvertible {
        var cause: Cause
        var number: Int?
        var phase: Phase
        var testDescription: String { "\(cause) in \(phase) \(number ?? 0)" }
    }

    @Test(
        "A server that breaks off is knocked at no more than 68 times a day, and its recovery is seen within half an hour",
        arguments: [
            Breaking(cause: .serverUnavailable, phase: .login), Breaking(cause: .probeDeadline, phase: .login),
            Breaking(cause: .tlsHandshakeAborted, phase: .tls), Breaking(cause: .tlsUntrustedIssuer, phase: .tls),
            Breaking(cause: .tlsNotNegotiated, phase: .negotiate),
            // What the server says of a handshake that it has counted.
            Breaking(cause: .protocolViolation, number: 1043, phase: .login),
        ])
    func breaking(row: Breaking) {
        var pauses = LoginPauses()
        let logins = Self.logins(&pauses, 0..<(3 * 1440)) { _ in Self.failed(row.cause, row.number, row.phase) }
        for begin in stride(from: 0, to: 2 * 1440, by: 60) {
            let day = logins.count { $0 >= begin && $0 < begin + 1440 }
            #expect((24...68).contains(day), "\(day) from minute \(begin)")
        }
        let longest = zip(logins, logins.dropFirst()).map { $1 - $0 }.max() ?? 0
        #expect(longest <= 30, "\(longest) minutes without a look")
        // It recovers: the first look finds it, and all is as before.
        let after = Self.logins(&pauses, (3 * 1440)..<(3 * 1440 + 60)) { _ in Self.observation(.succeeded) }
        #expect((after.first ?? .max) - 3 * 1440 <= 30)
        #expect(after.count >= 30, "\(after)")
    }

    @Test("Checks of one server share the rare connections, each in its turn, and of those that begin together one goes")
    func shared() {
        var pauses = LoginPauses()
        let targets = ["a", "b", "c"].map { Self.target($0) }
        var logins: [(minute: Int, name: String)] = []
        for minute in 0..<(10 * 60) {
            // All begin before any of them is over.
            let rests = targets.map { pauses.begin($0.checks[0], on: $0, at: Self.minute(minute)) }
            for (target, rest) in zip(targets, rests) {
                if rest == nil { logins.append((minute, target.name)) }
                let seen =
                    rest == nil
                    ? Self.failed(.serverUnavailable, check: target.checks[0])
                    : Self.observation(.partial(.loginPaused), check: target.checks[0])
                _ = pauses.apply(seen, on: target, slot: Self.minute(minute))
            }
        }
        let rare = logins.filter { $0.minute > 10 }
        #expect(logins.count - rare.count <= 24, "\(logins)")
        #expect((15...20).contains(rare.count), "\(rare)")
        for name in ["a", "b", "c"] { #expect(rare.count { $0.name == name } >= 4, "\(name): \(rare)") }
    }

    @Test("What is rare is told: why, and from when on; once when it begins; and who asks is let go once")
    func told() throws {
        var pauses = LoginPauses()
        let check = Self.target.checks[0]
        var begun: [LoginRest.Reason?] = []
        for minute in 0..<20 {
            #expect(pauses.rest(of: check, on: Self.target, at: Self.minute(minute)) == nil, "minute \(minute)")
            begun.append(pauses.apply(Self.failed(.serverUnavailable), on: Self.target, slot: Self.minute(minute)))
        }
        #expect(begun.compactMap(\.self) == [.brokenHandshakes] && begun.last == .brokenHandshakes)
        let rest = try #require(pauses.rest(of: check, on: Self.target, at: Self.minute(20)))
        #expect(rest.reason == .brokenHandshakes && rest.until == Self.minute(19 + 30))
        // Another user's check rests as well: the host is what is counted.
        var other = Self.target("x")
        other.user = "v"
        #expect(pauses.rest(of: other.checks[0], on: other, at: Self.minute(20))?.reason == .brokenHandshakes)
        pauses.reset(check, on: Self.target)
        #expect(pauses.begin(check, on: Self.target, at: Self.minute(21)) == nil)
        _ = pauses.apply(Self.failed(.serverUnavailable), on: Self.target, slot: Self.minute(21))
        #expect(pauses.rest(of: check, on: Self.target, at: Self.minute(22))?.until == Self.minute(51))
        // A configuration that changed may work: a few more.
        pauses.keep([check], on: [Self.target])
        let logins = Self.logins(&pauses, 23..<50) { _ in Self.failed(.serverUnavailable) }
        #expect(logins == [23, 24, 25, 26, 27])
    }

    @Test("The schedule puts it beside the observation that stopped for it, with the time of the next login")
    func notice() async throws {
        let (clock, events) = (ManualClock(), Events())
        var probe = FakeProbe("stock") { run in
            run.depth == .tls ? .partial(.loginPaused) : .failed(Failure(.serverUnavailable, during: .login))
        }
        probe.target.engine = .mysql
        let scheduler = Scheduler(
            probes: [probe], gate: Gate(), seed: 1, clock: clock, onEvent: { events.add($0) },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await clock.sleepers()
            for _ in 0..<210 {
                clock.advance(by: .seconds(1))
                await clock.sleepers()
                while scheduler.inFlight != 0 { await Task.yield() }
            }
            await events.wait { $0.finished == 21 }
            group.cancelAll()
        }
        let seen = events.all.compactMap { if case .finished(let observation) = $0 { observation } else { nil } }
        #expect(seen.count { $0.failure != nil } == 20)
        // Two events may change places on their way here.
        let partial = try #require(seen.first { $0.isPartial })
        let notice = try #require(partial.notices.first { $0.code == .loginsRest })
        #expect(notice.detail.contains("20 connections") && notice.detail.contains("30 minutes"), "\(notice)")
    }

    @Test("A server that blocked the process before is let alone for the rest of the time, by every check, from the first probe on")
    func recalled() async throws {
        let (clock, events) = (ManualClock(), Events())
        let probes = ["stock", "other"].map { name in
            var probe = FakeProbe(name) { run in run.depth == .tls ? .partial(.loginPaused) : .succeeded }
            probe.target.engine = .mysql
            if name == "other" { probe.target.host = "another.example" }
            return probe
        }
        var sibling = FakeProbe("sibling") { run in run.depth == .tls ? .partial(.loginPaused) : .succeeded }
        sibling.target.engine = .mysql
        let scheduler = Scheduler(
            probes: probes + [sibling], gate: Gate(), seed: 1, clock: clock, onEvent: { events.add($0) },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        scheduler.recall(within: .seconds(60))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await clock.sleepers()
            for _ in 0..<10 {
                clock.advance(by: .seconds(1))
                await clock.sleepers()
            }
            #expect(scheduler.inFlight == 3 && events.all.started == 0, "they wait for what history knows")
            // Twelve minutes ago, and for the other one longer ago than anybody minds.
            let block = Failure(.clientBlocked, during: .negotiate)
            let pasts = [("stock", 12 * 60), ("other", 16 * 60)].map { name, seconds in
                let check = CheckID(target: name, identity: "app")
                return (
                    check,
                    CheckPast(
                        blocked: Observation(
                            check: check, started: clock.wall + .seconds(-seconds), duration: .zero, phases: [], outcome: .failed(block)))
                )
            }
            scheduler.adopt(Dictionary(uniqueKeysWithValues: pasts))
            scheduler.finishRecall()
            await events.wait { $0.finished == 3 }
            let seen = events.all.compactMap { if case .finished(let observation) = $0 { observation } else { nil } }
            for (name, isHeld) in [("stock", true), ("sibling", true), ("other", false)] {
                let observation = try #require(seen.first { $0.check.target == name })
                #expect(observation.isPartial == isHeld, "\(name)")
                #expect(observation.notices.contains { $0.code == .loginsRest && $0.detail.contains("has blocked") } == isHeld, "\(name)")
            }
            while scheduler.inFlight != 0 { await Task.yield() }
            for _ in 0..<190 {
                clock.advance(by: .seconds(1))
                await clock.sleepers()
                while scheduler.inFlight != 0 { await Task.yield() }
            }
            await events.wait { $0.finished == 60 }
            group.cancelAll()
        }
        let last = events.all.compactMap { if case .finished(let observation) = $0 { observation } else { nil } }.suffix(3)
        #expect(last.allSatisfy { $0.outcome == .succeeded }, "three minutes later the rest is over")
    }
}
