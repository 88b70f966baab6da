// Lateness of a thousand checks, alone and with 990 of them black-holed, and what else a thousand checks cost.
import Diagnosis
import Glibc
import Schedule
import Synchronization
import Telemetry

/// Runs the real scheduler with real probes, in this process.
struct ScheduleFigures {
    var checks = 1000
    var dead = 990
    var interval: Duration = .seconds(30)
    /// The checks that stay healthy are asked more often, or there would be too few of their probes to compare.
    var often: Duration = .seconds(2)
    /// How long each of the two runs lasts.
    var seconds: Int
    var scratch: String
    var sink: LogSink

    private struct Outcome: Sendable {
        /// **Unit**: milliseconds, one per probe, in the order of the starts; the first ten checks apart.
        var lags: [Double] = []
        var healthyLags: [Double] = []
        var threads = 0
        var missed = 0
        var render: Double = 0
    }

    func measure() async throws -> [Figure] {
        let healthy = try await LabProcess(targets: checks).lend { try await run($0, "healthy") }
        let holed = try await LabProcess(targets: checks, blackHoles: dead).lend { try await run($0, "holes") }
        guard healthy.missed == 0 else { throw BenchError("\(healthy.missed) probes were not started in time to be measured") }
        let name = "\(checks) checks every \(Int(interval.seconds)) s"
        // Without the MySQL pool the contract allows 12 threads besides one per core.
        let threads = Double(Self.cores + 12)
        return [
            Figure("\(name), lateness p50", percentile(healthy.lags, 0.5), "ms", bar: .none),
            Figure("\(name), lateness p99", percentile(healthy.lags, 0.99), "ms", bar: .atMost(250)),
            Figure(
                "\(dead) of them black-holed, lateness p99 of the healthy \(checks - dead)", percentile(holed.healthyLags, 0.99), "ms",
                peer: percentile(healthy.healthyLags, 0.99), peerName: "all healthy",
                bar: .atMost(1.2 * percentile(healthy.healthyLags, 0.99))),
            Figure(
                "\(dead) of them black-holed, threads", Double(holed.threads), "", peer: Double(healthy.threads), peerName: "all healthy",
                bar: .atMost(threads)),
            Figure("/metrics of \(checks) checks", healthy.render, "ms", bar: .atMost(15)),
        ]
    }

    static var cores: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    private func run(_ lab: LabFacts, _ name: String) async throws -> Outcome {
        let rig = try ProbeRig(lab, historyFile: "\(scratch)/schedule-\(name).db", sink: sink) { $0 < checks - dead ? often : interval }
        let healthy = Set(rig.probes.prefix(checks - dead).map(\.id))
        let outcome = Mutex(Outcome())
        return try await rig.use {
            let scheduler = Scheduler(
                probes: rig.probes, gate: rig.gate, seed: 1, drain: .seconds(1),
                onEvent: { event in
                    switch event {
                    case .started(let check, let lag):
                        rig.metrics.probeStarted()
                        rig.metrics.schedulerLag(lag)
                        outcome.withLock {
                            $0.lags.append(lag.seconds * 1000)
                            if healthy.contains(check) { $0.healthyLags.append(lag.seconds * 1000) }
                        }
                    case .finished(let observation): rig.take(observation)
                    case .missed(_, let reason) where reason != .shutdown: outcome.withLock { $0.missed += 1 }
                    case .missed: break
                    }
                }, logger: rig.logger)
            var threads = 0
            let running = Task { await scheduler.run() }  // Ended below by `stop()`.
            let end = ContinuousClock.now.advanced(by: .seconds(seconds))
            while ContinuousClock.now < end {
                try await Task.sleep(for: .seconds(1))
                threads = max(threads, try Usage.Memory(of: "self").threads)
            }
            scheduler.stop()
            await running.value
            let renders = (1...20).map { _ in
                let begin = ContinuousClock.now
                _ = Exposition.render(
                    ExpositionInput(
                        board: rig.board.snapshot, metrics: rig.metrics.snapshot, build: BuildInfo(version: "bench"), store: nil,
                        process: ProcessStats.current(),
                        log: nil))
                return (ContinuousClock.now - begin).seconds * 1000
            }
            return outcome.withLock { outcome in
                outcome.threads = threads
                outcome.render = median(renders)
                return outcome
            }
        }
    }
}
