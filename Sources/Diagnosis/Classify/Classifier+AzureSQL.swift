// Causes of what SQL Server and Azure SQL's gateway say. Source: fact sheet "TDS", section 6; "Failure causes" D to I, N and O.
// The number decides, then the text, then the state: most states are not documented and only ever add a word.

extension Classifier {
    /// The errors of one answer, in the server's order.
    ///
    /// - Parameter phase: how far the connection had got.
    package static func azureSQL(_ errors: [AzureSQLError], phase: Phase, context: AzureSQLContext) -> Failure {
        guard let telling = mostTelling(errors) else {
            return Failure(.protocolViolation, during: phase, detail: "The server refuses without saying why.")
        }
        var failure = decided(telling, phase, context)
        // What was said besides belongs to the evidence: 18456 behind 4060, the informational 40608 before a refusal.
        failure.evidence += errors.filter { $0 != telling }.prefix(3).map(\.evidence)
        return failure
    }

    /// The most specific of several errors: "login failed" comes last, the complaint about our own message just before it.
    package static func mostTelling(_ errors: [AzureSQLError]) -> AzureSQLError? {
        let errors = errors.contains { $0.level > 10 } ? errors.filter { $0.level > 10 } : errors
        return errors.enumerated().min { (rank($0.element), $0.offset) < (rank($1.element), $1.offset) }?.element
    }

    /// How much an error tells; the least first. A server tells several and 18456 last, which says least.
    /// **Source**: python-tds, of 4060 before 18456.
    private static func rank(_ error: AzureSQLError) -> Int {
        if let place = ranked.firstIndex(of: error.number) { return place }
        return switch error.number {
        case 18456, 40697: ranked.count + 3
        case 33000..<34000: ranked.count + 2
        default: numberRow(error.number, isSession: false) == nil ? ranked.count + 1 : ranked.count
        }
    }

    private static let ranked = [
        47073, 47072, 40615, 40914, 40635, 40892, 40624, 42119, 42108, 42109, 40613, 40532, 40501, 10928, 10929, 10936, 10930, 49918, 49919,
        49920, 40197, 40020, 40143, 40166, 40540, 4060, 4064, 916,
    ]

    private static func decided(_ error: AzureSQLError, _ phase: Phase, _ context: AzureSQLContext) -> Failure {
        let isSession = phase == .query || phase == .privileges
        let message = ForeignText(error.text)
        switch error.number {
        case 18456, 40697: return refusedLogin(error, message, phase, context)
        case 40613: return unavailable(error, phase, context)
        // Source: Microsoft Learn, errors 10928 and 10929. Of these two only the first is a limit that was reached.
        case 10928, 10929, 10936:
            let isSessions = resource(in: message).map { $0 == 2 } ?? message.matches("session")
            let what = isSessions ? "sessions" : "workers"
            return Failure(
                isSessions ? .connectionLimit : .serviceThrottled, during: phase,
                detail: error.number == 10929
                    ? "The database uses all \(what) that it is guaranteed, and the server is too busy to give it more."
                    : "The limit of \(what) of the database or its elastic pool is reached.", evidence: [error.evidence])
        default: break
        }
        guard let row = numberRow(error.number, isSession: isSession) else {
            if let row = azureTextRows.first(where: { message.matchesAny($0.patterns) }) {
                return Failure(row.cause, during: phase, certainty: .likely, detail: row.detail, evidence: [error.evidence])
            }
            return Failure(isSession ? .queryFailed : .unclassified, during: phase, evidence: [error.evidence])
        }
        var failure = Failure(
            row.cause, during: phase, certainty: row.certainty, detail: row.detail, evidence: [error.evidence])
        if let address = clientAddress(in: message) {
            failure.values["client_ip"] = address
            if row.cause == .firewallDenied { failure.detail = "The server saw this client as \(address)." }
        }
        return failure
    }

