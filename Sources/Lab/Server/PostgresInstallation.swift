// Where PostgreSQL's programs are on this machine.
import FoundationEssentials

/// A folder with `initdb`, `postgres` and `psql`.
struct PostgresInstallation: Sendable {
    var folder: String

    func program(_ name: String) -> String { folder + "/" + name }

    /// Looks where distributions put the newest version, then asks `pg_config`.
    /// **Throws**: `LabError` that names the package to install.
    static func find() async throws -> PostgresInstallation {
        var candidates: [String] = []
        for root in ["/usr/lib/postgresql", "/usr/local/lib/postgresql"] {
            let versions = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).compactMap(Int.init).sorted(by: >)
            candidates += versions.map { "\(root)/\($0)/bin" }
        }
        for version in (13...19).reversed() { candidates.append("/usr/pgsql-\(version)/bin") }
        if let told = try? await Command(program: "pg_config", arguments: ["--bindir"]).run() {
            candidates.append(String(told.prefix { $0 != "\n" }))
        }
        candidates += ["/usr/local/pgsql/bin", "/usr/bin"]
        for folder in candidates {
            let found = PostgresInstallation(folder: folder)
            if ["initdb", "postgres", "psql"].allSatisfy({ FileManager.default.isExecutableFile(atPath: found.program($0)) }) {
                return found
            }
        }
        throw LabError(
            """
            No PostgreSQL server was found on this machine. Install one \
            (Debian and Ubuntu: apt install postgresql; Fedora: dnf install postgresql-server).
            """
        )
    }
}
