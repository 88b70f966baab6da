// From a path to an answer: a table, not a framework, because there are few paths and two methods.
import Diagnosis
import NIOCore
import Telemetry

/// One request as the routes see it: everything that may decide about an answer, and nothing else.
struct RequestFacts: Sendable {
    var method: String
    /// Path and query as they came, percent-encoded.
    var uri: String
    var host: String?
    var hasBody: Bool
    var accept: String?
    var acceptEncoding: String?
    /// The value of `X-Prometheus-Scrape-Timeout-Seconds`.
    var scrapeTimeout: String?
    /// Whether it came over the local socket, from the user of the agent.
    var isLocal = false
}

/// Answers requests out of the injected sources.
struct Routes: Sendable {
    let sources: StatusSources
    let metrics: Metrics
    let hosts: HostNames
    let uriLimit: Int
    let caches: RenderCaches

    /// **Shape**: the answer and the name under which it is counted.
    func answer(_ request: RequestFacts) async -> (answer: Answer, handler: HTTPHandlerName) {
        let target = RequestTarget(request.uri)
        let handler = target.map { Self.handler($0.path) } ?? .other
        if let refusal = refusal(request) { return (refusal, handler) }
        guard let target else { return (.error(400, "malformed_request", "the path of the request cannot be read"), .other) }
        return (await answer(handler, target, request), handler)
    }

    private func refusal(_ request: RequestFacts) -> Answer? {
        if request.uri.utf8.count > uriLimit {
            metrics.httpRejected(.uriSize)
            return .error(414, "uri_too_long", "the address of a request may have 8 kB", closes: true)
        }
        // No browser reaches the local socket, so there is nothing that a name could be pointed at.
        guard request.isLocal || hosts.accepts(request.host) else {
            metrics.httpRejected(.host)
            return .error(
                421, "host_unknown",
                "this name is not one of mine; use an address or localhost, or add the name to server.hosts", closes: true)
        }
        if request.hasBody {
            metrics.httpRejected(.body)
            return .error(413, "body_not_allowed", "requests have no body here", closes: true)
        }
        guard request.method == "GET" || request.method == "HEAD" || mayPost(request) else {
            metrics.httpRejected(.method)
            return .error(405, "method_not_allowed", "only GET and HEAD are answered", headers: [("Allow", "GET, HEAD")])
        }
        return nil
    }

    /// What changes something, if only the pause between two logins, is for the command of the same user.
    private func mayPost(_ request: RequestFacts) -> Bool {
        request.isLocal && request.method == "POST" && RequestTarget(request.uri).map { Self.handler($0.path) } == .diagnose
    }

    static func handler(_ path: String) -> HTTPHandlerName {
        switch path {
        case "/": .page
        case "/metrics": .metrics
        case "/livez", "/-/healthy": .livez
        case "/readyz", "/-/ready": .readyz
        case "/healthz": .healthz
        case "/api/v1/status": .status
        case "/api/v1/history": .history
        case "/api/v1/incidents": .incidents
        case "/api/v1/changes": .changes
        case "/api/v1/diagnose": .diagnose
        case "/probe": .probe
        case "/sd/targets": .discovery
        default: .other
        }
    }

    private func answer(_ handler: HTTPHandlerName, _ target: RequestTarget, _ request: RequestFacts) async -> Answer {
        switch handler {
        case .page:
            return varied(await caches.page.value(coding(request)) { StatusPage.answer(sources.report()) })
        case .metrics: return await exposition(request)
        case .livez, .healthz: return Health.livez(sources.liveness(), isVerbose: target.has("verbose"))
        case .readyz: return Health.readyz(sources.readiness(), isVerbose: target.has("verbose"))
        case .status: return await status(target, request)
        case .history, .incidents, .changes:
            let answer = await HistoryRoute(history: sources.history).answer(handler, target, request)
            return varied(answer.coded(coding(request)), on: "Accept, Accept-Encoding")
        case .diagnose:
            guard let diagnosis = sources.diagnosis else { return .error(404, "not_found", "this agent does not diagnose on demand") }
            let answer = await DiagnoseRoute(diagnosis: diagnosis, metrics: metrics).answer(target, request)
            return varied(answer.coded(coding(request)), on: "Accept, Accept-Encoding")
        case .probe: return await ProbeRoute(sources: sources, metrics: metrics).answer(target, request)
        case .discovery: return TargetsRoute.answer(sources.targets())
        case .other: return .error(404, "not_found", "there is nothing at this path; see /")
        }
    }

    /// JSON, or the text of `agent status` for whoever names it.
    private func status(_ target: RequestTarget, _ request: RequestFacts) async -> Answer {
        var target = target
        let look = Presentation(takenFrom: &target, isLocal: request.isLocal)
        let isText = look.prefersText(request.accept)
        let answer: Answer
        if request.isLocal {
            // A command has a look of its own, and there are few of them.
            let report = sources.report()
            answer = (isText ? .text(StatusText.render(report, style: look.style)) : look.json(report.json)).coded(coding(request))
        } else if isText {
            answer = await caches.statusText.value(coding(request)) { .text(StatusText.render(sources.report())) }
        } else {
            answer = await caches.status.value(coding(request)) { .json(sources.report().json) }
        }
        return varied(answer, on: "Accept, Accept-Encoding")
    }

    private func exposition(_ request: RequestFacts) async -> Answer {
        let choice = MetricsChoice(accept: request.accept)
        let cache = choice.format == .openMetrics ? caches.openMetrics : caches.metrics
        var answer = await cache.value(coding(request)) {
            Answer(
                type: choice.format.contentType,
                body: ByteBuffer(bytes: Exposition.render(sources.exposition(), as: choice.format)))
        }
        answer.set("Content-Type", choice.contentType)
        return varied(answer, on: "Accept, Accept-Encoding")
    }

    private func coding(_ request: RequestFacts) -> ContentCoding { ContentCoding(acceptEncoding: request.acceptEncoding) }

    /// Tells caches on the way by which headers the answer was chosen, also when it is the plain one.
    private func varied(_ answer: Answer, on headers: String = "Accept-Encoding") -> Answer {
        var answer = answer
        answer.set("Vary", headers)
        return answer
    }
}
