// Asking the running agent over its local socket. Whatever listens there, a command never hangs on it.
import Curl
import Diagnosis
import Glibc
import Settings

/// The agent behind a local socket.
struct InsideAgent: Sendable {
    let path: String
    /// Whether it runs as this user. What another's says, which only root hears, is made safe to print.
    private let isOwn: Bool
    private let http = CurlClient()

    /// How long it may take until an agent that lives says a first word.
    static let greeting = Duration.seconds(3)
    private static let bodyLimit = 64 << 20

    /// Nil when there is no socket. One that belongs to another user is not asked: it could say anything.
    init?(path: String) {
        guard let owner = Surroundings.socketOwner(path) else { return nil }
        let me = geteuid()
        guard me == 0 || owner == me || owner == 0 else {
            Terminal.note("agent: the socket \(path) belongs to user \(owner); only that user and root ask the agent there")
            return nil
        }
        self.path = path
        isOwn = owner == me
    }

    /// The socket that the configuration names, also when the rest of the file cannot be read, or else the usual one: an agent that runs goes on with what it read
    /// before somebody edited the file badly.
    init?(_ options: ConfigurationOptions) {
        let environment = Surroundings.variables
        let socket: Configuration.Socket? =
            if case .success(let configuration, _) = Configuration.load(path: options.config, environment: environment) {
                configuration.server.socket
            } else {
                Configuration.places(path: options.config, environment: environment).map(\.server.socket)
                    ?? Configuration.defaultSocket(environment)
            }
        guard let socket else { return nil }
        self.init(path: socket.path)
    }

    /// Why there is no answer.
    enum Trouble: Error, Sendable, Hashable {
        /// Nobody listens: the agent has died.
        case absent
        case silent
        /// It went away before its answer was complete.
        case gone
        case cancelled
        case broken(String)

        /// What a person is told before the command goes on without it; nil when there is nothing to tell.
        func message(_ path: String) -> String? {
            switch self {
            case .absent, .cancelled: nil
            case .silent: "the process at the local socket \(path) does not answer"
            case .gone: "the running agent went away before it answered; was it stopped?"
            case .broken(let text): "the local socket \(path) cannot be used: \(text)"
            }
        }
    }

    func send(
        _ method: HTTPRequest.Method, _ uri: String, accept: String = "application/json", within limit: Duration
    ) async throws(Trouble) -> HTTPReply {
        do {
            // The name is for the head of the request only; a local request is not judged by it.
            return try await http.send(
                HTTPRequest(
                    method, url: "http://localhost\(uri)", headers: [HTTPRequest.Header("Accept", accept)],
                    connectTimeout: Self.greeting, bodyLimit: Self.bodyLimit, socket: path), until: .in(limit))
        } catch {
            switch error.kind {
            case .deadline: throw .silent
            case .cancelled: throw .cancelled
            // Source: curl/curl.h, CURLE_OPERATION_TIMEDOUT: here the limit for the connection.
            case .transfer where error.code == 28: throw .silent
            case .transfer where error.step == .connect || error.step == .resolve: throw .absent
            case .transfer: throw .gone
            case .bodyTooLarge, .closed, .request: throw .broken(error.text)
            }
        }
    }

    func close() async { await http.close() }

    /// The parameters that say how the text or the JSON is to look here.
    var look: String {
        let style = Terminal.style
        return "width=\(style.width)&color=\(style.color && isOwn)&pretty=true"
    }

    /// Prints what the agent wrote, as it is.
    func show(_ reply: HTTPReply) {
        let text = String(decoding: reply.body, as: UTF8.self)
        Terminal.print(isOwn ? text : Redactor.harmless(text))
    }
}

extension CheckSelection {
    /// Path and query of a question about these checks.
    func uri(_ parameters: [String]) -> String {
        let all = names.map { "check=\(URIText.encoded($0))" } + parameters
        return "/api/v1/diagnose" + (all.isEmpty ? "" : "?" + all.joined(separator: "&"))
    }
}
