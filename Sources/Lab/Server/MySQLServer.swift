// A real MariaDB on an address of the lab's own, whose logins with a token are decided by the lab. It stands in for Azure Database for MySQL.
import FoundationEssentials
import Logging
import NIOCore
import NIOPosix

/// A throw-away MariaDB with TLS. Everything it writes is in the scratch folder.
///
/// Accounts of Entra principals use the plugin `pam` with `pam_use_cleartext_plugin`: the client is asked for `mysql_clear_password`, as on
/// Azure, and the token goes through the lab's PAM module to the gate, for root and for an ordinary user alike.
package actor MySQLServer {
    package nonisolated let address: String
    package nonisolated let port: Int
    package nonisolated let gate: TokenGate

    private let installation: MySQLInstallation
    private nonisolated let scratch: Scratch
    private nonisolated let supervisor: Supervisor
    private let desk: Listener
    private let adminPassword: String
    nonisolated let serviceName: String
    /// What an account had before its rights were taken away, as statements.
    private var takenGrants: [String: [String]] = [:]

    static let folder = "my"
    static let admin = "lab_admin"

    /// Prepares the data directory, starts the server, and returns when it accepts connections.
    static func start(
        options: LabOptions, scratch: Scratch, block: LoopbackBlock, certificates: ServerCertificates, gate: TokenGate
    ) async throws -> MySQLServer {
        let installation = try MySQLInstallation.find()
        let account = try Account.running("MariaDB", as: "mysql", package: "mariadb-server")
        try scratch.makeFolder(folder, mode: 0o700)
        try scratch.makeFolder(folder + "/data", mode: 0o700)
        try scratch.makeFolder(folder + "/tmp", mode: 0o700)
        try scratch.write(certificates.good.certificates.joined(), to: folder + "/server.crt")
        try scratch.write(certificates.good.key, to: folder + "/server.key")
        let socket = scratch.file(folder + "/gate.sock")
        let service = try await PamService.place(in: scratch, folder: folder, socket: socket)
        let desk = try await gate.listen(on: socket)
        do {
            if let account {
                for name in ["", "/data", "/tmp", "/server.crt", "/server.key", "/gate.sock"] {
                    try scratch.give(folder + name, to: account)
                }
            }
            return try await MySQLServer(
                options: options, installation: installation, scratch: scratch, block: block, gate: gate, service: service, desk: desk)
        } catch {
            await desk.close()
            throw error
        }
    }

    private init(
        options: LabOptions, installation: MySQLInstallation, scratch: Scratch, block: LoopbackBlock, gate: TokenGate, service: PamService,
        desk: Listener
    ) async throws {
        let account = Account.isRoot ? "mysql" : nil
        let base = Self.settings(installation, scratch)
        let adminPassword = Base64URL.encode((0..<18).map { _ in UInt8.random(in: .min ... .max) })

        let asServer = account.map { ["setpriv", "--reuid", $0, "--regid", $0, "--init-groups", "--"] } ?? []
        let bootstrap = asServer + [installation.server] + base + ["--bootstrap"]
        try await Command(
            program: bootstrap[0], arguments: Array(bootstrap.dropFirst()),
            input: try Self.systemTables(installation)
                + MySQLSchema.script(admin: Self.admin, password: adminPassword, service: service.name)
        ).run()

        // The port is chosen by the kernel and free again at once. Nobody else uses this address, so nobody takes it in between.
        let trial = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: block.mysql, port: 0).get()
        let port = trial.localAddress?.port ?? 0
        try await trial.close().get()

        let log = scratch.file(Self.folder + "/log")
        let settings = [
            "bind-address": block.mysql, "port": String(port), "socket": scratch.file(Self.folder + "/s.sock"),
            "pid-file": scratch.file(Self.folder + "/pid"), "max-connections": String(max(10, options.maxConnections)),
            "ssl-cert": scratch.file(Self.folder + "/server.crt"), "ssl-key": scratch.file(Self.folder + "/server.key"),
            "tls-version": "TLSv1.2,TLSv1.3", "require-secure-transport": "ON", "pam-use-cleartext-plugin": "ON",
            // Clients are known by address only, and a client that breaks off in the handshake is never locked out: the faults do that.
            "skip-name-resolve": "ON", "max-connect-errors": "1000000000", "back-log": "1024",
        ]
        let supervisor = Supervisor(
            program: "env",
            arguments: service.preloading + [installation.server] + base
                + settings.sorted { $0.key < $1.key }.map { "--\($0.key)=\($0.value)" },
            // An orderly end takes MariaDB more than a second.
            account: account, log: log, ending: "KILL", litter: [scratch.path])

        self.address = block.mysql
        self.port = port
        self.gate = gate
        self.installation = installation
        self.scratch = scratch
        self.supervisor = supervisor
        self.desk = desk
        self.adminPassword = adminPassword
        self.serviceName = service.name
        do {
            try await waitUntilReady()
        } catch {
            await supervisor.stop()
            throw error
        }
    }

    /// What the preparation and the server itself have to agree on. `--no-defaults` counts only in the first place.
    private static func settings(_ installation: MySQLInstallation, _ scratch: Scratch) -> [String] {
        [
            "--no-defaults", "--datadir=\(scratch.file(folder + "/data"))", "--tmpdir=\(scratch.file(folder + "/tmp"))",
            "--lc-messages-dir=\(installation.share)", "--plugin-dir=\(installation.plugins)",
            "--plugin-load-add=\(MySQLInstallation.plugin)",
            // As Azure sets them.
            "--lower-case-table-names=1", "--character-set-server=utf8mb4", "--default-time-zone=+00:00",
            // Nothing is worth keeping, and little is to be written before the start.
            "--innodb-log-file-size=4M", "--innodb-data-file-path=ibdata1:8M:autoextend", "--innodb-buffer-pool-size=8M",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-doublewrite=0",
            "--innodb-buffer-pool-load-at-startup=OFF", "--innodb-buffer-pool-dump-at-shutdown=OFF", "--sync-frm=0",
            "--aria-pagecache-buffer-size=2M", "--key-buffer-size=1M", "--performance-schema=OFF",
        ]
    }

    /// The part of `mariadb-install-db` that a server cannot do without: no help texts, no `sys`, no test database, no anonymous accounts
    /// (which would match before the accounts of principals for clients on the loopback).
    private static func systemTables(_ installation: MySQLInstallation) throws -> String {
        do {
            let tables = try ["mysql_system_tables.sql", "mysql_performance_tables.sql"].map { name in
                try String(contentsOfFile: "\(installation.share)/\(name)", encoding: .utf8)
            }
            return "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n" + tables.joined(separator: "\n")
        } catch {
            throw LabError("The files of MariaDB in \(installation.share) cannot be read: \(error).")
        }
    }

    private func waitUntilReady() async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            if let ended = supervisor.ended { throw LabError("MariaDB ended while starting: \(ended)") }
            if log.contains("ready for connections") { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw LabError("MariaDB did not start within a minute: \(log.suffix(2_000))")
    }

    /// What the server wrote about itself and its refusals.
    package nonisolated var log: String {
        (try? String(contentsOfFile: scratch.file(Self.folder + "/log"), encoding: .utf8)) ?? ""
    }

    /// Runs statements as the administrator, over the socket in the scratch folder.
    /// **Shape** of the answer: one line a row, columns separated by tabs, without names.
    @discardableResult
    package func execute(_ sql: String, in database: String = "mysql") async throws -> String {
        try await Command(
            program: installation.client,
            arguments: [
                "--no-defaults", "--batch", "--skip-column-names", "--raw", "--socket=\(scratch.file(Self.folder + "/s.sock"))",
                "--user=\(Self.admin)", "--database=\(database)",
            ],
            environment: ["MYSQL_PWD": adminPassword], input: sql
        ).run()
    }

    /// Makes a further account with a database of its own, as an Entra administrator would for one more application.
    package func add(account: String, mapping: TokenGate.Mapping, database: String) async throws {
        let statements = [
            "CREATE USER '\(account)'@'%' IDENTIFIED VIA pam USING '\(serviceName)';", "CREATE DATABASE `\(database)`;",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON `\(database)`.* TO '\(account)'@'%';",
        ]
        try await execute(statements.joined(separator: "\n"))
        gate.map(account, to: mapping)
    }

    /// Takes every right from an account, and gives back what it took.
    func setRights(of account: String, taken: Bool) async throws {
        if taken {
            let grants = try await execute("SHOW GRANTS FOR '\(account)'@'%';")
            takenGrants[account] = grants.split(separator: "\n").map { "\($0);" }
            try await execute("REVOKE ALL PRIVILEGES, GRANT OPTION FROM '\(account)'@'%';")
        } else if let grants = takenGrants.removeValue(forKey: account) {
            try await execute(grants.joined(separator: "\n"))
        }
    }

    /// Returns when the server has ended, with its last words: after `stop()`, or because it was stopped or crashed by itself.
    package nonisolated func end() async -> String {
        await supervisor.wait()
        return "MariaDB has ended: \(supervisor.ended ?? "unknown")"
    }

    package func stop() async {
        await supervisor.stop()
        await desk.close()
    }
}
