// Every fault against the real programs, all at once: one server a fault, one service that watches all of them, and every surface of it asked:
// API, page, metrics, `status`, `diagnose` inside the service and by itself, `incidents`, `history`, state lines. Cause, phase and exit status
// are compared everywhere, and every document with its schema. Slow on purpose: the first minute of a service opens no incident.
import Diagnosis
import Foundation
import Lab
import Testing

/// What the table of one engine consists of.
struct EngineFaultTable: Sendable {
    var engine: Engine
    var cases: [Case]
    /// At least so many of them have to fail.
    var floor: Int
    var interval = "9s"
    var timeout = "8s"
    /// Makes what the real server lacks for the targets, before the faults are switched on.
    var prepare: @Sendable (Lab, [LabTarget]) async throws -> Void = { _, _ in }
    private let contract = Contract()

    /// A fault, and the server of the lab that has it.
    struct Case: Sendable {
        var fault: Fault
        var expects: Fault.Expectation
        var target: LabTarget
        /// What the service says, where it knows less than `diagnose`, which may ask the server once more.
        var serviceCause: Cause?

        var name: String { fault.name }
        var id: String { "\(target.name)/app" }

        /// What `diagnose` says; nil when all is well.
        var cause: String? {
            if case .failure(let cause, _, _) = expects { cause.rawValue } else { nil }
        }
        var causeOfService: String? { cause.map { serviceCause?.rawValue ?? $0 } }
        var exit: Int32 {
            if case .failure(_, _, let exit) = expects { Int32(exit) } else { 0 }
        }
        var state: String { cause == nil ? "up" : "down" }
        /// Whether a second login comes within the minutes of a test: nobody logs in for a quarter of an hour where the client is blocked.
        var isTriedAgain: Bool { cause != Cause.clientBlocked.rawValue }
        /// Whether it is an incident by then: what may mend itself is one after the second failure.
        var opensIncident: Bool { cause != nil && isTriedAgain }

        /// A reset comes while the connection is made or just after it; only the kernel knows.
        var phases: [String] {
            guard case .failure(_, let phase, _) = expects else { return [] }
            return (fault == .tcpReset ? [.tcp, .negotiate] : [phase]).map(\.rawValue)
        }
    }

    /// The faults of servers that have a definite outcome on the engine, each on a server of its own.
    init(of engine: Engine, floor: Int, target: (Fault) -> LabTarget) {
        self.engine = engine
        self.floor = floor
        cases = Self.faults(of: engine) { $0 != .identity }.map { Case(fault: $0.0, expects: $0.1, target: target($0.0)) }
    }

    /// The faults of the endpoints, which concern every server of a lab, so that each of them has a lab to itself.
    init(ofEndpointsOn target: LabTarget, floor: Int) {
        engine = target.engine
        self.floor = floor
        (interval, timeout) = ("3s", "3s")
        cases = Self.faults(of: target.engine) { $0 == .identity }.map { Case(fault: $0.0, expects: $0.1, target: target) }
    }

    private static func faults(of engine: Engine, _ isMeant: (Fault.Part) -> Bool) -> [(Fault, Fault.Expectation)] {
        Fault.allCases.compactMap { fault in
            guard isMeant(fault.part), let expects = fault.expects(on: engine), expects != .varies else { return nil }
            return (fault, expects)
        }
    }

    /// The name of the server that has a fault.
    static func name(of fault: Fault) -> String { String(fault.name.map { $0 == "_" ? "-" : $0 }) }

    /// - Parameter file: where the table goes, beside the built products.
    func play(writing file: String) async throws {
        // A lab has room for some eighty servers. Two labs side by side, as one half mostly waits.
        let halves = (0..<2).map { half in cases.enumerated().filter { $0.offset % 2 == half }.map(\.element) }
        let labs = cases.allSatisfy { $0.fault.part != .identity } ? halves : cases.map { [$0] }
        let played = try await withThrowingTaskGroup(of: Int.self) { group in
            for lab in labs { group.addTask { try await play(lab) } }  // Side by side, as one half mostly waits; each ends by itself.
            return try await group.reduce(0, +)
        }
        #expect(played == cases.count)
        #expect(cases.count { $0.cause != nil } >= floor)
        // Of every fault: the state in the API and in `status`, two times `diagnose`, its incident, and its line.
        #expect(contract.count("status") == labs.count * 2 && contract.count("diagnose") == cases.count * 2)
        #expect(contract.count("incidents") == labs.count && contract.count("state-line") >= cases.count)
        try await contract.verify()
        try write(to: file)
    }

