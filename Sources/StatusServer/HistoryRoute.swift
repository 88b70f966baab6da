// `/api/v1/history`: what happened, newest first.
import Diagnosis

struct HistoryRoute {
    /// Most items of one answer.
    static let limit = 1000
    let history: (any HistoryReading)?

    func answer(_ target: RequestTarget) async -> Answer {
        let query: HistoryQuery
        switch Self.query(target) {
        case .success(let value): query = value
        case .failure(let problem): return .error(400, "parameter_invalid", problem.text)
        }
        guard let history else { return .json(Self.list([], limit: query.limit)) }
        do {
            return .json(Self.list(try await history.observations(query), limit: query.limit))
        } catch {
            return .error(503, "history_unavailable", "the history cannot be read: \(error.detail ?? error.cause.rawValue)")
        }
    }

    /// `next` is the value of `before` for the page that follows; null at the end.
    static func list(_ items: [HistoryItem], limit: Int) -> JSON {
        let next = items.count >= limit ? items.last.map { $0.time + $0.duration } : nil
        return Report.listJSON(items: items.map(\.json), next: next?.description)
    }

    struct Problem: Error {
        var text: String
    }

    static func query(_ target: RequestTarget) -> Result<HistoryQuery, Problem> {
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
                guard let limit = Int(parameter.value), (1...Self.limit).contains(limit) else {
                    return .failure(Problem(text: "limit is a number from 1 to \(Self.limit)"))
                }
                query.limit = limit
            case "failures":
                guard ["", "true", "false"].contains(parameter.value) else {
                    return .failure(Problem(text: "failures is true or false"))
                }
                query.onlyFailures = parameter.value != "false"
            default:
                return .failure(Problem(text: "the parameters are check, target, since, before, limit and failures"))
            }
        }
        if query.check != nil, query.target != nil { return .failure(Problem(text: "give check or target, not both")) }
        return .success(query)
    }
}
