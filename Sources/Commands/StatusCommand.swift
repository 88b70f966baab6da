// `agent status`: asks a running agent how it is; used by HEALTHCHECK.
import ArgumentParser
import Curl
import Diagnosis
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

    /// For the whole command: whoever watches the agent with it has a limit of their own.
    private static let limit = Duration.seconds(5)

    func run() async throws {
        let deadline = Deadline.in(Self.limit)
        if address == nil, let agent = InsideAgent(options) {
            do {
                // Half of the time is left for HTTP, should nobody answer here.
                let alive = try await agent.send(.get, "/livez", within: Self.limit / 2)
                let uri = "/api/v1/status?" + agent.look
                let status = try await agent.send(.get, uri, accept: accept, within: deadline.remaining)
                await agent.close()
                return try show(alive, status, agent.path) { agent.show($0) }
            } catch let trouble as InsideAgent.Trouble {
                await agent.close()
                if let why = trouble.message(agent.path) { Terminal.note("agent: \(why); asking over HTTP") }
            }
        }
        let (place, unreadable) = address.map { ($0, nil) } ?? configuredPlace
        let http = CurlClient()
        do {
            let alive = try await http.send(HTTPRequest(url: "http://\(place)/livez"), until: deadline)
            let status = try await http.send(
                HTTPRequest(
                    url: "http://\(place)/api/v1/status", headers: [HTTPRequest.Header("Accept", accept)], bodyLimit: 16 << 20),
                until: deadline)
            await http.close()
            try show(alive, status, place) { Terminal.print(Redactor.harmless(String(decoding: $0.body, as: UTF8.self))) }
        } catch let failure as CurlFailure {
            await http.close()
            let why = failure.kind == .deadline ? "no answer within \(Span.short(Self.limit))" : failure.text
            let doubt = unreadable.map { "\n  \($0) cannot be read (agent config check), so the agent may listen elsewhere." } ?? ""
            throw unhealthy("No agent answers at \(place): \(why).\(doubt)")
        }
    }

    private var accept: String { output == .json ? "application/json" : "text/plain" }

    private func show(_ alive: HTTPReply, _ status: HTTPReply, _ place: String, _ print: (HTTPReply) -> Void) throws {
        guard alive.status == 200, status.status == 200 else {
            throw unhealthy("The agent at \(place) answers, but its scheduler does not tick (HTTP \(alive.status), \(status.status)).")
        }
        let isJSON = status.body.first == UInt8(ascii: "{")
        guard isJSON == (output == .json) else { throw unhealthy("What answers at \(place) is not an agent of this version.") }
        print(status)
    }

    /// Where the file says, or the default, and the file when it cannot be read: then it may say nothing about the agent that runs.
    private var configuredPlace: (place: String, unreadable: String?) {
        let fallback = "127.0.0.1:9745"
        switch Configuration.load(path: options.config, environment: Surroundings.variables) {
        case .success(let configuration, _): return (configuration.server.listen.first.map(reachable) ?? fallback, nil)
        case .failure(let issues):
            let known = Configuration.places(path: options.config, environment: Surroundings.variables)
            return (known?.server.listen.first.map(reachable) ?? fallback, issues.first?.file)
        }
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
}
