// Another set of checks and identities on the board, and the trouble of the agent itself in a report.
import Testing

@testable import Diagnosis

@Suite struct BoardReplaceTests {
    private func observation(_ check: CheckID, _ outcome: Observation.Outcome) -> Observation {
        Observation(check: check, started: noon, duration: .seconds(1), phases: [], outcome: outcome)
    }

    @Test("What stays keeps what is known about it, also as it is configured otherwise; what goes is forgotten; what comes begins at zero")
    func replaces() throws {
        let (orders, billing) = (Fixture.target("orders"), Fixture.target("billing"))
        let board = Board(targets: [orders, billing], identities: ["app", "ops"])
        let (first, second) = (orders.checks[0], billing.checks[0])
        _ = board.record(observation(first, .failed(Failure(.tcpRefused, during: .tcp))))
        _ = board.record(observation(second, .succeeded))
        _ = board.record(.lookup(identity: "app", hit: true))
        _ = board.record(.lookup(identity: "ops", hit: true))
        let moved = Fixture.target("orders", host: "other.example")
        board.replace(targets: [Fixture.target("new"), moved], identities: ["late", "ops", "app"], renewed: ["ops"])
        let snapshot = board.snapshot
        #expect(snapshot.checks.map(\.id.target) == ["new", "orders"])
        #expect(snapshot.checks[0].state == .unknown && snapshot.checks[0].probes == 0)
        #expect(snapshot.checks[1].state == .down && snapshot.checks[1].failures == 1)
        #expect(snapshot.checks[1].target.host == "other.example")
        #expect(snapshot.identities.map(\.lookups) == [0, 0, 1])
        #expect(board.record(observation(second, .succeeded)) == nil, "what is gone takes nothing any more")
        #expect(board.engine(of: second) == nil)
        #expect(board.engine(of: first) == .postgresql)
        board.replace(targets: [moved, billing], identities: ["app"])
        #expect(board.snapshot.checks[1].probes == 0, "what comes back begins at zero")
    }

    @Test("A refused configuration is an error when nothing runs, and a warning while the one before does")
    func severity() {
        let failure = Failure(.configInvalid, during: .config, detail: "agent.yaml:3:1: unknown key")
        let nothing = Board.Snapshot(checks: [], identities: [])
        func report(_ failures: [Failure], _ troubles: [Failure]) -> Report {
            Report.make(
                snapshot: nothing, identities: [], mode: .inside, host: "h", version: "1", now: noon, failures: failures,
                troubles: troubles)
        }
        #expect(report([failure], []).findings.map(\.severity) == [.error])
        #expect(report([failure], []).exit == .configuration)
        #expect(report([], [failure]).findings.map(\.severity) == [.warning])
        #expect(report([], [failure]).findings.map(\.code) == ["config_invalid"])
        #expect(report([], [failure]).exit == .healthy)
    }
}
