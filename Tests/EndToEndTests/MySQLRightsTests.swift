// Rights on a MySQL 8 from the configuration over the wire to the statement that mends them: what roles bring is not the account's own.
import Diagnosis
import Foundation
import Lab
import Testing

@Suite(.timeLimit(.minutes(3))) struct MySQLRightsTests {
    private struct Row {
        var name: String
        /// Empty: nothing is configured, and what the account can do is told.
        var privileges = ""
        /// The code of the finding, and the exit status; nil when all is well.
        var finding: (code: String, exit: Int32)?
        var remedies: [String] = []
        var text: [String] = []
    }

    private static let rows = [
        Row(
            name: "enough",
            privileges: """
                      require:
                        - connect
                        - {on: "table stock.items", grants: [select, update, delete, insert]}
                        - {on: "all tables in schema stock", grants: [select]}
                      deny:
                        - superuser
                        - {on: "table stock.movements", grants: [update]}
                        - {on: "table returns.claims", grants: [insert]}
                """),
        Row(
            name: "by-role", privileges: "      deny: [{on: \"table stock.items\", grants: [delete]}]", finding: ("over_privileged", 0),
            text: ["role stock_reader on `stock`.*"]),
        Row(
            name: "by-itself", privileges: "      deny: [{on: \"table stock.items\", grants: [update]}]", finding: ("over_privileged", 0),
            remedies: ["REVOKE UPDATE ON `stock`.`items` FROM 'aad_stock'@'%';"], text: ["direct grant"]),
        Row(
            name: "everywhere", privileges: "      deny: [{on: \"table stock.items\", grants: [insert]}]",
            finding: ("over_privileged", 0), remedies: ["REVOKE INSERT ON *.* FROM 'aad_stock'@'%';"], text: ["direct grant on *.*"]),
        Row(
            name: "merged", privileges: "      deny: [{on: \"all tables in schema stock\", grants: [select]}]",
            finding: ("over_privileged", 0), remedies: ["REVOKE SELECT ON `stock`.* FROM 'aad_stock'@'%';"]),
        Row(
            name: "lacking", privileges: "      require: [{on: \"table stock.movements\", grants: [update]}]",
            finding: ("privilege_missing", 50),
            remedies: ["SET DEFAULT ROLE ALL TO 'aad_stock'@'%';", "GRANT UPDATE ON `stock`.`movements` TO 'aad_stock'@'%';"],
            text: ["stock_keeper"]),
        Row(
            name: "taken-back", privileges: "      require: [{on: \"table returns.claims\", grants: [insert]}]",
            finding: ("privilege_missing", 50), remedies: ["GRANT INSERT ON `returns`.`claims` TO 'aad_stock'@'%';"]),
        Row(name: "survey"),
    ]

    @Test("Rights of a MySQL 8 that are the account's own, a role's, taken back or missing are found, with the statement that works")
    func rights() async throws {
        var options = LabOptions()
        options.mysql = false
        options.targets = Self.rows.map { LabTarget(name: $0.name, engine: .mysql, database: "stock", role: "aad_stock") }
        try await withAgentBench(options) { bench in
            var text = try String(contentsOfFile: bench.configurationPath, encoding: .utf8)
            for row in Self.rows where !row.privileges.isEmpty {
                text = text.replacingOccurrences(
                    of: "  - name: \(row.name)\n", with: "  - name: \(row.name)\n    privileges:\n\(row.privileges)\n")
            }
            try text.write(toFile: bench.configurationPath, atomically: true, encoding: .utf8)
            try await bench.lab.faults.turnOn(.mysqlEight)
            for row in Self.rows {
                let result = try await bench.diagnose([row.name, "--output", "json"])
                let report = try jsonObject(result.output)
                let check = (report["checks"] as? [[String: Any]])?.first ?? [:]
                #expect(check["state"] as? String == "up", "\(row.name): \(result.output)\(result.errors.suffix(500))")
                #expect(result.status == row.finding?.exit ?? 0, "\(row.name): \(result.output)")
                let all = report["findings"] as? [[String: Any]] ?? []
                let findings = all.filter { $0["code"] as? String == row.finding?.code }
                #expect(findings.isEmpty == (row.finding == nil), "\(row.name): \(result.output)")
                let remedies = all.flatMap { $0["remedies"] as? [[String: Any]] ?? [] }.compactMap { $0["text"] as? String }
                for remedy in row.remedies { #expect(remedies.contains { $0.hasPrefix(remedy) }, "\(row.name): \(remedies)") }
                // Nothing is offered that the server would refuse: a REVOKE of what the account does not have itself.
                let revokes = remedies.filter { $0.hasPrefix("REVOKE") }
                #expect(revokes == row.remedies.filter { $0.hasPrefix("REVOKE") }, "\(row.name): \(revokes)")
                let plain = try await bench.diagnose([row.name])
                for words in row.text { #expect(plain.output.contains(words), "\(row.name): \(plain.output)") }
                guard row.name == "survey" else { continue }
                let rights = (check["facts"] as? [String: Any])?["rights"] as? [String: Any] ?? [:]
                let excess = rights["excess"] as? [String] ?? []
                #expect(excess.contains("INSERT on *.*"), "\(result.output)")
                #expect(excess.contains("SESSION_VARIABLES_ADMIN, XA_RECOVER_ADMIN on *.*"), "\(result.output)")
                #expect(rights["roles"] as? [String] == ["stock_reader"], "\(result.output)")
            }
        }
    }
}
