// The built program `agent` from outside: memory of the service, and how long one `diagnose` takes.
import Diagnosis
import FoundationEssentials
import Subprocess

struct ServiceFigures {
    var scratch: String
    /// Between the first probe of every check and the look at the memory.
    var settle: Int
    var repetitions: Int
    /// Of the larger service.
    var checks = 1000

    func measureMemory() async throws -> [Figure] {
        let few = try await LabProcess(targets: 10).lend { try await memory($0, checks: 10, interval: 30) }
        let many = try await LabProcess(targets: checks).lend { try await memory($0, checks: checks, interval: 30) }
        // The libraries of Swift cost four megabytes of pages that are linked, and not used.
        let kind = few.carriesRuntime ? "resident" : "resident (not as in the image)"
        return [
            Figure("memory of a service with 10 checks, \(kind)", few.resident, "MiB", bar: .atMost(48)),
            Figure("memory of a service with 10 checks, anonymous", few.anonymous, "MiB", bar: .atMost(12)),
            Figure("memory of a service with \(checks) checks, \(kind)", many.resident, "MiB", bar: .atMost(64)),
            Figure("memory of a service with \(checks) checks, anonymous", many.anonymous, "MiB", bar: .none),
            Figure(
                "threads of a service with \(checks) checks", Double(many.threads), "", bar: .atMost(Double(ScheduleFigures.cores + 12))),
        ]
    }

    /// Writes a configuration for the lab and says how to start the agent with it.
    private func prepare(_ lab: LabFacts, _ name: String, interval: Int) throws -> [String] {
        let file = "\(scratch)/\(name).yaml"
        let more = """
            defaults: {interval: \(interval)s, timeout: 15s}
            server: {listen: ["127.0.0.1:0"]}
            history: {path: "\(scratch)/\(name).db"}

            """
        try Data((lab.configuration + more).utf8).write(to: URL(filePath: file))
        return [try Program.sibling("agent"), "--config", file]
    }

    private func memory(_ lab: LabFacts, checks: Int, interval: Int) async throws -> Usage.Memory {
        let base = try prepare(lab, "memory-\(checks)", interval: interval)
        let result = try await Subprocess.run(
            .name("env"), arguments: Arguments([base[0], "run"] + base.dropFirst()),
            environment: .inherit.updating(Program.variables(lab.environment)),
            input: .none, output: .sequence, error: .discarded
        ) { execution in
            let outcome: Result<Usage.Memory, any Error>
            do {
                // One line per change of state: when all are in, every check has been probed once.
                var seen = 0
                for try await line in execution.standardOutput.strings() where line.contains("\"check\"") {
                    seen += 1
                    if seen == checks { break }
                }
                guard seen == checks else { throw BenchError("agent run ended after \(seen) of \(checks) checks") }
                try await Task.sleep(for: .seconds(settle))
                outcome = .success(try Usage.Memory(of: "\(execution.processIdentifier.value)"))
            } catch {
                outcome = .failure(error)
            }
            await execution.teardown(using: [.gracefulShutDown(allowedDurationToNextStep: .seconds(12))])
            return outcome
        }
        return try result.takeClosureResult().get()
    }

    func measureDiagnose() async throws -> [Figure] {
        try await LabProcess().lend { lab in
            let target = lab.targets[0]
            let base = try prepare(lab, "diagnose", interval: 60)
            let place = "host=\(target.host) hostaddr=\(lab.address) port=\(target.port) dbname=\(target.database) user=\(target.user)"
            var own: [Double] = []
            var peer: [Double] = []
            for _ in 1...repetitions {
                own.append(try await time([base[0], "diagnose", target.name] + base.dropFirst(), lab.environment))
                peer.append(
                    try await time(
                        ["psql", "--no-psqlrc", "--quiet", "--command=select 1", "\(place) sslmode=verify-full sslrootcert=\(lab.caFile)"],
                        ["PGPASSWORD": lab.token]))
            }
            return [
                Figure(
                    "agent diagnose of one healthy target", median(own), "ms", peer: median(peer), peerName: "psql",
                    bar: .atMost(median(peer) + 30))
            ]
        }
    }

    /// **Unit**: milliseconds, start-up included.
    private func time(_ command: [String], _ environment: [String: String]) async throws -> Double {
        let begin = ContinuousClock.now
        _ = try await Program.run(command, environment: environment)
        return (ContinuousClock.now - begin).seconds * 1000
    }
}
