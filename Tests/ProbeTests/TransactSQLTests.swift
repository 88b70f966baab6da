// Every statement that Azure SQL is asked, and every remedy in SQL that a person is given for it, before a parser that others wrote.

@testable import Diagnosis
import Foundation
import Probes
import Subprocess
import Testing

@Suite(.timeLimit(.minutes(5))) struct TransactSQLTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    private static let python = folder.appending(path: "../../.build-drivers/bin/python").standardized.path
    private static let script = folder.appending(path: "../TDSTests/Drivers/parse.py").standardized.path

    /// - Returns: what the parser complains of, by name.
    private func complaints(_ batches: [String: String]) async throws -> [String: [String]] {
        #expect(
            FileManager.default.isExecutableFile(atPath: Self.python),
            "the parser is not installed: Tests/TDSTests/Drivers/install installs it")
        let text = String(decoding: try JSONEncoder().encode(batches), as: UTF8.self)
        let result = try await run(
            .name("env"), arguments: [Self.python, Self.script], input: .string(text), output: .string(limit: 10_000_000),
            error: .string(limit: 100_000))
        let output = result.standardOutput
        do {
            return try JSONDecoder().decode([String: [String]].self, from: Data(output.utf8))
        } catch {
            Issue.record("\(result.standardError)")
            throw error
        }
    }

    /// Every object there can be a rule for, with every right on it, required and denied.
    private static var rules: [PrivilegeRules] {
        let objects: [PrivilegeObject] = [
            .role, .database, .schema("sales"), .table(schema: "sales", name: "o'rders]"), .allTables(schema: "sales"),
            .sequence(schema: "sales", name: "ids"), .allSequences(schema: "sales"),
            .function(schema: "sales", name: "total", arguments: nil), .allFunctions(schema: "sales"),
        ]
        let all = objects.map { PrivilegeRule(object: $0, rights: $0.kind.rights) }
        return [PrivilegeRules(require: all), PrivilegeRules(deny: all)]
    }

    private static var questions: [String: String] {
        var questions = ["session": AzureSQLStatement.question(milliseconds: 5_000), "survey": PrivilegeSurvey.azureSQLStatement]
        for (index, rules) in rules.enumerated() { questions["rights \(index)"] = AzureSQLPrivileges.question(rules).text }
        return questions
    }

    /// What mends broken rights, for every way in which a right can be there or be withheld.
    private static func remediesOfRights() throws -> [String] {
        let ways: [String?] =
            [
                nil, #"[{"k":"role","c":0,"n":"db_datareader","d":1,"t":"ROLE"}]"#, #"[{"k":"owner","c":3,"n":"app","d":1}]"#,
                #"[{"k":"owner","c":1,"n":"app","d":1}]"#,
            ]
            + [0, 1, 3].flatMap { scope in
                ["grant", "deny"].flatMap { kind in
                    ["app", "public", "gr]oup"].map { name in
                        let state = kind == "deny" ? "D" : "W"
                        return #"[{"k":"\#(kind)","p":"UPDATE","c":\#(scope),"n":"\#(name)","s":"\#(state)","d":1,"t":"EXTERNAL USER"}]"#
                    }
                }
            }
        var texts: [String] = []
        for rules in rules {
            for (index, entry) in rules.entries.enumerated() {
                let word = entry.demand == .require ? "missing" : "held"
                for way in ways {
                    for right in entry.rule.rights where entry.rule.object.kind != .role || right == .superuser {
                        let row: [String?] = [
                            String(index), word, entry.rule.object.kind.rawValue, "sales", "o]rders", "dbo", right.rawValue.uppercased(),
                            way, "1", "1",
                        ]
                        for groups in [nil, "[]", #"[{"n":"orders-apps"}]"#] {
                            let me: [String?] = ["-1", "self", "role", nil, "app", groups, nil, nil, "1", "1"]
                            guard let report = AzureSQLPrivileges.report(rules, sets: [[me], [row]]) else { continue }
                            texts += PrivilegeFindings.of(report, values: values).flatMap(\.remedies).map(\.text)
                        }
                    }
                }
            }
        }
        return texts
    }

    private static var values: RemedyValues {
        var values = RemedyValues()
        values[.clientID] = "00112233-4455-6677-8899-aabbccddeeff"
        values[.objectID] = "00112233-4455-6677-8899-aabbccddeeff"
        values[.identityName] = "app]identity"
        values[.database] = "billing"
        return values
    }

    /// What the catalogue tells a person to run in the database, as far as it is SQL.
    private static var remediesOfCauses: [String] {
        let templates = Cause.allCases.flatMap(\.row.remedies) + FindingCode.allCases.flatMap(\.row.remedies)
        return templates.filter { $0.applies(to: .azuresql, source: nil) }.map { $0.filled(from: values).text }
    }

    private static func isSQL(_ text: String) -> Bool {
        ["SELECT", "CREATE", "ALTER", "GRANT", "REVOKE", "DENY", "DROP", "EXEC"].contains { text.hasPrefix($0 + " ") }
    }

    @Test("A parser of T-SQL that others wrote takes every question, and every remedy in SQL")
    func everything() async throws {
        var batches = Self.questions
        let ofRights = Set(try Self.remediesOfRights()).filter(Self.isSQL)
        let ofCauses = Set(Self.remediesOfCauses).filter(Self.isSQL)
        #expect(ofRights.count >= 30 && ofCauses.count >= 6, "\(ofRights.count) and \(ofCauses.count)")
        for text in ofRights.union(ofCauses) { batches[text] = text }
        let complaints = try await complaints(batches)
        #expect(complaints.count == batches.count)
        for (name, list) in complaints { #expect(list.isEmpty, "\(name): \(list)") }
    }

    @Test("That parser refuses what is no T-SQL")
    func wrong() async throws {
        let survey = PrivilegeSurvey.azureSQLStatement
        let batches = [
            "nothing selected": "SELECT FROM sys.objects WHERE (;", "nobody granted to": "GRANT SELECT TO;",
            "of another product": "ALTER DEFAULT PRIVILEGES IN SCHEMA sales GRANT SELECT ON TABLES TO app;",
            "a lost parenthesis": survey.replacing(") AS o;", with: " AS o;"), "a lost word": survey.replacing(" THEN 1 ", with: " 1 "),
        ]
        let complaints = try await complaints(batches)
        #expect(complaints.count == batches.count)
        for (name, list) in complaints { #expect(!list.isEmpty, "\(name)") }
    }
}
