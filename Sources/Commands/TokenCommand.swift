// `agent token`: what an identity gets, how and until when; never the token.
import ArgumentParser
import Diagnosis
import Identity
import Logging
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

    @Option(help: "What the token is for: ossrdbms (PostgreSQL, MySQL) or azuresql.")
    var resource = TokenResource.ossrdbms

    @Option(help: "text or json.", transform: outputFormat)
    var output = OutputFormat.text

    @Option(help: ArgumentHelp("Seconds to try.", valueName: "seconds"))
    var timeout = 30.0

    @Option(help: ArgumentHelp("What is logged to standard error: trace, debug, info, notice, warning, error, critical.", valueName: "level"))
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
        switch output {
        case .json: Terminal.print(TokenReport(result).json.pretty)
        case .text: Terminal.print(TokenReport(result).text(now: .now))
        }
        if case .failed(let failure) = result.outcome { throw ExitCode(ExitStatus(failure).rawValue) }
    }
}

extension TokenResource: ExpressibleByArgument {}

/// The words for one acquisition.
struct TokenReport: JSONRepresentable {
    var acquisition: TokenAcquisition

    init(_ acquisition: TokenAcquisition) { self.acquisition = acquisition }

    private var token: AcquiredToken? {
        if case .acquired(let token) = acquisition.outcome { token } else { nil }
    }
    private var failure: Failure? {
        if case .failed(let failure) = acquisition.outcome { failure } else { nil }
    }

    var json: JSON {
        let claims = token?.token.claims
        return [
            "schema": 1, "identity": acquisition.identity, "source": acquisition.source, "endpoint": acquisition.place,
            "api_version": acquisition.apiVersion, "parameter": acquisition.parameter, "resource": acquisition.resource,
            "duration_seconds": acquisition.duration, "state": token == nil ? "down" : "up", "cause": failure?.cause,
            "same_token": token?.isSameToken, "token_bytes": token?.token.length, "expires": token?.token.expires,
            "audience": claims?.audience, "tenant_id": claims?.tenant, "issuer": claims?.issuer, "app_id": claims?.appID,
            "object_id": claims?.objectID, "principal": claims?.principal, "managed_identity": claims?.managedIdentityResource,
            "groups": claims?.groupCount, "groups_overage": claims?.groupOverage, "issued_at": claims?.issuedAt,
            "not_before": claims?.notBefore, "token_id": claims?.uti,
            "attempts": JSON.array(
                acquisition.attempts.map { attempt -> JSON in
                    [
                        "status": attempt.status, "duration_seconds": attempt.duration, "cause": attempt.cause,
                        "retry_after_seconds": attempt.retryAfter, "pause_seconds": attempt.pause,
                    ]
                }),
            "evidence": failure?.evidence ?? [], "hint": failure?.cause.hint,
        ]
    }

    func text(now: Timestamp) -> String {
        var lines = ["\(token == nil ? "×" : "√") \(acquisition.identity)  \(acquisition.source.rawValue)  \(acquisition.place ?? "no endpoint")"]
        let asked = [acquisition.apiVersion.map { "api-version \($0)" }, acquisition.parameter ?? "no identity named", acquisition.resource]
        lines.append("  asked    \(asked.compactMap { $0 }.joined(separator: ", "))")
        lines.append("  took     \(Span.short(acquisition.duration))\(tries)")
        if let token {
            let claims = token.token.claims
            lines.append("  ends     \(token.token.expires) (in \(Span.long(token.token.expires - now))), \(token.token.length) bytes\(token.isSameToken ? ", the same token as before" : "")")
            lines.append("  audience \(claims.audience ?? "unknown")")
            lines.append("  tenant   \(claims.tenant ?? "unknown")   issuer \(claims.issuer ?? "unknown")")
            lines.append("  who      \(claims.principal.rawValue)   client id \(claims.appID ?? token.clientID ?? "unknown")   object id \(claims.objectID ?? "unknown")")
            if let resource = claims.managedIdentityResource { lines.append("  identity \(resource)") }
            if claims.groupOverage { lines.append("  groups   too many for the token; a server has to look them up") }
            if let count = claims.groupCount { lines.append("  groups   \(count)") }
            if let issued = claims.issuedAt { lines.append("  issued   \(issued) (\(Span.long(now - issued)) ago)") }
            if let failure = token.renewalFailure { lines.append("  ‼ renewal fails: \(failure.cause.rawValue)") }
        }
        if let failure {
            lines.append("  cause    \(failure.cause.rawValue), \(failure.certainty.rawValue): \(failure.detail ?? failure.cause.means)")
            lines += failure.evidence.map { "  seen     \($0.line)" }
            lines.append("  hint     \(failure.cause.hint)")
        }
        return lines.joined(separator: "\n")
    }

    private var tries: String {
        guard acquisition.attempts.count > 1 else { return "" }
        let each = acquisition.attempts.map { $0.status.map(String.init) ?? "no reply" }.joined(separator: ", ")
        return " in \(acquisition.attempts.count) tries (\(each))"
    }
}
