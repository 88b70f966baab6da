// Statements for PostgreSQL that give or take rights, with the real names filled in and who has to run them.

enum PostgresRemedies {
    /// One statement per owner and set of rights. Nobody but the owner (or a member of that role) can grant; a statement that also
    /// names the objects of another owner would fail as a whole.
    static func grants(_ rows: [PrivilegeRow], _ entries: [PrivilegeReport.Entry], _ role: String) -> [Remedy] {
        struct Batch: Hashable {
            var owner: String
            var grantee: String
            var rights: [String]
            var family: String
            /// A statement for a whole schema is for one schema, and not for what stands behind a view of another one.
            var schema: String?
            var isBehind: Bool
        }
        var order: [Batch] = []
        var objects: [Batch: [PrivilegeRow]] = [:]
        var texts: [String] = []
        // The right to use a schema is asked for before any other.
        for row in rows.sorted(by: { ($0.sort == "schema" ? 0 : 1) < ($1.sort == "schema" ? 0 : 1) })
        where row.kind == .missing && row.way != PrivilegeRow.takesNone {
            if row.sort == "role" {
                texts.append("ALTER ROLE \(name(role)) \(row.rights.joined(separator: " "));  -- as administrator")
                continue
            }
            let batch = Batch(
                owner: row.owner ?? "", grantee: row.grantee ?? role, rights: row.rights, family: family(row.sort), schema: row.schema,
                isBehind: row.grantee != nil)
            if objects[batch] == nil { order.append(batch) }
            objects[batch, default: []].append(row)
        }
        for batch in order {
            let rows = objects[batch] ?? []
            let what: String
            if let schema = rows[0].schema, rows[0].grantee == nil,
                let entry = entries.first(where: { $0.rule.object.isOpenEnded && $0.rows.contains(rows[0]) }),
                rows[0].owned > rows.count, rows[0].owned == rows[0].total, family(entry.rule.object.kind.rawValue) == batch.family
            {
                what = "ALL \(batch.family)S IN SCHEMA \(name(schema))"
            } else {
                let names = PrivilegeFindings.distinct(rows.map { String($0.object.dropFirst($0.sort.count + 1)) })
                what = "\(batch.family) \(rows[0].sort == "database" ? rows.map { name($0.name ?? "") }[0] : names.joined(separator: ", "))"
            }
            let rights = batch.rights.joined(separator: ", ")
            texts.append("GRANT \(rights) ON \(what) TO \(name(batch.grantee));  -- as \(name(batch.owner)), the owner")
        }
        return remedies(.widens, texts)
    }

    static func future(_ rows: [(PrivilegeReport.Entry, PrivilegeRow)], _ role: String) -> [Remedy] {
        let texts = rows.map { entry, row in
            let maker = name(row.name ?? "")
            return """
                ALTER DEFAULT PRIVILEGES FOR ROLE \(maker) IN SCHEMA \(name(row.schema ?? "")) GRANT \(row.rights.joined(separator: ", ")) \
                ON \(PrivilegeFindings.plural(entry.rule.object).uppercased()) TO \(name(role));  -- as \(maker), or a member of that role
                """
        }
        return remedies(.widens, texts)
    }

    static func revokes(_ rows: [PrivilegeRow], _ role: String) -> [Remedy] { remedies(.destroys, rows.flatMap { revokes($0, role) }) }

    private static func revokes(_ row: PrivilegeRow, _ role: String) -> [String] {
        let ways = PrivilegeWay.read(row.way ?? "")
        if row.sort == "role", ways.allSatisfy({ $0 == .other }) {
            return row.rights.map { "ALTER ROLE \(name(role)) NO\($0);  -- as administrator" }
        }
        let what = "\(family(row.sort)) \(row.sort == "database" ? name(row.name ?? "") : String(row.object.dropFirst(row.sort.count + 1)))"
        let rights = row.rights.joined(separator: ", ")
        let owner = name(row.owner ?? "")
        return ways.flatMap { way -> [String] in
            switch way {
            case .grant: return ["REVOKE \(rights) ON \(what) FROM \(name(role));  -- as \(owner), the owner"]
            case .everybody: return ["REVOKE \(rights) ON \(what) FROM PUBLIC;  -- as \(owner), the owner; takes it from every role"]
            case .roles(let names):
                // What could only be become was given under its own name.
                return (names.isEmpty ? [row.name ?? ""] : names).map {
                    "REVOKE \(name($0)) FROM \(name(role));  -- as administrator; takes all that comes with that role"
                }
            case .other: return []
            }
        }
    }

    /// The word of GRANT for a kind of object: views and their like are tables to it, and only ROUTINE takes procedures as well.
    private static func family(_ sort: String) -> String {
        switch sort {
        case "view", "materialized view", "foreign table": "TABLE"
        case "function": "ROUTINE"
        default: sort.uppercased()
        }
    }

    private static func name(_ text: String) -> String { PrivilegeFindings.name(text) }

    private static func remedies(_ kind: Remedy.Kind, _ texts: [String]) -> [Remedy] {
        PrivilegeFindings.distinct(texts).prefix(12).map { Remedy(kind, $0) }
    }
}
