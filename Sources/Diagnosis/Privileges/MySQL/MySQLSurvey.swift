// What an account of MySQL can do, in a few words and numbers: looked at where nothing is configured about rights.

/// The reach of one account in one database, by its grants.
package struct MySQLSurvey: Sendable {
    private let privileges: MySQLPrivileges
    private let database: String

    /// - Parameter database: the one that the session is in; empty for none.
    package init(grants: GrantSet, account: String, database: String) {
        privileges = MySQLPrivileges(rules: PrivilegeRules(), grants: grants, account: account, database: database)
        self.database = grants.naming.key(database)
    }

    private var grants: GrantSet { privileges.grants }

    /// Counts tables; nil when there is no database to count them in.
    ///
    /// **Shape** of the answer: tables that are visible, those that can be read, those that can be written. Tables on which nothing is held
    /// are invisible and not counted.
    package var question: String? {
        guard !database.isEmpty else { return nil }
        let source = MySQLPrivileges.tables
        return """
            SELECT COUNT(*), COALESCE(SUM(\(holds(["SELECT"]))), 0), COALESCE(SUM(\(holds(["INSERT", "UPDATE", "DELETE", "DROP"]))), 0) \
            FROM information_schema.\(source.table) WHERE \(privileges.equals(source.schema, database)) AND \(source.filter)
            """
    }

    /// Whether one of the privileges is held on the table of a row, on some of its columns at least.
    private func holds(_ names: [String]) -> String {
        if names.contains(where: { !grants.onDatabase(database, $0).isEmpty }) { return "1" }
        let tables = grants.tables(in: database).filter { table in names.contains { !grants.onTable(database, table, $0).isEmpty } }
        return tables.isEmpty ? "0" : privileges.isOne(of: Array(tables.prefix(Self.tableLimit)), MySQLPrivileges.tables)
    }

    /// Most tables that are told apart by name.
    private static let tableLimit = 500

    /// - Parameter answer: to ``question``; empty when there was none.
    /// - Returns: nil when it has not the shape that was asked for, or when rows of SHOW GRANTS were not understood.
    package func survey(_ answer: [[String?]]) -> PrivilegeSurvey? {
        guard grants.unread == 0 else { return nil }
        let counts = answer.first?.map { $0.flatMap { Int($0) } } ?? [0, 0, 0]
        guard counts.count == 3, !counts.contains(nil) else { return nil }
        func holds(_ privilege: String) -> Bool { !database.isEmpty && !grants.onDatabase(database, privilege).isEmpty }
        let attributes: [(PrivilegeRight, String)] = [
            (.superuser, "SUPER"), (.createdb, "CREATE"), (.createrole, "CREATE USER"), (.replication, "REPLICATION SLAVE"),
        ]
        var survey = PrivilegeSurvey(
            role: privileges.account, administrator: grants.administrator,
            attributes: attributes.filter { !grants.globally($0.1).isEmpty }.map(\.0),
            roles: grants.roles.prefix(PrivilegeSurvey.roleLimit).map(Redactor.scrub),
            database: holds("CREATE TEMPORARY TABLES") ? [.temporary] : [], schemasToMakeIn: holds("CREATE") ? 1 : 0,
            tables: counts[0] ?? 0, readable: counts[1] ?? 0, writable: counts[2] ?? 0)
        survey.engine = .mysql
        survey.reach = grants.reach(beyond: database).map(Redactor.scrub)
        return survey
    }
}
