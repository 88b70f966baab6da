// The keys of log metadata: dotted, from one list, so that a search written once goes on working.
package import Logging

/// A key of log metadata.
package enum LogKey: String, Sendable, CaseIterable {
    case checkID = "check.id"
    case targetName = "target.name"
    case identityName = "identity.name"
    case failureCause = "failure.cause"
    case failureDetail = "failure.detail"
    case phaseName = "phase.name"
    case stateFrom = "state.from"
    case stateTo = "state.to"
    case duration = "duration.seconds"
    case configurationFile = "configuration.file"
    case configurationIssue = "configuration.issue"
    case historyPath = "history.path"
    case serverAddress = "server.address"
    case serverHandler = "server.handler"
    case agentVersion = "agent.version"
    case count = "count"
    case error = "error"
}

extension Logger {
    /// Metadata out of the list of keys.
    package static func metadata(_ pairs: KeyValuePairs<LogKey, String>) -> Logger.Metadata {
        Logger.Metadata(pairs.map { ($0.key.rawValue, .string($0.value)) }, uniquingKeysWith: { $1 })
    }
}
