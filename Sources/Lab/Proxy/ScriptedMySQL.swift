// A MySQL 8 that follows a script: behind real TLS, with the sentences of Azure's service, and with misbehaviour no real server shows.
import Diagnosis
import NIOSSL

/// Plays the server's side of one connection for a fault.
struct ScriptedMySQL {
    var fault: Fault
    var value: Int
    var tls: NIOSSLContext
    /// Called once TLS is on the way: what is received from then on is decrypted.
    var tlsIsUp: () -> Void

    static let version = "8.0.42-azure"

    func play(on connection: Connection) async throws {
        typealias P = MySQLPacket
        switch fault {
        case .silentAfterAccept: return try await connection.drain()
        case .notMySQL: return try await connection.refuse(Array("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n".utf8))
        case .plaintextServer: return try await playInTheClear(on: connection)
        case .mysqlGreetingGarbage: return try await connection.refuse(P.packet(0, [10] + [UInt8](repeating: 0xA5, count: 40)))
        case .mysqlGreetingOld:
            return try await connection.ask(P.packet(0, [9] + P.text("3.23.58") + P.long(7) + P.text("aBcDeFgH")))
        case .mysqlGreetingEndless:
            // A header that promises nearly 16 MiB, and the bytes to it, packet after packet.
            while true {
                try await connection.write(P.header(0, length: 0xFF_FFFF))
                for _ in 0..<256 { try await connection.write([UInt8](repeating: 0x41, count: 65_536)) }
            }
        default: break
        }
        if let refusal = Self.greetings[fault] { return try await connection.refuse(P.error(0, refusal.code, nil, refusal.text)) }
        var greeting = P.greeting(version: fault == .mysqlEight ? "8.4.5" : Self.version)
        // An answer of its own before the client has said a word: nothing of it may count once TLS is up.
        if fault == .stuffedBeforeTLS { greeting += P.ok(2) }
        try await FirstPacketGate.close(connection.channel, andSay: greeting)
        guard let request = try await packet(from: connection) else { return }
        guard request.content.count == 32 else {
            // A client that goes on without TLS has already given away what it had.
            return try await connection.refuse(
                P.error(
                    2, 3159, "HY000", "Connections using insecure transport are prohibited while --require_secure_transport=ON."))
        }
        switch fault {
        case .tlsHandshakeStalled:
            try await FirstPacketGate.open(connection.channel, to: nil)
            return try await connection.drain()
        case .tlsHandshakeCut:
            try await FirstPacketGate.open(connection.channel, to: nil)
            return try await connection.end()
        case .mysqlTLSRefused:
            try await FirstPacketGate.open(connection.channel, to: nil)
            return try await connection.refuse(P.error(2, 1043, "08S01", "Bad handshake"))
        default: try await FirstPacketGate.open(connection.channel, to: tls)
        }
        tlsIsUp()
        if fault == .startupSilent { return try await connection.drain() }
        // A client that refuses the certificate never gets further than this read.
        guard let answer = try await packet(from: connection), let login = MySQLLogin(answer.content) else { return }
        try await self.login(on: connection, login)
    }

    /// Asks for the token without TLS: a client that answers has given it away.
    private func playInTheClear(on connection: Connection) async throws {
        typealias P = MySQLPacket
        try await connection.write(
            P.greeting(version: Self.version, plugin: Self.clear, capabilities: P.Capability.mysql8 & ~P.Capability.ssl))
        guard try await packet(from: connection) != nil else { return }
        try await connection.write(P.authSwitch(2, to: Self.clear))
        guard try await packet(from: connection) != nil else { return }
        try await connection.refuse(P.error(4, 1045, "28000", "Access denied for user 'unknown'@'127.0.0.1' (using password: YES)"))
    }

