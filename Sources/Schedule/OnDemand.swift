// Probes that somebody asks for outside the schedule: one at a time per check, few at once, out of the same budget of logins.
//
// Who asks waits; the probe belongs to the service. So a client that goes away ends nothing, and the stop ends everything.
package import Diagnosis
package import Logging
import ServiceLifecycle
import Synchronization

/// Runs probes when asked.
package final class OnDemand: Service {
    /// Probes that may run at once.
    package static let limit = 8
    /// How long an answer is given again instead of probing anew, however many ask; a check with a shorter interval has that one.
    package static let rest: Duration = .seconds(5)
    /// What a probe may take beyond its deadline before its asker gives up: it then tells itself what it was waiting for.
    package static let grace: Duration = .milliseconds(250)

    /// What came of a question.
    package enum Answer: Sendable, Hashable {
        case observed(Observation)
        /// ``limit`` other probes are under way.
        case busy
        /// The probe under way was begun for somebody with more time, and has not ended.
        case late
        /// The service does not run, or there is no such check.
        case closed
    }

    /// Who asks.
    package enum Asker: Sendable, Hashable {
        /// Somebody over HTTP: takes what was seen a moment ago, and finds at most ``limit`` others under way.
        case request
        /// A person at this machine, who wants to know how it is now. Whoever asks like this sees to it that few do at once.
        case command
    }

    private let find: @Sendable (CheckID) -> (any Probe)?
    private let depth: @Sendable (CheckID) -> ProbeRun.Depth
    private let notice: @Sendable (CheckID) -> Notice?
    private let note: @Sendable (Observation) -> Void
    private let found: @Sendable (Observation) -> Void
    private let gate: any ProbeGate
    private let clock: any ScheduleClock
    private let logger: Logger
    private let state = Mutex(State())

    /// - Parameters:
    ///   - find: the probe of a check as it is configured now.
    ///   - depth: how far a probe may go now: ``Scheduler/depth(of:)``.
    ///   - notice: what to tell of a rest of logins: ``Scheduler/notice(of:)``.
    ///   - note: told of every result: ``Scheduler/note(_:)``.
    ///   - found: told of what a command's probe found out, as if the schedule had: a login that was refused makes the next ones rest, so the
    ///     schedule would not find it out by itself.
    package init(
        gate: any ProbeGate, clock: any ScheduleClock = SystemClock(), find: @escaping @Sendable (CheckID) -> (any Probe)?,
        depth: @escaping @Sendable (CheckID) -> ProbeRun.Depth, notice: @escaping @Sendable (CheckID) -> Notice? = { _ in nil },
        note: @escaping @Sendable (Observation) -> Void,
        found: @escaping @Sendable (Observation) -> Void = { _ in }, logger: Logger
    ) {
        self.gate = gate
        self.clock = clock
        self.find = find
        self.depth = depth
        self.notice = notice
        self.note = note
        self.found = found
        self.logger = logger
    }

    /// Whether questions are taken.
    package var isOpen: Bool { state.withLock { $0.hand != nil } }
    /// Probes under way.
    package var inFlight: Int { state.withLock { $0.running.count } }
    /// Questions that wait for a probe.
    package var waiting: Int { state.withLock { $0.running.values.reduce(0) { $0 + $1.waiters.count } } }

    /// The checks that are probed now.
    package var underWay: Set<CheckID> { state.withLock { Set($0.running.keys) } }

    /// Probes the check, joins a probe of it that is under way, or repeats what one has just seen.
    /// - Parameter wakes: whether a person has said that a sleeping database may be woken.
    package func ask(
        _ check: CheckID, within timeout: Duration, for asker: Asker = .request, wakes: Bool = false
    ) async -> Answer {
        guard let probe = find(check) else { return .closed }
        let now = clock.now
        let order = Order(
            probe: probe, deadline: Deadline(now.advanced(by: min(timeout, probe.target.timeout))), asker: asker,
            hasAllTime: timeout >= probe.target.timeout, wakes: wakes)
        let (results, deliver) = AsyncStream<Observation>.makeStream()
        let place = state.withLock { $0.admit(order, deliver, at: now) }
        switch place {
        case .answered(let answer): return answer
        case .joined: break
        case .first(let order, let hand): if case .terminated = hand.yield(order) { finish(order, nil) }
        }
        let end = now.advanced(by: timeout + Self.grace)
        return await withTaskGroup(of: Answer?.self) { group in
            group.addTask {
                for await observation in results { return .observed(observation) }
                return .closed
            }
            group.addTask { (try? await self.clock.sleep(until: end)) == nil ? nil : .late }
            defer { group.cancelAll() }
            for await answer in group { if let answer { return answer } }
            return .closed
        }
    }

    /// Forgets what was seen of these checks, and gives up probes of them that are under way: they are configured otherwise now, or gone.
    /// Who waits for one is told so.
    package func forget(_ checks: Set<CheckID>) {
        let (waiters, works) = state.withLock { $0.forget(checks) }
        for work in works { work.cancel() }
        for waiter in waiters { waiter.finish() }
    }

    /// Probes until it is stopped; what is under way then is cancelled, because nobody is left to hear of it.
    package func run() async {
        let (orders, hand) = AsyncStream<Order>.makeStream()
        state.withLock { $0.hand = hand }
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for await order in orders { group.addTask { await self.perform(order) } }
                group.cancelAll()
            }
        }
        hand.finish()
        for waiter in state.withLock({ $0.close() }) { waiter.finish() }
    }

    private func perform(_ order: Order) async {
        // A second connection to explain a refusal is for a person, and not for whoever asks over HTTP.
        let run = ProbeRun(
            deadline: order.deadline, depth: depth(order.check), gate: gate, logger: logger, explains: order.asker == .command,
            wakes: order.wakes)
        // A task of its own, so that ``forget(_:)`` can end this probe alone. This function waits for it.
        let work = Task { await order.probe.observe(run) }
        guard state.withLock({ $0.begin(order, work) }) else {
            work.cancel()
            _ = await work.value
            return
        }
        var observation = await withTaskCancellationHandler {
            await work.value
        } onCancel: {
            work.cancel()
        }
        if observation?.outcome == .partial(.loginPaused), let notice = notice(order.check) { observation?.notices.append(notice) }
        finish(order, observation)
    }

    private func finish(_ order: Order, _ observation: Observation?) {
        let now = clock.now
        guard let waiters = state.withLock({ $0.finish(order, observation, at: now) }) else { return }
        if let observation {
            note(observation)
            // What ended only because its asker had less time than the configuration gives says nothing about the check.
            if order.asker == .command, order.hasAllTime || now < order.deadline.instant { found(observation) }
        }
        for waiter in waiters {
            if let observation { waiter.yield(observation) }
            waiter.finish()
        }
    }

    private typealias Waiter = AsyncStream<Observation>.Continuation
    private typealias Work = Task<Observation?, Never>

    private struct Order: Sendable {
        /// Tells this order from a later one of the same check; 0 until it is admitted.
        var number: UInt64 = 0
        var probe: any Probe
        var deadline: Deadline
        var asker: Asker
        var hasAllTime: Bool
        var wakes: Bool
        var check: CheckID { probe.id }
    }

    private struct State {
        enum Place {
            case answered(Answer)
            case joined
            case first(Order, AsyncStream<Order>.Continuation)
        }

        struct Running {
            var number: UInt64
            var asker: Asker
            var waiters: [Waiter]
            /// Nil until it has begun.
            var work: Work?
        }

        /// Nil while the service does not run.
        var hand: AsyncStream<Order>.Continuation?
        var running: [CheckID: Running] = [:]
        var lastNumber: UInt64 = 0
        /// How many of these were begun by a request.
        var requests: Int { running.values.count { $0.asker == .request } }
        var recent: [CheckID: (observation: Observation, until: ContinuousClock.Instant)] = [:]

        mutating func admit(_ order: Order, _ waiter: Waiter, at now: ContinuousClock.Instant) -> Place {
            guard let hand else { return .answered(.closed) }
            if running[order.check] != nil {
                running[order.check]?.waiters.append(waiter)
                return .joined
            }
            if order.asker == .request {
                if let recent = recent[order.check], now < recent.until { return .answered(.observed(recent.observation)) }
                guard requests < OnDemand.limit else { return .answered(.busy) }
            }
            lastNumber += 1
            var order = order
            order.number = lastNumber
            running[order.check] = Running(number: lastNumber, asker: order.asker, waiters: [waiter])
            return .first(order, hand)
        }

        /// - Returns: false when the order was given up before it began.
        mutating func begin(_ order: Order, _ work: Work) -> Bool {
            guard running[order.check]?.number == order.number else { return false }
            running[order.check]?.work = work
            return true
        }

        /// - Returns: nil when the order was given up meanwhile: what it saw is nobody's.
        mutating func finish(_ order: Order, _ observation: Observation?, at now: ContinuousClock.Instant) -> [Waiter]? {
            guard running[order.check]?.number == order.number else { return nil }
            // Few are ever fresh, so what is kept stays small however many checks are asked about.
            recent = recent.filter { now < $0.value.until }
            if let observation {
                recent[order.check] = (observation, now.advanced(by: min(OnDemand.rest, order.probe.target.interval)))
            }
            return running.removeValue(forKey: order.check)?.waiters
        }

        mutating func forget(_ checks: Set<CheckID>) -> (waiters: [Waiter], works: [Work]) {
            recent = recent.filter { !checks.contains($0.key) }
            let gone = checks.compactMap { running.removeValue(forKey: $0) }
            return (gone.flatMap(\.waiters), gone.compactMap(\.work))
        }

        mutating func close() -> [Waiter] {
            hand = nil
            recent = [:]
            defer { running = [:] }
            return running.values.flatMap(\.waiters)
        }
    }
}
