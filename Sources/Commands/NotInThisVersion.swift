// Verbs and options of the contract that are still to come say so, instead of being unknown or, worse, ignored.
import ArgumentParser
import Diagnosis

/// Ends the program with the usage status and a clear sentence.
func notInThisVersion(_ what: String) -> ExitCode {
    Terminal.note("agent: '\(what)' is not in this version (\(AgentVersion.current)). See 'agent --help' for what is.")
    return ExitCode(ExitStatus.usage.rawValue)
}

/// A verb of the contract that is not built yet.
protocol PendingCommand: ParsableCommand {
    static var verb: String { get }
}

extension PendingCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: verb, abstract: "Not in this version.", shouldDisplay: false)
    }
    func run() throws { throw notInThisVersion("agent \(Self.verb)") }
}

struct ExplainCommand: PendingCommand {
    static let verb = "explain"
    @Argument(parsing: .allUnrecognized) var rest: [String] = []
}
struct WaitCommand: PendingCommand {
    static let verb = "wait"
    @Argument(parsing: .allUnrecognized) var rest: [String] = []
}
struct DiscoverCommand: PendingCommand {
    static let verb = "discover"
    @Argument(parsing: .allUnrecognized) var rest: [String] = []
}
struct RestartSafeCommand: PendingCommand {
    static let verb = "restart-safe"
    @Argument(parsing: .allUnrecognized) var rest: [String] = []
}
