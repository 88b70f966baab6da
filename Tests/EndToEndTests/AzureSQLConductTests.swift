// What the agent must never do with Azure SQL servers: give a token to the wrong one, or follow a redirect to just anybody.
import Diagnosis
import Foundation
import Lab
import Testing

@Suite(.timeLimit(.minutes(5))) struct AzureSQLConductTests {
    /// Servers that must not get the token.
    static let impostors: [Fault] = [
        // No SQL Server, or one that cannot be understood.
        .notPostgres, .notMySQL, .azurePreloginClosed, .azurePreloginGarbage, .azurePreloginOffset, .azurePreloginLength,
        .azureFederationUnknown, .silentAfterAccept,
        // No TLS, less of it than was asked for, or something else in its place.
        .plaintextServer, .azureEncryptionOff, .azureEncryptionMissing, .stuffedBeforeTLS, .azureTLSRefused, .azureTLSGarbage, .tlsTooOld,
        .tlsHandshakeCut, .tlsHandshakeStalled,
        // TLS with somebody else.
        .tlsUnknownCA, .tlsWrongName, .tlsExpired, .tlsNotYetValid,
    ]

    /// Gateways that may have the token and send the client where it must not go with it.
    static let redirects: [Fault] = [
        .azureRedirectForeign, .azureRedirectAddress, .azureRedirectPort, .azureRedirectNoName, .azureRedirectTransport,
        .azureRedirectUnknown, .azureRedirectName, .azureRedirectSilent,
    ]

    @Test("No byte of a token goes to an Azure SQL server without TLS, with a wrong name or issuer, or over a redirect to somebody else")
    func tokenStaysHome() async throws {
        let all = Self.impostors + Self.redirects + [.azureDisabled]
        var options = LabOptions()
        options.targets = all.map(Self.target)
        try await withAgentBench(options, interval: "6s") { bench in
            let azureSQL = try #require(bench.lab.azureSQL)
            for fault in all { try await bench.lab.faults.turnOn(fault, target: Self.target(fault).name) }
            let service = try await bench.startService()
            _ = try await eventually("a verdict on every check") {
                let document = try jsonObject(try await service.get("/api/v1/status").body)
                let checks = document["checks"] as? [[String: Any]] ?? []
                return checks.isEmpty || checks.contains { $0["state"] as? String == "unknown" } ? nil : checks
            }
            _ = await service.program.stop()
            _ = try await bench.diagnose()

            let token = try await bench.lab.token(audience: "https://database.windows.net/")
            // Header, payload and signature by themselves, and a run out of the middle of the payload: a part would be too much as well.
            let pieces = token.reveal { text in
                let parts = text.split(separator: ".").map(String.init)
                return [parts[1], parts[2], String(parts[1].dropFirst(200).prefix(40)), String(parts[2].prefix(24))].map { Secret($0) }
            }
            for fault in all {
                let records = bench.lab.recorder.records(of: Self.target(fault).name)
                // The service and `diagnose` both came, and in the clear they asked for TLS and said nothing else, whatever was answered.
                #expect(records.count >= 2, "\(fault.name): \(records.count) connections")
                #expect(
                    !records.contains { record in pieces.contains { record.contains($0) } },
                    "\(fault.name): a piece of the token in the clear")
                #expect(
                    records.allSatisfy { Self.isTLSOrNothing($0.beforeTLS) },
                    "\(fault.name): \(records.map { Array($0.beforeTLS.prefix(80)) })")
                // What the server read out of TLS, or would have.
                let logins = azureSQL.logins(of: Self.target(fault).name)
                if Self.impostors.contains(fault) { #expect(logins.isEmpty, "\(fault.name): \(logins.count) logins") }
            }
            #expect(azureSQL.redirectedLogins.isEmpty, "a token went over a redirect that must not be followed")
            // Both searches would find it: the server that may have it has it.
            let given = azureSQL.logins(of: Self.target(.azureDisabled).name)
            #expect(given.count >= 2 && given.allSatisfy { $0.token?.reveal { text in token.reveal { $0 == text } } == true })
            #expect(given.count == azureSQL.logins(of: Self.target(.azureRedirectForeign).name).count)
        }
    }

    @Test("A path that dies with the statement is told in the answer to `/probe`, as what it is")
    func deadPath() async throws {
        var options = LabOptions()
        options.targets = LabTarget.standardAzureSQL
        try await withAgentBench(options, interval: "60s", timeout: "2s") { bench in
            try await bench.lab.faults.turnOn(.azureQueryDead, target: "ledger")
            let service = try await bench.startService()
            for _ in 0..<3 {
                let answer = try await service.get("/probe?target=ledger")
                #expect(answer.status == 200, "\(answer.body)")
                #expect(answer.body.contains("\nprobe_success 0") && answer.body.contains("query_timeout"), "\(answer.body)")
            }
            _ = await service.program.stop()
        }
    }

    @Test("A redirect is followed once: a worker that sends the client on gets one login, and nobody gets another")
    func loop() async throws {
        var options = LabOptions()
        options.targets = LabTarget.standardAzureSQL
        try await withAgentBench(options) { bench in
            let azureSQL = try #require(bench.lab.azureSQL)
            try await bench.lab.faults.turnOn(.azureRedirectLoop, target: "ledger")
            let result = try await bench.diagnose(["ledger", "--output", "json"])
            #expect(result.status == 40, "\(result.output)")
            #expect(azureSQL.logins(of: "ledger").count == 1 && azureSQL.redirectedLogins.count == 1)
        }
    }

    @Test("A redirect that works is told: where it led, and how long its steps took")
    func followed() async throws {
        var options = LabOptions()
        options.targets = LabTarget.standardAzureSQL
        try await withAgentBench(options) { bench in
            try await bench.lab.faults.turnOn(.azureRedirect, target: "ledger")
            let result = try await bench.diagnose(["ledger", "--output", "json"])
            let check = (try jsonObject(result.output)["checks"] as? [[String: Any]])?.first ?? [:]
            let facts = check["facts"] as? [String: Any] ?? [:]
            #expect(
                (facts["redirected_to"] as? String)?.hasPrefix("w1.tr1.lab1-a.worker.database.windows.net:11") == true, "\(result.output)")
            let steps = (facts["redirect_phases"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
            #expect(steps == ["dns", "tcp", "negotiate", "tls", "login"])
            #expect(try await bench.diagnose(["ledger"]).output.contains("redirected to w1.tr1"))
            // What fails behind the redirect is part of the login, and says where it was.
            try await bench.lab.faults.turnOn(.azureRedirectClosed, target: "ledger")
            let broken = try await bench.diagnose(["ledger"])
            #expect(broken.status == 20 && broken.output.contains("\(bench.lab.block.azureSQLWorker):11"), "\(broken.output)")
            #expect(broken.output.components(separatedBy: " ×").count == 2, "one step failed:\n\(broken.output)")
        }
    }

    @Test("A person is told inside the running agent, too, whose tokens the server takes; the schedule never asks")
    func explained() async throws {
        var options = LabOptions()
        options.targets = LabTarget.standardAzureSQL
        try await withAgentBench(options) { bench in
            let azureSQL = try #require(bench.lab.azureSQL)
            try await bench.lab.faults.turnOn(.azureNoAdmin, target: "ledger")
            let service = try await bench.startService()
            _ = try await eventually("ledger is down") { try await service.check("ledger/app")["state"] as? String == "down" ? true : nil }
            #expect(!azureSQL.logins(of: "ledger").contains { $0.asksForIssuer })
            let result = try await bench.diagnose(["ledger"])
            #expect(result.output.contains("inside agent") && result.output.contains("entra_auth_disabled"), "\(result.output)")
            #expect(azureSQL.logins(of: "ledger").contains { $0.asksForIssuer })
            #expect(await service.program.stop().status == 0)

            // Who was let in once with a token of this tenant is refused for something else.
            try await bench.lab.faults.turnOffAll()
            let known = try await bench.startService()
            _ = try await eventually("ledger is up") { try await known.check("ledger/app")["state"] as? String == "up" ? true : nil }
            azureSQL.forgetLogins()
            try await bench.lab.faults.turnOn(.azureNoAdmin, target: "ledger")
            _ = try await eventually("the administrator is missed") {
                try await known.check("ledger/app")["cause"] as? String == "entra_auth_disabled" ? true : nil
            }
            #expect(!azureSQL.logins(of: "ledger").contains { $0.asksForIssuer })
            #expect(await known.program.stop().status == 0)
        }
    }

    private static func target(_ fault: Fault) -> LabTarget {
        LabTarget(name: EngineFaultTable.name(of: fault), engine: .azuresql, database: "ledger", role: "app")
    }

    /// Packets of PRELOGIN and of the handshake inside them, and then records of TLS.
    private static func isTLSOrNothing(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        var packets = 0
        while let type = rest.first {
            // Half a head: the connection ended there, or the record of it did.
            guard rest.count >= 8 else { return true }
            let start = rest.startIndex
            if type == 0x12 {
                packets += 1
                let length = Int(rest[start + 2]) << 8 + Int(rest[start + 3])
                // Behind PRELOGIN such a packet holds TLS: alert 21, change 20, handshake 22. Source: MS-TDS 2.2.6.5, RFC 8446 5.1.
                guard length >= 8, packets == 1 || (20...22).contains(rest[start + 8]) else { return false }
                rest = rest.dropFirst(length)
            } else {
                guard (20...23).contains(type), rest[start + 1] == 3 else { return false }
                rest = rest.dropFirst(5 + Int(rest[start + 3]) << 8 + Int(rest[start + 4]))
            }
        }
        return true
    }
}
