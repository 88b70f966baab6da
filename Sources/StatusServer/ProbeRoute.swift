// `/probe` and `/sd/targets`: Prometheus decides when, and learns what there is. Only configured names: no address ever comes from a request.
import Diagnosis
import NIOCore
import Telemetry

/// One probe on demand.
struct ProbeRoute {
    /// What an answer needs on its way back. Source: blackbox_exporter, `--timeout-offset`.
    static let offset: Duration = .milliseconds(500)

    let sources: StatusSources
    let metrics: Metrics

    func answer(_ request: RequestTarget, _ facts: RequestFacts) async -> Answer {
        guard let probe = sources.probe else { return .error(404, "not_found", "this agent does not probe on demand") }
        let target: Target
        let check: CheckID
        switch Self.check(request, among: sources.targets()) {
        case .success(let found): (target, check) = found
        case .failure(let problem): return .error(400, "parameter_invalid", problem.text)
        }
        let timeout = Self.timeout(facts.scrapeTimeout, of: target)
        switch await probe(check, timeout) {
        case .observed(let observation, let resting):
            let choice = MetricsChoice(accept: facts.accept)
            let page = ProbeExposition(observation, timeout: timeout, resting: resting).render(as: choice.format)
            return Answer(type: choice.contentType, body: ByteBuffer(bytes: page), headers: [("Vary", "Accept")])
        case .busy:
            metrics.httpRejected(.rate)
            return Self.unavailable("probe_limit", "as many probes on demand as may be are under way; ask again in a moment")
        case .crowded:
            metrics.httpRejected(.rate)
            return Self.crowded
        case .late:
            return Self.unavailable("probe_late", "a probe of this check is under way and takes longer than this request may")
        case .closed: return Self.unavailable("stopping", "this agent is stopping, or its configuration has just changed")
        }
    }

    /// Says nothing of the check: its server was not asked.
    static var crowded: Answer {
        unavailable(
            "probe_concurrency",
            "no place came free in time: as many probes talk to servers as limits.concurrency lets; many of them may hang, or it is too small"
        )
    }

    static func unavailable(_ code: String, _ message: String) -> Answer {
        .error(503, code, message, headers: [("Retry-After", "1")])
    }

    struct Problem: Error {
        var text: String
    }

    /// The check that the parameters name. The answers hold nothing that the client sent.
    static func check(_ request: RequestTarget, among targets: [Target]) -> Result<(Target, CheckID), Problem> {
        var values: [String: String] = [:]
        for parameter in request.parameters {
            guard parameter.name == "target" || parameter.name == "identity" else {
                return .failure(Problem(text: "the parameters are target and identity"))
            }
            guard values.updateValue(parameter.value, forKey: parameter.name) == nil else {
                return .failure(Problem(text: "a parameter is given twice"))
            }
        }
        guard let name = values["target"] else { return .failure(Problem(text: "target is missing: the name of a configured target")) }
        guard let target = targets.first(where: { $0.name == name }) else {
            return .failure(Problem(text: "no target of this name is configured; /sd/targets lists them"))
        }
        if let identity = values["identity"] {
            guard target.identities.contains(identity) else {
                return .failure(Problem(text: "this target is not probed with an identity of this name; /sd/targets lists them"))
            }
            return .success((target, CheckID(target: name, identity: identity)))
        }
        guard target.identities.count == 1, let only = target.identities.first else {
            return .failure(Problem(text: "this target is probed with several identities: name one with identity"))
        }
        return .success((target, CheckID(target: name, identity: only)))
    }

    /// What the scraper leaves for the probe, never more than the configuration gives it.
    /// - Parameter header: seconds, as Prometheus writes them; what is no such number counts as absent.
    static func timeout(_ header: String?, of target: Target) -> Duration {
        guard let seconds = header.flatMap(Double.init), seconds.isFinite, seconds > 0 else { return target.timeout }
        let whole = Duration.seconds(fraction: seconds)
        // A scraper in such a hurry that the offset would leave less than half gets half of its time.
        return min(target.timeout, max(whole - offset, whole / 2))
    }
}

/// What there is to probe, for Prometheus' HTTP service discovery.
enum TargetsRoute {
    /// One group a check. **Source**: Prometheus, "Writing HTTP service discovery".
    static func answer(_ targets: [Target]) -> Answer {
        .json(targets.flatMap { target in target.checks.map { Group(target: target, check: $0) } }.json)
    }

    struct Group: Sendable, JSONTabled {
        var target: Target
        var check: CheckID

        static let table = JSONTable<Group>("discovered", "One check, as Prometheus' HTTP service discovery reads it.") {
            JSONKey("targets", "The name of the target.") { [$0.target.name] }
            JSONKey("labels", "Parameters of the scrape, and labels of the series.", .names(.text())) { $0.labels }
        }

        /// `__param_*` become parameters of the scrape, so a job needs no more than its address set to this agent's.
        private var labels: JSON {
            [
                "__metrics_path__": "/probe", "__param_target": target.name, "__param_identity": check.identity,
                "__meta_dbprobe_engine": target.engine.rawValue, "__meta_dbprobe_host": target.host,
                "instance": check.description, "target": target.name, "identity": check.identity,
            ]
        }
    }
}
