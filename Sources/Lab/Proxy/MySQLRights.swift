// What the scripted MySQL 8 says of rights: the rows of SHOW GRANTS as that server makes them up, and the catalog's names.

/// One account with grants of its own, a role that is active and one that is not.
///
/// **Source**: MySQL 8, `Sql_cmd_show_grants`: without a name, and for CURRENT_USER, the rows hold what the active roles bring as well, added up
/// place by place; for a name only what was given to it. Dynamic privileges stand in a row of their own, without a blank behind the comma; what
/// `partial_revokes` has taken back follows the global rows.
struct MySQLRights: Sendable {
    static let activeRole = "`stock_reader`@`%`"
    private static let tables = ["stock": ["items", "movements", "suppliers"], "returns": ["claims"]]

    private let user: String

    init(_ user: String) { self.user = user }

    private var account: String { "`\(user)`@`%`" }

    /// Nil for what has nothing to do with rights.
    func answer(to statement: String) -> MySQLAnswer? {
        if let rest = Self.rest(of: statement, after: "SHOW GRANTS") { return grants(rest) }
        guard statement.contains("information_schema.") else { return nil }
        if statement.contains("COUNT(*), COALESCE(") { return .rows(["tables", "readable", "writable"], [survey(statement)]) }
        let rows = statement.split(separator: " UNION ALL ").flatMap { Self.rows(of: String($0)) }
        return .rows(["entry", "kind", "schema", "name", "count"], rows)
    }

    /// - Parameter question: what stands behind SHOW GRANTS.
    private func grants(_ question: String) -> MySQLAnswer {
        var role: String? = Self.activeRole
        var asked = question
        if let range = question.firstRange(of: "USING ") {
            role = String(question[range.upperBound...])
            asked = question[..<range.lowerBound].trimming
            guard role == Self.activeRole else { return .error(3530, "HY000", "\(role ?? "") is not granted to \(account)") }
        } else if asked == "FOR '\(user)'@'%'" {
            role = nil
        }
        guard ["", "FOR CURRENT_USER()", "FOR CURRENT_USER", "FOR '\(user)'@'%'"].contains(asked) else {
            return .error(1044, "42000", "Access denied for user '\(user)'@'%' to database 'mysql'")
        }
        let rows = [
            "GRANT INSERT ON *.* TO \(account)", "GRANT SESSION_VARIABLES_ADMIN,XA_RECOVER_ADMIN ON *.* TO \(account)",
            "REVOKE INSERT ON `returns`.* FROM \(account)", "GRANT \(role == nil ? "SELECT" : "SELECT, DELETE") ON `stock`.* TO \(account)",
            "GRANT UPDATE ON `stock`.`items` TO \(account)", "GRANT `stock_keeper`@`%`,\(Self.activeRole) TO \(account)",
        ]
        return .rows(["Grants for \(user)@%"], rows.map { [$0] })
    }

    /// One branch of a question about objects: its number, what it looks at, and the names that it leaves out.
    private static func rows(of branch: String) -> [[String?]] {
        let number = branch.firstRange(of: "SELECT ").map { String(branch[$0.upperBound...].prefix { $0.isNumber }) }
        guard let schema = quoted(in: branch, after: ["SCHEMA_NAME = ", "TABLE_SCHEMA = "]), let known = tables[schema] else { return [] }
        if branch.contains("information_schema.SCHEMATA") { return [[number, "schema", schema, nil, "1"]] }
        guard branch.contains("information_schema.TABLES") else { return [] }
        if let name = quoted(in: branch, after: ["TABLE_NAME = "]) {
            return known.contains(name) ? [[number, "table", schema, name, "1"]] : []
        }
        let names = known.filter { !(branch.contains("NOT ") && branch.contains("'\($0)'")) }
        return names.map { [number, "table", schema, $0, String(names.count)] }
    }

    /// Tables, and of these what each sum counts: all for a condition that always holds, none, or those that it names.
    private func survey(_ statement: String) -> [String?] {
        let known = Self.quoted(in: statement, after: ["TABLE_SCHEMA = "]).flatMap { Self.tables[$0] } ?? []
        let sums = statement.split(separator: "SUM(").dropFirst().map { sum in
            switch sum.prefix(2) {
            case "1)": known.count
            case "0)": 0
            default: known.count { sum.contains("'\($0)'") }
            }
        }
        return ([known.count] + sums.prefix(2)).map { String($0) }
    }

    private static func quoted(in text: String, after marks: [String]) -> String? {
        for mark in marks {
            guard let range = text.firstRange(of: mark + "'") else { continue }
            return String(text[range.upperBound...].prefix { $0 != "'" })
        }
        return nil
    }

    private static func rest(of text: String, after words: String) -> String? {
        text.uppercased().hasPrefix(words) ? text.dropFirst(words.count).trimming : nil
    }
}

extension Substring {
    fileprivate var trimming: String {
        var text = self.drop { $0.isWhitespace }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
