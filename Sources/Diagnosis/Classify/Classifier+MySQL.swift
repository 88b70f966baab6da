// Causes of what a MySQL or MariaDB server says, and Azure in its place. Source: fact sheet "MySQL probe", sections 3, 4 and 5.
// Azure's texts come first, because their numbers are not certain; every other error is decided by its number, whatever language it speaks.

extension Classifier {
    /// An error that the server, or libmariadb, reported.
    /// - Parameters:
    ///   - number: the server's from 1000 on; 2000 to 2999 and 5000 to 5999 are the library's own.
    ///   - phase: how far the connection had got.
    package static func mysql(number: Int, sqlState: String? = nil, text: String, phase: Phase, context: MySQLContext) -> Failure {
        // A refusal before TLS arrives wrapped, with the true number inside the text. Once: a peer must not choose the depth.
        if let (inner, said) = wrapped(text) {
            var failure = decided(
                number: inner, text: said, Evidence(.mysql, code: inner, text: said), phase == .tls ? .negotiate : phase, context)
            failure.evidence.append(Evidence(.agent, text: "said before TLS, so nobody vouches for it"))
            return failure
        }
        if (2000..<3000).contains(number) || (5000..<6000).contains(number) {
            return libmariadb(number: number, text: text, phase: phase, context: context)
        }
        return decided(number: number, text: text, Evidence(.mysql, code: number, text: text), phase, context)
    }

    /// The server asked for a password plugin instead of the token, and got an answer without any.
    /// - Parameter number: what it said to that; nil when it let the user in.
    package static func mysqlOtherPlugin(
        _ plugin: String, number: Int?, sqlState: String? = nil, text: String?, phase: Phase, context: MySQLContext
    ) -> Failure {
        let asked = Evidence(.agent, text: "the server asked for \(plugin); the token was not sent")
        if let number, let text, (1000..<2000).contains(number) || number >= 3000, number != 5010 {
            var failure = mysql(number: number, sqlState: sqlState, text: text, phase: phase, context: context)
            failure.evidence.append(asked)
            // What it asks of a name that it does not know as well as of a local account: it does not tell which.
            if failure.cause == .loginPrincipalUnknown {
                failure.detail =
                    "The server asks \(context.user) for a password (\(plugin)), as it does for names that it does not know and for local accounts."
            }
            return failure
        }
        var failure = Failure(
            .authMethodUnexpected, during: phase,
            detail: number == nil
                ? "The server let \(context.user) in without a password (\(plugin)), so the token was not tested."
                : "The server asks for \(plugin) instead of the token in clear text inside TLS; the token was not sent.", evidence: [asked])
        if let text { failure.evidence.append(Evidence(.libmariadb, code: number.map(String.init), text: text)) }
        return failure
    }

    /// The server took the token, and then asked for a password plugin all the same, which got an answer without any.
    /// - Parameter number: what it said to that; nil when it let the user in.
    package static func mysqlTurnedAway(
        _ plugin: String, number: Int?, sqlState: String? = nil, text: String?, phase: Phase, context: MySQLContext
    ) -> Failure {
        let asked = Evidence(.agent, text: "the server got the token and then asked for \(plugin)")
        if let number, let text, number != 5010, !(2000..<3000).contains(number) {
            var failure = mysql(number: number, sqlState: sqlState, text: text, phase: phase, context: context)
            failure.evidence.append(asked)
            return failure
        }
        var failure = Failure(
            .authMethodUnexpected, during: phase,
            detail: number == nil
                ? "The server got the token and then let \(context.user) in without a password (\(plugin)): it was not the token that opened the account."
                : "The server got the token and then asked for \(plugin): the token did not open the account.", evidence: [asked])
        if let text { failure.evidence.append(Evidence(.libmariadb, code: number.map(String.init), text: text)) }
        return failure
    }

    /// `Received error packet before completion of TLS handshake. … cannot be verified: 1040 - Too many connections`.
    private static func wrapped(_ text: String) -> (number: Int, text: String)? {
        guard let inner = ForeignText(text).rest(after: "error packet before completion of tls handshake") else { return nil }
        guard let said = ForeignTextSplit.after(": ", in: inner), let dash = ForeignTextSplit.after(" - ", in: said),
            let number = Int(said.prefix { $0.isNumber }), number > 0
        else { return nil }
        return (number, dash)
    }

