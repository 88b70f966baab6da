// From rules and grants to verdicts for MySQL: pure text in, pure values out.
//
// The server says what a session holds, not what is missing, and it shows only objects on which something is held. So a right is judged by
// the grants; the catalog is asked only what exists, and for tables that a grant on single tables leaves out. A schema of the rules is a
// database here; the right to empty a table is MySQL's DROP.

package struct MySQLPrivileges: Sendable {
    let rules: PrivilegeRules
    let grants: GrantSet
    /// The account that the session became: `name@host`.
    let account: String
    /// The database of the target, as names are compared.
    let database: String
    /// The rules with their names in the form in which this server compares them.
    let entries: [(demand: PrivilegeDemand, rule: PrivilegeRule)]

    package init(rules: PrivilegeRules, grants: GrantSet, account: String, database: String) {
        self.rules = rules
        self.grants = grants
        self.account = account
        self.database = grants.naming.key(database)
        entries = rules.entries.map { demand, rule in
            (demand, PrivilegeRule(name: rule.name, object: grants.naming.key(rule.object), rights: rule.rights))
        }
    }

    /// Most objects that one entry names; the rest is a number.
    package static let examples = 8
    package static let rowLimit = PrivilegeRules.limit * (examples + 2)

    /// The name of the account, without its host, which begins behind the last `@`.
    package static func user(of account: String) -> String {
        account.lastIndex(of: "@").map { String(account[..<$0]) } ?? account
    }

    /// The account as a statement names it; nil for one that has no host, so that it cannot be told.
    package static func quoted(_ account: String) -> String? {
        guard let at = account.lastIndex(of: "@") else { return nil }
        return "\(literal(String(account[..<at])))@\(literal(String(account[account.index(after: at)...])))"
    }

    // MARK: The verdict

    private struct Seen {
        var sort: String
        /// In the form in which names are compared.
        var name: String?
        var total: Int
    }

    /// - Parameter answer: to ``question``; empty when there was none. - Returns: nil when it has not the shape that was asked for.
    package func report(_ answer: [[String?]]) -> PrivilegeReport? {
        if let administrator = grants.administrator {
            return PrivilegeReport(role: account, administrator: administrator, engine: .mysql)
        }
        if grants.unread > 0 {
            let problem = Failure(
                .protocolViolation, during: .privileges, detail: "Rows of SHOW GRANTS were not understood, and what they say may decide.",
                evidence: [Evidence(.agent, code: grants.unread, text: "rows that grant or revoke something and could not be read")])
            return PrivilegeReport(role: account, problem: problem, engine: .mysql)
        }
        var seen: [Int: [Seen]] = [:]
        for row in answer {
            guard row.count == 5, let index = row[0].flatMap({ Int($0) }), entries.indices.contains(index), let sort = row[1],
                let schema = row[2], PrivilegeRow.sorts.contains(sort)
            else { return nil }
            // The catalog may compare without regard to case where the server itself does not.
            let object = entries[index].rule.object
            guard grants.naming.key(schema) == object.schema else { continue }
            seen[index, default: []].append(
                Seen(sort: sort, name: row[3].map { key($0, object.kind) }, total: row[4].flatMap { Int($0) } ?? 1))
        }
        let judged = rules.entries.enumerated().map { index, entry in
            PrivilegeReport.Entry(
                label: entry.rule.label(entry.demand), demand: entry.demand, rule: entry.rule,
                rows: rows(entry.demand, entries[index].rule, seen[index] ?? []))
        }
        return PrivilegeReport(role: account, entries: judged, engine: .mysql, inactiveRoles: grants.inactiveRoles)
    }

    private func key(_ name: String, _ kind: PrivilegeObject.Kind) -> String {
        kind == .function ? name.lowercased() : grants.naming.key(name)
    }

    private func rows(_ demand: PrivilegeDemand, _ rule: PrivilegeRule, _ seen: [Seen]) -> [PrivilegeRow] {
        let rights = rule.rights
        switch rule.object {
        case .role: return attributes(demand, rights)
        case .database: return place(demand, rights, sort: "database", schema: nil, database, exists: true)
        case .schema(let schema): return place(demand, rights, sort: "schema", schema: schema, schema, exists: !seen.isEmpty)
        case .table(let schema, let name), .function(let schema, let name, _):
            let kind = rule.object.kind
            let object = seen.first { $0.name == name }
            if demand == .deny {
                guard let object else { return [] }
                return held(rights, kind, object.sort, schema, name)
            }
            let lacking = rights.filter { !holds($0, kind, schema, name) }
            // What nothing is held on is not shown, so only what is held can be known to be absent.
            if object == nil, lacking.count < rights.count || !wideHoldings(schema).isEmpty {
                return [PrivilegeRow(.absent, sort: kind.rawValue, schema: schema, name: name)]
            }
            return lacking.isEmpty
                ? [] : [PrivilegeRow(.missing, sort: object?.sort ?? kind.rawValue, schema: schema, name: name, rights: lacking.map(\.sql))]
        case .allTables(let schema), .allFunctions(let schema):
            return demand == .require ? lackingOfAll(rule, schema, seen) : heldOfAll(rule, schema, seen)
        case .sequence(let schema, let name): return [PrivilegeRow(.absent, sort: "sequence", schema: schema, name: name)]
        case .allSequences: return []
        }
    }

    /// Attributes of the login: the global privileges that come nearest.
    private func attributes(_ demand: PrivilegeDemand, _ rights: [PrivilegeRight]) -> [PrivilegeRow] {
        rights.compactMap { right in
            let holdings = Self.attribute(right).map(grants.globally) ?? []
            switch demand {
            case .require where holdings.isEmpty: return PrivilegeRow(.missing, sort: "role", name: account, rights: [right.sql])
            case .deny where !holdings.isEmpty:
                return PrivilegeRow(.held, sort: "role", name: account, rights: [right.sql], way: Self.ways(holdings))
            default: return nil
            }
        }
    }

    private func place(
        _ demand: PrivilegeDemand, _ rights: [PrivilegeRight], sort: String, schema: String?, _ database: String, exists: Bool
    ) -> [PrivilegeRow] {
        func holdings(_ right: PrivilegeRight) -> [GrantSet.Holding] {
            Self.privilege(right, sort).map { grants.onDatabase(database, $0) } ?? grants.anythingIn(database)
        }
        let name = schema == nil ? database : nil
        switch demand {
        case .require:
            if !exists, !grants.anythingIn(database).isEmpty { return [PrivilegeRow(.absent, sort: sort, schema: schema, name: name)] }
            // Who is in the database may connect to it, whatever the grants look like.
            let lacking = rights.filter { holdings($0).isEmpty && $0 != .connect }
            return lacking.isEmpty ? [] : [PrivilegeRow(.missing, sort: sort, schema: schema, name: name, rights: lacking.map(\.sql))]
        case .deny:
            let found = exists ? rights.filter { !holdings($0).isEmpty || $0 == .connect } : []
            guard !found.isEmpty else { return [] }
            return [
                PrivilegeRow(
                    .held, sort: sort, schema: schema, name: name, rights: found.map(\.sql), way: Self.ways(found.flatMap(holdings)))
            ]
        }
    }

    private func held(
        _ rights: [PrivilegeRight], _ kind: PrivilegeObject.Kind, _ sort: String, _ schema: String, _ name: String
    ) -> [PrivilegeRow] {
        let found = rights.map { ($0, holdings($0, kind, schema, name)) }.filter { !$0.1.isEmpty }
        guard !found.isEmpty else { return [] }
        return [
            PrivilegeRow(
                .held, sort: sort, schema: schema, name: name, rights: found.map(\.0.sql), way: Self.ways(found.flatMap(\.1)))
        ]
    }

    /// Of all objects of a schema: who holds a right on the whole database has it on what comes as well.
    private func lackingOfAll(_ rule: PrivilegeRule, _ schema: String, _ seen: [Seen]) -> [PrivilegeRow] {
        let lacking = wide(rule)
        let exists = seen.contains { $0.sort == "schema" }
        if !exists, !wideHoldings(schema).isEmpty { return [PrivilegeRow(.absent, sort: "schema", schema: schema)] }
        guard !lacking.isEmpty else { return [] }
        let words = lacking.map(\.sql)
        let objects = seen.filter { $0.sort != "schema" }
        let own = rule.object.kind == .table ? grants.tables(in: schema) : grants.routines(in: schema)
        // Nothing is shown: there is nothing, or nothing that anything is held on.
        guard !objects.isEmpty || !own.isEmpty else { return [PrivilegeRow(.missing, sort: "schema", schema: schema, rights: words)] }
        let missing = objects.compactMap { object -> PrivilegeRow? in
            let rights = lacking.filter { !holds($0, rule.object.kind, schema, object.name ?? "") }
            guard !rights.isEmpty else { return nil }
            return PrivilegeRow(
                .missing, sort: object.sort, schema: schema, name: object.name, rights: rights.map(\.sql), total: object.total,
                owned: object.total)
        }
        return missing + [PrivilegeRow(.future, sort: "schema", schema: schema, rights: words)]
    }

    private func heldOfAll(_ rule: PrivilegeRule, _ schema: String, _ seen: [Seen]) -> [PrivilegeRow] {
        guard seen.contains(where: { $0.sort == "schema" }) else { return [] }
        let kind = rule.object.kind
        let whole = rule.rights.filter { !onDatabase($0, kind, schema).isEmpty }
        if !whole.isEmpty {
            let ways = Self.ways(whole.flatMap { onDatabase($0, kind, schema) })
            return [PrivilegeRow(.held, sort: "schema", schema: schema, rights: whole.map(\.sql), way: ways)]
        }
        let names = kind == .table ? grants.tables(in: schema) : grants.routines(in: schema)
        let rows = names.flatMap { held(rule.rights, kind, kind.rawValue, schema, $0) }
        return rows.prefix(Self.examples).map { row in
            var row = row
            (row.total, row.owned) = (rows.count, rows.count)
            return row
        }
    }

    // MARK: Rights

    /// Rights of the rule that are not held on the whole database.
    func wide(_ rule: PrivilegeRule) -> [PrivilegeRight] {
        guard let schema = rule.object.schema else { return [] }
        return rule.rights.filter { onDatabase($0, rule.object.kind, schema).isEmpty }
    }

    private func wideHoldings(_ schema: String) -> [GrantSet.Holding] {
        ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "EXECUTE", "ALTER", "INDEX", "SHOW VIEW"].flatMap {
            grants.onDatabase(schema, $0)
        }
    }

    private func onDatabase(_ right: PrivilegeRight, _ kind: PrivilegeObject.Kind, _ schema: String) -> [GrantSet.Holding] {
        Self.privilege(right, kind.rawValue).map { grants.onDatabase(schema, $0) } ?? []
    }

    private func holdings(
        _ right: PrivilegeRight, _ kind: PrivilegeObject.Kind, _ schema: String, _ name: String
    ) -> [GrantSet.Holding] {
        guard let privilege = Self.privilege(right, kind.rawValue) else { return [] }
        return kind == .function ? grants.onRoutine(schema, name, privilege) : grants.onTable(schema, name, privilege)
    }

    /// Whether the whole object is covered; a part of its columns is not enough.
    func holds(_ right: PrivilegeRight, _ kind: PrivilegeObject.Kind, _ schema: String, _ name: String) -> Bool {
        holdings(right, kind, schema, name).contains { !$0.isPartial }
    }

    /// A string of a session whose `sql_mode` is empty, so that a backslash escapes.
    static func literal(_ text: String) -> String {
        var body = ""
        for scalar in text.unicodeScalars where scalar != "\0" {
            if scalar == "'" || scalar == "\\" { body.unicodeScalars.append(scalar) }
            body.unicodeScalars.append(scalar)
        }
        return "'\(body)'"
    }

    /// MySQL's word for a right; nil for the right to use a place, which any privilege in it gives.
    package static func privilege(_ right: PrivilegeRight, _ sort: String) -> String? {
        switch right {
        case .truncate: "DROP"
        case .temporary: "CREATE TEMPORARY TABLES"
        case .usage, .connect: nil
        default: right.sql
        }
    }

    private static func attribute(_ right: PrivilegeRight) -> String? {
        switch right {
        case .superuser: "SUPER"
        case .createdb: "CREATE"
        case .createrole: "CREATE USER"
        case .replication: "REPLICATION SLAVE"
        default: nil
        }
    }

    private static func ways(_ holdings: [GrantSet.Holding]) -> String {
        var seen: Set<String> = []
        return holdings.map(\.way).filter { seen.insert($0).inserted }.joined(separator: ", ")
    }
}
