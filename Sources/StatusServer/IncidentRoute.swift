// `/api/v1/incidents`: when checks were failing, newest first.
import Diagnosis

struct IncidentRoute {
    let history: (any HistoryReading)?

    func answer(_ target: RequestTarget) async -> Answer {
        let query: IncidentQuery
        switch Self.query(target) {
        case .success(let value): query = value
        case .failure(let problem): return .error(400, "parameter_invalid", problem.text)
        }
        guard let history else { return .json(Incident.listJSON([], limit: query.limit)) }
        do {
            return .json(Incident.listJSON(try await history.incidents(query), limit: query.limit))
        } catch {
            return .error(503, "history_unavailable", "the history cannot be read: \(error.detail ?? error.cause.rawValue)")
        }
    }

    /// The parameters that observations have as well mean the same here; `open` takes the place of `failures`.
    static func query(_ target: RequestTarget) -> Result<IncidentQuery, HistoryRoute.Problem> {
        var shared = target
        shared.parameters.removeAll { $0.name == "open" }
        guard !shared.has("failures"), target.parameters.count - shared.parameters.count <= 1 else {
            return .failure(HistoryRoute.Problem(text: "the parameters are check, target, since, before, limit and open, each once"))
        }
        let open = target.parameters.first { $0.name == "open" }
        guard ["", "true", "false"].contains(open?.value ?? "") else {
            return .failure(HistoryRoute.Problem(text: "open is true or false"))
        }
        return HistoryRoute.query(shared).map { query in
            IncidentQuery(
                check: query.check, target: query.target, since: query.since, before: query.before, limit: query.limit,
                onlyOpen: open.map { $0.value != "false" } ?? false)
        }
    }
}
