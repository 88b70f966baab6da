// Rights on an Azure SQL database from the configuration to the statement that mends them, against the lab's server.
import Diagnosis
import Foundation
import Lab
import Testing

@Suite(.timeLimit(.minutes(3))) struct AzureSQLRightsTests {
    private static let rows = [
        RightsRow(
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
        RightsRow(
            name: "lacking",
            privileges: """
                      require:
                        - {on: "table dbo.entries", grants: [select, truncate]}
                        - {on: "all functions in schema dbo", grants: [execute]}
                """, finding: ("privilege_missing", 50),
            remedies: ["GRANT ALTER ON OBJECT::[dbo].[entries] TO [app];", "GRANT EXECUTE ON SCHEMA::[dbo] TO [app];"],
            text: ["dbo.entries"]),
        RightsRow(
            name: "denied", privileges: "      require: [{on: \"all tables in schema dbo\", grants: [select, update], name: writes}]",
            finding: ("privilege_missing", 50),
            remedies: ["REVOKE UPDATE ON OBJECT::[dbo].[audit_log] FROM", "GRANT UPDATE ON OBJECT::[dbo].[audit_log] TO [app];"],
            text: ["DENY to app"]),
        RightsRow(
            name: "absent", privileges: "      require: [{on: \"table dbo.acounts\", grants: [select]}]",
            finding: ("privilege_missing", 50),
            text: ["dbo.acounts", "does not exist"]),
        RightsRow(
            name: "excess", privileges: "      deny: [{on: \"table dbo.entries\", grants: [delete]}]", finding: ("over_privileged", 0),
            remedies: ["ALTER ROLE [db_datawriter] DROP MEMBER [app];"]),
    ]

    @Test("Rights that are there, missing, denied, absent or too many are found, with the statement to run; the check stays up")
    func rights() async throws {
        var options = LabOptions()
        options.targets = Self.rows.map { LabTarget(name: $0.name, engine: .azuresql, database: "ledger", role: "app") }
        try await withAgentBench(options) { bench in
            try bench.configure(Self.rows)
            for row in Self.rows { _ = try await bench.play(row) }
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
