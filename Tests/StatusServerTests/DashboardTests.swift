// The operating kit: rules that promtool accepts and proves, and nothing that the agent does not export.
import Diagnosis
import Foundation
import Testing

@testable import Telemetry

@Suite(.timeLimit(.minutes(2))) struct DashboardTests {
    /// Found from this file, so that it does not matter where the tests are started.
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("dashboards")

    private func text(_ name: String) throws -> String {
        try String(contentsOf: Self.folder.appendingPathComponent(name), encoding: .utf8)
    }

    @Test("promtool accepts the rules")
    func rules() throws {
        let result = try run("promtool", ["check", "rules", Self.folder.appendingPathComponent("rules.yaml").path], input: [])
        #expect(result.status == 0 && result.output.contains("SUCCESS"), "\(result.output)")
    }

    @Test("promtool proves the rules, and every alert has been seen to fire and to be quiet")
    func proofs() throws {
        let result = try run("promtool", ["test", "rules", Self.folder.appendingPathComponent("tests.yaml").path], input: [])
        #expect(result.status == 0, "\(result.output)")
        let tests = try text("tests.yaml").split(separator: "\n")
        let alerts = try text("rules.yaml").split(separator: "\n").filter { $0.contains("- alert: ") }.compactMap {
            $0.split(separator: " ").last
        }
        #expect(alerts.count >= 25)
        for alert in alerts {
            let fires = tests.indices.contains { index in
                tests[index].hasSuffix("alertname: \(alert)") && index + 1 < tests.count && tests[index + 1].hasSuffix("exp_alerts:")
            }
            #expect(fires, "\(alert) is not seen to fire in tests.yaml")
            let rests = tests.contains { $0.hasPrefix("      - {eval_time: ") && $0.hasSuffix("alertname: \(alert)}") }
            #expect(rests, "\(alert) is not seen to be quiet in tests.yaml")
        }
    }

    @Test("Every alert names its paragraph of the runbook, and the runbook has no other")
    func runbook() throws {
        let rules = try text("rules.yaml")
        let alerts = rules.matches(of: /- alert: (\w+)/).map { String($0.1) }
        let links = rules.matches(of: /runbook_url: dashboards\/runbook\.md#(\w+)/).map { String($0.1) }
        #expect(links == alerts.map { $0.lowercased() })
        let paragraphs = try text("runbook.md").matches(of: /\n## (\w+)\n\n\S/).map { String($0.1) }
        #expect(paragraphs == alerts)
    }

    @Test("promtool does refuse a rule that is proven wrong")
    func proofsAreAwake() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("agent-rules-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try text("rules.yaml").replacingOccurrences(of: "< 300", with: "< 3").write(
            to: folder.appendingPathComponent("rules.yaml"), atomically: true, encoding: .utf8)
        try text("tests.yaml").write(to: folder.appendingPathComponent("tests.yaml"), atomically: true, encoding: .utf8)
        #expect(try run("promtool", ["test", "rules", folder.appendingPathComponent("tests.yaml").path], input: []).status != 0)
    }

    @Test(
        "Every metric and label that rules and dashboard name is exported",
        arguments: ["rules.yaml", "tests.yaml", "agent.json", "runbook.md"])
    func exported(file: String) throws {
        let board = Samples.old()
        var observation = Samples.success(CheckID(target: "orders", identity: "app"))
        let rule = PrivilegeRule(object: .database, rights: [.connect])
        observation.facts.privileges = PrivilegeReport(
            role: "app", entries: [.init(label: "require", demand: .require, rule: rule, rows: [])])
        // Gauges of databases that may sleep exist only for those.
        observation.facts.wake = WakeLedger(logins: [.now], limit: 4)
        _ = board.record(observation)
        var input = Samples.exposition(board)
        input.sources = ["app": .imds, "reporting": .imds]
        input.troubles = [Failure(.configInvalid, during: .config)]
        let parsed = try ParsedExposition(Exposition.render(input))
        let names = Set(parsed.samples.map(\.name))
        let text = try text(file)
        var named: Set<String> = []
        // What a recording rule makes has a colon before its name and is not scraped.
        for match in text.matches(of: /([a-z0-9_:]*)((?:dbprobe|process)_[a-z_]*[a-z])(:?)/) where match.1.isEmpty && match.3.isEmpty {
            named.insert(String(match.2))
        }
        #expect(named.count > 5)
        #expect(named.subtracting(names).isEmpty, "not exported: \(named.subtracting(names).sorted())")
    }

    @Test("The dashboard asks nothing that Prometheus cannot parse")
    func dashboard() throws {
        let document = try #require(try JSONSerialization.jsonObject(with: Data(try text("agent.json").utf8)) as? [String: Any])
        let panels = try #require(document["panels"] as? [[String: Any]])
        let queries = panels.flatMap { panel in (panel["targets"] as? [[String: Any]] ?? []).compactMap { $0["expr"] as? String } }
        #expect(queries.count > 20)
        #expect(Set(panels.compactMap { $0["id"] as? Int }).count == panels.count)
        // A rule file is JSON as well as YAML, and promtool parses each expression of it.
        let rules: [String: Any] = [
            "groups": [
                [
                    "name": "dashboard",
                    "rules": queries.enumerated().map { index, query in
                        ["record": "panel\(index)", "expr": query.replacingOccurrences(of: "$__rate_interval", with: "5m")]
                    },
                ] as [String: Any]
            ]
        ]
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("agent-queries-\(UUID().uuidString).yaml")
        try JSONSerialization.data(withJSONObject: rules, options: .withoutEscapingSlashes).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let result = try run("promtool", ["check", "rules", file.path], input: [])
        #expect(result.status == 0, "\(result.output)")
    }
}
