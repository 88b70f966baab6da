// One thing that is wrong with a configuration, with the place where it stands.
package import Diagnosis

/// An error or a warning about a configuration. Its text never holds the value of a secret.
package struct SettingsIssue: Error, Sendable, Hashable, CustomStringConvertible, JSONTabled {
    package var severity: Severity
    /// The file as it was named; nil when there is no file.
    package var file: String?
    /// Counted from 1; nil when the whole file is meant.
    package var line: Int?
    /// Counted from 1, in Unicode scalars.
    package var column: Int?
    /// Where in the structure: `targets[0].port`; empty for the whole file.
    package var path: String
    package var message: String
    /// What was probably meant, as it would be written.
    package var suggestion: String?

    package init(
        _ severity: Severity = .error, file: String?, line: Int? = nil, column: Int? = nil, path: String = "", message: String,
        suggestion: String? = nil
    ) {
        self.severity = severity
        self.file = file
        self.line = line
        self.column = column
        self.path = path
        self.message = message
        self.suggestion = suggestion
    }

    /// One line: `agent.yaml:12:5: targets[0].prt: unknown key; did you mean "port"?`, warnings marked as such.
    package var description: String {
        var text = ""
        if let file {
            text += file
            if let line { text += ":\(line)" + (column.map { ":\($0)" } ?? "") }
            text += ": "
        }
        if severity != .error { text += "\(severity.rawValue): " }
        if !path.isEmpty { text += "\(path): " }
        text += message
        if let suggestion { text += "; did you mean \"\(suggestion)\"?" }
        return text
    }

    package static let table = JSONTable<SettingsIssue>("issue", "One thing that is wrong with a configuration.") {
        JSONKey("severity", "Only errors keep the file from being used.") { $0.severity }
        JSONKey("file", "As it was named; null when there is none.") { $0.file }
        JSONKey("line", "Counted from 1; null when the whole file is meant.") { $0.line }
        JSONKey("column", "Counted from 1.") { $0.column }
        JSONKey("path", "Where in the structure; empty for the whole file.") { $0.path }
        JSONKey("message", "What is wrong.") { $0.message }
        JSONKey("suggestion", "What was probably meant.") { $0.suggestion }
    }
}

/// What `agent config check` says of a file.
package struct ConfigurationCheck: Sendable, JSONTabled {
    package var issues: [SettingsIssue]
    /// Nil when the file is wrong.
    package var summary: ConfigurationSummary?

    package init(issues: [SettingsIssue], summary: ConfigurationSummary?) {
        self.issues = issues
        self.summary = summary
    }

    package static let table = JSONTable<ConfigurationCheck>(
        "config-check", "What is wrong with a file, and what it costs.",
        rules: [.init(when: "valid", is: true, then: [("summary", ConfigurationSummary.shape)], otherwise: [("summary", .null)])]
    ) {
        JSONKey("schema", "The number of the contract.") { _ in SchemaNumber() }
        JSONKey("valid", "Whether the agent would run with it.") { $0.summary != nil }
        JSONKey("issues", "Errors and warnings, by line.") { $0.issues }
        JSONKey("summary", "Null when it is not valid.") { $0.summary }
    }
}

/// What reading a configuration came to.
package enum ConfigurationResult: Sendable {
    case success(Configuration, warnings: [SettingsIssue])
    /// **Shape**: every error of the file and its warnings, by line; at least one of them is an error.
    case failure([SettingsIssue])

    package var issues: [SettingsIssue] {
        switch self {
        case .success(_, let warnings): warnings
        case .failure(let issues): issues
        }
    }
}
