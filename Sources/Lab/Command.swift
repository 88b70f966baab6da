// Short commands that the lab runs and waits for: initdb, psql, cc.
import Subprocess

/// One run of a program with its output collected.
struct Command: Sendable {
    var program: String
    var arguments: [String]
    var environment: [String: String] = [:]
    /// Given on standard input.
    var input: String = ""

    /// **Throws**: `LabError` with the program's own words when it fails or is not there.
    @discardableResult
    func run() async throws -> String {
        // `env` looks the program up and becomes it, so the process id stays the same.
        let result = try await Subprocess.run(
            .name("env"), arguments: Arguments([program] + arguments),
            environment: .inherit.updating(Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0), $1) })),
            input: .string(input), output: .string(limit: 4 << 20), error: .string(limit: 1 << 20))
        guard result.terminationStatus.isSuccess else {
            let name = program.split(separator: "/").last.map(String.init) ?? program
            throw LabError("\(name) failed (\(result.terminationStatus)): \(result.standardError)")
        }
        return result.standardOutput
    }
}
