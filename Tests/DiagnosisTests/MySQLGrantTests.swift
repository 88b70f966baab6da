// Rows of SHOW GRANTS from both products, and hostile ones.
import Testing

@testable import Diagnosis

@Suite struct MySQLGrantTests {
    private func set(_ rows: [String], user: String = "u", isLiteral: Bool = false) -> GrantSet {
        GrantSet(rows: rows, user: user, isLiteral: isLiteral)
    }

    struct Row: Sendable {
        var text: String
        var level: GrantStatement.Level
        var privileges: [String]
        var grantee = "u"
        var isRevoke = false
    }

    @Test(arguments: [
        Row(text: "GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED VIA pam USING 'permit'", level: .global, privileges: ["USAGE"]),
        Row(
            text: "GRANT SELECT, INSERT, CREATE TEMPORARY TABLES ON `shop`.* TO `u`@`%` WITH GRANT OPTION", level: .database("shop"),
            privileges: ["SELECT", "INSERT", "CREATE TEMPORARY TABLES"]),
        Row(text: "GRANT DELETE ON `my\\_db`.* TO 'u'@'%'", level: .database("my\\_db"), privileges: ["DELETE"]),
        Row(
            text: "GRANT SELECT (`i`), UPDATE (`i`, `j`) ON `shop`.`a` TO `u`@`%`", level: .table(database: "shop", name: "a"),
            privileges: ["SELECT", "UPDATE"]),
        Row(
            text: "GRANT ALL PRIVILEGES ON `a``b`.`c.d` TO `u`@`%`", level: .table(database: "a`b", name: "c.d"),
            privileges: ["ALL PRIVILEGES"]),
        Row(
            text: "GRANT EXECUTE ON PROCEDURE `shop`.`p` TO `u`@`%`", level: .routine(database: "shop", name: "p"), privileges: ["EXECUTE"]),
        Row(text: "GRANT SELECT ON `shop`.* TO PUBLIC", level: .database("shop"), privileges: ["SELECT"], grantee: "PUBLIC"),
        Row(text: "GRANT BACKUP_ADMIN,ROLE_ADMIN ON *.* TO `u`@`%`", level: .global, privileges: ["BACKUP_ADMIN", "ROLE_ADMIN"]),
        Row(text: "GRANT `r`@`%` TO `u`@`%` WITH ADMIN OPTION", level: .role("r"), privileges: []),
        Row(text: "SET DEFAULT ROLE `r` FOR `u`@`%`", level: .defaultRole("r"), privileges: []),
        Row(text: "REVOKE INSERT ON `secret`.* FROM `u`@`%`", level: .database("secret"), privileges: ["INSERT"], isRevoke: true),
        Row(text: "GRANT SELECT ON \"shop\".* TO \"u\"@\"%\"", level: .database("shop"), privileges: ["SELECT"]),
    ])
    func `a row of either product is read`(_ row: Row) throws {
        let statement = try #require(GrantStatement.statements(in: row.text).first)
        #expect(statement.level == row.level)
        #expect(statement.privileges.map(\.name) == row.privileges)
        #expect(statement.grantee == row.grantee)
        #expect(statement.isRevoke == row.isRevoke)
    }

    @Test func `a row with several roles names each, and CURRENT_ROLE is read the same way`() {
        #expect(GrantStatement.statements(in: "GRANT `r`@`%`,`s`@`%` TO `u`@`%`").map(\.level) == [.role("r"), .role("s")])
        #expect(GrantSet.roles(in: "`r`@`%`,`we``ird`@`10.%`").map(\.quoted) == ["`r`@`%`", "`we``ird`@`10.%`"])
        #expect(GrantSet.roles(in: "NONE").isEmpty)
    }

