// Causes of what a PostgreSQL server says, at connect and at query. Source: fact sheet "PostgreSQL probe", sections 3, 4, 5 and 15.
// The SQLSTATE decides; only class 28, and codes that say too little, are decided by the text. Texts come translated and reworded.

extension Classifier {
    /// An error that the server, or a pooler before it, sent.
    /// - Parameters:
    ///   - sqlState: five characters; nil when the text came without.
    ///   - text: the message with its details and hints, without severity and location.
    package static func postgres(sqlState: String?, text: String, phase: Phase, context: PostgresContext) -> Failure {
        let evidence = Evidence(.sqlstate, code: sqlState, text: text)
        // PgBouncer repeats the last error of its own login; what it repeats is the error. Once: a peer must not choose the depth.
        guard let inner = ForeignText(text).rest(after: "cached error: ") else {
            return decided(sqlState: sqlState, text: text, evidence, phase, context)
        }
        let message = serverMessage(in: inner)
        let failure = decided(sqlState: message.sqlState, text: withoutSuffix(message.text), evidence, phase, context)
        guard failure.cause == .unclassified else { return failure }
        return Failure(
            .serverUnavailable, during: phase, certainty: .likely, detail: "The pooler answers, but cannot log in to the server behind it.",
            evidence: [evidence])
    }

    private static func decided(
        sqlState: String?, text: String, _ evidence: Evidence, _ phase: Phase, _ context: PostgresContext
    ) -> Failure {
        // What is quoted is a name, and a name may read like a message.
        let message = ForeignText(withoutNames(text, [context.user, context.database]))
        if let sqlState, let row = codeRow(sqlState, phase: phase) {
            return Failure(row.cause, during: phase, certainty: row.certainty, detail: detail(of: row, context), evidence: [evidence])
        }
        if let row = textRows.first(where: { message.matchesAny($0.patterns) }) {
            return failure(of: row, message, evidence, phase, context)
        }
        switch sqlState {
        case "28P01": return refusal(.loginPrincipalUnknown, evidence, phase, context)
        case let code? where code.hasPrefix("28"): return refusal(.loginRefused, evidence, phase, context)
        case "42501" where phase == .login:
            return Failure(.databaseAccessDenied, during: phase, certainty: .likely, evidence: [evidence])
        case "42501": return Failure(.privilegeMissing, during: phase, evidence: [evidence])
        case "08P01" where phase == .login && context.exceedsTokenLimit:
            return Failure(.tokenTooLarge, during: phase, certainty: .likely, evidence: [evidence])
        case .some where phase == .query || phase == .privileges: return Failure(.queryFailed, during: phase, evidence: [evidence])
        default: return Failure(.unclassified, during: phase, evidence: [evidence])
        }
    }

    // MARK: codes

    private struct CodeRow {
        var cause: Cause
        var certainty: Failure.Certainty = .certain
        var detail: String?
    }

    /// Codes that need no text. Before the login is complete some of them mean something else than after it.
    private static func codeRow(_ sqlState: String, phase: Phase) -> CodeRow? {
        let isSession = phase == .query || phase == .privileges
        return switch sqlState {
        case "3D000": CodeRow(cause: .databaseUnknown)
        case "55000" where !isSession:
            CodeRow(cause: .databaseAccessDenied, detail: "The database takes no connections at present.")
        case "53300": CodeRow(cause: .connectionLimit)
        case "53100": CodeRow(cause: .databaseReadOnly, detail: "The server's disk is full.")
        case "53200": CodeRow(cause: .serviceThrottled, detail: "The server is out of memory.")
        case "53400", "53000": CodeRow(cause: .serviceThrottled)
        case "57P03": CodeRow(cause: .serverUnavailable)
        case "57P01", "57P02": CodeRow(cause: isSession ? .connectionLost : .serverUnavailable)
        case "57P04": CodeRow(cause: .databaseUnknown, detail: "The database was dropped under the session.")
        case "57P05", "25P03": CodeRow(cause: .connectionLost, detail: "The server ended an idle session.")
        case "57014": CodeRow(cause: .queryTimeout)
        case "55P03": CodeRow(cause: .queryTimeout, detail: "A lock was not to be had in time.")
        case "25006": CodeRow(cause: .databaseReadOnly)
        case "08000", "08001", "08003", "08004", "08006":
            CodeRow(cause: isSession ? .connectionLost : .serverUnavailable, certainty: .likely)
        case "42704" where !isSession: CodeRow(cause: .configInvalid, detail: "The server does not know an option of the connection.")
        case "0A000" where !isSession: CodeRow(cause: .protocolViolation, certainty: .likely)
        case "0LP01": CodeRow(cause: .serverIdentityGraph)
        default: nil
        }
    }

    private static func detail(of row: CodeRow, _ context: PostgresContext) -> String? {
        if row.cause == .connectionLimit, !context.usedPassword {
            return "The server was full before it looked at the token, so the token was not tested."
        }
        return row.detail
    }

    // MARK: texts

