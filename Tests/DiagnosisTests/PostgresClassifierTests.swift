import Testing

@testable import Diagnosis

@Suite struct PostgresClassifierTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var sqlState: String?
        var text: String
        var cause: Cause
        var phase = Phase.login
        var certainty = Failure.Certainty.certain
        var testDescription: String { "\(sqlState ?? "-") \(text)" }

        init(_ sqlState: String?, _ text: String, _ cause: Cause, _ phase: Phase = .login, _ certainty: Failure.Certainty = .certain) {
            (self.sqlState, self.text, self.cause, self.phase, self.certainty) = (sqlState, text, cause, phase, certainty)
        }
    }

    private func classify(_ row: Row, _ context: PostgresContext = Fixture.context()) -> Failure {
        Classifier.postgres(sqlState: row.sqlState, text: row.text, phase: row.phase, context: context)
    }

    static let guid = "0f0e0d0c-0b0a-0908-0706-050403020100"

    @Test(
        "Refusals of Entra's plugin, in both generations of their wording",
        arguments: [
            Row("28000", "The access token has expired. Please acquire a new token and retry.", .tokenExpired),
            Row("28P01", "The access token has expired. Acquire a new token and retry.", .tokenExpired),
            Row(nil, "FATAL: The access token has expired.", .tokenExpired),
            Row(
                "28000",
                "The access token does not have a valid audience claim. Please acquire a new token for the resource \"https://ossrdbms-aad.database.windows.net\".",
                .tokenWrongAudience),
            Row("28000", "The access token doesn't have a valid audience claim.", .tokenWrongAudience),
            Row(
                "28000", "The access token is not valid for this server's tenant. Please acquire a new token for the tenant \(guid).",
                .tokenWrongTenant),
            Row(
                "28000", "The access token isn’t valid for this server’s tenant. Acquire a new token for tenant \(guid)", .tokenWrongTenant),
            Row("28P01", "Azure AD access token not valid for role aad_orders (does not contain group ID \(guid))", .tokenGroupsStale),
            Row(
                "28P01",
                "Microsoft Entra access token isn't valid for role \"aad_orders\" (doesn't contain group ID \(guid)) HINT: Did you specify the correct user name and access token?",
                .tokenGroupsStale),
            Row(
                "28000",
                "Azure AD user token for role[aad_orders] is neither an AAD_AUTH_TOKENTYPE_APP_USER or an AAD_AUTH_TOKENTYPE_APP_OBO token.",
                .loginTokenType),
            Row(
                "28000",
                "Microsoft Entra user token for role \"aad_orders\" is neither an AAD_AUTH_TOKENTYPE_APP_USER or an AAD_AUTH_TOKENTYPE_APP_OBO token.",
                .loginTokenType),
            Row("28000", "Service Principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role[aad_orders]", .loginTokenType),
            Row("28000", "Service principals can't generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role \"aad_orders\"", .loginTokenType),
            Row("28000", "The access token does not contain a valid oid claim.", .loginTokenType),
            Row("28000", "An error occurred while validating the access token. Please acquire a new token and retry.", .loginRefused),
            Row("28P01", "Azure AD access token not valid for role aad_orders", .loginIdentityRecreated, .login, .likely),
            Row("28P01", "Microsoft Entra access token is not valid for role \"aad_orders\"", .loginIdentityRecreated, .login, .likely),
            Row("0LP01", "An unexpected error occurred while trying to validate user app", .serverIdentityGraph),
            Row("XX000", "Could not validate AAD user app because its name is not found in the tenant.", .serverIdentityGraph),
            Row("22023", "security label provider \"pgaadauth\" is not loaded", .entraAuthDisabled),
        ])
    func entra(row: Row) {
        let failure = classify(row)
        #expect(failure.cause == row.cause)
        #expect(failure.certainty == row.certainty)
        #expect(failure.phase == .login)
        #expect(failure.evidence.first?.kind == .sqlstate)
        #expect(failure.evidence.first?.code == row.sqlState)
    }

    @Test(
        "Refusals of PostgreSQL itself at connect",
        arguments: [
            Row("28P01", "password authentication failed for user \"aad_orders\"", .loginPrincipalUnknown, .login, .likely),
            Row("28000", "role \"aad_orders\" does not exist", .loginPrincipalUnknown),
            Row("28000", "role \"aad_orders\" is not permitted to log in", .loginDisabled),
            Row(
                "28000", "no pg_hba.conf entry for host \"203.0.113.9\", user \"aad_orders\", database \"orders\", SSL encryption",
                .firewallDenied),
            Row(
                "28000", "no pg_hba.conf entry for host \"203.0.113.9\", user \"aad_orders\", database \"orders\", SSL on", .firewallDenied),
            Row("28000", "no pg_hba.conf entry for host \"203.0.113.9\", user \"aad_orders\", database \"orders\", SSL", .firewallDenied),
            Row(
                "28000", "no pg_hba.conf entry for host \"203.0.113.9\", user \"aad_orders\", database \"orders\", no encryption",
                .tlsNotNegotiated),
            Row(
                "28000", "no pg_hba.conf entry for host \"203.0.113.9\", user \"aad_orders\", database \"orders\", SSL off",
                .tlsNotNegotiated),
            Row(
                "28000", "pg_hba.conf rejects connection for host \"203.0.113.9\", user \"u\", database \"d\", SSL encryption",
                .firewallDenied),
            Row("28000", "PAM authentication failed for user \"aad_orders\"", .loginRefused),
            Row("28000", "LDAP authentication failed for user \"aad_orders\"", .loginRefused),
            Row("28000", "certificate authentication failed for user \"aad_orders\"", .loginRefused),
            Row("3D000", "database \"orders\" does not exist", .databaseUnknown),
            Row("42501", "permission denied for database \"orders\" DETAIL:  User does not have CONNECT privilege.", .databaseAccessDenied),
            Row("42501", "permission denied to set parameter \"lc_messages\"", .configInvalid),
            Row("42704", "unrecognized configuration parameter \"x\"", .configInvalid),
            Row("55000", "database \"orders\" is not currently accepting connections", .databaseAccessDenied),
            Row("53300", "too many connections for database \"orders\"", .connectionLimit),
            Row("53300", "too many connections for role \"aad_orders\"", .connectionLimit),
            Row("53300", "sorry, too many clients already", .connectionLimit),
            Row("53300", "remaining connection slots are reserved for non-replication superuser connections", .connectionLimit),
            Row("53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute", .connectionLimit),
            Row("53200", "out of memory", .serviceThrottled),
            Row("53100", "could not extend file: No space left on device", .databaseReadOnly),
            Row("57P03", "the database system is starting up", .serverUnavailable),
            Row("57P03", "the database system is shutting down", .serverUnavailable),
            Row("57P03", "the database system is in recovery mode", .serverUnavailable),
            Row("57P03", "the database system is not accepting connections DETAIL:  Hot standby mode is disabled.", .serverUnavailable),
            Row("57P01", "terminating connection due to administrator command", .serverUnavailable),
            Row("08006", "connection failure", .serverUnavailable, .login, .likely),
            Row("28000", "SSL connection is required. Please specify SSL options and retry.", .tlsNotNegotiated),
            Row("28000", "Invalid Username specified. Please check the Username and retry connection.", .loginNameInvalid),
            Row("28000", "Server isn't configured to allow ipv6 connections", .firewallDenied),
            Row("XX000", "something nobody has seen", .unclassified),
            Row(nil, "something nobody has seen", .unclassified),
        ])
    func atConnect(row: Row) {
        let failure = classify(row)
        #expect(failure.cause == row.cause)
        #expect(failure.certainty == row.certainty)
    }

    @Test(
        "What PgBouncer says for itself",
        arguments: [
            Row("08P01", "no such user", .loginPrincipalUnknown, .login, .likely),
            Row("08P01", "password authentication failed", .loginPrincipalUnknown, .login, .likely),
            Row("08P01", "password too long", .tokenTooLarge),
            Row("08P01", "client sent partial pkt in startup phase", .tokenTooLarge, .login, .likely),
            Row("08P01", "username too long", .loginNameInvalid),
            Row("08P01", "SSL required", .tlsNotNegotiated),
            Row("08P01", "no such database: orders", .databaseUnknown),
            Row("53300", "no more connections allowed (max_client_conn)", .connectionLimit),
            Row("08P01", "no more connections allowed (max_client_conn)", .connectionLimit),
            Row("08P01", "client connections exceeded (max_db_client_connections)", .connectionLimit),
            Row("08P01", "query_wait_timeout", .connectionLimit, .login, .likely),
            Row("08P01", "bouncer config error", .serverUnavailable, .login, .likely),
            Row("08P01", "pgbouncer cannot connect to server", .serverUnavailable, .login, .likely),
            Row("08P01", "unsupported startup parameter: search_path", .configInvalid),
            Row("08P01", "unsupported startup parameter in options: statement_timeout", .configInvalid),
            Row(
                "08P01", "server login has been failing, cached error: FATAL: the database system is starting up (server_login_retry)",
                .serverUnavailable),
            Row(
                "08P01", "server login has been failing, cached error: no words known (server_login_retry)", .serverUnavailable, .login,
                .likely),
            Row(
                "08P01",
                "server login has been failing, cached error: password authentication failed for user \"aad_orders\" (server_login_retry)",
                .loginPrincipalUnknown, .login, .likely),
            Row(
                "08P01",
                "server login has been failing, cached error: FATAL: 57P03: the database system is starting up (server_login_retry)",
                .serverUnavailable),
            Row("08P01", "server login has been failing, cached error: The access token has expired. (server_login_retry)", .tokenExpired),
        ])
    func pooler(row: Row) {
        let failure = classify(row, Fixture.context(port: 6432))
        #expect(failure.cause == row.cause)
        #expect(failure.certainty == row.certainty)
        #expect(failure.evidence.count == 1)
        #expect(failure.evidence.first?.text == row.text)
    }

    @Test(
        "After the login the code alone decides",
        arguments: [
            Row("42501", "permission denied for table orders", .privilegeMissing, .query),
            Row("42501", "permission denied for schema public", .privilegeMissing, .query),
            Row("42P01", "relation \"x\" does not exist", .queryFailed, .query),
            Row("42883", "function f() does not exist", .queryFailed, .query),
            Row("3F000", "schema \"s\" does not exist", .queryFailed, .query),
            Row("42704", "role \"x\" does not exist", .loginPrincipalUnknown, .query),
            Row("25006", "cannot execute INSERT in a read-only transaction", .databaseReadOnly, .query),
            Row("57014", "canceling statement due to statement timeout", .queryTimeout, .query),
            Row("57014", "canceling statement due to user request", .queryTimeout, .query),
            Row("55P03", "canceling statement due to lock timeout", .queryTimeout, .query),
            Row("57P01", "terminating connection due to administrator command", .connectionLost, .query),
            Row("57P02", "terminating connection because of crash of another server process", .connectionLost, .query),
            Row("57P03", "cannot connect now", .serverUnavailable, .query),
            Row("57P05", "terminating connection due to idle-session timeout", .connectionLost, .query),
            Row("25P03", "terminating connection due to idle-in-transaction timeout", .connectionLost, .query),
            Row("53300", "too many connections", .connectionLimit, .query), Row("53200", "out of memory", .serviceThrottled, .query),
            Row("53100", "disk full", .databaseReadOnly, .query), Row("53400", "configuration limit exceeded", .serviceThrottled, .query),
            Row("08006", "connection failure", .connectionLost, .query, .likely), Row("08000", "x", .connectionLost, .query, .likely),
            Row("40001", "could not serialize access", .queryFailed, .query), Row("40P01", "deadlock detected", .queryFailed, .query),
            Row("22023", "security label provider \"pgaadauth\" is not loaded", .entraAuthDisabled, .query),
            Row("XX000", "cache lookup failed", .queryFailed, .query),
        ])
    func afterLogin(row: Row) {
        let failure = classify(row)
        #expect(failure.cause == row.cause)
        #expect(failure.certainty == row.certainty)
        #expect(failure.phase == .query)
    }

    @Test(
        "Translated messages are decided by their code",
        arguments: [
            Row("28P01", "Passwort-Authentifizierung für Benutzer »aad_orders« fehlgeschlagen", .loginPrincipalUnknown, .login, .likely),
            Row("28P01", "用户 \"aad_orders\" Password 认证失败", .loginPrincipalUnknown, .login, .likely),
            Row("3D000", "Datenbank »orders« existiert nicht", .databaseUnknown),
            Row("53300", "tut mir leid, schon zu viele Verbindungen", .connectionLimit),
            Row("57P03", "das Datenbanksystem startet", .serverUnavailable),
            Row("42501", "keine Berechtigung für Datenbank »orders«", .databaseAccessDenied, .login, .likely),
            Row("28000", "PAM-Authentifizierung für Benutzer »aad_orders« fehlgeschlagen", .loginRefused),
            Row(
                "28000", "kein pg_hba.conf-Eintrag für Host »203.0.113.9«, Benutzer »u«, Datenbank »d«, SSL-Verschlüsselung",
                .firewallDenied),
            Row("28000", "la autentificación falló", .loginRefused),
        ])
    func translated(row: Row) {
        let failure = classify(row)
        #expect(failure.cause == row.cause)
        #expect(failure.certainty == row.certainty)
    }

    @Test(
        "A name that reads like a message does not decide",
        arguments: [
            "access token has expired", "no pg_hba.conf entry for host", "SSL required", "valid audience claim",
        ])
    func namesAreNotMessages(name: String) {
        let context = Fixture.context(user: name)
        let text = "password authentication failed for user \"\(name)\""
        let failure = Classifier.postgres(sqlState: "28P01", text: text, phase: .login, context: context)
        #expect(failure.cause == .loginPrincipalUnknown)
        let other = Classifier.postgres(sqlState: "3D000", text: "database \"\(name)\" does not exist", phase: .login, context: context)
        #expect(other.cause == .databaseUnknown)
    }

    @Test(
        "The address that the server saw goes into the firewall rule, in any language and family",
        arguments: [
            ("no pg_hba.conf entry for host \"203.0.113.9\", user \"u\", database \"d\", SSL encryption", "203.0.113.9"),
            ("no pg_hba.conf entry for host \"2001:db8::7\", user \"u\", database \"d\", SSL encryption", "2001:db8::7"),
            ("kein pg_hba.conf-Eintrag für Host »203.0.113.9«, Benutzer »u«", "203.0.113.9"),
        ])
    func clientAddress(text: String, address: String) {
        let failure = Classifier.postgres(sqlState: "28000", text: text, phase: .login, context: Fixture.context())
        #expect(failure.values["client_ip"] == address)
    }

    @Test("A firewall message without an address invents none")
    func noAddress() {
        let failure = Classifier.postgres(
            sqlState: "28000", text: "no pg_hba.conf entry for host \"[local]\", user \"dead\", database \"beef.d\", SSL encryption",
            phase: .login,
            context: Fixture.context())
        #expect(failure.cause == .firewallDenied)
        #expect(failure.values["client_ip"] == nil)
    }

    @Test("Tenant and group are taken out of the text")
    func captures() {
        let tenant = Classifier.postgres(
            sqlState: "28000",
            text: "The access token isn't valid for this server's tenant. Acquire a new token for tenant \(Self.guid.uppercased())",
            phase: .login, context: Fixture.context())
        #expect(tenant.values["required_tenant"] == Self.guid)
        let group = Classifier.postgres(
            sqlState: "28000", text: "Azure AD access token not valid for role x (does not contain group ID \(Self.guid))", phase: .login,
            context: Fixture.context())
        #expect(group.values["group_id"] == Self.guid)
        let overage = Classifier.postgres(
            sqlState: "28000", text: "(does not contain group ID \(Self.guid))", phase: .login,
            context: Fixture.context(claims: Fixture.claims(groupOverage: true)))
        #expect(overage.detail?.contains("too many") == true)
    }

    @Test(
        "A refusal that says nothing is explained by the token's own claims",
        arguments: [
            Row("28000", "PAM authentication failed for user \"aad_orders\"", .tokenExpired, .login, .likely),
            Row("28P01", "password authentication failed for user \"aad_orders\"", .tokenExpired, .login, .likely),
            Row("28000", "An error occurred while validating the access token.", .tokenExpired, .login, .likely),
            Row("28000", "PAM-Authentifizierung für Benutzer »aad_orders« fehlgeschlagen", .tokenExpired, .login, .likely),
            Row("28000", "role \"aad_orders\" is not permitted to log in", .loginDisabled),
            Row("53300", "sorry, too many clients already", .connectionLimit),
        ])
    func explainedByClaims(row: Row) {
        let failure = classify(row, Fixture.context(claims: Fixture.claims(expires: noon + .seconds(-40))))
        #expect(failure.cause == row.cause)
        #expect(failure.certainty == row.certainty)
        #expect(failure.phase == .login)
        if row.cause == .tokenExpired { #expect(failure.evidence.map(\.kind) == [.sqlstate, .claim]) }
    }

    @Test("A token that begins in the future explains a vague refusal as well")
    func notYetValid() {
        let context = Fixture.context(claims: Fixture.claims(notBefore: noon + .seconds(300)))
        let failure = Classifier.postgres(
            sqlState: "28000", text: "PAM authentication failed for user \"aad_orders\"", phase: .login, context: context)
        #expect(failure.cause == .tokenNotYetValid)
    }

    @Test("A role of the wrong type together with another app id than meant is a wrong client id")
    func tokenTypeAndOtherIdentity() {
        let prediction = Classifier.claims(Fixture.claims(), wanted: .ossrdbms, expected: .clientID(Fixture.objectID), now: noon)
        #expect(prediction?.cause == .identityClientIDWrong)
        let failure = Classifier.postgres(
            sqlState: "28000", text: "Service principals can't generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role \"x\"", phase: .login,
            context: Fixture.context(prediction: prediction))
        #expect(failure.cause == .identityClientIDWrong)
        #expect(failure.phase == .login)
        #expect(failure.evidence.count == 2)
    }

    @Test("A full server that was asked before the login says that the token was not tested")
    func limitBeforeLogin() {
        let before = Classifier.postgres(
            sqlState: "53300", text: "sorry, too many clients already", phase: .login, context: Fixture.context(usedPassword: false))
        #expect(before.detail?.contains("not tested") == true)
        let after = Classifier.postgres(
            sqlState: "53300", text: "too many connections for role", phase: .login, context: Fixture.context(usedPassword: true))
        #expect(after.detail == nil)
    }

    @Test("The retired user@server form is named for what it is, and a UPN is not mistaken for it")
    func legacyName() {
        let text = "password authentication failed for user"
        let legacy = Classifier.postgres(sqlState: "28P01", text: text, phase: .login, context: Fixture.context(user: "app@orders"))
        #expect(legacy.cause == .loginNameInvalid)
        #expect(legacy.detail?.hasSuffix("wants app.") == true)
        let upn = Classifier.postgres(sqlState: "28P01", text: text, phase: .login, context: Fixture.context(user: "alice@contoso.com"))
        #expect(upn.cause == .loginPrincipalUnknown)
    }

    @Test("A login without a token is the agent's fault in a probe and the application's in pasted text")
    func withoutToken() {
        let text = "empty password returned by client"
        #expect(Classifier.postgres(sqlState: "28P01", text: text, phase: .login, context: Fixture.context()).cause == .probeInternal)
        let pasted = Fixture.context(isOwnProbe: false)
        #expect(Classifier.postgres(sqlState: "28P01", text: text, phase: .login, context: pasted).cause == .tokenNotSent)
    }

    @Test("A long token explains an unknown protocol error of the pooler, and only there")
    func longToken() {
        func cause(_ length: Int, _ port: Int) -> Cause {
            Classifier.postgres(
                sqlState: "08P01", text: "broken client packet", phase: .login, context: Fixture.context(tokenLength: length, port: port)
            ).cause
        }
        #expect(cause(4000, 6432) == .tokenTooLarge)
        #expect(cause(1700, 6432) == .unclassified)
        #expect(cause(4000, 5432) == .unclassified)
    }

    @Test("Evidence holds the server's words without tokens and escape codes")
    func evidenceIsScrubbed() {
        let token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln"
        let failure = Classifier.postgres(
            sqlState: "28000", text: "bad \u{1B}[31mtoken \(token)", phase: .login, context: Fixture.context())
        #expect(failure.evidence.first?.text == "bad [31mtoken <redacted>")
    }
}