    /// The number behind "Resource ID", where the text has one: 1 is workers, 2 is sessions.
    private static func resource(in message: ForeignText) -> Int? {
        let text = String(decoding: message.folded, as: UTF8.self)
        guard let name = text.firstRange(of: "resource id") else { return nil }
        let rest = text[name.upperBound...].drop { $0 == " " || $0 == ":" }
        return Int(rest.prefix { $0.isNumber })
    }

    // MARK: 18456

    /// The number of every refused login. **Source**: Microsoft Learn, MSSQLSERVER_18456; of the states, reports in public issues.
    private static func refusedLogin(
        _ error: AzureSQLError, _ message: ForeignText, _ phase: Phase, _ context: AzureSQLContext
    ) -> Failure {
        let said = Evidence(.tds, code: error.number, text: error.evidence.text)
        func failure(_ cause: Cause, _ certainty: Failure.Certainty = .certain, _ detail: String? = nil) -> Failure {
            Failure(cause, during: phase, certainty: certainty, detail: detail, evidence: [said])
        }
        if message.matches("token is expired") || error.state == 233 { return failure(.tokenExpired) }
        if message.matches("not currently configured to accept this token") || error.state == 235 {
            return notAccepted(failure, said, phase, context)
        }
        if message.matches("incorrect or invalid token") {
            let refused = failure(
                .tokenWrongAudience, .likely, "The server cannot make sense of the token; as a rule it is one for another resource.")
            guard let prediction = context.prediction ?? context.claims.flatMap({ untimely($0, now: context.now) }) else {
                // A token that fits by all that can be read of it was refused for something else.
                guard context.claims?.audience == nil else {
                    return failure(.loginRefused, .likely, "The server cannot validate the token, which is for the right resource.")
                }
                return refused
            }
            return refined(failure(.loginRefused), by: prediction)
        }
        if message.matches("only authentication is enabled") { return failure(.nativeLoginDisabled) }
        if message.matches("for user ''") || message.matches("anonymous logon") {
            guard context.sentToken else { return failure(.tokenNotSent) }
            return failure(.probeInternal, .likely, "The token was sent, and the server says that the login came without one.")
        }
        if message.matches("account is disabled") { return failure(.loginDisabled) }
        if error.state == 113 { return failure(.clientBlocked, .likely, "The server guards itself against too many failed logins.") }
        if (122...124).contains(error.state) { return failure(context.sentToken ? .probeInternal : .tokenNotSent, .likely) }
        if [38, 46, 126].contains(error.state) { return failure(.databaseUnknown, .likely) }
        if [102...111, 132...133].contains(where: { $0.contains(error.state) }) {
            return refined(failure(.loginRefused, .likely, "Entra authentication failed on the server's side."), by: context.prediction)
        }
        guard message.matches("token-identified principal") || error.state == 1 || error.number == 40697 else {
            return refined(failure(.loginRefused), by: context.prediction)
        }
        if let wrong = wrongTenant(failure, context) { return wrong }
        if let recreated = recreated(failure, context) { return recreated }
        if context.claims?.groupOverage == true {
            return failure(
                .tokenGroupsStale, .likely, "The token leaves its groups out because there are too many; the user may be a group's.")
        }
        return refined(
            failure(
                .loginPrincipalUnknown, .likely,
                "The token is a good one, and the database \(context.database) has no user for it: never made, made in another database, "
                    + "or made for an identity of the same name that was deleted since."), by: context.prediction)
    }

    /// State 235: another tenant's token, or a server without Entra administrator. The tenant that the server names tells which.
    private static func notAccepted(
        _ failure: (Cause, Failure.Certainty, String?) -> Failure, _ said: Evidence, _ phase: Phase, _ context: AzureSQLContext
    ) -> Failure {
        if let wrong = wrongTenant(failure, context) { return wrong }
        if let required = tenant(context.requiredTenant), required == tenant(context.claims?.tenant) {
            return failure(
                .entraAuthDisabled, .likely, "The token is of the server's own tenant, so the server has no Entra administrator.")
        }
        if let prediction = context.prediction { return refined(failure(.loginRefused, .certain, nil), by: prediction) }
        return failure(
            .tokenWrongTenant, .likely,
            "The token\(context.claims?.tenant.map { " of the tenant \($0)" } ?? "") is not accepted: another tenant than the server's, "
                + "or the server has no Entra administrator.")
    }

