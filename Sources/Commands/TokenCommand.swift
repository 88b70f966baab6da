// `agent token`: what an identity gets, how and until when; never the token.
import ArgumentParser
import Diagnosis
import Identity
import Logging
import Settings
import Telemetry

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Acquires a token for one identity and shows where it came from and what it says. Never the token.",
        discussion: """
            Asks the source of the identity now, past every cache of the agent (the platform's own cache may still answer).

            EXAMPLES
              agent token
              agent token app --resource azuresql --output json

            The exit status is 0 with a token and 10 without.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "The identity; may be left out when the configuration has one only.")
    var identity: String?

    @Option(help: "What the token is for: ossrdbms (PostgreSQL, MySQL) or azuresql.", transform: tokenResource)
    var resource = TokenResource.ossrdbms

    @Option(help: "text or json.", transform: outputFormat)
    var output = OutputFormat.text

    @Option(help: ArgumentHelp("Seconds to try.", valueName: "seconds"))
    var timeout = 30.0

    @Option(help: logLevelHelp, transform: readLogLevel)
    var logLevel = Logger.Level.error

    func validate() throws {
        guard (0.1...600).contains(timeout) else { throw ValidationError("--timeout takes 0.1 to 600 seconds.") }
    }

    func run() async throws {
        let configuration = try options.load()
        let names = configuration.identities.map(\.name)
        guard let name = identity ?? (names.count == 1 ? names[0] : nil), names.contains(name) else {
            let question = identity.map { "there is no identity '\(Redactor.scrub($0))'" } ?? "say which identity"
            Terminal.note("agent: \(question). Known: \(names.joined(separator: ", "))")
            throw ExitCode(ExitStatus.usage.rawValue)
        }
        let sink = LogSink()
        let logger = commandLogger(logLevel, sink: sink)
        defer { _ = sink.flush(within: .seconds(1)) }
        let workbench: Workbench
        do {
            workbench = try Workbench(configuration, logger: logger)
        } catch {
            throw error.exit()
        }
        let result: TokenAcquisition
        do {
            result = try await workbench.identities.acquire(
                named: name, for: resource, fresh: true, until: .in(.seconds(fraction: timeout)))
        } catch .failed(let failure) {
            throw failure.exit()
        } catch {
            throw ExitCode(ExitStatus.interrupted.rawValue)
        }
        await workbench.close()
        guard let definition = configuration.identities.first(where: { $0.name == name }) else { return }
        let report = TokenReport(result, identity: definition, resource: resource, now: .now)
        switch output {
        case .json: Terminal.print(report.json.pretty)
        case .text: Terminal.print(TokenText.render(report, style: Terminal.style))
        }
        throw ExitCode(report.exit.rawValue)
    }
}

private func tokenResource(_ text: String) throws -> TokenResource {
    guard let resource = TokenResource(rawValue: text) else { throw ValidationError("'\(text)' is no resource; use ossrdbms or azuresql.") }
    return resource
}

extension TokenReport {
    /// The story of an acquisition as a report; each try is a link of its chain.
    init(_ story: TokenAcquisition, identity: IdentityDefinition, resource: TokenResource, now: Timestamp) {
        let outcome: Outcome =
            switch story.outcome {
            case .acquired(let acquired):
                .acquired(
                    acquired.token.claims, expires: acquired.token.expires, length: acquired.token.length, isCached: acquired.isCached,
                    warning: acquired.renewalFailure)
            case .failed(let failure): .failed(failure)
            }
        let asked = [story.apiVersion.map { "api-version \($0)" }, story.parameter ?? "no identity named", story.resource]
            .compactMap { $0 }.joined(separator: ", ")
        let chain = story.attempts.map { attempt in
            let answer = attempt.status.map { "HTTP \($0)" } ?? "no reply"
            let wait = attempt.pause.map { ", then waited \(Span.short($0))" } ?? ""
            return Link(
                source: story.source, result: attempt.cause == nil ? "won" : "failed",
                reason: "\(asked): \(answer) after \(Span.short(attempt.duration))\(attempt.cause.map { ", \($0.rawValue)" } ?? "")\(wait)")
        }
        self.init(
            identity: identity, resource: resource, source: story.source, endpoint: story.place ?? "none", duration: story.duration,
            time: now, outcome: outcome, chain: chain)
    }
}
