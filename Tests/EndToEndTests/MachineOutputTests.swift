// F28 of the promises: what a machine reads is the same bytes wherever and for whomever the agent runs.
import Diagnosis
import Foundation
import Logging
import Store
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(5))) struct MachineOutputTests {
    /// Surroundings that change what many programs write.
    static let surroundings: [[String: String]] = [
        ["TZ": "Pacific/Kiritimati"], ["TZ": "America/St_Johns"], ["TZ": ":/nonexistent"], ["TZ": "ZZZ-14:59:59"],
        ["LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"], ["LC_ALL": "de_DE.UTF-8"], ["LC_ALL": "C"],
        ["LC_ALL": "POSIX", "LANGUAGE": "ar"],
        ["TERM": "dumb"], ["TERM": "xterm-256color", "COLORTERM": "truecolor"], ["TERM": ""], ["CLICOLOR_FORCE": "1"], ["COLUMNS": "20"],
        ["NO_COLOR": "1"],
    ]

    @Test("Machine output is the same byte for byte under every time zone, locale and terminal")
    func sameBytes() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("agent-machine-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (history, configuration) = (folder.appendingPathComponent("history.db").path, folder.appendingPathComponent("agent.yaml").path)
        try """
        identities: {app: {kind: managed_identity}}
        targets: [{name: orders, engine: postgresql, host: orders.postgres.database.azure.com, database: orders, user: aad_orders, identities: [app]}]
        history: {path: "\(history)"}
        """.write(toFile: configuration, atomically: true, encoding: .utf8)
        try await fill(history)
        let commands = [
            ["history", "--file", history, "--output", "json"], ["history", "--file", history],
            ["history", "--file", history, "--by", "day", "--output", "json"], ["incidents", "--file", history, "--output", "json"],
            ["changes", "orders/app", "--file", history, "--output", "json"],
            ["config", "check", "--config", configuration, "--output", "json"],
            ["config", "check", "--config", configuration], ["--version"],
        ]
        for command in commands {
            let plain = try await Program(name: "agent").run(command)
            #expect(!plain.output.isEmpty && plain.status == 0, "\(command): \(plain.errors)")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for surrounding in Self.surroundings {
                    group.addTask {
                        let other = try await Program(name: "agent", environment: surrounding).run(command)
                        #expect(Array(other.output.utf8) == Array(plain.output.utf8), "\(command) under \(surrounding)")
                        #expect(other.status == plain.status)
                    }
                }
                try await group.waitForAll()
            }
        }
        promise(
            "F28",
            "\(commands.count) outputs under \(Self.surroundings.count) surroundings: \(commands.count * Self.surroundings.count) times the same bytes"
        )
    }

    @Test("A terminal of few columns gets its help all the same", arguments: ["0", "1", "20", "39", "-3", "many"])
    func narrow(columns: String) async throws {
        for command in [["--help"], ["diagnose", "--help"]] {
            let result = try await Program(name: "agent", environment: ["COLUMNS": columns]).run(command)
            #expect(result.status == 0 && result.output.contains("USAGE"), "\(result.status)")
        }
    }

    /// Something to tell: successes, failures, an incident, changed facts.
    private func fill(_ path: String) async throws {
        let store = HistoryStore(path: path, incidentsMayOpen: { true }, logger: .init(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let check = CheckID(target: "orders", identity: "app")
        let begin = Timestamp(seconds: Timestamp.now.seconds.rounded() - 7200)
        for minute in 0..<60 {
            var facts = Facts()
            facts.addresses = [minute < 30 ? "10.20.4.7" : "10.20.4.8"]
            let failure = Failure(
                .tcpRefused, during: .tcp, detail: "İstanbul ß ｆ", evidence: [Evidence(.errno, code: 111, text: "refused: 1,5 ≠ 1.5")])
            store.record(
                Observation(
                    check: check, started: begin + .seconds(60 * minute), duration: .microseconds(31_250),
                    phases: Phase.probed.map { PhaseResult($0, .ok, duration: .microseconds(4321)) },
                    outcome: (30..<40).contains(minute) ? .failed(failure) : .succeeded, facts: facts))
        }
        await store.close()
    }
}
