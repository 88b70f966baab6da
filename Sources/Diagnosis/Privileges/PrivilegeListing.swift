// The view that tutorials ask, `information_schema.table_privileges`, held against what a role can do: where the two differ.

/// What the view says of the tables of the rules under the role's own name, as far as it is not what holds.
package struct PrivilegeListing: Sendable, Hashable, JSONTabled {
    package static let view = "information_schema.table_privileges"

    /// Rights that hold and that the view does not list; the way says why: PUBLIC, a role, columns, an object that it leaves out.
    package var unlisted: [PrivilegeRow] = []
    /// Rights that the view lists and that open nothing; the way says why.
    package var inert: [PrivilegeRow] = []

    package init() {}

    package var isEmpty: Bool { unlisted.isEmpty && inert.isEmpty }

    /// Reads the answer to ``statement(_:)``.
    /// - Returns: nil when the answer has not the shape that was asked for.
    package init?(answer: [[String?]]) {
        for row in answer {
            guard row.count == 9, let sort = row[1], PrivilegeRow.sorts.contains(sort) else { return nil }
            let rights = (row[5] ?? "").split(separator: ",").map { String($0.drop { $0 == " " }) }
            guard !rights.isEmpty, rights.allSatisfy({ PrivilegeRight(rawValue: $0.lowercased()) != nil }) else { return nil }
            func seen(_ kind: PrivilegeRow.Kind) -> PrivilegeRow {
                PrivilegeRow(
                    kind, sort: sort, schema: row[2], name: row[3], owner: row[4], rights: rights, way: row[6],
                    total: row[7].flatMap { Int($0) } ?? 1, owned: row[8].flatMap { Int($0) } ?? 1)
            }
            switch row[0] {
            case "unlisted": unlisted.append(seen(.held))
            case "inert": inert.append(seen(.missing))
            default: return nil
            }
        }
    }

    /// Most rows of the answer.
    package static let rowLimit = PrivilegeRules.limit * 2 * PrivilegeStatement.examples

    /// The question for the differences, as the role itself; the view shows nobody else's grants. Nil where no rule is about tables.
    ///
    /// **Source**: PostgreSQL documentation, "table_privileges": grants to or by enabled roles, of tables, views and foreign tables.
    package static func statement(_ rules: PrivilegeRules) -> String? {
        var seen: Set<PrivilegeObject> = []
        let about = rules.entries.map(\.rule).filter { $0.object.kind == .table && seen.insert($0.object).inserted }
        guard !about.isEmpty else { return nil }
        let schemas = Set(about.compactMap(\.object.schema)).sorted().map(SQLText.literal).joined(separator: ", ")
        let branches = about.map { rule in
            branch(
                PrivilegeSource(rule.object),
                PrivilegeObject.Kind.table.rights.filter { right in
                    rules.entries.contains { $0.rule.object == rule.object && $0.rule.rights.contains(right) }
                })
        }
        return """
            WITH \(PrivilegeStatement.me), \(PrivilegeSource.wholeByColumns), listed AS (SELECT DISTINCT t.table_schema::text AS schema, t.table_name::text AS name, \
            t.privilege_type::text AS word FROM \(view) AS t WHERE t.grantee = current_user AND t.table_schema IN (\(schemas)))
            \(branches.joined(separator: "\nUNION "))
            """
    }

    /// **Shape** of a row: side of the difference, kind of object, schema, name, owner, rights, way, number of such objects, and of those
    /// with the same owner.
    private static func branch(_ source: PrivilegeSource, _ rights: [PrivilegeRight]) -> String {
        """
        (SELECT x.side, x.sort, x.schema, x.name, x.owner, x.rights, CASE x.side WHEN 'unlisted' THEN \
        (SELECT pg_catalog.string_agg(DISTINCT \(PrivilegeStatement.way(source)), ', ') FROM me CROSS JOIN pg_catalog.unnest(x.words) \
        AS w(word)) ELSE x.reason END, x.total, x.owned FROM (SELECT g.*, pg_catalog.count(*) OVER (PARTITION BY g.side) AS total, \
        pg_catalog.count(*) OVER (PARTITION BY g.side, g.owner) AS owned, \
        pg_catalog.row_number() OVER (PARTITION BY g.side ORDER BY g.name) AS place FROM (SELECT f.side, f.sort, f.schema, f.name, \
        f.ownerid, \
        f.acl, pg_catalog.pg_get_userbyid(f.ownerid)::text AS owner, pg_catalog.string_agg(f.word, ', ' ORDER BY f.rank) AS rights, \
        pg_catalog.array_agg(f.word ORDER BY f.rank) AS words, pg_catalog.min(f.reason) AS reason FROM (SELECT o.*, p.word, p.rank, \
        CASE WHEN t.word IS NULL THEN 'unlisted' ELSE 'inert' END AS side, CASE WHEN pg_catalog.has_schema_privilege(o.home, 'USAGE') \
        THEN \(SQLText.literal(PrivilegeRow.takesNone)) ELSE 'no use of the schema' END AS reason FROM \(source.rows) \
        CROSS JOIN LATERAL \(PrivilegeStatement.words(rights)) LEFT JOIN listed AS t ON t.schema = o.schema AND t.name = o.name \
        AND t.word = p.word WHERE (pg_catalog.has_schema_privilege(o.home, 'USAGE') AND COALESCE(\(source.test), false)) \
        = (t.word IS NULL)) AS f GROUP BY f.side, f.oid, f.sort, f.schema, f.name, f.ownerid, f.acl) AS g) AS x \
        ORDER BY x.place, x.side LIMIT \(2 * PrivilegeStatement.examples))
        """
    }

    /// For people; nil where the view says what holds.
    package var sentence: String? {
        func listed(_ rows: [PrivilegeRow]) -> String {
            let shown = rows.prefix(2).map { "\($0.rights.joined(separator: ", ")) on \($0.object)\($0.way.map { " (\($0))" } ?? "")" }
            // Rows of one rule carry the same total.
            let total = Set(rows.map { [$0.schema ?? "", String($0.total)] }).compactMap { Int($0[1]) }.reduce(0, +)
            let more = max(total, rows.count) - shown.count
            return shown.joined(separator: "; ") + (more > 0 ? "; and \(more) more" : "")
        }
        var parts: [String] = []
        if !unlisted.isEmpty { parts.append("does not list \(listed(unlisted)), which the role has") }
        if !inert.isEmpty { parts.append("lists \(listed(inert)), which open\(inert.count == 1 ? "s" : "") nothing") }
        return parts.isEmpty ? nil : "\(Self.view) \(parts.joined(separator: ", and "))"
    }

    package static let table = JSONTable<PrivilegeListing>("listing", "Where the view that tutorials ask does not say what holds.") {
        JSONKey("view", "Its name.") { _ in Self.view }
        JSONKey("unlisted", "Rights that hold and that it does not list; way says why.") { $0.unlisted }
        JSONKey("inert", "Rights that it lists and that open nothing; way says why.") { $0.inert }
    }
}
