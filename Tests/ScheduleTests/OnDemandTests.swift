// Probes on demand: shared, few, remembered for a moment, and within the budget of logins.
import Diagnosis
import Logging
import Schedule
import ServiceLifecycle
import Synchronization
import Testing

/// A probe that ends when the test lets it, and tells when it began.
final class HeldProbe: Probe {
    let id: CheckID
    let target: Target
    let runs = Mutex<[ProbeRun]>([])
    private let began: AsyncStream<Void>
    private let begin: AsyncStream<Void>.Continuation
    private let endings: AsyncStream<Observation.Outcome?>
    private let end: AsyncStream<Observation.Outcome?>.Continuation

    init(_ name: String, interval: Duration = .seconds(60), timeout: Duration = .seconds(5)) {
        id = CheckID(target: name, identity: "app")
        target = Target(
            name: name, engine: .postgresql, host: "db.example", port: 5432, database: "d", user: "u", identities: ["app"],
            interval: interval, timeout: timeout)
        (began, begin) = AsyncStream<Void>.makeStream()
        (endings, end) = AsyncStream<Observation.Outcome?>.makeStream()
    }

    func observe(_ run: ProbeRun) async -> Observation? {
        runs.withLock { $0.append(run) }
        begin.yield()
        for await outcome in endings { return outcome.map(observation) }
        return nil
    }

    func observation(_ outcome: Observation.Outcome) -> Observation {
        Observation(check: id, started: Timestamp(milliseconds: 0), duration: .zero, phases: [], outcome: outcome)
    }

    func hasBegun() async { for await _ in began { return } }
    func finish(_ outcome: Observation.Outcome = .succeeded) { end.yield(outcome) }
    /// Ends as a probe does that finds no place at the gate.
    func giveUp() { end.yield(nil) }
}

/// The service over some probes, on a clock that the test turns.
final class DemandBench: Sendable {
    let clock = ManualClock()
    let onDemand: OnDemand

    private final class Notes: Sendable {
        let all = Mutex<[Observation]>([])
        let found = Mutex<[Observation]>([])
    }
    private let notes = Notes()
    var foundOutcomes: [Observation.Outcome] { notes.found.withLock { $0.map(\.outcome) } }

    var notedOutcomes: [Observation.Outcome] { notes.all.withLock { $0.map(\.outcome) } }

    init(_ probes: [HeldProbe], depth: ProbeRun.Depth = .query) {
        let notes = notes
        onDemand = OnDemand(
            gate: Gate(), clock: clock, find: { check in probes.first { $0.id == check } }, depth: { _ in depth },
            note: { observation in notes.all.withLock { $0.append(observation) } },
            found: { observation in notes.found.withLock { $0.append(observation) } },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Runs the service around `body`.
    func run(_ body: @Sendable (OnDemand) async -> Void) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.onDemand.run() }
            await until { $0.isOpen }
            await body(onDemand)
            group.cancelAll()
        }
    }

    /// Gives the processor away until the service is as wanted.
    func until(_ isSo: (OnDemand) -> Bool) async {
        while !isSo(onDemand) { await Task.yield() }
    }
}

