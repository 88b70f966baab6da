// The real names that go into a remedy.

/// What is known about the place of a failure, as values for the gaps of remedies.
package struct RemedyValues: Sendable, Hashable {
    private var values: [Placeholder: String] = [:]

    package init() {}

    /// Collects from the most general to the most particular: the failure's own values win.
    package init(
        target: Target? = nil, identity: IdentityDefinition? = nil, facts: Facts? = nil, failure: Failure? = nil,
        cloud: Cloud = .public
    ) {
        if let target { take(target, cloud: cloud) }
        if let identity { take(identity) }
        if let facts { take(facts) }
        if let target, let identity { values[.check] = CheckID(target: target.name, identity: identity.name).description }
        for (key, value) in failure?.values ?? [:] {
            if let gap = Placeholder(rawValue: key) { values[gap] = value }
        }
        if let wanted = failure?.values["required_tenant"] { values[.tenant] = wanted }
    }

    package subscript(gap: Placeholder) -> String? {
        get { values[gap] }
        set { values[gap] = newValue }
    }

    private mutating func take(_ target: Target, cloud: Cloud) {
        values[.server] = target.serverName
        values[.host] = target.host
        values[.port] = String(target.port)
        values[.database] = target.database
        values[.user] = target.user
        values[.resource] = cloud.resourceURI(target.engine.resource)
        values[.caFile] = target.caFile
        // In Azure SQL the user is named like the identity.
        if target.engine == .azuresql, let user = target.user { values[.identityName] = user }
        let suffix = target.host.drop { $0 != "." }.dropFirst()
        if suffix.contains(".database.") || suffix.hasPrefix("database.") { values[.zone] = "privatelink.\(suffix)" }
    }

    private mutating func take(_ identity: IdentityDefinition) {
        values[.identity] = identity.name
        switch identity.kind {
        case .managedIdentity(.systemAssigned): values[.identityResource] = "[system]"  // The word `az` has for it.
        case .managedIdentity(.clientID(let id)): values[.clientID] = id
        case .managedIdentity(.objectID(let id)): values[.objectID] = id
        case .managedIdentity(.resourceID(let id)):
            values[.identityResource] = id
            // /subscriptions/S/resourceGroups/G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/NAME
            let parts = id.split(separator: "/")
            values[.identityName] = parts.last.map(String.init)
        }
    }

    private mutating func take(_ facts: Facts) {
        if let address = facts.address ?? facts.addresses.first { values[.address] = address }
        if let objectID = facts.objectID { values[.objectID] = objectID }
        if let appID = facts.appID { values[.clientID] = appID }
        if let tenant = facts.tenant { values[.tenant] = tenant }
    }
}
