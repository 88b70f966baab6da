// `agent run`: the service.
import ArgumentParser
import Diagnosis
import Glibc
import Logging
import Schedule
import ServiceLifecycle
import Settings
import StatusServer
import Store
import Telemetry
import UnixSignals

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs the service: probes every check at its interval, keeps history, serves the status page and metrics.",
        discussion: """
            Ends politely within 10 seconds on SIGTERM or SIGINT; a second signal ends it at once.

            Commands of the same user reach it over a local socket beside the history file (server.socket).

            Logs go to standard error; standard output carries one JSON line per change of state of a check, an identity, the store or the \
            configuration.

            The configuration is read again on SIGHUP and when the file changes. A bad one changes nothing and is told on every surface; a \
            good one is put in force without disturbing the checks that it does not change. In a container, or with --stay, the agent does \
            not end because of a bad configuration or a busy port: it says so, waits, and goes on as soon as it can.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(help: ArgumentHelp("Listen here instead of where the configuration says; may be repeated.", valueName: "host:port"))
    var listen: [String] = []

    @Flag(
        inversion: .prefixedNo,
        help: ArgumentHelp(
            "Stay up, alive and not ready, with a configuration that cannot be used, instead of ending with 78; go on when it is right.",
            discussion: "This is what happens in a container when neither is given."))
    var stay: Bool?

    // Of the contract, still to come.
    @Option(help: .hidden) var shard: String?

    func run() async throws {
        if shard != nil { throw notInThisVersion("agent run --shard") }
        let listen = try listen.map(Self.endpoint)
        let environment = Surroundings.variables
        let file = ConfigurationFile(path: options.config, environment: environment)
        let result = file.read()
        let isContainer = Surroundings.isContainer(environment)
        let stays = stay ?? isContainer
        for issue in result.issues { Terminal.note("\(issue)") }
        if case .failure = result, !stays { throw ExitCode(ExitStatus.configuration.rawValue) }

        let log = if case .success(let configuration, _) = result { configuration.log } else { Configuration.Log() }
        let sink = LogSink()
        sink.obey(log)
        let logger = Logger(label: "agent") { AgentLogHandler(label: $0, sink: sink) }
        // Standard output may be a pipe that nobody reads, so its lines go through a queue of their own.
        let stateLines = LogSink(descriptor: STDOUT_FILENO, reportsDrops: false)
        let bell = Doorbell()
        let surroundings = ServiceSurroundings(
            file: file, bell: bell, metrics: Metrics(), sink: sink, logger: logger,
            tell: { stateLines.write(Array(($0.json.compact + "\n").utf8), level: .info) }, stays: stays,
            isContainer: isContainer,
            build: BuildInfo(
                version: AgentVersion.current, revision: Surroundings.revision(environment) ?? "unknown",
                sqliteVersion: HistoryStore.sqliteVersion),
            descriptors: Self.raiseDescriptorLimit(), listen: listen)
        // Ends with the process: a second signal does not wait for anybody.
        let impatience = Task {
            var count = 0
            for await signal in await UnixSignalsSequence(trapping: .sigterm, .sigint) {
                count += 1
                if count == 2 { _exit(signal == .sigint ? 130 : 143) }
            }
        }
        // Ends with the process, too: the default of this signal would end the service.
        let hangups = Task { for await _ in await UnixSignalsSequence(trapping: .sighup) { bell.ring() } }
        defer {
            impatience.cancel()
            hangups.cancel()
            _ = stateLines.flush(within: .seconds(1))
            _ = sink.flush(within: .seconds(1))
        }
        try await serve(result, surroundings)
    }

    /// Waits for a configuration if need be, then runs with it.
    private func serve(_ result: ConfigurationResult, _ surroundings: ServiceSurroundings) async throws {
        let verdict = ConfigurationVerdict()
        let configuration: Configuration
        var door: FrontDoor?
        switch result {
        case .success(let read, _):
            configuration = read
            surroundings.metrics.configurationLoaded(isReload: false)
            if let line = verdict.accepted(read.file) { surroundings.tell(line) }
        case .failure(let issues):
            let listen = surroundings.listen.isEmpty ? Configuration.Server().listen : surroundings.listen
            guard let (found, warnings, open) = try await WaitingRoom(surroundings, verdict: verdict).run(issues, listen: listen) else {
                return
            }
            door = open
            for warning in warnings { Terminal.note("\(warning)") }
            surroundings.sink.obey(found.log)
            configuration = found
        }
        do {
            try await AgentService(configuration, surroundings, verdict: verdict, door: door).run()
        } catch let failure as Failure {
            throw failure.exit()
        } catch let failure as StatusServer.BindFailure {
            Terminal.note("agent: \(failure). Choose another address with --listen or server.listen, or stop what uses it.")
            throw ExitCode(ExitStatus.configuration.rawValue)
        } catch let refusal as LocalSocket.Refusal {
            Terminal.note("agent: \(refusal).")
            throw ExitCode(ExitStatus.configuration.rawValue)
        }
    }

    static func endpoint(_ text: String) throws -> Endpoint {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (0...65535).contains(port) else {
            throw ValidationError("--listen '\(text)' is not host:port.")
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty else { throw ValidationError("--listen '\(text)' names no host.") }
        return Endpoint(host: host, port: port)
    }

    /// A probe that waits costs a descriptor, so take as many as the system grants.
    /// - Returns: how many there are.
    private static func raiseDescriptorLimit() -> Int {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        limit.rlim_cur = min(limit.rlim_max, 65536)
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(limit.rlim_cur)
    }
}

extension LogSink {
    /// Writes what the configuration wants, as it wants it.
    func obey(_ log: Configuration.Log) {
        logLevel = Logger.Level(log.level)
        format = log.format == .json ? .json : .text
    }
}

extension Logger.Level {
    init(_ level: Configuration.Log.Level) { self = Logger.Level(rawValue: level.rawValue) ?? .info }
}
