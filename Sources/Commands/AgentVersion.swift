// Which agent this is.

/// The version that sessions, metrics and reports name.
package enum AgentVersion {
    package static let current = "0.1.0"
    /// What database sessions call themselves, so that administrators can filter.
    package static let applicationName = "agent/\(current)"
}
