// The service under a service manager that asks to be told, as systemd does.
import Diagnosis
import Foundation
import Lab
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct ServiceManagerTests {
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
