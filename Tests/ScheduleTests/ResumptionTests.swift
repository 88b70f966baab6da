// How checks come back when logins may go on: each at its slot, one after the other, and one by one to see whether it may be.
import Diagnosis
import Logging
import Schedule
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct ResumptionTests {
    private static let count = 20

    private struct Attempt: Sendable {
        var check: Int
        /// **Unit**: seconds since the start.
        var time: Int
        var depth: ProbeRun.Depth
    }

    /// Probes twenty checks of one account on one server once a minute.
    /// - Parameter answer: what a login gives at that second; nil for a success.
    private static func attempts(
        _ engine: Engine, seconds: Int, answer: @escaping @Sendable (Int) -> Cause?
    ) async -> [Attempt] {
        let clock = ManualClock()
        let attempts = Mutex<[Attempt]>([])
        let probes = (0..<count).map { number in
            var probe = FakeProbe("db-\(number)", every: .seconds(60)) { run in
                let time = Int((clock.now - clock.start).components.seconds)
                attempts.withLock { $0.append(Attempt(check: number, time: time, depth: run.depth)) }
                guard run.depth == .query else { return .partial(.loginPaused) }
                return answer(time).map { .failed(Failure($0, during: .login)) } ?? .succeeded
            }
            probe.target.engine = engine
            return probe
        }
        let scheduler = Scheduler(
            probes: probes, gate: Gate(), seed: 1, clock: clock, onEvent: { _ in },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await advance(clock, scheduler, seconds: seconds)
            group.cancelAll()
        }
        return attempts.withLock { $0 }
    }

    /// That everything which logs in since that second does so in the order of the first minute, evenly over its minute.
    private static func expectOrder(_ attempts: [Attempt], since begin: Int) {
        let first = attempts.filter { $0.time <= 60 }
        let slots = Dictionary(uniqueKeysWithValues: first.map { ($0.check, $0.time % 60) })
        #expect(slots.count == count)
        let back = attempts.filter { $0.time >= begin && $0.depth == .query }.prefix(count)
        #expect(Set(back.map(\.check)).count == count, "each has its turn before one has a second: \(back.map(\.check))")
        #expect(back.allSatisfy { $0.time % 60 == slots[$0.check] }, "nobody leaves its slot")
        let gaps = zip(back.dropFirst(), back).map { $0.time - $1.time }
        #expect(gaps.allSatisfy { (2...4).contains($0) }, "a third of a probe a second, as ever: \(gaps)")
    }

    @Test("A server that has blocked the client is let alone for a quarter of an hour, and then all come back at their slots")
    func blocked() async throws {
        let attempts = await Self.attempts(.mysql, seconds: 60 * 19) { (100..<160).contains($0) ? .clientBlocked : nil }
        let blocked = try #require(attempts.first { (100..<160).contains($0.time) && $0.depth == .query }).time
        let next = try #require(attempts.first { $0.time > blocked && $0.depth == .query }).time
        #expect(next - blocked >= 15 * 60 && next - blocked <= 15 * 60 + 4)
        Self.expectOrder(attempts, since: next)
    }

    @Test("As long as it goes on blocking, one check alone finds that out every quarter of an hour")
    func stillBlocked() async {
        let attempts = await Self.attempts(.mysql, seconds: 60 * 48) { $0 >= 100 ? .clientBlocked : nil }
        let logins = attempts.filter { $0.time >= 100 && $0.depth == .query }.map(\.time)
        #expect((3...4).contains(logins.count), "\(logins)")
        #expect(zip(logins.dropFirst(), logins).allSatisfy { $0 - $1 >= 15 * 60 }, "\(logins)")
    }

    @Test(
        "When an account is let in again, the checks that were held for it come back at their slots, whoever was refused",
        arguments: [
            Engine.mysql, .postgresql,
        ])
    func lockout(engine: Engine) async throws {
        let attempts = await Self.attempts(engine, seconds: 60 * 30) { $0 < 200 ? .loginRefused : nil }
        let refused = attempts.filter { $0.time < 200 && $0.depth == .query }
        // MySQL counts the failures of an account, whoever caused them; elsewhere each check has its own ladder.
        #expect(engine == .mysql ? refused.count <= 3 : refused.count <= 2 * Self.count, "\(refused.count)")
        let next = try #require(attempts.first { $0.time >= 200 && $0.depth == .query }).time
        Self.expectOrder(attempts, since: next)
    }
}
