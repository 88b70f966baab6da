// `diagnose` inside the running agent: probes with its tokens, environment and network, and tells what its history knows beside them.
//
// Probes go through `OnDemand`: they belong to the service, so a command that goes away ends its waiting and nothing else, and the stop ends
// everything. Commands share a few places, so that however many people type at once nothing piles up.
import Diagnosis
import Identity
import Schedule
import ServiceLifecycle
import StatusServer
import Store
import Synchronization

/// Answers the command, and `/api/v1/diagnose`.
final class InsideDiagnosis: Diagnosing, Service {
    /// Probes of all commands together that may run at once; the cap on what is past `tcp` holds beside it.
    static let atOnce = 32
    /// How long an answer waits for the medians when the probes are done.
    private static let patience = Duration.milliseconds(500)

    /// What it asks; closures, because the configuration may be another one the next time.
    struct Sources: Sendable {
        var targets: @Sendable () -> [Target]
        /// Names of all identities, also of those that no target uses.
        var identities: @Sendable () -> [String]
        /// Asks for a new token of an identity; nil when nobody waits for it any more.
        var ask: @Sendable (String, Deadline) async -> (resource: TokenResource, story: TokenAcquisition)?
        var board: @Sendable () -> Board
        /// Takes in what history knows from before.
        var adopt: @Sendable ([CheckID: CheckPast]) -> Void
        /// History has told what it knows of these checks, or cannot; nil for all.
        var recalled: @Sendable (Set<CheckID>?) -> Void
        /// The report over a state of everything.
        var report: @Sendable (Board.Snapshot) -> Report
        /// Lets the next probe of a check log in.
        var reset: @Sendable (CheckID) -> Void
    }

    private let sources: Sources
    private let onDemand: OnDemand
    private let store: HistoryStore
    private let places = Gate(limit: atOnce)
    private let medians: MedianShelf
    private let state = Mutex(State())
    /// Checks of which history is to be asked what it knows from before; nil for all of them.
    private let (newcomers, newcomer) = AsyncStream<Set<CheckID>?>.makeStream()

    init(_ sources: Sources, onDemand: OnDemand, store: HistoryStore) {
        self.sources = sources
        self.onDemand = onDemand
        self.store = store
        medians = MedianShelf(store)
        newcomer.yield(nil)
    }

    /// Has the board learn what history knows of checks, and of watches over identities, that came with a new configuration.
    func recall(_ checks: Set<CheckID>) {
        if !checks.isEmpty { newcomer.yield(checks) }
    }

    /// Tells the board what history knows from before, at the start and after each reload, and at the stop ends what is under way so that
    /// nobody waits for it.
    func run() async {
        await cancelWhenGracefulShutdown {
            for await checks in self.newcomers {
                let (told, teller) = AsyncStream<Never>.makeStream()
                Task {  // Of its own: a disk that hangs cannot be waited for; it ends with the answer, which is taken in late as well.
                    // What was recorded until a check was taken out belongs to its past as well.
                    if checks != nil { await self.store.flush() }
                    if let pasts = await self.pasts(of: checks) { self.sources.adopt(pasts) }
                    teller.finish()
                }
                _ = await told.first(until: .now + Self.recallPatience)
                self.sources.recalled(checks)
            }
        }
        for run in state.withLock({ $0.close() }) { run.finish() }
    }

    /// Longer than all pauses of ``pasts(of:)``: whoever waits for the past of a check, its first bad line among them, waits no longer.
    private static let recallPatience = Duration.seconds(15)

    /// What history knows of the checks. A file that is not open yet, or held by somebody else for a moment, is asked again.
    private func pasts(of checks: Set<CheckID>?) async -> [CheckID: CheckPast]? {
        for pause in [Duration.milliseconds(500), .seconds(2), .seconds(6), nil] {
            if let pasts = try? await store.pasts(of: checks.map(Array.init)) { return pasts }
            guard let pause, (try? await Task.sleep(for: pause)) != nil else { return nil }
        }
        return nil
    }

    func plan(_ names: [String]) -> Result<DiagnosePlan, UnknownCheck> {
        CheckSelection(names).find(in: sources.targets()).map { targets in
            let checks = targets.flatMap(\.checks)
            let underWay = onDemand.underWay
            return DiagnosePlan(
                version: AgentVersion.current, checks: checks, limit: limit(names, targets), underWay: checks.filter(underWay.contains))
        }
    }

    func end(_ run: String) { state.withLock { $0.runs[run] }?.yield(.interrupted) }

    func diagnose(_ question: DiagnoseQuestion) async -> Result<DiagnoseReply, UnknownCheck> {
        switch CheckSelection(question.names).find(in: sources.targets()) {
        case .failure(let unknown): return .failure(unknown)
        case .success(let targets): return .success(await diagnose(question, targets))
        }
    }

