// The numbers a command ends with: a contract with scripts.

/// How a command ends. **Source**: the product's table of exit statuses.
package enum ExitStatus: Int32, Sendable, Hashable, Comparable, CaseIterable {
    case healthy = 0
    /// Only with `--fail-on warning`.
    case warnings = 1
    /// Identity or token.
    case token = 10
    /// Name or connection.
    case network = 20
    case tls = 30
    case login = 40
    case privileges = 50
    /// Query or threshold.
    case query = 60
    case usage = 64
    case `internal` = 70
    /// The command's own deadline passed.
    case unfinished = 75
    case configuration = 78
    case interrupted = 130

    /// The number of a failure: that of its cause's group, or of the phase where the cause says nothing about the place.
    package init(cause: Cause, phase: Phase) {
        self =
            switch cause {
            case .probeDeadline, .unclassified: ExitStatus(phase: phase)
            default: ExitStatus(group: cause.group)
            }
    }

    package init(_ failure: Failure) { self.init(cause: failure.cause, phase: failure.phase) }

    package init(phase: Phase) {
        self =
            switch phase {
            case .config: .configuration
            case .token: .token
            case .dns, .tcp: .network
            case .negotiate, .tls: .tls
            case .login: .login
            case .query: .query
            case .privileges: .privileges
            case .internal: .internal
            }
    }

    package init(group: Cause.Group) {
        self =
            switch group {
            case .config: .configuration
            case .token: .token
            case .dns, .tcp: .network
            case .tls: .tls
            case .login, .session: .login
            case .privilege: .privileges
            case .query: .query
            case .internal: .internal
            }
    }

    package static func < (a: ExitStatus, b: ExitStatus) -> Bool { a.rawValue < b.rawValue }
}
