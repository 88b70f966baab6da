// `agent diagnose`: every step once, now, and an explanation.
import ArgumentParser
import Diagnosis
import Logging
import Settings
import StatusServer
import Store
import Synchronization
import Telemetry
import UnixSignals

struct DiagnoseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diagnose",
        abstract: "Runs every step of the named checks once, now, and explains what is wrong and what to do.",
        discussion: """
            Logs in with every identity of every named target (all without arguments). When an agent runs for the same configuration, it does \
            the work: with its tokens, environment and network, and with what its history knows (since when, last good, each phase against \
            its median of seven days, what changed). Otherwise, and with --local, this process does. The first line says which. The result \
            goes to standard output, everything else to standard error.

            EXAMPLES
              agent diagnose
              agent diagnose orders billing/app
              agent diagnose orders --output json | jq .findings
              agent diagnose orders --local       from this shell, with its environment

            The exit status is that of the root cause with the lowest number: 10 identity or token, 20 dns or tcp, 30 tls, 40 login, \
            50 rights, 60 query; 75 when --timeout ended it, 130 after Ctrl-C.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "Checks to run: TARGET for all its identities, or TARGET/IDENTITY. All checks without arguments.")
    var checks: [String] = []

    @Option(help: "text or json.", transform: outputFormat)
    var output = OutputFormat.text

    @Option(help: "From which severity on the exit status is not 0: warning or error.")
    var failOn = FailOn.error

    @Option(help: ArgumentHelp("Seconds until the command ends with what it has, and status 75.", valueName: "seconds"))
    var timeout: Double?

    @Option(help: logLevelHelp, transform: readLogLevel)
    var logLevel = Logger.Level.error

    @Flag(help: "Probe in this process, also when an agent runs.")
    var local = false

    @Flag(
        help: ArgumentHelp(
            "Log in to a serverless Azure SQL database although it may sleep. That wakes it and is billed: as a rule for an hour. With --local the agent's budget does not learn of it."
        )
    )
    var wake = false

    // Of the contract, still to come; named here so that they are refused with a clear word.
    @Option(help: .hidden) var only: String?
    @Option(help: .hidden) var skip: String?
    @Option(help: .hidden) var suppress: String?
    @Option(help: .hidden) var fixScript: String?
    @Option(help: .hidden) var every: String?

    enum FailOn: String, ExpressibleByArgument, CaseIterable { case warning, error }

    func validate() throws {
        if let timeout, !(0.1...86400).contains(timeout) {
            throw ValidationError("--timeout \(timeout) is out of bounds; it takes 0.1 to 86400 seconds.")
        }
    }

    func run() async throws {
        let pending = [
            ("--only", only != nil), ("--skip", skip != nil), ("--suppress", suppress != nil), ("--fix-script", fixScript != nil),
            ("--every", every != nil),
        ]
        if let option = pending.first(where: \.1) { throw notInThisVersion("agent diagnose \(option.0)") }
        let began = ContinuousClock.now
        if !local, let exit = try await inside() { throw ExitCode(exit) }
        // Whoever waited for the agent in vain has less time left.
        let left = timeout.map { max(.milliseconds(100), Duration.seconds(fraction: $0) - (ContinuousClock.now - began)) }
        var configuration = try options.load()
        let all = configuration.targets
        configuration.targets = try CheckSelection(checks).select(from: all)
        let sink = LogSink()
        defer { _ = sink.flush(within: .seconds(1)) }
        let logger = commandLogger(logLevel, sink: sink)
        let workbench: Workbench
        do {
            workbench = try Workbench(configuration, logger: logger)
        } catch {
            throw error.exit()
        }
        let past = LocalPast(of: workbench, in: configuration.history.path)
        var end = await probeAll(workbench, logger, within: left)
        if end == .finished { await past.wait() }
        // A check without a result is not healthy.
        if end == .finished, workbench.board.snapshot.checks.contains(where: { $0.state == .unknown }) { end = .timedOut }
        // One look has no past: since when something is so, only a running agent knows.
        var snapshot = workbench.board.snapshot
        for index in snapshot.checks.indices {
            snapshot.checks[index].since = nil
            // What just worked is no news; when something else last did, the history may know.
            if snapshot.checks[index].state == .up { snapshot.checks[index].lastGood = nil }
        }
        for index in snapshot.identities.indices { snapshot.identities[index].since = nil }
        var report = Report.make(
            snapshot: snapshot, identities: configuration.identities, mode: .local, host: Terminal.hostName,
            version: AgentVersion.current, now: .now, cloud: configuration.cloud)
        report.failOn = failOn == .warning ? .warning : .error
        report.ending =
            switch end {
            case .finished: nil
            case .timedOut: .unfinished
            case .interrupted: .interrupted
            }
        show(report, end)
        // Nobody is waited for after an interruption: the process ends now, and its sockets with it.
        if end == .finished { await workbench.close() }
        _ = sink.flush(within: .seconds(1))
        throw ExitCode(report.exit.rawValue)
    }

    /// Lets the running agent do it.
    /// - Returns: its exit status; nil when this process has to do the work.
    private func inside() async throws -> Int32? {
        guard let agent = InsideAgent(options) else { return nil }
        let question = InsideDiagnose(
            agent: agent, selection: CheckSelection(checks), output: output, failOn: failOn == .warning ? .warning : .error,
            timeout: timeout.map { .seconds(fraction: $0) }, wakes: wake)
        switch try await question.run() {
        case .done(let exit):
            // A file that was edited badly does not keep the agent from answering, but whoever edits it should hear of it.
            if case .failure(let issues) = Configuration.load(path: options.config, environment: Surroundings.variables),
                let file = issues.first?.file
            {
                Terminal.note("agent: \(file) cannot be read now (agent config check); the running agent works with what it read before")
            }
            return exit
        case .notAnswered(let why):
            await agent.close()
            if let why { Terminal.note("agent: \(why); probing in this process") }
            return nil
        }
    }

    private func show(_ report: Report, _ end: End) {
        switch output {
        case .json: Terminal.print(report.json.pretty)
        case .text: Terminal.print(ReportText.render(report, style: Terminal.style))
        }
        let unfinished = report.checks.filter { $0.status.state == .unknown }.map(\.status.id.description)
        if end != .finished {
            let reason = end == .timedOut ? "the time limit of the command passed" : "interrupted"
            Terminal.note("agent: \(reason); no result for \(unfinished.isEmpty ? "nothing" : unfinished.joined(separator: ", "))")
        }
    }

    enum End: Sendable { case finished, timedOut, interrupted }

    /// Probes as many at once as the service would, until all are done, the time is over or a signal comes.
    private func probeAll(_ workbench: Workbench, _ logger: Logger, within left: Duration?) async -> End {
        let atOnce = workbench.configuration.limits.concurrency
        let longest = workbench.probes.map(\.target.timeout).max() ?? .seconds(15)
        // By itself the command ends soon after the last probe must; the cap makes probes wait for each other.
        let rounds = (workbench.probes.count + atOnce - 1) / atOnce
        let limit = left ?? longest * max(1, rounds) + .seconds(5)
        return await withTaskGroup(of: End.self) { group in
            group.addTask {
                await withTaskGroup(of: Void.self) { running in
                    // Only who asks for everything asks for what no target uses.
                    for identity in checks.isEmpty ? workbench.idleIdentities : [] {
                        running.addTask { await workbench.ask(identity, until: .in(longest)) }
                    }
                    for (index, probe) in workbench.probes.enumerated() {
                        if index >= atOnce { await running.next() }
                        running.addTask {
                            // The time of a probe begins when it begins, not while it waits for its turn.
                            let run = ProbeRun(deadline: .in(probe.target.timeout), logger: logger, explains: true, wakes: wake)
                            if let observation = await probe.observe(run) { _ = workbench.board.record(observation) }
                        }
                    }
                }
                return .finished
            }
            group.addTask {
                try? await Task.sleep(for: limit)
                return .timedOut
            }
            group.addTask {
                for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) { return .interrupted }
                return .interrupted
            }
            if Terminal.showsProgress {
                group.addTask { await showProgress(workbench.board) }
            }
            let end = await group.next() ?? .finished
            group.cancelAll()
            return end
        }
    }

    /// Says after a second, and every five from then on, whom the command waits for. Ends by cancellation only.
    private func showProgress(_ board: Board) async -> End {
        var pause = Duration.seconds(1)
        while (try? await Task.sleep(for: pause)) != nil {
            let waiting = board.snapshot.checks.filter { $0.state == .unknown }.map(\.id.description)
            Terminal.note(Self.waiting(waiting, "waiting for"))
            pause = .seconds(5)
        }
        return .finished
    }

    /// `waiting for orders/app, billing/app and 12 more`.
    static func waiting(_ names: [String], _ words: String) -> String {
        let list = names.prefix(5).joined(separator: ", ") + (names.count > 5 ? " and \(names.count - 5) more" : "")
        return "\(words) \(list.isEmpty ? "its last results" : list)"
    }
}

/// Which checks a person named.
struct CheckSelection {
    var names: [String]

    init(_ names: [String]) { self.names = names }

    /// - Returns: the targets with the identities that were asked for.
    /// **Throws**: ends the program with the usage status when a name fits nothing.
    func select(from targets: [Target]) throws -> [Target] {
        switch find(in: targets) {
        case .success(let chosen): return chosen
        case .failure(let unknown):
            let name = names.first { !unknown.known.contains($0) } ?? ""
            Terminal.note(
                "agent: there is no target or check '\(Redactor.scrub(name))'. Known: \(unknown.known.prefix(20).joined(separator: ", "))")
            throw ExitCode(ExitStatus.usage.rawValue)
        }
    }

    /// The same for whoever asks from outside.
    func find(in targets: [Target]) -> Result<[Target], UnknownCheck> {
        guard !names.isEmpty else { return .success(targets) }
        let known = targets.flatMap { [$0.name] + $0.checks.map(\.description) }
        guard Set(names).isSubset(of: known) else { return .failure(UnknownCheck(known: known)) }
        return .success(
            targets.compactMap { target in
                if names.contains(target.name) { return target }
                var chosen = target
                chosen.identities = target.checks.filter { names.contains($0.description) }.map(\.identity)
                return chosen.identities.isEmpty ? nil : chosen
            })
    }
}

/// What the history file knows of the checks from before, read beside the probes: a failure is read in its light, when the file is there.
private final class LocalPast: Sendable {
    private let ends: AsyncStream<Never>

    /// How long the command waits for it in all; logins that might wake a database wait at their own place.
    private static let patience = Duration.milliseconds(300)

    init(of workbench: Workbench, in path: String) {
        let (ends, end) = AsyncStream<Never>.makeStream()
        self.ends = ends
        let checks = workbench.board.snapshot.checks.map(\.id)
        workbench.recall(nil, within: Self.patience)
        // A disk may hang, also when it is only asked whether the file is there; the command does not wait for it, and the process takes the task with it.
        Task {
            if let pasts = try? await HistoryFile(path: path).pasts(of: checks) { workbench.adopt(pasts) }
            workbench.finishRecall(nil)
            end.finish()
        }
    }

    /// Until everything is read, but not for long.
    func wait() async { _ = await ends.first(until: .now + Self.patience) }
}
