// The batch that asks for rights, and what its answers mean.
import Testing

@testable import Diagnosis

@Suite struct AzureSQLPrivilegeTests {
    private static let rules = PrivilegeRules(
        require: [
            PrivilegeRule(object: .database, rights: [.connect]),
            PrivilegeRule(object: .allTables(schema: "sales"), rights: [.select, .truncate]),
            PrivilegeRule(object: .table(schema: "sales", name: "x'); DROP TABLE y;--"), rights: [.select]),
            PrivilegeRule(object: .schema("sales"), rights: [.usage, .create]),
            PrivilegeRule(object: .sequence(schema: "sales", name: "ids"), rights: [.usage]),
            PrivilegeRule(object: .allFunctions(schema: "sales"), rights: [.execute]),
        ],
        deny: [
            PrivilegeRule(object: .role, rights: [.superuser]),
            PrivilegeRule(object: .table(schema: "audit", name: "log"), rights: [.update, .delete]),
        ])

    @Test("Names are bound and never part of the text, equal ones once")
    func bound() {
        let question = AzureSQLPrivileges.question(Self.rules)
        #expect(!question.text.contains("DROP") && !question.text.contains("sales") && !question.text.contains("audit"))
        #expect(question.parameters.map(\.value) == ["sales", "x'); DROP TABLE y;--", "ids", "audit", "log"])
        #expect(question.parameters.map(\.name) == ["p0", "p1", "p2", "p3", "p4"])
        for parameter in question.parameters { #expect(question.text.contains("@" + parameter.name)) }
    }

    @Test("Every statement is ended, its parentheses close, and neither master nor a VIEW permission is asked for")
    func shape() {
        for text in [AzureSQLPrivileges.question(Self.rules).text, PrivilegeSurvey.azureSQLStatement] {
            for line in text.split(separator: "\n") {
                #expect(line.hasPrefix("SELECT ") && line.hasSuffix(";"), "\(line)")
                #expect(line.count { $0 == "(" } == line.count { $0 == ")" }, "\(line)")
                #expect(line.count { $0 == "'" } % 2 == 0, "\(line)")
                #expect(!line.contains("  "), "\(line)")
            }
            for word in ["master", "sys.dm_", "INSERT INTO", "EXEC ", "sys.server_"] { #expect(!text.contains(word), "\(word)") }
        }
    }

    @Test("Rights that SQL Server calls otherwise are asked for by its own words")
    func words() {
        let text = AzureSQLPrivileges.question(Self.rules).text
        let pairs = [
            "(N'TRUNCATE', N'ALTER')", "(N'USAGE', N'ANY')", "(N'USAGE', N'UPDATE')", "(N'SUPERUSER', N'CONTROL')",
            "(N'CONNECT', N'CONNECT')",
        ]
        for pair in pairs {
            #expect(text.contains(pair), "\(pair)")
        }
        for kind in PrivilegeObject.Kind.allCases {
            for right in kind.rights where AzureSQLPrivileges.permission(right, on: kind) == nil {
                #expect([.createdb, .replication, .bypassrls, .temporary, .maintain].contains(right), "\(kind) \(right)")
            }
        }
    }

    private static func answer(_ rows: [String?]..., administrator: String? = nil) -> [[[String?]]] {
        [[["-1", "self", "role", nil, "app-identity", nil, nil, administrator, "1", "1"]]] + rows.map { [$0] }
    }

    @Test("Empty result sets are verdicts: everything required is there, nothing denied is")
    func passed() throws {
        let report = try #require(AzureSQLPrivileges.report(Self.rules, sets: Self.answer() + [[], [], []]))
        #expect(report.entries.count == 8 && report.entries.allSatisfy(\.isPassed))
        #expect(report.role == "app-identity" && report.engine == .azuresql)
    }

    @Test("What is missing, denied, held and to come is read, and leads to statements of SQL Server")
    func broken() throws {
        let sets = Self.answer(
            ["1", "missing", "table", "sales", "orders", "dbo", "SELECT, TRUNCATE", nil, "2", "2"],
            ["1", "future", "schema", "sales", nil, nil, "SELECT, TRUNCATE", nil, "1", "1"],
            ["2", "absent", "table", "sales", "o]dd", nil, "SELECT", nil, "1", "1"],
            [
                "7", "held", "table", "audit", "log", "dbo", "DELETE",
                #"[{"k":"grant","p":"DELETE","c":1,"n":"app-identity","s":"G","d":1}]"#, "1", "1",
            ])
        let report = try #require(AzureSQLPrivileges.report(Self.rules, sets: sets))
        #expect(report.entries.map(\.isPassed) == [true, false, false, true, true, true, true, false])
        #expect(report.entries[1].broken == 2)
        let findings = PrivilegeFindings.of(report, values: RemedyValues())
        let texts = findings.flatMap(\.remedies).map(\.text)
        #expect(texts.contains("GRANT SELECT, ALTER ON OBJECT::[sales].[orders] TO [app-identity];"), "\(texts)")
        #expect(texts.contains("GRANT SELECT, ALTER ON SCHEMA::[sales] TO [app-identity];"), "\(texts)")
        #expect(texts.contains("REVOKE DELETE ON OBJECT::[audit].[log] FROM [app-identity];"), "\(texts)")
        #expect(AzureSQLRemedies.identifier("o]dd") == "[o]]dd]")
    }

    @Test("Who probes as dbo gets no verdict")
    func administrator() throws {
        let report = try #require(AzureSQLPrivileges.report(Self.rules, sets: Self.answer(administrator: "dbo")))
        #expect(report.administrator == "dbo" && report.entries.isEmpty)
    }

    @Test("An answer of another shape is none")
    func strange() {
        #expect(AzureSQLPrivileges.report(Self.rules, sets: []) == nil)
        let rows: [[String?]] = [
            ["99", "missing", "table", nil, nil, nil, "SELECT", nil, "1", "1"], ["0", "missing"],
            ["0", "missing", "planet", nil, nil, nil, "SELECT", nil, "1", "1"],
            ["0", "missing", "table", nil, nil, nil, "'; --", nil, "1", "1"],
        ]
        for row in rows { #expect(AzureSQLPrivileges.report(Self.rules, sets: Self.answer(row)) == nil, "\(row)") }
    }

    @Test("The survey is read as for the other engines, and what is mighty is called so")
    func survey() throws {
        let answer: [String?] = ["app", nil, "superuser", "[\"db_owner\",\"db_datareader\"]", "create", "f", "1", "3", "3", "1", "0", "0"]
        let survey = try #require(PrivilegeSurvey(answer: [answer]))
        #expect(survey.roles == ["db_owner", "db_datareader"])
        #expect(survey.excess.contains("the role db_owner") && !survey.excess.contains("the role db_datareader"))
    }
}
