import Diagnosis
import Foundation
import Logging
import Schedule
import ServiceLifecycle
import Synchronization
import Testing
import TestSupport

/// A probe that does what a test wants.
struct FakeProbe: Probe {
    var id: CheckID
    var target: Target
    var body: @Sendable (ProbeRun) async -> Observation.Outcome?

    init(
        _ name: String, every interval: Duration = .seconds(10), timeout: Duration = .seconds(5),
        body: @escaping @Sendable (ProbeRun) async -> Observation.Outcome? = { _ in .succeeded }
    ) {
        id = CheckID(target: name, identity: "app")
        target = Target(
            name: name, engine: .postgresql, host: "db.example", port: 5432, database: "d", user: "u", identities: ["app"],
            interval: interval, timeout: timeout)
        self.body = body
    }

    func observe(_ run: ProbeRun) async -> Observation? {
        guard let outcome = await body(run) else { return nil }
        return Observation(check: id, started: Timestamp(milliseconds: 0), duration: .zero, phases: [], outcome: outcome)
    }
}

/// Collects events, and lets a test wait for them.
final class Events: Sendable {
    private struct State {
        var events: [SchedulerEvent] = []
        var watchers: [(test: @Sendable ([SchedulerEvent]) -> Bool, tell: CheckedContinuation<Void, Never>)] = []
    }
    private let state = Mutex(State())

    func add(_ event: SchedulerEvent) {
        let ready = state.withLock { state in
            state.events.append(event)
            let ready = state.watchers.filter { $0.test(state.events) }
            state.watchers.removeAll { $0.test(state.events) }
            return ready
        }
        for watcher in ready { watcher.tell.resume() }
    }

    var all: [SchedulerEvent] { state.withLock(\.events) }

    func wait(until test: @escaping @Sendable ([SchedulerEvent]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let now = state.withLock { state in
                if test(state.events) { return true }
                state.watchers.append((test, continuation))
                return false
            }
            if now { continuation.resume() }
        }
    }
}

extension [SchedulerEvent] {
    var started: Int { count { if case .started = $0 { true } else { false } } }
    var finished: Int { count { if case .finished = $0 { true } else { false } } }
    func missed(_ reason: SchedulerEvent.MissReason) -> Int {
        count { if case .missed(_, reason) = $0 { true } else { false } }
    }
    var lags: [Duration] { compactMap { if case .started(_, let lag) = $0 { lag } else { nil } } }
}

/// Probes that wait until they are cancelled, as against a silent server, and how many of them wait now.
final class Silence: Sendable {
    private let waiting = Mutex(0)
    var count: Int { waiting.withLock { $0 } }

    func hang() async { await hold { try? await Task.sleep(for: .seconds(3600), clock: .continuous) } }

    func hold(_ wait: @Sendable () async -> Void) async {
        waiting.withLock { $0 += 1 }
        await wait()
        waiting.withLock { $0 -= 1 }
    }
}