    private static func decided(number: Int, text: String, _ evidence: Evidence, _ phase: Phase, _ context: MySQLContext) -> Failure {
        // What is quoted is a name, and a name may read like a message.
        let message = ForeignText(withoutNames(text, [context.user, context.database], quotes: [("'", "'"), ("`", "`")]))
        if let row = mysqlTextRows.first(where: { message.matchesAny($0.patterns) }) {
            return failure(of: row, message, evidence, phase, context)
        }
        let isSession = phase == .query || phase == .privileges
        // Two say 1042: a gateway of Azure of a server that is stopped, and MySQL itself, with "hostname" in most of its languages.
        if number == 1042, message.matches("hostname") {
            return Failure(
                .serverUnavailable, during: phase, certainty: .likely,
                detail: "The server could not look up a name for this host's address: mend its DNS, or switch skip_name_resolve on.",
                evidence: [evidence])
        }
        guard let row = numberRow(number, isSession: isSession) else {
            if number == 1045 || number == 1698 { return accessDenied(message, evidence, phase, context) }
            return Failure(isSession ? .queryFailed : .unclassified, during: phase, evidence: [evidence])
        }
        switch row.cause {
        case .connectionLimit where !context.sentToken && !isSession:
            return Failure(
                .connectionLimit, during: phase, detail: "The server was full before it looked at the token, so the token was not tested.",
                evidence: [evidence])
        case .connectionLost where !isSession: return closed(phase: phase, evidence: evidence)
        default:
            var failure = Failure(row.cause, during: row.phase ?? phase, certainty: row.certainty, detail: row.detail, evidence: [evidence])
            if row.cause == .firewallDenied { take(clientAddress(in: message), into: &failure) }
            return failure
        }
    }

    // MARK: numbers

    private struct NumberRow {
        var cause: Cause
        var certainty: Failure.Certainty = .certain
        var detail: String?
        /// Where this belongs; nil when the caller knows.
        var phase: Phase?
    }

    private static func numberRow(_ number: Int, isSession: Bool) -> NumberRow? {
        switch number {
        case 1040: NumberRow(cause: .connectionLimit)
        case 1203, 1226: NumberRow(cause: .connectionLimit, detail: "The limit is the account's own.")
        case 1041: NumberRow(cause: .serviceThrottled, detail: "The server is out of memory.")
        case 1042: NumberRow(cause: .serverStopped, certainty: .likely)
        case 1043: NumberRow(cause: .protocolViolation, certainty: .likely, detail: "The server did not understand the login.")
        case 1044:
            NumberRow(
                cause: .databaseAccessDenied,
                detail: "The login itself works: the database is closed to it, or does not exist, which MySQL does not tell apart.",
                phase: isSession ? nil : .login)
        case 1049: NumberRow(cause: .databaseUnknown)
        case 1053: NumberRow(cause: isSession ? .connectionLost : .serverUnavailable)
        case 3032: NumberRow(cause: .serverUnavailable, detail: "The server is in offline mode.")
        case 1129: NumberRow(cause: .clientBlocked, detail: "The server blocks this host because of unfinished connections.")
        case 3955: NumberRow(cause: .clientBlocked, detail: "The account is blocked for a time because of failed logins.")
        case 1130: NumberRow(cause: .firewallDenied, detail: "No account of the server may come from this host.")
        case 9000: NumberRow(cause: .firewallDenied)
        case 1142, 1143, 1227, 1370: NumberRow(cause: .privilegeMissing)
        case 1152, 1158, 1159, 1160, 1161, 4031: NumberRow(cause: .connectionLost)
        case 1184:
            NumberRow(cause: .connectionLost, detail: "The server ended the session as it began: look at its parameter init_connect.")
        case 1153: NumberRow(cause: .protocolViolation, certainty: .likely, detail: "The server calls a packet of the probe too large.")
        case 1205: NumberRow(cause: .queryTimeout, detail: "A lock was not to be had in time.")
        case 1317, 1969, 3024: NumberRow(cause: .queryTimeout)
        case 1290, 1836: NumberRow(cause: .databaseReadOnly)
        case 1021, 1114: NumberRow(cause: .databaseReadOnly, detail: "The server's disk is full.")
        case 1792: NumberRow(cause: .probeInternal, detail: "The probe tried to write in its own read-only session.")
        case 1820, 1862: NumberRow(cause: .loginDisabled, detail: "The account's password has expired.", phase: .login)
        case 3118, 4151: NumberRow(cause: .loginDisabled, detail: "The account is locked.")
        case 1251: NumberRow(cause: .authMethodUnexpected)
        case 1524: NumberRow(cause: .entraAuthDisabled, detail: "The account wants a plugin that the server does not have.")
        case 3159, 9002:
            NumberRow(
                cause: .tlsNotNegotiated,
                detail: "The server wants TLS and saw a connection without it: something between agent and server ends TLS.")
        case 3948: NumberRow(cause: .protocolViolation, detail: "The server speaks of files that were never offered.")
        case 9009: NumberRow(cause: .loginNameInvalid, phase: .login)
        case 9102: NumberRow(cause: .serverIdentityGraph)
        case 9107: NumberRow(cause: .nativeLoginDisabled)
        default: nil
        }
    }

    // MARK: texts

