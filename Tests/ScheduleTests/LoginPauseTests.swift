import Diagnosis
import Schedule
import Testing

@Suite struct LoginPauseTests {
    private static let check = CheckID(target: "orders", identity: "app")
    private static let start = ContinuousClock.now

    /// What a probe at a minute saw.
    enum Seen: Sendable {
        case success
        case refused
        case transient
        case failed(Phase)
        case partial
    }

    private static func observation(_ seen: Seen, expires: Int64? = 1000, addresses: [String] = ["10.0.0.1"]) -> Observation {
        let transient = Cause.allCases.first { $0.isTransient }
        let lasting = Cause.allCases.first { !$0.isTransient }
        let outcome: Observation.Outcome =
            switch seen {
            case .success: .succeeded
            case .refused: .failed(Failure(lasting ?? .loginRefused, during: .login))
            case .transient: .failed(Failure(transient ?? .connectionLimit, during: .login))
            case .failed(let phase): .failed(Failure(lasting ?? .tcpRefused, during: phase))
            case .partial: .partial(.loginPaused)
            }
        var facts = Facts()
        facts.tokenExpires = expires.map(Timestamp.init(milliseconds:))
        facts.addresses = addresses
        return Observation(
            check: check, started: Timestamp(milliseconds: 0), duration: .zero, phases: [], outcome: outcome, facts: facts)
    }

    private static func minute(_ minutes: Int) -> ContinuousClock.Instant { start + .seconds(60 * minutes) }

    @Test("Logins that go on being refused run after 1 and 5 minutes and then every 15, at an interval of one minute")
    func ladder() {
        var pause = LoginPause()
        var logins: [Int] = []
        for minute in 0...60 {
            if pause.depth(at: Self.minute(minute)) == .query {
                logins.append(minute)
                pause.apply(Self.observation(.refused), slot: Self.minute(minute))
            } else {
                pause.apply(Self.observation(.partial), slot: Self.minute(minute))
            }
        }
        #expect(logins == [0, 1, 6, 21, 36, 51])
    }

