// Starts the lab in a process of its own and lends what it says to a measurement.
import Diagnosis
import FoundationEssentials
import Subprocess

/// Runs other programs. `env` looks each of them up and becomes it, so the process id stays the same.
enum Program {
    /// This program's own file, also when it was found on PATH.
    static let own = "/proc/self/exe"

    /// A program that was built beside this one.
    static func sibling(_ name: String) throws -> String {
        let file = try FileManager.default.destinationOfSymbolicLink(atPath: own)
        let path = file.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/" + name
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw BenchError("\(path) is not there; build it first: swift build -c release --product \(name)")
        }
        return path
    }

    /// Runs a program to its end. **Throws**: with its own words when its exit status is not 0.
    static func run(_ command: [String], environment: [String: String] = [:]) async throws -> String {
        let result = try await Subprocess.run(
            .name("env"), arguments: Arguments(command), environment: .inherit.updating(variables(environment)),
            output: .string(limit: 4 << 20), error: .string(limit: 1 << 20))
        guard result.terminationStatus.isSuccess else {
            throw BenchError("\(command[0]) failed (\(result.terminationStatus)): \(result.standardError)\(result.standardOutput)")
        }
        return result.standardOutput
    }

    static func variables(_ environment: [String: String]) -> [Environment.Key: String?] {
        Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0), $1) })
    }
}

/// The lab for one measurement.
struct LabProcess: Sendable {
    var targets = 1
    var blackHoles = 0
    var engine = Engine.postgresql

    /// Starts the lab, lends it to `body`, and ends it whatever happens.
    func lend<R: Sendable>(_ body: (LabFacts) async throws -> R) async throws -> R {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: Program.own)
        let command = [own, "lab", "--targets", "\(targets)", "--black-holes", "\(blackHoles)", "--engine", engine.rawValue]
        let result = try await Subprocess.run(
            .name("env"), arguments: Arguments(command), input: .inputWriter, output: .sequence, error: .currentStandardError
        ) { execution in
            let outcome: Result<R, any Error>
            do {
                let lines = execution.standardOutput.strings(bufferingPolicy: .maxLineLength(4 << 20))
                let announcement = try await lines.first { _ in true }
                guard let line = announcement else { throw BenchError("the lab did not start; its reason is above") }
                outcome = .success(try await body(try JSONDecoder().decode(LabFacts.self, from: Data(line.utf8))))
            } catch {
                outcome = .failure(error)
            }
            try? await execution.standardInputWriter.finish()
            return outcome
        }
        return try result.takeClosureResult().get()
    }
}
