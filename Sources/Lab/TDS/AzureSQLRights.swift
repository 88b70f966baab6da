// The rights of the lab's Azure SQL database, and its answers to the agent's question for them.
import Diagnosis
import TDS

/// A database with three tables in `dbo`. `app` is in `db_datareader` and `db_datawriter`, everybody else only in the first of them; UPDATE and
/// DELETE on the audit trail are denied to all of them.
///
/// No SQL is understood here: each statement of the question is known by its shape (`AzureSQLPrivileges.question`), and one that is not stays
/// without an answer, so that a changed question is noticed.
struct AzureSQLRights {
    static let schema = "dbo"
    static let tables = ["accounts", "audit_log", "entries"]
    private static let denied: [String: Set<String>] = ["audit_log": ["UPDATE", "DELETE"]]
    private static let everywhere: [String: Set<String>] = ["app": ["SELECT", "INSERT", "UPDATE", "DELETE"]]

    /// The name of the user in the database.
    var user: String
    /// The values of the question's parameters, by their names with the sign in front.
    var parameters: [String: String]

    /// What holds for the database as a whole, and so for all that is in it.
    private var granted: Set<String> { Self.everywhere[user] ?? ["SELECT"] }
    private func held(on table: String) -> Set<String> { granted.subtracting(Self.denied[table] ?? []) }

    private struct Word { var right, permission: String }

    /// One result set of rows for every statement; nil when one of them is not known.
    func answer(_ question: String) -> [[[TDSValue]]]? {
        var sets: [[[TDSValue]]] = []
        for line in question.split(separator: "\n").map(String.init) {
            guard let rows = rows(line) else { return nil }
            sets.append(rows)
        }
        return sets
    }

    private func rows(_ line: String) -> [[TDSValue]]? {
        if line.hasPrefix("SELECT -1, N'self'") { return [row(-1, "self", "role", nil, user, nil, nil, nil)] }
        let isTop = line.hasPrefix("SELECT TOP (")
        guard let index = Self.number(after: isTop ? ") " : "SELECT ", in: line) else { return nil }
        if isTop { return objects(line, index) }
        if line.contains("CASE WHEN EXISTS (SELECT 1 FROM sys.objects") { return future(line, index) }
        if line.contains("WHERE NOT EXISTS (SELECT 1 FROM sys.objects") { return absent(line, index) }
        return place(line, index)
    }

    /// Rights on the database, or on a schema itself.
    private func place(_ line: String, _ index: Int) -> [[TDSValue]]? {
        guard let kind = Self.quoted(line, 0), let sort = Self.quoted(line, 1) else { return nil }
        let schema = parameter(after: "N'\(sort)', CAST(", in: line)
        let has: (String) -> Bool = { permission in
            switch permission {
            case "CONNECT": true
            case "ANY": schema == Self.schema
            default: granted.contains(permission) && (schema == nil || schema == Self.schema)
            }
        }
        let found = Self.words(line).filter { has($0.permission) == (kind == "held") }.map(\.right)
        if found.isEmpty { return [] }
        return [row(index, kind, sort, schema, sort == "role" ? user : nil, nil, found, nil)]
    }

    /// Objects that lack a right, or have one that they must not have.
    private func objects(_ line: String, _ index: Int) -> [[TDSValue]]? {
        guard let kind = Self.quoted(line, 0), let schema = parameter(after: "WHERE s.name = ", in: line) else { return nil }
        let name = parameter(after: " AND o.name = ", in: line)
        guard line.contains("o.type IN ('U', 'V')"), schema == Self.schema else { return [] }
        let words = Self.words(line)
        let found = Self.tables.filter { name == nil || name == $0 }.compactMap { table -> (String, [Word])? in
            let wrong = words.filter { held(on: table).contains($0.permission) == (kind == "held") }
            return wrong.isEmpty ? nil : (table, wrong)
        }
        return found.map { table, wrong in
            // As FOR JSON writes the rows of the catalog: where a right comes from, or what denies it.
            let role = wrong.contains { $0.permission != "SELECT" } ? "db_datawriter" : "db_datareader"
            let denials = wrong.filter { Self.denied[table]?.contains($0.permission) == true }
            let sources =
                kind == "held" ? [Self.source("role", role)] : denials.map { Self.source("deny", user, on: 1, $0.permission) }
            let way = sources.isEmpty ? nil : JSON.array(sources).compact
            return row(index, kind, "table", schema, table, "dbo", wrong.map(\.right), way, count: found.count)
        }
    }