    @Test(arguments: [
        "", "GRANT", "GRANT SELECT", "GRANT SELECT ON", "GRANT SELECT ON *.* TO", "GRANT SELECT ON `shop.* TO `u`@`%`",
        "GRANT PROXY ON ``@`` TO `u`@`%`",
        "GRANT SELECT ON *.* FROM `u`@`%`", "REVOKE `r`@`%` FROM `u`@`%`", "DROP DATABASE shop", "GRANT SELECT ( ON `a`.`b` TO `u`@`%`",
        "GRANT SELECT, ON *.* TO `u`@`%`", "GRANT ALL PRIVILEGES ON *.*; GRANT SELECT ON *.* TO `u`@`%`", "GRANT `r`@`%`, TO `u`@`%`",
        "GRANT EXECUTE ON PACKAGE `a`.`b` TO `u`@`%`",
    ])
    func `what is no grant is none`(_ text: String) {
        #expect(GrantStatement.statements(in: text).isEmpty)
    }

    struct Unread: Sendable {
        var text: String
        var isUnread: Bool
    }

    @Test(arguments: [
        Unread(text: "GRANT SELECT ON `" + String(repeating: "x", count: 16_400) + "`.* TO `u`@`%`", isUnread: true),
        Unread(text: "REVOKE SELECT ON `shop`.* FROM `u`@`%` ;", isUnread: true),
        Unread(text: "grant select on", isUnread: true),
        Unread(text: "GRANT PROXY ON ``@`` TO `u`@`%` WITH GRANT OPTION", isUnread: false),
        Unread(text: "GRANT EXECUTE ON PACKAGE `a`.`b` TO `u`@`%`", isUnread: false),
        Unread(text: "SET DEFAULT ROLE NONE FOR `u`@`%`", isUnread: false),
        Unread(text: "GRANT SELECT ON `shop`.* TO `u`@`%`", isUnread: false),
    ])
    func `a row that is not understood leaves no verdict, with the reason`(_ row: Unread) throws {
        let rules = PrivilegeRules(require: [PrivilegeRule(object: .table(schema: "shop", name: "orders"), rights: [.select])])
        let grants = set(["GRANT USAGE ON *.* TO `u`@`%`", row.text])
        #expect(grants.unread == (row.isUnread ? 1 : 0))
        let report = try #require(MySQLPrivileges(rules: rules, grants: grants, account: "u@%", database: "shop").report([]))
        #expect((report.problem != nil) == row.isUnread)
        #expect(report.entries.isEmpty == row.isUnread)
        if row.isUnread { #expect(report.problem?.evidence.first?.text.contains("could not be read") == true) }
    }

    @Test func `what is revoked in one database leaves nothing there`() {
        let rows = [
            "GRANT SELECT, INSERT ON *.* TO `u`@`%`", "REVOKE SELECT, INSERT ON `secret`.* FROM `u`@`%`",
            "REVOKE SELECT ON `half`.* FROM `u`@`%`",
        ]
        let grants = set(rows)
        #expect(grants.anythingIn("secret").isEmpty)
        #expect(!grants.anythingIn("half").isEmpty)
        #expect(!grants.anythingIn("shop").isEmpty)
    }

    @Test func `a name that reads like a grant stays a name`() {
        let grants = set(["GRANT SELECT ON `x`.* TO `u`@`%`", "GRANT USAGE ON *.* TO `GRANT ALL PRIVILEGES ON *.* TO ``u```@`%`"])
        #expect(grants.administrator == nil)
        #expect(grants.globally("SELECT").isEmpty)
    }

    @Test func `random rows never trap and are read in a moment`() {
        var random = SystemRandomNumberGenerator()
        let pieces = [
            "GRANT ", "REVOKE ", "`", "'", "\"", "\\", "ON ", "TO ", "*.*", "*", ".", ",", "(", ")", "@", "%", "SELECT ", "ALL PRIVILEGES ",
            "`a`", "PROCEDURE ", "é", "\0", "PUBLIC",
        ]
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...24, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            _ = set([text]).administrator
        }
        let long = "GRANT " + String(repeating: "SELECT (`a`), ", count: 1000) + "INSERT ON `a`.`b` TO `u`@`%`"
        #expect(GrantStatement.statements(in: long).first?.privileges.count == 1001)
        #expect(GrantStatement.statements(in: long + String(repeating: " ", count: GrantStatement.limit)).isEmpty)
    }

