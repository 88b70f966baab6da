// F25 to F27 of the promises: an agent that is told to stop, one that is stopped in its tracks, and one that nobody listens to.
import Diagnosis
import Foundation
import Lab
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(20))) struct StandstillTests {
    @Test("Told to stop it ends politely, stopped in its tracks it makes no burst, and unheard it goes on")
    func standstills() async {
        await sideBySide([("drain", drains), ("SIGSTOP", stopped), ("blocked pipe", blockedPipe)])
    }

    /// Told to stop with probes in flight, the agent ends them politely, writes what it saw and ends with 0.
    @Sendable private func drains() async throws {
        var options = LabOptions()
        options.targets = LabTarget.fleet(count: 10)
        try await withAgentBench(options) { bench in
            // Every piece from the server comes late, so that most probes are under way at any moment.
            try await bench.lab.faults.turnOn(.delay, value: 60)
            var drains: [Double] = []
            for round in 0..<Scale.pick(2, deep: 50) {
                let service = try await bench.startService()
                let scrape = try await eventually("probes are in flight") {
                    let scrape = try await service.scrape()
                    return scrape.sum("dbprobe_probes_in_flight") ?? 0 > 0 && scrape.sum("dbprobe_up") ?? 0 > 0 ? scrape : nil
                }
                let begun = ContinuousClock.now
                let stopped = await service.program.stop()
                drains.append((ContinuousClock.now - begun).seconds)
                #expect(stopped.status == 0, "round \(round): \(stopped.errors.suffix(500))")
                #expect(try await bench.recorded().count >= Int(scrape.sum("dbprobe_probes_total") ?? 0), "what was seen is written")
            }
            #expect(drains.allSatisfy { $0 < 10 })
            // A client that goes without a word is an "unexpected EOF" or a reset in the server's own log.
            let log = try #require(bench.lab.postgres).log
            #expect(log.contains("listening"), "this is the server's log: \(log.prefix(200))")
            let rude = log.split(separator: "\n").filter { $0.contains("unexpected EOF") || $0.contains("could not receive data") }
            #expect(rude.isEmpty, "\(rude.prefix(3))")
            promise(
                "F25",
                "\(drains.count) stops with probes in flight: p50 \(rounded(percentile(drains, 0.5))) s, p99 \(rounded(percentile(drains, 0.99))) s, exit 0, \(rude.count) connections dropped without a word"
            )
        }
    }

    /// Stopped for a while and continued, the agent makes no burst: every check waits for its next slot.
    @Sendable private func stopped() async throws {
        var options = LabOptions()
        options.targets = LabTarget.fleet(count: 40)
        options.postgres = false
        try await withAgentBench(options) { bench in
            try await bench.lab.faults.turnOn(.tcpRefused)
            try bench.configure([("interval: 1s", "interval: 2s"), ("level: trace", "level: info")])
            let service = try await bench.startService()
            try await Task.sleep(for: .seconds(Scale.pick(2.5, deep: 10)))
            service.program.signal(SIGSTOP)
            let still = Scale.pick(3.0, deep: 60)
            try await Task.sleep(for: .seconds(still))
            service.program.signal(SIGCONT)
            try await Task.sleep(for: .seconds(Scale.pick(2.5, deep: 10)))
            let scrape = try await service.scrape()
            #expect(try await service.get("/livez").status == 200)
            #expect(await service.program.stop().status == 0)
            let items = try await bench.recorded()
            let starts = try await bench.starts()
            // Twenty a second in the mean; those whose slot fell into the last moment before the signal are due at once.
            let most = peak(starts)
            #expect(most <= 33, "\(most) starts in a second, 20 in the mean")
            let gap = zip(starts, starts.dropFirst()).map { $1 - $0 }.max() ?? 0
            #expect(gap > still - 1, "the agent did stand still: \(gap)")
            for (check, observations) in Dictionary(grouping: items, by: \.check) {
                let times = observations.map(\.time.seconds).sorted()
                let nearest = zip(times, times.dropFirst()).map { $1 - $0 }.min() ?? 2
                #expect(nearest > 0.9, "\(check) was probed twice in \(nearest) s")
            }
            let missed = Int(scrape.sum("dbprobe_probes_missed_total") ?? 0)
            #expect(missed > 0, "and the slots that passed are counted")
            promise("F26", "stopped for \(still) s: at most \(most) starts in a second where 20 are due, \(missed) slots counted as missed")
        }
    }

    /// When nobody reads what the agent writes, probes and endpoints go on, and the lines that are lost are counted.
    @Sendable private func blockedPipe() async throws {
        // Many checks without a server: what counts is how much they have to say.
        var options = LabOptions()
        options.targets = LabTarget.fleet(count: 200)
        options.postgres = false
        try await withAgentBench(options) { bench in
            // This end of the pipe is never read.
            let pipe = bench.folder.appendingPathComponent("pipe").path
            let made = unsafe mkfifo(pipe, 0o600)
            #expect(made == 0)
            let holder = unsafe open(pipe, O_RDWR | O_CLOEXEC)
            defer { close(holder) }
            // As small as the system makes it, so that it is full soon.
            _ = fcntl(holder, 1031 /* F_SETPIPE_SZ, fcntl.h */, 4096)
            let address = "\(bench.lab.block.address(250)):9745"
            let agent = Program.products.appendingPathComponent("agent").path
            let program = try Program(name: "/bin/sh", environment: bench.lab.environment).start(
                ["-c", "exec '\(agent)' run --config '\(bench.configurationPath)' --listen \(address) >'\(pipe)' 2>'\(pipe)'"])
            let service = AgentBench.Service(bench: bench, program: program, address: address)
            let blocked = try await eventually("lines are lost") {
                guard let scrape = try? await service.scrape(), scrape.sum("dbprobe_log_messages_dropped_total") ?? 0 > 0 else {
                    return nil as Scrape?
                }
                return scrape
            }
            let stalls = Stalls()
            try await Task.sleep(for: .seconds(Scale.pick(2, deep: 60)))
            let later = try await service.scrape()
            stalls.end()
            let probes = (later.sum("dbprobe_probes_total") ?? 0) - (blocked.sum("dbprobe_probes_total") ?? 0)
            let missed = (later.sum("dbprobe_probes_missed_total") ?? 0) - (blocked.sum("dbprobe_probes_missed_total") ?? 0)
            let allowed = stalls.slots(of: 200, every: 1)
            #expect(probes >= Double(200 * Scale.pick(1, deep: 55)) - allowed, "\(probes)")
            #expect(missed <= allowed, "\(missed) missed, \(allowed) of them by the machine")
            #expect(try await service.get("/livez").status == 200)
            let begun = ContinuousClock.now
            #expect(await program.stop().status == 0)
            let took = (ContinuousClock.now - begun).seconds
            #expect(took < 10)
            promise(
                "F27",
                "full pipe on both outputs: \(Int(probes)) probes meanwhile, \(Int(missed)) missed, \(Int(later.sum("dbprobe_log_messages_dropped_total") ?? 0)) lines lost and counted, stop in \(rounded(took)) s"
            )
        }
    }
}
