// A PostgreSQL that follows a script: behind real TLS, with the sentences of Azure's extension, and with misbehaviour no real server shows.
import Diagnosis
import NIOSSL

/// Plays the server's side of one connection for a fault.
struct ScriptedPostgres {
    var fault: Fault
    var value: Int
    var tls: NIOSSLContext
    /// Called once TLS is on the way: what is received from then on is decrypted.
    var tlsIsUp: () -> Void

    /// **Shape** of the first message: length 8, code 80877103. Source: PostgreSQL, SSLRequest.
    static let sslRequest: [UInt8] = [0, 0, 0, 8, 4, 210, 22, 47]

    func play(on connection: Connection) async throws {
        if fault == .silentAfterAccept { return try await connection.drain() }
        guard let first = try await connection.read(8) else { return }
        if fault == .notPostgres {
            let page = "<html><body>400 Bad Request</body></html>"
            try await connection.write(
                "HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: \(page.utf8.count)\r\n\r\n\(page)")
            return try await connection.end()
        }
        guard first == Self.sslRequest else {
            // As a server with `require_secure_transport`: no line of pg_hba.conf matches.
            try await connection.write(
                PostgresMessage.error(
                    "28000", "no pg_hba.conf entry for host \"127.0.0.1\", user \"unknown\", database \"unknown\", no encryption"))
            return try await connection.end()
        }
        switch fault {
        case .plaintextServer: return try await playInTheClear(on: connection)
        case .tlsHandshakeStalled:
            try await connection.write("S")
            return try await connection.drain()
        case .tlsHandshakeCut:
            try await connection.write("S")
            guard try await connection.next() != nil else { return }
            return try await connection.end()
        case .stuffedBeforeTLS:
            try await connection.startTLS(
                tls, after: [UInt8(ascii: "S")] + PostgresMessage.error("28000", "stuffed by somebody in the middle"))
        default: try await connection.startTLS(tls, after: [UInt8(ascii: "S")])
        }
        tlsIsUp()
        // A client that refuses the certificate never gets further than this read.
        guard let length = try await connection.read(4) else { return }
        let count = length.reduce(0) { $0 << 8 | Int($1) } - 4
        guard (4...10_000).contains(count), let startup = try await connection.read(count) else { return }
        try await login(on: connection, startup: Startup(startup))
    }

    /// Asks for the token without TLS: a client that answers has given it away.
    private func playInTheClear(on connection: Connection) async throws {
        try await connection.write("N")
        guard let length = try await connection.read(4) else { return }
        let count = length.reduce(0) { $0 << 8 | Int($1) } - 4
        guard (4...10_000).contains(count), try await connection.read(count) != nil else { return }
        try await connection.write(PostgresMessage.authentication(3))
        _ = try await message(from: connection)
        try await connection.write(PostgresMessage.error("28P01", "password authentication failed"))
        try await connection.end()
    }

    private func login(on connection: Connection, startup: Startup) async throws {
        typealias M = PostgresMessage
        switch fault {
        case .startupSilent: return try await connection.drain()
        case .serverStarting: return try await connection.refuse(M.error("57P03", "the database system is starting up"))
        case .serverStopping: return try await connection.refuse(M.error("57P03", "the database system is shutting down"))
        case .tooManyClients: return try await connection.refuse(M.error("53300", "sorry, too many clients already"))
        case .md5Asked: return try await connection.ask(M.authentication(5, [1, 2, 3, 4]))
        case .gssAsked: return try await connection.ask(M.authentication(7))
        case .unknownAuthAsked: return try await connection.ask(M.authentication(77))
        case .garbageLength: return try await connection.ask([UInt8(ascii: "R")] + M.number(UInt32(truncatingIfNeeded: value)))
        case .hugeMessage:
            try await connection.write([UInt8(ascii: "E")] + M.number(UInt32(truncatingIfNeeded: value)))
            // The fields of an error, the last of which does not end.
            let piece = Array("SFATAL\0VFATAL\0C28000\0M".utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: 65_536)
            for _ in 0..<(value / piece.count) { try await connection.write(piece) }
            return try await connection.drain()
        case .garbageMessage: return try await connection.ask(M.message("~", [1, 2, 3, 4]))
        default: break
        }
        try await connection.write(M.authentication(3))
        guard let answer = try await message(from: connection), answer.type == UInt8(ascii: "p") else { return }
        if let refusal = Self.refusals[fault] {
            return try await connection.refuse(M.error(refusal.sqlState, refusal.text(startup.user), hint: refusal.hint))
        }
        switch fault {
        case .badText: return try await connection.refuse(M.badText)
        case .loginSilent: try await connection.drain()
        case .loginCut: try await connection.end()
        case .endlessNotices:
            try await connection.write(M.authentication(0))
            while true { try await connection.write(M.notice(String(repeating: "Nothing happened, again. ", count: 40))) }
        default:
            try await connection.write(M.welcome)
            try await session(on: connection, startup: startup)
        }
    }

