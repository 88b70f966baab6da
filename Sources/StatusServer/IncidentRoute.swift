// The parameters of `/api/v1/incidents`: when checks were failing.
import Diagnosis

enum IncidentRoute {
    /// The parameters that observations have as well mean the same here; `open` takes the place of `failures`.
    static func query(_ target: RequestTarget, limit: Int = HistoryRoute.limit) -> Result<IncidentQuery, HistoryRoute.Problem> {
        var shared = target
        shared.parameters.removeAll { $0.name == "open" }
        guard !shared.has("failures"), target.parameters.count - shared.parameters.count <= 1 else {
            return .failure(HistoryRoute.Problem(text: "the parameters are check, target, since, before, limit and open, each once"))
        }
        let open = target.parameters.first { $0.name == "open" }
        guard ["", "true", "false"].contains(open?.value ?? "") else {
            return .failure(HistoryRoute.Problem(text: "open is true or false"))
        }
        return HistoryRoute.query(shared, limit: limit).map { query in
            IncidentQuery(
                check: query.check, target: query.target, since: query.since, before: query.before, limit: query.limit,
                onlyOpen: open.map { $0.value != "false" } ?? false)
        }
    }
}
