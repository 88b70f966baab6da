// Known secrets are searched for in everything the programs leave behind: output, log at trace level, metrics, API, page, database.
import Diagnosis
import Foundation
import Lab
import Testing

@Suite(.timeLimit(.minutes(5))) struct CanaryTests {
    /// What must not appear: every token that the lab issued, piece by piece, and the header secret.
    private func needles(_ bench: AgentBench) async throws -> [String] {
        var needles = [bench.lab.identity.secretHeader.reveal { $0 }]
        for principal in bench.lab.options.principals {
            for audience in [Lab.audience, "https://database.windows.net/"] {
                let token = try await bench.lab.token(for: principal.name, audience: audience)
                // Header, payload and signature by themselves, and a run out of the middle of the payload.
                token.reveal { text in
                    let pieces = text.split(separator: ".").map(String.init)
                    needles += pieces.filter { $0.count > 20 }
                    if pieces.count > 1 { needles.append(String(pieces[1].dropFirst(200).prefix(60))) }
                }
            }
        }
        return needles
    }

    private func search(_ places: [(name: String, text: String)], for needles: [String]) {
        for place in places {
            // As it is, and as TDS sends it: two bytes a character.
            let wide = place.text.contains("e\0y\0J\0")
            #expect(!wide, "something that begins like a token in UTF-16 is in \(place.name)")
            for needle in needles where place.text.contains(needle) {
                Issue.record("a secret of \(needle.count) characters appears in \(place.name)")
            }
            #expect(!place.text.contains("eyJ"), "something that begins like a token is in \(place.name)")
        }
    }

    @Test("No token and no header secret is in any output, log, page, metric, error or file")
    func nothingLeaks() async throws {
        var options = LabOptions()
        options.targets = LabTarget.everyEngine
        try await withAgentBench(options) { bench in
            let needles = try await needles(bench)
            #expect(needles.count >= 7)
            var places: [(name: String, text: String)] = []
            let service = try await bench.startService()
            let faults: [(fault: Fault?, target: String?)] = [
                (nil, nil), (.tokenType, "orders"), (.roleNoLogin, "orders"), (.identityTruncated, nil), (.scramAsked, "orders"),
                (.issuedLarge, nil), (.mysqlTokenRejected, "stock"), (.azureNoAdmin, "ledger"), (.azureTokenInvalid, "ledger"),
                (.azureRedirectForeign, "ledger"), (.azureErrorLength, "ledger"), (.azureRowGarbage, "ledger"),
            ]
            for (fault, target) in faults {
                if let fault { try await bench.lab.faults.turnOn(fault, target: target) }
                let name = fault?.name ?? "healthy"
                for arguments in [["--output", "json"], [], ["--output", "json", "--local"], ["--local"]] {
                    let result = try await bench.diagnose(arguments)
                    places += [("diagnose \(name), output", result.output), ("diagnose \(name), errors and trace log", result.errors)]
                }
                for resource in ["ossrdbms", "azuresql"] {
                    for output in ["text", "json"] {
                        let token = try await bench.agent.run(
                            [
                                "token", "app", "--config", bench.configurationPath, "--resource", resource, "--output", output,
                                "--log-level", "trace",
                            ])
                        places += [("token \(name), output", token.output), ("token \(name), errors", token.errors)]
                    }
                }
                try await Task.sleep(for: .milliseconds(1500))
                for path in [
                    "/", "/metrics", "/api/v1/status", "/api/v1/history", "/api/v1/changes?check=orders/app",
                    "/api/v1/diagnose?check=orders/app", "/api/v1/changes?check=ledger/app", "/api/v1/diagnose?check=ledger/app",
                    "/livez?verbose", "/readyz?verbose",
                ] {
                    places.append(("\(path) \(name)", try await service.get(path).body))
                }
                try await bench.lab.faults.turnOffAll()
            }
            let history = try await bench.agent.run(["history", "--file", bench.historyPath, "--output", "json", "--limit", "1000"])
            places.append(("history", history.output))
            #expect(history.output.contains("\"down\""), "the faults left traces to search in")
            // The write-ahead log is there while the service runs, so it is read before the stop.
            for file in ["history.db", "history.db-wal"] {
                // The log is empty from the moment in which it was cut until the next commit.
                let bytes = try await eventually("\(file) holds something to search") {
                    let bytes = try Data(contentsOf: URL(fileURLWithPath: bench.folder.appendingPathComponent(file).path))
                    return bytes.isEmpty ? nil : bytes
                }
                places.append((file, String(decoding: bytes, as: UTF8.self)))
            }
            let stopped = await service.program.stop()
            #expect(stopped.errors.contains("trace") || stopped.errors.contains("debug"), "the service logged at trace level")
            places += [("run, output", stopped.output), ("run, trace log", stopped.errors)]
            let database = try Data(contentsOf: URL(fileURLWithPath: bench.historyPath))
            places.append(("history.db after the stop", String(decoding: database, as: UTF8.self)))
            search(places, for: needles)
        }
    }
}