@Suite(.timeLimit(.minutes(1))) struct OnDemandTests {
    @Test("Everybody who asks about a check while it is probed gets the result of the one probe")
    func coalesces() async {
        let probe = HeldProbe("orders")
        let bench = DemandBench([probe])
        await bench.run { onDemand in
            await withTaskGroup(of: OnDemand.Answer.self) { group in
                for _ in 0..<20 { group.addTask { await onDemand.ask(probe.id, within: .seconds(3)) } }
                await bench.until { $0.waiting == 20 }
                #expect(onDemand.inFlight == 1)
                probe.finish()
                for await answer in group { #expect(answer == .observed(probe.observation(.succeeded))) }
            }
        }
        #expect(probe.runs.withLock { $0.count } == 1)
        #expect(bench.notedOutcomes == [.succeeded], "one login, noted once")
    }

    @Test("Who waits for a probe of a check that is configured otherwise is told so, and nothing of it is remembered")
    func forgets() async {
        let probe = HeldProbe("orders")
        let bench = DemandBench([probe])
        await bench.run { onDemand in
            let answer = Task { await onDemand.ask(probe.id, within: .seconds(3)) }
            await probe.hasBegun()
            onDemand.forget([probe.id])
            #expect(await answer.value == .closed)
            #expect(onDemand.inFlight == 0)
        }
        #expect(bench.notedOutcomes.isEmpty, "the probe that was given up counts for nothing")
    }

    @Test("What was seen of a check is not repeated once it is configured otherwise")
    func forgetsResults() async {
        let probe = HeldProbe("orders")
        let bench = DemandBench([probe])
        await bench.run { onDemand in
            probe.finish()
            let first = await onDemand.ask(probe.id, within: .seconds(3))
            onDemand.forget([probe.id])
            probe.finish(.failed(Failure(.tcpRefused, during: .tcp)))
            #expect(await onDemand.ask(probe.id, within: .seconds(3)) != first)
        }
        #expect(probe.runs.withLock { $0.count } == 2)
    }

    @Test("A result is repeated for a while, and then the check is probed again")
    func rests() async {
        let probe = HeldProbe("orders")
        let bench = DemandBench([probe])
        await bench.run { onDemand in
            probe.finish(.failed(Failure(.tcpRefused, during: .tcp)))
            let first = await onDemand.ask(probe.id, within: .seconds(3))
            bench.clock.advance(by: OnDemand.rest - .milliseconds(1))
            #expect(await onDemand.ask(probe.id, within: .seconds(3)) == first)
            #expect(probe.runs.withLock { $0.count } == 1)
            bench.clock.advance(by: .milliseconds(1))
            probe.finish()
            #expect(await onDemand.ask(probe.id, within: .seconds(3)) == .observed(probe.observation(.succeeded)))
            #expect(probe.runs.withLock { $0.count } == 2)
        }
    }

    @Test("Eight probes at once, and the ninth is told so; it may join one that is under way")
    func limit() async {
        let probes = (0..<9).map { HeldProbe("db-\($0)") }
        let bench = DemandBench(probes)
        await bench.run { onDemand in
            await withTaskGroup(of: OnDemand.Answer.self) { group in
                for probe in probes.prefix(8) { group.addTask { await onDemand.ask(probe.id, within: .seconds(3)) } }
                await bench.until { $0.inFlight == 8 }
                #expect(await onDemand.ask(probes[8].id, within: .seconds(3)) == .busy)
                group.addTask { await onDemand.ask(probes[0].id, within: .seconds(3)) }
                await bench.until { $0.waiting == 9 }
                for probe in probes.prefix(8) { probe.finish() }
                for await answer in group { #expect(answer != .busy) }
                probes[8].finish()
                #expect(await onDemand.ask(probes[8].id, within: .seconds(3)) == .observed(probes[8].observation(.succeeded)))
            }
        }
    }

    @Test("A command gets a probe of its own although one has just ended or is under way for a request, and is not among the eight")
    func command() async {
        let probes = (0..<9).map { HeldProbe("db-\($0)") }
        let bench = DemandBench(probes)
        await bench.run { onDemand in
            probes[8].finish()
            _ = await onDemand.ask(probes[8].id, within: .seconds(3))
            await withTaskGroup(of: OnDemand.Answer.self) { group in
                for probe in probes.prefix(8) { group.addTask { await onDemand.ask(probe.id, within: .seconds(3)) } }
                await bench.until { $0.inFlight == 8 }
                group.addTask { await onDemand.ask(probes[8].id, within: .seconds(3), for: .command) }
                await bench.until { $0.inFlight == 9 }
                group.addTask { await onDemand.ask(probes[0].id, within: .seconds(3), for: .command) }
                await bench.until { $0.waiting == 10 }
                #expect(onDemand.underWay == Set(probes.map(\.id)))
                for probe in probes + [probes[0]] { probe.finish() }
                for await answer in group {
                    if case .observed = answer { continue }
                    Issue.record("\(answer)")
                }
            }
            #expect(probes[8].runs.withLock { $0.count } == 2)
            #expect(probes[0].runs.withLock { $0.count } == 2)
            // The place of a request is free again when its probe is over, that of a command was none.
            await withTaskGroup(of: OnDemand.Answer.self) { group in
                bench.clock.advance(by: OnDemand.rest)
                for probe in probes.prefix(8) { group.addTask { await onDemand.ask(probe.id, within: .seconds(3)) } }
                await bench.until { $0.inFlight == 8 }
                #expect(await onDemand.ask(probes[8].id, within: .seconds(3)) == .busy)
                for probe in probes.prefix(8) { probe.finish() }
                for await _ in group {}
            }
        }
    }

    @Test("What a command finds out counts as if the schedule had, unless it only had too little time; what a request finds does not")
    func found() async {
        let probe = HeldProbe("orders", timeout: .seconds(5))
        let bench = DemandBench([probe])
        let refused = Observation.Outcome.failed(Failure(.loginDisabled, during: .login))
        let late = Observation.Outcome.failed(Failure(.probeDeadline, during: .login))
        await bench.run { onDemand in
            probe.finish()
            _ = await onDemand.ask(probe.id, within: .seconds(20))
            probe.finish(refused)
            _ = await onDemand.ask(probe.id, within: .seconds(20), for: .command)
            probe.finish(refused)
            _ = await onDemand.ask(probe.id, within: .seconds(1), for: .command)
            for (time, isFull) in [(Duration.seconds(1), false), (.seconds(20), true)] {
                async let answer = onDemand.ask(probe.id, within: time, for: .command)
                await bench.until { $0.inFlight == 1 && probe.runs.withLock { $0.count } == (isFull ? 5 : 4) }
                bench.clock.advance(by: isFull ? .seconds(5) : .seconds(1))
                probe.finish(late)
                _ = await answer
            }
        }
        #expect(bench.foundOutcomes == [refused, refused, late])
        #expect(bench.notedOutcomes == [.succeeded, refused, refused, late, late])
    }

    @Test("The probe has the time that its asker has, at most what is configured, and the depth that logins allow now")
    func circumstances() async {
        let probe = HeldProbe("orders", timeout: .seconds(5))
        let bench = DemandBench([probe], depth: .tls)
        await bench.run { onDemand in
            probe.finish(.partial(.loginPaused))
            _ = await onDemand.ask(probe.id, within: .seconds(2))
            bench.clock.advance(by: .seconds(60))
            probe.finish(.partial(.loginPaused))
            _ = await onDemand.ask(probe.id, within: .seconds(20))
        }
        let runs = probe.runs.withLock { $0 }
        #expect(runs.map(\.depth) == [.tls, .tls])
        #expect(runs[0].deadline == Deadline(bench.clock.start + .seconds(2)))
        #expect(runs[1].deadline == Deadline(bench.clock.start + .seconds(65)))
        #expect(bench.notedOutcomes == [.partial(.loginPaused), .partial(.loginPaused)])
    }

    @Test("Who has less time than the probe under way is told in time, and the probe goes on for the others")
    func late() async {
        let probe = HeldProbe("orders")
        let bench = DemandBench([probe])
        await bench.run { onDemand in
            async let patient = onDemand.ask(probe.id, within: .seconds(5))
            await bench.until { $0.waiting == 1 }
            async let hurried = onDemand.ask(probe.id, within: .seconds(1))
            await bench.clock.sleepers(2)
            bench.clock.advance(by: .seconds(1) + OnDemand.grace)
            #expect(await hurried == .late)
            probe.finish()
            #expect(await patient == .observed(probe.observation(.succeeded)))
        }
        #expect(probe.runs.withLock { $0.count } == 1)
    }

    @Test("A stop cancels what is under way and tells everybody; before the start and after the stop nothing is taken")
    func stop() async {
        let probe = HeldProbe("orders")
        let bench = DemandBench([probe])
        #expect(await bench.onDemand.ask(probe.id, within: .seconds(1)) == .closed)
        await withTaskGroup(of: OnDemand.Answer.self) { asking in
            await bench.run { onDemand in
                #expect(await onDemand.ask(CheckID(target: "crm", identity: "app"), within: .seconds(1)) == .closed)
                await bench.until { $0.inFlight == 0 }
            }
            let second = DemandBench([probe])
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await second.onDemand.run() }
                await second.until { $0.isOpen }
                asking.addTask { await second.onDemand.ask(probe.id, within: .seconds(1)) }
                await probe.hasBegun()
                group.cancelAll()
            }
            for await answer in asking { #expect(answer == .closed) }
            #expect(second.onDemand.inFlight == 0)
            #expect(await second.onDemand.ask(probe.id, within: .seconds(1)) == .closed)
        }
        #expect(bench.notedOutcomes.isEmpty)
    }

    @Test("A client that goes away ends its own wait and not the probe")
    func departure() async {
        let probe = HeldProbe("orders")
        let bench = DemandBench([probe])
        await bench.run { onDemand in
            await withTaskGroup(of: Void.self) { group in
                group.addTask { #expect(await onDemand.ask(probe.id, within: .seconds(3)) == .closed) }
                await probe.hasBegun()
                group.cancelAll()
            }
            #expect(onDemand.inFlight == 1)
            probe.finish()
            // Its place is free a moment before the outcome is noted.
            await bench.until { $0.inFlight == 0 && !bench.notedOutcomes.isEmpty }
            #expect(bench.notedOutcomes == [.succeeded])
        }
    }

    @Test("Refused logins on demand make logins rest like scheduled ones, and asking again does not wake them")
    func sharedBudget() async {
        let probe = HeldProbe("orders")
        let clock = ManualClock()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let scheduler = Scheduler(probes: [probe], gate: Gate(), seed: 1, clock: clock, onEvent: { _ in }, logger: logger)
        let onDemand = OnDemand(
            gate: Gate(), clock: clock, find: { _ in probe }, depth: { scheduler.depth(of: $0) }, note: { scheduler.note($0) },
            logger: logger)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await onDemand.run() }
            while !onDemand.isOpen { await Task.yield() }
            for _ in 0..<3 {
                probe.finish(.failed(Failure(.loginRefused, during: .login)))
                _ = await onDemand.ask(probe.id, within: .seconds(3))
                clock.advance(by: OnDemand.rest)
            }
            group.cancelAll()
        }
        #expect(probe.runs.withLock { $0.map(\.depth) } == [.query, .tls, .tls])
        #expect(scheduler.depth(of: probe.id) == .tls)
    }
}
