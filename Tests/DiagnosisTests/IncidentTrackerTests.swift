import Diagnosis
import Testing

private let check = CheckID(target: "orders", identity: "app")

/// What a probe a second saw, as letters: `.` success, `r` refused and `s` unavailable (transient), `l` login name unknown (not transient),
/// `p` stopped on purpose, `a` stopped before the login because the database may sleep, `n` the same where nobody ever logs in.
private func observation(_ letter: Character, at second: Int) -> Observation {
    let outcome: Observation.Outcome =
        switch letter {
        case "r": .failed(Failure(.tcpRefused, during: .tcp))
        case "t": .failed(Failure(.tcpTimeout, during: .tcp))
        case "s": .failed(Failure(.serverUnavailable, during: .login))
        case "l": .failed(Failure(.loginPrincipalUnknown, during: .login))
        case "p": .partial(.loginPaused)
        case "a", "n": .partial(.asleep)
        default: .succeeded
        }
    var observation = Observation(
        check: check, started: Timestamp(milliseconds: Int64(second) * 1000), duration: .milliseconds(5), phases: [], outcome: outcome)
    if letter == "n" { observation.facts.wake = WakeLedger(limit: 0) }
    return observation
}

/// A run of probes and what it does.
struct TrackerRow: Sendable, CustomTestStringConvertible {
    var what: String
    var probes: String
    /// **Shape**: a letter for each probe: `o` opened, `n` new cause, `+` continued, `c` closed, `-` nothing.
    var steps: String
    /// Of every incident that closed or is open at the end: `opened-closed causes`, seconds.
    var incidents: [String]
    /// Before this second nothing opens.
    var quiet = 0

    var testDescription: String { what }
}

@Suite struct IncidentTrackerTests {
    @Test(
        "An incident opens, changes and closes by the rules",
        arguments: [
            TrackerRow(what: "success only", probes: "....", steps: "----", incidents: []),
            TrackerRow(what: "one transient failure is none", probes: ".r.r.", steps: "-----", incidents: []),
            TrackerRow(what: "two in a row open at the first", probes: ".rr", steps: "--o", incidents: ["1- tcp_refused×2"]),
            TrackerRow(
                what: "two of different causes open as well", probes: "rt", steps: "-o", incidents: ["0- tcp_refused×1 tcp_timeout×1"]),
            TrackerRow(
                what: "one that is not transient opens at once", probes: ".l", steps: "-o", incidents: ["1- login_principal_unknown×1"]),
            TrackerRow(what: "transient, then not", probes: "rl", steps: "-o", incidents: ["0- tcp_refused×1 login_principal_unknown×1"]),
            TrackerRow(what: "one success does not close", probes: "rr.r", steps: "-o-+", incidents: ["0- tcp_refused×3"]),
            TrackerRow(what: "two successes close at the first of them", probes: "rr..", steps: "-o-c", incidents: ["0-2 tcp_refused×2"]),
            TrackerRow(
                what: "successes with a failure between do not close", probes: "rr.r.r.", steps: "-o-+-+-",
                incidents: ["0- tcp_refused×4"]),
            TrackerRow(
                what: "a new cause keeps it open", probes: "rrtl..", steps: "-onn-c",
                incidents: ["0-4 tcp_refused×2 tcp_timeout×1 login_principal_unknown×1"]),
            TrackerRow(
                what: "a cause that comes back is told once", probes: "rrtr", steps: "-on+", incidents: ["0- tcp_refused×3 tcp_timeout×1"]),
            TrackerRow(
                what: "what stops on purpose neither opens nor closes", probes: "rprp.p.", steps: "--o---c",
                incidents: ["0-4 tcp_refused×2"]),
            TrackerRow(
                what: "the way to a database that sleeps is mended without a login", probes: "rraa", steps: "-o-c",
                incidents: ["0-2 tcp_refused×2"]),
            TrackerRow(what: "one failure of the way and then sleep is none", probes: "rara", steps: "----", incidents: []),
            TrackerRow(
                what: "sleep says nothing about a login that failed", probes: "laaa.a", steps: "o----c",
                incidents: ["0-4 login_principal_unknown×1"]),
            TrackerRow(
                what: "neither does it when the way failed after it", probes: "lraa..", steps: "on---c",
                incidents: ["0-4 login_principal_unknown×1 tcp_refused×1"]),
            TrackerRow(
                what: "a login that was refused once is suspected while it sleeps", probes: "saas", steps: "---o",
                incidents: ["0- server_unavailable×2"]),
            TrackerRow(
                what: "a lasting refusal of the quiet time opens although it sleeps afterwards", probes: "laa", steps: "-o-",
                incidents: ["0- login_principal_unknown×1"], quiet: 1),
            TrackerRow(what: "two blips far apart are not two in a row", probes: "raaaar", steps: "------", incidents: []),
            TrackerRow(
                what: "where nobody logs in any more nothing stands", probes: "ssnn", steps: "-o-c",
                incidents: ["0-2 server_unavailable×2"]),
            TrackerRow(
                what: "a second incident is another one", probes: "l..rr", steps: "o-c-o",
                incidents: ["0-1 login_principal_unknown×1", "3- tcp_refused×2"]),
            TrackerRow(what: "nothing opens in the quiet time, however bad", probes: "lllrr", steps: "-----", incidents: [], quiet: 9),
            TrackerRow(
                what: "what fails in the quiet time and after it opened then", probes: "rrr", steps: "--o",
                incidents: ["0- tcp_refused×3"], quiet: 2),
            TrackerRow(
                what: "one failure after it is the second in a row", probes: "lr", steps: "-o",
                incidents: ["0- login_principal_unknown×1 tcp_refused×1"], quiet: 1),
            TrackerRow(
                what: "logins that rest after the quiet time do not hide what it showed", probes: "llppp", steps: "---o-",
                incidents: ["0- login_principal_unknown×2"], quiet: 3),
            TrackerRow(
                what: "a single transient failure before a rest is none", probes: "rppr", steps: "---o", incidents: ["0- tcp_refused×2"],
                quiet: 1),
            TrackerRow(what: "what mended in the quiet time is none", probes: "rr.r", steps: "----", incidents: [], quiet: 3),
        ])
    func rules(row: TrackerRow) {
        var tracker = IncidentTracker(check)
        var steps = ""
        var incidents: [Incident] = []
        for (second, letter) in row.probes.enumerated() {
            switch tracker.apply(observation(letter, at: second), mayOpen: second >= row.quiet) {
            case nil: steps += "-"
            case .opened: steps += "o"
            case .causeAdded: steps += "n"
            case .continued: steps += "+"
            case .closed(let incident):
                steps += "c"
                incidents.append(incident)
            }
        }
        if let open = tracker.open { incidents.append(open) }
        #expect(steps == row.steps)
        #expect(incidents.map(words) == row.incidents)
    }

