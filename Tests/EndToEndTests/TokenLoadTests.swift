// F15 and F16 of the promises, from outside: what an identity endpoint is asked while tokens are refused or the endpoint is ill.
import Diagnosis
import Foundation
import Lab
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(20))) struct TokenLoadTests {
    @Test("An identity endpoint is asked little, whether servers refuse its tokens or it is ill itself")
    func frugal() async {
        await sideBySide([("refused in mid-life", refusedInMidLife), ("ill endpoint", illEndpoint)])
    }

    /// A token that a server begins to refuse is asked for anew once, not once a probe.
    @Sendable private func refusedInMidLife() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startService()
            _ = try await eventually("both are up") { try await service.scrape().sum("dbprobe_up") == 2 ? true : nil }
            var asked: [String] = []
            for fault in [Fault.tokenExpired, .tokenWrongAudience] {
                let (before, requests) = (try await service.scrape(), bench.lab.identity.requests.count)
                try await bench.lab.faults.turnOn(fault)
                let after = try await eventually("failures of \(fault.name)") {
                    let scrape = try await service.scrape()
                    let failures = (scrape.sum("dbprobe_probe_failures_total") ?? 0) - (before.sum("dbprobe_probe_failures_total") ?? 0)
                    return failures >= 2 ? scrape : nil
                }
                try await Task.sleep(for: .seconds(Scale.pick(1, deep: 60)))
                let count = bench.lab.identity.requests.count - requests
                // The platform's endpoint gives the same token again for hours; asking more often would change nothing.
                #expect(count <= Scale.pick(2, deep: 6), "\(fault.name): \(count) requests")
                #expect(after.sum("dbprobe_failure_cause", "cause=\"\(fault.name)\"") ?? 0 > 0, "a typed cause")
                asked.append("\(fault.name) \(count)")
                try await bench.lab.faults.turnOffAll()
            }
            #expect(await service.program.stop().status == 0)
            promise("F15", "token requests after the server began to refuse: \(asked.joined(separator: ", "))")
        }
    }

    /// An endpoint that is ill is asked little, by however many checks, and valid tokens are used meanwhile.
    @Sendable private func illEndpoint() async throws {
        let (count, seconds) = (Scale.pick(20, deep: 100), Scale.pick(2, deep: 20))
        var options = LabOptions()
        options.targets = LabTarget.fleet(count: count)
        try await withAgentBench(options) { bench in
            try bench.configure([("level: trace", "level: info")])
            var told: [String] = []
            let faults = Scale.pick(
                [Fault.identityThrottled],
                deep: [
                    .identityGone, .identityThrottled, .identityFailing, .identityHTML, .identitySilent, .identityRefused, .identityBigBody,
                ])
            for fault in faults {
                // From the start, so that no token is held.
                try await bench.lab.faults.turnOn(fault)
                let requests = bench.lab.identity.requests.count
                let service = try await bench.startService()
                try await Task.sleep(for: .seconds(seconds))
                let seen = bench.lab.identity.requests.dropFirst(requests).map { ($0.at - ContinuousClock.now).seconds }.sorted()
                #expect(peak(seen) <= 5, "\(fault.name): \(peak(seen)) in a second")
                #expect(Double(seen.count) / Double(seconds) <= 5)
                told.append("\(fault.name) \(rounded(Double(seen.count) / Double(seconds))) a second")
                // Ill again while a token is held: nobody notices.
                try await bench.lab.faults.turnOffAll()
                _ = try await eventually("all are up") { try await service.scrape().sum("dbprobe_up") == Double(count) ? true : nil }
                try await bench.lab.faults.turnOn(fault)
                let before = try await service.scrape()
                try await Task.sleep(for: .seconds(seconds))
                let after = try await service.scrape()
                #expect(after.sum("dbprobe_up") == Double(count))
                #expect(after.sum("dbprobe_probe_failures_total") == before.sum("dbprobe_probe_failures_total"), "no probe failed")
                #expect(await service.program.stop().status == 0)
                try await bench.lab.faults.turnOffAll()
            }
            promise(
                "F16", "\(count) checks every second without a token: \(told.joined(separator: ", ")); with a valid one 0 probes failed")
        }
    }
}
