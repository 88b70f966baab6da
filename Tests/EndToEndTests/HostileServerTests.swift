// F12 of the promises: servers that send too much, too long or no text at all cost the agent little memory, and each has its cause.
import Diagnosis
import Foundation
import Lab
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(10))) struct HostileServerTests {
    @Test(
        "Whatever length, amount or bytes a server sends, each has its cause and costs less than a mebibyte", arguments: EngineCase.all)
    func bounded(engine: EngineCase) async throws {
        let rows = engine.hostilities
        var options = LabOptions()
        options.targets = engine.targets(rows.count)
        try await withAgentBench(options) { bench in
            let healthy = try await run(bench, rows.count) { status in status.allSatisfy { $0.value == "up" } }
            for (target, row) in zip(options.targets, rows) {
                try await bench.lab.faults.turnOn(row.fault, target: target.name, value: row.value)
            }
            let hostile = try await run(bench, rows.count) { status in status.allSatisfy { $0.value != "unknown" } }
            for (target, row) in zip(options.targets, rows) {
                #expect(hostile.status["\(target.name)/app"] == row.cause.rawValue, "\(row.fault.name) \(row.value ?? 0)")
            }
            // All of them may have been in flight at once.
            let each = (hostile.peak - healthy.peak) / Double(rows.count)
            #expect(each < 1, "\(hostile.peak) MiB at most, \(healthy.peak) when healthy")
            promise(
                "F12",
                "\(engine): peak memory \(rounded(hostile.peak)) MiB with \(rows.count) hostile servers, \(rounded(healthy.peak)) with as many healthy ones: \(rounded(each)) MiB each"
            )
        }
    }

    /// Runs the service until the verdicts of so many checks are as they should be, and some seconds longer.
    private func run(
        _ bench: AgentBench, _ count: Int, until isOver: ([String: String]) -> Bool
    ) async throws -> (status: [String: String], peak: Double) {
        let service = try await bench.startService()
        let status = try await eventually("verdicts") {
            let document = try jsonObject(try await service.get("/api/v1/status").body)
            let checks = document["checks"] as? [[String: Any]] ?? []
            let pairs = checks.map { ($0["id"] as? String ?? "", $0["cause"] as? String ?? $0["state"] as? String ?? "") }
            let status = Dictionary(uniqueKeysWithValues: pairs)
            return status.count == count && isOver(status) ? status : nil
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
