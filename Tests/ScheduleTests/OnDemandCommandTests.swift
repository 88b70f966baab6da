// What a person's command is told on demand: not what somebody in a hurry found out, and not a stop where there was no place.
import Diagnosis
import Schedule
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct OnDemandCommandTests {
    private static let late = Observation.Outcome.failed(Failure(.probeDeadline, during: .tcp))

    private func runs(_ probe: HeldProbe) -> Int { probe.runs.withLock { $0.count } }

    @Test("A probe that finds no place in its time says so to everybody who waits, counts for nothing and is not repeated")
    func crowded() async {
        let probe = HeldProbe("orders")
        let bench = DemandBench([probe])
        await bench.run { onDemand in
            await withTaskGroup(of: OnDemand.Answer.self) { group in
                // Three who ask at once; the group waits for their answers.
                for _ in 0..<3 { group.addTask { await onDemand.ask(probe.id, within: .seconds(3)) } }
                await bench.until { $0.waiting == 3 }
                probe.giveUp()
                for await answer in group { #expect(answer == .crowded) }
            }
            probe.finish()
            #expect(await onDemand.ask(probe.id, within: .seconds(3)) == .observed(probe.observation(.succeeded)))
        }
        #expect(runs(probe) == 2)
        #expect(bench.notedOutcomes == [.succeeded])
    }

    @Test("Behind a request's probe commands wait, and then share one of their own that has all the time and explains")
    func behindRequest() async {
        let probe = HeldProbe("orders", timeout: .seconds(15))
        let bench = DemandBench([probe])
        await bench.run { onDemand in
            async let request = onDemand.ask(probe.id, within: .seconds(9.5))
            await bench.until { $0.waiting == 1 }
            async let first = onDemand.ask(probe.id, within: .seconds(32), for: .command)
            await bench.until { $0.waiting == 2 }
            async let second = onDemand.ask(probe.id, within: .seconds(40), for: .command, wakes: true)
            await bench.until { $0.waiting == 3 }
            await bench.until { _ in runs(probe) == 1 }
            #expect(onDemand.inFlight == 1)
            bench.clock.advance(by: .seconds(9.5))
            probe.finish(Self.late)
            #expect(await request == .observed(probe.observation(Self.late)))
            await bench.until { _ in runs(probe) == 2 }
            probe.finish()
            #expect(await first == .observed(probe.observation(.succeeded)))
            #expect(await second == .observed(probe.observation(.succeeded)))
        }
        let made = probe.runs.withLock { $0 }
        #expect(made.map(\.explains) == [false, true])
        #expect(made.map(\.wakes) == [false, true], "who may wake the database is among them")
        #expect(made.map(\.deadline) == [Deadline(bench.clock.start + .seconds(9.5)), Deadline(bench.clock.start + .seconds(24.5))])
        #expect(bench.notedOutcomes == [Self.late, .succeeded])
        #expect(bench.foundOutcomes == [.succeeded], "the hurry of a request is no verdict")
    }

    /// A command that comes while another one's probe is under way.
    struct Joining: Sendable, CustomTestStringConvertible {
        var first: Duration
        var second: Duration
        var probes: Int
        var testDescription: String { "\(second) beside \(first)" }
    }

    @Test(
        "A command joins another one's probe that has at least as much time",
        arguments: [
            Joining(first: .seconds(20), second: .seconds(20), probes: 1), Joining(first: .seconds(20), second: .seconds(2), probes: 1),
            Joining(first: .seconds(20), second: .seconds(5), probes: 1), Joining(first: .seconds(2), second: .seconds(20), probes: 2),
        ])
    func joins(row: Joining) async {
        let probe = HeldProbe("orders", timeout: .seconds(5))
        let bench = DemandBench([probe])
        await bench.run { onDemand in
            async let first = onDemand.ask(probe.id, within: row.first, for: .command)
            await bench.until { $0.waiting == 1 }
            async let second = onDemand.ask(probe.id, within: row.second, for: .command)
            await bench.until { $0.waiting == 2 }
            for _ in 0..<row.probes { probe.finish() }
            _ = await (first, second)
        }
        #expect(runs(probe) == row.probes)
    }

    @Test("A command whose time is over before its turn gets no probe, and costs no login")
    func tooLate() async {
        let probe = HeldProbe("orders", timeout: .seconds(15))
        let bench = DemandBench([probe])
        await bench.run { onDemand in
            async let request = onDemand.ask(probe.id, within: .seconds(15))
            await bench.until { $0.waiting == 1 }
            async let command = onDemand.ask(probe.id, within: .seconds(2), for: .command)
            await bench.until { $0.waiting == 2 }
            bench.clock.advance(by: .seconds(2))
            probe.finish()
            #expect(await command == .late)
            _ = await request
            #expect(onDemand.inFlight == 0)
        }
        #expect(runs(probe) == 1)
    }

    @Test("Who waits for a turn is told of a new configuration and of the stop like everybody else")
    func ends() async {
        let probe = HeldProbe("orders")
        let bench = DemandBench([probe])
        let asking = Mutex<[Task<OnDemand.Answer, Never>]>([])
        await bench.run { onDemand in
            for round in 0..<2 {
                for asker in [OnDemand.Asker.request, .command] {
                    // Ended by what is tested here.
                    let answer = Task { await onDemand.ask(probe.id, within: .seconds(asker == .request ? 3 : 9), for: asker) }
                    asking.withLock { $0.append(answer) }
                    await bench.until { $0.waiting == (asker == .request ? 1 : 2) }
                }
                if round == 0 { onDemand.forget([probe.id]) }
            }
        }
        for answer in asking.withLock({ $0 }) { #expect(await answer.value == .closed) }
        #expect(bench.onDemand.inFlight == 0 && bench.onDemand.waiting == 0)
    }
}
