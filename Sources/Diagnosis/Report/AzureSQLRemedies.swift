// Statements for Azure SQL that give or take rights, with the real names filled in.
//
// A statement names the place where the row lives: a DENY on the schema is not lifted by a REVOKE on the table.

enum AzureSQLRemedies {
    /// What denies a right has to go before a grant can work.
    static func grants(_ entries: [PrivilegeReport.Entry], _ report: PrivilegeReport) -> [Remedy] {
        var lifts: [String] = []
        var grants: [String] = []
        for (entry, row) in entries.flatMap({ entry in entry.rows.map { (entry, $0) } }) where row.kind == .missing {
            for source in row.sources { if let text = lift(source, row, report) { lifts.append(text) } }
            let isDenied = !row.sources.isEmpty
            grants += grant(row, entry.rule.object.kind, report, isDenied ? "has no effect while something denies it" : nil)
        }
        return remedies(.widens, lifts + grants)
    }

    static func future(_ rows: [(PrivilegeReport.Entry, PrivilegeRow)], _ report: PrivilegeReport) -> [Remedy] {
        remedies(.widens, rows.flatMap { entry, row in grant(row, entry.rule.object.kind, report, nil) })
    }

    /// Each right is taken where it comes from; nothing is offered where that is not visible.
    static func revokes(_ rows: [PrivilegeRow], _ report: PrivilegeReport) -> [Remedy] {
        remedies(.destroys, rows.flatMap { row in row.sources.compactMap { revoke($0, row, report) } })
    }

    // MARK: Statements

    private static func grant(_ row: PrivilegeRow, _ kind: PrivilegeObject.Kind, _ report: PrivilegeReport, _ note: String?) -> [String] {
        let words = permissions(row, kind)
        guard !words.isEmpty else { return [] }
        var notes = [note, report.groups == nil ? nil : "the group, so for all its members"].compactMap { $0 }
        // Sequences and functions that give rows have no permission of their own on a schema: it is the one of the tables.
        if row.sort == "schema", kind == .sequence, words.contains("UPDATE") { notes.append("opens the schema's tables too") }
        if row.sort == "schema", kind == .function, words.contains("SELECT") { notes.append("SELECT opens the schema's tables too") }
        return [
            "GRANT \(words.joined(separator: ", "))\(place(row)) TO \(grantee(report));"
                + (notes.isEmpty ? "" : "  -- \(notes.joined(separator: "; "))")
        ]
    }

    private static func lift(_ source: AzureSQLSource, _ row: PrivilegeRow, _ report: PrivilegeReport) -> String? {
        switch source.kind {
        case .deny:
            guard let permission = source.permission, let place = place(source.scope, row) else { return nil }
            return
                "REVOKE \(permission)\(place) FROM \(identifier(source.principal));  -- lifts the DENY\(source.isSelf ? "" : " for all who have it through \(identifier(source.principal))")"
        case .role where source.isDirect:
            return "ALTER ROLE \(identifier(source.principal)) DROP MEMBER \(grantee(report));  -- this role denies it, whatever is granted"
        case .role, .grant, .owner: return nil
        }
    }

    private static func revoke(_ source: AzureSQLSource, _ row: PrivilegeRow, _ report: PrivilegeReport) -> String? {
        switch source.kind {
        case .grant:
            // A role that the user can leave: then the others keep what they have.
            if !source.isSelf, source.isDirect, !source.isGroup, source.principal.lowercased() != "public" {
                return "ALTER ROLE \(identifier(source.principal)) DROP MEMBER \(grantee(report));  -- takes all that comes with that role"
            }
            guard let permission = source.permission, let place = place(source.scope, row) else { return nil }
            let whose = source.isSelf ? nil : "takes it from all who have it through \(identifier(source.principal))"
            let where_ = source.scope == scope(row) ? nil : "on the whole \(source.scope == .database ? "database" : "schema")"
            let notes = [whose, where_].compactMap { $0 }.joined(separator: ", ")
            return "REVOKE \(permission)\(place) FROM \(identifier(source.principal))\(source.isGrantable ? " CASCADE" : "");"
                + (notes.isEmpty ? "" : "  -- \(notes)")
        case .role where source.isDirect:
            return "ALTER ROLE \(identifier(source.principal)) DROP MEMBER \(grantee(report));  -- takes all that comes with that role"
        case .owner:
            switch source.scope {
            case .object:
                // A verdict about the database or a role names no object that could be given away.
                let place = place(row)
                return place.isEmpty ? nil : "ALTER AUTHORIZATION\(place) TO SCHEMA OWNER;  -- grants on it are lost"
            case .schema:
                return "ALTER AUTHORIZATION ON SCHEMA::\(identifier(row.schema ?? "")) TO [dbo];  -- grants on it are lost"
            case .database: return nil
            }
        case .role, .deny: return nil
        }
    }

    // MARK: Parts

    /// - Parameter kind: of the rule: a schema in the verdict stands for all of its tables, sequences or functions.
    private static func permissions(_ row: PrivilegeRow, _ kind: PrivilegeObject.Kind) -> [String] {
        var words: [String] = []
        for word in row.rights {
            guard let right = PrivilegeRight(rawValue: word.lowercased()), let permission = AzureSQLPrivileges.permission(right, on: kind)
            else { continue }
            // Any right at all makes a schema usable; the least of them shows what is there.
            let name = permission == "ANY" ? "VIEW DEFINITION" : permission
            if !words.contains(name) { words.append(name) }
        }
        return words
    }

    private static func scope(_ row: PrivilegeRow) -> AzureSQLSource.Scope {
        switch row.sort {
        case "database", "role": .database
        case "schema": .schema
        default: .object
        }
    }

    /// ` ON SCHEMA::[sales]`; nothing for the database, which is the one the statement is run in.
    private static func place(_ scope: AzureSQLSource.Scope, _ row: PrivilegeRow) -> String? {
        switch scope {
        case .database: ""
        case .schema: row.schema.map { " ON SCHEMA::\(identifier($0))" }
        case .object:
            row.schema.flatMap { schema in row.name.map { " ON OBJECT::\(identifier(schema)).\(identifier($0))" } }
        }
    }

    private static func place(_ row: PrivilegeRow) -> String { place(scope(row), row) ?? "" }

    /// Who can be granted something: the user, or the group through which a session without a user came in.
    private static func grantee(_ report: PrivilegeReport) -> String {
        guard let groups = report.groups else { return identifier(report.role) }
        return groups.first.map(identifier) ?? "[<the group it comes in through>]"
    }

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
