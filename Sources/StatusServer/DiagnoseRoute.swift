// `/api/v1/diagnose`: the report of `agent diagnose`, made inside the agent. Over the web for one check, out of the ordinary budget of
// logins; over the local socket for the command of the same user, which also asks what would run and ends what it began.
package import Diagnosis
import NIOCore
import Telemetry

/// One question for a diagnosis.
package struct DiagnoseQuestion: Sendable, Hashable {
    /// Targets or checks; empty for all.
    package var names: [String]
    /// Whether the command of the agent's own user asks: logins that rest are tried again then.
    package var isCommand: Bool
    /// Whether a sleeping database may be woken, which is billed.
    package var wakes: Bool
    /// When the answer has to be there; nil for as long as it takes.
    package var timeout: Duration?
    package var failOn: Severity
    /// The name by which the asker may end it early.
    package var run: String?

    package init(
        names: [String], isCommand: Bool = false, wakes: Bool = false, timeout: Duration? = nil, failOn: Severity = .error,
        run: String? = nil
    ) {
        self.wakes = wakes
        self.names = names
        self.isCommand = isCommand
        self.timeout = timeout
        self.failOn = failOn
        self.run = run
    }
}

/// What a diagnosis would do.
package struct DiagnosePlan: Sendable, Hashable, JSONRepresentable {
    package var version: String
    package var checks: [CheckID]
    /// When it is over by itself.
    package var limit: Duration
    /// Those of the checks that are probed on demand just now.
    package var underWay: [CheckID]

    package init(version: String, checks: [CheckID], limit: Duration, underWay: [CheckID]) {
        self.version = version
        self.checks = checks
        self.limit = limit
        self.underWay = underWay
    }

    package var json: JSON {
        ["schema": Report.schema, "version": version, "checks": checks, "limit_seconds": limit, "under_way": underWay]
    }
}

/// A name that fits no check, and what there is.
package struct UnknownCheck: Error, Sendable, Hashable {
    package var known: [String]
    package init(known: [String]) { self.known = known }
}

/// What came of a diagnosis.
package enum DiagnoseReply: Sendable {
    case report(Report)
    /// As many probes as may be are under way.
    case busy
    /// No place came free in time under the cap on probes that talk to servers.
    case crowded
    /// Somebody else's probe of the check is under way, and did not end within the time.
    case late
    /// The agent is stopping.
    case closed
}

/// Diagnoses from inside the running agent.
package protocol Diagnosing: Sendable {
    func plan(_ names: [String]) -> Result<DiagnosePlan, UnknownCheck>
    func diagnose(_ question: DiagnoseQuestion) async -> Result<DiagnoseReply, UnknownCheck>
    /// Ends a diagnosis now: its asker gets what there is.
    func end(_ run: String)
}

struct DiagnoseRoute {
    let diagnosis: any Diagnosing
    let metrics: Metrics

    func answer(_ request: RequestTarget, _ facts: RequestFacts) async -> Answer {
        var request = request
        let look = Presentation(takenFrom: &request, isLocal: facts.isLocal)
        let isCommand = facts.isLocal && facts.method == "POST"
        let wish: Wish
        switch Self.wish(request, isLocal: facts.isLocal) {
        case .success(let value): wish = value
        case .failure(let problem): return .error(400, "parameter_invalid", problem.text)
        }
        if isCommand, wish.isEnd {
            guard let run = wish.question.run else { return .error(400, "parameter_invalid", "run is missing") }
            diagnosis.end(run)
            return .json(["schema": 1])
        }
        if wish.isPlan {
            return diagnosis.plan(wish.question.names).answer(isLocal: facts.isLocal) { .json($0.json) }
        }
        guard facts.isLocal || wish.question.names.count == 1 else {
            return .error(400, "parameter_invalid", "check is missing: a configured target/identity; /sd/targets lists them")
        }
        var question = wish.question
        question.isCommand = isCommand
        question.wakes = isCommand && question.wakes
        let isText = !look.prefersJSON(facts.accept)
        return await diagnosis.diagnose(question).answer(isLocal: facts.isLocal) { reply in
            switch reply {
            case .report(let report): return Self.answer(report, isText: isText, look)
            case .busy:
                metrics.httpRejected(.rate)
                return ProbeRoute.unavailable("probe_limit", "as many probes on demand as may be are under way; ask again in a moment")
            case .crowded:
                metrics.httpRejected(.rate)
                return ProbeRoute.crowded
            case .late:
                return ProbeRoute.unavailable("probe_late", "a probe of this check is under way and takes longer than this request may")
            case .closed: return ProbeRoute.unavailable("stopping", "this agent is stopping")
            }
        }
    }

    private static func answer(_ report: Report, isText: Bool, _ look: Presentation) -> Answer {
        var answer = isText ? Answer.text(ReportText.render(report, style: look.style)) : look.json(report.json)
        answer.set("X-Agent-Exit", String(report.exit.rawValue))
        let unfinished = report.checks.map(\.status).filter { $0.state == .unknown }.map(\.id.description)
        if !unfinished.isEmpty { answer.set("X-Agent-Unfinished", unfinished.prefix(12).joined(separator: ", ")) }
        if !report.crowded.isEmpty {
            answer.set("X-Agent-Crowded", report.crowded.sorted().prefix(12).map(\.description).joined(separator: ", "))
        }
        return answer
    }

    struct Wish: Sendable, Hashable {
        var question: DiagnoseQuestion
        var isPlan = false
        var isEnd = false
    }

    /// Over the web there is `check` and nothing else.
    static func wish(_ request: RequestTarget, isLocal: Bool) -> Result<Wish, HistoryRoute.Problem> {
        var wish = Wish(question: DiagnoseQuestion(names: []))
        func problem(_ text: String) -> Result<Wish, HistoryRoute.Problem> { .failure(HistoryRoute.Problem(text: text)) }
        for parameter in request.parameters {
            switch parameter.name {
            case "check":
                guard !parameter.value.isEmpty else { return problem("check must not be empty") }
                wish.question.names.append(parameter.value)
            case "plan" where isLocal: wish.isPlan = true
            case "end" where isLocal: wish.isEnd = true
            case "wake" where isLocal: wish.question.wakes = true
            case "run" where isLocal: wish.question.run = parameter.value
            case "fail_on" where isLocal:
                guard let severity = Severity(rawValue: parameter.value), severity != .info else {
                    return problem("fail_on is warning or error")
                }
                wish.question.failOn = severity
            case "timeout" where isLocal:
                guard let seconds = Double(parameter.value), (0.1...86_400).contains(seconds) else {
                    return problem("timeout is a number of seconds from 0.1 to 86400")
                }
                wish.question.timeout = .seconds(fraction: seconds)
            default: return problem("the parameter is check")
            }
        }
        if !isLocal, wish.question.names.count > 1 { return problem("a parameter is given twice") }
        return .success(wish)
    }
}

extension Result where Failure == UnknownCheck {
    /// Names that fit nothing are answered with what there is, to the same user; over the web as every other such mistake.
    fileprivate func answer(isLocal: Bool, _ body: (Success) -> Answer) -> Answer {
        switch self {
        case .success(let value): return body(value)
        case .failure(let unknown):
            guard isLocal else {
                return .error(400, "parameter_invalid", "no check of this name is configured; /sd/targets lists them")
            }
            let json: JSON = [
                "schema": 1, "error": ["code": "check_unknown", "message": "there is no such target or check"] as JSON,
                "known": Array(unknown.known.prefix(20)),
            ]
            return .json(json, status: 400)
        }
    }
}
