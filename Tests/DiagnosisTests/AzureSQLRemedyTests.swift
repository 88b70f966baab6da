// Where a right comes from decides which statement takes or gives it.
import Testing

@testable import Diagnosis

@Suite struct AzureSQLRemedyTests {
    private static let rules = PrivilegeRules(
        require: [
            PrivilegeRule(object: .table(schema: "sales", name: "orders"), rights: [.select, .update]),
            PrivilegeRule(object: .allSequences(schema: "sales"), rights: [.usage, .select]),
            PrivilegeRule(object: .allFunctions(schema: "sales"), rights: [.execute]),
            PrivilegeRule(object: .schema("sales"), rights: [.usage]),
        ],
        deny: [
            PrivilegeRule(object: .table(schema: "audit", name: "log"), rights: [.select, .update]),
            PrivilegeRule(object: .role, rights: [.superuser]),
        ])

    private static func report(_ rows: [[String?]], groups: String? = nil) throws -> PrivilegeReport {
        let me: [String?] = ["-1", "self", "role", nil, "app", groups, nil, nil, "1", "1"]
        return try #require(AzureSQLPrivileges.report(rules, sets: [[me]] + rows.map { [$0] }))
    }

    private static func remedies(_ report: PrivilegeReport) -> [String] {
        PrivilegeFindings.of(report, values: RemedyValues()).flatMap(\.remedies).filter { $0.kind != .look }.map(\.text)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var rights: String
        var way: String?
        var text: String
        var remedies: [String]

        init(_ name: String, _ rights: String, _ way: String?, _ text: String, _ remedies: [String]) {
            (testDescription, self.rights, self.way, self.text, self.remedies) = (name, rights, way, text, remedies)
        }
    }

    @Test(
        "A right that must not be there is taken where it comes from",
        arguments: [
            Row(
                "a grant on the schema", "UPDATE", #"[{"k":"grant","p":"UPDATE","c":3,"n":"app","s":"G","d":1,"t":"EXTERNAL USER"}]"#,
                "direct grant of UPDATE on the schema", ["REVOKE UPDATE ON SCHEMA::[audit] FROM [app];  -- on the whole schema"]),
            Row(
                "CONTROL on the database, given on", "UPDATE", #"[{"k":"grant","p":"CONTROL","c":0,"n":"app","s":"W","d":1}]"#,
                "direct grant of CONTROL on the database", ["REVOKE CONTROL FROM [app] CASCADE;  -- on the whole database"]),
            Row(
                "a grant to everybody", "SELECT", #"[{"k":"grant","p":"SELECT","c":1,"n":"public","s":"G","d":0,"t":"ROLE"}]"#,
                "grant to public of SELECT",
                ["REVOKE SELECT ON OBJECT::[audit].[log] FROM [public];  -- takes it from all who have it through [public]"]),
            Row(
                "a role it is in", "SELECT", #"[{"k":"grant","p":"SELECT","c":3,"n":"readers","s":"G","d":1,"t":"ROLE"}]"#,
                "grant to readers of SELECT on the schema",
                ["ALTER ROLE [readers] DROP MEMBER [app];  -- takes all that comes with that role"]),
            Row(
                "a fixed role it is in", "SELECT", #"[{"k":"role","c":0,"n":"db_datareader","d":1,"t":"ROLE"}]"#, "role db_datareader",
                ["ALTER ROLE [db_datareader] DROP MEMBER [app];  -- takes all that comes with that role"]),
            Row(
                "a fixed role through another role", "SELECT", #"[{"k":"role","c":0,"n":"db_datareader","d":0,"t":"ROLE"}]"#,
                "role db_datareader by way of another role or group", []),
            Row(
                "ownership of the schema", "SELECT, UPDATE", #"[{"k":"owner","c":3,"n":"app","d":1}]"#, "ownership of the schema",
                ["ALTER AUTHORIZATION ON SCHEMA::[audit] TO [dbo];  -- grants on it are lost"]),
            Row(
                "ownership of the table", "SELECT, UPDATE", #"[{"k":"owner","c":1,"n":"app","d":1}]"#, "ownership",
                ["ALTER AUTHORIZATION ON OBJECT::[audit].[log] TO SCHEMA OWNER;  -- grants on it are lost"]),
            Row("nothing that can be seen", "UPDATE", nil, "UPDATE on table audit.log", []),
        ])
    func taken(row: Row) throws {
        let report = try Self.report([["4", "held", "table", "audit", "log", "dbo", row.rights, row.way, "1", "1"]])
        #expect(report.entries[4].rows[0].way == (row.way == nil ? nil : row.text))
        #expect(Self.remedies(report) == row.remedies)
        #expect(PrivilegeFindings.of(report, values: RemedyValues()).contains { $0.detail.contains(row.text) })
    }

