// `agent config`: what the file says, before anything runs with it.
import ArgumentParser
import Diagnosis
import Settings

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Checks the configuration file.", subcommands: [Check.self, Show.self, Schema.self])

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check",
            abstract: "Reads the file, names every error with its line, and says what the configuration will cost the servers.",
            discussion: "Exit status 0 when the file is right (warnings included), 78 when it is not.")

        @OptionGroup var options: ConfigurationOptions

        @Option(help: ArgumentHelp("How many agents run with this file, for the sums.", valueName: "n"))
        var instances = 1

        @Option(help: "text or json.", transform: outputFormat)
        var output = OutputFormat.text

        func validate() throws {
            guard (1...100_000).contains(instances) else { throw ValidationError("--instances takes 1 to 100000.") }
        }

        func run() throws {
            let result = Configuration.load(path: options.config, environment: Surroundings.variables)
            let summary: ConfigurationSummary? =
                if case .success(let configuration, _) = result { ConfigurationSummary(configuration, instances: instances) } else { nil }
            switch output {
            case .json:
                let document: JSON = ["schema": 1, "valid": summary != nil, "issues": result.issues, "summary": summary]
                Terminal.print(document.pretty)
            case .text:
                for issue in result.issues { Terminal.note("\(issue)") }
                if let summary { Terminal.print(summary.text) }
            }
            if summary == nil { throw ExitCode(ExitStatus.configuration.rawValue) }
        }
    }

    struct Show: PendingCommand {
        static let verb = "config show"
        static let configuration = CommandConfiguration(commandName: "show", abstract: "Not in this version.", shouldDisplay: false)
        @Argument(parsing: .allUnrecognized) var rest: [String] = []
    }

    struct Schema: PendingCommand {
        static let verb = "config schema"
        static let configuration = CommandConfiguration(commandName: "schema", abstract: "Not in this version.", shouldDisplay: false)
        @Argument(parsing: .allUnrecognized) var rest: [String] = []
    }
}
