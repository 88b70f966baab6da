// Every fault of MySQL servers against the real programs.
import Diagnosis
import Lab
import Testing

@Suite(.timeLimit(.minutes(10))) struct MySQLFaultTableTests {
    @Test("Every fault of a MySQL server has its cause on every surface")
    func everyFault() async throws {
        var table = EngineFaultTable(of: .mysql, floor: 75) { fault in
            // A fault of the real server concerns an account or a database: its target has both for itself.
            let own = fault.part == .server && fault != .mysqlReadOnly ? fault.name : nil
            return LabTarget(
                name: EngineFaultTable.name(of: fault), engine: .mysql, database: own.map { "db_\($0)" } ?? "stock",
                role: own.map { "aad_\($0)" } ?? "aad_stock")
        }
        table.prepare = { lab, targets in
            let mysql = try #require(lab.mysql)
            let app = try #require(lab.principal("app"))
            for target in targets where target.role != "aad_stock" {
                try await mysql.add(account: target.role, mapping: .application(app.clientID), database: target.database)
            }
        }
        try await table.play(writing: "fault-table-mysql.md")
    }

    @Test("Tokens that are wrong are told from servers that are")
    func wrongTokens() async throws {
        try await EngineFaultTable.playWrongTokens(on: LabTarget.standardMySQL[0])
    }
}
