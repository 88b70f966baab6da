// What the agent must never do with MySQL servers: give a token to the wrong one, or let one that stalls keep others waiting.
import Diagnosis
import Foundation
import Lab
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(5))) struct MySQLConductTests {
    /// Servers that must not get the token, and whether they get as far as TLS.
    static let impostors: [Fault] = [
        // No TLS, or a downgrade of what had been offered.
        .plaintextServer, .mysqlTLSRefused, .stuffedBeforeTLS, .notMySQL, .mysqlGreetingGarbage, .mysqlGreetingOld, .tlsTooOld,
        .tlsHandshakeCut,
        // TLS with somebody else.
        .tlsUnknownCA, .tlsWrongName, .tlsExpired, .tlsNotYetValid,
        // Refusals before TLS.
        .tooManyClients, .hbaRefused, .mysqlHostBlocked, .mysqlFirewall, .mysqlStopped,
        // The right server, asking for something else.
        .mysqlNativeAsked, .mysqlSHA2Asked, .mysqlDialogAsked, .unknownAuthAsked, .garbageLength, .garbageMessage,
    ]

    @Test("No byte of a token goes to a MySQL server without TLS, with a wrong name or issuer, or that asks for another plugin")
    func tokenStaysHome() async throws {
        var options = LabOptions()
        options.targets = (Self.impostors + [.mysqlDenied]).map(Self.target)
        try await withAgentBench(options, interval: "5s") { bench in
            for fault in Self.impostors + [.mysqlDenied] { try await bench.lab.faults.turnOn(fault, target: Self.target(fault).name) }
            let service = try await bench.startService()
            _ = try await eventually("a verdict on every check") {
                let document = try jsonObject(try await service.get("/api/v1/status").body)
                let checks = document["checks"] as? [[String: Any]] ?? []
                return checks.isEmpty || checks.contains { $0["state"] as? String == "unknown" } ? nil : checks
            }
            _ = await service.program.stop()
            _ = try await bench.diagnose()

            let token = try await bench.lab.token()
            // Header, payload and signature by themselves, and a run out of the middle of the payload: a part would be too much as well.
            let pieces = token.reveal { text in
                let parts = text.split(separator: ".").map(String.init)
                return [parts[1], parts[2], String(parts[1].dropFirst(200).prefix(40)), String(parts[2].prefix(24))].map { Secret($0) }
            }
            for fault in Self.impostors {
                let records = bench.lab.recorder.records(of: Self.target(fault).name)
                // The service and `diagnose` both came.
                #expect(records.count >= 2, "\(fault.name): \(records.count) connections")
                #expect(
                    !records.contains { record in pieces.contains { record.contains($0) } }, "\(fault.name): a piece of the token was sent")
                // What goes in the clear is the request for TLS and nothing else, whatever the server says.
                let clear = records.map { Self.isTLSOrNothing($0.beforeTLS) }
                #expect(clear.allSatisfy { $0 }, "\(fault.name): \(records.map { Array($0.beforeTLS.prefix(80)) })")
            }
            // The search would find it: the one server that may have it has it.
            let given = bench.lab.recorder.records(of: Self.target(.mysqlDenied).name)
            #expect(given.contains { record in pieces.allSatisfy { record.contains($0) } && !record.insideTLS.isEmpty })
        }
    }

    private static func target(_ fault: Fault) -> LabTarget {
        LabTarget(name: String(fault.name.map { $0 == "_" ? "-" : $0 }), engine: .mysql, database: "stock", role: "aad_stock")
    }

    /// Nothing, or the 36 bytes of the request for TLS, and behind it at most records of TLS.
    private static func isTLSOrNothing(_ bytes: [UInt8]) -> Bool {
        guard !bytes.isEmpty else { return true }
        guard bytes.count >= 36, bytes[..<4] == [32, 0, 0, 1], bytes[5] & 0x08 != 0 else { return false }
        // Content types of TLS: alert 21, handshake 22; version 3.x. Source: RFC 8446 section 5.1.
        return bytes.count == 36 || (bytes[36] == 21 || bytes[36] == 22) && bytes[37] == 3
    }

    @Test("Thirty servers that stall in the TLS handshake do not delay one healthy check")
    func stalledServers() async throws {
        let stalled = LabTarget.fleet(count: 30, engine: .mysql)
        var options = LabOptions()
        options.targets = LabTarget.standardMySQL + stalled
        // The stalled ones hold a thread for three seconds in eight; the healthy one is asked every second.
        try await withAgentBench(options, interval: "8s") { bench in
            let text = try String(contentsOfFile: bench.configurationPath, encoding: .utf8)
                .replacingOccurrences(of: "  - name: stock\n", with: "  - name: stock\n    interval: 1s\n")
            try text.write(toFile: bench.configurationPath, atomically: true, encoding: .utf8)
            let alone = try jsonObject(try await bench.diagnose(["stock", "--output", "json"]).output)
            let check = (alone["checks"] as? [[String: Any]])?.first
            let single = try #require(check?["duration_seconds"] as? Double)
            try await bench.lab.faults.turnOn(.tlsHandshakeStalled, target: stalled[0].name)
            let service = try await bench.startService()
            // Figures over a span of time need that time to pass; nothing is waited for here.
            let stalls = Stalls()
            try await Task.sleep(for: .seconds(18))
            stalls.end()
            let status = try jsonObject(try await service.get("/api/v1/status").body)["checks"] as? [[String: Any]] ?? []
            #expect(status.count { $0["cause"] as? String == "tls_handshake_aborted" } == 30)
            #expect(await service.program.stop().status == 0)

            let history = try await bench.agent.run(
                ["history", "stock/app", "--file", bench.historyPath, "--output", "json", "--limit", "1000"])
            let items = try jsonObject(history.output)["items"] as? [[String: Any]] ?? []
            let formatter = ISO8601DateFormatter()
            formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
            let starts = items.compactMap { ($0["time"] as? String).flatMap(formatter.date(from:)) }.sorted()
            let pauses = zip(starts, starts.dropFirst()).map { $1.timeIntervalSince($0) }.sorted()
            let durations = items.compactMap { $0["duration_seconds"] as? Double }.sorted()
            let (pause, longest) = (pauses.last ?? .infinity, durations.last ?? .infinity)
            let figure =
                "a healthy check among 30 stalled ones: \(items.count) probes, the longest \(longest) s (alone \(single) s), "
                + "the longest pause between two starts \(pause) s at an interval of 1 s"
            print(figure)
            #expect(items.allSatisfy { $0["state"] as? String == "up" }, "\(figure)")
            // Had it waited for stalled ones, that would have been for up to three seconds each time. One slot of all may be the machine's.
            let still = stalls.seconds
            #expect(items.count >= 14 - Int(still) && longest < 1 + still && pause < 3 + still, "\(figure)")
            #expect(percentile(durations, 0.9) < 1 && percentile(pauses, 0.9) < 1.9, "\(figure)")
        }
    }

    @Test("A server that has blocked this client is let alone by an agent that crashed and came back, which says why and until when")
    func blockedAcrossCrash() async throws {
        var options = LabOptions()
        options.mysql = false
        options.targets = LabTarget.standardMySQL
        try await withAgentBench(options) { bench in
            try await bench.lab.faults.turnOn(.mysqlHostBlocked, target: "stock")
            let first = try await bench.startService()
            _ = try await eventually("the block is in the history") {
                let history = try await bench.agent.run(["history", "--file", bench.historyPath, "--output", "json"])
                return history.output.contains("client_blocked") ? true : nil
            }
            first.program.signal(SIGKILL)
            _ = await first.program.wait()
            let knocked = bench.lab.recorder.records(of: "stock").count
            #expect(knocked >= 1)
            for _ in 0..<2 {
                let service = try await bench.startService(keepingHistory: true)
                let check = try await eventually("a verdict without a login") {
                    let check = try await service.check("stock/app")
                    return check["state"] as? String == "down" ? check : nil
                }
                #expect(check["cause"] as? String == "client_blocked")
                let document = try jsonObject(try await service.get("/api/v1/status").body)
                let rest = (document["findings"] as? [[String: Any]] ?? []).first { $0["code"] as? String == "logins_rest" }
                #expect((rest?["detail"] as? String)?.contains("before 20") == true, "\(document)")
                #expect(try await service.get("/").body.contains("logins to this server rest"))
                // Some probes more, and none of them connects.
                _ = try await eventually("probes that stop before the login") {
                    let items = try jsonObject(try await service.get("/api/v1/history").body)["items"] as? [[String: Any]] ?? []
                    return items.count { $0["partial"] as? Bool == true } >= 3 ? true : nil
                }
                service.program.signal(SIGKILL)
                _ = await service.program.wait()
            }
            #expect(bench.lab.recorder.records(of: "stock").count == knocked)
        }
    }
}
