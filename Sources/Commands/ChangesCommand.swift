// `agent changes`: what was different when a check began to fail, from the running agent or out of its file.
import ArgumentParser
import Diagnosis

struct ChangesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "changes",
        abstract: "Shows what differs between the last good and the first bad observation of a check.",
        discussion: """
            Compared are addresses, aliases, certificate, TLS, version and role of the server, users, and what the token says of the \
            identity, at the newest failures of the check. What the first failing probe did not reach is not compared.

            EXAMPLES
              agent changes orders/app
              agent changes orders/app --output json

            Exit status 0, also when nothing differs; 78 when the named file does not exist, 75 when it is not read in 10 s.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "A check, TARGET/IDENTITY.")
    var check: String

    @Option(help: "The database file to read; without it the running agent is asked, or the file of the configuration read.")
    var file: String?

    @Option(help: "text or json.", transform: outputFormat)
    var output = OutputFormat.text

    func validate() throws {
        if CheckID(check) == nil { throw ValidationError("'\(check)' is no check; it has the form TARGET/IDENTITY.") }
    }

    func run() async throws {
        guard let id = CheckID(check) else { return }
        try await HistorySource(file: file, options).answer(.changes(id), as: output)
    }
}
