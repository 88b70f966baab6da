// Statements for MySQL that give or take rights, with the real names filled in.

enum MySQLRemedies {
    /// One statement per place and set of rights; first the roles that only wait to be active.
    static func grants(_ rows: [PrivilegeRow], _ report: PrivilegeReport) -> [Remedy] {
        var texts: [String] = []
        if !report.inactiveRoles.isEmpty {
            // MariaDB knows one default role, and another word.
            let statement =
                report.isMariaDB
                ? "SET DEFAULT ROLE \(GrantSet.identifier(report.inactiveRoles[0])) FOR" : "SET DEFAULT ROLE ALL TO"
            texts.append("\(statement) \(account(report));  -- makes what it was given active at login")
        }
        for row in rows where row.kind == .missing {
            guard let words = privileges(row) else { continue }
            texts.append("GRANT \(words) ON \(place(row)) TO \(account(report));")
        }
        return remedies(.widens, texts)
    }

    static func future(_ rows: [PrivilegeRow], _ report: PrivilegeReport) -> [Remedy] {
        remedies(.widens, rows.compactMap { row in privileges(row).map { "GRANT \($0) ON \(place(row)) TO \(account(report));" } })
    }

    /// Only what was given to the account itself; what comes through roles or PUBLIC is shown by SHOW GRANTS and taken there.
    static func revokes(_ rows: [PrivilegeRow], _ report: PrivilegeReport) -> [Remedy] {
        remedies(
            .destroys,
            rows.compactMap { row in
                let way = row.way ?? ""
                // Where it was given stands behind the way: on *.*, on `pattern`.*; without a place it is the object's own grant.
                guard way.hasPrefix("direct grant"), let words = privileges(row), !way.contains(",") else { return nil }
                let given = way.dropFirst("direct grant".count).drop { $0 == " " }
                return "REVOKE \(words) ON \(given.isEmpty ? place(row) : String(given.dropFirst(3))) FROM \(account(report));"
            })
    }

    private static func privileges(_ row: PrivilegeRow) -> String? {
        if row.sort == "role" {
            let words = row.rights.compactMap {
                ["SUPERUSER": nil, "CREATEDB": "CREATE", "CREATEROLE": "CREATE USER", "REPLICATION": "REPLICATION SLAVE"][$0] ?? nil
            }
            return words.isEmpty ? nil : words.joined(separator: ", ")
        }
        let words = row.rights.compactMap { word in
            PrivilegeRight(rawValue: word.lowercased()).flatMap { MySQLPrivileges.privilege($0, row.sort) ?? "SELECT" }
        }
        return words.isEmpty ? nil : words.joined(separator: ", ")
    }

    /// A database in a grant is a pattern, so its wildcards are taken away.
    static func pattern(_ database: String) -> String {
        var text = ""
        for scalar in database.unicodeScalars {
            if scalar == "_" || scalar == "%" { text += "\\" }
            text.unicodeScalars.append(scalar)
        }
        return text
    }

    private static func place(_ row: PrivilegeRow) -> String {
        switch row.sort {
        case "role": return "*.*"
        case "database": return "\(GrantSet.identifier(pattern(row.name ?? ""))).*"
        case "schema": return "\(GrantSet.identifier(pattern(row.schema ?? ""))).*"
        case "function": return "FUNCTION \(GrantSet.identifier(row.schema ?? "")).\(GrantSet.identifier(row.name ?? ""))"
        default: return "\(GrantSet.identifier(row.schema ?? "")).\(GrantSet.identifier(row.name ?? ""))"
        }
    }

    private static func account(_ report: PrivilegeReport) -> String {
        MySQLPrivileges.quoted(report.role) ?? "\(MySQLPrivileges.literal(report.role))@'%'"
    }

    private static func remedies(_ kind: Remedy.Kind, _ texts: [String]) -> [Remedy] {
        var seen: Set<String> = []
        return texts.map(Redactor.scrub).filter { seen.insert($0).inserted }.prefix(12).map { Remedy(kind, $0) }
    }
}
