// Rights on an Azure SQL database from the configuration to the statement that mends them, against the lab's server.
import Diagnosis
import Foundation
import Lab
import Testing

@Suite(.timeLimit(.minutes(3))) struct AzureSQLRightsTests {
    private struct Row {
        var name: String
        var privileges: String
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
                        - {on: "schema dbo", grants: [usage]}
                        - {on: "all tables in schema dbo", grants: [select, insert]}
                        - {on: "table dbo.entries", grants: [update, delete]}
                      deny:
                        - superuser
                        - {on: "table dbo.audit_log", grants: [update, delete]}
                """),
        Row(
            name: "lacking",
            privileges: """
                      require:
                        - {on: "table dbo.entries", grants: [select, truncate]}
                        - {on: "all functions in schema dbo", grants: [execute]}
                """, finding: ("privilege_missing", 50),
            remedies: ["GRANT ALTER ON OBJECT::[dbo].[entries] TO [app];", "GRANT EXECUTE ON SCHEMA::[dbo] TO [app];"],
            text: ["dbo.entries"]),
        Row(
            name: "denied", privileges: "      require: [{on: \"all tables in schema dbo\", grants: [select, update], name: writes}]",
            finding: ("privilege_missing", 50),
            remedies: ["REVOKE UPDATE ON OBJECT::[dbo].[audit_log] FROM", "GRANT UPDATE ON OBJECT::[dbo].[audit_log] TO [app];"],
            text: ["DENY to app"]),
        Row(
            name: "absent", privileges: "      require: [{on: \"table dbo.acounts\", grants: [select]}]",
            finding: ("privilege_missing", 50),
            text: ["dbo.acounts", "does not exist"]),
        Row(
            name: "excess", privileges: "      deny: [{on: \"table dbo.entries\", grants: [delete]}]", finding: ("over_privileged", 0),
            remedies: ["ALTER ROLE [db_datawriter] DROP MEMBER [app];"]),
    ]

    @Test("Rights that are there, missing, denied, absent or too many are found, with the statement to run; the check stays up")
    func rights() async throws {
        var options = LabOptions()
        options.targets = Self.rows.map { LabTarget(name: $0.name, engine: .azuresql, database: "ledger", role: "app") }
        try await withAgentBench(options) { bench in
            var text = try String(contentsOfFile: bench.configurationPath, encoding: .utf8)
            for row in Self.rows {
                text = text.replacingOccurrences(
                    of: "  - name: \(row.name)\n", with: "  - name: \(row.name)\n    privileges:\n\(row.privileges)\n")
            }
            try text.write(toFile: bench.configurationPath, atomically: true, encoding: .utf8)
            for row in Self.rows {
                let result = try await bench.diagnose([row.name, "--output", "json"])
                let report = try jsonObject(result.output)
                let check = (report["checks"] as? [[String: Any]])?.first ?? [:]
                #expect(check["state"] as? String == "up", "\(row.name): \(result.output)\(result.errors.suffix(500))")
                #expect(result.status == row.finding?.exit ?? 0, "\(row.name): \(result.output)")
                let findings = (report["findings"] as? [[String: Any]] ?? []).filter { $0["code"] as? String == row.finding?.code }
                #expect(findings.isEmpty == (row.finding == nil), "\(row.name): \(result.output)")
                let remedies = findings.flatMap { $0["remedies"] as? [[String: Any]] ?? [] }.compactMap { $0["text"] as? String }
                for remedy in row.remedies { #expect(remedies.contains { $0.hasPrefix(remedy) }, "\(row.name): \(remedies)") }
                let plain = try await bench.diagnose([row.name])
                for words in row.text { #expect(plain.output.contains(words), "\(row.name): \(plain.output)") }
            }
            // The verdict is a metric, by the name of the entry.
            let service = try await bench.startService()
            _ = try await eventually("a verdict on the rights") {
                let metrics = try await service.get("/metrics").body
                return metrics.contains("dbprobe_privilege_passed{target=\"denied\",identity=\"app\",privilege=\"writes\"} 0")
                    && metrics.contains("dbprobe_privilege_passed{target=\"enough\",identity=\"app\",privilege=\"require\"} 1") ? true : nil
            }
            #expect(await service.program.stop().status == 0)
        }
    }
}
