// Every named fault of the lab that PostgreSQL can have against the real programs: see EngineFaultTable.
import Diagnosis
import Foundation
import Lab
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(10))) struct FaultTableTests {
    @Test("Every fault of a PostgreSQL server has its cause on every surface")
    func everyFault() async throws {
        var table = EngineFaultTable(of: .postgresql, floor: 50) { fault in
            // A fault of the real server concerns a role or a database: its target has both for itself.
            let own = fault.part == .server ? fault.name : nil
            return LabTarget(
                name: EngineFaultTable.name(of: fault), database: own.map { "db_\($0)" } ?? "orders",
                role: own.map { "aad_\($0)" } ?? "aad_orders")
        }
        table.prepare = { lab, targets in
            let postgres = try #require(lab.postgres)
            let app = try #require(lab.principal("app"))
            for target in targets where target.role != "aad_orders" {
                try await postgres.add(role: target.role, mapping: .principal(app.objectID), database: target.database)
            }
        }
        try await table.play(writing: "fault-table-postgresql.md")
    }

    @Test("Every fault of the endpoints that give tokens has its cause on every surface")
    func everyFaultOfEndpoints() async throws {
        try await EngineFaultTable(ofEndpointsOn: LabTarget.standard[0], floor: 18).play(writing: "fault-table-endpoints.md")
    }

    @Test("Without a configured anchor the causes are the same: the system's store decides")
    func systemStore() async throws {
        let faults =
            Fault.allCases.filter { $0.part == .proxy && ($0.expects(on: .postgresql) ?? .varies) != .varies } + [
                .deadAddress, .roleNoLogin,
            ]
        try await withAgentBench(usesSystemStore: true) { bench in
            let healthy = try await bench.diagnose()
            #expect(healthy.status == 0, "\(healthy.output)")
            for fault in faults {
                try await bench.lab.faults.turnOn(fault, target: "orders")
                let result = try await bench.diagnose(["orders", "--output", "json"])
                let check = (try jsonObject(result.output)["checks"] as? [[String: Any]])?.first ?? [:]
                var (cause, status): (String?, Int32) = (nil, 0)
                if case .failure(let expected, _, let exit) = fault.expects(on: .postgresql) {
                    (cause, status) = (expected.rawValue, Int32(exit))
                }
                #expect(check["cause"] as? String == cause, "\(fault.name)\n\(result.output)")
                #expect(result.status == status, "\(fault.name)")
                try await bench.lab.faults.turnOffAll()
            }
        }
    }
}
