// When: starts every probe at its slot, one at a time per check, and stops politely.
//
// One loop keeps the time for all checks and hands due starts to a task group; a probe that hangs costs nothing but its own task.
// Loop and hand-over have a thread of their own (`LoopExecutor`), probes run on the pool: however busy certificates and curves keep it,
// the loop turns, gives its sign of life and counts what is missed. What is probed may change while it turns: `replace`.
package import Diagnosis
package import Logging
import ServiceLifecycle
import Synchronization

/// Runs probes at their slots.
package final class Scheduler: Service {
    private let gate: Gate
    private let seed: UInt64
    let clock: any ScheduleClock
    private let drain: Duration
    private let limit: Int
    private let loop: any TaskExecutor
    private let pool: any TaskExecutor
    private let onTurn: @Sendable () -> Void
    private let onEvent: @Sendable (SchedulerEvent) -> Void
    private let logger: Logger
    let state: Mutex<State>

    /// The loop shows a sign of life at least this often, due probes or not.
    package static let pulse: Duration = .seconds(1)

    /// - Parameters:
    ///   - gate: handed to every probe; counts those from `tls` on.
    ///   - seed: a hash of the host name, so that replicas do not probe at the same instant; 0 is allowed.
    ///   - drain: how long running probes may go on after a stop.
    ///   - limit: how many probes may run at once, phases before `tls` included; nil for no limit. What the descriptors allow.
    ///   - loop: where the loop runs; nil for a thread of its own.
    ///   - pool: where probes run.
    ///   - onTurn: called on the loop's own thread at every turn, at least once a ``pulse``; must not block.
    ///   - onEvent: called on the task of the probe or of the loop, never under a lock; must not block.
    package init(
        probes: [any Probe], gate: Gate, seed: UInt64, clock: any ScheduleClock = SystemClock(), drain: Duration = .seconds(10),
        limit: Int? = nil, loop: (any TaskExecutor)? = nil, pool: any TaskExecutor = globalConcurrentExecutor,
        onTurn: @escaping @Sendable () -> Void = {}, onEvent: @escaping @Sendable (SchedulerEvent) -> Void, logger: Logger
    ) {
        self.gate = gate
        self.seed = seed
        self.clock = clock
        self.drain = drain
        self.limit = limit ?? .max
        self.loop = loop ?? LoopExecutor()
        self.pool = pool
        self.onTurn = onTurn
        self.onEvent = onEvent
        self.logger = logger
        state = Mutex(State(probes: probes, lastTick: clock.now))
    }

    /// Probes running now.
    package var inFlight: Int { state.withLock { $0.inFlight } }

    /// When the loop last turned; at most ``pulse`` ago while all is well.
    package var lastTick: ContinuousClock.Instant { state.withLock { $0.lastTick } }

    /// Lets the next probe of the check log in, after a change of configuration or because a person asks.
    package func reset(_ check: CheckID) {
        state.withLock { state in
            let target = state.probe(of: check)?.target
            state.pauses.reset(check, on: target)
        }
    }

    /// The probe of a check as it is configured now.
    package func probe(of check: CheckID) -> (any Probe)? { state.withLock { $0.probe(of: check) } }

    /// How far a probe of this check goes that begins now; for who asks outside the schedule and draws on the same budget.
    package func depth(of check: CheckID) -> ProbeRun.Depth {
        let now = clock.now
        return state.withLock { state in
            guard let target = state.probe(of: check)?.target else { return .query }
            return state.pauses.begin(check, on: target, at: now) == nil ? .query : .tls
        }
    }

    /// What is to be told of a rest beside an observation that stopped for it; nil without one that concerns others as well.
    package func notice(of check: CheckID) -> Notice? {
        let now = clock.now
        let rest = state.withLock { state -> LoginRest? in
            guard let target = state.probe(of: check)?.target else { return nil }
            return state.pauses.rest(of: check, on: target, at: now)
        }
        return rest?.notice(at: now, wall: clock.wall)
    }

    /// Takes into account what a probe outside the schedule saw, so that its login counts.
    package func note(_ observation: Observation) {
        let now = clock.now
        state.withLock { state in
            guard let target = state.probe(of: observation.check)?.target else { return }
            _ = state.pauses.apply(observation, on: target, slot: now)
        }
    }

    /// Probes these from now on.
    ///
    /// A check in `kept` goes on as if nothing had happened: its slot, the rest of its logins, the probe of it that runs. A probe that runs
    /// for any other check is cancelled without a word; if the check is still there it begins again at once, as it is configured now.
    package func replace(_ probes: [any Probe], keeping kept: Set<CheckID>) {
        let now = clock.now
        let cancelled = state.withLock { state -> [Work] in
            state.probes = probes
            state.pauses.keep(kept, on: probes.map(\.target))
            // A pulse later, because the loop may sleep that long, and a slot must not pass meanwhile.
            state.layOut(at: now.advanced(by: Self.pulse))
            return state.withdraw { !kept.contains($0) }
        }
        for work in cancelled { work.cancel() }
    }

    /// Probes until it is stopped.
    ///
    /// On a graceful shutdown no probe starts any more and the running ones have ``drain`` to finish before they are cancelled; on
    /// cancellation they are cancelled at once. Returns when the last of them is over.
    package func run() async {
        let (starts, hand) = AsyncStream<[Start]>.makeStream()
        let (idle, whenIdle) = AsyncStream<Never>.makeStream()
        state.withLock { state in
            state.timetable = Timetable([], seed: seed, start: clock.now, wall: clock.wall)
            state.layOut(at: clock.now)
            state.lastTick = clock.now
            state.hand = hand
            state.whenIdle = whenIdle
            if state.isStopping { hand.finish() }
        }
        logger.debug("The scheduler starts", metadata: ["schedule.checks": "\(state.withLock(\.probes.count))"])
        await withGracefulShutdownHandler {
            await withTaskExecutorPreference(loop) { await self.perform(starts, idle: idle) }
        } onGracefulShutdown: {
            self.stop()
        }
        hand.finish()
        logger.debug("The scheduler has stopped")
    }

    /// Starts no probe any more; ``run()`` returns when the running ones are over.
    package func stop() {
        let (hand, isIdle) = state.withLock { state in
            state.isStopping = true
            return (state.hand, state.inFlight == 0 ? state.whenIdle : nil)
        }
        hand?.finish()
        isIdle?.finish()
    }

    /// Keeps the time beside the probes, and ends both.
    private func perform(_ starts: AsyncStream<[Start]>, idle: AsyncStream<Never>) async {
        await withTaskGroup(of: Void.self) { timer in
            timer.addTask { await self.keepTime() }
            await withDiscardingTaskGroup { group in
                for await batch in starts {
                    for start in batch {
                        group.addTask(executorPreference: pool) { await self.probe(start) }
                    }
                }
                await self.awaitIdle(idle)
                group.cancelAll()
            }
            timer.cancelAll()
        }
    }

    /// The loop: finds what is due, hands it over, sleeps until the next slot.
    private func keepTime() async {
        while !Task.isCancelled {
            let now = clock.now
            let turn = state.withLock { $0.turn(at: now, limit: limit) }
            onTurn()
            for (check, reason) in turn.missed { onEvent(.missed(check, reason: reason)) }
            if !turn.starts.isEmpty, case .terminated? = turn.hand?.yield(turn.starts) {
                // The stop came between the turn and the hand-over.
                for start in turn.starts { finish(start, nil) }
            }
            if turn.stood > Self.pulse * 10 {
                logger.warning("The agent stood still; the slots in between are skipped", metadata: ["schedule.gap": "\(turn.stood)"])
            }
            let wake = min(turn.nextDue ?? now.advanced(by: Self.pulse), now.advanced(by: Self.pulse))
            guard (try? await clock.sleep(until: wake)) != nil else { return }
        }
    }

    private func probe(_ start: Start) async {
        let start = await recalled(start)
        let begun = clock.now
        let run = ProbeRun(
            deadline: Deadline(begun.advanced(by: start.probe.target.timeout)), depth: start.rest == nil ? .query : .tls, gate: gate,
            logger: logger)
        // A task of its own, so that ``replace(_:keeping:)`` can end this probe alone. This function waits for it.
        let work = state.withLock { state -> Work? in
            guard !state.isStopping, state.runs[start.serial]?.isWithdrawn == false else { return nil }
            let work = Work(executorPreference: pool) { await start.probe.observe(run) }
            state.runs[start.serial]?.work = work
            return work
        }
        guard let work else {
            finish(start, nil)
            return
        }
        onEvent(.started(start.probe.id, lag: max(.zero, begun - start.due)))
        var observation = await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            work.cancel()
        }
        if observation?.outcome == .partial(.loginPaused), let notice = start.rest?.notice(at: clock.now, wall: clock.wall) {
            observation?.notices.append(notice)
        }
        finish(start, observation)
    }

    private func finish(_ start: Start, _ observation: Observation?) {
        let now = clock.now
        let end = state.withLock { $0.finish(start, observation, at: now) }
        if let again = end.again, case .terminated? = end.hand?.yield([again]) { finish(again, nil) }
        if !end.isWithdrawn {
            if let observation {
                onEvent(.finished(observation))
            } else {
                // Without a stop, a probe ends without a result only because the gate had no place for it in time.
                let isStopping = Task.isCancelled || state.withLock { $0.isStopping }
                onEvent(.missed(start.probe.id, reason: isStopping ? .shutdown : .concurrency))
            }
        }
        if let reason = end.rests {
            logger.notice(
                reason == .brokenHandshakes
                    ? "Connections to this server keep breaking off; logins there are rare from now on, so that it does not block this host"
                    : "Logins of this check pause; its other phases go on",
                metadata: ["check.id": "\(start.probe.id)", "failure.cause": "\(observation?.failure?.cause.rawValue ?? "")"])
        }
        end.whenIdle?.finish()
    }

    /// Returns when nothing runs any more, when the time for that is over, or when the caller is cancelled.
    private func awaitIdle(_ idle: AsyncStream<Never>) async {
        guard inFlight > 0, !Task.isCancelled else { return }
        let end = clock.now.advanced(by: drain)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in idle {} }
            group.addTask { try? await self.clock.sleep(until: end) }
            await group.next()
            group.cancelAll()
        }
        if inFlight > 0 { logger.info("Probes are cancelled to stop", metadata: ["schedule.in_flight": "\(inFlight)"]) }
    }

    typealias Work = Task<Observation?, Never>

    struct Start: Sendable {
        var serial: UInt64
        var entry: Int
        var probe: any Probe
        var due: ContinuousClock.Instant
        /// Why it is not to log in; nil when it may.
        var rest: LoginRest?
        /// It was made while history was being asked, which may know of a rest.
        var awaitsHistory = false
    }

    /// A probe that was handed over and is not over.
    struct Run {
        var check: CheckID
        /// Nil until it has begun.
        var work: Work?
        /// The check is gone or configured otherwise since; what the probe sees is nobody's.
        var isWithdrawn = false
    }

    struct Turn: Sendable {
        var starts: [Start] = []
        var missed: [(CheckID, SchedulerEvent.MissReason)] = []
        var nextDue: ContinuousClock.Instant?
        var hand: AsyncStream<[Start]>.Continuation?
        /// For how long the loop did not turn.
        var stood: Duration
    }

    struct End {
        var isWithdrawn = false
        var rests: LoginRest.Reason?
        /// The same check as it is configured now, to begin at once.
        var again: Start?
        var hand: AsyncStream<[Start]>.Continuation?
        var whenIdle: AsyncStream<Never>.Continuation?
    }

    struct State {
        var probes: [any Probe]
        /// Where each check stands in `byEntry`, and its probe by the number that the timetable has given it.
        var entries: [CheckID: Int] = [:]
        var byEntry: [Int: any Probe] = [:]
        var timetable: Timetable?
        var pauses = LoginPauses()
        var recall = Recall()
        var runs: [UInt64: Run] = [:]
        var lastSerial: UInt64 = 0
        var isStopping = false
        var lastTick: ContinuousClock.Instant
        var hand: AsyncStream<[Start]>.Continuation?
        var whenIdle: AsyncStream<Never>.Continuation?

        init(probes: [any Probe], lastTick: ContinuousClock.Instant) {
            self.probes = probes
            self.lastTick = lastTick
        }

        var inFlight: Int { runs.count }

        func probe(of check: CheckID) -> (any Probe)? {
            if let entry = entries[check] { return byEntry[entry] }
            return timetable == nil ? probes.first { $0.id == check } : nil
        }

        /// Gives every check its slot, as far as it has none.
        mutating func layOut(at moment: ContinuousClock.Instant) {
            let wanted = probes.map { Timetable.Entry(check: $0.id, interval: $0.target.interval) }
            guard let numbers = timetable?.replace(wanted, at: moment) else { return }
            entries = Dictionary(zip(probes.map(\.id), numbers), uniquingKeysWith: { first, _ in first })
            byEntry = Dictionary(zip(numbers, probes), uniquingKeysWith: { first, _ in first })
        }

        /// Takes the probes of these checks for void. - Returns: what has to be cancelled.
        mutating func withdraw(_ isVoid: (CheckID) -> Bool) -> [Work] {
            var works: [Work] = []
            for (serial, run) in runs where !run.isWithdrawn && isVoid(run.check) {
                runs[serial]?.isWithdrawn = true
                if let work = run.work { works.append(work) }
            }
            return works
        }

        mutating func turn(at now: ContinuousClock.Instant, limit: Int) -> Turn {
            var turn = Turn(hand: hand, stood: now - lastTick)
            lastTick = now
            guard !isStopping else { return turn }
            for decision in timetable?.due(at: now) ?? [] {
                switch decision {
                case .start(let entry, let due):
                    guard let probe = byEntry[entry] else { continue }
                    if inFlight < limit {
                        turn.starts.append(start(entry, probe, due: due))
                    } else {
                        timetable?.finish(entry)
                        turn.missed.append((probe.id, .concurrency))
                    }
                case .miss(let entry, _):
                    if let probe = byEntry[entry] { turn.missed.append((probe.id, .overrun)) }
                }
            }
            turn.nextDue = timetable?.nextDue
            return turn
        }

        private mutating func start(_ entry: Int, _ probe: any Probe, due: ContinuousClock.Instant) -> Start {
            lastSerial += 1
            runs[lastSerial] = Run(check: probe.id)
            return Start(
                serial: lastSerial, entry: entry, probe: probe, due: due, rest: pauses.begin(probe.id, on: probe.target, at: due),
                // PostgreSQL blocks nobody.
                awaitsHistory: recall.end != nil && probe.target.engine != .postgresql)
        }

        mutating func finish(_ start: Start, _ observation: Observation?, at now: ContinuousClock.Instant) -> End {
            var end = End(isWithdrawn: runs.removeValue(forKey: start.serial)?.isWithdrawn ?? false)
            if end.isWithdrawn {
                // A check that was taken out and put in again has another number, and a slot of its own.
                if !isStopping, let probe = byEntry[start.entry], probe.id == start.probe.id {
                    end.again = self.start(start.entry, probe, due: now)
                    end.hand = hand
                } else {
                    timetable?.finish(start.entry)
                }
            } else {
                if let observation { end.rests = pauses.apply(observation, on: start.probe.target, slot: start.due) }
                timetable?.finish(start.entry)
            }
            end.whenIdle = isStopping && inFlight == 0 ? whenIdle : nil
            return end
        }
    }
}
