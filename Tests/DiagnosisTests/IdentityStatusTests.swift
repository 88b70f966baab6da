// Where an identity stands that has tokens for more than one thing: board, state lines and incidents say the same.
import Testing

@testable import Diagnosis

@Suite struct IdentityStatusTests {
    private static func target(_ name: String, _ engine: Engine) -> Target {
        Target(name: name, engine: engine, host: "\(name).example", port: 1, database: name, user: nil, identities: ["app"])
    }

    private static let (orders, billing) = (target("orders", .postgresql), target("billing", .azuresql))
    private static let token = TokenRequestResult.Outcome.acquired(expires: noon + .seconds(86_400), isSameToken: false)

    private static func refused(_ cause: Cause) -> TokenRequestResult.Outcome { .failed(Failure(cause, during: .token)) }

    private static func request(
        _ resource: TokenResource, _ outcome: TokenRequestResult.Outcome, at minutes: Int
    ) -> TokenRequestResult {
        TokenRequestResult(
            identity: "app", resource: resource, source: .imds, time: noon + .seconds(60 * minutes), duration: .zero, outcome: outcome)
    }

    /// A board over both targets, with the tracker that history keeps, and what they said.
    private struct Watch {
        let board = Board(targets: [orders, billing], identities: ["app"])
        var tracker = IncidentTracker(CheckID(watching: "app"))
        var verdicts: [CheckState] = []
        var steps: [String] = []
        var status: IdentityStatus { board.snapshot.identities[0] }

        mutating func take(_ resource: TokenResource, _ outcome: TokenRequestResult.Outcome, at minutes: Int) {
            let news = board.record(.request(IdentityStatusTests.request(resource, outcome, at: minutes)))
            if let change = news.change { verdicts.append(change.to) }
            switch news.observation.flatMap({ tracker.apply($0, mayOpen: true) }) {
            case .opened: steps.append("opened")
            case .closed: steps.append("closed")
            case .causeAdded: steps.append("cause")
            case .continued, nil: break
            }
        }
    }

    @Test("Of two tokens one is refused for half an hour: one line says so, one incident opens, and both end when that token comes")
    func oneOfTwo() {
        var watch = Watch()
        for round in 0..<6 {
            watch.take(.ossrdbms, Self.token, at: round * 5)
            watch.take(.azuresql, Self.refused(.entraAppNotFound), at: round * 5 + 1)
            #expect(watch.status.state == .down && watch.status.cause == .entraAppNotFound)
            #expect(watch.status.since == noon + .seconds(60))
            #expect(watch.tracker.open != nil, "in round \(round)")
        }
        #expect(watch.verdicts == [.down], "one token alone was no reason to call it up")
        #expect(watch.steps == ["opened"])
        watch.take(.ossrdbms, Self.token, at: 30)
        #expect(watch.status.state == .down)
        watch.take(.azuresql, Self.token, at: 31)
        #expect(watch.status.state == .up && watch.status.failure == nil)
        watch.take(.ossrdbms, Self.token, at: 35)
        #expect(watch.verdicts == [.down, .up])
        #expect(watch.steps == ["opened", "closed"])
    }

    @Test("Two tokens that are refused for different reasons do not take turns in the verdict")
    func twoCauses() {
        var watch = Watch()
        for round in 0..<4 {
            watch.take(.azuresql, Self.refused(.entraAppNotFound), at: round * 5)
            watch.take(.ossrdbms, Self.refused(.entraPolicyDenied), at: round * 5 + 1)
        }
        #expect(watch.verdicts == [.down, .down], "down, and then the first of the two causes for good")
        #expect(watch.status.cause == .entraPolicyDenied)
        #expect(watch.steps == ["opened", "cause"])
        watch.take(.ossrdbms, Self.token, at: 30)
        #expect(watch.status.state == .down && watch.status.cause == .entraAppNotFound)
    }

    @Test("After a restart a failure that history knows began when it began, although the other token came first")
    func known() {
        var watch = Watch()
        let past = CheckPast(failingSince: [.entraUnavailable: noon + .seconds(-7200)])
        watch.board.adopt([CheckID(watching: "app"): past])
        watch.take(.ossrdbms, Self.token, at: 0)
        #expect(watch.status.state == .unknown && watch.status.asked != nil)
        watch.take(.azuresql, Self.refused(.entraUnavailable), at: 1)
        #expect(watch.status.state == .down && watch.status.since == noon + .seconds(-7200))
    }

    @Test("A token that no target takes any more does not keep the identity down, is not shown, and is not judged again")
    func outOfUse() {
        var watch = Watch()
        watch.take(.ossrdbms, Self.token, at: 0)
        watch.take(.azuresql, Self.token, at: 0)
        watch.take(.azuresql, Self.refused(.entraUnavailable), at: 5)
        let later = noon + .seconds(400)
        let lines = watch.board.replace(targets: [Self.orders], identities: ["app"], at: later)
        #expect(lines.map { [$0.from, $0.to] } == [[.down, .up]])
        #expect(lines.map(\.time) == [later])
        #expect(watch.status.state == .up && Set(watch.status.tokens.keys) == [.ossrdbms])
        watch.take(.azuresql, Self.refused(.entraUnavailable), at: 10)
        #expect(watch.status.state == .up)
        #expect(watch.status.requests[.imds] == 4, "what was asked is counted all the same")
        #expect(watch.steps.isEmpty)
        #expect(watch.board.replace(targets: [Self.orders, Self.billing], identities: ["app"]).isEmpty)
        watch.take(.azuresql, Self.refused(.entraUnavailable), at: 15)
        #expect(watch.status.state == .down)
    }

    struct Use: Sendable {
        var targets: [Target]
        var resources: [TokenResource]
    }

    @Test(
        "The tokens of an identity are for what its targets take",
        arguments: [
            Use(targets: [], resources: [.ossrdbms]), Use(targets: [billing], resources: [.azuresql]),
            Use(targets: [billing, orders, target("crm", .mysql)], resources: [.ossrdbms, .azuresql]),
        ])
    func uses(row: Use) {
        #expect(row.targets.resources(of: "app") == row.resources)
        #expect(row.targets.resources(of: "other") == [.ossrdbms])
    }
}
