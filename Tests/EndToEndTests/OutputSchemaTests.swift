// Everything that real programs write as JSON fits the schema that the program publishes, and the schema fits nothing else.
import Curl
import Diagnosis
import Foundation
import Lab
import Logging
import Store
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(5))) struct OutputSchemaTests {
    private static let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    struct Published: Sendable, CustomTestStringConvertible {
        var file: String
        var command: [String]
        var testDescription: String { file }
    }

    @Test(
        "The files in the folder schema are what the command prints",
        arguments: [
            Published(file: "output.json", command: ["schema"]), Published(file: "configuration.json", command: ["config", "schema"]),
        ])
    func files(published: Published) async throws {
        let printed = try await Program(name: "agent").run(published.command)
        let file = try String(contentsOf: Self.top.appendingPathComponent("deploy/schema/\(published.file)"), encoding: .utf8)
        #expect(printed.status == 0)
        #expect(printed.output == file, "agent \(published.command.joined(separator: " ")) > deploy/schema/\(published.file)")
    }

    @Test("Each document has its schema by its name, in JSON and YAML; another name is refused with what there is")
    func names() async throws {
        let agent = Program(name: "agent")
        let all = try jsonObject(try await agent.run(["schema"]).output)
        let references = (all["anyOf"] as? [[String: String]] ?? []).compactMap { $0["$ref"] }
        let names = references.map { String($0.split(separator: "/").last ?? "") }
        #expect(names.count >= 12)
        let help = try await agent.run(["schema", "--help"]).output
        for name in names + ["config"] {
            let one = try await agent.run(["schema", name])
            #expect(one.status == 0 && one.output.contains("https://json-schema.org/draft/2020-12/schema"), "\(name)")
            #expect(help.contains("\n  \(name) "), "\(name) is not in the help")
        }
        let config = try await agent.run(["schema", "config"])
        let file = try await agent.run(["config", "schema"])
        #expect(config.output == file.output)
        #expect(try await agent.run(["schema", "token", "--output", "yaml"]).output.contains("title: \"agent token, "))
        let unknown = try await agent.run(["schema", "nosuch"])
        #expect(unknown.status == 64 && unknown.errors.contains("state-line"), "\(unknown.errors)")
        #expect(unknown.output.isEmpty)
    }

    @Test("What a shell is told fits the schema, key by key: up, down, warnings, rights, several checks, tokens, configurations")
    func local() async throws {
        let contract = Contract()
        var options = LabOptions()
        options.targets = LabTarget.standard
        try await withAgentBench(options) { bench in
            let rights = """
                    privileges:
                      require: [connect, {on: all tables in schema public, grants: [select, truncate], name: all}]
                      deny: [{on: table public.invoices, grants: [update]}]
                    host: billing
                """
            try bench.configure([("    host: billing", rights)])
            func diagnose(_ what: String, exit: Int32, _ arguments: [String] = []) async throws {
                let result = try await bench.diagnose(arguments + ["--output", "json"])
                #expect(result.status == exit, "\(what)\n\(result.output)")
                contract.take("diagnose", result.output, what)
            }
            func token(_ what: String, exit: Int32, _ arguments: [String] = []) async throws {
                let result = try await bench.agent.run(
                    ["token", "app", "--config", bench.configurationPath, "--output", "json"] + arguments)
                #expect(result.status == exit, "\(what)\n\(result.output)")
                contract.take("token", result.output, what)
            }
            try await diagnose("rights are missing", exit: 50)
            try await diagnose("one check", exit: 0, ["orders"])
            try await token("a token", exit: 0)
            try await token("a token of Azure SQL", exit: 0, ["--resource", "azuresql"])
            for (fault, exit) in [(Fault.tcpRefused, Int32(20)), (.deadAddress, 0), (.tlsExpired, 30), (.roleUnknown, 40)] {
                try await bench.lab.faults.turnOn(fault, target: "orders")
                try await diagnose(fault.name, exit: exit, ["orders"])
                try await bench.lab.faults.turnOffAll()
            }
            for (fault, exit) in [(Fault.identityNotFound, Int32(10)), (.issuedExpired, 10), (.issuedNotYetValid, 10)] {
                try await bench.lab.faults.turnOn(fault)
                try await diagnose(fault.name, exit: exit)
                try await token(fault.name, exit: fault == .identityNotFound ? 10 : 0)
                try await bench.lab.faults.turnOffAll()
            }
            let good = try await bench.agent.run(["config", "check", "--config", bench.configurationPath, "--output", "json"])
            contract.take("config-check", good.output, "a good file")
            try bench.configure([("engine: postgresql", "engin: postgresql")])
            let bad = try await bench.agent.run(["config", "check", "--config", bench.configurationPath, "--output", "json"])
            #expect(good.status == 0 && bad.status == 78)
            contract.take("config-check", bad.output, "a bad file")
        }
        try await contract.verify(mutates: true)
    }

    @Test("What a running agent says fits the schema, key by key: every path, every command that asks it, and its lines")
    func service() async throws {
        let contract = Contract()
        var options = LabOptions()
        options.targets = LabTarget.standard
        options.targets.append(LabTarget(name: "ledger", engine: .azuresql, database: "ledger", role: "app", isServerless: true))
        try await withAgentBench(options) { bench in
            let spare = "identities:\n  spare: {kind: managed_identity, client_id: 00000000-0000-0000-0000-00000000dead}\n"
            try bench.configure([("identities:\n", spare)])
            let service = try await bench.startService()
            for (check, state) in [("orders/app", "up"), ("ledger/app", "asleep")] {
                _ = try await eventually("\(check) is \(state)") {
                    try await service.check(check)["state"] as? String == state ? true : nil
                }
            }
            try await bench.lab.faults.turnOn(.tlsExpired, target: "orders")
            _ = try await eventually("orders is down") { try await service.check("orders/app")["state"] as? String == "down" ? true : nil }
            let paths: [(document: String, path: String, status: Int)] = [
                ("status", "/api/v1/status", 200), ("history", "/api/v1/history", 200), ("history", "/api/v1/history?limit=2", 200),
                ("history-sums", "/api/v1/history?by=hour", 200), ("history-facts", "/api/v1/history?facts&check=orders/app", 200),
                ("history-facts", "/api/v1/history?facts&check=ledger/app", 200), ("incidents", "/api/v1/incidents", 200),
                ("changes", "/api/v1/changes?check=orders/app", 200), ("changes", "/api/v1/changes?check=no/such", 200),
                ("targets", "/sd/targets", 200), ("error", "/api/v1/history?nosuch", 400), ("error", "/api/v1/nosuch", 404),
                ("error", "/probe?target=nosuch", 400), ("error", "/api/v1/diagnose?check=no/such", 400),
            ]
            // What was seen is written within a second.
            _ = try await eventually("sums and facts are written") {
                let sums = try await service.get("/api/v1/history?by=hour").body
                let facts = try await service.get("/api/v1/history?facts&check=ledger/app").body
                return sums.contains("\"failures\":0") && sums.contains("cause\"") && facts.contains("service_objective") ? true : nil
            }
            for row in paths {
                let answer = try await service.get(row.path)
                #expect(answer.status == row.status, "\(row.path)")
                contract.take(row.document, answer.body, row.path)
            }
            let asked = try await bench.http.send(
                .init(
                    url: "http://\(service.address)/api/v1/diagnose?check=orders/app",
                    headers: [.init("Accept", "application/json")], bodyLimit: 1 << 20), until: .in(.seconds(20)))
            contract.take("diagnose", String(decoding: asked.body, as: UTF8.self), "/api/v1/diagnose")
            let commands: [(document: String, command: [String])] = [
                ("diagnose", ["diagnose"]), ("status", ["status"]), ("history", ["history"]), ("history-sums", ["history", "--by", "day"]),
                ("history-facts", ["history", "orders/app", "--facts"]), ("incidents", ["incidents"]),
                ("changes", ["changes", "orders/app"]),
            ]
            for row in commands {
                let result = try await bench.agent.run(row.command + ["--config", bench.configurationPath, "--output", "json"])
                contract.take(row.document, result.output, "agent \(row.command.joined(separator: " "))")
            }
            let stopped = await service.program.stop()
            #expect(stopped.status == 0)
            contract.takeLines(stopped.output, "agent run")
        }
        #expect(contract.count("state-line") >= 7)
        try await contract.verify(mutates: true)
    }

    @Test("What a file holds fits the schema, key by key: incidents of checks and identities, sums, changes, rights")
    func file() async throws {
        let contract = Contract()
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("agent-schema-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let history = folder.appendingPathComponent("history.db").path
        try await fill(history)
        let commands: [(document: String, command: [String], least: Int)] = [
            ("history", ["history"], 50), ("history", ["history", "/app", "--limit", "3"], 3),
            ("history-sums", ["history", "--by", "hour"], 2),
            ("history-facts", ["history", "orders/app", "--facts"], 3), ("incidents", ["incidents"], 3),
            ("incidents", ["incidents", "/app", "--open"], 1), ("incidents", ["incidents", "--limit", "1"], 1),
        ]
        for row in commands {
            let result = try await Program(name: "agent").run(row.command + ["--file", history, "--output", "json"])
            let items = try jsonObject(result.output)["items"] as? [Any] ?? []
            #expect(result.status == 0 && items.count >= row.least, "\(row.command): \(items.count)\n\(result.errors)")
            contract.take(row.document, result.output, row.command.joined(separator: " "))
        }
        let changes = try await Program(name: "agent").run(["changes", "orders/app", "--file", history, "--output", "json"])
        #expect((try jsonObject(changes.output)["changes"] as? [Any])?.isEmpty == false, "\(changes.output)")
        contract.take("changes", changes.output, "changes")
        try await contract.verify(mutates: true)
    }

    @Test("A document that is not what it says is found out")
    func wrong() async throws {
        let contract = Contract()
        contract.take("state-line", #"{"schema":1,"time":"now"}"#, "a line of two keys")
        contract.take("state-line", "{", "half a line")
        contract.take("state-line", #"{"schema":1,"schema":1}"#, "a key that comes twice")
        let problems = try await contract.problems()
        #expect(problems.count == 3, "\(problems)")
        #expect(problems.first?.hasPrefix("a line of two keys, state-line at $: 'kind' is a required property") == true, "\(problems)")
        #expect(problems.dropFirst().first?.hasPrefix("half a line") == true, "\(problems)")
        #expect(problems.last?.contains("comes twice") == true, "\(problems)")
    }

    /// Two incidents of a check, one open incident of an identity, facts that change.
    private func fill(_ path: String) async throws {
        let store = HistoryStore(path: path, incidentsMayOpen: { true }, logger: .init(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let check = CheckID(target: "orders", identity: "app")
        let begin = Timestamp(seconds: Timestamp.now.seconds.rounded() - 7200)
        for minute in 0..<60 {
            let time = begin + .seconds(60 * minute)
            var facts = Facts()
            facts.addresses = [minute < 30 ? "10.20.4.7" : "10.20.4.8"]
            facts.serverVersion = "16.4"
            facts.isInRecovery = false
            facts.certificate = CertificateFacts(
                subject: "CN=orders", issuer: "CN=issuer", names: ["orders"], notBefore: begin, notAfter: begin + .seconds(86_400 * 90),
                chainNotAfter: begin + .seconds(86_400 * 90), sha256: minute < 30 ? "ab" : "cd")
            facts.rights = PrivilegeSurvey(
                role: "aad_orders", attributes: [.createdb], roles: ["readers"], tables: 3, readable: minute < 30 ? 3 : 2)
            let isDown = (20..<25).contains(minute) || (30..<40).contains(minute)
            let failure = Failure(
                minute < 35 ? .tcpRefused : .tlsCertValidity, during: minute < 35 ? .tcp : .tls,
                evidence: [Evidence(.errno, code: 111, text: "connection refused")])
            let broken = Phase.probed.firstIndex(of: failure.phase) ?? 0
            store.record(
                Observation(
                    check: check, started: time, duration: .microseconds(31_250),
                    phases: Phase.probed.enumerated().map { index, phase in
                        guard isDown, index >= broken else { return PhaseResult(phase, .ok, duration: .microseconds(4321)) }
                        guard index == broken else { return PhaseResult(phase, .skipped("not reached")) }
                        return PhaseResult(phase, .failed, duration: .microseconds(50))
                    },
                    outcome: isDown ? .failed(failure) : .succeeded, facts: facts))
            guard minute >= 50 else { continue }
            let request = TokenRequestResult(
                identity: "app", resource: .ossrdbms, source: .imds, time: time, duration: .milliseconds(20),
                outcome: .failed(Failure(.identityEndpointUnreachable, during: .token)))
            store.record(request, watch: request.observation)
        }
        await store.close()
    }
}
