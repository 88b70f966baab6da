// Another set of checks while the old one runs: what stays must not notice.
import Diagnosis
import Logging
import Schedule
import Testing

@Suite(.timeLimit(.minutes(1))) struct ReplaceTests {
    private let start = ContinuousClock.now
    private let wall = Timestamp(milliseconds: 1_790_000_012_345)
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func entries(_ numbers: some Sequence<Int>, every interval: Duration = .seconds(60)) -> [Timetable.Entry] {
        numbers.map { Timetable.Entry(check: CheckID(target: "db-\($0)", identity: "app"), interval: interval) }
    }

    /// When each check starts until `end`, by its number; every probe ends at once.
    private func starts(
        _ table: inout Timetable, until end: ContinuousClock.Instant, into times: inout [Int: [ContinuousClock.Instant]]
    ) {
        while let next = table.nextDue, next < end {
            for case .start(let entry, let due) in table.due(at: next) {
                times[entry, default: []].append(due)
                table.finish(entry)
            }
        }
    }

    // MARK: The timetable

    @Test("A check that stays keeps its slots to the nanosecond, whatever comes and goes around it")
    func slotsStay() {
        var disturbed = Timetable(entries(0..<100), seed: 7, start: start, wall: wall)
        var alone = disturbed
        var (seen, expected): ([Int: [ContinuousClock.Instant]], [Int: [ContinuousClock.Instant]]) = ([:], [:])
        for round in 0..<50 {
            let moment = start + .milliseconds(round * 7_301)
            starts(&disturbed, until: moment, into: &seen)
            // The first fifty stay; others come and go.
            _ = disturbed.replace(entries(0..<50) + entries(100 + round..<130 + round), at: moment)
        }
        let end = start + .seconds(600)
        starts(&disturbed, until: end, into: &seen)
        starts(&alone, until: end, into: &expected)
        for number in 0..<50 { #expect(seen[number] == expected[number], "check \(number)") }
    }

    @Test("A thousand new checks are spread over their interval, and each is due within it")
    func newcomersAreSpread() {
        var table = Timetable(entries(0..<10, every: .seconds(30)), seed: 7, start: start, wall: wall)
        let moment = start + .seconds(100)
        var times: [Int: [ContinuousClock.Instant]] = [:]
        starts(&table, until: moment, into: &times)
        let numbers = table.replace(entries(0..<1010, every: .seconds(30)), at: moment)
        times = [:]
        starts(&table, until: moment + .seconds(30), into: &times)
        #expect(Set(times.keys) == Set(numbers))
        #expect(times.values.allSatisfy { $0.count == 1 })
        let perSecond = Dictionary(grouping: times.values.joined()) { Int(($0 - moment).seconds) }.mapValues(\.count)
        #expect((perSecond.values.max() ?? 0) <= 52, "\(perSecond)")
    }

    @Test("Another interval gives another slot within it, to the same number")
    func otherInterval() throws {
        var table = Timetable(entries(0..<3), seed: 7, start: start, wall: wall)
        let moment = start + .seconds(61)
        var times: [Int: [ContinuousClock.Instant]] = [:]
        starts(&table, until: moment, into: &times)
        let numbers = table.replace(entries(0..<2) + entries([2], every: .seconds(10)), at: moment)
        #expect(numbers == [0, 1, 2])
        times = [:]
        starts(&table, until: moment + .seconds(10), into: &times)
        #expect(times[2]?.count == 1)
    }

    @Test("A check that was taken out and comes back is a new one")
    func comesBack() {
        var table = Timetable(entries(0..<3), seed: 7, start: start, wall: wall)
        _ = table.replace(entries(0..<2), at: start)
        #expect(table.replace(entries(0..<3), at: start) == [0, 1, 3])
    }

    // MARK: The scheduler

    private func scheduler(_ probes: [any Probe], _ clock: ManualClock, _ events: Events) -> Scheduler {
        Scheduler(probes: probes, gate: Gate(), seed: 1, clock: clock, onEvent: { events.add($0) }, logger: logger)
    }

    private func advance(_ clock: ManualClock, _ scheduler: Scheduler, seconds: Int, hanging silence: Silence = Silence()) async {
        await clock.sleepers()
        for _ in 0..<seconds {
            clock.advance(by: .seconds(1))
            await clock.sleepers()
            while scheduler.inFlight != silence.count { await Task.yield() }
        }
    }

    @Test("A thousand replacements let no probe of a check that stays be missed, added or late")
    func manyReplacements() async {
        let (clock, events) = (ManualClock(), Events())
        let kept = (0..<5).map { FakeProbe("db-\($0)") }
        let scheduler = scheduler(kept, clock, events)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            for round in 0..<1000 {
                await advance(clock, scheduler, seconds: round % 10 == 0 ? 1 : 0)
                scheduler.replace(kept + [FakeProbe("new-\(round)")], keeping: Set(kept.map(\.id)))
            }
            scheduler.replace(kept, keeping: Set(kept.map(\.id)))
            await events.wait { events in kept.allSatisfy { probe in events.count { $0.isStart(of: probe.id) } == 10 } }
            group.cancelAll()
        }
        for probe in kept { #expect(events.all.count { $0.isStart(of: probe.id) } == 10) }
        #expect(events.all.missed(.overrun) == 0)
        #expect(scheduler.inFlight == 0)
    }

    @Test("The probe of a check that is taken out ends without a word; those that stay go on")
    func removedInFlight() async {
        let (clock, events) = (ManualClock(), Events())
        let silence = Silence()
        let stuck = FakeProbe("stuck") { _ in
            await silence.hang()
            return Task.isCancelled ? nil : .succeeded
        }
        let well = FakeProbe("well")
        let scheduler = scheduler([stuck, well], clock, events)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await advance(clock, scheduler, seconds: 10, hanging: silence)
            await events.wait { $0.finished == 1 && $0.started == 2 }
            scheduler.replace([well], keeping: [well.id])
            while scheduler.inFlight > 0 { await Task.yield() }
            await advance(clock, scheduler, seconds: 10, hanging: silence)
            await events.wait { $0.finished == 2 }
            #expect(events.all.started == 3)
            #expect(events.all.missed(.shutdown) + events.all.missed(.concurrency) + events.all.missed(.overrun) == 0)
            group.cancelAll()
        }
        #expect(scheduler.probe(of: stuck.id) == nil)
    }

    @Test("The probe of a check that is configured otherwise begins again at once, and what the old one saw is nobody's")
    func changedInFlight() async {
        let (clock, events) = (ManualClock(), Events())
        let silence = Silence()
        let old = FakeProbe("orders") { _ in
            await silence.hang()
            return .succeeded
        }
        let new = FakeProbe("orders") { _ in .failed(Failure(.tcpRefused, during: .tcp)) }
        let scheduler = scheduler([old], clock, events)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await advance(clock, scheduler, seconds: 10, hanging: silence)
            await events.wait { $0.started == 1 }
            scheduler.replace([new], keeping: [])
            await events.wait { $0.finished == 1 }
            guard case .finished(let observation)? = events.all.last else { return }
            #expect(observation.failure?.cause == .tcpRefused, "not the success of the cancelled one")
            group.cancelAll()
        }
        #expect(events.all.started == 2)
        #expect(events.all.missed(.overrun) == 0)
    }

    @Test("A rest of logins lasts through a replacement for a check that stays, and ends for one that is changed")
    func rests() async {
        let (clock, events) = (ManualClock(), Events())
        let refused: @Sendable (ProbeRun) async -> Observation.Outcome? = { _ in
            .failed(Failure(.loginPrincipalUnknown, during: .login))
        }
        let (stays, changes) = (FakeProbe("stays", body: refused), FakeProbe("changes", body: refused))
        let scheduler = scheduler([stays, changes], clock, events)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await scheduler.run() }
            await advance(clock, scheduler, seconds: 10)
            await events.wait { $0.finished == 2 }
            #expect(scheduler.depth(of: stays.id) == .tls)
            #expect(scheduler.depth(of: changes.id) == .tls)
            scheduler.replace([stays, changes], keeping: [stays.id])
            #expect(scheduler.depth(of: stays.id) == .tls)
            #expect(scheduler.depth(of: changes.id) == .query)
            group.cancelAll()
        }
    }

    // MARK: The gate

    @Test("A higher limit lets in who waits, a lower one lets nobody in until enough have left")
    func limitChanges() async throws {
        let gate = Gate(limit: 1)
        try await gate.enter(until: .in(.seconds(30)))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<3 { group.addTask { try await gate.enter(until: .in(.seconds(30))) } }
            while gate.waiting < 3 { await Task.yield() }
            gate.limit = 3
            #expect(gate.inside == 3)
            #expect(gate.waiting == 1)
            gate.limit = 1
            gate.leave()
            gate.leave()
            #expect(gate.inside == 1)
            #expect(gate.waiting == 1, "one is inside, and one is the limit")
            gate.leave()
            try await group.waitForAll()
        }
        gate.leave()
        #expect(gate.inside == 0)
    }
}

extension SchedulerEvent {
    fileprivate func isStart(of check: CheckID) -> Bool { if case .started(check, _) = self { true } else { false } }
}