@Suite(.timeLimit(.minutes(1))) struct SchedulerTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func scheduler(
        _ probes: [any Probe], _ clock: some ScheduleClock, _ events: Events, drain: Duration = .seconds(10), limit: Int? = nil
    ) -> Scheduler {
        Scheduler(
            probes: probes, gate: Gate(), seed: 1, clock: clock, drain: drain, limit: limit, onEvent: { events.add($0) },
            logger: logger)
    }

    @Test("Every check runs once an interval")
    func rounds() async {
        let (clock, events) = (ManualClock(), Events())
        let scheduler = scheduler((0..<5).map { FakeProbe("db-\($0)") }, clock, events)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await advance(clock, scheduler, seconds: 40)
            await events.wait { $0.finished == 20 }
            group.cancelAll()
        }
        #expect(events.all.started == 20)
        #expect(scheduler.inFlight == 0)
    }

    @Test("A probe that hangs misses its slots; the others keep theirs")
    func overrun() async {
        let (clock, events) = (ManualClock(), Events())
        let silence = Silence()
        let stuck = FakeProbe("stuck") { _ in
            await silence.hang()
            return nil
        }
        let scheduler = scheduler([stuck, FakeProbe("well")], clock, events)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await advance(clock, scheduler, seconds: 40, hanging: silence)
            await events.wait { $0.finished == 4 && $0.started == 5 }
            #expect(events.all.missed(.overrun) == 3)
            #expect(scheduler.inFlight == 1)
            group.cancelAll()
        }
        #expect(events.all.missed(.shutdown) == 1)
    }

    @Test("A wall clock that jumps moves nothing", arguments: [Duration.seconds(86_400), .seconds(-86_400), .seconds(3600)])
    func wallClockJumps(jump: Duration) async {
        let (clock, events) = (ManualClock(), Events())
        let scheduler = scheduler((0..<5).map { FakeProbe("db-\($0)") }, clock, events)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await advance(clock, scheduler, seconds: 20)
            await clock.sleepers()
            clock.advance(by: .zero, wall: jump)
            await advance(clock, scheduler, seconds: 20)
            await events.wait { $0.finished == 20 }
            group.cancelAll()
        }
        #expect(events.all.started == 20)
        #expect(events.all.missed(.overrun) == 0)
    }

    @Test("After a standstill of ten minutes no check starts more than once before its next slot")
    func standstill() async {
        let (clock, events) = (ManualClock(), Events())
        let scheduler = scheduler((0..<50).map { FakeProbe("db-\($0)") }, clock, events)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await advance(clock, scheduler, seconds: 10)
            await events.wait { $0.finished == 50 }
            clock.advance(by: .seconds(600))
            await clock.sleepers()
            let before = events.all.started
            // Two seconds of slots may have been within their grace.
            #expect(before <= 50 + 15)
            await advance(clock, scheduler, seconds: 10)
            await events.wait { $0.started >= 100 }
            #expect(events.all.started <= before + 50)
            group.cancelAll()
        }
    }

    @Test("A graceful stop lets running probes finish, and nothing starts after it")
    func gracefulStop() async {
        let (clock, events) = (ManualClock(), Events())
        let (gate, open) = AsyncStream<Never>.makeStream()
        let silence = Silence()
        let slow = FakeProbe("slow") { _ in
            await silence.hold { for await _ in gate {} }
            return .succeeded
        }
        let scheduler = scheduler([slow] + (0..<5).map { FakeProbe("db-\($0)") }, clock, events)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await advance(clock, scheduler, seconds: 10, hanging: silence)
            await events.wait { $0.started == 6 && $0.finished == 5 }
            scheduler.stop()
            let atStop = events.all.started
            clock.advance(by: .seconds(5))
            #expect(scheduler.inFlight == 1)
            open.finish()
            await group.waitForAll()
            #expect(events.all.started == atStop)
        }
        #expect(events.all.finished == 6)
        #expect(scheduler.inFlight == 0)
    }

    @Test("A probe that does not finish within ten seconds of the stop is cancelled and counted")
    func stopCancels() async {
        let (clock, events) = (ManualClock(), Events())
        let silence = Silence()
        let stuck = FakeProbe("stuck") { _ in
            await silence.hang()
            return Task.isCancelled ? nil : .succeeded
        }
        let scheduler = scheduler([stuck], clock, events)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await advance(clock, scheduler, seconds: 10, hanging: silence)
            await events.wait { $0.started == 1 }
            scheduler.stop()
            // The loop and the end of the drain sleep.
            await clock.sleepers(2)
            clock.advance(by: .seconds(9))
            #expect(scheduler.inFlight == 1)
            await clock.sleepers(2)
            clock.advance(by: .seconds(1))
            await group.waitForAll()
        }
        #expect(events.all.finished == 0)
        #expect(events.all.missed(.shutdown) == 1)
        #expect(scheduler.inFlight == 0)
    }

    @Test("The shutdown of the service group stops it")
    func serviceGroup() async throws {
        let (clock, events) = (ManualClock(), Events())
        let scheduler = scheduler([FakeProbe("db")], clock, events)
        let services = ServiceGroup(
            configuration: .init(
                services: [.init(service: scheduler, successTerminationBehavior: .gracefullyShutdownGroup)], logger: logger))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await services.run() }
            await advance(clock, scheduler, seconds: 10)
            await events.wait { $0.finished == 1 }
            await services.triggerGracefulShutdown()
            try await group.waitForAll()
        }
        #expect(events.all.started == 1)
    }

    @Test("A scheduler that was stopped before it ran starts nothing")
    func stoppedBefore() async {
        let (clock, events) = (ManualClock(), Events())
        let scheduler = scheduler([FakeProbe("db")], clock, events)
        scheduler.stop()
        await scheduler.run()
        #expect(events.all.isEmpty)
    }

    @Test("Logins rest after a refusal, and go on when they are reset")
    func logins() async throws {
        let (clock, events) = (ManualClock(), Events())
        let depths = Mutex<[ProbeRun.Depth]>([])
        let cause = try #require(Cause.allCases.first { !$0.isTransient })
        let probe = FakeProbe("db") { run in
            depths.withLock { $0.append(run.depth) }
            return run.depth == .query ? .failed(Failure(cause, during: .login)) : .partial(.loginPaused)
        }
        let scheduler = scheduler([probe], clock, events)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            for round in 1...8 {
                await advance(clock, scheduler, seconds: 10)
                await events.wait { $0.finished == round }
            }
            #expect(depths.withLock { $0 } == [.query, .tls, .tls, .tls, .tls, .tls, .query, .tls])
            #expect(scheduler.depth(of: probe.id) == .tls)
            scheduler.reset(probe.id)
            #expect(scheduler.depth(of: probe.id) == .query)
            await advance(clock, scheduler, seconds: 10)
            await events.wait { $0.finished == 9 }
            #expect(depths.withLock { $0.last } == .query)
            group.cancelAll()
        }
    }

    @Test("A login outside the schedule spends the same budget")
    func foreignLogin() throws {
        let clock = ManualClock()
        let probe = FakeProbe("db")
        let scheduler = scheduler([probe], clock, Events())
        let cause = try #require(Cause.allCases.first { !$0.isTransient })
        scheduler.note(
            Observation(
                check: probe.id, started: Timestamp(milliseconds: 0), duration: .zero, phases: [],
                outcome: .failed(Failure(cause, during: .login))))
        #expect(scheduler.depth(of: probe.id) == .tls)
        clock.advance(by: .seconds(60))
        #expect(scheduler.depth(of: probe.id) == .query)
    }

    @Test("More than the descriptors allow do not run at once; the rest is counted")
    func concurrency() async {
        let (clock, events) = (ManualClock(), Events())
        let silence = Silence()
        let probes = (0..<6).map { number in
            FakeProbe("db-\(number)") { _ in
                await silence.hang()
                return nil
            }
        }
        let scheduler = scheduler(probes, clock, events, limit: 4)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await advance(clock, scheduler, seconds: 10, hanging: silence)
            await events.wait { $0.started == 4 && $0.missed(.concurrency) == 2 }
            #expect(scheduler.inFlight == 4)
            group.cancelAll()
        }
    }

    @Test("The deadline of a probe is its start and the target's timeout")
    func deadline() async {
        let (clock, events) = (ManualClock(), Events())
        let seen = Mutex<[Duration]>([])
        let probe = FakeProbe("db", timeout: .seconds(7)) { run in
            seen.withLock { $0.append(run.deadline.instant - clock.now) }
            return .succeeded
        }
        let scheduler = scheduler([probe], clock, events)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await advance(clock, scheduler, seconds: 10)
            await events.wait { $0.finished == 1 }
            group.cancelAll()
        }
        #expect(seen.withLock { $0 } == [.seconds(7)])
    }

    @Test("The loop shows a sign of life every second, due probes or not, and tells who listens")
    func pulse() async {
        let clock = ManualClock()
        let turns = Mutex(0)
        let scheduler = Scheduler(
            probes: [FakeProbe("db", every: .seconds(3600))], gate: Gate(), seed: 1, clock: clock,
            onTurn: { turns.withLock { $0 += 1 } }, onEvent: { _ in }, logger: logger)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await advance(clock, scheduler, seconds: 5)
            #expect(scheduler.lastTick == clock.now)
            #expect(turns.withLock { $0 } >= 6)
            group.cancelAll()
        }
    }

    /// Remembers how late its sleepers woke.
    private final class MeasuringClock: ScheduleClock {
        private let worst = Mutex(Duration.zero)
        private let clock = SystemClock()
        var now: ContinuousClock.Instant { clock.now }
        var wall: Timestamp { clock.wall }
        var lateness: Duration { worst.withLock { $0 } }
        func sleep(until instant: ContinuousClock.Instant) async throws {
            try await clock.sleep(until: instant)
            let late = clock.now - instant
            worst.withLock { $0 = max($0, late) }
        }
    }

    @Test("Probes that never let go of the processor do not keep the loop from turning")
    func busyPool() async {
        let (clock, events, stalls) = (MeasuringClock(), Events(), Stalls())
        defer { stalls.end() }
        // One for every thread that probes have, each for longer than its interval. Short, because other tests share the pool.
        let probes: [any Probe] = (0..<max(4, ProcessInfo.processInfo.activeProcessorCount)).map { number in
            FakeProbe("db-\(number)", every: .milliseconds(200)) { _ in
                let end = ContinuousClock.now + .milliseconds(400)
                while ContinuousClock.now < end {}
                return .succeeded
            }
        }
        let scheduler = scheduler(probes, clock, events)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await events.wait { $0.missed(.overrun) >= 4 }
            group.cancelAll()
        }
        #expect(clock.lateness.seconds <= 0.25 + stalls.seconds)
    }

    @Test("Hundreds of probes that hang take nothing from the healthy ones: each starts at each of its slots")
    func hangingProbes() async {
        let (clock, events) = (ManualClock(), Events())
        let silence = Silence()
        let probes: [any Probe] = (0..<500).map { number in
            FakeProbe("db-\(number)") { _ in
                guard number >= 10 else { return .succeeded }
                await silence.hang()
                return nil
            }
        }
        let scheduler = scheduler(probes, clock, events)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await advance(clock, scheduler, seconds: 40, hanging: silence)
            await events.wait { $0.finished == 40 }
            group.cancelAll()
        }
        #expect(events.all.started == 490 + 40)
        #expect(events.all.missed(.overrun) == 490 * 3)
        #expect(events.all.missed(.shutdown) == 490)
    }
}

/// Turns the clock on by steps of a second, each when the loop sleeps and every probe is over or hangs: the time of the test stands
/// still while the machine is busy.
func advance(_ clock: ManualClock, _ scheduler: Scheduler, seconds: Int, hanging silence: Silence = Silence()) async {
    await clock.sleepers()
    for _ in 0..<seconds {
        clock.advance(by: .seconds(1))
        await clock.sleepers()
        while scheduler.inFlight != silence.count { await Task.yield() }
    }
}
