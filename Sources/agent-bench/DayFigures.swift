// A day of operation in a minute: the real schedule, board, metrics and history, with clocks and probes that are simulated.
import Diagnosis
import FoundationEssentials
import Glibc
import Logging
import Schedule
import Store
import Synchronization
import Telemetry

struct DayFigures {
    var checks = 1000
    var hours = 24
    var interval: Duration = .seconds(60)
    /// The service commits once a second. **Unit**: seconds.
    var commitEvery = 1
    var scratch: String

    /// What was counted on the way.
    private struct Tally: Sendable {
        /// **Unit**: milliseconds.
        var lags: [Float] = []
        var missed = 0
        /// Slots that passed while the machine stood still; that they are not made up for is what is wanted.
        var stood = 0
        /// Starts by second of the day.
        var starts: [Int32]
        var successes = 0
        var failures = 0
        var partials = 0
        var shortest = Duration.seconds(3600)
    }

    /// A look at the file and the memory in the course of the day.
    private struct Mark {
        var share: Double
        var successes: Int
        var size: Int64
        /// **Unit**: MiB.
        var memory: Double
    }

    func measure() async throws -> [Figure] {
        let length = Duration.seconds(hours * 3600)
        let begin = ContinuousClock.now
        let clock = SimulatedClock(start: begin, wall: Timestamp(milliseconds: Timestamp.now.milliseconds / 86_400_000 * 86_400_000))
        let world = SimulatedWorld(checks: checks, begin: begin, length: length)
        let targets = (1...checks).map {
            Target(
                name: "t\($0)", engine: .postgresql, host: "t\($0).postgres.database.azure.com", port: 5432, database: "orders",
                user: "aad_orders", identities: ["app"], interval: interval, timeout: .seconds(15))
        }
        let probes = targets.enumerated().map {
            SimulatedProbe(id: CheckID(target: $1.name, identity: "app"), target: $1, index: $0, world: world, clock: clock)
        }
        let board = Board(targets: targets, identities: ["app"])
        let metrics = Metrics()
        let quiet = Logger(label: "bench", factory: { _ in SwiftLogNoOpLogHandler() })
        let commits = Mutex<[Double]>([])
        let later = Mutex(Duration.zero)
        let store = HistoryStore(
            path: scratch + "/day.db", now: { clock.wall + later.withLock { $0 } }, clock: { clock.now + later.withLock { $0 } },
            incidentsMayOpen: { clock.now - begin >= HistoryStore.quietTime }, logger: quiet,
            onCommit: { commit in commits.withLock { $0.append(commit.duration.seconds * 1000) } })
        let tally = Mutex(Tally(starts: Array(repeating: 0, count: hours * 3600 + 1200)))
        let executor = SimulatedExecutor()
        let scheduler = Scheduler(
            probes: probes, gate: Gate(), seed: 1, clock: clock, loop: executor, pool: executor,
            onEvent: { event in
                switch event {
                case .started(_, let lag):
                    let second = Int((clock.now - begin).seconds)
                    metrics.schedulerLag(lag)
                    tally.withLock { tally in
                        tally.lags.append(Float(lag.seconds * 1000))
                        if tally.starts.indices.contains(second) { tally.starts[second] += 1 }
                    }
                case .missed(_, reason: .shutdown): break
                case .missed:
                    let isAwake = abs((clock.now - begin) / length - Self.standstillShare) > 0.02
                    tally.withLock { if isAwake { $0.missed += 1 } else { $0.stood += 1 } }
                case .finished(let observation):
                    store.record(observation)
                    metrics.observe(observation, engine: .postgresql)
                    _ = board.record(observation)
                    tally.withLock { tally in
                        tally.shortest = min(tally.shortest, observation.duration)
                        if observation.isPartial {
                            tally.partials += 1
                        } else if observation.failure == nil {
                            tally.successes += 1
                        } else {
                            tally.failures += 1
                        }
                    }
                }
            }, logger: quiet)
        let running = Task { await scheduler.run() }  // Ended below by `stop()`.
        let passing = ContinuousClock.now
        let marks = try await pass(length, clock, scheduler, executor, store) { share in
            Mark(
                share: share, successes: tally.withLock(\.successes), size: store.status.size,
                memory: try Usage.Memory(of: "self").resident)
        }
        let spent = (ContinuousClock.now - passing).seconds
        scheduler.stop()
        // The loop sleeps on until the last probe is over; the tasks that wait for it end on the pool and here in turn.
        let late = clock.now + .seconds(30)
        await executor.play { clock.wakeNext(until: late, late: .zero) }
        running.cancel()
        let isOver = Atomic(false)
        async let ending: Void = {
            await running.value
            isOver.store(true, ordering: .releasing)
        }()
        while !isOver.load(ordering: .acquiring) {
            await executor.play { false }
            await Task.yield()
        }
        await ending
        await store.flush()
        let result = tally.withLock { $0 }
        guard store.status.isUp, store.status.mode == .file, store.status.failures.isEmpty else {
            throw BenchError("the store did not keep everything: \(store.status)")
        }
        let incidents = try await store.incidents(IncidentQuery(limit: 100_000)).count
        let slowestCommit = percentile(commits.withLock { $0 }, 0.99)
        let pruning = try await retire(store, later)
        let calm = marks.filter { SimulatedWorld.calm.contains($0.share) }
        guard let first = calm.first, let last = calm.last, last.successes > first.successes else {
            throw BenchError("the calm part of the day was not seen")
        }
        let bytes = Double(last.size - first.size) / Double(last.successes - first.successes)
        let mean = Double(checks) / interval.seconds
        let lags = result.lags.map(Double.init)
        let name = "a day of \(checks) checks"
        let warm = marks.first { $0.share >= 1.0 / 24 }?.memory ?? 0
        return [
            // Of a short day the file is mostly empty pages.
            Figure("\(name), a routine success", bytes, "bytes", bar: hours < 24 ? .none : .atMost(60)),
            Figure("\(name), lateness p50", percentile(lags, 0.5), "ms", bar: .none),
            Figure("\(name), lateness p99", percentile(lags, 0.99), "ms", bar: .atMost(250)),
            Figure(
                "\(name), most starts in a second", Double(result.starts.max() ?? 0), "", peer: mean, peerName: "mean",
                bar: .atMost(max(mean * 1.5, mean + 4))),
            Figure("\(name), slots missed while it stood still", Double(result.stood), "", bar: .atMost(Double(checks))),
            Figure("\(name), slots missed otherwise", Double(result.missed), "", bar: .atMost(0)),
            Figure("\(name), shortest duration", result.shortest.seconds * 1000, "ms", bar: .atLeast(0)),
            Figure(
                "\(name), incidents missing or invented", Double(abs(incidents - world.incidents)), "", peer: Double(incidents),
                peerName: "incidents", bar: .atMost(0)),
            Figure("\(name), history file", Double(marks.last?.size ?? 0) / 1_048_576, "MiB", bar: .none),
            Figure("\(name), memory at most", marks.map(\.memory).max() ?? 0, "MiB", bar: .atMost(64)),
            Figure("\(name), memory grown since its first hour", (marks.last?.memory ?? 0) - warm, "MiB", bar: .none),
            Figure("\(name), passed in", spent, "s", bar: .none),
            Figure("\(name), commit p99", slowestCommit, "ms", bar: .none),
            Figure(
                "\(name), deleted eight days later", Double(pruning.records), "", peer: Double(result.successes + result.partials),
                peerName: "recorded", bar: .atLeast(Double(result.successes))),
            // One of twenty may wait for the disk.
            Figure("\(name), a turn of the deletion, p95", pruning.turn, "ms", bar: .atMost(500)),
        ]
    }

