// The service under a service manager that asks to be told, as systemd does.
import Diagnosis
import Foundation
import Lab
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct ServiceManagerTests {
    @Test("The metrics tell what the image was built from and which SQLite keeps the history, also before there is a configuration")
    func build() async throws {
        try await withAgentBench { bench in
            let good = try bench.configurationText()
            try bench.replaceConfiguration("targets: [")
            var agent = bench.agent
            agent.environment["AGENT_REVISION"] = "0123abcd"
            let program = try agent.start(["run", "--stay", "--config", bench.configurationPath, "--listen", "127.0.0.1:0"])
            let service = try await bench.service(program, listening: 1)
            func line() async throws -> String? {
                try await service.get("/metrics").body.split(separator: "\n").first { $0.hasPrefix("dbprobe_build_info{") }.map(String.init)
            }
            let waiting = try #require(try await line())
            #expect(waiting.contains("revision=\"0123abcd\""), "\(waiting)")
            #expect(waiting.contains(/sqlite_version="3\.[0-9]+\.[0-9]+"/), "\(waiting)")
            try bench.replaceConfiguration(good)
            _ = try await eventually("it runs") { try await service.get("/readyz").status == 200 ? true : nil }
            #expect(try await line() == waiting, "one build, one series")
            #expect(await program.stop().status == 0)
            // Built without a revision, it says so.
            let plain = try await bench.startService()
            #expect(try await plain.get("/metrics").body.contains("revision=\"unknown\""))
            #expect(await plain.program.stop().status == 0)
        }
    }

    @Test("The manager hears that the service is ready, that it lives, how many checks are up, and that it stops")
    func life() async throws {
        try await withAgentBench { bench in
            let socket = try DatagramSocket("@agent-e2e-\(UUID().uuidString)")
            var agent = bench.agent
            agent.environment["NOTIFY_SOCKET"] = socket.name
            agent.environment["WATCHDOG_USEC"] = "1500000"
            let program = try agent.start(["run", "--config", bench.configurationPath])
            var heard: [String] = []
            func hears(_ what: String, _ count: Int = 1) async throws {
                _ = try await eventually(what) {
                    heard += socket.readAll().flatMap { $0.split(separator: "\n").map(String.init) }
                    return heard.count { $0 == what } >= count ? true : nil
                }
            }
            try await hears("READY=1")
            try await hears("STATUS=2 of 2 checks up")
            try await bench.lab.faults.turnOn(.tcpRefused, target: "orders")
            try await hears("STATUS=1 of 2 checks up")
            try await hears("WATCHDOG=1", heard.count { $0 == "WATCHDOG=1" } + 2)
            #expect(!heard.contains("STOPPING=1"))
            program.signal(SIGTERM)
            try await hears("STOPPING=1")
            #expect(await program.wait().status == 0)
            #expect(heard.count { $0 == "READY=1" } == 1)
        }
    }
}
