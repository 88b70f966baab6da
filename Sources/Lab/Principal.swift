// Who can get tokens in the lab: managed identities with the ids that Entra would have given them.

/// A managed identity of the lab's one compute resource.
package struct Principal: Sendable, Hashable {
    /// The name of the identity in the agent's configuration.
    package var name: String
    package var kind: Kind
    package var clientID: String
    package var objectID: String
    /// Object ids of the groups this principal is a member of, as its tokens carry them.
    package var groups: [String]

    package init(name: String, kind: Kind, clientID: String, objectID: String, groups: [String] = []) {
        self.name = name
        self.kind = kind
        self.clientID = clientID
        self.objectID = objectID
        self.groups = groups
    }

    package enum Kind: Sendable, Hashable { case systemAssigned, userAssigned }

    package static let tenant = "5f0a7c6e-3d0f-4b77-9a51-6a1c2e9d4b10"
    package static let foreignTenant = "0b9d2f44-8c1e-4d1a-bb60-1f7f3f6a2c55"
    package static let subscription = "2d6f1a8b-90c4-4c1d-8f0a-7be0c3a95e21"
    package static let readersGroup = "c41d9e02-6f5b-4f0e-a7d3-0e8b52f6d913"

    /// The ARM id: of the identity itself when user-assigned, of the web app that owns it otherwise.
    /// Segment spelling as in the claim `xms_mirid`.
    package var resourceID: String {
        let group = "/subscriptions/\(Self.subscription)/resourcegroups/rg-shop/providers"
        return switch kind {
        case .systemAssigned: "\(group)/Microsoft.Web/sites/shop-web"
        case .userAssigned: "\(group)/Microsoft.ManagedIdentity/userAssignedIdentities/\(name)"
        }
    }

    package static let standard = [
        Principal(
            name: "app", kind: .systemAssigned, clientID: "a1e5c0d2-7b34-4c68-9f02-3c5d7e8f9a01",
            objectID: "b2f6d1e3-8c45-4d79-a013-4d6e8f9a0b12"),
        Principal(
            name: "reporting", kind: .userAssigned, clientID: "6f2c1f0e-2a44-4e0b-8d55-91c07a3be6d4",
            objectID: "d4a8f305-ae67-4f9b-8235-6f80a1b2cd34", groups: [Self.readersGroup]),
        Principal(
            name: "batch", kind: .userAssigned, clientID: "93b7d6a5-1c0f-47e2-b4a8-5d2e6f718c90",
            objectID: "e5b90416-bf78-40ac-9346-7091b2c3de45"),
    ]
}
