// The independent client of these tests: PostgreSQL's own psql, with certificate and name verified.
import Diagnosis
import Lab
import Subprocess

/// One login with a token, as an application would make it.
struct Psql {
    var output: String
    var error: String
    var isSuccess: Bool
    /// Whether it was still busy when its time was over.
    var wasStopped: Bool

    /// Runs `sql` with `token` as the password. The name is resolved by the caller, as the agent does.
    /// - Parameters:
    ///   - patience: seconds for the login; libpq takes no less than two.
    ///   - stopAfter: seconds for the whole run.
    static func run(
        _ sql: String = "select 1", on target: LabTarget, of lab: Lab, token: Secret<String>, role: String? = nil, database: String? = nil,
        patience: Int = 10, options: String = "", mode: String = "verify-full", stopAfter: String? = nil
    ) async throws -> Psql {
        let endpoint = lab.endpoint(of: target)
        let settings: [String: String] = [
            "PGHOST": target.host, "PGHOSTADDR": endpoint.host, "PGPORT": String(endpoint.port), "PGDATABASE": database ?? target.database,
            "PGUSER": role ?? target.role, "PGPASSWORD": token.reveal { $0 }, "PGSSLMODE": mode, "PGSSLROOTCERT": lab.caFile,
            "PGGSSENCMODE": "disable", "PGCONNECT_TIMEOUT": String(patience), "PGOPTIONS": options,
        ]
        let arguments = ["--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--set", "VERBOSITY=verbose", "--command", sql]
        let limited = stopAfter.map { ["timeout", $0, "psql"] } ?? ["psql"]
        let result = try await Subprocess.run(
            .name("env"), arguments: Arguments(limited + arguments),
            environment: .inherit.updating(Dictionary(uniqueKeysWithValues: settings.map { (Environment.Key(stringLiteral: $0), $1) })),
            input: .none, output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
        return Psql(
            output: result.standardOutput, error: result.standardError, isSuccess: result.terminationStatus.isSuccess,
            wasStopped: result.terminationStatus == .exited(124))
    }
}
