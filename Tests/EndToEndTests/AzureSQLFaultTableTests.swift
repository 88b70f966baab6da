// Every fault of Azure SQL servers against the real programs.
import Diagnosis
import Lab
import Testing

@Suite(.timeLimit(.minutes(10))) struct AzureSQLFaultTableTests {
    @Test("Every fault of an Azure SQL server has its cause on every surface")
    func everyFault() async throws {
        var table = EngineFaultTable(of: .azuresql, floor: 90) { fault in
            LabTarget(name: EngineFaultTable.name(of: fault), engine: .azuresql, database: "ledger", role: "app")
        }
        // Only `diagnose` asks the server whose tokens it takes; without that a missing administrator looks like another tenant.
        table.cases = table.cases.map { row in
            var row = row
            if row.fault == .azureNoAdmin { row.serviceCause = .tokenWrongTenant }
            return row
        }
        try await table.play(writing: "fault-table-azuresql.md")
    }

    @Test("Tokens that are wrong are told from servers that are")
    func wrongTokens() async throws {
        try await EngineFaultTable.playWrongTokens(on: LabTarget.standardAzureSQL[0])
    }
}
