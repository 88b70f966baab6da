// Every fault of one engine's servers against the real programs, all at once: one server a fault, one service that watches all of them,
// one `diagnose` for each. Cause, phase and exit status are compared on every surface. Writes the table that README shows.
import Diagnosis
import Foundation
import Lab
import Testing

/// What the table of one engine consists of.
struct EngineFaultTable: Sendable {
    var engine: Engine
    var cases: [Case]
    /// Makes what the real server lacks for the targets, before the faults are switched on.
    var prepare: @Sendable (Lab, [LabTarget]) async throws -> Void = { _, _ in }

    /// A fault, and the server of the lab that has it. Faults of the endpoint would concern all servers and are played one by one.
    struct Case: Sendable {
        var fault: Fault
        var expects: Fault.Expectation
        var target: LabTarget
        /// What the service says, where it knows less than `diagnose`, which may ask the server once more.
        var serviceCause: Cause?

        var id: String { "\(target.name)/app" }

        /// A reset comes while the connection is made or just after it; only the kernel knows.
        var phases: [Phase] {
            guard case .failure(_, let phase, _) = expects else { return [] }
            return fault == .tcpReset ? [.tcp, .negotiate] : [phase]
        }
    }

    struct Row: Sendable {
        var fault: Fault
        var cause: String
        var phase: String
        var exit: Int32
    }

    /// The faults that have a definite outcome on the engine, each on a server of its own.
    init(of engine: Engine, target: (Fault) -> LabTarget) {
        self.engine = engine
        cases = Fault.allCases.compactMap { fault in
            guard fault.part != .identity, let expects = fault.expects(on: engine), expects != .varies else { return nil }
            return Case(fault: fault, expects: expects, target: target(fault))
        }
    }

    /// The name of the server that has a fault.
    static func name(of fault: Fault) -> String { String(fault.name.map { $0 == "_" ? "-" : $0 }) }

    func play() async throws {
        // A lab has room for some eighty servers. Two labs side by side, as one half mostly waits.
        let halves = (0..<2).map { half in cases.enumerated().filter { $0.offset % 2 == half }.map(\.element) }
        let rows = try await withThrowingTaskGroup(of: [Row].self) { group in
            for half in halves { group.addTask { try await play(half) } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(rows.count == cases.count)
        #expect(rows.filter { $0.cause != "healthy" }.count >= 40)
        let order = Dictionary(uniqueKeysWithValues: cases.enumerated().map { ($1.fault, $0) })
        try write(rows.sorted { (order[$0.fault] ?? 0) < (order[$1.fault] ?? 0) })
    }

    private func play(_ cases: [Case]) async throws -> [Row] {
        var options = LabOptions()
        options.targets = cases.map(\.target)
        var rows: [Row] = []
        try await withAgentBench(options, interval: "7s", timeout: "6s") { bench in
            try await prepare(bench.lab, options.targets)
            for row in cases { try await bench.lab.faults.turnOn(row.fault, target: row.target.name) }

            let service = try await bench.startService()
            let seen = try await eventually("a first verdict of the service on every check") {
                let document = try jsonObject(try await service.get("/api/v1/status").body)
                let checks = document["checks"] as? [[String: Any]] ?? []
                return checks.contains { $0["state"] as? String == "unknown" } || checks.count < cases.count ? nil : checks
            }
            let metrics = try await service.get("/metrics").body
            #expect(try await service.get("/").status == 200)
            let stopped = await service.program.stop()
            #expect(stopped.status == 0, "the service ends with 0 after SIGTERM\n\(stopped.errors.suffix(2000))")
            let lines = try stopped.output.split(separator: "\n").map { try jsonObject(String($0)) }
            let history = try await bench.agent.run(["history", "--file", bench.historyPath, "--output", "json", "--limit", "1000"])
            let items = try jsonObject(history.output)["items"] as? [[String: Any]] ?? []
            for row in cases {
                check(
                    row, state: seen.first { $0["id"] as? String == row.id } ?? [:], metrics: metrics,
                    line: lines.first { $0["id"] as? String == row.id }, history: items.filter { $0["check"] as? String == row.id })
            }
            rows = try await diagnose(cases, on: bench)
        }
        return rows
    }

    /// What the service says of one check.
    private func check(_ row: Case, state seen: [String: Any], metrics: String, line: [String: Any]?, history: [[String: Any]]) {
        let name = row.fault.name
        let labels = "target=\"\(row.target.name)\",identity=\"app\""
        var cause: String?
        if case .failure(let expected, _, _) = row.expects { cause = (row.serviceCause ?? expected).rawValue }
        #expect(seen["state"] as? String == (cause == nil ? "up" : "down"), "\(name): state in the API \(seen["cause"] ?? "-")")
        #expect(seen["cause"] as? String == cause, "\(name): cause in the API, \(history.last?["evidence"] ?? "-")")
        #expect(metrics.contains("dbprobe_up{\(labels)} \(cause == nil ? 1 : 0)"), "\(name): dbprobe_up")
        if let cause {
            let hasCause = row.phases.contains { metrics.contains("\(labels),phase=\"\($0.rawValue)\",cause=\"\(cause)\"} 1") }
            #expect(hasCause, "\(name): dbprobe_failure_cause")
            #expect(
                row.phases.contains { line?["phase"] as? String == $0.rawValue },
                "\(name): phase in the state line \(line?["phase"] ?? "-")")
        }
        #expect(line?["cause"] as? String == cause, "\(name): state line")
        #expect(line?["to"] as? String == (cause == nil ? "up" : "down"), "\(name): state line")
        #expect(history.contains { $0["cause"] as? String == cause && $0["partial"] as? Bool == false }, "\(name): history")
    }

    /// One `diagnose` for each fault, a few at a time: the slow ones only wait.
    private func diagnose(_ cases: [Case], on bench: AgentBench) async throws -> [Row] {
        try await withThrowingTaskGroup(of: Row.self) { group in
            var rows: [Row] = []
            for (index, row) in cases.enumerated() {
                if index >= 3, let done = try await group.next() { rows.append(done) }
                group.addTask { try await diagnose(row, on: bench) }
            }
            for try await row in group { rows.append(row) }
            return rows
        }
    }

    private func diagnose(_ row: Case, on bench: AgentBench) async throws -> Row {
        let result = try await bench.diagnose([row.target.name, "--output", "json"])
        let report = try jsonObject(result.output)
        let check = (report["checks"] as? [[String: Any]])?.first ?? [:]
        let name = row.fault.name
        guard case .failure(let cause, let phase, let exit) = row.expects else {
            #expect(result.status == 0, "\(name): exit status\n\(result.output)")
            #expect(check["state"] as? String == "up", "\(name): state of diagnose\n\(result.output)")
            return Row(fault: row.fault, cause: "healthy", phase: "", exit: 0)
        }
        #expect(result.status == Int32(exit), "\(name): exit status\n\(result.output)\n\(result.errors.suffix(2000))")
        #expect(report["exit"] as? Int == exit, "\(name): exit in the report")
        #expect(check["state"] as? String == "down", "\(name)")
        #expect(check["cause"] as? String == cause.rawValue, "\(name): cause of diagnose\n\(result.output)")
        #expect(
            row.phases.contains { check["phase"] as? String == $0.rawValue }, "\(name): phase of diagnose \(check["phase"] ?? "-")")
        return Row(fault: row.fault, cause: cause.rawValue, phase: phase.rawValue, exit: Int32(exit))
    }

