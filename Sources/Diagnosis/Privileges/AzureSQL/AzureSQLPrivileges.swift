// From rules to one batch for Azure SQL, and from its result sets to verdicts: pure text and values, every name a bound parameter.
//
// Rights are effective ones, as `HAS_PERMS_BY_NAME` tells them: grants, roles, groups, ownership, less what is denied. A login with nothing but
// CONNECT can ask all of it. Objects on which a login holds nothing, or is denied what it holds, are invisible to it, so "missing" and "absent"
// differ only where a right on the schema makes everything in it visible. Schemas themselves are visible to everybody.

/// A batch with its parameters, which travel beside the text.
package struct AzureSQLQuestion: Sendable, Hashable {
    package var text: String
    /// **Shape**: names without `@`, all of type nvarchar.
    package var parameters: [(name: String, value: String)]

    package static func == (a: Self, b: Self) -> Bool {
        a.text == b.text && a.parameters.elementsEqual(b.parameters) { $0.name == $1.name && $0.value == $1.value }
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(text) }
}

package enum AzureSQLPrivileges {
    /// Most objects that one entry names; the rest is a number.
    package static let examples = 8
    /// Most rows that the answer can have, over all its result sets.
    package static let rowLimit = 1 + PrivilegeRules.limit * (examples + 3)

    /// One batch: the first result set says who asks, the others what is wrong.
    ///
    /// **Shape** of every row: entry, kind of row (``PrivilegeRow/Kind``), kind of object, schema, name, owner, rights, way, number of such
    /// objects, number of those with the same owner.
    package static func question(_ rules: PrivilegeRules) -> AzureSQLQuestion {
        var builder = AzureSQLQuestionBuilder()
        builder.statements.append(identity)
        for (index, entry) in rules.entries.enumerated() { builder.add(index, entry.demand, entry.rule) }
        return AzureSQLQuestion(text: builder.statements.joined(separator: "\n"), parameters: builder.parameters)
    }

    /// - Parameter sets: rows of every result set, in order.
    /// - Returns: nil when the answer has not the shape that was asked for.
    package static func report(_ rules: PrivilegeRules, sets: [[[String?]]]) -> PrivilegeReport? {
        let answer = sets.flatMap(\.self)
        guard var report = PrivilegeReport(rules, answer: answer) else { return nil }
        report.engine = .azuresql
        if let groups = answer.first(where: { $0.first == "-1" && $0.count > 5 })?[5] {
            guard let items = JSON(parsing: groups)?.items else { return nil }
            report.groups = items.compactMap { $0["n"]?.text }
        }
        for entry in report.entries.indices {
            for row in report.entries[entry].rows.indices {
                let found = report.entries[entry].rows[row]
                guard let way = found.way else { continue }
                guard let sources = AzureSQLSource.list(way, user: report.role) else { return nil }
                report.entries[entry].rows[row].sources = sources
                report.entries[entry].rows[row].way =
                    sources.isEmpty ? nil : sources.map { $0.words(found.sort) }.joined(separator: ", ")
            }
        }
        return report
    }

    /// Who probes as `dbo` is the server's administrator or the database's owner: its rights are no measure. Who has no user of its own came in
    /// through a group, and only the group can be granted anything; its names stand in the sixth column then.
    private static let identity =
        "SELECT -1, N'self', N'role', CAST(NULL AS nvarchar(128)), CAST(USER_NAME() AS nvarchar(128)), "
        + "CAST(CASE WHEN NOT EXISTS (SELECT 1 FROM sys.database_principals AS p WHERE p.name = USER_NAME()) THEN COALESCE((SELECT TOP (4) "
        + "t.name AS n FROM sys.user_token AS t WHERE t.type LIKE N'%GROUP%' AND t.principal_id > 0 ORDER BY t.name FOR JSON PATH), N'[]') END "
        + "AS nvarchar(4000)), CAST(NULL AS nvarchar(128)), CASE WHEN USER_NAME() = N'dbo' THEN N'dbo' END, 1, 1;"

    // MARK: Words

    /// The permission that stands for a right; nil for what SQL Server has nothing of.
    /// **Source**: Microsoft Learn, "Permissions (Database Engine)"; TRUNCATE TABLE and CREATE TRIGGER want ALTER, NEXT VALUE FOR wants UPDATE.
    package static func permission(_ right: PrivilegeRight, on kind: PrivilegeObject.Kind) -> String? {
        switch (kind, right) {
        case (.role, .superuser): "CONTROL"
        case (.role, .createrole): "ALTER ANY ROLE"
        case (.database, .connect): "CONNECT"
        case (.database, .create): "CREATE TABLE"
        case (.schema, .create): "ALTER"
        // What is visible may be used; there is no right of that name.
        case (.schema, .usage): "ANY"
        case (.table, .select), (.table, .insert), (.table, .update), (.table, .delete), (.table, .references): right.sql
        case (.table, .truncate), (.table, .trigger): "ALTER"
        case (.sequence, .usage), (.sequence, .update): "UPDATE"
        // Where a sequence stands is part of its description.
        case (.sequence, .select): "VIEW DEFINITION"
        case (.function, .execute): "EXECUTE"
        // A function that gives rows is selected from.
        case (.function, .select): "SELECT"
        default: nil
        }
    }

    /// Whether the caller holds a permission on its database. A name that needs quoting may not be found by the first form; in the second,
    /// NULL stands for the current database. **Source**: Microsoft Learn, HAS_PERMS_BY_NAME, remarks and examples.
    static func onDatabase(_ permission: String) -> String {
        "COALESCE(HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', \(permission)), HAS_PERMS_BY_NAME(NULL, N'DATABASE', \(permission)))"
    }

    /// The fixed roles that bring a permission, on everything in the database.
    /// **Source**: Microsoft Learn, "Permissions of Fixed Database Roles".
    static func fixedRoles(_ permission: String) -> [String] {
        let mighty = ["db_owner"]
        return switch permission {
        case "SELECT": mighty + ["db_datareader"]
        case "INSERT", "UPDATE", "DELETE": mighty + ["db_datawriter"]
        case "ALTER", "CREATE TABLE", "REFERENCES": mighty + ["db_ddladmin"]
        case "ALTER ANY ROLE", "VIEW DEFINITION": mighty + ["db_securityadmin"]
        case "CONNECT": mighty + ["db_accessadmin"]
        case "ANY": mighty + ["db_datareader", "db_datawriter", "db_ddladmin", "db_securityadmin"]
        default: mighty
        }
    }

    /// The fixed roles that deny a permission; what they deny no grant gives back.
    static func denyingRoles(_ permission: String) -> [String] {
        switch permission {
        case "SELECT": ["db_denydatareader"]
        case "INSERT", "UPDATE", "DELETE": ["db_denydatawriter"]
        default: []
        }
    }
}
