// A new configuration while the agent runs: what stays does not notice, what is wrong changes nothing.
import Diagnosis
import Foundation
import Lab
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(5))) struct ReloadTests {
    @Test("A reload takes targets in and out; what stays keeps its counters, its verdict and its slots")
    func targetsComeAndGo() async throws {
        try await withAgentBench { bench in
            let stalls = Stalls()
            defer { stalls.end() }
            let service = try await bench.startService()
            _ = try await eventually("billing is up") { try await service.check("billing/app")["state"] as? String == "up" ? true : nil }
            let probes = try await eventually("orders was probed") {
                let count = try await service.sample("dbprobe_probes_total{target=\"orders\",identity=\"app\"}")
                return count ?? 0 >= 2 ? count : nil
            }
            let since = try await service.check("orders/app")["since"] as? String
            let text = try bench.configurationText()
            let copy = text.replacing("name: billing", with: "name: invoices")
            try bench.replaceConfiguration(copy)
            _ = try await eventually("invoices is up") { try await service.check("invoices/app")["state"] as? String == "up" ? true : nil }
            #expect(try await service.check("billing/app").isEmpty)
            #expect(try await service.check("orders/app")["since"] as? String == since)
            let metrics = try await eventually("the page of metrics follows") {
                let page = try await service.get("/metrics").body
                return page.contains("target=\"invoices\"") ? page : nil
            }
            #expect(!metrics.contains("target=\"billing\""))
            #expect(try await service.sample("dbprobe_probes_total{target=\"orders\",identity=\"app\"}") ?? 0 >= probes)
            #expect(try await service.sample("dbprobe_probes_missed_total{cause=\"overrun\"}") ?? -1 <= stalls.slots(of: 2, every: 1))
            #expect(try await service.sample("dbprobe_config_last_reload_successful") == 1)
            #expect(try await service.sample("dbprobe_config_reloads_total") == 1)
            #expect(try await service.get("/sd/targets").body.contains("invoices"))
            #expect(try await service.get("/probe?target=invoices").status == 200)
            #expect(try await service.get("/probe?target=billing").status == 400)

            // The signal, with a file that has not changed, and one that needs a restart.
            service.program.signal(SIGHUP)
            _ = try await eventually("the answer to the signal") { service.program.errors.contains("is as it was") ? true : nil }
            try bench.replaceConfiguration(copy.replacing("127.0.0.1:0", with: "127.0.0.1:1") + "limits: {concurrency: 3}\n")
            service.program.signal(SIGHUP)
            _ = try await eventually("the cap follows") {
                try await service.sample("dbprobe_probes_in_flight_limit") == 3 ? true : nil
            }
            #expect(service.program.errors.contains("need a restart"))
            #expect(service.program.errors.contains("server.listen"))
            let stopped = await service.program.stop()
            #expect(stopped.status == 0)
            #expect(stopped.output.split(separator: "\n").count { $0.contains("orders/app") } == 1, "\(stopped.output)")
        }
    }

    @Test("A check that a reload brings back knows its past from the history, as after a start; the others keep theirs")
    func pastOfNewcomers() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startService()
            let good = try await eventually("orders has worked") { try await service.check("orders/app")["last_good"] as? String }
            let billing = try await eventually("billing has worked") { try await service.check("billing/app")["since"] as? String }
            let text = try bench.configurationText()
            try bench.replaceConfiguration(text.replacing("name: orders", with: "name: sales"))
            _ = try await eventually("orders is gone") { try await service.check("orders/app").isEmpty ? true : nil }
            try await bench.lab.faults.turnOn(.tcpRefused, target: "orders")
            try bench.replaceConfiguration(text)
            let check = try await eventually("orders is down and its past is known") {
                let check = try await service.check("orders/app")
                return check["state"] as? String == "down" && check["last_good"] is String ? check : nil
            }
            #expect(check["last_good"] as? String ?? "" >= good, "the newest success before it was taken out")
            #expect(try await service.check("billing/app")["since"] as? String == billing)
            // Nothing is taken from the past of another one.
            try bench.replaceConfiguration(text.replacing("name: orders", with: "name: other"))
            let other = try await eventually("other is down") {
                let check = try await service.check("other/app")
                return check["state"] as? String == "down" ? check : nil
            }
            #expect(other["last_good"] is NSNull)
            #expect(await service.program.stop().status == 0)
        }
    }

    /// What a person may do to a file.
    struct Damage: Sendable, CustomTestStringConvertible {
        var what: String
        var says: String
        var bytes: [UInt8]?
        var testDescription: String { what }
    }

    static let damages: [Damage] = [
        Damage(what: "a mistake", says: "agent.yaml:1:1: target: unknown key", bytes: Array("target: []\n".utf8)),
        Damage(what: "empty", says: "the file is empty", bytes: []),
        Damage(what: "partial", says: "agent.yaml:3:1: not valid YAML", bytes: Array("identities:\n  app: {kind: man\n".utf8)),
        Damage(what: "binary", says: "is not text", bytes: [0x7F, 0x45, 0x4C, 0x46, 0, 1, 2]),
        Damage(what: "huge", says: "at most 1048576", bytes: Array(repeating: 0x23, count: 3 << 20)),
        Damage(what: "gone", says: "no such file", bytes: nil),
    ]

    @Test("A bad file keeps the old configuration and is told on every surface; the next good one is taken")
    func badThenGood() async throws {
        try await withAgentBench { bench in
            let stalls = Stalls()
            defer { stalls.end() }
            let service = try await bench.startService()
            _ = try await eventually("orders is up") { try await service.check("orders/app")["state"] as? String == "up" ? true : nil }
            let good = try bench.configurationText()
            for (index, damage) in Self.damages.enumerated() {
                if let bytes = damage.bytes {
                    try Data(bytes).write(to: URL(fileURLWithPath: bench.configurationPath))
                } else {
                    try FileManager.default.removeItem(atPath: bench.configurationPath)
                }
                let finding = try await eventually("\(damage.what) is a finding") {
                    try await service.finding("config_invalid").flatMap {
                        ($0["detail"] as? String)?.contains(damage.says) == true ? $0 : nil
                    }
                }
                #expect(finding["severity"] as? String == "warning", "the old configuration works")
                _ = try await eventually("\(damage.what) is in the metrics") {
                    try await service.sample("dbprobe_config_last_reload_successful") == 0 ? true : nil
                }
                #expect(try await service.sample("dbprobe_agent_failure_cause{phase=\"config\",cause=\"config_invalid\"}") == 1)
                #expect(try await service.get("/readyz").status == 200)
                #expect(try await service.get("/").body.contains("config_invalid"))
                #expect(try await service.check("orders/app")["state"] as? String == "up")
                let refusals = service.program.errors.split(separator: "\n").filter { $0.contains("was refused") }
                #expect(refusals.count == index + 1, "one line each")
                #expect(refusals.last?.contains(damage.says) == true, "\(refusals.last ?? "")")
            }
            try bench.replaceConfiguration(good)
            _ = try await eventually("the good file is taken") { try await service.finding("config_invalid") == nil ? true : nil }
            _ = try await eventually("and counted") { try await service.sample("dbprobe_config_last_reload_successful") == 1 ? true : nil }
            #expect(try await service.sample("dbprobe_probes_missed_total{cause=\"overrun\"}") ?? -1 <= stalls.slots(of: 2, every: 1))
            let lines = (await service.program.stop()).output.split(separator: "\n").filter { $0.contains("\"configuration\"") }
            #expect(lines.count == 3, "up, down, up: \(lines)")
            #expect(lines.dropFirst().first?.contains("\"to\":\"down\",\"cause\":\"config_invalid\",\"phase\":\"config\"") == true)
        }
    }

    @Test("A ConfigMap that swaps its link is taken up")
    func linkSwap() async throws {
        try await withAgentBench { bench in
            let files = FileManager.default
            func lay(_ version: String, _ text: String) throws {
                let folder = bench.folder.appendingPathComponent(version)
                try files.createDirectory(at: folder, withIntermediateDirectories: true)
                try text.write(to: folder.appendingPathComponent("agent.yaml"), atomically: true, encoding: .utf8)
                let link = bench.folder.appendingPathComponent("..new").path
                try files.createSymbolicLink(atPath: link, withDestinationPath: version)
                #expect(unsafe rename(link, bench.folder.appendingPathComponent("..data").path) == 0)
            }
            let text = try bench.configurationText()
            try lay("v1", text)
            try files.removeItem(atPath: bench.configurationPath)
            try files.createSymbolicLink(atPath: bench.configurationPath, withDestinationPath: "..data/agent.yaml")
            let service = try await bench.startService()
            try lay("v2", text + "limits: {concurrency: 5}\n")
            _ = try await eventually("the cap follows") {
                try await service.sample("dbprobe_probes_in_flight_limit") == 5 ? true : nil
            }
            #expect(await service.program.stop().status == 0)
        }
    }

    @Test("A thousand reloads leak nothing and let no probe be missed")
    func thousandReloads() async throws {
        try await withAgentBench { bench in
            let overruns = "dbprobe_probes_missed_total{cause=\"overrun\"}"
            let quiet = try bench.configurationText().replacing("level: trace", with: "level: notice")
            // Every second file has another target, another identity, another level and another cap.
            let other =
                quiet.replacing("name: billing", with: "name: invoices").replacing("level: notice", with: "level: info")
                .replacing("identities:\n  app:", with: "identities:\n  spare: {kind: managed_identity}\n  app:")
                + "limits: {concurrency: 7}\n"
            try bench.replaceConfiguration(quiet)
            let service = try await bench.startService()
            _ = try await eventually("orders is up") { try await service.check("orders/app")["state"] as? String == "up" ? true : nil }
            func reload(_ count: Int) async throws {
                for number in 1...count {
                    let before = service.program.errorBytes
                    try bench.replaceConfiguration(number % 2 == 0 ? quiet : other)
                    service.program.signal(SIGHUP)
                    let end = ContinuousClock.now + .seconds(20)
                    while !service.program.errors(from: before).contains("was reloaded") {
                        guard ContinuousClock.now < end else { throw BenchError("reload \(number) is not taken") }
                        try await Task.sleep(for: .milliseconds(5))
                    }
                }
            }
            try await reload(200)
            try await Task.sleep(for: .seconds(2))
            let first = try service.footprint()
            let began = ContinuousClock.now
            let probes = try await service.sample("dbprobe_probes_total{target=\"orders\",identity=\"app\"}") ?? 0
            var missed: [Double] = []
            for _ in 0..<4 {
                let before = try await service.sample(overruns) ?? 0
                try await reload(250)
                try await Task.sleep(for: .seconds(1))
                missed.append((try await service.sample(overruns) ?? 0) - before)
            }
            let took = ContinuousClock.now - began
            // Threads of a pool that nothing is asked of any more go after a while.
            let last = try await eventually("threads and descriptors go", within: .seconds(30)) {
                let now = try service.footprint()
                return now.threads <= first.threads + 3 && now.descriptors <= first.descriptors + 4 ? now : nil
            }
            let seconds = (ContinuousClock.now - began).seconds
            let probed = (try await service.sample("dbprobe_probes_total{target=\"orders\",identity=\"app\"}") ?? 0) - probes
            print(
                "1,000 reloads in \(took): anonymous memory \(first.memory) to \(last.memory) KiB, descriptors \(first.descriptors)"
                    + " to \(last.descriptors), threads \(first.threads) to \(last.threads), \(probed) probes in \(seconds) s")
            #expect(service.program.errors.components(separatedBy: "The configuration was reloaded").count - 1 == 1200)
            #expect(last.memory - first.memory <= 3072)
            // A reload that costs a slot costs one again and again; what the machine takes once it takes from one part of them.
            #expect(missed.min() == 0 && missed.reduce(0, +) <= 3, "\(missed)")
            #expect(probed >= seconds - 3 - missed.reduce(0, +), "a probe a second, with the metrics a second old at both ends")
            #expect(try await service.sample("dbprobe_config_reload_failures_total") == 0)
            #expect(await service.program.stop().status == 0)
        }
    }
}