    /// The faults that make the token wrong, or its source, one by one: told from servers that refuse a good one.
    static func playWrongTokens(on target: LabTarget) async throws {
        var options = LabOptions()
        options.targets = [target]
        try await withAgentBench(options) { bench in
            for fault in [Fault.issuedWrongAudience, .issuedExpired, .issuedNotYetValid, .issuedLarge, .identityNotFound, .identityRefused]
            {
                let expects = try #require(fault.expects(on: target.engine))
                try await bench.lab.faults.turnOn(fault)
                let result = try await bench.diagnose([target.name, "--output", "json"])
                let check = (try jsonObject(result.output)["checks"] as? [[String: Any]])?.first ?? [:]
                if case .failure(let cause, let phase, let exit) = expects {
                    #expect(check["cause"] as? String == cause.rawValue, "\(fault.name)\n\(result.output)")
                    #expect(check["phase"] as? String == phase.rawValue, "\(fault.name)")
                    #expect(result.status == Int32(exit), "\(fault.name)")
                } else {
                    #expect(check["state"] as? String == "up" && result.status == 0, "\(fault.name)\n\(result.output)")
                }
                try await bench.lab.faults.turnOffAll()
            }
        }
    }

    /// The table, beside the built products.
    private func write(_ rows: [Row]) throws {
        var text = "| fault | what happens | cause | phase | exit |\n| --- | --- | --- | --- | --- |\n"
        for row in rows {
            text +=
                "| `\(row.fault.name)` | \(row.fault.row.summary) | \(row.cause == "healthy" ? "healthy" : "`\(row.cause)`") | \(row.phase) | \(row.exit) |\n"
        }
        let file = "fault-table-\(engine.rawValue).md"
        try text.write(to: Program.products.appendingPathComponent(file), atomically: true, encoding: .utf8)
        print("The table of faults of \(engine.rawValue): \(rows.count) rows in \(file) beside the built products")
    }
}