    /// Azure's own, whose numbers are not certain. First hit wins; both generations of Microsoft's wording are covered by leaving out what
    /// changed.
    private static let mysqlTextRows: [ServerTextRow] = [
        ServerTextRow("access token is not valid for user", cause: .loginIdentityRecreated, certainty: .likely, isVague: true),
        ServerTextRow("access token has expired", "access token is expired", cause: .tokenExpired),
        ServerTextRow("trying to validate user", cause: .serverIdentityGraph),
        ServerTextRow(
            "validating access token", "validating the access token", "validate access token", "validate the access token",
            cause: .loginRefused, detail: "The server could not validate the token.", isVague: true),
        ServerTextRow(
            "azure ad endpoint", "microsoft graph", "managed identity", cause: .serverIdentityGraph, certainty: .likely,
            detail: "The server's own identity cannot ask Entra."),
        ServerTextRow(
            "only azure active directory*accounts are allowed", "only microsoft entra*accounts are allowed", cause: .nativeLoginDisabled),
        ServerTextRow("is currently stopped", cause: .serverStopped),
        ServerTextRow("client with ip address*is not allowed to connect", cause: .firewallDenied),
        ServerTextRow(
            "is not allowed to connect to this", cause: .firewallDenied, detail: "No account of the server may come from this host."),
        ServerTextRow(
            "ssl connection is required", "insecure transport are prohibited", cause: .tlsNotNegotiated,
            detail: "The server wants TLS and saw a connection without it: something between agent and server ends TLS."),
        ServerTextRow("the server name you tried", "invalid username specified", cause: .loginNameInvalid),
        ServerTextRow("is blocked because of many connection errors", cause: .clientBlocked),
        ServerTextRow(
            "account is blocked for", cause: .clientBlocked, detail: "The account is blocked for a time because of failed logins."),
    ]

    private static func failure(
        of row: ServerTextRow, _ message: ForeignText, _ evidence: Evidence, _ phase: Phase, _ context: MySQLContext
    ) -> Failure {
        var failure = Failure(row.cause, during: phase, certainty: row.certainty, detail: row.detail, evidence: [evidence])
        switch row.cause {
        case .firewallDenied: take(clientAddress(in: message), into: &failure)
        case .loginIdentityRecreated:
            guard context.prediction == nil, untimely(context) == nil else { break }
            return otherPrincipal(message, failure, context)
        default: break
        }
        guard row.isVague else { return failure }
        return refined(failure, by: context.prediction ?? untimely(context))
    }

    /// The token is a good one of somebody else. The id that the server names tells whose, where it names one.
    private static func otherPrincipal(_ message: ForeignText, _ failure: Failure, _ context: MySQLContext) -> Failure {
        var failure = failure
        if context.claims?.groupOverage == true {
            failure.cause = .tokenGroupsStale
            failure.detail = "The token leaves its groups out because there are too many of them; \(context.user) may be a group."
            return failure
        }
        let seen = message.guid(after: "oid")
        switch (seen, context.claims) {
        case (let seen?, let claims?) where seen == claims.objectID?.lowercased() && claims.principal != .user:
            failure.detail =
                "The account \(context.user) was made with the identity's object id; MySQL wants the client id (application id) of an application."
        case (let seen?, let claims?):
            failure.detail =
                "The account \(context.user) is not that of the token, which is of \(claims.appID ?? claims.objectID ?? "nobody known"); the server names \(seen)."
        default:
            failure.detail =
                "The account \(context.user) belongs to another object than the token: made with the object id where the client id is wanted,"
                + " made for an identity that was deleted since, or a group that the token does not carry."
        }
        return failure
    }

    /// 1045 says too little: the claims, the form of the name, or what was not sent may tell more.
    private static func accessDenied(_ message: ForeignText, _ evidence: Evidence, _ phase: Phase, _ context: MySQLContext) -> Failure {
        // A probe knows itself what it sent. MariaDB says "NO" of every password that a PAM module took.
        if message.matches("using password: no"), !context.isOwnProbe {
            return Failure(.tokenNotSent, during: phase, evidence: [evidence])
        }
        let failure = Failure(
            .loginPrincipalUnknown, during: phase, certainty: .likely,
            detail:
                "MySQL answers so to a name that it does not know, that is spelt otherwise or is local, and to a group's member under the own name.",
            evidence: [evidence])
        if context.sentToken, let prediction = context.prediction ?? untimely(context) { return refined(failure, by: prediction) }
        if context.user.count > MySQLContext.nameLimit {
            return Failure(
                .loginNameInvalid, during: phase, certainty: .likely,
                detail:
                    "The name has \(context.user.count) characters; MySQL knows names of \(MySQLContext.nameLimit) and wants an alias for longer ones.",
                evidence: [evidence])
        }
        return legacyName(context.user, host: context.host, phase, evidence) ?? failure
    }

    private static func untimely(_ context: MySQLContext) -> Failure? { context.claims.flatMap { untimely($0, now: context.now) } }

    private static func take(_ address: String?, into failure: inout Failure) {
        guard let address else { return }
        failure.values["client_ip"] = address
        failure.detail = failure.detail ?? "The server saw this client as \(address)."
    }
}
