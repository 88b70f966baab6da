// `agent incidents`: when checks and identities were failing, from the running agent or out of its file.
import ArgumentParser
import Diagnosis

struct IncidentsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "incidents",
        abstract: "Shows spans of time in which checks and identities were failing, newest first.",
        discussion: """
            An incident opens after two failing probes in a row, after one when its cause does not mend itself, and closes after two \
            successful ones. A new cause keeps it open. Nothing opens in the first minute of the service.

            Requests for tokens count as probes of the identity by itself, shown as /IDENTITY: an identity that no target uses has \
            incidents as well.

            EXAMPLES
              agent incidents --open
              agent incidents orders --since 7d
              agent incidents /app
              agent incidents --file /var/lib/agent/history.db --output json

            Exit status 0, also when there was none; 78 when the named file does not exist, 75 when it is not read in 10 s.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "A check (TARGET/IDENTITY), a target, or an identity by itself (/IDENTITY); everything when left out.")
    var check: String?

    @Option(help: "The database file to read; without it the running agent is asked, or the file of the configuration read.")
    var file: String?

    @Flag(help: "Only incidents that last.")
    var open = false

    @Option(help: ArgumentHelp("Only what lasted until then: 30m, 24h, 7d, or a time as 2026-11-22T03:04:00Z.", valueName: "when"))
    var since: String?

    @Option(help: ArgumentHelp("Only what opened before this time; the 'next' of an earlier answer.", valueName: "time"))
    var before: String?

    @Option(help: "How many at most, 1 to 10000.")
    var limit = 50

    @Option(help: "text or json.", transform: outputFormat)
    var output = OutputFormat.text

    func validate() throws {
        guard (1...10_000).contains(limit) else { throw ValidationError("--limit takes 1 to 10000.") }
        if let since { try sinceMoment(since) }
        if let before { try beforeMoment(before) }
    }

    func run() async throws {
        let id = check.flatMap { CheckID($0) }
        let query = IncidentQuery(
            check: id, target: id == nil ? check : nil, since: since.flatMap { HistoryCommand.moment($0, now: .now) },
            before: before.flatMap { Timestamp(rfc3339: $0) }, limit: limit, onlyOpen: open)
        try await HistorySource(file: file, options).answer(.incidents(query), as: output)
    }
}
