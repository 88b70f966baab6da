// `diagnose` inside the running agent, and the verbs that ask it over its socket: the real programs, the real socket.
import Curl
import Diagnosis
import Foundation
import Lab
import Testing

extension AgentBench {
    var socketPath: String { folder.appendingPathComponent("agent.sock").path }

    func run(_ arguments: [String]) async throws -> ProgramResult {
        try await agent.run(arguments + ["--config", configurationPath])
    }

    /// What the agent is probing on demand.
    func underWay() async throws -> [String] {
        let request = HTTPRequest(url: "http://localhost/api/v1/diagnose?plan", socket: socketPath)
        let reply = try await http.send(request, until: .in(.seconds(5)))
        return try jsonObject(String(decoding: reply.body, as: UTF8.self))["under_way"] as? [String] ?? []
    }

    /// Starts the service and waits until its socket answers and `orders/app` has worked a few times.
    func startWithHistory() async throws -> Service {
        let service = try await startService()
        _ = try await eventually("the socket") { FileManager.default.fileExists(atPath: socketPath) ? true : nil }
        _ = try await eventually("some history") {
            let items = try jsonObject(try await service.get("/api/v1/history?check=orders/app").body)["items"] as? [[String: Any]] ?? []
            return items.count { $0["state"] as? String == "up" } >= 3 ? true : nil
        }
        return service
    }

    /// The one check of a report.
    func check(_ result: ProgramResult) throws -> [String: Any] {
        (try jsonObject(result.output)["checks"] as? [[String: Any]])?.first ?? [:]
    }
}

extension AgentBench.Service {
    func metric(_ line: String) async throws -> Double? {
        try await get("/metrics").body.split(separator: "\n").first { $0.hasPrefix(line + " ") }
            .flatMap { Double($0.dropFirst(line.count + 1)) }
    }
}

