// `agent run`: the service.
import ArgumentParser
import Diagnosis
import Glibc
import Logging
import Schedule
import ServiceLifecycle
import Settings
import StatusServer
import Telemetry
import UnixSignals

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs the service: probes every check at its interval, keeps history, serves the status page and metrics.",
        discussion: """
            Ends politely within 10 seconds on SIGTERM or SIGINT; a second signal ends it at once.

            Commands of the same user reach it over a local socket beside the history file (server.socket).

            Logs go to standard error; standard output carries one JSON line per change of state of a check, an identity or the store.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(help: ArgumentHelp("Listen here instead of where the configuration says; may be repeated.", valueName: "host:port"))
    var listen: [String] = []

    // Of the contract, still to come.
    @Flag(help: .hidden) var stay = false
    @Option(help: .hidden) var shard: String?

    func run() async throws {
        if stay { throw notInThisVersion("agent run --stay") }
        if shard != nil { throw notInThisVersion("agent run --shard") }
        var configuration = try options.load()
        if !listen.isEmpty { configuration.server.listen = try listen.map(Self.endpoint) }
        let descriptors = Self.raiseDescriptorLimit()
        let sink = LogSink(level: Logger.Level(configuration.log.level))
        let format = configuration.log.format == .json ? LogFormat.json : .text
        let logger = Logger(label: "agent") { AgentLogHandler(label: $0, sink: sink, format: format) }
        let service: AgentService
        do {
            service = try AgentService(configuration, descriptors: descriptors, logger: logger, sink: sink)
        } catch {
            throw error.exit()
        }
        // Ends with the process: a second signal does not wait for anybody.
        let impatience = Task {
            var count = 0
            for await signal in await UnixSignalsSequence(trapping: .sigterm, .sigint) {
                count += 1
                if count == 2 { _exit(signal == .sigint ? 130 : 143) }
            }
        }
        // Ends with the process, too: the default of this signal would end the service.
        let reload = Task {
            for await _ in await UnixSignalsSequence(trapping: .sighup) {
                logger.warning("reloading the configuration is not in this version; restart the agent instead")
            }
        }
        defer {
            impatience.cancel()
            reload.cancel()
            _ = sink.flush(within: .seconds(1))
        }
        do {
            try await service.run()
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

extension Logger.Level {
    init(_ level: Configuration.Log.Level) { self = Logger.Level(rawValue: level.rawValue) ?? .info }
}
