// Every kind of JSON document that the program writes, by the name under which `agent schema` shows its schema.
import Diagnosis
import Settings
import StatusServer

/// The documents, and their schema.
enum OutputSchema {
    static let documents =
        [
            JSONDocument("diagnose", "agent diagnose, /api/v1/diagnose", Report.shape),
            JSONDocument("status", "agent status, /api/v1/status", Report.shape),
            JSONDocument("token", "agent token", TokenReport.shape),
            JSONDocument(
                "history", "agent history, /api/v1/history", Report.listShape("history", of: HistoryItem.shape)),
            JSONDocument(
                "history-sums", "agent history --by, /api/v1/history?by=hour",
                Report.listShape("history-sums", of: Rollup.shape)),
            JSONDocument(
                "history-facts", "agent history --facts, /api/v1/history?facts",
                Report.listShape("history-facts", of: FactChange.shape)),
            JSONDocument(
                "incidents", "agent incidents, /api/v1/incidents", Report.listShape("incidents", of: Incident.shape)),
            JSONDocument("changes", "agent changes, /api/v1/changes", FactsComparison.shape),
            JSONDocument("state-line", "one line of agent run on standard output", StateLine.shape),
            JSONDocument("config-check", "agent config check", ConfigurationCheck.shape),
        ] + WebDocuments.all

    /// - Parameter name: of one document; all of them when nil.
    /// - Returns: nil for a name that there is not.
    static func json(_ name: String?) -> JSON? {
        guard let name else { return JSONSchema.json(of: documents, version: AgentVersion.current) }
        if name == "config" { return ConfigurationSchema.json }
        return documents.first { $0.name == name }.map { JSONSchema.json(of: $0, version: AgentVersion.current) }
    }
}
