// When: starts every probe at its slot, one at a time per check, and stops politely.
//
// One loop keeps the time for all checks and hands due starts to a task group; a probe that hangs costs nothing but its own task.
// Loop and hand-over have a thread of their own (`LoopExecutor`), probes run on the pool: however busy certificates and curves keep it,
// the loop turns, gives its sign of life and counts what is missed.
package import Diagnosis
package import Logging
import ServiceLifecycle
import Synchronization

/// Runs probes at their slots.
package final class Scheduler: Service {
    private let probes: [any Probe]
    private let gate: Gate
    private let seed: UInt64
    private let clock: any ScheduleClock
    private let drain: Duration
    private let limit: Int
    private let onTurn: @Sendable () -> Void
    private let onEvent: @Sendable (SchedulerEvent) -> Void
    private let logger: Logger
    private let state: Mutex<State>

    /// The loop shows a sign of life at least this often, due probes or not.
    package static let pulse: Duration = .seconds(1)

    /// - Parameters:
    ///   - gate: handed to every probe; counts those from `tls` on.
    ///   - seed: a hash of the host name, so that replicas do not probe at the same instant; 0 is allowed.
    ///   - drain: how long running probes may go on after a stop.
    ///   - limit: how many probes may run at once, phases before `tls` included; nil for no limit. What the descriptors allow.
    ///   - onTurn: called on the loop's own thread at every turn, at least once a ``pulse``; must not block.
    ///   - onEvent: called on the task of the probe or of the loop, never under a lock; must not block.
    package init(
        probes: [any Probe], gate: Gate, seed: UInt64, clock: any ScheduleClock = SystemClock(), drain: Duration = .seconds(10),
        limit: Int? = nil, onTurn: @escaping @Sendable () -> Void = {}, onEvent: @escaping @Sendable (SchedulerEvent) -> Void,
        logger: Logger
    ) {
        self.probes = probes
        self.gate = gate
        self.seed = seed
        self.clock = clock
        self.drain = drain
        self.limit = limit ?? .max
        self.onTurn = onTurn
        self.onEvent = onEvent
        self.logger = logger
        state = Mutex(State(lastTick: clock.now))
    }

    /// Probes running now.
    package var inFlight: Int { state.withLock { $0.inFlight } }

    /// When the loop last turned; at most ``pulse`` ago while all is well.
    package var lastTick: ContinuousClock.Instant { state.withLock { $0.lastTick } }

    /// Lets the next probe of the check log in, after a change of configuration or because a person asks.
    package func reset(_ check: CheckID) { state.withLock { $0.pauses.reset(check) } }

    /// How far a probe of this check would go now; for who asks outside the schedule and draws on the same budget.
    package func depth(of check: CheckID) -> ProbeRun.Depth {
        guard let target = probes.first(where: { $0.id == check })?.target else { return .query }
        let now = clock.now
        return state.withLock { $0.pauses.depth(of: check, on: target, at: now) }
    }

    /// Takes into account what a probe outside the schedule saw, so that its login counts.
    package func note(_ observation: Observation) {
        guard let target = probes.first(where: { $0.id == observation.check })?.target else { return }
        let now = clock.now
        state.withLock { _ = $0.pauses.apply(observation, on: target, slot: now) }
    }

    /// Probes until it is stopped.
    ///
    /// On a graceful shutdown no probe starts any more and the running ones have ``drain`` to finish before they are cancelled; on
    /// cancellation they are cancelled at once. Returns when the last of them is over.
    package func run() async {
        let (starts, hand) = AsyncStream<[Start]>.makeStream()
        let (idle, whenIdle) = AsyncStream<Never>.makeStream()
        state.withLock { state in
            state.timetable = Timetable(
                probes.map { Timetable.Entry(check: $0.id, interval: $0.target.interval) }, seed: seed, start: clock.now,
                wall: clock.wall)
            state.lastTick = clock.now
            state.hand = hand
            state.whenIdle = whenIdle
            if state.isStopping { hand.finish() }
        }
        logger.debug("The scheduler starts", metadata: ["schedule.checks": "\(probes.count)"])
        await withGracefulShutdownHandler {
            await withTaskExecutorPreference(LoopExecutor()) { await self.perform(starts, idle: idle) }
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
                        group.addTask(executorPreference: globalConcurrentExecutor) { await self.probe(start) }
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
            let turn = state.withLock { $0.turn(at: now, probes: probes, limit: limit) }
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
        let probe = probes[start.entry]
        guard !state.withLock({ $0.isStopping }) else {
            finish(start, nil)
            return
        }
        let begun = clock.now
        onEvent(.started(probe.id, lag: max(.zero, begun - start.due)))
        let run = ProbeRun(
            deadline: Deadline(begun.advanced(by: probe.target.timeout)), depth: start.depth, gate: gate, logger: logger)
        let observation = await probe.observe(run)
        finish(start, observation)
    }

    private func finish(_ start: Start, _ observation: Observation?) {
        let target = probes[start.entry].target
        let (rests, whenIdle) = state.withLock { state in
            var rests = false
            if let observation { rests = state.pauses.apply(observation, on: target, slot: start.due) }
            state.inFlight -= 1
            state.timetable?.finish(start.entry)
            return (rests, state.isStopping && state.inFlight == 0 ? state.whenIdle : nil)
        }
        if let observation {
            onEvent(.finished(observation))
        } else {
            // Without a stop, a probe ends without a result only because the gate had no place for it in time.
            let isStopping = Task.isCancelled || state.withLock { $0.isStopping }
            onEvent(.missed(probes[start.entry].id, reason: isStopping ? .shutdown : .concurrency))
        }
        if rests {
            logger.notice(
                "Logins of this check pause; its other phases go on",
                metadata: ["check.id": "\(probes[start.entry].id)", "failure.cause": "\(observation?.failure?.cause.rawValue ?? "")"])
        }
        whenIdle?.finish()
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

    private struct Start: Sendable {
        var entry: Int
        var due: ContinuousClock.Instant
        var depth: ProbeRun.Depth
    }

    private struct Turn: Sendable {
        var starts: [Start] = []
        var missed: [(CheckID, SchedulerEvent.MissReason)] = []
        var nextDue: ContinuousClock.Instant?
        var hand: AsyncStream<[Start]>.Continuation?
        /// For how long the loop did not turn.
        var stood: Duration
    }

    private struct State {
        var timetable: Timetable?
        var pauses = LoginPauses()
        var inFlight = 0
        var isStopping = false
        var lastTick: ContinuousClock.Instant
        var hand: AsyncStream<[Start]>.Continuation?
        var whenIdle: AsyncStream<Never>.Continuation?

        mutating func turn(at now: ContinuousClock.Instant, probes: [any Probe], limit: Int) -> Turn {
            var turn = Turn(hand: hand, stood: now - lastTick)
            lastTick = now
            guard !isStopping else { return turn }
            for decision in timetable?.due(at: now) ?? [] {
                switch decision {
                case .start(let entry, let due) where inFlight < limit:
                    inFlight += 1
                    let depth = pauses.depth(of: probes[entry].id, on: probes[entry].target, at: due)
                    turn.starts.append(Start(entry: entry, due: due, depth: depth))
                case .start(let entry, _):
                    timetable?.finish(entry)
                    turn.missed.append((probes[entry].id, .concurrency))
                case .miss(let entry, _):
                    turn.missed.append((probes[entry].id, .overrun))
                }
            }
            turn.nextDue = timetable?.nextDue
            return turn
        }
    }
}
