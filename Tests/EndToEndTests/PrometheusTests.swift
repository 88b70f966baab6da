// A real Prometheus reads the agent: its page, its list of targets, and probes on demand.
import Curl
import Diagnosis
import Foundation
import Lab
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct PrometheusTests {
    @Test("Prometheus negotiates OpenMetrics, scrapes the agent, discovers its checks and probes them")
    func scrape() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startService()
            try await bench.lab.faults.turnOn(.tcpRefused, target: "billing")
            let prometheus = try await Prometheus.start(in: bench.folder, scraping: service.address, with: bench)
            let query = { (text: String) in try await prometheus.query(text, with: bench) }

            _ = try await eventually("the agent is scraped and orders is up") {
                let scraped = try await query(#"up{job="dbprobe"} == 1"#)
                let up = try await query(#"dbprobe_up{job="dbprobe",target="orders",identity="app"} == 1"#)
                return scraped.count == 1 && up.count == 1 ? true : nil
            }
            _ = try await eventually("billing is down with its cause") {
                try await query(#"dbprobe_failure_cause{target="billing",phase="tcp",cause="tcp_refused"}"#).count == 1 ? true : nil
            }
            // Only OpenMetrics names families without their ending, knows a type for descriptions, and tells units.
            let probes = try await prometheus.metadata("dbprobe_probes", with: bench)
            #expect(probes["type"] as? String == "counter")
            #expect(try await prometheus.metadata("dbprobe_target", with: bench)["type"] as? String == "info")
            #expect(try await prometheus.metadata("dbprobe_last_duration_seconds", with: bench)["unit"] as? String == "seconds")
            #expect(try await prometheus.metadata("dbprobe_probes_total", with: bench).isEmpty)

            _ = try await eventually("the discovered checks are probed") {
                let good = try await query(#"probe_success{job="probes",instance="orders/app",target="orders",identity="app"} == 1"#)
                let bad = try await query(#"probe_success{job="probes",instance="billing/app"} == 0"#)
                return good.count == 1 && bad.count == 1 ? true : nil
            }
            #expect(try await query(#"probe_db_failure_cause{instance="billing/app",phase="tcp",cause="tcp_refused"}"#).count == 1)
            // Of the two seconds of a scrape half a second is left for the way back.
            #expect(try await query(#"probe_timeout_seconds{instance="orders/app"} == 1.5"#).count == 1)

            // A sample out of order, of a kind or with a name that Prometheus does not take, is a warning there.
            let log = prometheus.program.errors
            #expect(!log.contains("level=warn") && !log.contains("level=error"), "\(log.suffix(4000))")
            #expect(await prometheus.program.stop().status == 0)
            #expect(await service.program.stop().status == 0)
        }
    }

    @Test("Asking for a probe never logs in while logins rest, and never ends the rest")
    func restingLogins() async throws {
        try await withAgentBench { bench in
            try await bench.lab.faults.turnOn(.identityRecreated, target: "orders")
            let service = try await bench.startService()
            let cause = try await eventually("orders is refused at its login") {
                let check = try await service.check("orders/app")
                return check["phase"] as? String == "login" ? check["cause"] as? String : nil
            }
            for isMended in [false, true] {
                if isMended { try await bench.lab.faults.turnOffAll() }
                let page = try await service.get("/probe?target=orders&identity=app")
                #expect(page.status == 200)
                #expect(page.body.contains("\nprobe_success 0\n"), "\(page.body)")
                #expect(page.body.contains("\nprobe_db_failure_cause{phase=\"login\",cause=\"\(cause)\"} 1\n"), "\(page.body)")
                #expect(page.body.contains("probe_db_duration_seconds{phase=\"tls\"}"), "\(page.body)")
                #expect(!page.body.contains("probe_db_duration_seconds{phase=\"login\"}"), "\(page.body)")
            }
            let strange = try await service.get("/probe?target=orders.postgres.database.azure.com&identity=app")
            #expect(strange.status == 400)
            #expect(await service.program.stop().status == 0)
        }
    }
}

/// Debian's Prometheus, with one job for the agent and one for what the agent lets it probe.
private struct Prometheus {
    let program: RunningProgram
    let address: String

    static func start(in folder: URL, scraping agent: String, with bench: AgentBench) async throws -> Prometheus {
        let configuration = """
            global: {scrape_interval: 2s, scrape_timeout: 2s}
            scrape_configs:
              - job_name: dbprobe
                static_configs: [{targets: ["\(agent)"]}]
              - job_name: probes
                http_sd_configs: [{url: "http://\(agent)/sd/targets", refresh_interval: 1s}]
                relabel_configs: [{target_label: __address__, replacement: "\(agent)"}]

            """
        let file = folder.appendingPathComponent("prometheus.yaml")
        try configuration.write(to: file, atomically: true, encoding: .utf8)
        // It cannot be told to choose a port by itself, so a port that was free a moment ago may be taken when it starts: it then ends,
        // and another one is tried.
        for _ in 0..<5 {
            let address = "127.0.0.1:\(freePort())"
            let program = try Program(name: "/usr/bin/prometheus").start([
                "--config.file=\(file.path)", "--storage.tsdb.path=\(folder.appendingPathComponent("tsdb-\(UUID().uuidString)").path)",
                "--web.listen-address=\(address)", "--log.level=info",
            ])
            let isReady = try await eventually("Prometheus is ready") {
                guard program.isRunning else { return false }
                let reply = try? await bench.http.send(.init(url: "http://\(address)/-/ready"), until: .in(.seconds(2)))
                return reply?.status == 200 ? true : nil
            }
            if isReady { return Prometheus(program: program, address: address) }
        }
        throw BenchError("Prometheus found no free port")
    }

    func query(_ expression: String, with bench: AgentBench) async throws -> [[String: Any]] {
        let data = try await get("/api/v1/query?query=\(Self.encoded(expression))", with: bench)["data"] as? [String: Any]
        return data?["result"] as? [[String: Any]] ?? []
    }

    /// What Prometheus was told about a family by the agent.
    func metadata(_ family: String, with bench: AgentBench) async throws -> [String: Any] {
        let path = "/api/v1/targets/metadata?metric=\(family)&match_target=\(Self.encoded(#"{job="dbprobe"}"#))"
        return (try await get(path, with: bench)["data"] as? [[String: Any]])?.first ?? [:]
    }

    private func get(_ path: String, with bench: AgentBench) async throws -> [String: Any] {
        let reply = try await bench.http.send(.init(url: "http://\(address)\(path)", bodyLimit: 4 << 20), until: .in(.seconds(10)))
        return try jsonObject(String(decoding: reply.body, as: UTF8.self))
    }

    private static func encoded(_ text: String) -> String { text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "" }
}
