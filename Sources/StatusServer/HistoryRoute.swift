// `/api/v1/history`, `/incidents` and `/changes`: what happened, newest first.
import Diagnosis
import Telemetry

struct HistoryRoute {
    /// Most items of one answer, over the web and to a command on this machine.
    static let limit = 1000
    static let commandLimit = 10_000
    let history: (any HistoryReading)?

    /// JSON, unless text is asked for.
    func answer(_ handler: HTTPHandlerName, _ request: RequestTarget, _ facts: RequestFacts) async -> Answer {
        var request = request
        let look = Presentation(takenFrom: &request, isLocal: facts.isLocal)
        let question: HistoryQuestion
        switch Self.question(handler, request, limit: facts.isLocal ? Self.commandLimit : Self.limit) {
        case .success(let value): question = value
        case .failure(let problem): return .error(400, "parameter_invalid", problem.text)
        }
        var found = question.emptyAnswer
        if let history {
            do {
                found = try await question.answer(from: history)
            } catch {
                return .error(503, "history_unavailable", "the history cannot be read: \(error.detail ?? error.cause.rawValue)")
            }
        }
        guard look.prefersText(facts.accept) else { return look.json(found.json) }
        return .text(found.text(place: "the running agent", now: .now, style: look.style))
    }

    static func question(
        _ handler: HTTPHandlerName, _ target: RequestTarget, limit: Int = Self.limit
    ) -> Result<HistoryQuestion, Problem> {
        switch handler {
        case .incidents: return IncidentRoute.query(target, limit: limit).map(HistoryQuestion.incidents)
        case .changes:
            guard target.parameters.count == 1, let check = target.parameters.first, check.name == "check",
                let id = CheckID(check.value)
            else { return .failure(Problem(text: "the parameter is check, of the form target/identity")) }
            return .success(.changes(id))
        case _ where target.has("facts"): return changesOfFacts(target, limit: limit)
        default: return target.has("by") ? sums(target, limit: limit) : query(target, limit: limit).map(HistoryQuestion.observations)
        }
    }

    /// `by=hour` or `by=day`: what the probes add up to.
    private static func sums(_ target: RequestTarget, limit: Int) -> Result<HistoryQuestion, Problem> {
        var shared = target
        shared.parameters.removeAll { $0.name == "by" }
        let spans = target.parameters.filter { $0.name == "by" }
        guard spans.count == 1, let span = Rollup.Span(rawValue: spans[0].value), !shared.has("before"), !shared.has("failures") else {
            return .failure(Problem(text: "by is hour or day; before and failures are for single observations"))
        }
        return query(shared, limit: limit).map { query in
            .sums(RollupQuery(span, check: query.check, target: query.target, since: query.since, limit: query.limit))
        }
    }

    /// `facts`: when what was known of one check changed.
    private static func changesOfFacts(_ target: RequestTarget, limit: Int) -> Result<HistoryQuestion, Problem> {
        var shared = target
        shared.parameters.removeAll { $0.name == "facts" }
        let problem = Problem(text: "facts goes with check and limit, each once")
        guard target.parameters.count - shared.parameters.count == 1,
            ["", "true"].contains(target.parameters.first { $0.name == "facts" }?.value),
            shared.parameters.allSatisfy({ ["check", "limit"].contains($0.name) })
        else { return .failure(problem) }
        return query(shared, limit: limit).flatMap { query in
            query.check.map { .success(.facts($0, limit: query.limit)) } ?? .failure(problem)
        }
    }

    struct Problem: Error {
        var text: String
    }

    static func query(_ target: RequestTarget, limit most: Int = Self.limit) -> Result<HistoryQuery, Problem> {
        var query = HistoryQuery(limit: 100)
        var seen: Set<String> = []
        for parameter in target.parameters {
            guard seen.insert(parameter.name).inserted else { return .failure(Problem(text: "a parameter is given twice")) }
            switch parameter.name {
            case "check":
                guard let check = CheckID(parameter.value) else {
                    return .failure(Problem(text: "check has the form target/identity, or /identity for an identity by itself"))
                }
                query.check = check
            case "target":
                guard !parameter.value.isEmpty else { return .failure(Problem(text: "target must not be empty")) }
                query.target = parameter.value
            case "since", "before":
                guard let time = Timestamp(rfc3339: parameter.value) else {
                    return .failure(Problem(text: "\(parameter.name) is a time such as 2026-11-22T03:04:11Z"))
                }
                if parameter.name == "since" { query.since = time } else { query.before = time }
            case "limit":
                guard let limit = Int(parameter.value), (1...most).contains(limit) else {
                    return .failure(Problem(text: "limit is a number from 1 to \(most)"))
                }
                query.limit = limit
            case "failures":
                guard ["", "true", "false"].contains(parameter.value) else {
                    return .failure(Problem(text: "failures is true or false"))
                }
                query.onlyFailures = parameter.value != "false"
            default:
                return .failure(Problem(text: "the parameters are check, target, since, before, limit, failures and by"))
            }
        }
        if query.check != nil, query.target != nil { return .failure(Problem(text: "give check or target, not both")) }
        return .success(query)
    }
}