    @Test(
        "What denies a required right is lifted where it stands, before anything is granted",
        arguments: [
            Row(
                "a DENY on the schema", "SELECT", #"[{"k":"deny","p":"SELECT","c":3,"n":"app","s":"D","d":1}]"#,
                "DENY to app of SELECT on the schema",
                [
                    "REVOKE SELECT ON SCHEMA::[sales] FROM [app];  -- lifts the DENY",
                    "GRANT SELECT ON OBJECT::[sales].[orders] TO [app];  -- has no effect while something denies it",
                ]),
            Row(
                "DENY CONTROL to a role", "SELECT", #"[{"k":"deny","p":"CONTROL","c":0,"n":"guests","s":"D","d":1}]"#,
                "DENY to guests of CONTROL on the database",
                [
                    "REVOKE CONTROL FROM [guests];  -- lifts the DENY for all who have it through [guests]",
                    "GRANT SELECT ON OBJECT::[sales].[orders] TO [app];  -- has no effect while something denies it",
                ]),
            Row(
                "a role that denies", "SELECT", #"[{"k":"role","c":0,"n":"db_denydatareader","d":1}]"#, "role db_denydatareader",
                [
                    "ALTER ROLE [db_denydatareader] DROP MEMBER [app];  -- this role denies it, whatever is granted",
                    "GRANT SELECT ON OBJECT::[sales].[orders] TO [app];  -- has no effect while something denies it",
                ]),
            Row(
                "nothing denies it", "SELECT, UPDATE", nil, "SELECT, UPDATE on table sales.orders",
                ["GRANT SELECT, UPDATE ON OBJECT::[sales].[orders] TO [app];"]),
        ])
    func lifted(row: Row) throws {
        let report = try Self.report([["0", "missing", "table", "sales", "orders", "dbo", row.rights, row.way, "1", "1"]])
        #expect(Self.remedies(report) == row.remedies)
        let findings = PrivilegeFindings.of(report, values: RemedyValues())
        #expect(
            (findings.map(\.detail) + findings.flatMap(\.evidence).compactMap(\.text)).contains { $0.contains(row.text) }, "\(findings)")
    }

    @Test("A schema in a verdict stands for what the rule speaks of: sequences want UPDATE, not the right to see the schema")
    func kinds() throws {
        let report = try Self.report([
            ["1", "missing", "schema", "sales", nil, nil, "USAGE, SELECT", nil, "1", "1"],
            ["2", "missing", "schema", "sales", nil, nil, "EXECUTE", nil, "1", "1"],
            ["2", "missing", "function", "sales", "open_orders", nil, "SELECT", nil, "1", "1"],
            ["3", "missing", "schema", "sales", nil, nil, "USAGE", nil, "1", "1"],
        ])
        #expect(
            Self.remedies(report) == [
                "GRANT UPDATE, VIEW DEFINITION ON SCHEMA::[sales] TO [app];  -- opens the schema's tables too",
                "GRANT EXECUTE ON SCHEMA::[sales] TO [app];",
                "GRANT SELECT ON OBJECT::[sales].[open_orders] TO [app];",
                "GRANT VIEW DEFINITION ON SCHEMA::[sales] TO [app];",
            ])
    }

    @Test("Who came in through a group has no user to grant to: the group is named, or its place is left open")
    func group() throws {
        let row: [String?] = ["0", "missing", "table", "sales", "orders", "dbo", "SELECT", nil, "1", "1"]
        let named = try Self.report([row], groups: #"[{"n":"orders-apps"},{"n":"all-apps"}]"#)
        #expect(
            Self.remedies(named) == [
                "GRANT SELECT ON OBJECT::[sales].[orders] TO [orders-apps];  -- the group, so for all its members"
            ])
        #expect(PrivilegeFindings.of(named, values: RemedyValues())[0].detail.contains("through a group: \"orders-apps\", \"all-apps\""))
        let open = try Self.report([row], groups: "[]")
        #expect(Self.remedies(open).allSatisfy { $0.contains("TO [<the group it comes in through>];") })
        #expect(!Self.remedies(open).contains { $0.contains("[app]") })
    }

    @Test("No verdict is neither a pass nor a lack: no series, null in JSON, and a warning that says so")
    func unknown() throws {
        let report = try Self.report([
            ["0", "unknown", "table", "sales", "orders", "dbo", "SELECT", nil, "1", "1"],
            ["5", "unknown", "role", nil, "app", nil, "SUPERUSER", nil, "1", "1"],
        ])
        #expect(report.verdicts.isEmpty)
        #expect(report.json["entries"]?[0]?["passed"] == .null && report.json["entries"]?[1]?["passed"] == .bool(true))
        let findings = PrivilegeFindings.of(report, values: RemedyValues())
        #expect(findings.map(\.code) == ["query_failed"] && findings[0].severity == .warning)
        #expect(findings[0].detail.contains("no verdict on SELECT on table sales.orders"))
        // A broken entry of the same label is broken whatever else is not known.
        let broken = try Self.report([
            ["0", "unknown", "table", "sales", "orders", "dbo", "SELECT", nil, "1", "1"],
            ["3", "missing", "schema", "sales", nil, nil, "USAGE", nil, "1", "1"],
        ])
        #expect(broken.verdicts.map(\.isPassed) == [false, true])
    }

    @Test(
        "A source that is not one makes the answer none",
        arguments: [
            "role db_owner", #"{"k":"grant"}"#, #"[{"k":"planet","c":0,"n":"x"}]"#, #"[{"k":"grant","c":1,"n":"x"}]"#,
            #"[{"k":"grant","c":9,"p":"SELECT","n":"x"}]"#, #"[{"k":"grant","c":1,"p":"SELECT; DROP","n":"x"}]"#,
        ])
    func strange(way: String) {
        let rows: [[[String?]]] = [
            [["-1", "self", "role", nil, "app", nil, nil, nil, "1", "1"]],
            [["4", "held", "table", "audit", "log", nil, "SELECT", way, "1", "1"]],
        ]
        #expect(AzureSQLPrivileges.report(Self.rules, sets: rows) == nil)
    }

    @Test("The question looks for each way that a right comes or goes, and only for those that lead to this right")
    func question() {
        let lines = AzureSQLPrivileges.question(Self.rules).text.split(separator: "\n").map(String.init)
        let required = lines.first { $0.contains("TOP") && $0.contains("SELECT TOP (8) 0,") } ?? ""
        for part in ["db_denydatareader", "db_denydatawriter", "N'CONTROL'", "d.state = 'D'", "sys.database_role_members"] {
            #expect(required.contains(part), "\(part)")
        }
        #expect(!required.contains("db_datareader'"))
        let denied = lines.first { $0.contains("SELECT TOP (8) 4,") } ?? ""
        for part in ["(N'db_datareader', N'SELECT')", "(N'db_datawriter', N'UPDATE')", "N'owner'", "s.principal_id"] {
            #expect(denied.contains(part), "\(part)")
        }
        #expect(!denied.contains("(N'db_datareader', N'UPDATE')") && !denied.contains("db_deny"))
        // Functions that give rows are asked for SELECT, also those to come.
        let functions = lines.filter { $0.contains("'IF', 'TF', 'FT'") && $0.contains("(N'SELECT', N'SELECT')") }
        #expect(functions.count == 2)
        // NULL is told apart from no, on objects and on the database; a database is asked about by its plain name.
        for line in lines where line.contains("HAS_PERMS") {
            #expect(line.contains("THEN N'unknown'") || line.contains("N'absent' ELSE"), "\(line)")
        }
        for text in lines + [PrivilegeSurvey.azureSQLStatement] { #expect(!text.contains("QUOTENAME(DB_NAME())")) }
        #expect(PrivilegeSurvey.azureSQLStatement.contains("LIKE N'%GROUP%'"))
        // Something visible in a schema is the use of it.
        #expect(lines.contains { $0.contains("w.permission = N'ANY' AND EXISTS (SELECT 1 FROM sys.objects AS v") })
    }
}
