// F12 of the promises: servers that send too much, too long or no text at all cost the agent little memory, and each has its cause.
import Diagnosis
import Foundation
import Lab
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(10))) struct HostileServerTests {
    struct Row: Sendable {
        var fault: Fault
        var value: Int?
        var cause: String
    }

    static let rows = [
        Row(fault: .garbageLength, value: 0, cause: "protocol_violation"),
        Row(fault: .garbageLength, value: 1, cause: "protocol_violation"),
        Row(fault: .garbageLength, value: 0x7FFF_FFFF, cause: "protocol_violation"),
        Row(fault: .garbageLength, value: 0xFFFF_FFFF, cause: "protocol_violation"),
        Row(fault: .garbageMessage, cause: "protocol_violation"), Row(fault: .hugeMessage, cause: "protocol_violation"),
        Row(fault: .badText, cause: "login_principal_unknown"), Row(fault: .endlessNotices, cause: "protocol_violation"),
        Row(fault: .endlessRows, cause: "protocol_violation"), Row(fault: .endlessColumns, cause: "protocol_violation"),
        Row(fault: .stuffedBeforeTLS, cause: "protocol_violation"), Row(fault: .notPostgres, cause: "peer_not_database"),
    ]

    @Test("Whatever length, amount or bytes a server sends, each has its cause and costs less than a mebibyte")
    func bounded() async throws {
        var options = LabOptions()
        options.targets = Self.rows.indices.map { LabTarget(name: "h\($0)", database: "orders", role: "aad_orders") }
        try await withAgentBench(options) { bench in
            let healthy = try await run(bench) { status in status.allSatisfy { $0.value == "up" } }
            for (index, row) in Self.rows.enumerated() {
                try await bench.lab.faults.turnOn(row.fault, target: "h\(index)", value: row.value)
            }
            let hostile = try await run(bench) { status in status.allSatisfy { $0.value != "unknown" } }
            for (index, row) in Self.rows.enumerated() {
                #expect(hostile.status["h\(index)/app"] == row.cause, "\(row.fault.name) \(row.value ?? 0)")
            }
            // All of them may have been in flight at once.
            let each = (hostile.peak - healthy.peak) / Double(Self.rows.count)
            #expect(each < 1, "\(hostile.peak) MiB at most, \(healthy.peak) when healthy")
            promise(
                "F12",
                "peak memory \(rounded(hostile.peak)) MiB with \(Self.rows.count) hostile servers, \(rounded(healthy.peak)) with as many healthy ones: \(rounded(each)) MiB each"
            )
        }
    }

    /// Runs the service until the verdicts are as they should be, and some seconds longer.
    private func run(
        _ bench: AgentBench, until isOver: ([String: String]) -> Bool
    ) async throws -> (status: [String: String], peak: Double) {
        let service = try await bench.startService()
        let status = try await eventually("verdicts") {
            let document = try jsonObject(try await service.get("/api/v1/status").body)
            let checks = document["checks"] as? [[String: Any]] ?? []
            let pairs = checks.map { ($0["id"] as? String ?? "", $0["cause"] as? String ?? $0["state"] as? String ?? "") }
            let status = Dictionary(uniqueKeysWithValues: pairs)
            return status.count == Self.rows.count && isOver(status) ? status : nil
        }
        try await Task.sleep(for: .seconds(Scale.pick(2, deep: 60)))
        let peak = try peakMemory(of: service.program.identifier)
        #expect(await service.program.stop().status == 0)
        return (status, peak)
    }
}

/// The most memory a process has had. **Unit**: MiB. Source: proc(5), `/proc/pid/status`, VmHWM.
func peakMemory(of process: Int32) throws -> Double {
    let text = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }), let kibibytes = Double(line.filter(\.isNumber))
    else { throw BenchError("no VmHWM of process \(process)") }
    return kibibytes / 1024
}
