// Databases that sleep, as their users see them: what is logged in to, what every surface says meanwhile, and what a restart leaves of it.
import Diagnosis
import Foundation
import Lab
import Testing

@Suite(.timeLimit(.minutes(5))) struct AzureSQLWakeTests {
    private static let ledger = LabTarget(name: "ledger", engine: .azuresql, database: "ledger", role: "app", isServerless: true)

    private static func withBench(_ targets: [LabTarget] = [ledger], _ body: (AgentBench) async throws -> Void) async throws {
        var options = LabOptions()
        options.targets = targets
        try await withAgentBench(options, body)
    }

    private func state(_ service: AgentBench.Service, is state: String, of check: String = "ledger/app") async throws {
        _ = try await eventually("\(check) is \(state)") { try await service.check(check)["state"] as? String == state ? true : nil }
    }

    /// What a person reads, on one line.
    private func words(_ result: ProgramResult) -> String { result.output.split(whereSeparator: \.isWhitespace).joined(separator: " ") }

    /// Waits until so many more probes of the check have stopped before the login.
    private func sleepingProbes(_ count: Int, of check: String = "ledger/app", _ bench: AgentBench, _ service: AgentBench.Service)
        async throws
    {
        func seen() async throws -> Int {
            let page = try jsonObject(try await service.get("/api/v1/history?check=\(check)&limit=1000").body)
            return (page["items"] as? [[String: Any]] ?? []).count { $0["partial"] as? Bool == true }
        }
        let before = try await seen()
        _ = try await eventually("\(count) more probes without a login") { try await seen() >= before + count ? true : nil }
    }

    @Test("A serverless database is logged in to once and then left alone; every surface says so, and a restart does not forget it")
    func budget() async throws {
        try await Self.withBench { bench in
            let azureSQL = try #require(bench.lab.azureSQL)
            let service = try await bench.startService()
            try await state(service, is: "asleep")
            try await sleepingProbes(2, bench, service)
            #expect(azureSQL.logins(of: "ledger").count == 1)

            let check = try await service.check("ledger/app")
            #expect(check["cause"] is NSNull && check["last_good"] is String)
            let phases = check["phases"] as? [[String: Any]] ?? []
            #expect(phases.first { $0["name"] as? String == "tls" }?["outcome"] as? String == "ok")
            #expect(phases.first { $0["name"] as? String == "login" }?["outcome"] as? String == "skipped")
            #expect((check["facts"] as? [String: Any])?["service_objective"] as? String == "GP_S_Gen5_1")
            let metrics = try await service.get("/metrics").body
            #expect(!metrics.contains("dbprobe_up{target=\"ledger\""), "neither up nor down")
            #expect(metrics.contains("dbprobe_checks{engine=\"azuresql\",state=\"asleep\"} 1"))
            #expect(metrics.contains("dbprobe_tls_cert_expiry_timestamp_seconds{target=\"ledger\""))
            let asked = try await service.get("/probe?target=ledger").body
            #expect(asked.contains("probe_db_asleep 1") && !asked.contains("\nprobe_success "), "\(asked)")
            let page = try await service.get("/").body
            #expect(page.contains("asleep") && page.contains("next login from"))
            let status = try await bench.agent.run(["status", "--config", bench.configurationPath])
            #expect(status.status == 0 && status.output.contains("asleep") && status.output.contains("next login from"), "\(status.output)")

            let diagnosis = try await bench.diagnose(["ledger"])
            #expect(diagnosis.status == 0 && diagnosis.output.contains("inside agent"), "\(diagnosis.output)")
            #expect(
                words(diagnosis).contains(
                    "The database is serverless (GP_S_Gen5_1), so it may be paused; wake: auto; 1 login in the last day"))
            #expect(words(diagnosis).contains("agent diagnose ledger/app --wake logs in now. That wakes the database, and is billed"))
            #expect(azureSQL.logins(of: "ledger").count == 1, "who asks does not log in")
            let stopped = await service.program.stop()
            let lines = try stopped.output.split(separator: "\n").map { try jsonObject(String($0)) }.filter {
                $0["id"] as? String == "ledger/app"
            }
            #expect(lines.map { $0["to"] as? String } == ["up", "asleep"], "\(stopped.output)")
            #expect(stopped.errors.contains("check is asleep"))

            let again = try await bench.startService(keepingHistory: true)
            try await state(again, is: "asleep")
            try await sleepingProbes(2, bench, again)
            #expect(azureSQL.logins(of: "ledger").count == 1, "the restart spent another login")

            // A person says so: the running agent does it, and knows the outcome.
            let woken = try await bench.diagnose(["ledger", "--wake"])
            #expect(woken.status == 0 && woken.output.contains("inside agent") && woken.output.contains("login "), "\(woken.output)")
            #expect(azureSQL.logins(of: "ledger").count == 2)
            try await sleepingProbes(1, bench, again)
            #expect(await again.program.stop().status == 0)

            let third = try await bench.startService(keepingHistory: true)
            try await state(third, is: "asleep")
            let facts = try await bench.diagnose(["ledger"])
            #expect(words(facts).contains("2 logins in the last day"), "\(facts.output)")
            #expect(azureSQL.logins(of: "ledger").count == 2)
            #expect(await third.program.stop().status == 0)
            let history = try await bench.agent.run(["history", "ledger/app", "--file", bench.historyPath, "--limit", "1000"])
            #expect(history.output.contains("asleep") && !history.output.contains("partial"), "\(history.output)")
        }
    }

    @Test("`always` logs in each time, `never` not once, a budget as often as it says")
    func modes() async throws {
        let modes = [("always", "always"), ("never", "never"), ("budget", "{budget: 2 per day}")]
        let targets = modes.map { LabTarget(name: $0.0, engine: .azuresql, database: "ledger", role: "app", isServerless: true) }
        try await Self.withBench(targets) { bench in
            let azureSQL = try #require(bench.lab.azureSQL)
            var text = try String(contentsOfFile: bench.configurationPath, encoding: .utf8)
            for (name, mode) in modes {
                text = text.replacingOccurrences(of: "  - name: \(name)\n", with: "  - name: \(name)\n    wake: \(mode)\n")
            }
            try text.write(toFile: bench.configurationPath, atomically: true, encoding: .utf8)
            let service = try await bench.startService()
            for name in ["never", "budget"] { try await state(service, is: "asleep", of: "\(name)/app") }
            try await sleepingProbes(3, of: "never/app", bench, service)
            try await state(service, is: "up", of: "always/app")
            #expect(azureSQL.logins(of: "always").count >= 3)
            #expect(azureSQL.logins(of: "never").isEmpty)
            #expect(azureSQL.logins(of: "budget").count == 1)
            let status = try await bench.agent.run(["status", "--config", bench.configurationPath])
            #expect(status.output.contains("no login by itself"), "\(status.output)")
            let metrics = try await service.get("/metrics").body
            #expect(metrics.contains("dbprobe_up{target=\"always\",identity=\"app\"} 1"))
            #expect(metrics.contains("dbprobe_tls_cert_expiry_timestamp_seconds{target=\"never\""), "its certificate is seen all the same")
            #expect(await service.program.stop().status == 0)
        }
    }

    @Test("A database that pauses by itself: woken once for a budget and left to sleep again, never for `never`, kept awake by `always`")
    func naps() async throws {
        let modes = [("always", "always"), ("never", "never"), ("budget", "{budget: 4 per day}")]
        let targets = modes.map { LabTarget(name: $0.0, engine: .azuresql, database: "ledger", role: "app", pausesAfter: .seconds(8)) }
        try await Self.withBench(targets) { bench in
            let azureSQL = try #require(bench.lab.azureSQL)
            let databases = try modes.map { try #require(azureSQL.database(of: $0.0)) }
            let (always, never, budget) = (databases[0], databases[1], databases[2])
            var text = try String(contentsOfFile: bench.configurationPath, encoding: .utf8)
            for (name, mode) in modes {
                text = text.replacingOccurrences(of: "  - name: \(name)\n", with: "  - name: \(name)\n    wake: \(mode)\n")
            }
            try text.write(toFile: bench.configurationPath, atomically: true, encoding: .utf8)
            let service = try await bench.startService()
            try await state(service, is: "up", of: "always/app")
            _ = try await eventually("the budget's database has been woken, and pauses again") { budget.pauses == 1 ? true : nil }
            #expect(azureSQL.logins(of: "budget").count >= 2, "refused while it woke, then let in")
            let logins = azureSQL.logins(of: "budget").count
            try await sleepingProbes(3, of: "budget/app", bench, service)
            #expect(budget.isPaused && budget.resumes == 1 && azureSQL.logins(of: "budget").count == logins)
            #expect(never.isPaused && never.resumes == 0 && azureSQL.logins(of: "never").isEmpty)
            #expect(!always.isPaused && always.resumes == always.pauses + 1)

            // Who looks wakes nobody; who says so does.
            _ = try await bench.diagnose(["budget"])
            #expect(budget.isPaused && budget.resumes == 1)
            _ = try await bench.diagnose(["budget", "--wake"])
            #expect(budget.resumes == 2)
            // The next slots ask again at no cost, until it is up; then it is left alone and pauses.
            _ = try await eventually("it pauses once more") { budget.pauses == 2 ? true : nil }
            try await state(service, is: "asleep", of: "budget/app")
            let facts = try await bench.diagnose(["budget"])
            #expect(words(facts).contains("2 logins in the last day"), "\(facts.output)")
            #expect(budget.resumes == 2 && never.resumes == 0)
            #expect(await service.program.stop().status == 0)
        }
    }

    @Test("A paused database that is woken is asked again until it is awake, is never down meanwhile, and costs one login of the budget")
    func waking() async throws {
        try await Self.withBench { bench in
            let azureSQL = try #require(bench.lab.azureSQL)
            // A budget says that it sleeps now and then, so the first answer is understood before anybody has seen the tier.
            let text = try String(contentsOfFile: bench.configurationPath, encoding: .utf8)
            try text.replacingOccurrences(of: "  - name: ledger\n", with: "  - name: ledger\n    wake: {budget: 4 per day}\n")
                .write(toFile: bench.configurationPath, atomically: true, encoding: .utf8)
            try await bench.lab.faults.turnOn(.azureAsleep, target: "ledger", value: 3)
            let service = try await bench.startService()
            _ = try await eventually("it is awake") { azureSQL.logins(of: "ledger").count == 4 ? true : nil }
            try await sleepingProbes(1, bench, service)
            #expect(azureSQL.logins(of: "ledger").count == 4, "awake, it is left alone again")
            let facts = try await bench.diagnose(["ledger"])
            #expect(words(facts).contains("1 login in the last day"), "\(facts.output)")
            let stopped = await service.program.stop()
            let lines = try stopped.output.split(separator: "\n").map { try jsonObject(String($0)) }.filter {
                $0["id"] as? String == "ledger/app"
            }
            #expect(!lines.contains { $0["to"] as? String == "down" }, "\(stopped.output)")
        }
    }

    @Test("A database that was awake within the last quarter of an hour is not waking up: it is in trouble")
    func trouble() async throws {
        try await Self.withBench { bench in
            let service = try await bench.startService()
            try await state(service, is: "asleep")
            try await bench.lab.faults.turnOn(.azureAsleep, target: "ledger", value: 1)
            let broken = try await bench.diagnose(["ledger", "--wake"])
            #expect(broken.status == 40 && broken.output.contains("server_unavailable"), "\(broken.output)")
            // The next slots look again beside the budget, so that it is not down until the next login of the budget.
            try await state(service, is: "asleep")
            #expect(await service.program.stop().status == 0)
        }
    }

    @Test("A login that was refused stands while the database sleeps, and a person who has mended it need not wait for the budget")
    func refused() async throws {
        try await Self.withBench { bench in
            let azureSQL = try #require(bench.lab.azureSQL)
            let first = try await bench.startService()
            try await state(first, is: "asleep")
            #expect(await first.program.stop().status == 0)
            try await bench.lab.faults.turnOn(.roleUnknown, target: "ledger")
            let service = try await bench.startService(keepingHistory: true)
            try await state(service, is: "asleep")
            let broken = try await bench.diagnose(["ledger", "--wake"])
            #expect(broken.status == 40 && broken.output.contains("login_principal_unknown"), "\(broken.output)")
            try await sleepingProbes(2, bench, service)
            #expect(try await service.check("ledger/app")["cause"] as? String == "login_principal_unknown")
            // The first one, the person's, and the question without a token whose tokens the server takes.
            #expect(azureSQL.logins(of: "ledger").map(\.asksForIssuer) == [false, false, true])
            #expect(try await service.get("/probe?target=ledger").body.contains("probe_success 0"))
            try await bench.lab.faults.turnOffAll()
            #expect(try await bench.diagnose(["ledger", "--wake"]).status == 0)
            try await state(service, is: "asleep")
            #expect(await service.program.stop().status == 0)
        }
    }

    @Test("An incident of the way to a database that sleeps ends without a login")
    func incident() async throws {
        try await Self.withBench { bench in
            func incidents() async throws -> [[String: Any]] {
                let result = try await bench.agent.run(["incidents", "--config", bench.configurationPath, "--output", "json"])
                return try jsonObject(result.output)["items"] as? [[String: Any]] ?? []
            }
            let service = try await bench.startService()
            try await state(service, is: "asleep")
            try await bench.lab.faults.turnOn(.tcpRefused, target: "ledger")
            try await state(service, is: "down")
            _ = try await eventually("an incident opens", within: .seconds(90)) { try await incidents().first { $0["closed"] is NSNull } }
            try await bench.lab.faults.turnOffAll()
            try await state(service, is: "asleep")
            _ = try await eventually("the incident closes") { try await incidents().first { $0["closed"] is String } }
            let azureSQL = try #require(bench.lab.azureSQL)
            #expect(azureSQL.logins(of: "ledger").count == 1)
            #expect(await service.program.stop().status == 0)
        }
    }
}
