// F10 of the promises: a connection that is reset at any byte of a login, in either direction, has a typed cause and leaves nothing.
import Diagnosis
import Lab
import Probes
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(20))) struct ResetTests {
    /// One direction of the conversation.
    struct Direction: Sendable {
        var fault: Fault
        var name: String
    }

    static let directions = [
        Direction(fault: .resetAt, name: "from the server"), Direction(fault: .resetSent, name: "from the client"),
    ]

    @Test(
        "A reset at each byte of a whole login, in both directions, has a typed cause, and no descriptor stays open",
        arguments: EngineCase.all)
    func everyByte(engine: EngineCase) async throws {
        var options = LabOptions()
        // Four conversations at a time, each with a proxy of its own.
        options.targets = engine.targets(4)
        try await withProbeBench(options) { bench in
            let probes = options.targets.map { bench.engineProbe($0.name) }
            // The first of a check also asks what its role can do; the second is the routine.
            for _ in 0..<2 {
                bench.lab.recorder.clear()
                for probe in probes { #expect(await probe.observe(bench.run())?.outcome == .succeeded) }
            }
            for _ in 0..<200 where !bench.lab.recorder.records().allSatisfy(\.isOver) { try await Task.sleep(for: .milliseconds(20)) }
            let records = bench.lab.recorder.records()
            // Sizes vary by a few bytes from run to run: signatures and tickets.
            let totals = [records.map(\.fromServer).max() ?? 0, records.map(\.beforeTLS.count).max() ?? 0].map { $0 + 8 }
            let before = openSockets()
            var seen: [String: Int] = [:]
            for (direction, total) in zip(Self.directions, totals) {
                #expect(total > 1500, "\(direction.name): \(total) bytes are no login")
                // The ends, where messages begin, are taken byte by byte.
                let offsets = (0..<total).filter { $0 < 16 || $0 % Scale.pick(61, deep: 1) == 0 || $0 > total - 16 }
                let plans = probes.indices.map { lane in offsets.indices.filter { $0 % probes.count == lane }.map { offsets[$0] } }
                try await withThrowingTaskGroup(of: [String: Int].self) { group in
                    for (probe, plan) in zip(probes, plans) {
                        // A lane for each probe, whose resets come one after the other; the group waits for all of them.
                        group.addTask { try await Self.walk(direction, plan, probe, bench, engine) }
                    }
                    for try await part in group { seen.merge(part) { $0 + $1 } }
                }
                promise("F10", "\(engine): \(offsets.count) of \(total) offsets \(direction.name) covered")
            }
            for (key, count) in seen.sorted(by: { $0.key < $1.key }) { promise("F10", "\(engine): \(count) x \(key)") }
            for probe in probes { #expect(await probe.observe(bench.run())?.outcome == .succeeded, "and all is well afterwards") }
            for _ in 0..<100 where openSockets() > before { try await Task.sleep(for: .milliseconds(50)) }
            #expect(openSockets() <= before)
        }
    }

    /// - Returns: what was seen, and how often.
    private static func walk(
        _ direction: Direction, _ offsets: [Int], _ probe: any Probe, _ bench: ProbeBench, _ engine: EngineCase
    ) async throws -> [String: Int] {
        var seen: [String: Int] = [:]
        for offset in offsets {
            try await bench.lab.faults.turnOn(direction.fault, target: probe.target.name, value: offset)
            let observation = try #require(await probe.observe(bench.run()))
            judge(observation, of: engine, "\(direction.name), byte \(offset)")
            seen[observation.failure.map { "\($0.cause.rawValue) in \($0.phase.rawValue)" } ?? "healthy", default: 0] += 1
        }
        try await bench.lab.faults.turnOff(direction.fault, target: probe.target.name)
        return seen
    }

    private static func judge(_ observation: Observation, of engine: EngineCase, _ place: String) {
        #expect(observation.duration < .seconds(10), "\(place): a reset is no silence")
        guard let failure = observation.failure else { return }
        #expect(engine.resets.contains(failure.cause), "\(place): \(failure)")
        #expect(!failure.evidence.isEmpty, "\(place): no evidence")
    }
}