@Suite(.timeLimit(.minutes(5))) struct InsideTests {
    @Test("With a running agent diagnose runs inside it and knows since when, what is usual and when it last worked; --local does not")
    func insideAndLocal() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startWithHistory()
            let inside = try await bench.run(["diagnose", "orders", "--output", "json"])
            #expect(inside.status == 0 && inside.errors.isEmpty, "\(inside.errors)")
            #expect(try jsonObject(inside.output)["mode"] as? String == "inside")
            let check = try bench.check(inside)
            #expect(check["since"] is String && check["last_good"] is String)
            let phases = check["phases"] as? [[String: Any]] ?? []
            #expect(phases.first { $0["name"] as? String == "tls" }?["median_seconds"] is Double, "\(inside.output)")
            #expect(phases.first?["cached"] as? Bool == true, "the agent's own token")
            let local = try await bench.run(["diagnose", "orders", "--output", "json", "--local"])
            #expect(try jsonObject(local.output)["mode"] as? String == "local")
            let own = try bench.check(local)
            #expect(own["since"] is NSNull)
            #expect((own["phases"] as? [[String: Any]])?.allSatisfy { $0["median_seconds"] is NSNull } == true)
            #expect(Set(own.keys) == Set(check.keys))

            let text = try await bench.run(["diagnose", "orders"])
            #expect(text.output.contains("   inside agent, ") && text.output.contains("\n  norm "), "\(text.output)")
            #expect(!text.output.contains("billing"), "only what was asked for")
            #expect(try await bench.run(["diagnose", "--local"]).output.contains("   this shell, "))

            try await bench.lab.faults.turnOn(.tcpRefused, target: "orders")
            _ = try await eventually("orders is down") { try await service.check("orders/app")["state"] as? String == "down" ? true : nil }
            let broken = try await bench.run(["diagnose", "orders"])
            #expect(broken.status == 20)
            #expect(broken.output.contains("   since ") && broken.output.contains(", last good "), "\(broken.output)")
            #expect(broken.output.contains("(billing/app is up)"), "what the board knows of its neighbours")
            let outside = try await bench.run(["diagnose", "orders", "--local"])
            #expect(outside.status == 20)
            #expect(outside.output.contains("   last good ") && !outside.output.contains("since "), "\(outside.output)")

            let typo = try await bench.run(["diagnose", "order"])
            #expect(typo.status == 64 && typo.errors.contains("orders/app") && typo.output.isEmpty, "\(typo.errors)")
            let web = try await service.get("/api/v1/diagnose?check=orders/app")
            #expect(web.status == 200 && web.body.contains("inside agent") && web.body.contains("tcp_refused"))
            #expect(await service.program.stop().status == 0)
            #expect(!FileManager.default.fileExists(atPath: bench.socketPath), "gone with the agent")
            let alone = try await bench.run(["diagnose", "orders"])
            #expect(alone.status == 20 && alone.output.contains("this shell") && !alone.errors.contains("agent: "), "\(alone.errors)")
        }
    }

    @Test("After a restart the agent still knows since when and what was good before")
    func restart() async throws {
        try await withAgentBench { bench in
            let first = try await bench.startWithHistory()
            try await bench.lab.faults.turnOn(.tcpRefused, target: "orders")
            _ = try await eventually("orders is down") { try await first.check("orders/app")["state"] as? String == "down" ? true : nil }
            let before = try bench.check(try await bench.run(["diagnose", "orders", "--output", "json"]))
            #expect(await first.program.stop().status == 0)
            let second = try await bench.startService(keepingHistory: true)
            let after = try await eventually("what history knows") {
                let check = try await second.check("orders/app")
                return check["state"] as? String == "down" && check["last_good"] is String ? check : nil
            }
            #expect(after["last_good"] as? String == before["last_good"] as? String)
            _ = await second.program.stop()
        }
    }

    @Test("The command ends the pause of logins, a request over HTTP never does")
    func pauses() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startWithHistory()
            try await bench.lab.faults.turnOn(.roleNoLogin, target: "orders")
            _ = try await eventually("logins rest") {
                let body = try await service.get("/api/v1/history?check=orders/app&limit=1").body
                let item = (try jsonObject(body)["items"] as? [[String: Any]])?.first
                return item?["partial"] as? Bool == true ? true : nil
            }
            try await bench.lab.faults.turnOffAll()
            for _ in 0..<2 {
                let web = try await service.get("/api/v1/diagnose?check=orders/app").body
                #expect(web.contains("login_disabled") && web.contains("login, query skipped (logins pause)"), "\(web)")
            }
            #expect(try await service.check("orders/app")["state"] as? String == "down")
            let command = try await bench.run(["diagnose", "orders"])
            #expect(command.status == 0, "\(command.output)")
            _ = try await eventually("the schedule logs in again", within: .seconds(20)) {
                try await service.check("orders/app")["state"] as? String == "up" ? true : nil
            }
            _ = await service.program.stop()
        }
    }

    @Test("A command that is killed leaves nothing behind in the agent")
    func killed() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startWithHistory()
            try await bench.lab.faults.turnOn(.loginSilent, target: "orders")
            let command = try bench.agent.start(["diagnose", "orders", "--config", bench.configurationPath])
            _ = try await eventually("the probe is under way") { try await bench.underWay() == ["orders/app"] ? true : nil }
            command.signal(SIGKILL)
            _ = await command.wait()
            _ = try await eventually("nothing is under way") { try await bench.underWay().isEmpty ? true : nil }
            try await bench.lab.faults.turnOffAll()
            _ = try await eventually("orders is up again") {
                try await service.check("orders/app")["state"] as? String == "up" ? true : nil
            }
            // The connection that counts is that of the question itself.
            _ = try await eventually("no connection is left") {
                let open = try await service.metric("dbprobe_http_connections")
                return open == 1 ? true : nil
            }
            #expect(try await bench.run(["diagnose", "orders"]).status == 0)
            #expect(await service.program.stop().status == 0)
        }
    }

    @Test("Ctrl-C ends an inside diagnosis at once with what is known, the command's own deadline with 75 and whom it waited for")
    func endsEarly() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startWithHistory()
            try await bench.lab.faults.turnOn(.loginSilent, target: "orders")
            let command = try bench.agent.start(["diagnose", "--config", bench.configurationPath, "--output", "json"])
            _ = try await eventually("only orders is under way") { try await bench.underWay() == ["orders/app"] ? true : nil }
            let clock = ContinuousClock.now
            command.signal(SIGINT)
            let result = await command.wait()
            #expect(ContinuousClock.now - clock < .seconds(2))
            #expect(result.status == 130 && result.errors.contains("interrupted; no result for orders/app"), "\(result.errors)")
            let report = try jsonObject(result.output)
            #expect(report["exit"] as? Int == 130 && report["mode"] as? String == "inside")
            let states = (report["checks"] as? [[String: Any]] ?? []).compactMap { $0["state"] as? String }
            #expect(Set(states) == ["up", "unknown"], "\(result.output)")

            let late = try await bench.run(["diagnose", "orders", "--timeout", "1"])
            #expect(late.status == 75, "\(late.output)")
            #expect(late.errors.contains("the time limit of the command passed; no result for orders/app"), "\(late.errors)")
            #expect(late.output.contains("inside agent"))
            _ = await service.program.stop()
        }
    }

    @Test("When the agent stops or dies in the middle, the command says so and goes on by itself", arguments: [SIGTERM, SIGKILL])
    func agentEnds(signal: Int32) async throws {
        try await withAgentBench { bench in
            let service = try await bench.startWithHistory()
            try await bench.lab.faults.turnOn(.loginSilent, target: "orders")
            let command = try bench.agent.start(["diagnose", "orders", "--config", bench.configurationPath])
            _ = try await eventually("the probe is under way") { try await bench.underWay() == ["orders/app"] ? true : nil }
            service.program.signal(signal)
            let result = await command.wait()
            #expect(result.status == 40, "\(result.output)\n\(result.errors)")
            #expect(result.errors.contains("the running agent ") && result.errors.contains("probing in this process"), "\(result.errors)")
            #expect(result.output.contains("this shell"))
            _ = await service.program.wait()
            // What a killed agent left behind is in nobody's way.
            #expect(FileManager.default.fileExists(atPath: bench.socketPath) == (signal == SIGKILL))
            try await bench.lab.faults.turnOffAll()
            let alone = try await bench.run(["diagnose", "orders"])
            #expect(alone.status == 0 && !alone.errors.contains("agent: "), "\(alone.errors)")
            let again = try await bench.startWithHistory()
            #expect(try await bench.run(["diagnose", "orders"]).output.contains("inside agent"))
            #expect(await again.program.stop().status == 0)
        }
    }

    @Test("A process that only listens on the socket holds no command up")
    func silentSocket() async throws {
        try await withAgentBench { bench in
            let listener =
                "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('\(bench.socketPath)'); s.listen(); time.sleep(600)"
            let python = try Program(name: "/usr/bin/python3").start(["-c", listener])
            _ = try await eventually("the listener") { FileManager.default.fileExists(atPath: bench.socketPath) ? true : nil }
            let clock = ContinuousClock.now
            let result = try await bench.run(["diagnose", "orders"])
            #expect(result.status == 0 && result.output.contains("this shell"), "\(result.errors)")
            #expect(result.errors.contains("does not answer; probing in this process"), "\(result.errors)")
            let short = try await bench.run(["diagnose", "orders", "--timeout", "6"])
            #expect(short.status == 0 && short.output.contains("this shell"), "\(short.errors)")
            #expect(try await bench.run(["status"]).status == 70)
            #expect(ContinuousClock.now - clock < .seconds(30))
            let history = try await bench.run(["history"])
            #expect(history.status == 0 && history.errors.contains("does not answer; reading the file"), "\(history.errors)")
            // The same for the service: somebody listens there, so the place is not taken, and the agent goes on without.
            let service = try await bench.startService()
            #expect(service.program.errors.contains("there is no local socket"))
            #expect(try await bench.run(["diagnose", "orders"]).status == 0)
            _ = await service.program.stop()
            python.signal(SIGKILL)
            _ = await python.wait()
        }
    }

    @Test("A socket that the configuration names is required: another agent's, and one without a folder, end the start with 78")
    func namedSocket() async throws {
        try await withAgentBench { bench in
            let text = try String(contentsOfFile: bench.configurationPath, encoding: .utf8)
            func configure(_ socket: String) throws {
                let line = "server: {listen: [\"127.0.0.1:0\"], socket: \(socket)}"
                try text.replacingOccurrences(of: "server: {listen: [\"127.0.0.1:0\"]}", with: line)
                    .write(toFile: bench.configurationPath, atomically: true, encoding: .utf8)
            }
            try configure("a.sock")
            let service = try await bench.startService()
            let path = bench.folder.appendingPathComponent("a.sock").path
            _ = try await eventually("the socket") { FileManager.default.fileExists(atPath: path) ? true : nil }
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            #expect(try await bench.run(["diagnose", "orders"]).output.contains("inside agent"))
            #expect(try await bench.run(["status"]).output.contains(", agent "))
            let second = try await bench.run(["run", "--no-stay", "--listen", "127.0.0.1:0"])
            #expect(second.status == 78)
            #expect(
                second.errors.contains("process \(service.program.identifier)") && second.errors.contains("server.socket"),
                "\(second.errors)")
            #expect(try await bench.run(["status"]).status == 0, "the first one goes on")
            _ = await service.program.stop()
            try configure("nowhere/a.sock")
            let third = try await bench.run(["run", "--no-stay"])
            #expect(third.status == 78 && third.errors.contains("its folder does not exist"), "\(third.errors)")
            try configure("off")
            let without = try await bench.startService()
            #expect(try await bench.run(["diagnose", "orders"]).output.contains("this shell"))
            #expect(!FileManager.default.fileExists(atPath: bench.socketPath))
            #expect(try await bench.run(["status", "--address", without.address]).status == 0)
            _ = await without.program.stop()
        }
    }

    @Test("history, incidents and changes say the same through the agent as out of the file")
    func sameHistory() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startWithHistory()
            try await bench.lab.faults.turnOn(.tlsExpired, target: "orders")
            _ = try await eventually("orders is down") { try await service.check("orders/app")["state"] as? String == "down" ? true : nil }
            // What the file holds of a moment that is over does not change any more.
            let failures = ["history", "orders/app", "--failures", "--output", "json", "--file", bench.historyPath]
            let moment = try await eventually("two failures in the file") {
                let items = try jsonObject(try await bench.run(failures).output)["items"] as? [[String: Any]] ?? []
                return items.count >= 2 ? items.first?["time"] as? String : nil
            }
            let rows: [[String]] = [
                ["history", "--before", moment], ["history", "orders/app", "--before", moment, "--limit", "2"],
                ["history", "orders", "--failures", "--before", moment, "--limit", "1"], ["incidents"], ["changes", "orders/app"],
            ]
            for row in rows {
                for output in ["json", "text"] {
                    let inside = try await bench.run(row + ["--output", output])
                    let file = try await bench.run(row + ["--output", output, "--file", bench.historyPath])
                    #expect(inside.status == 0 && file.status == 0, "\(row): \(inside.errors)\(file.errors)")
                    // Where it was read is the one thing that may differ.
                    let text = file.output.replacingOccurrences(of: bench.historyPath, with: "the running agent")
                    #expect(inside.output == text, "\(row)")
                }
            }
            let days = try await bench.run(["history", "--by", "day", "--output", "json"])
            #expect((try jsonObject(days.output)["items"] as? [[String: Any]])?.isEmpty == false)
            _ = await service.program.stop()
        }
    }

    @Test(
        "A dead identity endpoint is found at once although every check logs in with a cached token, and no longer told once it is mended")
    func deadEndpoint() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startWithHistory()
            try await bench.lab.faults.turnOn(.identityFailing)
            let broken = try await bench.run(["diagnose", "orders", "--fail-on", "warning"])
            #expect(broken.status == 1, "\(broken.output)\(broken.errors)")
            #expect(broken.output.contains("identity app") && broken.output.contains("log in with the cached token"), "\(broken.output)")
            let status = try await bench.run(["status"])
            #expect(status.status == 0 && status.output.contains("\n‼ "), "\(status.output)")
            try await bench.lab.faults.turnOffAll()
            let mended = try await bench.run(["diagnose", "orders", "--fail-on", "warning"])
            #expect(mended.status == 0 && !mended.output.contains("cached token,"), "\(mended.output)")

            let unknown = try await bench.run(["history", "nope"])
            #expect(unknown.status == 0 && unknown.errors.contains("under 'nope'. Known: "), "\(unknown.errors)")
            #expect(unknown.errors.contains("orders/app"), "\(unknown.errors)")
            #expect(try await bench.run(["incidents", "orders"]).errors.isEmpty)
            _ = await service.program.stop()
            #expect(try await bench.run(["changes", "nope/app"]).errors.contains("under 'nope/app'"))
            let dead = try await bench.run(["status", "--address", service.address])
            #expect(dead.status == 70 && !dead.errors.contains("CurlFailure"), "\(dead.errors)")
        }
    }
}