    /// First hit wins, so the particular stands before the general. Both generations of Microsoft's wording are covered
    /// by leaving out what changed.
    private static let textRows: [ServerTextRow] = [
        // Entra, about the token.
        ServerTextRow("access token has expired", cause: .tokenExpired),
        ServerTextRow("valid audience claim", cause: .tokenWrongAudience),
        ServerTextRow("valid for this server's tenant", "valid for this servers tenant", cause: .tokenWrongTenant),
        ServerTextRow("contain group id", cause: .tokenGroupsStale),
        ServerTextRow(
            "user token for role*is neither an aad_auth_tokentype", cause: .loginTokenType,
            detail: "The role is mapped to a user; the token is an application's or a managed identity's."),
        ServerTextRow(
            "service principals*generate aad_auth_tokentype", cause: .loginTokenType,
            detail: "The role is mapped to an application or managed identity; the token is a user's."),
        ServerTextRow("aad_auth_tokentype", cause: .loginTokenType),
        ServerTextRow("valid oid claim", cause: .loginTokenType, detail: "The token is of a kind that names no object."),
        ServerTextRow("access token*valid for role", cause: .loginIdentityRecreated, certainty: .likely, isVague: true),
        ServerTextRow(
            "validating the access token", cause: .loginRefused, detail: "The server could not validate the token.", isVague: true),
        // Entra, about the server.
        ServerTextRow(
            "name is not found in the tenant", "name isn't found in the tenant", "trying to validate user", cause: .serverIdentityGraph),
        ServerTextRow("\"pgaadauth\" is not loaded", "pgaadauth*not loaded", cause: .entraAuthDisabled),
        // Refusals of PostgreSQL itself.
        ServerTextRow(
            "pg_hba.conf*no encryption", "pg_hba.conf*ssl off", "ssl connection is required", cause: .tlsNotNegotiated,
            detail: "The server wants TLS and saw a connection without it: something between agent and server ends TLS."),
        ServerTextRow("pg_hba.conf", cause: .firewallDenied),
        ServerTextRow("configured to allow ipv6 connections", cause: .firewallDenied, detail: "The server takes no IPv6 connections."),
        ServerTextRow("not permitted to log in", cause: .loginDisabled),
        ServerTextRow("invalid username specified", "the server name you tried", cause: .loginNameInvalid),
        ServerTextRow("empty password returned by client", "no password supplied", cause: .tokenNotSent),
        ServerTextRow("pam authentication failed", "ldap authentication failed", "pam-auth", cause: .loginRefused, isVague: true),
        // PgBouncer.
        ServerTextRow("password too long", cause: .tokenTooLarge),
        ServerTextRow("client sent partial pkt in startup phase", cause: .tokenTooLarge, certainty: .likely),
        ServerTextRow("username too long", cause: .loginNameInvalid, detail: "The pooler takes names of fewer than 128 bytes."),
        ServerTextRow("ssl required", cause: .tlsNotNegotiated, detail: "The pooler wants TLS and saw a connection without it."),
        ServerTextRow("no such database", cause: .databaseUnknown),
        ServerTextRow("no such user", cause: .loginPrincipalUnknown, certainty: .likely, isVague: true),
        ServerTextRow("no more connections allowed", "client connections exceeded", cause: .connectionLimit, detail: "The pooler is full."),
        ServerTextRow(
            "query_wait_timeout", cause: .connectionLimit, certainty: .likely,
            detail: "The pooler found no free connection to the server in time."),
        ServerTextRow(
            "unsupported startup parameter", cause: .configInvalid, detail: "The pooler does not pass an option of the connection on."),
        ServerTextRow(
            "cannot connect to server", "server login has been failing", "bouncer config error", "server_login_retry",
            cause: .serverUnavailable, certainty: .likely, detail: "The pooler answers, the server behind it does not."),
        // Codes that say too little without their text.
        ServerTextRow("permission denied for database", "connect privilege", cause: .databaseAccessDenied),
        ServerTextRow(
            "permission denied to set parameter", cause: .configInvalid, detail: "The server refuses an option of the connection."),
        ServerTextRow("role*does not exist", cause: .loginPrincipalUnknown),
        ServerTextRow("password authentication failed", cause: .loginPrincipalUnknown, certainty: .likely, isVague: true),
        // Texts that come without their code, through a pooler.
        ServerTextRow("the database system is", cause: .serverUnavailable),
        ServerTextRow("too many clients", "too many connections for", "remaining connection slots", cause: .connectionLimit),
        ServerTextRow("database*does not exist", cause: .databaseUnknown),
        ServerTextRow("statement timeout", cause: .queryTimeout),
        ServerTextRow("terminating connection", cause: .serverUnavailable, certainty: .likely),
    ]