    @Test(arguments: [
        ("my_db", "my_db", true), ("myxdb", "my_db", true), ("myxdb", "my\\_db", false), ("my_db", "my\\_db", true),
        ("anything", "%", true),
        ("shop1", "shop%", true), ("sho", "shop%", false), ("abcabc", "a%c", true), ("abcabd", "a%c", false), ("a%c", "a\\%c", true),
        ("abc", "a\\%c", false), ("", "%", true), ("", "", true), ("x", "", false),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "%a%a%a%a%a%a%a%ac", false),
    ])
    func `a database pattern fits as LIKE says`(_ name: String, _ pattern: String, _ fits: Bool) {
        #expect(GrantSet.matches(Array(name.unicodeScalars), Array(pattern.unicodeScalars)) == fits)
    }

    @Test func `of several patterns the most specific counts alone`() {
        let grants = set([
            "GRANT SELECT ON `shop%`.* TO `u`@`%`", "GRANT INSERT ON `shop\\_one`.* TO `u`@`%`", "GRANT DELETE ON `%`.* TO `u`@`%`",
        ])
        #expect(grants.onDatabase("shop_one", "INSERT").count == 1)
        #expect(grants.onDatabase("shop_one", "SELECT").isEmpty)
        #expect(grants.onDatabase("shop_two", "SELECT").count == 1)
        #expect(grants.onDatabase("shop_two", "DELETE").isEmpty)
        #expect(grants.onDatabase("other", "DELETE").count == 1)
    }

    @Test func `with partial revokes a wildcard is a character, and a global grant ends where it was taken back`() {
        let rows = [
            "GRANT SELECT, INSERT ON *.* TO `u`@`%`", "GRANT UPDATE ON `my_db`.* TO `u`@`%`", "REVOKE INSERT ON `secret`.* FROM `u`@`%`",
        ]
        let grants = set(rows, isLiteral: true)
        #expect(grants.onDatabase("myxdb", "UPDATE").isEmpty)
        #expect(grants.onDatabase("my_db", "UPDATE").count == 1)
        #expect(grants.onDatabase("secret", "INSERT").isEmpty)
        #expect(grants.onDatabase("secret", "SELECT").count == 1)
        #expect(grants.onDatabase("shop", "INSERT").count == 1)
    }

    @Test func `what only a role brings is said to come through it, and a role that is not active brings nothing`() {
        let own = ["GRANT USAGE ON *.* TO `u`@`%`", "GRANT `reader`@`%`,`writer`@`%` TO `u`@`%`"]
        let used = ["GRANT USAGE ON *.* TO `u`@`%`", "GRANT SELECT ON `shop`.* TO `u`@`%`", "GRANT `reader`@`%`,`writer`@`%` TO `u`@`%`"]
        let grants = GrantSet(rows: own, rowsWithRoles: used, user: "u", activeRoles: ["reader"])
        #expect(grants.onDatabase("shop", "SELECT").map(\.way) == ["role reader on `shop`.*"])
        #expect(grants.inactiveRoles == ["writer"])
        let mariadb = set([
            "GRANT `reader` TO `u`@`%`", "GRANT `writer` TO `u`@`%`", "GRANT USAGE ON *.* TO `reader`",
            "GRANT SELECT ON `shop`.* TO `reader`",
        ])
        #expect(mariadb.onDatabase("shop", "SELECT").map(\.way) == ["role reader on `shop`.*"])
        #expect(mariadb.inactiveRoles == ["writer"])
    }

    @Test func `rows that a server adds up are taken apart: what is the account's own, and what roles bring beside it`() {
        let own = [
            "GRANT INSERT ON *.* TO `u`@`%`", "REVOKE INSERT ON `free`.* FROM `u`@`%`", "REVOKE INSERT ON `shut`.* FROM `u`@`%`",
            "GRANT SELECT ON `shop`.* TO `u`@`%`", "GRANT SELECT ON `shop%`.* TO `u`@`%`", "GRANT `r`@`%` TO `u`@`%`",
        ]
        // The role has INSERT everywhere but in `shut`, DELETE on the database, and EXECUTE by a pattern that is the more specific one.
        let used = [
            "GRANT INSERT, UPDATE ON *.* TO `u`@`%`", "REVOKE INSERT ON `shut`.* FROM `u`@`%`",
            "GRANT SELECT, DELETE ON `shop`.* TO `u`@`%`", "GRANT SELECT ON `shop%`.* TO `u`@`%`",
            "GRANT EXECUTE ON `shop\\_%`.* TO `u`@`%`", "GRANT `r`@`%` TO `u`@`%`",
        ]
        let grants = GrantSet(rows: own, rowsWithRoles: used, user: "u", activeRoles: ["r"])
        #expect(grants.globally("INSERT").map(\.way) == ["direct grant on *.*"])
        #expect(grants.globally("UPDATE").map(\.way) == ["role r on *.*"])
        #expect(grants.onDatabase("shop", "SELECT").map(\.way) == ["direct grant on `shop`.*"])
        #expect(grants.onDatabase("shop", "DELETE").map(\.way) == ["role r on `shop`.*"])
        #expect(grants.onDatabase("shut", "INSERT").isEmpty && grants.onDatabase("free", "INSERT").count == 1)
        // Patterns of the role and of the account are ranked apart.
        #expect(grants.onDatabase("shop_a", "SELECT").map(\.way) == ["direct grant on `shop%`.*"])
        #expect(grants.onDatabase("shop_a", "EXECUTE").map(\.way) == ["role r on `shop\\_%`.*"])
        #expect(grants.inactiveRoles.isEmpty)
    }

    @Test(arguments: [
        ("u@%", "'u'@'%'"), ("a@b@10.%", "'a@b'@'10.%'"), ("it's\\@%", "'it''s\\\\'@'%'"), ("@localhost", "''@'localhost'"), ("u", nil),
    ])
    func `an account is named so that nothing in it ends its place`(_ account: String, _ quoted: String?) {
        #expect(MySQLPrivileges.quoted(account) == quoted)
    }

    @Test func `what a role adds to the option of the account makes an administrator, and so does the option alone`() {
        func seen(own: String, all: String) -> GrantSet {
            GrantSet(rows: [own], rowsWithRoles: [all], user: "u", activeRoles: ["r"], isLiteral: true)
        }
        let both = "GRANT SELECT, CREATE USER ON *.* TO `u`@`%` WITH GRANT OPTION"
        #expect(seen(own: "GRANT SELECT ON *.* TO `u`@`%` WITH GRANT OPTION", all: both).administrator == "CREATE USER with GRANT OPTION")
        #expect(seen(own: "GRANT SELECT, CREATE USER ON *.* TO `u`@`%`", all: both).administrator == "CREATE USER with GRANT OPTION")
        #expect(seen(own: "GRANT SELECT ON *.* TO `u`@`%`", all: "GRANT SELECT ON *.* TO `u`@`%`").administrator == nil)
    }

    @Test(arguments: [
        ("GRANT ALL PRIVILEGES ON *.* TO `u`@`%` WITH GRANT OPTION", "ALL PRIVILEGES on *.*"), ("GRANT SUPER ON *.* TO `u`@`%`", "SUPER"),
        ("GRANT SELECT, CREATE USER ON *.* TO `u`@`%` WITH GRANT OPTION", "CREATE USER with GRANT OPTION"),
        ("GRANT SELECT, CREATE USER ON *.* TO `u`@`%`", nil), ("GRANT ALL PRIVILEGES ON `shop`.* TO `u`@`%`", nil),
    ])
    func `an administrator is known by what it may hand out`(_ row: String, _ administrator: String?) {
        #expect(set([row]).administrator == administrator)
    }

    @Test func `values are quoted so that none ends the place it was put in`() {
        #expect(MySQLPrivileges.literal("a'b\\c") == "'a''b\\\\c'")
        #expect(GrantSet.identifier("a`b") == "`a``b`")
        #expect(MySQLPrivileges.user(of: "a@b@%") == "a@b")
    }

    // MARK: Verdicts and their remedies

    private func report(_ rows: [String], _ rules: PrivilegeRules, _ answer: [[String?]] = []) throws -> PrivilegeReport {
        try #require(
            MySQLPrivileges(rules: rules, grants: set(rows), account: "u@%", database: "shop").report(answer))
    }

    @Test func `a table grant covers today's tables, and tomorrow's are a warning`() throws {
        let rules = PrivilegeRules(require: [PrivilegeRule(object: .allTables(schema: "shop"), rights: [.select])])
        let found = try report(
            ["GRANT SELECT ON `shop`.`a` TO `u`@`%`"], rules, [["0", "schema", "shop", nil, "1"], ["0", "table", "shop", "b", "3"]])
        #expect(found.entries[0].rows.map(\.kind) == [.missing, .future])
        #expect(found.entries[0].broken == 3)
        let covered = try report(["GRANT SELECT ON `shop`.`a` TO `u`@`%`"], rules, [["0", "schema", "shop", nil, "1"]])
        #expect(covered.entries[0].isPassed)
        #expect(covered.entries[0].rows.map(\.kind) == [.future])
        let wide = try report(["GRANT SELECT ON `shop`.* TO `u`@`%`"], rules, [["0", "schema", "shop", nil, "1"]])
        #expect(wide.entries[0].rows.isEmpty)
    }

    @Test func `remedies are statements of MySQL with the account's own name`() throws {
        let rules = PrivilegeRules(
            require: [
                PrivilegeRule(object: .table(schema: "shop", name: "a"), rights: [.insert, .truncate]),
                PrivilegeRule(object: .allTables(schema: "my_db"), rights: [.select]),
            ], deny: [PrivilegeRule(object: .table(schema: "shop", name: "b"), rights: [.delete])])
        let found = try report(
            ["GRANT `late` TO `u`@`%`", "GRANT SELECT ON `shop`.`a` TO `u`@`%`", "GRANT DELETE ON `shop`.`b` TO `u`@`%`"], rules,
            [["0", "table", "shop", "a", "1"], ["2", "table", "shop", "b", "1"]])
        let findings = PrivilegeFindings.of(found, values: RemedyValues())
        let texts = findings.flatMap(\.remedies).map(\.text)
        #expect(texts.contains("GRANT INSERT, DROP ON `shop`.`a` TO 'u'@'%';"), "\(texts)")
        #expect(texts.contains("GRANT SELECT ON `my\\_db`.* TO 'u'@'%';"), "\(texts)")
        #expect(texts.contains("REVOKE DELETE ON `shop`.`b` FROM 'u'@'%';"), "\(texts)")
        #expect(texts.contains { $0.hasPrefix("SET DEFAULT ROLE ALL TO 'u'@'%';") }, "\(texts)")
        #expect(!texts.contains { $0.contains("ALTER DEFAULT PRIVILEGES") || $0.contains("\"") }, "\(texts)")
        #expect(findings.first?.detail.contains("late") == true)
    }

    @Test func `an answer of another shape is no verdict`() {
        let rules = PrivilegeRules(require: [PrivilegeRule(object: .table(schema: "shop", name: "a"), rights: [.select])])
        let privileges = MySQLPrivileges(rules: rules, grants: set([]), account: "u@%", database: "shop")
        for answer: [[String?]] in [
            [["0"]], [["9", "table", "shop", "a", "1"]], [["0", "boat", "shop", "a", "1"]], [["0", nil, "shop", "a", "1"]],
        ] {
            #expect(privileges.report(answer) == nil)
        }
    }
}
