// What is probed, and with which identity: the configured nouns.

/// One database on one server.
package struct Target: Sendable, Hashable {
    /// The value of the label `target`: `[a-zA-Z0-9._-]{1,64}`.
    package var name: String
    package var engine: Engine
    package var host: String
    package var port: Int
    package var database: String
    /// The login name; `nil` for Azure SQL, where the token alone names the principal.
    package var user: String?
    /// Names of identities, one check each.
    package var identities: [String]
    package var interval: Duration
    package var timeout: Duration
    /// A file with additional trust anchors (PEM).
    package var caFile: String?
    /// Rights that the identities must have and must not have.
    package var privileges: PrivilegeRules
    /// Whether logins may keep a serverless database awake; Azure SQL alone has such.
    package var wake: WakeMode

    package init(
        name: String, engine: Engine, host: String, port: Int, database: String, user: String?, identities: [String],
        interval: Duration = .seconds(60), timeout: Duration = .seconds(15), caFile: String? = nil,
        privileges: PrivilegeRules = PrivilegeRules(), wake: WakeMode = .auto
    ) {
        self.name = name
        self.engine = engine
        self.host = host
        self.port = port
        self.database = database
        self.user = user
        self.identities = identities
        self.interval = interval
        self.timeout = timeout
        self.caFile = caFile
        self.privileges = privileges
        self.wake = wake
    }

    package var checks: [CheckID] { identities.map { CheckID(target: name, identity: $0) } }

    /// The first label of the host name: what the `az` commands call the server.
    package var serverName: String { String(host.prefix { $0 != "." }) }
}

extension Sequence<Target> {
    /// What the tokens of an identity are for: what its targets take, and a word of any where it has none.
    package func resources(of identity: String) -> [TokenResource] {
        let used = Set(filter { $0.identities.contains(identity) }.map(\.engine.resource))
        return used.isEmpty ? [.ossrdbms] : TokenResource.allCases.filter(used.contains)
    }
}

/// One way to get a token, as configured.
package struct IdentityDefinition: Sendable, Hashable {
    package var name: String
    package var kind: Kind

    package init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
    }

    package enum Kind: Sendable, Hashable {
        case managedIdentity(ManagedIdentitySelector)
    }

    /// Which managed identity is meant.
    package var selector: ManagedIdentitySelector {
        switch kind {
        case .managedIdentity(let selector): selector
        }
    }
}

/// Which of the managed identities of this compute is meant.
package enum ManagedIdentitySelector: Sendable, Hashable {
    case systemAssigned
    case clientID(String)
    case objectID(String)
    case resourceID(String)
}
