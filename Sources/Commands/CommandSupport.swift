// What every verb shares: the configuration, exits, and the words for what this version lacks.
import ArgumentParser
import Diagnosis
import Logging
import Settings
import Telemetry

/// The options that every verb that reads the configuration has.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: "The configuration file. Without it: $AGENT_CONFIG, ./agent.yaml, /etc/agent/agent.yaml.")
    var config: String?

    /// Reads the configuration, prints its warnings; ends the program with 78 and every error of the file when it is wrong.
    func load() throws -> Configuration {
        switch Configuration.load(path: config, environment: Surroundings.variables) {
        case .success(let configuration, let warnings):
            for warning in warnings { Terminal.note("\(warning)") }
            return configuration
        case .failure(let issues):
            for issue in issues { Terminal.note("\(issue)") }
            throw ExitCode(ExitStatus.configuration.rawValue)
        }
    }
}

/// How a command writes its result.
enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
    case text, json
}

/// Reads an output format; the contract's other formats get a word of their own.
func outputFormat(_ text: String) throws -> OutputFormat {
    if let format = OutputFormat(rawValue: text) { return format }
    if ["ndjson", "junit", "nagios", "markdown", "yaml"].contains(text) {
        throw ValidationError("--output \(text) is not in this version; it writes text and json.")
    }
    throw ValidationError("'\(text)' is no output format; use text or json.")
}

let logLevelHelp = ArgumentHelp(
    "What is logged to standard error: trace, debug, info, notice, warning, error, critical.", valueName: "level")

func readLogLevel(_ text: String) throws -> Logger.Level {
    guard let level = Logger.Level(rawValue: text) else {
        throw ValidationError("'\(text)' is no log level; use \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
    return level
}

/// A logger for commands that answer a person: quiet unless asked.
func commandLogger(_ level: Logger.Level, sink: LogSink) -> Logger {
    sink.logLevel = level
    return Logger(label: "agent") { AgentLogHandler(label: $0, sink: sink, format: .text) }
}

extension Failure {
    /// The failure as a command reports it before it can do anything: what, why, what to do.
    var message: String {
        ([detail ?? cause.row.means] + evidence.map(\.line).prefix(2)).joined(separator: "\n  ") + "\n  \(cause.hint)"
    }

    /// Prints the failure and ends the program with its exit status.
    func exit() -> ExitCode {
        Terminal.note("agent: \(message)")
        return ExitCode(ExitStatus(self).rawValue)
    }
}