    private func words(_ incident: Incident) -> String {
        let closed = incident.closed.map { String($0.milliseconds / 1000) } ?? ""
        let causes = incident.causes.map { "\($0.cause.rawValue)×\($0.failures)" }
        #expect(incident.causes.reduce(0) { $0 + $1.failures } == incident.failures)
        return "\(incident.opened.milliseconds / 1000)-\(closed) \(causes.joined(separator: " "))"
    }

    private var earlier: Incident {
        var tracker = IncidentTracker(check)
        _ = tracker.apply(observation("r", at: 0), mayOpen: true)
        _ = tracker.apply(observation("r", at: 1), mayOpen: true)
        return tracker.open ?? Incident(check: check, opened: .now, lastFailure: .now, failures: 0, causes: [])
    }

    @Test("An incident of an earlier run goes on, also in the quiet time, and closes by the same rule")
    func adopted() {
        var tracker = IncidentTracker(check)
        #expect(tracker.adopt(earlier) == nil)
        guard case .causeAdded(let changed)? = tracker.apply(observation("t", at: 10), mayOpen: false) else {
            Issue.record("it does not go on")
            return
        }
        #expect(words(changed) == "0- tcp_refused×2 tcp_timeout×1")
        #expect(tracker.apply(observation(".", at: 11), mayOpen: false) == nil)
        guard case .closed(let closed)? = tracker.apply(observation(".", at: 12), mayOpen: false) else {
            Issue.record("it does not close")
            return
        }
        #expect(words(closed) == "0-11 tcp_refused×2 tcp_timeout×1")
    }

    @Test("What was seen before the earlier run's incident was read counts")
    func adoptedLate() {
        var mended = IncidentTracker(check)
        for second in 10...12 { _ = mended.apply(observation(".", at: second), mayOpen: true) }
        guard case .closed(let closed)? = mended.adopt(earlier) else {
            Issue.record("it mended before it was read")
            return
        }
        #expect(words(closed) == "0-10 tcp_refused×2")

        var failing = IncidentTracker(check)
        for second in 10...12 { _ = failing.apply(observation("t", at: second), mayOpen: true) }
        #expect(failing.adopt(earlier) != nil)
        #expect(failing.open.map(words) == "0- tcp_refused×2 tcp_timeout×3")
        #expect(failing.adopt(earlier) == nil, "reading it again adds nothing")
    }

    @Test("A login that takes its time while others only look counts when it ends")
    func slowLogin() {
        var tracker = IncidentTracker(check)
        #expect(tracker.apply(observation("a", at: 5), mayOpen: true) == nil)
        var slow = observation("l", at: 1)
        slow.duration = .seconds(15)
        guard case .opened? = tracker.apply(slow, mayOpen: true) else {
            Issue.record("the refusal is taken for old news")
            return
        }
    }