    private func login(on connection: Connection, _ login: MySQLLogin) async throws {
        typealias P = MySQLPacket
        switch fault {
        case .mysqlNativeAsked: return try await connection.ask(P.authSwitch(3, to: "mysql_native_password", data: Self.nonce))
        case .mysqlSHA2Asked: return try await connection.ask(P.authSwitch(3, to: "caching_sha2_password", data: Self.nonce))
        case .mysqlDialogAsked: return try await connection.ask(P.authSwitch(3, to: "dialog", data: [2] + Array("Password: ".utf8)))
        case .unknownAuthAsked: return try await connection.ask(P.authSwitch(3, to: "../../tmp/evil"))
        case .garbageLength:
            return try await connection.ask(P.header(3, length: min(value, 0xFF_FFFF)) + [UInt8](repeating: 0x41, count: 64))
        case .hugeMessage:
            // The longest packet there is, and the whole of it.
            try await connection.write(P.header(3, length: min(value, 0xFF_FFFF)) + [0xFF] + P.short(1045) + Array("#28000".utf8))
            let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 65_536)
            for _ in 0..<(value / piece.count) { try await connection.write(piece) }
            return try await connection.drain()
        case .garbageMessage: return try await connection.ask(P.packet(3, [0x7E, 1, 2, 3, 4]))
        default: break
        }
        var number: UInt8 = 3
        if login.plugin != Self.clear || login.token.isEmpty {
            try await connection.write(P.authSwitch(number, to: Self.clear))
            guard let answer = try await packet(from: connection) else { return }
            number = answer.number &+ 1
        }
        if let refusal = Self.refusals[fault] {
            return try await connection.refuse(P.error(number, refusal.code, refusal.sqlState, refusal.text(login.user)))
        }
        switch fault {
        case .badText: return try await connection.refuse(P.packet(number, [0xFF] + P.short(1045) + Array("#28000".utf8) + Self.badText))
        case .loginSilent: return try await connection.drain()
        case .loginCut: return try await connection.end()
        default: break
        }
        try await connection.write(P.ok(number))
        try await session(on: connection, login)
    }

    /// After a successful login: answers statements until the client goes.
    private func session(on connection: Connection, _ login: MySQLLogin) async throws {
        typealias P = MySQLPacket
        var patience: Duration?
        while let (_, content) = try await packet(from: connection) {
            // 1 is the client's goodbye, 3 a statement; anything else is answered like a ping.
            guard let command = content.first, command != 1 else { return }
            let statement = String(decoding: content.dropFirst(), as: UTF8.self)
            guard command == 3, !statement.lowercased().hasPrefix("set") else {
                patience = Self.limit(in: statement.lowercased()) ?? patience
                try await connection.write(P.ok(1))
                continue
            }
            patience = Self.limit(in: statement.lowercased()) ?? patience
            switch fault {
            case .queryCut: return try await connection.end()
            case .mysqlIdle:
                return try await connection.refuse(
                    P.error(
                        1, 4031, "HY000",
                        "The client was disconnected by the server because of inactivity. See wait_timeout and interactive_timeout for "
                            + "configuring this behavior."))
            case .querySlow:
                guard let patience else { return try await connection.drain() }
                try await Task.sleep(for: patience)
                try await connection.write(
                    P.error(1, 3024, "HY000", "Query execution was interrupted, maximum statement execution time exceeded"))
            case .querySilent: return try await connection.drain()
            case .mysqlQueryFailed:
                try await connection.write(
                    P.error(1, 1449, "HY000", "The user specified as a definer ('gone'@'%') does not exist"))
            case .endlessColumns:
                // As many as one byte more than a small number can say, with names that libraries keep.
                try await connection.write(P.packet(1, [0xFC, 0xFF, 0xFF]))
                let name = String(repeating: "c", count: 40)
                let column = ["def", "", "", "", name, name].flatMap { P.counted(Array($0.utf8)) }
                for number in 0..<0xFFFF {
                    try await connection.write(
                        P.packet(
                            UInt8(truncatingIfNeeded: number + 2),
                            column + [12] + P.short(255) + P.long(64) + [0xFD] + P.short(0) + [0, 0, 0]))
                }
                return try await connection.drain()
            case .mysqlLocalFile:
                // Asks for a file of the client's instead of answering; what comes is recorded.
                try await connection.write(P.packet(1, [0xFB] + Array("/etc/passwd".utf8)))
                while let piece = try await packet(from: connection), !piece.content.isEmpty {}
                try await connection.write(P.ok(3))
            case .mysqlRowGarbage:
                // A row whose only value claims to be longer than its packet.
                let (head, next) = P.columns(["filler"], client: login.capabilities)
                try await connection.ask(head + P.packet(next, [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0x41]))
            case .mysqlBigPackets: try await pour(connection, login, rowLength: 0xFF_FFFF)
            case .endlessRows: try await pour(connection, login, rowLength: 200)
            default:
                let answer =
                    MySQLRights(login.user).answer(to: statement) ?? MySQLAnswers(login: login, version: "8.4.5").answer(to: statement)
                switch answer {
                case .rows(let names, let rows): try await connection.write(P.result(names, rows, client: login.capabilities))
                case .error(let code, let state, let text): try await connection.write(P.error(1, code, state, text))
                }
            }
        }
    }

    /// Rows without end, for any statement.
    private func pour(_ connection: Connection, _ login: MySQLLogin, rowLength: Int) async throws {
        typealias P = MySQLPacket
        let (head, first) = P.columns(["filler"], client: login.capabilities)
        try await connection.write(head)
        var number = first
        let value = [UInt8](repeating: 0x78, count: min(rowLength, 65_536))
        while true {
            try await connection.write(
                P.header(number, length: rowLength)
                    + (rowLength < 251 ? [UInt8(rowLength - 1)] : [0xFD] + [0xFB, 0xFF, 0xFF]))
            var left = rowLength - (rowLength < 251 ? 1 : 4)
            while left > 0 {
                try await connection.write(value.prefix(left))
                left -= min(left, value.count)
            }
            number &+= 1
        }
    }

    private func packet(from connection: Connection) async throws -> (number: UInt8, content: [UInt8])? {
        guard let head = try await connection.read(4) else { return nil }
        let count = Int(head[0]) | Int(head[1]) << 8 | Int(head[2]) << 16
        guard count <= 1_048_576, let content = try await connection.read(count) else { return nil }
        return (head[3], content)
    }

    /// The limit of a statement's time in `max_execution_time=5000`, in milliseconds, or `max_statement_time=5`, in seconds.
    private static func limit(in text: String) -> Duration? {
        for (name, unit) in [("max_execution_time", 1.0), ("max_statement_time", 1_000.0)] {
            guard let range = text.firstRange(of: name) else { continue }
            let digits = text[range.upperBound...].drop { !$0.isNumber }.prefix { $0.isNumber || $0 == "." }
            if let number = Double(digits) { return .milliseconds(Int(number * unit)) }
        }
        return nil
    }

    /// Lone continuation bytes, an overlong slash, half a surrogate, escapes, a bell, and bytes behind the end.
    private static let badText: [UInt8] = [
        0x80, 0xBF, 0xC0, 0xAF, 0xED, 0xA0, 0x80, 0xFF, 0x1B, 0x5B, 0x32, 0x4A, 0x07, 0x0D, 0x0A, 0xF4, 0x90, 0x80, 0x80, 0, 0xFF,
    ]

    private static let clear = "mysql_clear_password"
    private static let nonce = Array("0123456789abcdefghij".utf8)

    /// What comes instead of a greeting, before TLS. **Source**: MySQL 8 error reference; Azure's single server and gateway for 9000.
    private static let greetings: [Fault: (code: Int, text: String)] = [
        .tooManyClients: (1040, "Too many connections"),
        .hbaRefused: (1130, "Host '203.0.113.9' is not allowed to connect to this MySQL server"),
        .mysqlHostBlocked: (
            1129, "Host '203.0.113.9' is blocked because of many connection errors; unblock with 'mysqladmin flush-hosts'"
        ),
        .mysqlFirewall: (9000, "Client with IP address '203.0.113.9' is not allowed to connect to this MySQL server."),
        .mysqlStopped: (1042, "The server 'stock' is currently stopped. Start it and try again."),
    ]

    private typealias Refusal = (code: Int, sqlState: String, text: @Sendable (String) -> String)

    /// What comes after the token. **Source**: fact sheet "MySQL probe", sections 3 and 4: reports of Azure's texts, the MySQL 8 error
    /// reference for the rest. Where nobody has reported the number of a text, it is MySQL's for an unknown error: the text has to do.
    private static let refusals: [Fault: Refusal] = [
        .identityRecreated: (
            1105, "HY000", { "Azure AD access token is not valid for user '\($0)' with OID '00000000-dead-4000-8000-000000000002'." }
        ),
        .mysqlTokenNotForUser: (1105, "HY000", { "Azure AD access token is not valid for user '\($0)'" }),
        .mysqlTokenRejected: (1105, "HY000", { "An error occurred while validating access token of user '\($0)'." }),
        .mysqlServerIdentity: (
            1105, "HY000",
            { "Azure AD endpoint cannot be reached with the managed identity of the server to look up user '\($0)'." }
        ),
        .mysqlUserLookup: (9_102, "HY000", { "An unexpected error occurred while trying to validate user '\($0)'." }),
        .mysqlEntraOnly: (9_107, "HY000", { _ in "Only Microsoft Entra ID accounts are allowed to connect to server" }),
        .mysqlPluginMissing: (1524, "HY000", { _ in "Plugin 'aad_auth' is not loaded" }),
        .mysqlDenied: (1045, "28000", { "Access denied for user '\($0)'@'203.0.113.9' (using password: YES)" }),
        .mysqlDeniedEmpty: (1045, "28000", { "Access denied for user '\($0)'@'203.0.113.9' (using password: NO)" }),
        .mysqlDeniedByPlugin: (1698, "28000", { "Access denied for user '\($0)'@'203.0.113.9'" }),
        .mysqlOldClient: (
            1251, "08004",
            { _ in "Client does not support authentication protocol requested by server; consider upgrading MySQL client" }
        ),
        .mysqlAccountLocked: (3118, "HY000", { "Access denied for user '\($0)'@'203.0.113.9'. Account is locked." }),
        .mysqlAccountBlocked: (
            3955, "HY000",
            {
                "Access denied for user '\($0)'@'203.0.113.9'. Account is blocked for 2 day(s) (2 day(s) remaining) due to 3 consecutive "
                    + "failed logins."
            }
        ),
        .mysqlPasswordExpired: (
            1862, "HY000",
            { _ in "Your password has expired. To log in you must change it using a client that supports expired passwords." }
        ),
        .mysqlInsecureTransport: (
            3159, "HY000", { _ in "Connections using insecure transport are prohibited while --require_secure_transport=ON." }
        ),
        .mysqlSSLRequired: (9_002, "28000", { _ in "SSL connection is required. Please specify SSL options and retry." }),
        .mysqlShutdown: (1053, "08S01", { _ in "Server shutdown in progress" }),
        .mysqlOffline: (3032, "HY000", { _ in "The server is currently in offline mode" }),
        .mysqlUserConnections: (1203, "42000", { "User \($0) already has more than 'max_user_connections' active connections" }),
        .mysqlUserLimit: (
            1226, "42000", { "User '\($0)' has exceeded the 'max_connections_per_hour' resource (current value: 100)" }
        ),
        .mysqlOutOfMemory: (1041, "HY000", { _ in "Out of memory." }),
        .mysqlServerName: (
            9_009, "28000", { _ in "The server name you tried cannot be found. Please use the correct name and retry." }
        ),
    ]
}
