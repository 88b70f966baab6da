// `agent history`: what happened, from the running agent or out of its file.
import ArgumentParser
import Diagnosis

struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Shows recorded observations, newest first.",
        discussion: """
            Asks the running agent over its local socket; when none answers, and with --file, reads the SQLite file without writing to it. \
            Requests for tokens are there as probes of the identity by itself, /IDENTITY.

            EXAMPLES
              agent history --limit 20
              agent history orders/app --failures --since 24h
              agent history orders/app --by day --since 90d
              agent history orders/app --facts
              agent history --file /var/lib/agent/history.db --output json

            Exit status 0, also when nothing is recorded; 78 when the named file does not exist, 75 when it is not read in 10 s.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "A check (TARGET/IDENTITY), a target, or an identity by itself (/IDENTITY); everything when left out.")
    var check: String?

    @Option(help: "The database file to read; without it the running agent is asked, or the file of the configuration read.")
    var file: String?

    @Option(help: ArgumentHelp("Only what is younger: 30m, 24h, 7d, or a time as 2026-11-22T03:04:00Z.", valueName: "when"))
    var since: String?

    @Option(help: ArgumentHelp("Only what is older than this time; the 'next' of an earlier answer.", valueName: "time"))
    var before: String?

    @Option(help: "How many at most, 1 to 10000.")
    var limit = 50

    @Flag(help: "Only failures.")
    var failures = false

    @Option(help: ArgumentHelp("Sums instead of single observations: hour or day.", valueName: "span"), transform: rollupSpan)
    var by: Rollup.Span?

    @Flag(help: "Changes of what was known of one check instead: addresses, certificate, server, users, rights.")
    var facts = false

    @Option(help: "text or json.", transform: outputFormat)
    var output = OutputFormat.text

    func validate() throws {
        guard (1...10_000).contains(limit) else { throw ValidationError("--limit takes 1 to 10000.") }
        if let since { try sinceMoment(since) }
        if by != nil, failures || before != nil {
            throw ValidationError("--by shows sums; --failures and --before are for single observations.")
        }
        if facts {
            guard check.flatMap({ CheckID($0) }) != nil else { throw ValidationError("--facts is about one check: TARGET/IDENTITY.") }
            if failures || before != nil || since != nil || by != nil {
                throw ValidationError("--facts shows changes; --failures, --since, --before and --by are for observations.")
            }
        }
        if let before { try beforeMoment(before) }
    }

    func run() async throws {
        let id = check.flatMap { CheckID($0) }
        let target = id == nil ? check : nil
        let since = since.flatMap { Self.moment($0, now: .now) }
        let question: HistoryQuestion =
            if facts, let id {
                .facts(id, limit: limit)
            } else if let by {
                .sums(RollupQuery(by, check: id, target: target, since: since, limit: limit))
            } else {
                .observations(
                    HistoryQuery(
                        check: id, target: target, since: since, before: before.flatMap { Timestamp(rfc3339: $0) }, limit: limit,
                        onlyFailures: failures))
            }
        try await HistorySource(file: file, options).answer(question, as: output)
    }

    /// A span back from now, or a time.
    static func moment(_ text: String, now: Timestamp) -> Timestamp? {
        if let time = Timestamp(rfc3339: text) { return time }
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Double(text.dropLast()), count > 0, count < 1e6 else { return nil }
        return now + .seconds(fraction: -count * unit)
    }
}

/// Reads the argument of `--by`.
func rollupSpan(_ text: String) throws -> Rollup.Span {
    guard let span = Rollup.Span(rawValue: text) else { throw ValidationError("--by takes hour or day, not '\(text)'.") }
    return span
}