    /// - Returns: how many faults were played to the end.
    private func play(_ cases: [Case]) async throws -> Int {
        var options = LabOptions()
        options.targets = cases.map(\.target)
        // Whoever gets no token comes to no server.
        if cases.allSatisfy({ $0.fault.part == .identity && $0.phases == ["token"] }) { options.postgres = false }
        try await withAgentBench(options, interval: interval, timeout: timeout) { bench in
            try await prepare(bench.lab, options.targets)
            for row in cases {
                try await bench.lab.faults.turnOn(row.fault, target: row.fault.part == .identity ? nil : row.target.name)
            }
            let service = try await bench.startService()
            let seen = try await verdicts(cases, of: service)
            contract.take("status", seen, "/api/v1/status")
            let metrics = try await service.get("/metrics").body
            let page = try await service.get("/").body
            let status = try await bench.agent.run(["status", "--config", bench.configurationPath, "--output", "json"])
            #expect(status.status == 0, "agent status: \(status.errors)")
            contract.take("status", status.output, "agent status")
            for row in cases {
                try check(row, status: seen, of: "the API")
                try check(row, status: status.output, of: "agent status")
                check(row, metrics: metrics)
                check(row, page: page)
            }
            try await diagnose(cases, on: bench, mode: "inside")
            try await diagnose(cases, on: bench, mode: "local")
            try await checkIncidents(cases, on: bench)

            let stopped = await service.program.stop()
            #expect(stopped.status == 0, "the service ends with 0 after SIGTERM\n\(stopped.errors.suffix(2000))")
            contract.takeLines(stopped.output, "agent run")
            let lines = try stopped.output.split(separator: "\n").map { try jsonObject(String($0)) }
            let history = try await bench.agent.run(["history", "--file", bench.historyPath, "--output", "json", "--limit", "10000"])
            contract.take("history", history.output, "agent history")
            let items = try jsonObject(history.output)["items"] as? [[String: Any]] ?? []
            for row in cases {
                check(row, lines: lines.filter { $0["id"] as? String == row.id })
                check(row, history: items.filter { $0["check"] as? String == row.id })
            }
        }
        return cases.count
    }

    /// What the service says when it has a verdict on every check. A machine that is busy may take the time that a probe has, so what
    /// is not as expected gets more of them; after that it is an answer as well.
    private func verdicts(_ cases: [Case], of service: AgentBench.Service) async throws -> String {
        let expected = Dictionary(uniqueKeysWithValues: cases.map { ($0.id, [$0.state, $0.causeOfService]) })
        let patience = ContinuousClock.now + .seconds(45)
        return try await eventually("a first verdict of the service on every check", within: .seconds(90)) {
            let body = try await service.get("/api/v1/status").body
            let checks = try jsonObject(body)["checks"] as? [[String: Any]] ?? []
            guard checks.count == cases.count, !checks.contains(where: { $0["state"] as? String == "unknown" }) else { return nil }
            let areAsExpected = checks.allSatisfy { check in
                expected[check["id"] as? String ?? ""] == [check["state"] as? String, check["cause"] as? String]
            }
            return areAsExpected || ContinuousClock.now > patience ? body : nil
        }
    }

    /// One `diagnose` for each fault, a few at a time: the slow ones only wait.
    private func diagnose(_ cases: [Case], on bench: AgentBench, mode: String) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, row) in cases.enumerated() {
                if index >= 3 { _ = try await group.next() }
                group.addTask {  // Three at once; the group waits for all of them.
                    let arguments = [row.target.name, "--output", "json"] + (mode == "local" ? ["--local"] : [])
                    var result = try await bench.diagnose(arguments)
                    // Once more, for the same reason; who is wrong is wrong twice.
                    if result.status != row.exit { result = try await bench.diagnose(arguments) }
                    contract.take("diagnose", result.output, "\(row.name), \(mode)")
                    try check(row, diagnosis: result, mode: mode)
                }
            }
            try await group.waitForAll()
        }
    }

    /// Every failing check is an incident once the first minute is over, and nothing else is.
    private func checkIncidents(_ cases: [Case], on bench: AgentBench) async throws {
        let failing = Set(cases.filter(\.opensIncident).map(\.id))
        let command = ["incidents", "--config", bench.configurationPath, "--output", "json", "--limit", "1000"]
        var last = ""
        let items = try? await eventually("an incident of every failing check", within: .seconds(120)) {
            last = try await bench.agent.run(command).output
            let items = try jsonObject(last)["items"] as? [[String: Any]] ?? []
            if failing.isSubset(of: items.compactMap { $0["check"] as? String }) { return items }
            try await Task.sleep(for: .milliseconds(500))
            return nil
        }
        contract.take("incidents", last, "agent incidents")
        let found = try items ?? (jsonObject(last)["items"] as? [[String: Any]] ?? [])
        for row in cases { check(row, incidents: found.filter { $0["check"] as? String == row.id }) }
    }

    /// The table, beside the built products; README shows a copy.
    private func write(to file: String) throws {
        var text = "| fault | what happens | cause | phase | exit |\n| --- | --- | --- | --- | --- |\n"
        for row in cases {
            let outcome = row.cause.map { "`\($0)` | \(row.phases.last ?? "") | \(row.exit)" } ?? "healthy |  | 0"
            text += "| `\(row.name)` | \(row.fault.row.summary) | \(outcome) |\n"
        }
        try text.write(to: Program.products.appendingPathComponent(file), atomically: true, encoding: .utf8)
        print("The table of faults of \(engine.rawValue): \(cases.count) rows in \(file) beside the built products")
    }
}