    @Test("A redirect that leads nowhere is no refusal, what the server behind it says is one")
    func redirect() {
        for (cause, rests) in [
            (Cause.redirectBlocked, false), (.tlsNameMismatch, false), (.dnsNotFound, false), (.loginPrincipalUnknown, true),
        ] {
            for isRedirected in [true, false] {
                var facts = Facts()
                facts.redirectedTo = isRedirected ? "w1.worker.database.windows.net:11000" : nil
                var pause = LoginPause()
                pause.apply(
                    Observation(
                        check: Self.check, started: Timestamp(milliseconds: 0), duration: .zero, phases: [],
                        outcome: .failed(Failure(cause, during: .login)), facts: facts), slot: Self.start)
                #expect(pause.isResting == (rests || !isRedirected), "\(cause) \(isRedirected)")
            }
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var seen: Seen
        var expires: Int64? = 1000
        var addresses = ["10.0.0.1"]
        /// How far the probe of the next minute goes, two refusals behind it (the next login is due in minute 6).
        var depth: ProbeRun.Depth
        var testDescription: String { name }
    }

    @Test(
        "What ends a rest",
        arguments: [
            Row(name: "a partial probe of the same kind does not", seen: .partial, depth: .tls),
            Row(name: "a new token does", seen: .partial, expires: 2000, depth: .query),
            Row(name: "a new address does", seen: .partial, addresses: ["10.0.0.2"], depth: .query),
            Row(name: "one address more does", seen: .partial, addresses: ["10.0.0.1", "10.0.0.2"], depth: .query),
            Row(name: "not knowing the token does not", seen: .partial, expires: nil, depth: .tls),
            Row(name: "not knowing the address does not", seen: .partial, addresses: [], depth: .tls),
            Row(name: "a failure before the login does not", seen: .failed(.tcp), depth: .tls),
            Row(name: "a failure before the login at a new address does", seen: .failed(.tcp), addresses: ["10.9.9.9"], depth: .query),
            Row(name: "a login that worked does, though its query failed", seen: .failed(.query), depth: .query),
            Row(name: "a success does", seen: .success, depth: .query),
        ])
    func whatEndsARest(row: Row) {
        var pause = LoginPause()
        pause.apply(Self.observation(.refused), slot: Self.minute(0))
        pause.apply(Self.observation(.refused), slot: Self.minute(1))
        #expect(pause.depth(at: Self.minute(2)) == .tls)
        pause.apply(Self.observation(row.seen, expires: row.expires, addresses: row.addresses), slot: Self.minute(2))
        #expect(pause.depth(at: Self.minute(3)) == row.depth)
    }

    @Test("Failures outside the login never begin a rest", arguments: [Phase.token, .dns, .tcp, .negotiate, .tls, .query, .privileges])
    func otherPhases(phase: Phase) {
        var pause = LoginPause()
        pause.apply(Self.observation(.failed(phase)), slot: Self.minute(0))
        #expect(!pause.isResting)
    }

    @Test("A transient refusal neither begins a rest nor moves one")
    func transient() {
        var pause = LoginPause()
        pause.apply(Self.observation(.transient), slot: Self.minute(0))
        #expect(!pause.isResting)
        pause.apply(Self.observation(.refused), slot: Self.minute(1))
        pause.apply(Self.observation(.transient), slot: Self.minute(2))
        #expect(pause.depth(at: Self.minute(3)) == .query)
        pause.apply(Self.observation(.refused), slot: Self.minute(3))
        #expect(pause.depth(at: Self.minute(7)) == .tls)
        #expect(pause.depth(at: Self.minute(8)) == .query)
    }

    @Test("A name that changes between two addresses ends the rest once for each, not at every change")
    func alternatingAddresses() {
        var pause = LoginPause()
        var logins = 0
        for minute in 0..<60 {
            let address = minute % 2 == 0 ? ["10.0.0.1"] : ["10.0.0.2"]
            let mayLogIn = pause.depth(at: Self.minute(minute)) == .query
            if mayLogIn { logins += 1 }
            pause.apply(Self.observation(mayLogIn ? .refused : .partial, addresses: address), slot: Self.minute(minute))
        }
        #expect(logins <= 8)
    }

    @Test("After a success the ladder begins at its foot")
    func successForgets() {
        var pause = LoginPause()
        for minute in [0, 1, 6] { pause.apply(Self.observation(.refused), slot: Self.minute(minute)) }
        pause.apply(Self.observation(.success), slot: Self.minute(21))
        #expect(pause == LoginPause())
        pause.apply(Self.observation(.refused), slot: Self.minute(22))
        #expect(pause.depth(at: Self.minute(23)) == .query)
    }

    @Test("A blocked client logs in nowhere on that server for fifteen minutes, by any check, whatever is reset")
    func blockedServer() {
        var pauses = LoginPauses(blockingCauses: [.serviceThrottled])
        let orders = Target(
            name: "orders", engine: .mysql, host: "DB.example", port: 3306, database: "a", user: "u", identities: ["app", "web"])
        let sibling = Target(
            name: "bills", engine: .mysql, host: "db.example", port: 3306, database: "b", user: "u", identities: ["app"])
        let other = Target(
            name: "other", engine: .mysql, host: "db2.example", port: 3306, database: "b", user: "u", identities: ["app"])
        var observation = Self.observation(.refused)
        observation.outcome = .failed(Failure(.serviceThrottled, during: .negotiate))
        _ = pauses.apply(observation, on: orders, slot: Self.minute(0))
        pauses.reset(Self.check)
        for (target, minute, depth) in [
            (orders, 1, ProbeRun.Depth.tls), (sibling, 14, .tls), (other, 1, .query), (orders, 15, .query),
        ] {
            let check = CheckID(target: target.name, identity: "app")
            #expect(pauses.depth(of: check, on: target, at: Self.minute(minute)) == depth, "\(target.name) in minute \(minute)")
        }
    }

    @Test("Where unfinished handshakes are counted, one that cannot succeed rests like a refused login")
    func handshakes() {
        for (engine, depth) in [(Engine.mysql, ProbeRun.Depth.tls), (.postgresql, .query)] {
            var pauses = LoginPauses()
            let target = Target(
                name: "orders", engine: engine, host: "db.example", port: 3306, database: "a", user: "u", identities: ["app"])
            for minute in [0, 1] { _ = pauses.apply(Self.observation(.failed(.tls)), on: target, slot: Self.minute(minute)) }
            #expect(pauses.depth(of: Self.check, on: target, at: Self.minute(2)) == depth, "\(engine)")
        }
    }

    private static func mysql(_ name: String = "orders", user: String = "u") -> Target {
        Target(name: name, engine: .mysql, host: "db.example", port: 3306, database: "a", user: user, identities: ["a", "b", "c"])
    }

    private static func seen(_ observation: Observation, by identity: String, cause: Cause? = nil, phase: Phase = .login) -> Observation {
        Observation(
            check: CheckID(target: "orders", identity: identity), started: observation.started, duration: .zero, phases: [],
            outcome: cause.map { .failed(Failure($0, during: phase)) } ?? observation.outcome, facts: observation.facts)
    }

    @Test("Three identities on one account of MySQL share one ladder, and each has its turn")
    func sharedAccount() {
        var pauses = LoginPauses()
        var logins: [(minute: Int, identity: String)] = []
        for minute in 0..<120 {
            for (place, identity) in ["a", "b", "c"].enumerated() {
                let slot = Self.minute(minute) + .seconds(place)
                let check = CheckID(target: "orders", identity: identity)
                let mayLogIn = pauses.depth(of: check, on: Self.mysql(), at: slot) == .query
                if mayLogIn { logins.append((minute, identity)) }
                let expires = Int64(1000 * (place + 1))
                let observation = Self.seen(Self.observation(mayLogIn ? .refused : .partial, expires: expires), by: identity)
                _ = pauses.apply(observation, on: Self.mysql(), slot: slot)
            }
        }
        #expect((8...12).contains(logins.count), "\(logins)")
        #expect(Set(logins.map(\.identity)) == ["a", "b", "c"])
        #expect(Set(logins.map(\.minute)).count == logins.count, "\(logins)")
    }

    @Test("A check that is let in is not held by another one that is refused on the same account, and does not free it")
    func healthySibling() {
        var pauses = LoginPauses()
        var refused = 0
        for minute in 0..<60 {
            for identity in ["a", "b"] {
                let mayLogIn =
                    pauses.depth(of: CheckID(target: "orders", identity: identity), on: Self.mysql(), at: Self.minute(minute)) == .query
                if identity == "b", minute > 1 { #expect(mayLogIn, "minute \(minute)") }
                if identity == "a", mayLogIn { refused += 1 }
                let seen = Self.observation(!mayLogIn ? .partial : identity == "a" ? .refused : .success)
                _ = pauses.apply(Self.seen(seen, by: identity), on: Self.mysql(), slot: Self.minute(minute))
            }
        }
        #expect((5...6).contains(refused), "\(refused)")
    }

    @Test("A new token ends no rest of a login that never sent one")
    func renewalWithoutToken() {
        for (cause, depth) in [(Cause.authMethodUnexpected, ProbeRun.Depth.tls), (.loginRefused, .query)] {
            var pauses = LoginPauses()
            for minute in [0, 1] {
                let seen = Self.seen(Self.observation(.refused), by: "a", cause: cause)
                _ = pauses.apply(seen, on: Self.mysql(), slot: Self.minute(minute))
            }
            _ = pauses.apply(Self.seen(Self.observation(.partial, expires: 9000), by: "a"), on: Self.mysql(), slot: Self.minute(2))
            #expect(pauses.depth(of: CheckID(target: "orders", identity: "a"), on: Self.mysql(), at: Self.minute(3)) == depth, "\(cause)")
        }
    }

    @Test("The beginning of a rest is told once")
    func toldOnce() {
        var pauses = LoginPauses()
        let target = Target(
            name: "orders", engine: .postgresql, host: "db.example", port: 5432, database: "a", user: "u", identities: ["app"])
        let told = [0, 1, 6].map { pauses.apply(Self.observation(.refused), on: target, slot: Self.minute($0)) }
        #expect(told == [.refused, nil, nil])
        pauses.reset(Self.check)
        #expect(pauses.depth(of: Self.check, on: target, at: Self.minute(7)) == .query)
    }
}