    @Test("A wall clock that is put back makes no span negative")
    func clockPutBack() {
        var tracker = IncidentTracker(check)
        _ = tracker.apply(observation("l", at: 1000), mayOpen: true)
        _ = tracker.apply(observation(".", at: 10), mayOpen: true)
        guard case .closed(let closed)? = tracker.apply(observation(".", at: 11), mayOpen: true) else {
            Issue.record("it does not close")
            return
        }
        #expect(closed.closed == closed.opened)
    }

    @Test("The worst phase is the earliest that broke; the JSON has every key")
    func json() {
        var tracker = IncidentTracker(check)
        _ = tracker.apply(observation("l", at: 0), mayOpen: true)
        _ = tracker.apply(observation("r", at: 1), mayOpen: true)
        #expect(tracker.open?.worstPhase == .tcp)
        #expect(
            tracker.open?.json.compact == """
                {"check":"orders/app","opened":"1970-01-01T00:00:00.000Z","closed":null,"duration_seconds":null,\
                "last_failure":"1970-01-01T00:00:01.000Z","failures":2,"phase":"tcp","causes":[\
                {"cause":"login_principal_unknown","phase":"login","time":"1970-01-01T00:00:00.000Z","failures":1},\
                {"cause":"tcp_refused","phase":"tcp","time":"1970-01-01T00:00:01.000Z","failures":1}]}
                """)
    }

    @Test("A change of verdict on an identity is one line, once")
    func identityLine() {
        let board = Board(targets: [], identities: ["app"])
        func request(_ outcome: TokenRequestResult.Outcome, at second: Int64) -> StateLine? {
            board.record(
                .request(
                    TokenRequestResult(
                        identity: "app", resource: .ossrdbms, source: .imds, time: Timestamp(milliseconds: second * 1000),
                        duration: .milliseconds(3), outcome: outcome))
            ).change
        }
        let token = TokenRequestResult.Outcome.acquired(expires: Timestamp(milliseconds: 9_000_000), isSameToken: false)
        let first = request(token, at: 1)
        #expect(first.map { [$0.from, $0.to] } == [.unknown, .up])
        #expect(request(token, at: 2) == nil)
        #expect(board.record(.lookup(identity: "app", hit: true)) == IdentityNews())
        let down = request(.failed(Failure(.identityNotAssigned, during: .token)), at: 3)
        #expect(
            down?.json.compact == """
                {"schema":1,"time":"1970-01-01T00:00:02.997Z","kind":"identity","id":"app","from":"up","to":"down",\
                "cause":"identity_not_assigned","phase":"token","since":"1970-01-01T00:00:02.997Z"}
                """)
    }
}

@Suite struct SimultaneousProbesTests {
    private func probe(_ letter: Character, from start: Int64, to end: Int64) -> Observation {
        var probe = observation(letter, at: 0)
        probe.started = Timestamp(milliseconds: start)
        probe.duration = .milliseconds(end - start)
        return probe
    }

    @Test("A probe that was under way when the last one started is counted and changes neither verdict nor incident")
    func older() {
        var (status, tracker) = (CheckStatus(id: check, target: Fixture.target()), IncidentTracker(check))
        for (probe, change, step) in [
            (probe("r", from: 0, to: 10), true, false), (probe(".", from: 5000, to: 5010), true, false),
            // It hung while the schedule's own one found the check up.
            (probe("l", from: 4000, to: 9000), false, false),
        ] {
            #expect((status.apply(probe) != nil) == change)
            #expect((tracker.apply(probe, mayOpen: true) != nil) == step)
        }
        #expect((status.state, status.probes, status.failures, status.consecutiveFailures) == (.up, 3, 2, 0))
        #expect(tracker.open == nil)
    }

    @Test("Two failures of one moment are no two in a row")
    func simultaneous() {
        var (status, tracker) = (CheckStatus(id: check, target: Fixture.target()), IncidentTracker(check))
        for probe in [probe("r", from: 0, to: 3000), probe("r", from: 100, to: 3100)] {
            _ = status.apply(probe)
            #expect(tracker.apply(probe, mayOpen: true) == nil)
        }
        #expect((status.consecutiveFailures, status.failures) == (1, 2))
        let third = probe("r", from: 4000, to: 7000)
        _ = status.apply(third)
        #expect(tracker.apply(third, mayOpen: true)?.incident.failures == 3)
        #expect(status.consecutiveFailures == 2)
    }

    @Test("A wall clock that was put back does not silence a check")
    func clockPutBack() {
        var (status, tracker) = (CheckStatus(id: check, target: Fixture.target()), IncidentTracker(check))
        for probe in [probe(".", from: 3_600_000, to: 3_600_010), probe("l", from: 1000, to: 1010)] {
            _ = status.apply(probe)
            _ = tracker.apply(probe, mayOpen: true)
        }
        #expect(status.state == .down)
        #expect(tracker.open != nil)
    }
}
