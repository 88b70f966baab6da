// The statements of the question for rights, one a line: pure text, names only as parameters.

struct AzureSQLQuestionBuilder {
    /// A right of the rule, and the permission that stands for it.
    typealias Word = (right: String, permission: String)

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
        let words: [Word] = rule.rights.compactMap { right in
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
    private mutating func place(_ index: Int, _ demand: PrivilegeDemand, _ sort: String, _ words: [Word], schema: String?) {
        let name = schema == nil ? (sort == "role" ? "USER_NAME()" : "DB_NAME()") : "NULL"
        // To use a schema is to see anything in it: a right on one of its objects is enough, and is none on the schema.
        let has =
            schema.map {
                "CASE WHEN w.permission = N'ANY' AND EXISTS (SELECT 1 FROM sys.objects AS v WHERE v.schema_id = SCHEMA_ID(\($0)) "
                    + "AND v.is_ms_shipped = 0) THEN 1 ELSE HAS_PERMS_BY_NAME(QUOTENAME(\($0)), N'SCHEMA', w.permission) END"
            } ?? AzureSQLPrivileges.onDatabase("w.permission")
        let scope = schema.map { "(d.class = 0 OR d.class = 3 AND d.major_id = SCHEMA_ID(\($0)))" } ?? "d.class = 0"
        let owner = schema.map { "(SELECT z.principal_id FROM sys.schemas AS z WHERE z.name = \($0))" }
        statements.append(
            """
            SELECT \(index), COALESCE(r.doubt, N'\(demand == .require ? "missing" : "held")'), N'\(sort)', \
            CAST(\(schema ?? "NULL") AS nvarchar(128)), CAST(\(name) AS nvarchar(128)), CAST(NULL AS nvarchar(128)), \
            CAST(r.rights AS nvarchar(400)), \(sources(demand, words, scope, owners: owner.map { [($0, .schema)] } ?? [])), 1, 1 \
            FROM \(judged(demand, words, has, schema: schema))\
            \(demand == .deny ? schema.map { " WHERE SCHEMA_ID(\($0)) IS NOT NULL" } ?? "" : "");
            """)
    }

    /// One object by its name.
    private mutating func one(
        _ index: Int, _ demand: PrivilegeDemand, _ kind: PrivilegeObject.Kind, _ words: [Word], _ schema: String, _ name: String
    ) {
        objects(index, demand, kind, words, schema, " AND o.name = \(name)")
        guard demand == .require else { return }
        let list = words.map(\.right).joined(separator: ", ")
        // A DENY on an object hides it as well; then nobody can tell that it does not exist.
        let hidden = "d.class = 1 AND d.minor_id = 0 AND NOT EXISTS (SELECT 1 FROM sys.objects AS v WHERE v.object_id = d.major_id)"
        // Held on the schema, or allowed to see definitions: then what is not seen is not there.
        let sees =
            "SCHEMA_ID(\(schema)) IS NULL OR (COALESCE(HAS_PERMS_BY_NAME(QUOTENAME(\(schema)), N'SCHEMA', N'\(words[0].permission)'), 0) = 1 "
            + "OR COALESCE(\(AzureSQLPrivileges.onDatabase("N'VIEW DEFINITION'")), 0) = 1) AND NOT EXISTS (SELECT 1 FROM "
            + "sys.database_permissions AS d JOIN sys.user_token AS t ON t.principal_id = d.grantee_principal_id WHERE d.state = 'D' AND \(hidden))"
        let scope = "(d.class = 0 OR d.class = 3 AND d.major_id = SCHEMA_ID(\(schema)) OR \(hidden))"
        statements.append(
            """
            SELECT \(index), CASE WHEN \(sees) THEN N'absent' ELSE N'missing' END, N'\(kind.rawValue)', \
            CAST(\(schema) AS nvarchar(128)), CAST(\(name) AS nvarchar(128)), CAST(NULL AS nvarchar(128)), N'\(list)', \
            \(sources(.require, words, scope, held: "N'\(list)'")), 1, 1 WHERE NOT EXISTS (SELECT 1 FROM sys.objects AS o JOIN sys.schemas AS s \
            ON s.schema_id = o.schema_id WHERE s.name = \(schema) AND o.name = \(name) AND o.type IN (\(Self.types(kind))));
            """)
    }

    /// Every object of a kind in a schema, and those to come: only a right on the schema covers them.
    private mutating func all(
        _ index: Int, _ demand: PrivilegeDemand, _ kind: PrivilegeObject.Kind, _ words: [Word], _ schema: String
    ) {
        objects(index, demand, kind, words, schema, "")
        guard demand == .require else { return }
        let seen = "EXISTS (SELECT 1 FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id WHERE s.name = \(schema) AND"
        // Where there are functions that give rows, those to come want SELECT.
        let rowed = "\(seen) o.type IN (\(Self.rowFunctions)))"
        let words = kind == .function ? words + [Self.rowFunction] : words
        let filter = kind == .function ? " AND (w.permission = N'EXECUTE' OR \(rowed))" : ""
        let scope = "(d.class = 0 OR d.class = 3 AND d.major_id = SCHEMA_ID(\(schema)))"
        // Nothing visible: the rights are missing on the schema as a whole; something visible: what is made tomorrow will lack them.
        statements.append(
            """
            SELECT \(index), CASE WHEN \(seen) o.is_ms_shipped = 0 AND o.type IN (\(Self.types(kind)))) THEN N'future' \
            ELSE COALESCE(r.doubt, N'missing') END, N'schema', CAST(\(schema) AS nvarchar(128)), CAST(NULL AS nvarchar(128)), \
            CAST(NULL AS nvarchar(128)), CAST(r.rights AS nvarchar(400)), \(sources(.require, words, scope)), 1, 1 FROM \
            \(judged(.require, words, "HAS_PERMS_BY_NAME(QUOTENAME(\(schema)), N'SCHEMA', w.permission)", schema: schema, filter));
            """)
    }

    private mutating func objects(
        _ index: Int, _ demand: PrivilegeDemand, _ kind: PrivilegeObject.Kind, _ words: [Word], _ schema: String, _ filter: String
    ) {
        let sort = kind == .table ? "CASE o.type WHEN 'V' THEN N'view' ELSE N'table' END" : "N'\(kind.rawValue)'"
        // Functions that give rows are selected from, not executed.
        let words = kind == .function ? words + [Self.rowFunction] : words
        let fits =
            kind == .function
            ? " AND w.permission = CASE WHEN o.type IN (\(Self.rowFunctions)) THEN N'SELECT' ELSE N'EXECUTE' END" : ""
        let scope =
            "(d.class = 0 OR d.class = 3 AND d.major_id = s.schema_id OR d.class = 1 AND d.minor_id = 0 AND d.major_id = o.object_id)"
        let has = "HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(o.name), N'OBJECT', w.permission)"
        statements.append(
            """
            SELECT TOP (\(AzureSQLPrivileges.examples)) \(index), COALESCE(r.doubt, N'\(demand == .require ? "missing" : "held")'), \(sort), \
            CAST(s.name AS nvarchar(128)), CAST(o.name AS nvarchar(128)), \
            CAST(USER_NAME(COALESCE(o.principal_id, s.principal_id)) AS nvarchar(128)), CAST(r.rights AS nvarchar(400)), \
            \(sources(demand, words, scope, owners: [("o.principal_id", .object), ("s.principal_id", .schema)])), \
            CAST(COUNT(*) OVER (PARTITION BY r.doubt) AS int), \
            CAST(COUNT(*) OVER (PARTITION BY r.doubt, COALESCE(o.principal_id, s.principal_id)) AS int) \
            FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id CROSS APPLY \(judged(demand, words, has, schema: nil, fits)) \
            WHERE s.name = \(schema)\(filter) AND o.is_ms_shipped = 0 AND o.type IN (\(Self.types(kind))) ORDER BY o.name;
            """)
    }

    // MARK: Parts

    private static let rowFunctions = "'IF', 'TF', 'FT'"
    private static let rowFunction: Word = ("SELECT", "SELECT")

    private func values(_ words: [Word]) -> String {
        "(VALUES \(words.map { "(N'\($0.right)', N'\($0.permission)')" }.joined(separator: ", "))) AS w(word, permission)"
    }

    /// The rights on which the verdict is against the rule, and apart from them (`doubt`) those without a verdict: NULL is neither yes nor no.
    private func judged(_ demand: PrivilegeDemand, _ words: [Word], _ has: String, schema: String?, _ filter: String = "") -> String {
        let absent = demand == .require ? schema.map { "WHEN SCHEMA_ID(\($0)) IS NULL THEN N'absent' " } ?? "" : ""
        return
            "(SELECT a.doubt, STRING_AGG(w.word, N', ') AS rights FROM \(values(words)) CROSS APPLY (SELECT x.has, CASE \(absent)WHEN x.has "
            + "IS NULL THEN N'unknown' END AS doubt FROM (SELECT \(has) AS has) AS x) AS a WHERE (a.has IS NULL OR a.has = "
            + "\(demand == .require ? 0 : 1))\(filter) GROUP BY a.doubt) AS r"
    }

    /// **Source**: Microsoft Learn, sys.objects: U table, V view, SO sequence, P procedure, FN, IF, TF, FS, FT functions, PC CLR procedure.
    private static func types(_ kind: PrivilegeObject.Kind) -> String {
        switch kind {
        case .sequence: "'SO'"
        case .function: "'P', 'PC', 'FN', 'FS', 'IF', 'TF', 'FT'"
        default: "'U', 'V'"
        }
    }

    /// Through what the rights of `held` were obtained, or by what they are denied: JSON that ``AzureSQLSource/list(_:user:)`` reads.
    ///
    /// A right is given and denied by itself, by CONTROL, and by what implies it one level higher.
    /// **Source**: Microsoft Learn, "Permissions (Database Engine)", column "Implied by".
    private func sources(
        _ demand: PrivilegeDemand, _ words: [Word], _ scope: String, held: String = "r.rights",
        owners: [(id: String, scope: AzureSQLSource.Scope)] = []
    ) -> String {
        func isHeld(_ word: String) -> String { "CHARINDEX(N', ' + \(word) + N',', N', ' + \(held) + N',') > 0" }
        func isMember(_ role: String) -> String {
            "EXISTS (SELECT 1 FROM sys.database_role_members AS m WHERE m.role_principal_id = \(role) "
                + "AND m.member_principal_id = DATABASE_PRINCIPAL_ID())"
        }
        let covers =
            "(w.permission = N'ANY' OR d.permission_name IN (w.permission, N'CONTROL') OR d.class = 0 AND (w.permission = N'ALTER' AND "
            + "d.permission_name = N'ALTER ANY SCHEMA' OR w.permission IN (N'ALTER', N'CREATE TABLE', N'ALTER ANY ROLE') AND "
            + "d.permission_name = N'ALTER'))"
        var parts = [
            "SELECT N'\(demand == .require ? "deny" : "grant")' AS k, d.permission_name AS p, d.class AS c, t.name AS n, d.state AS s, "
                + "CASE WHEN t.name = USER_NAME() OR \(isMember("t.principal_id")) THEN 1 ELSE 0 END AS d, t.type AS t "
                + "FROM sys.database_permissions AS d JOIN sys.user_token AS t ON t.principal_id = d.grantee_principal_id "
                + "WHERE d.state \(demand == .require ? "= 'D'" : "IN ('G', 'W')") AND \(scope) AND EXISTS (SELECT 1 FROM \(values(words)) "
                + "WHERE \(isHeld("w.word")) AND \(covers))"
        ]
        let roles = words.flatMap { word in
            (demand == .require ? AzureSQLPrivileges.denyingRoles(word.permission) : AzureSQLPrivileges.fixedRoles(word.permission)).map {
                "(N'\($0)', N'\(word.right)')"
            }
        }
        if !roles.isEmpty {
            parts.append(
                "SELECT N'role', NULL, 0, f.name, NULL, CASE WHEN \(isMember("DATABASE_PRINCIPAL_ID(f.name)")) THEN 1 ELSE 0 END, N'ROLE' "
                    + "FROM (SELECT DISTINCT g.name FROM (VALUES \(roles.joined(separator: ", "))) AS g(name, word) WHERE \(isHeld("g.word"))) AS f "
                    + "WHERE IS_ROLEMEMBER(f.name) = 1")
        }
        if demand == .deny {
            parts += owners.map { owner in
                "SELECT N'owner', NULL, \(owner.scope.rawValue), t.name, NULL, CASE WHEN t.name = USER_NAME() OR \(isMember("t.principal_id")) "
                    + "THEN 1 ELSE 0 END, t.type FROM sys.user_token AS t WHERE t.principal_id = \(owner.id)"
            }
        }
        return "CAST((SELECT TOP (6) y.k, y.p, y.c, y.n, y.s, y.d, y.t FROM (\(parts.joined(separator: " UNION ALL "))) AS y "
            + "ORDER BY y.d DESC, y.k, y.n FOR JSON PATH) AS nvarchar(4000))"
    }
}