extension AgentBench {
    func configurationText() throws -> String { try String(contentsOfFile: configurationPath, encoding: .utf8) }

    /// As an editor does it: another file under the same name.
    func replaceConfiguration(_ text: String) throws {
        try text.write(toFile: configurationPath, atomically: true, encoding: .utf8)
    }
}

extension AgentBench.Service {
    /// The value of one sample of `/metrics`; nil when there is none.
    func sample(_ sample: String) async throws -> Double? {
        try await get("/metrics").body.split(separator: "\n").first { $0.hasPrefix(sample + " ") }
            .flatMap { $0.split(separator: " ").last.flatMap { Double($0) } }
    }

    /// The first finding of this code.
    func finding(_ code: String) async throws -> [String: Any]? {
        let findings = try jsonObject(try await get("/api/v1/status").body)["findings"] as? [[String: Any]] ?? []
        return findings.first { $0["code"] as? String == code }
    }

    struct Footprint {
        /// **Unit**: KiB.
        var memory: Int
        var descriptors: Int
        var threads: Int
    }

    /// What the process holds, as the kernel sees it.
    func footprint() throws -> Footprint {
        let status = try String(contentsOfFile: "/proc/\(program.identifier)/status", encoding: .utf8)
        func field(_ name: String) -> Int {
            status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
                .flatMap { Int($0.split(whereSeparator: { !$0.isNumber }).first ?? "") } ?? 0
        }
        return Footprint(
            memory: field("RssAnon"),
            descriptors: try FileManager.default.contentsOfDirectory(atPath: "/proc/\(program.identifier)/fd").count,
            threads: field("Threads"))
    }
}
