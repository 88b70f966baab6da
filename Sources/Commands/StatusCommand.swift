// `agent status`: asks a running agent how it is; used by HEALTHCHECK.
import ArgumentParser
import Curl
import Diagnosis
import FoundationEssentials
import Settings

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Asks the running agent how it is, and shows where every check stands.",
        discussion: """
            Asks over the local socket, and over HTTP where there is none.

            Exit status 0 when the agent answers and its scheduler ticks, whatever the targets do; 70 when not. Fit for HEALTHCHECK.

            EXAMPLES
              agent status
              agent status --output json
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(
        help: ArgumentHelp(
            "Where the agent listens; without it the local socket, then the first address of the configuration.", valueName: "host:port"))
    var address: String?

    @Option(help: "text or json.", transform: outputFormat)
    var output = OutputFormat.text

    func run() async throws {
        if address == nil, let agent = InsideAgent(options) {
            do {
                let alive = try await agent.send(.get, "/livez", within: InsideAgent.greeting)
                let status = try await agent.send(.get, "/api/v1/status", within: .seconds(5))
                await agent.close()
                return try show(alive, status, agent.path)
            } catch let trouble as InsideAgent.Trouble {
                await agent.close()
                if let why = trouble.message(agent.path) { Terminal.note("agent: \(why); asking over HTTP") }
            }
        }
        let place: String
        if let address { place = address } else { place = configuredPlace }
        let http = CurlClient()
        do {
            let alive = try await http.send(HTTPRequest(url: "http://\(place)/livez"), until: .in(.seconds(5)))
            let status = try await http.send(
                HTTPRequest(url: "http://\(place)/api/v1/status", bodyLimit: 16 << 20), until: .in(.seconds(5)))
            await http.close()
            try show(alive, status, place)
        } catch let failure as CurlFailure {
            await http.close()
            throw unhealthy("No agent answers at \(place): \(failure).")
        }
    }

    private func show(_ alive: HTTPReply, _ status: HTTPReply, _ place: String) throws {
        guard alive.status == 200, status.status == 200 else {
            throw unhealthy("The agent at \(place) answers, but its scheduler does not tick (HTTP \(alive.status), \(status.status)).")
        }
        switch output {
        case .json: Terminal.print(String(decoding: status.body, as: UTF8.self))
        case .text: Terminal.print(try summary(status.body, place))
        }
    }

    /// Where the file says, or the default: a file that has been edited badly says nothing about the agent that runs.
    private var configuredPlace: String {
        guard case .success(let configuration, _) = Configuration.load(path: options.config, environment: Surroundings.variables) else {
            return "127.0.0.1:9745"
        }
        return configuration.server.listen.first.map(reachable) ?? "127.0.0.1:9745"
    }

    /// An agent that listens everywhere is asked on loopback.
    private func reachable(_ endpoint: Endpoint) -> String {
        switch endpoint.host {
        case "0.0.0.0": Endpoint(host: "127.0.0.1", port: endpoint.port).description
        case "::": Endpoint(host: "::1", port: endpoint.port).description
        default: endpoint.description
        }
    }

    private func unhealthy(_ message: String) -> ExitCode {
        Terminal.note("agent: \(message)")
        return ExitCode(ExitStatus.internal.rawValue)
    }

    private func summary(_ body: [UInt8], _ place: String) throws -> String {
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(body)) else {
            throw unhealthy("What answers at \(place) is not an agent of this version.")
        }
        let counts = Dictionary(grouping: answer.checks, by: \.state).map { "\($0.value.count) \($0.key)" }.sorted().joined(separator: ", ")
        var lines = ["agent \(answer.version) on \(answer.host) at \(place), \(answer.time): \(counts.isEmpty ? "no checks" : counts)"]
        let width = answer.checks.map(\.id.count).max() ?? 0
        for check in answer.checks {
            let mark = check.state == "up" ? "√" : check.state == "down" ? "×" : "·"
            let name = check.id + String(repeating: " ", count: width - check.id.count)
            let why = [check.cause, check.phase.map { "in \($0)" }, check.since.map { "since \($0)" }].compactMap { $0 }.joined(
                separator: " ")
            lines.append("\(mark) \(name)  \(check.state)  \(why)")
        }
        for identity in answer.identities where identity.state != "up" {
            lines.append("· identity \(identity.identity)  \(identity.state)  \(identity.cause ?? "")")
        }
        return Redactor.lines(lines)
    }

    /// What is read of `/api/v1/status`; the contract has more.
    private struct Answer: Decodable {
        struct Check: Decodable {
            var id: String
            var state: String
            var cause: String?
            var phase: String?
            var since: String?
        }
        struct Identity: Decodable {
            var identity: String
            var state: String
            var cause: String?
        }
        var version: String
        var time: String
        var host: String
        var checks: [Check]
        var identities: [Identity]
    }
}

extension Redactor {
    /// Lines that came from another process, each made safe to print.
    static func lines(_ lines: [String]) -> String { lines.map(scrub).joined(separator: "\n") }
}
