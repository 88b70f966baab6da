// Statements for Azure SQL that give or take rights, with the real names filled in.

enum AzureSQLRemedies {
    /// A DENY has to go before a grant can work.
    static func grants(_ rows: [PrivilegeRow], _ report: PrivilegeReport) -> [Remedy] {
        var texts: [String] = []
        for row in rows where row.kind == .missing {
            guard let words = permissions(row) else { continue }
            if row.way?.hasPrefix("DENY") == true {
                texts.append("REVOKE \(words) ON \(place(row)) FROM <who is denied it>;  -- \(Redactor.scrub(row.way ?? ""))")
            }
            texts.append(
                row.sort == "database" || row.sort == "role"
                    ? "GRANT \(words) TO \(user(report));" : "GRANT \(words) ON \(place(row)) TO \(user(report));")
        }
        return remedies(.widens, texts)
    }

    static func future(_ rows: [PrivilegeRow], _ report: PrivilegeReport) -> [Remedy] {
        remedies(.widens, rows.compactMap { row in permissions(row).map { "GRANT \($0) ON \(place(row)) TO \(user(report));" } })
    }

    /// Only what was given to the user itself; what comes through a role is taken by leaving the role.
    static func revokes(_ rows: [PrivilegeRow], _ report: PrivilegeReport) -> [Remedy] {
        remedies(
            .destroys,
            rows.compactMap { row in
                guard let words = permissions(row), let way = row.way else { return nil }
                if way == "direct grant" {
                    return row.sort == "database" || row.sort == "role"
                        ? "REVOKE \(words) FROM \(user(report));" : "REVOKE \(words) ON \(place(row)) FROM \(user(report));"
                }
                let roles = way.split(separator: ",").map { $0.drop { $0 == " " } }
                guard roles.count == 1, let role = roles.first, role.hasPrefix("role ") else { return nil }
                return "ALTER ROLE \(identifier(String(role.dropFirst(5)))) DROP MEMBER \(user(report));"
            })
    }

    private static func permissions(_ row: PrivilegeRow) -> String? {
        let kind: PrivilegeObject.Kind =
            switch row.sort {
            case "role": .role
            case "database": .database
            case "sequence": .sequence
            case "function": .function
            // Rights of tables are given on their schema as well.
            case "schema":
                row.rights.contains { ["USAGE", "CREATE"].contains($0) } ? .schema : row.rights == ["EXECUTE"] ? .function : .table
            default: .table
            }
        var words: [String] = []
        for word in row.rights {
            guard let right = PrivilegeRight(rawValue: word.lowercased()), let permission = AzureSQLPrivileges.permission(right, on: kind)
            else {
                continue
            }
            // Any right at all makes a schema usable; the least of them shows what is there.
            let name = permission == "ANY" ? "VIEW DEFINITION" : permission
            if !words.contains(name) { words.append(name) }
        }
        return words.isEmpty ? nil : words.joined(separator: ", ")
    }

    private static func place(_ row: PrivilegeRow) -> String {
        switch row.sort {
        case "schema": "SCHEMA::\(identifier(row.schema ?? ""))"
        case "database", "role": "DATABASE::\(identifier(row.name ?? ""))"
        default: "OBJECT::\(identifier(row.schema ?? "")).\(identifier(row.name ?? ""))"
        }
    }

    private static func user(_ report: PrivilegeReport) -> String { identifier(report.role) }

    /// **Source**: Microsoft Learn, "Database identifiers": a closing bracket inside is doubled.
    static func identifier(_ name: String) -> String {
        var body = ""
        for scalar in Redactor.scrub(name).unicodeScalars where scalar.properties.generalCategory != .control {
            if scalar == "]" { body += "]" }
            body.unicodeScalars.append(scalar)
        }
        return "[\(body)]"
    }

    private static func remedies(_ effect: Remedy.Kind, _ texts: [String]) -> [Remedy] {
        var seen: Set<String> = []
        return texts.filter { seen.insert($0).inserted }.prefix(12).map { Remedy(effect, $0) }
    }
}