    private static func source(_ kind: String, _ name: String, on scope: Int = 0, _ permission: String? = nil) -> JSON {
        ["k": kind, "p": permission, "c": scope, "n": name, "d": 1]
    }

    /// A table that is asked for by name and not there.
    private func absent(_ line: String, _ index: Int) -> [[TDSValue]]? {
        let sort = Self.text(between: "ELSE N'missing' END, N'", and: "'", in: line)
        guard let sort, let schema = parameter(after: "N'\(sort)', CAST(", in: line),
            let name = parameter(after: " AND o.name = ", in: line),
            let rights = Self.text(between: "AS nvarchar(128)), N'", and: "'", in: line)
        else { return nil }
        if sort == "table", schema == Self.schema, Self.tables.contains(name) { return [] }
        let isSeen = schema == Self.schema && rights.split(separator: ",").first.map { granted.contains(String($0)) } == true
        return [row(index, isSeen ? "absent" : "missing", sort, schema, name, nil, [rights], nil)]
    }

    /// What is made tomorrow: only a right on the schema, or above it, covers that.
    private func future(_ line: String, _ index: Int) -> [[TDSValue]]? {
        guard let schema = parameter(after: "WHERE s.name = ", in: line) else { return nil }
        let lacking = Self.words(line).filter { schema != Self.schema || !granted.contains($0.permission) }.map(\.right)
        if lacking.isEmpty { return [] }
        let hasSome = schema == Self.schema && line.contains("o.type IN ('U', 'V')")
        return [row(index, hasSome ? "future" : "missing", "schema", schema, nil, nil, lacking, nil)]
    }

    private func row(
        _ index: Int, _ kind: String, _ sort: String, _ schema: String?, _ name: String?, _ owner: String?, _ rights: [String]?,
        _ way: String?, count: Int = 1
    ) -> [TDSValue] {
        let texts = [kind, sort, schema, name, owner, rights?.joined(separator: ", "), way].map { $0.map(TDSValue.text) ?? .null }
        return [.integer(Int64(index))] + texts + [.integer(Int64(count)), .integer(Int64(count))]
    }

    // MARK: reading the shape

    private func parameter(after mark: String, in line: String) -> String? {
        guard let end = line.firstRange(of: mark)?.upperBound, line[end...].first == "@" else { return nil }
        return parameters[String(line[end...].prefix { $0 == "@" || $0.isLetter || $0.isNumber })]
    }

    /// `(VALUES (N'SELECT', N'SELECT'), (N'TRUNCATE', N'ALTER')) AS w`; a list of roles may stand before it.
    private static func words(_ line: String) -> [Word] {
        guard let end = line.firstRange(of: "')) AS w(")?.lowerBound, let start = line[..<end].ranges(of: "(VALUES (N'").last?.upperBound
        else { return [] }
        return line[start..<end].split(separator: "'), (N'").compactMap { pair in
            let parts = pair.split(separator: "', N'")
            return parts.count == 2 ? Word(right: String(parts[0]), permission: String(parts[1])) : nil
        }
    }

    /// The text in quotation marks, counted from 0.
    private static func quoted(_ line: String, _ place: Int) -> String? {
        let parts = line.split(separator: "'", maxSplits: 2 * place + 2, omittingEmptySubsequences: false)
        return parts.count > 2 * place + 1 ? String(parts[2 * place + 1]) : nil
    }

    private static func number(after mark: String, in line: String) -> Int? {
        line.firstRange(of: mark).flatMap { Int(line[$0.upperBound...].prefix { $0.isNumber }) }
    }

    private static func text(between first: String, and second: String, in line: String) -> String? {
        guard let start = line.firstRange(of: first)?.upperBound else { return nil }
        let rest = line[start...]
        return rest.firstRange(of: second).map { String(rest[..<$0.lowerBound]) }
    }
}