    private func diagnose(_ question: DiagnoseQuestion, _ targets: [Target]) async -> DiagnoseReply {
        let checks = targets.flatMap(\.checks)
        let deadline = Deadline.in(question.timeout ?? limit(question.names, targets))
        let (ends, end) = AsyncStream<End>.makeStream()
        guard let run = state.withLock({ $0.begin(question.run, end) }) else { return .closed }
        defer { state.withLock { $0.runs[run] = nil } }
        let seen = Seen()
        let ending = await perform(question, targets, deadline, ends, seen)
        guard let ending else { return .closed }
        let answers = seen.answers.withLock { $0 }
        // Over the web one check was asked about, and why there is no answer is the answer.
        if !question.isCommand, let refusal = checks.compactMap({ Self.refusal(answers[$0]) }).first { return refusal }
        return .report(report(question, Set(checks), answers, seen, ending))
    }

    /// As long as it may take by itself: the probes one after the other in the places there are, behind one that a request has begun.
    private func limit(_ names: [String], _ targets: [Target]) -> Duration {
        let checks = targets.reduce(0) { $0 + $1.identities.count }
        let rounds = (checks + Self.atOnce - 1) / Self.atOnce
        let probes = (targets.map(\.timeout).max() ?? .seconds(1)) * (max(1, rounds) + 1)
        return max(probes, Self.patience(for: involved(names, targets).count, targets)) + .seconds(2)
    }

    /// The identities that are asked beside the probes: those of the checks, and all when everything is asked about.
    private func involved(_ names: [String], _ targets: [Target]) -> [String] {
        if names.isEmpty { return sources.identities() }
        let used = Set(targets.flatMap(\.identities))
        return sources.identities().filter(used.contains)
    }

    /// How long requests for so many tokens may take: five a second leave, so the last ones wait for their turn.
    ///
    /// What the person leaves for the command has no part in it: a request that is given up early says nothing about the identity, and
    /// everybody would take it for an answer.
    private static func patience(for identities: Int, _ targets: [Target]) -> Duration {
        max(.seconds(5), targets.map(\.timeout).max() ?? .seconds(15)) + .milliseconds(200) * identities
    }

    private static func refusal(_ answer: OnDemand.Answer?) -> DiagnoseReply? {
        switch answer {
        case .observed: nil
        case .busy: .busy
        case .crowded: .crowded
        case .late: .late
        case .closed, nil: .closed
        }
    }

    // MARK: probing

    /// How a diagnosis ends.
    private enum End: Sendable { case finished, timedOut, interrupted }

    /// What was learnt so far; the report is made of it whenever the end comes.
    private final class Seen: Sendable {
        let answers = Mutex<[CheckID: OnDemand.Answer]>([:])
        let medians = Mutex<[CheckID: PhaseMedians]>([:])
        let tokens = Mutex<[String: (resource: TokenResource, story: TokenAcquisition)]>([:])
    }

    private enum Event: Sendable {
        case end(End?)
        case medians
    }

    /// - Returns: nil when the agent stops.
    private func perform(
        _ question: DiagnoseQuestion, _ targets: [Target], _ deadline: Deadline, _ ends: AsyncStream<End>, _ seen: Seen
    ) async -> End? {
        let checks = targets.flatMap(\.checks)
        // Over the web nobody makes the agent ask for tokens.
        let identities = question.isCommand ? involved(question.names, targets) : []
        return await withTaskGroup(of: Event.self) { group in
            group.addTask {
                await withDiscardingTaskGroup { probes in
                    // A probe takes the token that is held, so only a new request tells whether there will be a next one.
                    let latest = Deadline.in(Self.patience(for: identities.count, targets))
                    for name in identities {
                        // At once: their sources pace the requests, and each ends by `latest`.
                        probes.addTask {
                            if let told = await self.sources.ask(name, latest) { seen.tokens.withLock { $0[name] = told } }
                        }
                    }
                    // At once: the cap on probes of commands is in `probe`, and the group ends with the question.
                    for check in checks { probes.addTask { await self.probe(check, question, deadline, seen) } }
                }
                return .end(.finished)
            }
            group.addTask {
                // The time for them is short; what fails is what they are compared with first.
                let down = Set(self.sources.board().snapshot.checks.filter { $0.state == .down }.map(\.id))
                var rest = (checks.filter(down.contains) + checks.filter { !down.contains($0) })[...]
                while !rest.isEmpty, !Task.isCancelled {
                    let usual = await self.medians.medians(of: Set(rest.prefix(MedianShelf.atOnce)))
                    rest = rest.dropFirst(MedianShelf.atOnce)
                    seen.medians.withLock { $0.merge(usual) { $1 } }
                }
                return .medians
            }
            group.addTask {
                try? await Task.sleep(until: deadline.instant)
                return .end(.timedOut)
            }
            group.addTask {
                for await end in ends { return .end(end) }
                return .end(Task.isCancelled ? .interrupted : nil)
            }
            defer { group.cancelAll() }
            var hasMedians = false
            var isFinished = false
            for await event in group {
                switch event {
                case .medians: hasMedians = true
                case .end(.finished) where !hasMedians && !isFinished:
                    isFinished = true
                    group.addTask {
                        try? await Task.sleep(for: Self.patience)
                        return .medians
                    }
                case .end(let end): return isFinished && end == .timedOut ? .finished : end
                }
                if hasMedians, isFinished { return .finished }
            }
            return .finished
        }
    }

