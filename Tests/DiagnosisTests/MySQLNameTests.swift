// Names of databases and tables under both settings of `lower_case_table_names`, and what an account can do by its grants.
import Testing

@testable import Diagnosis

@Suite struct MySQLNameTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var grant: String
        var object: String
        var right = PrivilegeRight.select
        /// What the catalog shows of the object.
        var seen: (sort: String, schema: String, name: String?)
        var exact: Bool
        var folded: Bool
        var testDescription: String { "\(grant) for \(object)" }
    }

    static let rows = [
        Row(grant: "SELECT ON `Shop`.*", object: "table Shop.Orders", seen: ("table", "Shop", "Orders"), exact: true, folded: true),
        Row(grant: "SELECT ON `shop`.*", object: "table Shop.Orders", seen: ("table", "shop", "orders"), exact: false, folded: true),
        Row(grant: "SELECT ON `shop`.`Orders`", object: "table shop.orders", seen: ("table", "shop", "orders"), exact: false, folded: true),
        Row(grant: "SELECT ON `Shop%`.*", object: "table shop_1.a", seen: ("table", "shop_1", "a"), exact: false, folded: true),
        Row(
            grant: "CREATE ON `SHOP`.*", object: "schema shop", right: .create, seen: ("schema", "shop", nil), exact: false, folded: true),
        // Routines are the same in any case; their database is not.
        Row(
            grant: "EXECUTE ON FUNCTION `shop`.`Total`", object: "function shop.TOTAL", right: .execute,
            seen: ("function", "shop", "Total"),
            exact: true, folded: true),
        Row(
            grant: "EXECUTE ON FUNCTION `Shop`.`total`", object: "function shop.total", right: .execute,
            seen: ("function", "shop", "total"),
            exact: false, folded: true),
        // Columns count as a part, whatever their case.
        Row(grant: "SELECT (`A`) ON `shop`.`t`", object: "table shop.t", seen: ("table", "shop", "t"), exact: false, folded: false),
    ]

    @Test("A grant and a rule that differ in case are the same where the server says so, and only there", arguments: rows)
    func verdicts(row: Row) throws {
        let object = try PrivilegeGrammar.object(row.object, for: .mysql).get()
        let rules = PrivilegeRules(require: [PrivilegeRule(object: object, rights: [row.right])])
        for (setting, holds) in [("0", row.exact), ("1", row.folded), ("2", row.folded)] {
            let grants = GrantSet(
                rows: ["GRANT \(row.grant) TO `u`@`%`"], user: "u", naming: NameCase(lowerCaseTableNames: setting))
            let privileges = MySQLPrivileges(rules: rules, grants: grants, account: "u@%", database: "shop")
            let report = try #require(privileges.report([["0", row.seen.sort, row.seen.schema, row.seen.name, "1"]]))
            #expect(report.entries[0].isPassed == holds, "lower_case_table_names=\(setting): \(report.entries[0].rows)")
            #expect(report.entries[0].rule.object == object)
        }
    }

    @Test("A setting that is not known takes names as they are written")
    func unknown() {
        #expect(NameCase(lowerCaseTableNames: nil) == .exact)
        #expect(NameCase(lowerCaseTableNames: "7") == .exact)
    }

    @Test("The catalog is asked for the bytes of a name where two names may differ in case alone")
    func question() throws {
        let rules = PrivilegeRules(require: [PrivilegeRule(object: .table(schema: "Shop", name: "Orders"), rights: [.select])])
        func question(_ naming: NameCase) -> String {
            MySQLPrivileges(
                rules: rules, grants: GrantSet(rows: [], user: "u", naming: naming), account: "u@%", database: ""
            ).question ?? ""
        }
        #expect(question(.exact).contains("CAST(TABLE_NAME AS BINARY) = 'Orders'"))
        #expect(question(.folded).contains("TABLE_NAME = 'orders'") && !question(.folded).contains("CAST("))
    }

    struct Name: Sendable {
        var text: String
        var engine: Engine
        var object: PrivilegeObject?
    }

    @Test(
        "A bare name stays as it was written for MySQL, and has room for its 64 characters",
        arguments: [
            Name(text: "table Sales.Orders", engine: .mysql, object: .table(schema: "Sales", name: "Orders")),
            Name(text: "table Sales.Orders", engine: .postgresql, object: .table(schema: "sales", name: "orders")),
            Name(text: "SCHEMA Shop", engine: .mysql, object: .schema("Shop")),
            Name(
                text: "schema \(String(repeating: "ä", count: 64))", engine: .mysql, object: .schema(String(repeating: "ä", count: 64))),
            Name(text: "schema \(String(repeating: "a", count: 65))", engine: .mysql, object: nil),
            Name(text: "schema \(String(repeating: "a", count: 64))", engine: .postgresql, object: nil),
        ])
    func grammar(row: Name) { #expect((try? PrivilegeGrammar.object(row.text, for: row.engine).get()) == row.object) }

    // MARK: what can be done where nothing is configured

    struct Reach: Sendable, CustomTestStringConvertible {
        var grants: [String]
        var answer: [String?] = ["4", "0", "0"]
        var readable = "0"
        var writable = "0"
        var excess: [String] = []
        var administrator: String?
        var testDescription: String { grants.joined(separator: "; ") }
    }

    static let reaches = [
        Reach(grants: ["USAGE ON *.*"]),
        Reach(grants: ["SELECT, INSERT, UPDATE, DELETE ON `shop`.*"], readable: "1", writable: "1"),
        Reach(
            grants: ["SELECT ON `shop`.`a`", "SELECT (`i`), UPDATE (`i`) ON `shop`.`b`"], readable: "TABLE_NAME IN ('a', 'b')",
            writable: "TABLE_NAME IN ('b')"),
        Reach(grants: ["SELECT ON `elsewhere`.*"]),
        Reach(grants: ["ALL PRIVILEGES ON `shop`.*"], readable: "1", writable: "1", excess: ["ALL PRIVILEGES on `shop`.*"]),
        Reach(
            grants: ["SELECT ON `shop`.* WITH GRANT OPTION"], readable: "1", excess: ["GRANT OPTION on `shop`.*"]),
        Reach(grants: ["SELECT, FILE ON *.*"], readable: "1", excess: ["SELECT, FILE on *.*"]),
        Reach(grants: ["SHOW DATABASES ON *.*"]),
        Reach(
            grants: ["ALL PRIVILEGES ON *.* WITH GRANT OPTION"], readable: "1", writable: "1", administrator: "ALL PRIVILEGES on *.*"),
    ]

    @Test("What an account can do is read from its grants, and what nobody needs is named", arguments: reaches)
    func survey(row: Reach) throws {
        let rows = row.grants.map { text in
            let option = " WITH GRANT OPTION"
            return text.hasSuffix(option) ? "GRANT \(text.dropLast(option.count)) TO `u`@`%`\(option)" : "GRANT \(text) TO `u`@`%`"
        }
        let survey = MySQLSurvey(grants: GrantSet(rows: rows, user: "u", naming: .folded), account: "u@%", database: "shop")
        let question = try #require(survey.question)
        let sums = question.components("SUM(").dropFirst()
        #expect(sums.first?.hasPrefix(row.readable + ")") == true && sums.last?.hasPrefix(row.writable + ")") == true, "\(question)")
        let seen = try #require(survey.survey([row.answer]))
        #expect(seen.excess == row.excess && seen.administrator == row.administrator && seen.tables == 4 && seen.engine == .mysql)
    }

    @Test("Through which role a reach comes is said, and rows that are not understood leave no picture")
    func roles() throws {
        let rows = ["GRANT USAGE ON *.* TO `u`@`%`", "GRANT `boss` TO `u`@`%`", "GRANT SELECT, PROCESS ON *.* TO `boss`"]
        let survey = MySQLSurvey(grants: GrantSet(rows: rows, user: "u"), account: "u@%", database: "shop")
        let seen = try #require(survey.survey([["1", "1", "0"]]))
        #expect(seen.excess == ["SELECT, PROCESS on *.* (role boss)"] && seen.roles == ["boss"])
        #expect(seen.sentence == "can read 1 of 1 table")
        #expect(MySQLSurvey(grants: GrantSet(rows: ["GRANT ? ON"], user: "u"), account: "u@%", database: "").survey([]) == nil)
        #expect(survey.survey([["1", nil, "0"]]) == nil && survey.survey([["1"]]) == nil)
        #expect(MySQLSurvey(grants: GrantSet(rows: [], user: "u"), account: "u@%", database: "").question == nil)
    }

    @Test("What reaches too far is a remark with MySQL's own words to look with")
    func finding() throws {
        let rows = ["GRANT SELECT ON *.* TO `u`@`%`"]
        let survey = MySQLSurvey(grants: GrantSet(rows: rows, user: "u"), account: "u@%", database: "shop")
        let seen = try #require(survey.survey([["2", "2", "0"]]))
        let values = RemedyValues(
            target: Target(name: "t", engine: .mysql, host: "h", port: 3306, database: "shop", user: "u", identities: []))
        let finding = try #require(PrivilegeFindings.of(seen, values: values).first)
        #expect(finding.code == FindingCode.overPrivileged.rawValue && finding.severity == .info)
        #expect(finding.detail.contains("SELECT on *.*") && finding.detail.contains("can read 2 of 2 tables"), "\(finding.detail)")
        #expect(finding.remedies.contains { $0.text == "SHOW GRANTS FOR 'u'@'%';" }, "\(finding.remedies)")
    }
}

extension String {
    fileprivate func components(_ mark: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = self[...]
        while let range = rest.firstRange(of: mark) {
            parts.append(rest[..<range.lowerBound])
            rest = rest[range.upperBound...]
        }
        return parts + [rest]
    }
}
