// Where a right on Azure SQL comes from, or what takes it away: read from the catalog, never guessed from the verdict.

/// One row of `sys.database_permissions`, one fixed role, or ownership, as far as it explains a verdict.
package struct AzureSQLSource: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable, CaseIterable { case grant, deny, role, owner }

    /// Where the row lives; a statement that takes it away has to name the same place.
    /// **Source**: Microsoft Learn, sys.database_permissions, column `class`.
    package enum Scope: Int64, Sendable, Hashable, CaseIterable {
        case database = 0
        case object = 1
        case schema = 3
    }

    package var kind: Kind
    /// The permission as it was given: CONTROL explains SELECT, and CONTROL is what has to be revoked.
    package var permission: String?
    package var scope: Scope
    /// Whose row it is: the user, a role, a group, `public`; for ``Kind/role`` the role.
    package var principal: String
    /// Whether the row is the user's own; of a role, whether the user is in it without another role or group between.
    package var isDirect: Bool
    /// Whether the principal is the user itself.
    package var isSelf: Bool
    package var isGroup: Bool
    /// Given WITH GRANT OPTION, so that it can only be taken with what was handed on.
    package var isGrantable: Bool

    package init(
        _ kind: Kind, _ permission: String? = nil, on scope: Scope = .database, principal: String, isDirect: Bool = true,
        isSelf: Bool = false, isGroup: Bool = false, isGrantable: Bool = false
    ) {
        self.kind = kind
        self.permission = permission
        self.scope = scope
        self.principal = principal
        self.isDirect = isDirect
        self.isSelf = isSelf
        self.isGroup = isGroup
        self.isGrantable = isGrantable
    }

    /// - Parameter user: USER_NAME() of the session.
    /// - Returns: nil for anything but an array of such objects.
    static func list(_ text: String, user: String) -> [AzureSQLSource]? {
        guard let items = JSON(parsing: text)?.items else { return nil }
        var sources: [AzureSQLSource] = []
        for item in items {
            guard let kind = item["k"]?.text.flatMap(Kind.init), let scope = item["c"]?.wholeNumber.flatMap(Scope.init),
                let principal = item["n"]?.text, item["p"]?.text.map(isPermission) ?? (kind == .role || kind == .owner)
            else { return nil }
            sources.append(
                AzureSQLSource(
                    kind, item["p"]?.text, on: scope, principal: principal, isDirect: item["d"]?.wholeNumber == 1,
                    isSelf: principal == user, isGroup: item["t"]?.text?.contains("GROUP") == true,
                    isGrantable: item["s"]?.text?.hasPrefix("W") == true))
        }
        return sources
    }

    /// It becomes part of statements that are shown: words of capital letters and nothing else.
    private static func isPermission(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 60 && text.utf8.allSatisfy { (0x41...0x5A).contains($0) || $0 == 0x20 }
    }

    /// `direct grant of CONTROL on the schema`.
    /// - Parameter sort: what the row of the verdict is about, whose own place needs no word.
    func words(_ sort: String) -> String {
        let place =
            switch (scope, sort) {
            case (.database, "database"), (.database, "role"), (.schema, "schema"), (.object, _): ""
            case (.database, _): " on the database"
            case (.schema, _): " on the schema"
            }
        let what = permission.map { " of \($0)" } ?? ""
        switch kind {
        case .grant: return (isSelf ? "direct grant" : "grant to \(principal)") + what + place
        case .deny: return "DENY to \(principal)" + what + place
        case .role: return "role \(principal)" + (isDirect ? "" : " by way of another role or group")
        case .owner: return "ownership" + (isSelf ? "" : " by \(principal)") + (scope == .schema ? " of the schema" : "")
        }
    }
}