    /// When in the course of the day the machine stands still: ten minutes of a whole one.
    private static let standstillShare = 0.42

    /// Lets the day pass, and disturbs it: a wall clock that is set, and a machine that stands still.
    private func pass(
        _ length: Duration, _ clock: SimulatedClock, _ scheduler: Scheduler, _ executor: SimulatedExecutor, _ store: HistoryStore,
        look: (Double) async throws -> Mark
    ) async throws -> [Mark] {
        let begin = clock.now
        var marks: [Mark] = []
        let dice = Mutex(Dice(seed: 7))
        var disturbances: [(share: Double, act: () -> Void)] = [
            (0.30, { clock.setWall(by: .seconds(3600)) }), (0.32, { clock.setWall(by: .seconds(-3600)) }),
            (Self.standstillShare, { clock.standStill(for: length / 144) }), (0.60, { clock.setWall(by: .seconds(-86_400)) }),
            (0.62, { clock.setWall(by: .seconds(86_400)) }), (0.80, { clock.setWall(by: .milliseconds(-500)) }),
        ]
        // The first steps of the scheduler are on the pool.
        while clock.sleepers == 0 { await executor.play { false } }
        let isAstray = Atomic(false)
        var second = 0
        while clock.now < begin + length {
            second += 1
            let end = begin + .seconds(second)
            await executor.play {
                // The loop and every probe sleep: nothing is left to do at this moment.
                guard clock.sleepers == 1 + scheduler.inFlight else {
                    isAstray.store(true, ordering: .relaxed)
                    return false
                }
                // A timer of a busy machine is up to a millisecond late.
                let late = dice.withLock { Int($0.next() % 1000) }
                return clock.wakeNext(until: end, late: .microseconds(late))
            }
            if isAstray.load(ordering: .relaxed) { throw BenchError("a part of the simulation waits for something else than its clock") }
            if second % commitEvery == 0 { await store.flush() }
            let share = (clock.now - begin) / length
            if let next = disturbances.first, share >= next.share {
                disturbances.removeFirst()
                next.act()
                second = Int((clock.now - begin).seconds)
            }
            if second % max(60, hours * 30) == 0 { marks.append(try await look(share)) }
        }
        marks.append(try await look(1))
        return marks
    }

    /// Eight days later the successes of the day are too old: they go in small steps, minute by minute.
    private func retire(_ store: HistoryStore, _ later: borrowing Mutex<Duration>) async throws -> (records: UInt64, turn: Double) {
        later.withLock { $0 = .seconds(8 * 86_400) }
        var turns: [Double] = []
        var before: UInt64 = .max
        while store.status.pruned != before {
            before = store.status.pruned
            later.withLock { $0 += Retention().pause }
            let begun = ContinuousClock.now
            await store.flush()
            turns.append((ContinuousClock.now - begun).seconds * 1000)
        }
        await store.close()
        turns.sort()
        return (store.status.pruned, turns.isEmpty ? 0 : turns[(turns.count - 1) * 19 / 20])
    }
}
