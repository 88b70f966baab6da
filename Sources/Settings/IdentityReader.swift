// The part `identities:` of the file.
import Diagnosis

struct IdentityReader {
    let issues: IssueList

    /// Kinds of the contract that this version does not have, with the keys that belong to them.
    private static let laterKinds = [
        "workload_identity", "service_principal", "azure_cli", "azure_powershell", "azure_developer_cli", "default",
    ]

    /// **Shape**: in the order of the file. `names` also holds those whose definition is wrong, so that references to them are not errors.
    func read(_ root: Section) -> (definitions: [IdentityDefinition], names: [String]) {
        guard let section = root.section("identities") else { return ([], []) }
        if section.entries.isEmpty { issues.error("identities", at: section.position, "must name at least one identity") }
        var definitions: [IdentityDefinition] = []
        for entry in section.entries {
            let path = "identities.\(printable(entry.key))"
            if entry.key.isEmpty {
                issues.error("identities", at: entry.keyPosition, "an identity needs a name")
            } else if let problem = Names.problem(ofName: entry.key) {
                issues.error(path, at: entry.keyPosition, "the name \(problem)")
            }
            guard let fields = Section(entry.value, path: path, issues: issues) else { continue }
            if let kind = kind(fields) { definitions.append(IdentityDefinition(name: entry.key, kind: kind)) }
        }
        return (definitions, section.entries.map(\.key))
    }

    private func kind(_ fields: Section) -> IdentityDefinition.Kind? {
        guard fields.value("kind") != nil else {
            issues.error(fields.path, at: fields.position, "the key \"kind\" is missing; this version has managed_identity")
            fields.allow(ConfigurationShape.identity)
            return nil
        }
        guard let kind = fields.text("kind") else { return nil }
        guard kind.value == "managed_identity" else {
            if Self.laterKinds.contains(kind.value) {
                issues.error(kind.path, at: kind.position, "the kind \(kind.value): not in this version, which has managed_identity only")
            } else {
                issues.error(
                    kind.path, at: kind.position, "\"\(printable(kind.value))\" is no kind of identity",
                    suggestion: Guess.nearest(to: kind.value, among: ["managed_identity"] + Self.laterKinds))
            }
            return nil
        }
        fields.allow(ConfigurationShape.identity)
        return selector(fields).map { .managedIdentity($0) }
    }

    private func selector(_ fields: Section) -> ManagedIdentitySelector? {
        let given = ["client_id", "object_id", "resource_id"].filter { fields.value($0) != nil }
        guard given.count <= 1 else {
            issues.error(
                fields.path(given[1]), at: fields.entries.first { $0.key == given[1] }?.keyPosition,
                "\(given.joined(separator: " and ")) are given together; one of them selects the identity")
            return nil
        }
        switch given.first {
        case nil: return .systemAssigned
        case "client_id": return guid("client_id", fields).map { .clientID($0) }
        case "object_id": return guid("object_id", fields).map { .objectID($0) }
        default:
            guard let text = fields.text("resource_id") else { return nil }
            let parts = text.value.lowercased().split(separator: "/", omittingEmptySubsequences: false)
            let shape = [
                "", "subscriptions", nil, "resourcegroups", nil, "providers", "microsoft.managedidentity",
                "userassignedidentities", nil,
            ]
            guard parts.count == shape.count, zip(parts, shape).allSatisfy({ $1 == nil ? !$0.isEmpty : $0 == $1! }) else {
                issues.error(
                    text.path, at: text.position,
                    "is no id of a user-assigned identity: /subscriptions/<id>/resourceGroups/<group>/providers"
                        + "/Microsoft.ManagedIdentity/userAssignedIdentities/<name>")
                return nil
            }
            return .resourceID(text.value)
        }
    }

    private func guid(_ key: String, _ fields: Section) -> String? {
        guard let text = fields.text(key) else { return nil }
        guard Names.isGUID(text.value) else {
            issues.error(
                text.path, at: text.position, "\"\(printable(text.value))\" is no GUID (8-4-4-4-12 hexadecimal digits)")
            return nil
        }
        return text.value.lowercased()
    }
}
