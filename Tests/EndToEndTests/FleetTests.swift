// F21 and F23 of the promises: many targets at once, starting, broken or well.
import Diagnosis
import Foundation
import Lab
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(20))) struct FleetTests {
    /// What is wrong with the whole fleet.
    struct Outage: Sendable {
        var name: String
        var fault: Fault?
    }

    /// What a span of time cost.
    private struct Cost {
        var name: String
        /// **Unit**: seconds.
        var cpu: Double
        var starts: Double
        var due: Double
        var each: Double { cpu / max(starts, 1) }
    }

    static let outages = [
        Outage(name: "up", fault: nil), Outage(name: "refused", fault: .tcpRefused), Outage(name: "black hole", fault: .tcpDropped),
        Outage(name: "turned away", fault: .tooManyClients),
    ]

    @Test("A fleet costs no more when it is down than when it is up, and is probed evenly from the first interval on")
    func fleets() async {
        // One after the other: what each costs and when each starts is what is looked at.
        await sideBySide([("constant work", constantWork)])
        await sideBySide([("cold start", coldStart)])
    }

    /// A fleet that is down costs no more than one that is up, and is probed as often.
    @Sendable private func constantWork() async throws {
        let (count, seconds) = (Scale.pick(60, deep: 1000), Scale.pick(2, deep: 60))
        let interval = Scale.pick(2, deep: 20)
        var options = LabOptions()
        options.targets = LabTarget.fleet(count: count)
        try await withAgentBench(options) { bench in
            // A black hole is over before the next slot, so that it takes part in every round.
            try bench.configure([
                ("interval: 1s, timeout: 3s", "interval: \(interval)s, timeout: \(Scale.pick(1, deep: 15))s"),
                ("level: trace", "level: info"),
            ])
            let service = try await bench.startService()
            let stalls = Stalls()
            defer { stalls.end() }
            func cost(_ outage: Outage) async throws -> Cost {
                if let fault = outage.fault { try await bench.lab.faults.turnOn(fault) }
                // A round to get there: first sights, changes of verdict, lines of the log.
                try await Task.sleep(for: .seconds(Scale.pick(1, deep: interval)))
                let before = try await service.scrape()
                let begun = ContinuousClock.now
                try await Task.sleep(for: .seconds(seconds))
                let after = try await service.scrape()
                let took = (ContinuousClock.now - begun).seconds
                func grown(_ metric: String) -> Double { (after.sum(metric) ?? 0) - (before.sum(metric) ?? 0) }
                try await bench.lab.faults.turnOffAll()
                return Cost(
                    name: outage.name, cpu: grown("process_cpu_seconds_total"), starts: grown("dbprobe_schedule_lag_seconds_count"),
                    due: Double(count) * took / Double(interval))
            }
            // What else the machine does is on the bill of whoever runs meanwhile: the best of three bills is the program's own.
            var best: [Cost] = []
            for round in 0..<3 {
                var costs: [Cost] = []
                for outage in Self.outages { costs.append(try await cost(outage)) }
                best = round == 0 ? costs : zip(best, costs).map { $0.each <= $1.each ? $0 : $1 }
                let up = best[0].each
                if best.allSatisfy({ $0.each <= 1.2 * up }) { break }
            }
            let up = best[0].each
            for cost in best {
                let allowed = max(cost.due * 0.2, 10) + stalls.slots(of: count, every: Double(interval))
                #expect(abs(cost.starts - cost.due) <= allowed, "\(cost.name): \(cost.starts) starts, \(cost.due) due")
                #expect(cost.each <= 1.2 * up + 0.001, "\(cost.name): \(cost.each) s of CPU a start, \(up) when up")
            }
            let text = best.map { "\($0.name) \(rounded($0.each / up)) (\(Int($0.starts)) starts)" }.joined(separator: ", ")
            promise("F21", "\(count) targets, CPU against up: \(text)")
            #expect(await service.program.stop().status == 0)
        }
    }

    /// A cold start probes every check within one interval, evenly, and asks for tokens no more than five times a second.
    @Sendable private func coldStart() async throws {
        let (count, interval) = (Scale.pick(200, deep: 1000), Scale.pick(5, deep: 60))
        var options = LabOptions()
        options.postgres = false
        options.principals = (0..<20).map { index in
            Principal(
                name: "id\(index)", kind: .userAssigned, clientID: "11111111-2222-4333-8444-\(padded(index))",
                objectID: "21111111-2222-4333-8444-\(padded(index))")
        }
        options.targets = LabTarget.fleet(count: count).enumerated().map { index, target in
            var target = target
            target.identities = ["id\(index % 20)"]
            return target
        }
        try await withAgentBench(options) { bench in
            // Refused connections: what is looked at is when probes start and what they ask of the identity endpoint.
            try await bench.lab.faults.turnOn(.tcpRefused)
            try bench.configure([("interval: 1s, timeout: 3s", "interval: \(interval)s, timeout: 15s"), ("level: trace", "level: info")])
            let stalls = Stalls()
            defer { stalls.end() }
            let service = try await bench.startService()
            let begun = ContinuousClock.now
            _ = try await eventually("every check is known", within: .seconds(2 * interval + 10)) {
                let scrape = try await service.scrape()
                return scrape.sum("dbprobe_up") != nil && scrape.sum("dbprobe_checks", "state=\"unknown\"") == 0 ? true : nil
            }
            let took = (ContinuousClock.now - begun).seconds
            // A scrape is a second old at most.
            #expect(took < Double(interval) * (stalls.longest > 0 ? 2 : 1) + 2.5 + stalls.seconds, "\(took) s")
            #expect(await service.program.stop().status == 0)
            let requests = bench.lab.identity.requests.map { ($0.at - begun).seconds }.sorted()
            #expect(requests.count >= 20 && peak(requests) <= 5, "\(peak(requests)) requests in a second of \(requests.count)")
            let starts = try await bench.starts()
            let (mean, most) = (Double(count) / Double(interval), peak(starts))
            // Those that a machine that stood still kept waiting start together with the next.
            #expect(
                Double(most) <= max(1.5 * mean, mean + 3) + mean * stalls.longest, "\(most) starts in a second, \(mean) in the mean")
            promise(
                "F23",
                "\(count) checks with 20 identities known after \(rounded(took)) s of an interval of \(interval) s; at most \(most) starts in a second (mean \(rounded(mean))), \(peak(requests)) token requests in a second"
            )
        }
    }

    @Sendable private func padded(_ number: Int) -> String { String(repeating: "0", count: 12 - String(number).count) + String(number) }
}
