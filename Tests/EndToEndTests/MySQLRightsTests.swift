// Rights on a MySQL 8 from the configuration over the wire to the statement that mends them: what roles bring is not the account's own.
import Diagnosis
import Foundation
import Lab
import Testing

@Suite(.timeLimit(.minutes(3))) struct MySQLRightsTests {
    private static let rows = [
        RightsRow(
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
        RightsRow(
            name: "by-role", privileges: "      deny: [{on: \"table stock.items\", grants: [delete]}]", finding: ("over_privileged", 0),
            text: ["role stock_reader on `stock`.*"]),
        RightsRow(
            name: "by-itself", privileges: "      deny: [{on: \"table stock.items\", grants: [update]}]", finding: ("over_privileged", 0),
            remedies: ["REVOKE UPDATE ON `stock`.`items` FROM 'aad_stock'@'%';"], text: ["direct grant"]),
        RightsRow(
            name: "everywhere", privileges: "      deny: [{on: \"table stock.items\", grants: [insert]}]",
            finding: ("over_privileged", 0), remedies: ["REVOKE INSERT ON *.* FROM 'aad_stock'@'%';"], text: ["direct grant on *.*"]),
        RightsRow(
            name: "merged", privileges: "      deny: [{on: \"all tables in schema stock\", grants: [select]}]",
            finding: ("over_privileged", 0), remedies: ["REVOKE SELECT ON `stock`.* FROM 'aad_stock'@'%';"]),
        RightsRow(
            name: "lacking", privileges: "      require: [{on: \"table stock.movements\", grants: [update]}]",
            finding: ("privilege_missing", 50),
            remedies: ["SET DEFAULT ROLE ALL TO 'aad_stock'@'%';", "GRANT UPDATE ON `stock`.`movements` TO 'aad_stock'@'%';"],
            text: ["stock_keeper"]),
        RightsRow(
            name: "taken-back", privileges: "      require: [{on: \"table returns.claims\", grants: [insert]}]",
            finding: ("privilege_missing", 50), remedies: ["GRANT INSERT ON `returns`.`claims` TO 'aad_stock'@'%';"]),
        RightsRow(name: "survey"),
    ]

    @Test("Rights of a MySQL 8 that are the account's own, a role's, taken back or missing are found, with the statement that works")
    func rights() async throws {
        var options = LabOptions()
        options.mysql = false
        options.targets = Self.rows.map { LabTarget(name: $0.name, engine: .mysql, database: "stock", role: "aad_stock") }
        try await withAgentBench(options) { bench in
            try bench.configure(Self.rows)
            try await bench.lab.faults.turnOn(.mysqlEight)
            for row in Self.rows {
                let result = try await bench.play(row)
                // Nothing is offered that the server would refuse: a REVOKE of what the account does not have itself.
                let revokes = result.remedies.filter { $0.hasPrefix("REVOKE") }
                #expect(revokes == row.remedies.filter { $0.hasPrefix("REVOKE") }, "\(row.name): \(revokes)")
                guard row.name == "survey" else { continue }
                let rights = (result.check["facts"] as? [String: Any])?["rights"] as? [String: Any] ?? [:]
                let excess = rights["excess"] as? [String] ?? []
                #expect(excess.contains("INSERT on *.*"), "\(result.output)")
                #expect(excess.contains("SESSION_VARIABLES_ADMIN, XA_RECOVER_ADMIN on *.*"), "\(result.output)")
                #expect(rights["roles"] as? [String] == ["stock_reader"], "\(result.output)")
            }
        }
    }
}
