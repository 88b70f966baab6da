// One row of SHOW GRANTS, read as the statement it is: pure, bounded, and what is not understood is left out rather than guessed.

/// A privilege, a role or a restriction that a server lists for an account.
///
/// **Source**: MySQL documentation, "SHOW GRANTS Statement" and "GRANT Statement"; MariaDB documentation of the same.
struct GrantStatement: Sendable, Hashable {
    /// Where a privilege applies.
    enum Level: Sendable, Hashable {
        case global
        /// As it was written: `_` and `%` are wildcards, a backslash takes that from them.
        case database(String)
        case table(database: String, name: String)
        case routine(database: String, name: String)
        /// A role that is granted, not a privilege.
        case role(String)
        /// The role that becomes active at login.
        case defaultRole(String)
    }

    struct Privilege: Sendable, Hashable {
        /// In upper case, words parted by one blank: `CREATE TEMPORARY TABLES`; `ALL PRIVILEGES` stands for all.
        var name: String
        /// Whether it holds for some columns only.
        var isPartial: Bool
    }

    var level: Level
    var privileges: [Privilege]
    /// The name that has it: a user, a role, or `PUBLIC`. Without its host.
    var grantee: String
    /// Whether the row takes something away (MySQL 8, partial revokes).
    var isRevoke: Bool
    var hasGrantOption: Bool
    /// The host of a granted role, as MySQL has it.
    var roleHost: String?

    /// What this row holds and rows of the same place among `own` do not; nil when that is nothing. What is taken away stays as it is.
    func beyond(_ own: [GrantStatement]) -> GrantStatement? {
        guard !isRevoke else { return self }
        let known = own.filter { $0.level == level && !$0.isRevoke }
        // A role, that is held or not.
        if privileges.isEmpty { return known.isEmpty ? self : nil }
        let held = Set(known.flatMap(\.privileges))
        let whole = Set(held.filter { !$0.isPartial }.map(\.name))
        var rest = self
        rest.privileges = whole.contains("ALL PRIVILEGES") ? [] : privileges.filter { !whole.contains($0.name) && !held.contains($0) }
        rest.hasGrantOption = hasGrantOption && !known.contains { $0.hasGrantOption }
        return rest.privileges.isEmpty && !rest.hasGrantOption ? nil : rest
    }

    /// Longest row that is looked at. **Unit**: bytes.
    static let limit = 16_384

    /// - Returns: nothing for rows of other kinds (PROXY) and for what is no such row; several for a row that names several roles.
    static func statements(in text: String) -> [GrantStatement] {
        guard text.utf8.count <= limit, let tokens = tokens(of: text) else { return [] }
        var reader = Reader(tokens[...])
        return reader.statements() ?? []
    }

    /// Whether a row grants or revokes something and was not understood: what it says is unknown, so a verdict without it would be a guess.
    /// Rows about proxies and packages are understood to concern no rule.
    static func isUnread(_ text: String) -> Bool {
        let verb = text.utf8.prefix(7).map { (0x61...0x7A).contains($0) ? $0 - 0x20 : $0 }
        guard verb.starts(with: "GRANT ".utf8) || verb.starts(with: "REVOKE ".utf8) else { return false }
        guard text.utf8.count <= limit, let tokens = tokens(of: text) else { return true }
        var reader = Reader(tokens[...])
        guard reader.statements() == nil else { return false }
        return
            !(tokens.dropFirst().first == .word("PROXY")
            || zip(tokens, tokens.dropFirst()).contains { $0 == .word("ON") && $1 == .word("PACKAGE") })
    }

    // MARK: Tokens

    fileprivate enum Token: Hashable {
        /// In upper case.
        case word(String)
        case name(String)
        case sign(UInt8)
    }

