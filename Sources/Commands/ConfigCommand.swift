// `agent config`: what the file says, before anything runs with it.
import ArgumentParser
import Diagnosis
import Settings

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Checks and shows the configuration file.", subcommands: [Check.self, Show.self, Schema.self])

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
                Terminal.print(ConfigurationCheck(issues: result.issues, summary: summary).json.pretty)
            case .text:
                for issue in result.issues { Terminal.note("\(issue)") }
                if let summary { Terminal.print(summary.text) }
            }
            if summary == nil { throw ExitCode(ExitStatus.configuration.rawValue) }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Prints the configuration that is in force with this file: every key, defaults filled in, without secrets.",
            discussion: """
                What the file does not give is marked. The result reads back as the same configuration. Exit status 78 when the file is wrong.
                """)

        @OptionGroup var options: ConfigurationOptions

        @Option(help: "yaml or json.", transform: documentFormat)
        var output = DocumentFormat.yaml

        func run() throws {
            let effective = EffectiveConfiguration(reading: try options.load())
            Terminal.print(output == .yaml ? effective.yaml : effective.json.pretty)
        }
    }

    struct Schema: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "schema",
            abstract: "Prints the JSON Schema (draft 2020-12) of the configuration file, for editors and checks of one's own.",
            discussion: "'agent config check' finds more: names that do not exist, spans that do not fit, files that cannot be read.")

        @Option(help: "json or yaml.", transform: documentFormat)
        var output = DocumentFormat.json

        func run() { Terminal.print(output == .yaml ? YAMLText.render(ConfigurationSchema.json) : ConfigurationSchema.json.pretty) }
    }
}

/// How a document is written.
enum DocumentFormat: String { case yaml, json }

func documentFormat(_ text: String) throws -> DocumentFormat {
    guard let format = DocumentFormat(rawValue: text) else {
        throw ValidationError("'\(text)' is no format of a document; use yaml or json.")
    }
    return format
}
