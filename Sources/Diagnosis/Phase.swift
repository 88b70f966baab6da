// The timed steps of a probe, in the order in which they run.

/// A timed step of a probe.
///
/// `config` and `internal` name failures that happened outside a probe and have no duration.
package enum Phase: String, Sendable, Hashable, Codable, CaseIterable {
    case config, token, dns, tcp, negotiate, tls, login, query, privileges
    case `internal`

    /// The steps that a probe of any engine runs through, in order.
    package static let probed: [Phase] = [.token, .dns, .tcp, .negotiate, .tls, .login, .query, .privileges]

    /// The login and what comes behind it: of these only another login says whether they work again.
    package var isOfLogin: Bool { [.login, .query, .privileges].contains(self) }
}

/// The database products that can be probed.
package enum Engine: String, Sendable, Hashable, Codable, CaseIterable {
    case postgresql, mysql, azuresql

    /// The port that the product listens on when the configuration names none.
    package var defaultPort: Int {
        switch self {
        case .postgresql: 5432
        case .mysql: 3306
        case .azuresql: 1433
        }
    }

    /// The resource whose tokens this product accepts.
    package var resource: TokenResource {
        switch self {
        case .postgresql, .mysql: .ossrdbms
        case .azuresql: .azuresql
        }
    }
}