    /// The server names another tenant than the token's.
    private static func wrongTenant(
        _ failure: (Cause, Failure.Certainty, String?) -> Failure, _ context: AzureSQLContext
    ) -> Failure? {
        guard let required = tenant(context.requiredTenant), let own = tenant(context.claims?.tenant), required != own else { return nil }
        // What the server names is where it looks for tokens, and not in every cloud surely its only tenant.
        var wrong = failure(.tokenWrongTenant, .likely, "The server takes tokens of the tenant \(required), this one is of \(own).")
        wrong.values["required_tenant"] = required
        return wrong
    }

    /// A tenant as a GUID. `common`, `organizations` and domain names cannot be compared.
    private static func tenant(_ text: String?) -> String? {
        guard let text = text?.lowercased() else { return nil }
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return parts.map(\.count) == [8, 4, 4, 4, 12] && parts.allSatisfy { $0.allSatisfy(\.isHexDigit) } ? text : nil
    }

    /// The identity has the name that it had when a login last worked, and is another one.
    private static func recreated(
        _ failure: (Cause, Failure.Certainty, String?) -> Failure, _ context: AzureSQLContext
    ) -> Failure? {
        guard let before = context.lastGood, let claims = context.claims else { return nil }
        for (name, was, now) in [("object", before.objectID, claims.objectID), ("application", before.appID, claims.appID)] {
            guard let was, let now, was.lowercased() != now.lowercased() else { continue }
            return failure(
                .loginIdentityRecreated, .likely,
                "When a login last worked the \(name) id of the identity was \(was), now it is \(now); the database knows the former one.")
        }
        return nil
    }

    // MARK: 40613

    /// Asleep or failing over: the number is the same, so only what is known about the database tells.
    private static func unavailable(_ error: AzureSQLError, _ phase: Phase, _ context: AzureSQLContext) -> Failure {
        guard phase == .login else { return Failure(.connectionLost, during: phase, evidence: [error.evidence]) }
        guard context.isServerless else { return Failure(.serverUnavailable, during: phase, evidence: [error.evidence]) }
        let resuming = context.resumingFor ?? .zero
        let isTooSoon = context.idleFor.map { $0 < AzureSQLContext.shortestPauseDelay } ?? false
        if resuming < AzureSQLContext.longestResume, !isTooSoon {
            return Failure(.databaseResuming, during: phase, certainty: .likely, evidence: [error.evidence])
        }
        let detail =
            isTooSoon
            ? "A login worked \(Span.long(context.idleFor ?? .zero)) ago, and a serverless database pauses after "
                + "\(Span.long(AzureSQLContext.shortestPauseDelay)) at the earliest: it is not waking up."
            : "A serverless database wakes within about a minute; this one has not been available for \(Span.long(resuming))."
        return Failure(.serverUnavailable, during: phase, detail: detail, evidence: [error.evidence])
    }

    // MARK: numbers

    private struct AzureRow {
        var cause: Cause
        var certainty: Failure.Certainty = .certain
        var detail: String?
    }

