// From rules to one batch for Azure SQL, and from its result sets to verdicts: pure text and values, every name a bound parameter.
//
// Rights are effective ones, as `HAS_PERMS_BY_NAME` tells them: grants, roles, groups, ownership, less what is denied. A login with nothing but
// CONNECT can ask all of it. Objects on which a login holds nothing are invisible to it, so "missing" and "absent" differ only where a right on the
// schema makes everything in it visible.

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
        var builder = Builder()
        builder.statements.append(identity)
        for (index, entry) in rules.entries.enumerated() { builder.add(index, entry.demand, entry.rule) }
        return AzureSQLQuestion(text: builder.statements.joined(separator: "\n"), parameters: builder.parameters)
    }

    /// - Parameter sets: rows of every result set, in order.
    /// - Returns: nil when the answer has not the shape that was asked for.
    package static func report(_ rules: PrivilegeRules, sets: [[[String?]]]) -> PrivilegeReport? {
        guard var report = PrivilegeReport(rules, answer: sets.flatMap(\.self)) else { return nil }
        report.engine = .azuresql
        return report
    }

    /// Who probes as `dbo` is the server's administrator or the database's owner: its rights are no measure.
    private static let identity =
        "SELECT -1, N'self', N'role', CAST(NULL AS nvarchar(128)), CAST(USER_NAME() AS nvarchar(128)), CAST(NULL AS nvarchar(128)), "
        + "CAST(NULL AS nvarchar(128)), CASE WHEN USER_NAME() = N'dbo' THEN N'dbo' END, 1, 1;"

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
        default: nil
        }
    }

    // MARK: Statements

    private struct Builder {
        var statements: [String] = []
        var parameters: [(name: String, value: String)] = []

        /// A reference to the value, which never becomes part of the text.
        private mutating func bound(_ value: String) -> String {
            if let known = parameters.first(where: { $0.value == value }) { return "@" + known.name }
            let name = "p\(parameters.count)"
            parameters.append((name, value))
            return "@" + name
        }

        mutating func add(_ index: Int, _ demand: PrivilegeDemand, _ rule: PrivilegeRule) {
            let words = rule.rights.compactMap { right in
                AzureSQLPrivileges.permission(right, on: rule.object.kind).map { (right.sql, $0) }
            }
            guard !words.isEmpty else { return }
            switch rule.object {
            case .role, .database: place(index, demand, rule.object == .role ? "role" : "database", words, schema: nil)
            case .schema(let schema): place(index, demand, "schema", words, schema: bound(schema))
            case .table(let schema, let name): one(index, demand, .table, words, bound(schema), bound(name))
            case .sequence(let schema, let name): one(index, demand, .sequence, words, bound(schema), bound(name))
            case .function(let schema, let name, _): one(index, demand, .function, words, bound(schema), bound(name))
            case .allTables(let schema): all(index, demand, .table, words, bound(schema))
            case .allSequences(let schema): all(index, demand, .sequence, words, bound(schema))
            case .allFunctions(let schema): all(index, demand, .function, words, bound(schema))
            }
        }

        /// Rights on the database or on a schema itself.
        private mutating func place(
            _ index: Int, _ demand: PrivilegeDemand, _ sort: String, _ words: [(String, String)], schema: String?
        ) {
            let target = schema.map { "QUOTENAME(\($0))" } ?? "QUOTENAME(DB_NAME())"
            let securable = schema == nil ? "DATABASE" : "SCHEMA"
            let name = schema == nil ? (sort == "role" ? "USER_NAME()" : "DB_NAME()") : "NULL"
            let scope = schema.map { "(d.class = 0 OR d.class = 3 AND d.major_id = SCHEMA_ID(\($0)))" } ?? "d.class = 0"
            // A schema on which nothing is held is as invisible as one that does not exist.
            let exists = schema.map { "SCHEMA_ID(\($0)) IS NOT NULL AND " } ?? ""
            let test = "COALESCE(HAS_PERMS_BY_NAME(\(target), N'\(securable)', w.permission), 0) = \(demand == .require ? 0 : 1)"
            statements.append(
                """
                SELECT \(index), N'\(demand == .require ? "missing" : "held")', N'\(sort)', \
                CAST(\(schema ?? "NULL") AS nvarchar(128)), CAST(\(name) AS nvarchar(128)), CAST(NULL AS nvarchar(128)), \
                CAST(r.rights AS nvarchar(400)), CAST(\(way(demand, words, scope)) AS nvarchar(400)), 1, 1 \
                FROM (SELECT STRING_AGG(w.word, N', ') AS rights FROM \(values(words)) WHERE \
                \(demand == .require ? "" : exists)\(test)) AS r WHERE r.rights IS NOT NULL;
                """)
        }

        /// One object by its name.
        private mutating func one(
            _ index: Int, _ demand: PrivilegeDemand, _ kind: PrivilegeObject.Kind, _ words: [(String, String)], _ schema: String,
            _ name: String
        ) {
            objects(index, demand, kind, words, schema, " AND o.name = \(name)")
            guard demand == .require else { return }
            let list = words.map(\.0).joined(separator: ", ")
            // Held on the schema, or allowed to see definitions: then what is not seen is not there.
            let sees =
                "COALESCE(HAS_PERMS_BY_NAME(QUOTENAME(\(schema)), N'SCHEMA', N'\(words[0].1)'), 0) = 1 "
                + "OR COALESCE(HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', N'VIEW DEFINITION'), 0) = 1"
            statements.append(
                """
                SELECT \(index), CASE WHEN \(sees) THEN N'absent' ELSE N'missing' END, N'\(kind.rawValue)', \
                CAST(\(schema) AS nvarchar(128)), CAST(\(name) AS nvarchar(128)), CAST(NULL AS nvarchar(128)), N'\(list)', \
                CAST(NULL AS nvarchar(400)), 1, 1 WHERE NOT EXISTS (SELECT 1 FROM sys.objects AS o JOIN sys.schemas AS s \
                ON s.schema_id = o.schema_id WHERE s.name = \(schema) AND o.name = \(name) AND o.type IN (\(types(kind))));
                """)
        }

        /// Every object of a kind in a schema, and those to come: only a right on the schema covers them.
        private mutating func all(
            _ index: Int, _ demand: PrivilegeDemand, _ kind: PrivilegeObject.Kind, _ words: [(String, String)], _ schema: String
        ) {
            objects(index, demand, kind, words, schema, "")
            guard demand == .require else { return }
            // Nothing visible: the rights are missing on the schema as a whole; something visible: what is made tomorrow will lack them.
            statements.append(
                """
                SELECT \(index), CASE WHEN EXISTS (SELECT 1 FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id \
                WHERE s.name = \(schema) AND o.is_ms_shipped = 0 AND o.type IN (\(types(kind)))) THEN N'future' ELSE N'missing' END, \
                N'schema', CAST(\(schema) AS nvarchar(128)), CAST(NULL AS nvarchar(128)), CAST(NULL AS nvarchar(128)), \
                CAST(r.rights AS nvarchar(400)), CAST(NULL AS nvarchar(400)), 1, 1 FROM (SELECT STRING_AGG(w.word, N', ') AS rights FROM \
                \(values(words)) WHERE COALESCE(HAS_PERMS_BY_NAME(QUOTENAME(\(schema)), N'SCHEMA', w.permission), 0) = 0) AS r \
                WHERE r.rights IS NOT NULL;
                """)
        }

        private mutating func objects(
            _ index: Int, _ demand: PrivilegeDemand, _ kind: PrivilegeObject.Kind, _ words: [(String, String)], _ schema: String,
            _ filter: String
        ) {
            let sort =
                switch kind {
                case .table: "CASE o.type WHEN 'V' THEN N'view' ELSE N'table' END"
                default: "N'\(kind.rawValue)'"
                }
            // Functions that give rows are selected from, not executed.
            let permission =
                kind == .function ? "CASE WHEN o.type IN ('IF', 'TF', 'FT') THEN N'SELECT' ELSE w.permission END" : "w.permission"
            let scope =
                "(d.class = 0 OR d.class = 3 AND d.major_id = s.schema_id OR d.class = 1 AND d.minor_id = 0 AND d.major_id = o.object_id)"
            statements.append(
                """
                SELECT TOP (\(AzureSQLPrivileges.examples)) \(index), N'\(demand == .require ? "missing" : "held")', \(sort), \
                CAST(s.name AS nvarchar(128)), CAST(o.name AS nvarchar(128)), \
                CAST(USER_NAME(COALESCE(o.principal_id, s.principal_id)) AS nvarchar(128)), CAST(r.rights AS nvarchar(400)), \
                CAST(\(way(demand, words, scope)) AS nvarchar(400)), CAST(COUNT(*) OVER () AS int), \
                CAST(COUNT(*) OVER (PARTITION BY COALESCE(o.principal_id, s.principal_id)) AS int) \
                FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id \
                CROSS APPLY (SELECT STRING_AGG(w.word, N', ') AS rights FROM \(values(words)) \
                WHERE COALESCE(HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(o.name), N'OBJECT', \(permission)), 0) \
                = \(demand == .require ? 0 : 1)) AS r \
                WHERE s.name = \(schema)\(filter) AND o.is_ms_shipped = 0 AND o.type IN (\(types(kind))) AND r.rights IS NOT NULL \
                ORDER BY o.name;
                """)
        }

        private func values(_ words: [(String, String)]) -> String {
            "(VALUES \(words.map { "(N'\($0.0)', N'\($0.1)')" }.joined(separator: ", "))) AS w(word, permission)"
        }

        /// **Source**: Microsoft Learn, sys.objects: U table, V view, SO sequence, P procedure, FN, IF, TF, FS, FT functions, PC CLR procedure.
        private func types(_ kind: PrivilegeObject.Kind) -> String {
            switch kind {
            case .sequence: "'SO'"
            case .function: "'P', 'PC', 'FN', 'FS', 'IF', 'TF', 'FT'"
            default: "'U', 'V'"
            }
        }

        /// Through what a right was obtained, or by which DENY it is taken away.
        private func way(_ demand: PrivilegeDemand, _ words: [(String, String)], _ scope: String) -> String {
            let list = (Set(words.map(\.1)).sorted() + (demand == .deny ? ["CONTROL"] : [])).map { "N'\($0)'" }.joined(separator: ", ")
            let grants =
                "SELECT STRING_AGG(CAST(\(phrase(demand)) AS nvarchar(200)), N', ') FROM sys.database_permissions AS d JOIN sys.user_token AS t "
                + "ON t.principal_id = d.grantee_principal_id WHERE d.state \(demand == .require ? "= 'D'" : "IN ('G', 'W')") "
                + "AND d.permission_name IN (\(list)) AND \(scope)"
            guard demand == .deny else { return "(\(grants))" }
            return "COALESCE((\(grants)), (SELECT STRING_AGG(CAST(N'role ' + f.name AS nvarchar(200)), N', ') FROM (VALUES (N'db_owner'), "
                + "(N'db_datareader'), (N'db_datawriter'), (N'db_ddladmin'), (N'db_securityadmin')) AS f(name) WHERE IS_ROLEMEMBER(f.name) = 1))"
        }

        private func phrase(_ demand: PrivilegeDemand) -> String {
            demand == .require
                ? "N'DENY to ' + t.name" : "CASE WHEN t.name = USER_NAME() THEN N'direct grant' ELSE N'grant to ' + t.name END"
        }
    }
}
