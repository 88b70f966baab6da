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
        /// No place came free in its time under the cap on probes that talk to servers: nothing is known of the check.
        case crowded
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
    package var waiting: Int {
        state.withLock { state in
            state.running.values.reduce(0) { $0 + $1.waiters.count } + state.next.values.reduce(0) { $0 + $1.waiters.count }
        }
    }

    /// The checks that are probed now.
    package var underWay: Set<CheckID> { state.withLock { Set($0.running.keys) } }

    /// Probes the check, joins a probe of it that is under way, or repeats what one has just seen. A command joins only a probe that had as
    /// much time and explains as much; behind any other it waits, and then has its own.
    /// - Parameter wakes: whether a person has said that a sleeping database may be woken.
    package func ask(
        _ check: CheckID, within timeout: Duration, for asker: Asker = .request, wakes: Bool = false
    ) async -> Answer {
        guard let probe = find(check) else { return .closed }
        let now = clock.now
        let order = Order(probe: probe, asker: asker, wakes: wakes, until: now.advanced(by: timeout), at: now)
        let (results, deliver) = AsyncStream<Answer>.makeStream()
        let place = state.withLock { $0.admit(order, deliver, at: now) }
        switch place {
        case .answered(let answer): return answer
        case .joined: break
        case .first(let start): begin(start)
        }
        let end = now.advanced(by: timeout + Self.grace)
        return await withTaskGroup(of: Answer?.self) { group in
            group.addTask {
                for await answer in results { return answer }
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

    private func begin(_ start: Start) {
        if case .terminated = start.hand.yield(start.order) { finish(start.order, .closed) }
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
        // Unless somebody ends it, a probe has no result only where the gate had no place for it in its time.
        finish(order, observation.map(Answer.observed) ?? (work.isCancelled ? .closed : .crowded))
    }

    private func finish(_ order: Order, _ answer: Answer) {
        let now = clock.now
        guard let end = state.withLock({ $0.finish(order, answer, at: now) }) else { return }
        if case .observed(let observation) = answer {
            note(observation)
            // What ended only because its asker had less time than the configuration gives says nothing about the check.
            if order.asker == .command, order.hasAllTime || now < order.deadline.instant { found(observation) }
        }
        for (waiter, answer) in end.waiters.map({ ($0, answer) }) + end.late.map({ ($0, .late) }) {
            waiter.yield(answer)
            waiter.finish()
        }
        // Last, so that the next probe goes as far as what this one has shown allows.
        if let next = end.next { begin(next) }
    }

    private typealias Waiter = AsyncStream<Answer>.Continuation
    private typealias Work = Task<Observation?, Never>

    private struct Order: Sendable {
        /// Tells this order from a later one of the same check; 0 until it is admitted.
        var number: UInt64 = 0
        let probe: any Probe
        let asker: Asker
        var wakes: Bool
        /// When nobody waits for it any more.
        var until: ContinuousClock.Instant
        /// The time that the probe may take.
        var patience: Duration
        var deadline: Deadline
        var check: CheckID { probe.id }
        var hasAllTime: Bool { patience >= probe.target.timeout }

        init(probe: any Probe, asker: Asker, wakes: Bool, until: ContinuousClock.Instant, at now: ContinuousClock.Instant) {
            (self.probe, self.asker, self.wakes, self.until) = (probe, asker, wakes, until)
            (patience, deadline) = (.zero, Deadline(now))
            start(at: now)
        }

        /// Its time begins now.
        mutating func start(at now: ContinuousClock.Instant) {
            patience = min(until - now, probe.target.timeout)
            deadline = Deadline(now.advanced(by: patience))
        }

        /// Whether its result answers the other one as well: a person is not told what was found out in less time, or unexplained.
        func serves(_ other: Order) -> Bool {
            other.asker == .request || asker == .command && patience >= other.patience
        }
    }

    /// An order that goes to the service.
    private struct Start {
        var order: Order
        var hand: AsyncStream<Order>.Continuation
    }

    private struct State {
        enum Place {
            case answered(Answer)
            case joined
            case first(Start)
        }

        struct Running {
            var order: Order
            var waiters: [Waiter]
            /// Nil until it has begun.
            var work: Work?
        }

        /// What is to be done when a probe is over.
        struct End {
            var waiters: [Waiter]
            /// Who wanted a probe of their own, and has no time left for it.
            var late: [Waiter] = []
            var next: Start?
        }

        /// Nil while the service does not run.
        var hand: AsyncStream<Order>.Continuation?
        var running: [CheckID: Running] = [:]
        /// What commands want to know once the probe under way, which is not theirs to join, is over: one order for all of them.
        var next: [CheckID: Running] = [:]
        var lastNumber: UInt64 = 0
        /// How many of these were begun by a request.
        var requests: Int { running.values.count { $0.order.asker == .request } }
        var recent: [CheckID: (observation: Observation, until: ContinuousClock.Instant)] = [:]

        mutating func admit(_ order: Order, _ waiter: Waiter, at now: ContinuousClock.Instant) -> Place {
            guard let hand else { return .answered(.closed) }
            if let known = running[order.check] {
                if known.order.serves(order) { running[order.check]?.waiters.append(waiter) } else { queue(order, waiter) }
                return .joined
            }
            if order.asker == .request {
                if let recent = recent[order.check], now < recent.until { return .answered(.observed(recent.observation)) }
                guard requests < OnDemand.limit else { return .answered(.busy) }
            }
            return .first(start(order, [waiter], hand))
        }

        private mutating func start(_ order: Order, _ waiters: [Waiter], _ hand: AsyncStream<Order>.Continuation) -> Start {
            lastNumber += 1
            var order = order
            order.number = lastNumber
            running[order.check] = Running(order: order, waiters: waiters)
            return Start(order: order, hand: hand)
        }

        private mutating func queue(_ order: Order, _ waiter: Waiter) {
            guard var known = next[order.check] else {
                next[order.check] = Running(order: order, waiters: [waiter])
                return
            }
            known.order.until = max(known.order.until, order.until)
            known.order.wakes = known.order.wakes || order.wakes
            known.waiters.append(waiter)
            next[order.check] = known
        }

        /// - Returns: false when the order was given up before it began.
        mutating func begin(_ order: Order, _ work: Work) -> Bool {
            guard running[order.check]?.order.number == order.number else { return false }
            running[order.check]?.work = work
            return true
        }

        /// - Returns: nil when the order was given up meanwhile: what it saw is nobody's.
        mutating func finish(_ order: Order, _ answer: Answer, at now: ContinuousClock.Instant) -> End? {
            guard running[order.check]?.order.number == order.number else { return nil }
            // Few are ever fresh, so what is kept stays small however many checks are asked about.
            recent = recent.filter { now < $0.value.until }
            if case .observed(let observation) = answer {
                recent[order.check] = (observation, now.advanced(by: min(OnDemand.rest, order.probe.target.interval)))
            }
            var end = End(waiters: running.removeValue(forKey: order.check)?.waiters ?? [])
            guard let hand, var following = next.removeValue(forKey: order.check) else { return end }
            if now < following.order.until {
                following.order.start(at: now)
                end.next = start(following.order, following.waiters, hand)
            } else {
                end.late = following.waiters
            }
            return end
        }

        mutating func forget(_ checks: Set<CheckID>) -> (waiters: [Waiter], works: [Work]) {
            recent = recent.filter { !checks.contains($0.key) }
            let gone = checks.flatMap { [running.removeValue(forKey: $0), next.removeValue(forKey: $0)] }.compactMap(\.self)
            return (gone.flatMap(\.waiters), gone.compactMap(\.work))
        }

        mutating func close() -> [Waiter] {
            hand = nil
            recent = [:]
            defer { (running, next) = ([:], [:]) }
            return running.values.flatMap(\.waiters) + next.values.flatMap(\.waiters)
        }
    }
}