    private static func failure(
        of row: ServerTextRow, _ message: ForeignText, _ evidence: Evidence, _ phase: Phase, _ context: PostgresContext
    ) -> Failure {
        if row.isVague { return refusal(row.cause, detail: row.detail, certainty: row.certainty, evidence, phase, context) }
        var failure = Failure(row.cause, during: phase, certainty: row.certainty, detail: row.detail, evidence: [evidence])
        switch row.cause {
        case .firewallDenied:
            guard let address = clientAddress(in: message) else { break }
            failure.values["client_ip"] = address
            failure.detail = row.detail ?? "The server saw this client as \(address)."
        case .tokenWrongTenant:
            guard let tenant = message.guid(after: "tenant") else { break }
            failure.values["required_tenant"] = tenant
            failure.detail = "The server wants a token of tenant \(tenant)\(context.claims?.tenant.map { ", this one is of \($0)" } ?? "")."
        case .tokenGroupsStale:
            let group = message.guid(after: "group id")
            failure.values["group_id"] = group
            if context.claims?.groupOverage == true {
                failure.detail = "The token leaves its groups out because there are too many of them."
            } else if let group {
                failure.detail = "The role is mapped to group \(group), which the token does not carry."
            }
        case .tokenTooLarge:
            if let length = context.tokenLength { failure.detail = "The token has \(length) bytes." }
        case .tokenNotSent where context.isOwnProbe:
            // Our own login without a token is our own fault.
            failure.cause = .probeInternal
        case .databaseAccessDenied, .loginDisabled, .loginTokenType: failure = refined(failure, by: context.prediction)
        default: break
        }
        return failure
    }

    /// A refusal whose wording leaves the reason open: the claims may tell it, else what is known is said.
    private static func refusal(
        _ cause: Cause, detail: String? = nil, certainty: Failure.Certainty = .likely, _ evidence: Evidence, _ phase: Phase,
        _ context: PostgresContext
    ) -> Failure {
        let failure = Failure(
            cause, during: phase, certainty: cause == .loginRefused ? .certain : certainty, detail: detail, evidence: [evidence])
        if let prediction = context.prediction ?? context.claims.flatMap({ untimely($0, now: context.now) }) {
            return refined(failure, by: prediction)
        }
        if cause == .loginPrincipalUnknown, let legacy = legacyName(context.user, host: context.host, phase, evidence) { return legacy }
        return failure
    }

    /// A login name that ends in the name of the very server. - Returns: nil for every other name.
    static func legacyName(_ user: String, host: String?, _ phase: Phase, _ evidence: Evidence) -> Failure? {
        guard let server = host?.prefix(while: { $0 != "." }), !server.isEmpty, user.lowercased().hasSuffix("@" + server.lowercased())
        else { return nil }
        return Failure(
            .loginNameInvalid, during: phase, certainty: .likely,
            detail:
                "The name carries the server's name behind an @, as the retired single server wanted it; this server wants \(user.dropLast(server.count + 1)).",
            evidence: [evidence])
    }

    // MARK: reading

    /// The client's address in the text of `pg_hba.conf`; the words around it may be in any language, the quotes of any kind.
    static func clientAddress(in message: ForeignText) -> String? {
        func isPart(_ byte: UInt8) -> Bool {
            ForeignText.isHexDigit(byte) || (0x41...0x46).contains(byte) || byte == 0x2E || byte == 0x3A
        }
        var candidate: [UInt8] = []
        for byte in message.bytes + [0x20] {
            if isPart(byte) {
                candidate.append(byte)
                continue
            }
            let dots = candidate.count { $0 == 0x2E }
            let colons = candidate.count { $0 == 0x3A }
            if candidate.count >= 3,
                (dots == 3 && colons == 0 && candidate.count >= 7 && candidate.count <= 15) || (colons >= 2 && candidate.count <= 45)
            {
                return String(decoding: candidate, as: UTF8.self)
            }
            candidate.removeAll(keepingCapacity: true)
        }
        return nil
    }

    /// `text` with each name in quotes blanked.
    /// - Parameter quotes: PostgreSQL's, in the languages it speaks.
    static func withoutNames(
        _ text: String, _ names: [String],
        quotes: [(open: String, close: String)] = [("\"", "\""), ("»", "«"), ("«", "»"), ("[", "]"), ("“", "”"), ("„", "“")]
    ) -> String {
        let bytes = Array(text.utf8.prefix(ForeignText.limit))
        var kept = bytes
        for name in names where !name.isEmpty {
            for (open, close) in quotes {
                let needle = Array((open + name + close).utf8)
                let blank = Array((open + "…" + close).utf8)
                var index = 0
                while index + needle.count <= kept.count {
                    if kept[index] == needle[0], kept[index..<index + needle.count].elementsEqual(needle) {
                        kept.replaceSubrange(index..<index + needle.count, with: blank)
                        index += blank.count
                    } else {
                        index += 1
                    }
                }
            }
        }
        return String(decoding: kept, as: UTF8.self)
    }

    /// PgBouncer's own remark behind a cached error.
    private static func withoutSuffix(_ text: String) -> String {
        let mark = " (server_login_retry)"
        return text.hasSuffix(mark) ? String(text.dropLast(mark.count)) : text
    }
}
