// Where MariaDB's programs and files are on this machine.
import FoundationEssentials

/// A server, a client, the statements that make the system tables, and the plugin that asks PAM.
struct MySQLInstallation: Sendable {
    var server: String
    var client: String
    /// The folder of `mysql_system_tables.sql`.
    var share: String
    var plugins: String

    /// The variant of the plugin that calls PAM in the server's own process. The other one starts a set-uid helper for every login, which
    /// sits in a folder that only the user `mysql` may enter. Both hand over tokens of nine kilobytes whole (observed, 10.11).
    static let plugin = "auth_pam_v1"

    /// Looks where distributions put the parts.
    /// **Throws**: `LabError` that names the package to install.
    static func find() throws -> MySQLInstallation {
        let programs = ["/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/bin", "/usr/bin"]
        func program(_ name: String) -> String? {
            programs.map { "\($0)/\(name)" }.first(where: FileManager.default.isExecutableFile)
        }
        func folder(of file: String, among folders: [String]) -> String? {
            folders.first { FileManager.default.fileExists(atPath: "\($0)/\(file)") }
        }
        guard let server = program("mariadbd"), let client = program("mariadb"),
            let share = folder(of: "mysql_system_tables.sql", among: ["/usr/share/mysql", "/usr/share/mariadb", "/usr/local/share/mysql"])
        else {
            throw LabError(
                """
                No MariaDB server was found on this machine, and the lab has MySQL targets. Install one \
                (Debian and Ubuntu: apt install mariadb-server; Fedora: dnf install mariadb-server).
                """
            )
        }
        guard
            let plugins = folder(
                of: plugin + ".so", among: ["/usr/lib/mysql/plugin", "/usr/lib64/mariadb/plugin", "/usr/local/lib/mysql/plugin"])
        else {
            throw LabError("MariaDB has no plugin \(plugin) on this machine. Install it (Fedora: dnf install mariadb-pam).")
        }
        return MySQLInstallation(server: server, client: client, share: share, plugins: plugins)
    }
}