    private static func numberRow(_ number: Int, isSession: Bool) -> AzureRow? {
        switch number {
        case 40615: AzureRow(cause: .firewallDenied)
        case 40914:
            AzureRow(
                cause: .firewallDenied,
                detail: "The client's subnet has the service endpoint of Azure SQL, and the server has no rule for that subnet.")
        case 47073: AzureRow(cause: .publicAccessDisabled)
        case 47072: AzureRow(cause: .tlsProtocolMismatch, detail: "The server demands a newer TLS version than was agreed on.")
        case 40532:
            AzureRow(
                cause: .databaseUnknown, certainty: .likely,
                detail:
                    "The gateway does not know the server's name: an address, an alias or a privatelink name was used, the server is gone, "
                    + "or the subnet has a service endpoint and no rule.")
        case 40635, 40892:
            AzureRow(cause: .clientBlocked, detail: "The server blocks this address for a while after too many failed logins.")
        case 40624: AzureRow(cause: .serverStopped, detail: "The server, or its subscription, is disabled.")
        case 42119:
            AzureRow(cause: .serverStopped, detail: "The free allowance of the month is used up; the database rests until the next.")
        case 42108: AzureRow(cause: .serverStopped, detail: "The SQL pool is paused.")
        case 42109: AzureRow(cause: .databaseResuming, detail: "The SQL pool is warming up.")
        case 40197, 40020, 40143, 40166, 40540, 926, 615, 4221, 6005, 40626, 40627, 64, 121, 233, 10053, 10054, 10060:
            AzureRow(cause: isSession ? .connectionLost : .serverUnavailable)
        case 40501, 49918, 49919, 49920, 40642, 40648, 40675: AzureRow(cause: .serviceThrottled)
        case 40544: AzureRow(cause: .databaseReadOnly, detail: "The database has reached its largest size.")
        case 3906, 978: AzureRow(cause: .databaseReadOnly)
        case 40549, 40550, 40551, 40552, 40553:
            AzureRow(cause: .connectionLost, detail: "The server ended the session because it used too much of something.")
        case 4060:
            AzureRow(
                cause: .databaseUnknown,
                detail: "The database does not exist, or is closed to this login: the server does not tell which.")
        case 4064: AzureRow(cause: .databaseAccessDenied, detail: "The login's default database cannot be opened.")
        case 911: AzureRow(cause: .databaseUnknown)
        case 916: AzureRow(cause: .databaseAccessDenied)
        case 18470: AzureRow(cause: .loginDisabled, detail: "The account is disabled.")
        case 18486: AzureRow(cause: .loginDisabled, detail: "The account is locked.")
        case 18487, 18488: AzureRow(cause: .loginDisabled, detail: "The account's password has expired or must be changed.")
        case 18452: AzureRow(cause: .loginRefused, detail: "The server took the login for one of a Windows domain that it does not trust.")
        case 40607: AzureRow(cause: .authMethodUnexpected, detail: "The server took the login for a Windows login.")
        case 40623: AzureRow(cause: .connectionLost, detail: "The principal was changed or dropped while the session was open.")
        case 37396: AzureRow(cause: .tokenExpired, detail: "The token ended while the session was open.")
        case 33147, 33154, 33156, 17900: AzureRow(cause: .probeInternal, detail: "The server calls the agent's login malformed.")
        case 33155: AzureRow(cause: .probeInternal, detail: "The server waited for a token that the agent had not announced.")
        case 33134: AzureRow(cause: .serverIdentityGraph)
        case 229, 230, 262, 297, 300, 371, 15247: AzureRow(cause: .privilegeMissing)
        case 1222: AzureRow(cause: .queryTimeout, detail: "A lock was not to be had in time.")
        case 3617, -2: AzureRow(cause: .queryTimeout)
        case 596: AzureRow(cause: isSession ? .connectionLost : .serverUnavailable)
        case 1205: AzureRow(cause: .queryFailed, detail: "The server chose the probe's statement to end a deadlock.")
        case 17809, 10930: AzureRow(cause: .connectionLimit)
        default: nil
        }
    }

    // MARK: texts, for numbers that nobody has written down

    private static let azureTextRows: [(patterns: [String], cause: Cause, detail: String?)] = [
        (["is not allowed to access the server"], .firewallDenied, nil),
        (
            ["deny public network access is set to yes", "public network interface on this server is not accessible"],
            .publicAccessDisabled, nil
        ),
        (["is temporarily blocked"], .clientBlocked, nil),
        (["is not currently available"], .serverUnavailable, nil),
        (["invalid tls version"], .tlsProtocolMismatch, nil),
        (["permission was denied"], .privilegeMissing, nil),
    ]
}
