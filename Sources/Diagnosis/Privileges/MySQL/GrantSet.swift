// What the rows of SHOW GRANTS come to: which privilege holds where, and through what.

/// The effective privileges of a session on a MySQL or MariaDB server.
///
/// Privileges of all levels add up (global, database, table, columns, routine), for the account, its active roles and PUBLIC. Of the
/// database patterns of one grantee only the most specific that fits counts. **Source**: MySQL documentation, "Access Control, Stage 2".
package struct GrantSet: Sendable, Hashable {
    static let everybody = "PUBLIC"

    /// How a privilege is held somewhere.
    struct Holding: Sendable, Hashable {
        /// `direct grant`, `role r`, `PUBLIC`, with the place it was given for.
        var way: String
        /// Some columns only.
        var isPartial: Bool
    }

    private let statements: [GrantStatement]
    /// Rows that only the active roles bring (MySQL 8), where rows do not name the role themselves.
    private let viaRoles: Set<GrantStatement>
    private let user: String
    /// Also those that rows of their own show to be active (MariaDB).
    private let activeRoles: Set<String>
    /// Whether `_` and `%` in database names are themselves (`partial_revokes`).
    private let isLiteral: Bool
    /// Names of databases, tables and routines are kept, and have to be asked for, in this form.
    let naming: NameCase
    /// Rows that grant or revoke something and were not understood.
    package let unread: Int

    /// - Parameters:
    ///   - rows: SHOW GRANTS for the account; with what roles bring, where rows name the role themselves (MariaDB).
    ///   - rowsWithRoles: the same USING the active roles, where the server adds up what holds at one place (MySQL 8). None without roles.
    ///   - user: the account's name, without its host.
    package init(
        rows: [String], rowsWithRoles: [String] = [], user: String, activeRoles: [String] = [], isLiteral: Bool = false,
        naming: NameCase = .exact
    ) {
        func statements(_ row: String) -> [GrantStatement] {
            GrantStatement.statements(in: row).map { statement in
                var statement = statement
                statement.level = naming.key(statement.level)
                return statement
            }
        }
        let own = rows.flatMap(statements)
        let all = rowsWithRoles.flatMap(statements)
        let added = all.compactMap { $0.beyond(own) }
        self.naming = naming
        // What is taken back of a global privilege in one database is what remains of it when everything is added up.
        self.statements = (rowsWithRoles.isEmpty ? own : own.filter { !$0.isRevoke }) + added
        viaRoles = Set(added)
        self.user = user
        self.activeRoles = Set(activeRoles).union(own.map(\.grantee)).subtracting([user, Self.everybody])
        self.isLiteral = isLiteral
        unread = rows.count(where: GrantStatement.isUnread) + rowsWithRoles.count(where: GrantStatement.isUnread)
    }

    /// Roles that were granted and are not active, so that nothing of what they bring counts. **Shape**: sorted, without doubles.
    package var inactiveRoles: [String] {
        let granted = Set(
            statements.compactMap { statement -> String? in
                if case .role(let role) = statement.level, statement.grantee == user { role } else { nil }
            })
        return granted.subtracting(activeRoles).sorted()
    }

    /// Through what the session may do everything or hand out everything; nil for an ordinary account.
    package var administrator: String? {
        let global = statements.filter { $0.level == .global && !$0.isRevoke }
        // The account's own rights and those that its roles add are rows of their own, and the server adds them up.
        let mayGrant = global.contains(where: \.hasGrantOption)
        for statement in global {
            let names = Set(statement.privileges.map(\.name))
            if names.contains("ALL PRIVILEGES") { return "ALL PRIVILEGES on *.*" }
            if names.contains("SUPER") { return "SUPER" }
            if names.contains("CREATE USER"), mayGrant { return "CREATE USER with GRANT OPTION" }
        }
        return nil
    }

    /// Names of the roles whose rights count. **Shape**: sorted.
    var roles: [String] { activeRoles.sorted() }

    /// What reaches beyond the use of a database's objects, as it would be found in SHOW GRANTS: rights on every database or on the server,
    /// everything in this one, and the right to hand rights on.
    func reach(beyond database: String) -> [String] {
        let fitting = databaseGrants(for: database)
        return statements.filter { !$0.isRevoke }.compactMap { statement in
            let names = statement.privileges.map(\.name).filter { !Self.harmless.contains($0) }
            var words: [String]
            switch statement.level {
            case .global: words = names
            case .database where fitting.contains(statement): words = names.filter { $0 == "ALL PRIVILEGES" }
            default: return nil
            }
            if words.count > Self.wordLimit { words = words.prefix(Self.wordLimit) + ["\(words.count - Self.wordLimit) more"] }
            if statement.hasGrantOption { words.append("GRANT OPTION") }
            guard !words.isEmpty else { return nil }
            let place = if case .database(let pattern) = statement.level { "\(Self.identifier(pattern)).*" } else { "*.*" }
            let who = way(of: statement, at: "")
            return "\(words.joined(separator: ", ")) on \(place)\(who == "direct grant" ? "" : " (\(who))")"
        }
    }

    private static let wordLimit = 6
    /// Global privileges that let nobody into a database.
    private static let harmless: Set<String> = ["USAGE", "SHOW DATABASES"]

    /// The roles in the answer to CURRENT_ROLE(): `` `r`@`%`,`s`@`%` ``, or NONE.
    /// - Returns: quoted anew, for a statement, with the bare names beside.
    package static func roles(in text: String) -> [(name: String, quoted: String)] {
        guard text.utf8.count <= GrantStatement.limit else { return [] }
        return GrantStatement.statements(in: "GRANT \(text) TO `x`@`%`").compactMap { statement in
            guard case .role(let name) = statement.level else { return nil }
            // The host is that of every role there is unless somebody went out of his way.
            return (name, identifier(name) + "@" + identifier(statement.roleHost ?? "%"))
        }
    }

    /// A name in backticks.
    package static func identifier(_ text: String) -> String {
        var body = ""
        for scalar in text.unicodeScalars where scalar != "\0" {
            if scalar == "`" { body += "`" }
            body.unicodeScalars.append(scalar)
        }
        return "`\(body)`"
    }

    // MARK: What is held

    func globally(_ privilege: String) -> [Holding] {
        statements.compactMap { statement in
            guard statement.level == .global, !statement.isRevoke else { return nil }
            return holding(privilege, in: statement, at: "on *.*")
        }
    }

    /// On everything in a database, also what is made later.
    func onDatabase(_ database: String, _ privilege: String) -> [Holding] {
        // A partial revoke takes from what is global, in that one database.
        (isRevoked(privilege, in: database) ? [] : globally(privilege))
            + databaseGrants(for: database).compactMap { statement in
                guard case .database(let pattern) = statement.level else { return nil }
                return holding(privilege, in: statement, at: "on `\(pattern)`.*")
            }
    }

    private func isRevoked(_ privilege: String, in database: String) -> Bool {
        statements.contains { statement in
            guard statement.isRevoke, case .database(let name) = statement.level, name == database else { return false }
            return statement.privileges.contains { Self.covers($0.name, privilege) }
        }
    }

    func onTable(_ database: String, _ table: String, _ privilege: String) -> [Holding] {
        onDatabase(database, privilege)
            + statements.compactMap { statement in
                guard statement.level == .table(database: database, name: table), !statement.isRevoke else { return nil }
                return holding(privilege, in: statement, at: "")
            }
    }

    func onRoutine(_ database: String, _ routine: String, _ privilege: String) -> [Holding] {
        onDatabase(database, privilege)
            + statements.compactMap { statement in
                guard statement.level == .routine(database: database, name: routine) else { return nil }
                return holding(privilege, in: statement, at: "")
            }
    }

    /// Whether anything at all is held in a database: then the session may use it and see what it has rights on.
    func anythingIn(_ database: String) -> [Holding] {
        let whole = statements.filter { statement in
            statement.level == .global && !statement.isRevoke
                && statement.privileges.contains { Self.opensDatabases($0.name) && !isRevoked($0.name, in: database) }
        }
        let parts = statements.filter { statement in
            switch statement.level {
            case .table(let name, _), .routine(let name, _): name == database
            default: false
            }
        }
        return (whole + databaseGrants(for: database).filter { $0.privileges.contains { $0.name != "USAGE" } } + parts).map {
            Holding(way: way(of: $0, at: $0.level == .global ? "on *.*" : ""), isPartial: false)
        }
    }

    /// Tables of a database that carry grants of their own.
    func tables(in database: String) -> [String] { names { if case .table(database, let name) = $0 { name } else { nil } } }
    func routines(in database: String) -> [String] { names { if case .routine(database, let name) = $0 { name } else { nil } } }

    private func names(_ name: (GrantStatement.Level) -> String?) -> [String] {
        Array(Set(statements.filter { !$0.isRevoke }.compactMap { name($0.level) })).sorted()
    }

    // MARK: Which row counts

    /// For every grantee the grant of the most specific pattern that fits. Rows of one pattern belong together.
    private func databaseGrants(for database: String) -> [GrantStatement] {
        var best: [String: (rank: Int, pattern: String)] = [:]
        let fitting = statements.filter { statement in
            guard !statement.isRevoke, case .database(let pattern) = statement.level, fits(database, pattern) else { return false }
            let key = key(of: statement)
            let rank = Self.specificity(pattern)
            if best[key].map({ rank > $0.rank }) ?? true { best[key] = (rank, pattern) }
            return true
        }
        return fitting.filter { statement in
            guard case .database(let pattern) = statement.level else { return false }
            return best[key(of: statement)]?.pattern == pattern
        }
    }

    private func key(of statement: GrantStatement) -> String { viaRoles.contains(statement) ? " roles" : statement.grantee }

    private func fits(_ database: String, _ pattern: String) -> Bool {
        isLiteral ? database == pattern : Self.matches(Array(database.unicodeScalars), Array(pattern.unicodeScalars))
    }

    /// The place of the first wildcard; a name without any is the most specific. **Source**: the servers' `get_sort()`.
    static func specificity(_ pattern: String) -> Int {
        var place = 0
        var isEscaped = false
        for scalar in pattern.unicodeScalars {
            if !isEscaped, scalar == "\\" {
                isEscaped = true
                continue
            }
            if !isEscaped, scalar == "_" || scalar == "%" { return place }
            isEscaped = false
            place += 1
        }
        return Int.max
    }

    /// LIKE with a backslash as escape; one place to go back to, so the time is bounded by the product of the lengths.
    static func matches(_ text: [Unicode.Scalar], _ pattern: [Unicode.Scalar]) -> Bool {
        var (at, of) = (0, 0)
        var retry: (at: Int, of: Int)?
        while at < text.count || of < pattern.count {
            if of < pattern.count {
                let scalar = pattern[of]
                if scalar == "%" {
                    retry = (at + 1, of)
                    of += 1
                    continue
                }
                if at < text.count {
                    if scalar == "\\", of + 1 < pattern.count, pattern[of + 1] == text[at] {
                        (at, of) = (at + 1, of + 2)
                        continue
                    }
                    if scalar == "_" || (scalar == text[at] && scalar != "\\") {
                        (at, of) = (at + 1, of + 1)
                        continue
                    }
                }
            }
            guard let back = retry, back.at <= text.count else { return false }
            (at, of) = (back.at, back.of)
        }
        return true
    }

    // MARK: Words

    private func holding(_ privilege: String, in statement: GrantStatement, at place: String) -> Holding? {
        let found = statement.privileges.filter { Self.covers($0.name, privilege) }
        guard !found.isEmpty else { return nil }
        let isPartial = found.allSatisfy(\.isPartial)
        return Holding(way: isPartial ? "grant on columns" : way(of: statement, at: place), isPartial: isPartial)
    }

    private func way(of statement: GrantStatement, at place: String) -> String {
        let who =
            if viaRoles.contains(statement) {
                activeRoles.count == 1 ? "role \(activeRoles.first ?? "")" : "active roles"
            } else if statement.grantee == user {
                "direct grant"
            } else if statement.grantee == Self.everybody {
                Self.everybody
            } else {
                "role \(statement.grantee)"
            }
        return place.isEmpty ? who : "\(who) \(place)"
    }

    private static func covers(_ given: String, _ wanted: String) -> Bool { given == wanted || given == "ALL PRIVILEGES" }

    /// Whether a global privilege lets a session into every database. USAGE is nothing, and administrative ones concern no database.
    private static func opensDatabases(_ name: String) -> Bool {
        switch name {
        case "ALL PRIVILEGES", "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "REFERENCES", "INDEX", "ALTER",
            "CREATE TEMPORARY TABLES", "LOCK TABLES", "EXECUTE", "CREATE VIEW", "SHOW VIEW", "CREATE ROUTINE", "ALTER ROUTINE", "EVENT",
            "TRIGGER", "DELETE HISTORY":
            true
        default: false
        }
    }
}