    private func probe(_ check: CheckID, _ question: DiagnoseQuestion, _ deadline: Deadline, _ seen: Seen) async {
        guard question.isCommand else {
            let answer = await onDemand.ask(check, within: deadline.remaining)
            return seen.answers.withLock { $0[check] = answer }
        }
        guard (try? await places.enter(until: deadline)) != nil else { return }
        defer { places.leave() }
        // A person has perhaps mended something: the rest that logins take after a refusal begins anew.
        sources.reset(check)
        var answer = await onDemand.ask(check, within: deadline.remaining, for: .command, wakes: question.wakes)
        // It was a probe that had begun before, while logins rested, or that was not to wake the database.
        if case .observed(let observation) = answer,
            observation.outcome == .partial(.loginPaused) || question.wakes && observation.isPartial
        {
            sources.reset(check)
            answer = await onDemand.ask(check, within: deadline.remaining, for: .command, wakes: question.wakes)
        }
        guard !Task.isCancelled else { return }
        seen.answers.withLock { $0[check] = answer }
    }

    // MARK: the report

    private func report(
        _ question: DiagnoseQuestion, _ chosen: Set<CheckID>, _ answers: [CheckID: OnDemand.Answer], _ seen: Seen, _ end: End
    ) -> Report {
        // The board may know it already, and newer things as well: what the person asked for is what is told.
        var snapshot = sources.board().snapshot
        var end = end
        for index in snapshot.checks.indices where chosen.contains(snapshot.checks[index].id) {
            if case .observed(let observation)? = answers[snapshot.checks[index].id] {
                if snapshot.checks[index].last != observation { _ = snapshot.checks[index].apply(observation) }
                // A probe of the schedule that stopped before its login is older than the login made for the person, or learnt less.
                if !observation.isPartial { snapshot.checks[index].lastPartial = nil }
            } else {
                let known = snapshot.checks[index]
                snapshot.checks[index] = CheckStatus(id: known.id, target: known.target)
                snapshot.checks[index].lastGood = known.lastGood
                // A check without a result is not healthy.
                if end == .finished { end = .timedOut }
            }
        }
        take(seen.tokens.withLock { $0 }, &snapshot)
        var report = sources.report(snapshot)
        // Who names nothing asks for everything, identities without a target included.
        if !question.names.isEmpty { report = report.narrowed(to: chosen) }
        report.medians = seen.medians.withLock { $0 }
        report.crowded = Set(answers.filter { $0.value == .crowded && chosen.contains($0.key) }.keys)
        if question.isCommand { report.notAsked = Set(report.identities.map(\.status.name)).subtracting(seen.tokens.withLock { $0.keys }) }
        report.failOn = question.failOn
        report.ending =
            switch end {
            case .finished: nil
            case .timedOut: .unfinished
            case .interrupted: .interrupted
            }
        return report
    }

    /// What the board has not heard: a request that goes on was not over for whoever asked.
    private func take(_ told: [String: (resource: TokenResource, story: TokenAcquisition)], _ snapshot: inout Board.Snapshot) {
        for index in snapshot.identities.indices {
            guard let (resource, story) = told[snapshot.identities[index].name], case .failed(let failure) = story.outcome else { continue }
            guard snapshot.identities[index].state != .down else { continue }
            snapshot.identities[index].apply(
                .request(
                    TokenRequestResult(
                        identity: story.identity, resource: resource, source: story.source, time: .now, duration: story.duration,
                        outcome: .failed(failure))))
        }
    }

    private struct State {
        var isClosed = false
        var runs: [String: AsyncStream<End>.Continuation] = [:]
        private var count: UInt64 = 0

        /// - Returns: the name of the run; nil when none may begin any more.
        mutating func begin(_ name: String?, _ end: AsyncStream<End>.Continuation) -> String? {
            guard !isClosed else { return nil }
            count += 1
            // A name that is taken ends the run that is asked for last only.
            let own = name.flatMap { runs[$0] == nil ? $0 : nil } ?? "#\(count)"
            runs[own] = end
            return own
        }

        mutating func close() -> [AsyncStream<End>.Continuation] {
            isClosed = true
            return Array(runs.values)
        }
    }
}
