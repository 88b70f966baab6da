// A real PostgreSQL that lets a principal in only with a valid token.
import Diagnosis
import FoundationEssentials
import Logging
import NIOCore
import NIOPosix

/// The server, its administrator and its way of checking tokens. Everything it writes is in the scratch folder.
package actor PostgresServer {
    package nonisolated let address: String
    package nonisolated let port: Int
    /// How tokens are checked; never `automatic`.
    package nonisolated let tokenCheck: LabOptions.TokenCheck
    /// Why tokens are checked by password although PAM was possible in principle; for people.
    package nonisolated let notice: String?
    package nonisolated let gate: TokenGate

    private let installation: PostgresInstallation
    private nonisolated let scratch: Scratch
    private nonisolated let supervisor: Supervisor
    private let desk: Listener?
    private let adminPassword: String
    /// In the mode `password`: what each role's password was last set to. Needed again after a role was renamed.
    private var passwords: [String: Secret<String>] = [:]

    static let folder = "pg"
    static let admin = "lab_admin"

    /// Initialises, configures and starts a server, and returns when it accepts connections and its databases are made.
    static func start(
        options: LabOptions, scratch: Scratch, block: LoopbackBlock, certificates: ServerCertificates, gate: TokenGate, logger: Logger
    ) async throws -> PostgresServer {
        let installation = try await PostgresInstallation.find()
        let account = try Account.running("PostgreSQL", as: "postgres", package: "postgresql")
        guard options.tokenCheck != .pam || Account.isRoot else {
            throw LabError(
                "Token checks through PAM need root, for a file in /etc/pam.d. Use the token check \"password\", or start the lab as root.")
        }
        let adminPassword = Base64URL.encode((0..<18).map { _ in UInt8.random(in: .min ... .max) })
        try scratch.makeFolder(folder, mode: 0o700)
        let files = [
            ("admin.pw", adminPassword, 0o600), ("server.crt", certificates.good.certificates.joined(), 0o600),
            ("server.key", certificates.good.key, 0o600),
        ]
        for (name, text, mode) in files { try scratch.write(text, to: "\(folder)/\(name)", mode: mode) }

        var service: PamService?
        var notice: String?
        var desk: Listener?
        if Account.isRoot, options.tokenCheck != .password {
            let socket = scratch.file(folder + "/gate.sock")
            do {
                service = try await PamService.install(in: scratch, folder: folder, socket: socket)
            } catch {
                guard options.tokenCheck == .automatic else { throw error }
                notice = "Tokens are checked as passwords: \(error)"
            }
            if service != nil { desk = try await gate.listen(on: socket) }
        }
        do {
            if let account {
                var given = ["", "/admin.pw", "/server.crt", "/server.key"]
                if desk != nil { given.append("/gate.sock") }
                for name in given { try scratch.give(folder + name, to: account) }
            }
            return try await PostgresServer(
                options: options, installation: installation, scratch: scratch, block: block, gate: gate, service: service, notice: notice,
                desk: desk,
                adminPassword: adminPassword)
        } catch {
            if let service { try? FileManager.default.removeItem(atPath: service.file) }
            await desk?.close()
            throw error
        }
    }

    private init(
        options: LabOptions, installation: PostgresInstallation, scratch: Scratch, block: LoopbackBlock, gate: TokenGate,
        service: PamService?, notice: String?, desk: Listener?, adminPassword: String
    ) async throws {
        let account = Account.isRoot ? "postgres" : nil
        let data = scratch.file(Self.folder + "/data")
        let asServer = account.map { ["setpriv", "--reuid", $0, "--regid", $0, "--init-groups", "--"] } ?? []
        let initdb =
            asServer + [
                installation.program("initdb"), "--pgdata", data, "--username", Self.admin, "--pwfile",
                scratch.file(Self.folder + "/admin.pw"), "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync",
                "--no-instructions",
            ]
        try await Command(program: initdb[0], arguments: Array(initdb.dropFirst())).run()
        try scratch.write(Self.access(service: service, block: block), to: Self.folder + "/pg_hba.conf", mode: 0o644)

        // The port is chosen by the kernel and free again at once. Nobody else uses this address, so nobody takes it in between.
        let trial = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: block.postgres, port: 0).get()
        let port = trial.localAddress?.port ?? 0
        try await trial.close().get()

        let log = scratch.file(Self.folder + "/log")
        let settings = [
            "listen_addresses": block.postgres, "port": String(port), "unix_socket_directories": scratch.file(Self.folder),
            "unix_socket_permissions": "0700", "hba_file": scratch.file(Self.folder + "/pg_hba.conf"),
            "max_connections": String(options.maxConnections), "ssl": "on", "ssl_cert_file": scratch.file(Self.folder + "/server.crt"),
            "ssl_key_file": scratch.file(Self.folder + "/server.key"), "ssl_min_protocol_version": "TLSv1.2",
            // A role's password is a token of some kilobytes in the mode `password`; MD5 costs the server next to nothing per login.
            "password_encryption": service == nil ? "md5" : "scram-sha-256",
            // Nothing is worth keeping, and nothing is left in /dev/shm when the machine or the lab is killed.
            "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": "0",
            "autovacuum": "off", "jit": "off", "shared_buffers": "16MB", "dynamic_shared_memory_type": "mmap",
            "authentication_timeout": "60s", "log_line_prefix": "%m [%p] %u@%d %h ", "log_timezone": "UTC", "TimeZone": "UTC",
        ]
        let supervisor = Supervisor(
            program: installation.program("postgres"),
            arguments: ["-D", data] + settings.sorted { $0.key < $1.key }.flatMap { ["-c", "\($0.key)=\($0.value)"] },
            account: account, log: log, litter: (service.map { [$0.file] } ?? []) + [scratch.path])

        self.address = block.postgres
        self.port = port
        self.tokenCheck = service == nil ? .password : .pam
        self.notice = notice
        self.gate = gate
        self.installation = installation
        self.scratch = scratch
        self.supervisor = supervisor
        self.desk = desk
        self.adminPassword = adminPassword
        do {
            try await waitUntilReady(pidFile: data + "/postmaster.pid", log: log)
            try await execute(PostgresSchema.script(roles: gate), in: "postgres")
        } catch {
            await supervisor.stop()
            throw error
        }
    }

    /// Line 8 of the pid file is `ready` once connections are accepted. Source: PostgreSQL, `pidfile.h`.
    private func waitUntilReady(pidFile: String, log: String) async throws {
        let deadline = Deadline.in(.seconds(60))
        while !deadline.isPassed {
            if let ended = supervisor.ended { throw LabError("PostgreSQL ended while starting: \(ended)") }
            if let text = try? String(contentsOfFile: pidFile, encoding: .utf8) {
                let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
                if lines.count >= 8, lines[7].hasPrefix("ready") { return }
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw LabError("PostgreSQL did not start within a minute: \(Self.tail(of: log))")
    }

    private static func tail(of log: String) -> String {
        String(((try? String(contentsOfFile: log, encoding: .utf8)) ?? "no log").suffix(2_000))
    }

    /// What the server wrote about itself and its refusals.
    package nonisolated var log: String {
        (try? String(contentsOfFile: scratch.file(Self.folder + "/log"), encoding: .utf8)) ?? ""
    }

    /// Runs statements as the administrator, over the socket in the scratch folder.
    @discardableResult
    package func execute(_ sql: String, in database: String = "postgres") async throws -> String {
        try await Command(
            program: installation.program("psql"),
            arguments: ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--file", "-"],
            environment: [
                "PGHOST": scratch.file(Self.folder), "PGPORT": String(port), "PGUSER": Self.admin, "PGPASSWORD": adminPassword,
                "PGDATABASE": database, "PGOPTIONS": "-c client_min_messages=warning", "PGAPPNAME": "agent-lab",
            ], input: sql
        ).run()
    }

    /// Adds a role as an administrator of Azure would make it for a principal, with a database of its own.
    package func add(role: String, mapping: TokenGate.Mapping, database: String) async throws {
        try await execute("CREATE ROLE \"\(role)\" LOGIN IN ROLE entra_principals;\nCREATE DATABASE \"\(database)\" OWNER shop_owner;")
        gate.map(role, to: mapping)
    }

    /// In the mode `password`: makes `token` what opens the roles of its principal. The last token issued counts, and only that one.
    func admit(_ issued: TokenIssuer.Issued) async throws {
        guard tokenCheck == .password else { return }
        let roles = gate.roles(of: issued.principal)
        for role in roles { passwords[role] = issued.token }
        try await restorePasswords(of: roles)
    }

    /// Sets the passwords of roles again, for example after a rename, which drops them.
    func restorePasswords(of roles: [String]) async throws {
        let statements = roles.compactMap { role in
            passwords[role]?.reveal { token in
                """
                DO $lab$ BEGIN
                    IF EXISTS (SELECT FROM pg_roles WHERE rolname = '\(role)') THEN ALTER ROLE "\(role)" PASSWORD '\(token)'; END IF;
                END $lab$;
                """
            }
        }
        if !statements.isEmpty { try await execute(statements.joined(separator: "\n")) }
    }

    /// Returns when the server has ended, with its last words: after `stop()`, or because it was stopped or crashed by itself.
    package nonisolated func end() async -> String {
        await supervisor.wait()
        return "PostgreSQL has ended: \(supervisor.ended ?? "unknown")"
    }

    package func stop() async {
        await supervisor.stop()
        await desk?.close()
    }
}
