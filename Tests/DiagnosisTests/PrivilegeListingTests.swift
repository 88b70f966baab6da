// Reading what PostgreSQL says about ways, views and the tutorials' view: words from a server, so also those that nobody asked for.
import Testing

@testable import Diagnosis

@Suite struct PrivilegeListingTests {
    struct WayRow: Sendable {
        var text: String
        var ways: [PrivilegeWay]
    }

    @Test(
        "A way is read back with its names, however they are quoted",
        arguments: [
            WayRow(text: "direct grant", ways: [.grant]), WayRow(text: "PUBLIC, direct grant", ways: [.everybody, .grant]),
            WayRow(text: "role g", ways: [.roles(["g"])]),
            WayRow(text: "role \"a, \"\"b\", PUBLIC", ways: [.roles(["a, \"b"]), .everybody]),
            WayRow(text: "role g2 by way of g3", ways: [.roles(["g3"])]),
            WayRow(text: "role g2 by way of \"by way\" and and", ways: [.roles(["by way"])]),
            WayRow(text: "role g2 by way of a and \"b c\"", ways: [.roles(["a", "b c"])]),
            WayRow(text: "SET ROLE by way of g", ways: [.roles(["g"])]), WayRow(text: "SET ROLE", ways: [.roles([])]),
            WayRow(text: "ownership", ways: [.other]), WayRow(text: "ownership by role \"x, y\"", ways: [.other]),
            WayRow(text: "grant on columns", ways: [.other]), WayRow(text: "being in pg_database_owner", ways: [.other]),
            WayRow(text: "attribute", ways: [.other]), WayRow(text: "role \"a", ways: [.roles(["a"])]), WayRow(text: "", ways: []),
            WayRow(text: ", ,", ways: []),
        ])
    func ways(row: WayRow) {
        #expect(PrivilegeWay.read(row.text) == row.ways, "\(row.text)")
    }

    @Test("A function's name may hold a parenthesis, and what is no type is not shown as one")
    func functions() {
        for (name, shown) in [
            ("f(integer)", "function s.f(integer)"), ("f(x(integer, text)", "function s.\"f(x\"(integer, text)"), ("f()", "function s.f()"),
            ("f(integer); DROP TABLE t", "function s.f(<types>)"), ("f(intege", "function s.f(<types>)"),
        ] {
            #expect(PrivilegeRow(.missing, sort: "function", schema: "s", name: name).object == shown)
        }
    }

    @Test("What stands behind a view is granted to the one as whom the view asks")
    func behind() throws {
        let row: [String?] = [
            "0", "behind", "table", "sales", "t", "shop_owner", "SELECT", #"{"schema":"sales","view":"V","as":"view, owner"}"#, "1", "1",
        ]
        let report = try #require(PrivilegeReport(PrivilegeReportTests.rules, answer: PrivilegeReportTests.answer([row])))
        #expect(!report.entries[0].isPassed && report.entries[0].broken == 1)
        let finding = try #require(PrivilegeFindings.of(report, values: RemedyValues()).first)
        #expect(
            finding.detail.contains(
                "SELECT on table sales.t (owner shop_owner; view sales.\"V\", which asks for it as \"view, owner\")"), "\(finding.detail)")
        #expect(finding.remedies.last?.text == "GRANT SELECT ON TABLE sales.t TO \"view, owner\";  -- as shop_owner, the owner")
        var other = row
        other[7] = "no story"
        #expect(PrivilegeReport(PrivilegeReportTests.rules, answer: PrivilegeReportTests.answer([other])) == nil)
    }

    @Test("A right that no grant makes usable is missing, and nothing is offered to grant")
    func takesNone() throws {
        let row: [String?] = ["0", "missing", "view", "sales", "v", "o", "INSERT", PrivilegeRow.takesNone, "1", "1"]
        let report = try #require(PrivilegeReport(PrivilegeReportTests.rules, answer: PrivilegeReportTests.answer([row])))
        let finding = try #require(PrivilegeFindings.of(report, values: RemedyValues()).first)
        #expect(finding.detail.contains("INSERT on view sales.v (owner o; its kind, which takes no such statement)"))
        #expect(finding.remedies.allSatisfy { $0.kind == .look })
    }

    static let good: [String?] = ["unlisted", "table", "s", "t", "o", "SELECT, INSERT", "role g", "3", "3"]

    @Test("An answer of another shape is no listing")
    func hostileListings() {
        #expect(PrivilegeListing(answer: [])?.sentence == nil)
        #expect(PrivilegeListing(answer: [Self.good])?.unlisted.count == 1)
        for (column, value) in [(0, "other"), (0, nil), (1, "elephant"), (1, nil), (5, "SELECT; DROP"), (5, nil)] as [(Int, String?)] {
            var row = Self.good
            row[column] = value
            #expect(PrivilegeListing(answer: [row]) == nil, "\(row)")
        }
        #expect(PrivilegeListing(answer: [Array(Self.good.dropLast())]) == nil)
    }

    @Test("The difference is said in one sentence")
    func sentence() {
        let inert: [String?] = ["inert", "view", "s", "v", "o", "INSERT", "no use of the schema", "1", "1"]
        #expect(
            PrivilegeListing(answer: [Self.good, inert])?.sentence == """
                information_schema.table_privileges does not list SELECT, INSERT on table s.t (role g); and 2 more, which the role has, \
                and lists INSERT on view s.v (no use of the schema), which opens nothing
                """)
    }

    @Test("Rules that are about no table need no look at the view")
    func noTables() {
        let rules = PrivilegeRules(require: [PrivilegeRule(object: .database, rights: [.connect])])
        #expect(PrivilegeListing.statement(rules) == nil)
        #expect(PrivilegeListing.statement(PrivilegeReportTests.rules)?.split(separator: "\nUNION ").count == 2)
    }
}