    /// After a successful login: answers statements until the client goes.
    private func session(on connection: Connection, startup: Startup) async throws {
        typealias M = PostgresMessage
        var patience = startup.statementTimeout
        while let (type, content) = try await message(from: connection) {
            let isSimple = type == UInt8(ascii: "Q")
            guard isSimple || type == UInt8(ascii: "S") else {
                if type == UInt8(ascii: "X") { return }
                continue
            }
            let statement = String(decoding: content, as: UTF8.self).lowercased()
            if isSimple, statement.hasPrefix("set") || statement.hasPrefix("begin") {
                patience = Startup.timeout(in: statement) ?? patience
                try await connection.write(M.complete(statement.hasPrefix("set") ? "SET" : "BEGIN") + M.ready)
                continue
            }
            switch fault {
            case .queryCut:
                return try await connection.refuse(M.error("57P01", "terminating connection due to administrator command"))
            case .querySilent: return try await connection.drain()
            case .querySlow:
                guard let patience else { return try await connection.drain() }
                try await Task.sleep(for: patience)
                try await connection.write(M.error("57014", "canceling statement due to statement timeout", severity: "ERROR") + M.ready)
            case .endlessColumns:
                try await connection.write((isSimple ? [] : M.message("1", []) + M.message("2", [])) + M.wideRowDescription)
                return try await connection.drain()
            default:
                // ParseComplete and BindComplete first where the client used the extended protocol.
                try await connection.write((isSimple ? [] : M.message("1", []) + M.message("2", [])) + M.rowDescription)
                let rows = Array(repeatElement(M.row(String(repeating: "x", count: 200)), count: 50).joined())
                while true { try await connection.write(rows) }
            }
        }
    }

    private func message(from connection: Connection) async throws -> (type: UInt8, content: [UInt8])? {
        guard let head = try await connection.read(5) else { return nil }
        let count = head.dropFirst().reduce(0) { $0 << 8 | Int($1) } - 4
        guard (0...1_048_576).contains(count), let content = try await connection.read(count) else { return nil }
        return (head[0], content)
    }

    /// The sentences of Azure's extension. **Source**: reports and Microsoft's troubleshooting page; the SQLSTATE is confirmed for the
    /// token type only.
    private static let refusals: [Fault: (sqlState: String, text: @Sendable (String) -> String, hint: String?)] = [
        .tokenExpired: ("28000", { _ in "The access token has expired. Please acquire a new token and retry." }, nil),
        .tokenWrongAudience: (
            "28000",
            { _ in
                "The access token does not have a valid audience claim. "
                    + "Please acquire a new token for the resource \"https://ossrdbms-aad.database.windows.net\"."
            }, nil
        ),
        .tokenWrongTenant: (
            "28000",
            { _ in "The access token isn't valid for this server's tenant. Acquire a new token for tenant \(Principal.foreignTenant)." },
            nil
        ),
        .tokenGroupMissing: (
            "28000", { "Azure AD access token not valid for role \($0) (does not contain group ID \(Principal.readersGroup))" },
            "Did you specify the correct user name and access token?"
        ),
        .tokenType: (
            "28000",
            {
                "Microsoft Entra user token for role \"\($0)\" "
                    + "is neither an AAD_AUTH_TOKENTYPE_APP_USER or an AAD_AUTH_TOKENTYPE_APP_OBO token."
            },
            nil
        ),
        .identityRecreated: (
            "28000", { "Azure AD access token not valid for role \($0) (object ID does not match)" },
            "Did you specify the correct user name and access token?"
        ),
    ]
}

/// What a client says about itself in its first message.
struct Startup: Sendable {
    var parameters: [String: String] = [:]

    /// **Shape**: protocol number, then names and values, each ended by a zero byte.
    init(_ bytes: [UInt8]) {
        let texts = bytes.dropFirst(4).split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        var index = 0
        while index + 1 < texts.count, !texts[index].isEmpty {
            parameters[texts[index]] = texts[index + 1]
            index += 2
        }
    }

    var user: String { parameters["user"] ?? "" }

    var statementTimeout: Duration? {
        parameters["statement_timeout"].flatMap { Self.duration($0) } ?? parameters["options"].flatMap { Self.timeout(in: $0.lowercased()) }
    }

    /// The time in `statement_timeout=5000`, `statement_timeout = '5s'`, `statement_timeout to 5000`.
    static func timeout(in text: String) -> Duration? {
        guard let range = text.firstRange(of: "statement_timeout") else { return nil }
        return duration(String(text[range.upperBound...].drop { !$0.isNumber }))
    }

    private static func duration(_ text: String) -> Duration? {
        guard let number = Int(text.prefix { $0.isNumber }) else { return nil }
        let unit = text.drop { $0.isNumber }.drop { $0 == " " }
        return unit.hasPrefix("s") ? .seconds(number) : unit.hasPrefix("min") ? .seconds(60 * number) : .milliseconds(number)
    }
}