    private static func tokens(of text: String) -> [Token]? {
        let bytes = Array(text.utf8)
        var tokens: [Token] = []
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            switch byte {
            case 0x20, 0x09, 0x0A, 0x0D: index += 1
            case 0x60, 0x22, 0x27:
                var name: [UInt8] = []
                index += 1
                while true {
                    guard index < bytes.count else { return nil }
                    if bytes[index] == byte {
                        guard index + 1 < bytes.count, bytes[index + 1] == byte else { break }
                        index += 1
                    } else if byte == 0x27, bytes[index] == 0x5C, index + 1 < bytes.count {
                        // Strings have escapes, identifiers have none.
                        index += 1
                    }
                    name.append(bytes[index])
                    index += 1
                }
                index += 1
                tokens.append(.name(String(decoding: name, as: UTF8.self)))
            case 0x2A, 0x2C, 0x2E, 0x28, 0x29, 0x40, 0x25:
                tokens.append(.sign(byte))
                index += 1
            case _ where isWordPart(byte):
                let end = bytes[index...].firstIndex { !isWordPart($0) } ?? bytes.count
                tokens.append(.word(String(decoding: bytes[index..<end], as: UTF8.self).uppercased()))
                index = end
            default: return nil
            }
        }
        return tokens
    }

    private static func isWordPart(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x24, 0x80...: true
        default: false
        }
    }

    // MARK: Rows

    private struct Reader {
        var rest: ArraySlice<Token>

        init(_ tokens: ArraySlice<Token>) { rest = tokens }

        mutating func statements() -> [GrantStatement]? {
            switch word() {
            case "GRANT": return grant(isRevoke: false)
            case "REVOKE": return grant(isRevoke: true)
            case "SET":
                // SET DEFAULT ROLE `r` FOR `u`@`%`
                guard word() == "DEFAULT", word() == "ROLE", let role = name(), word() == "FOR", let grantee = account() else { return nil }
                return [GrantStatement(level: .defaultRole(role), privileges: [], grantee: grantee, isRevoke: false, hasGrantOption: false)]
            default: return nil
            }
        }

        private mutating func grant(isRevoke: Bool) -> [GrantStatement]? {
            if case .name = rest.first { return roles(isRevoke: isRevoke) }
            var privileges: [Privilege] = []
            repeat {
                var words: [String] = []
                while case .word(let next) = rest.first, next != "ON" {
                    words.append(next)
                    rest.removeFirst()
                }
                guard !words.isEmpty else { return nil }
                let isPartial = accept(0x28)
                if isPartial { guard skipColumns() else { return nil } }
                let name = words.joined(separator: " ")
                privileges.append(Privilege(name: name == "ALL" ? "ALL PRIVILEGES" : name, isPartial: isPartial))
            } while accept(0x2C)
            guard word() == "ON", let level = level(), word() == (isRevoke ? "FROM" : "TO"), let grantee = account() else { return nil }
            return [
                GrantStatement(level: level, privileges: privileges, grantee: grantee, isRevoke: isRevoke, hasGrantOption: hasGrantOption())
            ]
        }

        /// GRANT `r1`@`%`,`r2`@`%` TO `u`@`%`
        private mutating func roles(isRevoke: Bool) -> [GrantStatement]? {
            var roles: [(name: String, host: String?)] = []
            repeat {
                guard let role = name() else { return nil }
                var host: String?
                if accept(0x40) {
                    host = name()
                    guard host != nil else { return nil }
                }
                roles.append((role, host))
            } while accept(0x2C)
            guard word() == "TO", let grantee = account(), !isRevoke else { return nil }
            return roles.map {
                GrantStatement(
                    level: .role($0.name), privileges: [], grantee: grantee, isRevoke: false, hasGrantOption: false, roleHost: $0.host)
            }
        }

        private mutating func level() -> Level? {
            if accept(0x2A) { return accept(0x2E) && accept(0x2A) ? .global : nil }
            var isRoutine = false
            if case .word(let kind) = rest.first {
                switch kind {
                case "TABLE": break
                case "PROCEDURE", "FUNCTION": isRoutine = true
                // PACKAGE, PACKAGE BODY (MariaDB), and PROXY's names, which are quoted.
                default: return nil
                }
                rest.removeFirst()
            }
            guard let database = name(), accept(0x2E) else { return nil }
            if accept(0x2A) { return isRoutine ? nil : .database(database) }
            guard let object = name() else { return nil }
            return isRoutine ? .routine(database: database, name: object) : .table(database: database, name: object)
        }

        /// WITH GRANT OPTION, behind whatever an account may carry (REQUIRE, IDENTIFIED).
        private func hasGrantOption() -> Bool {
            zip(rest, rest.dropFirst()).contains { $0 == .word("GRANT") && $1 == .word("OPTION") }
        }

        private mutating func skipColumns() -> Bool {
            repeat {
                guard name() != nil else { return false }
            } while accept(0x2C)
            return accept(0x29)
        }

        private mutating func word() -> String? {
            guard case .word(let word) = rest.first else { return nil }
            rest.removeFirst()
            return word
        }

        private mutating func name() -> String? {
            guard case .name(let name) = rest.first else { return nil }
            rest.removeFirst()
            return name
        }

        private mutating func accept(_ sign: UInt8) -> Bool {
            guard rest.first == .sign(sign) else { return false }
            rest.removeFirst()
            return true
        }

        /// `u`@`%`, `r`, PUBLIC.
        private mutating func account() -> String? {
            if case .word("PUBLIC") = rest.first {
                rest.removeFirst()
                return GrantSet.everybody
            }
            guard let user = name() else { return nil }
            if accept(0x40) { guard name() != nil else { return nil } }
            return user
        }
    }
}
