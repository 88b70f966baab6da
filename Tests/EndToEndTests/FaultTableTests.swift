// Every named fault of the lab against the real programs: cause and exit status in `diagnose`, by itself and inside the running agent, and
// the same cause in the metrics, the API, the history and the state lines of that agent. Writes the table that README shows.
import Diagnosis
import Foundation
import Lab
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(15))) struct FaultTableTests {
    struct Row: Sendable {
        var fault: Fault
        var cause: String
        var phase: String
        var exit: Int32
    }

    @Test("Every named fault has its cause on every surface")
    func everyFault() async throws {
        let faults = Fault.allCases.filter { ($0.expects(on: .postgresql) ?? .varies) != .varies }
        let halves = (0..<2).map { half in faults.enumerated().filter { $0.offset % 2 == half }.map(\.element) }
        let rows = try await withThrowingTaskGroup(of: [Row].self) { group in
            for half in halves { group.addTask { try await Self.play(half) } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        let order = Dictionary(uniqueKeysWithValues: faults.enumerated().map { ($1, $0) })
        let sorted = rows.sorted { (order[$0.fault] ?? 0) < (order[$1.fault] ?? 0) }
        #expect(sorted.count == faults.count)
        #expect(sorted.filter { $0.cause != "healthy" }.count >= 20)
        try Self.write(sorted)
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

    private static func play(_ faults: [Fault]) async throws -> [Row] {
        var rows: [Row] = []
        try await withAgentBench { bench in
            for fault in faults {
                do {
                    rows.append(try await play(fault, on: bench))
                } catch {
                    Issue.record("\(fault.name): \(error)")
                }
                try await bench.lab.faults.turnOffAll()
            }
        }
        return rows
    }

    private static func play(_ fault: Fault, on bench: AgentBench) async throws -> Row {
        try await bench.lab.faults.turnOn(fault, target: fault.part == .identity ? nil : "orders")
        let service = try await bench.startService()
        let result = try await bench.diagnose(["orders", "--output", "json", "--local"])
        let report = try jsonObject(result.output)
        let check = (report["checks"] as? [[String: Any]])?.first ?? [:]
        let id = "orders/app"
        let seen = try await eventually("\(fault.name): a first verdict of the service") {
            let check = try await service.check(id)
            return check["state"] as? String == "unknown" ? nil : check
        }
        let metrics = try await eventually("\(fault.name): metrics of the verdict") {
            let body = try await service.get("/metrics").body
            return body.contains("dbprobe_up{target=\"orders\",identity=\"app\"}") ? body : nil
        }
        _ = try await service.get("/")
        let inside = try await bench.diagnose(["orders", "--output", "json"])
        let insideReport = try jsonObject(inside.output)
        let insideCheck = (insideReport["checks"] as? [[String: Any]])?.first ?? [:]
        #expect(insideReport["mode"] as? String == "inside", "\(fault.name): \(inside.errors.suffix(500))")
        #expect(inside.status == result.status, "\(fault.name): exit status inside\n\(inside.output)")
        #expect(insideCheck["cause"] as? String == check["cause"] as? String, "\(fault.name): cause inside")
        let row: Row
        switch fault.expects(on: .postgresql) {
        case .failure(let cause, let phase, let exit):
            row = Row(fault: fault, cause: cause.rawValue, phase: phase.rawValue, exit: Int32(exit))
            #expect(result.status == Int32(exit), "\(fault.name): exit status\n\(result.output)\n\(result.errors.suffix(2000))")
            #expect(report["exit"] as? Int == exit, "\(fault.name): exit in the report")
            #expect(check["state"] as? String == "down", "\(fault.name)")
            #expect(check["cause"] as? String == cause.rawValue, "\(fault.name): cause of diagnose\n\(result.output)")
            // A reset comes while the connection is made or just after it; only the kernel knows.
            let phases = fault == .tcpReset ? [Phase.tcp, .negotiate] : [phase]
            #expect(phases.contains { check["phase"] as? String == $0.rawValue }, "\(fault.name): phase of diagnose")
            #expect(seen["state"] as? String == "down", "\(fault.name): state in the API")
            #expect(seen["cause"] as? String == cause.rawValue, "\(fault.name): cause in the API")
            let hasCause = phases.contains { phase in
                metrics.contains("target=\"orders\",identity=\"app\",phase=\"\(phase.rawValue)\",cause=\"\(cause.rawValue)\"} 1")
            }
            #expect(hasCause, "\(fault.name): dbprobe_failure_cause")
            let isDown = metrics.contains("dbprobe_up{target=\"orders\",identity=\"app\"} 0")
            #expect(isDown, "\(fault.name): dbprobe_up")
        default:
            row = Row(fault: fault, cause: "healthy", phase: "", exit: 0)
            #expect(result.status == 0, "\(fault.name): exit status\n\(result.output)")
            #expect(check["state"] as? String == "up", "\(fault.name): state of diagnose\n\(result.output)")
            #expect(seen["state"] as? String == "up", "\(fault.name): state in the API")
            #expect(metrics.contains("dbprobe_up{target=\"orders\",identity=\"app\"} 1"), "\(fault.name): dbprobe_up")
        }
        let stopped = await service.program.stop()
        #expect(stopped.status == 0, "\(fault.name): the service ends with 0 after SIGTERM\n\(stopped.errors.suffix(2000))")
        let expected = row.cause == "healthy" ? nil : row.cause
        let line = try stopped.output.split(separator: "\n").map { try jsonObject(String($0)) }.first { $0["id"] as? String == id }
        #expect(line?["cause"] as? String == expected, "\(fault.name): state line")
        #expect(line?["to"] as? String == (expected == nil ? "up" : "down"), "\(fault.name): state line")
        let history = try await bench.agent.run(["history", id, "--file", bench.historyPath, "--output", "json"])
        let items = try jsonObject(history.output)["items"] as? [[String: Any]] ?? []
        #expect(
            items.contains { $0["cause"] as? String == expected && $0["partial"] as? Bool == false },
            "\(fault.name): history\n\(history.output.prefix(800))")
        return row
    }

    /// The table, beside the built products; README shows a copy.
    private static func write(_ rows: [Row]) throws {
        var text = "| fault | what happens | cause | phase | exit |\n| --- | --- | --- | --- | --- |\n"
        for row in rows {
            text +=
                "| `\(row.fault.name)` | \(row.fault.row.summary) | \(row.cause == "healthy" ? "healthy" : "`\(row.cause)`") | \(row.phase) | \(row.exit) |\n"
        }
        try text.write(to: Program.products.appendingPathComponent("fault-table.md"), atomically: true, encoding: .utf8)
        print("The table of faults: \(rows.count) rows in fault-table.md beside the built products")
    }
}
