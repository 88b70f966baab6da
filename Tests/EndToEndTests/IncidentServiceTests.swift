// Incidents of the running service, as its users see them. Slow on purpose: the first minute of a service opens none.
import Diagnosis
import Foundation
import Lab
import Testing

@Suite(.timeLimit(.minutes(5))) struct IncidentServiceTests {
    private func incidents(_ bench: AgentBench, _ arguments: [String] = []) async throws -> [[String: Any]] {
        let result = try await bench.agent.run(["incidents", "--config", bench.configurationPath, "--output", "json"] + arguments)
        guard result.status == 0 else { throw BenchError("agent incidents: \(result.status) \(result.errors)") }
        let document = try jsonObject(result.output)
        #expect(document["schema"] as? Int == 1)
        return document["items"] as? [[String: Any]] ?? []
    }

    @Test("A fault opens an incident after the first minute, a restart goes on with it, its end closes it; the lines follow")
    func faultOnAndOff() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startService()
            _ = try await eventually("orders is up") { try await service.check("orders/app")["state"] as? String == "up" ? true : nil }
            try await bench.lab.faults.turnOn(.tcpRefused, target: "orders")
            _ = try await eventually("orders is down") { try await service.check("orders/app")["state"] as? String == "down" ? true : nil }
            #expect(try await incidents(bench).isEmpty, "not in the first minute")
            let open = try await eventually("an incident opens", within: .seconds(90)) { try await incidents(bench, ["--open"]).first }
            #expect(open["check"] as? String == "orders/app")
            #expect(open["phase"] as? String == "tcp")
            #expect(open["closed"] is NSNull)
            #expect((open["causes"] as? [[String: Any]])?.first?["cause"] as? String == "tcp_refused")

            let text = try await bench.agent.run(["incidents", "orders", "--config", bench.configurationPath])
            #expect(text.output.contains("open, ") && text.output.contains("tcp_refused in tcp"), "\(text.output)")
            let changes = try await bench.agent.run(["changes", "orders/app", "--config", bench.configurationPath, "--output", "json"])
            let comparison = try jsonObject(changes.output)
            #expect(comparison["cause"] as? String == "tcp_refused")
            #expect(comparison["last_good"] is String && comparison["first_bad"] is String)

            let stopped = await service.program.stop()
            let lines = try stopped.output.split(separator: "\n").map { try jsonObject(String($0)) }
            let kinds = Dictionary(grouping: lines) { $0["kind"] as? String ?? "" }
            #expect(Set(kinds.keys) == ["check", "configuration", "identity", "store"], "\(stopped.output)")
            let store = kinds["store"]?.first
            #expect(store?["to"] as? String == "up" && store?["id"] as? String == bench.historyPath)
            #expect(kinds["identity"]?.contains { $0["id"] as? String == "app" && $0["to"] as? String == "up" } == true)
            #expect(lines.allSatisfy { Set($0.keys) == ["schema", "time", "kind", "id", "from", "to", "cause", "phase", "since"] })

            try await bench.lab.faults.turnOffAll()
            let again = try await bench.startService(keepingHistory: true)
            let closed = try await eventually("the incident closes") {
                try await incidents(bench, ["--since", "1h"]).first { $0["closed"] is String }
            }
            #expect(closed["opened"] as? String == open["opened"] as? String, "the same one")
            #expect(try await incidents(bench).count == 1)
            #expect(try await incidents(bench, ["--open"]).isEmpty)
            let sums = try await bench.agent.run(
                ["history", "orders/app", "--by", "day", "--config", bench.configurationPath, "--output", "json"])
            let day = try jsonObject(sums.output)["items"] as? [[String: Any]]
            #expect((day?.first?["failures"] as? Int ?? 0) > 2, "\(sums.output)")
            #expect(await again.program.stop().status == 0)
        }
    }

    @Test("An identity that no target uses and that fails is an incident, and every surface shows it")
    func idleIdentity() async throws {
        try await withAgentBench { bench in
            let stranger = "  spare: {kind: managed_identity, client_id: 00000000-0000-0000-0000-00000000dead}\n"
            try bench.configure([("identities:\n", "identities:\n" + stranger)])
            let local = try await bench.diagnose(["--output", "json"])
            #expect(local.status == 10, "\(local.output)")
            let some = try await bench.diagnose(["orders", "--output", "json"])
            #expect(some.status == 0, "who asks for one target is not told of others\n\(some.output)")
            let service = try await bench.startService()
            let open = try await eventually("an incident opens", within: .seconds(150)) { try await incidents(bench, ["--open"]).first }
            #expect(open["check"] as? String == "/spare" && open["phase"] as? String == "token")
            #expect(try await incidents(bench, ["/spare"]).count == 1)
            let status = try await bench.agent.run(["status", "--address", service.address])
            #expect(status.status == 0 && status.output.contains("identity spare"), "\(status.output)")
            #expect(try await service.get("/metrics").body.contains(#"dbprobe_identity_up{identity="spare"} 0"#))
            #expect(try await service.get("/").body.contains("<tr><th scope=row>spare<td>"))
            let items = try jsonObject(try await service.get("/api/v1/incidents?check=/spare").body)["items"] as? [[String: Any]]
            #expect(items?.count == 1)
            let history = try await bench.agent.run(["history", "/spare", "--config", bench.configurationPath])
            #expect(history.status == 0 && history.output.contains("/spare") && history.output.contains(" in token"), "\(history.output)")
            #expect(await service.program.stop().status == 0)
        }
    }

    @Test("A history that is written where it does not last is told on every surface, and is kept all the same")
    func storeInMemory() async throws {
        // In memory on every Linux, in containers too.
        let folder = "/dev/shm/agent-e2e-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await withAgentBench { bench in
            let path = "\(folder)/history.db"
            try bench.configure([(bench.historyPath, path)])
            let service = try await bench.startService()
            let line = try await eventually("the line of the store") { service.program.lines(of: "store").first }
            let object = try jsonObject(line)
            #expect(object["to"] as? String == "up" && object["cause"] is NSNull, "what is written is up, as in the metrics: \(line)")
            let finding = try await eventually("the finding") { try await service.finding("store_not_persistent") }
            let detail = finding["detail"] as? String ?? ""
            #expect(detail.contains(path) && detail.contains("in memory ("), "\(detail)")
            #expect((finding["hint"] as? String)?.contains("lasting disk") == true, "\(finding)")
            #expect(try await service.get("/").body.contains("store_not_persistent"))
            let inside = try await bench.agent.run(["diagnose", "orders", "--config", bench.configurationPath])
            #expect(inside.status == 0 && inside.output.contains("store_not_persistent"), "\(inside.output)")
            #expect(service.program.errors.components(separatedBy: "does not last where it lies").count == 2, "logged once")
            _ = try await eventually("records are written") {
                try await service.sample("dbprobe_store_records_total") ?? 0 > 0 ? true : nil
            }
            #expect(try await service.sample("dbprobe_store_up") == 1, "writes are accepted")
            #expect(await service.program.stop().status == 0)
            let history = try await bench.agent.run(["history", "orders/app", "--file", path])
            #expect(history.status == 0 && history.output.contains("orders/app"), "\(history.output)\(history.errors)")
        }
    }

    @Test("A store that cannot keep what happens is a line as well")
    func storeDown() async throws {
        try await withAgentBench { bench in
            let path = "/nonexistent/history.db"
            try bench.configure([(bench.historyPath, path)])
            let service = try await bench.startService()
            let line = try await eventually("the line of the store") { service.program.lines(of: "store").first }
            let object = try jsonObject(line)
            #expect(object["id"] as? String == path)
            #expect(object["from"] as? String == "unknown" && object["to"] as? String == "down")
            #expect(object["cause"] as? String == "store_not_persistent")
            #expect(await service.program.stop().status == 0)
            #expect(service.program.lines(of: "store").count == 1, "once")
        }
    }
}
