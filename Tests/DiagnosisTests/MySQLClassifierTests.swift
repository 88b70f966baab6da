// Every text and number of the sheet, and the cause it has to lead to.
import Testing

@testable import Diagnosis

@Suite struct MySQLClassifierTests {
    private static func context(
        claims: TokenClaims? = Fixture.claims(), sentToken: Bool = true, prediction: Failure? = nil, user: String = "aad_shop",
        isOwnProbe: Bool = true
    ) -> MySQLContext {
        MySQLContext(
            user: user, database: "shop", sentToken: sentToken, claims: claims, now: noon, prediction: prediction,
            host: "shop.mysql.database.azure.com", isOwnProbe: isOwnProbe)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var number: Int
        var text: String
        var cause: Cause
        var phase: Phase
        var at: Phase?
        var testDescription: String { "\(number) \(text)" }

        init(_ number: Int, _ text: String, _ cause: Cause, during phase: Phase = .login, at: Phase? = nil) {
            (self.number, self.text, self.cause, self.phase, self.at) = (number, text, cause, phase, at)
        }
    }

    /// Of Azure's own making. Source: fact sheet, section 3.
    static let azure: [Row] = [
        Row(9000, "Client with IP address '20.1.2.3' is not allowed to connect to this MySQL server.", .firewallDenied),
        Row(9002, "SSL connection is required. Please specify SSL options and retry.", .tlsNotNegotiated),
        Row(9009, "The server name you tried cannot be found. Please use the correct name and retry.", .loginNameInvalid),
        Row(9102, "An unexpected error occurred while trying to validate user 'aad_shop'.", .serverIdentityGraph),
        Row(9108, "Azure AD access token is not valid for user 'aad_shop'", .loginIdentityRecreated),
        Row(
            9108, "Azure AD access token is not valid for user 'aad_shop' with OID '00000000-1111-2222-3333-444444444444'.",
            .loginIdentityRecreated),
        Row(9103, "An error occurred while validating access token. Please acquire a new token and retry.", .loginRefused),
        Row(9104, "Failed to reach the Azure AD endpoint, check the managed identity of the server.", .serverIdentityGraph),
        Row(9107, "Only Azure Active Directory accounts are allowed to connect to server", .nativeLoginDisabled),
        Row(9107, "Only Microsoft Entra ID accounts are allowed to connect to server", .nativeLoginDisabled),
        Row(1042, "The server shop is currently stopped.", .serverStopped),
        Row(1042, "The server shop is not running.", .serverStopped),
        Row(1042, "Can't get hostname for your address", .serverUnavailable),
        Row(1042, "Kann Hostnamen für diese Adresse nicht erhalten", .serverUnavailable),
    ]

    /// Of MySQL 8 and MariaDB. Source: fact sheet, section 4.
    static let servers: [Row] = [
        Row(1040, "Too many connections", .connectionLimit),
        Row(1203, "User aad_shop already has more than 'max_user_connections' active connections", .connectionLimit),
        Row(1226, "User 'aad_shop' has exceeded the 'max_user_connections' resource (current value: 1)", .connectionLimit),
        Row(1041, "Out of memory; check if mysqld or some other process uses all available memory", .serviceThrottled),
        Row(1043, "Bad handshake", .protocolViolation),
        Row(1044, "Access denied for user 'aad_shop'@'%' to database 'shop'", .databaseAccessDenied),
        Row(1049, "Unknown database 'shop'", .databaseUnknown),
        Row(1045, "Access denied for user 'aad_shop'@'10.0.0.4' (using password: YES)", .loginPrincipalUnknown),
        // MariaDB says so of every password that PAM took; a probe knows itself what it sent.
        Row(1045, "Access denied for user 'aad_shop'@'10.0.0.4' (using password: NO)", .loginPrincipalUnknown),
        Row(1698, "Access denied for user 'aad_shop'@'10.0.0.4'", .loginPrincipalUnknown),
        Row(1053, "Server shutdown in progress", .serverUnavailable),
        Row(1053, "Server shutdown in progress", .connectionLost, during: .query),
        Row(1129, "Host '10.0.0.4' is blocked because of many connection errors; unblock with 'mariadb-admin flush-hosts'", .clientBlocked),
        Row(1130, "Host '10.0.0.4' is not allowed to connect to this MariaDB server", .firewallDenied),
        Row(1130, "Host '10.0.0.4' is not allowed to connect to this MySQL server", .firewallDenied),
        Row(1142, "SELECT command denied to user 'aad_shop'@'10.0.0.4' for table 't'", .privilegeMissing, during: .query),
        Row(1143, "SELECT command denied to user 'u'@'h' for column 'c' in table 't'", .privilegeMissing, during: .query),
        Row(1146, "Table 'shop.t' doesn't exist", .queryFailed, during: .query),
        Row(1184, "Aborted connection 8 to db: 'shop' user: 'u' host: 'h' (init_connect command failed)", .connectionLost, during: .query),
        Row(1227, "Access denied; you need (at least one of) the SUPER privilege(s) for this operation", .privilegeMissing, during: .query),
        Row(1370, "execute command denied to user 'u'@'h' for routine 'shop.p'", .privilegeMissing, during: .query),
        Row(
            1290, "The MariaDB server is running with the --read-only option so it cannot execute this statement", .databaseReadOnly,
            during: .query),
        Row(1836, "Running in read-only mode", .databaseReadOnly, during: .query),
        Row(1792, "Cannot execute statement in a READ ONLY transaction.", .probeInternal, during: .query),
        Row(1820, "You must SET PASSWORD before executing this statement", .loginDisabled, during: .query, at: .login),
        Row(
            1820, "You must reset your password using ALTER USER statement before executing this statement.", .loginDisabled,
            during: .query, at: .login),
        Row(
            1862, "Your password has expired. To log in you must change it using a client that supports expired passwords.", .loginDisabled),
        Row(
            1251, "Client does not support authentication protocol requested by server; consider upgrading MySQL client",
            .authMethodUnexpected),
        Row(1524, "Plugin 'aad_auth' is not loaded", .entraAuthDisabled),
        Row(3024, "Query execution was interrupted, maximum statement execution time exceeded", .queryTimeout, during: .query),
        Row(1969, "Query execution was interrupted (max_statement_time exceeded)", .queryTimeout, during: .query),
        Row(1317, "Query execution was interrupted", .queryTimeout, during: .query),
        Row(1205, "Lock wait timeout exceeded", .queryTimeout, during: .query),
        Row(1213, "Deadlock found when trying to get lock", .queryFailed, during: .query),
        Row(3032, "The server is currently in offline mode", .serverUnavailable),
        Row(3118, "Access denied for user 'u'@'h'. Account is locked.", .loginDisabled),
        Row(4151, "Access denied, this account is locked", .loginDisabled),
        Row(
            3955,
            "Access denied for user 'u'@'h'. Account is blocked for 3 day(s) (3 day(s) remaining) due to 4 consecutive failed logins.",
            .clientBlocked),
        Row(3159, "Connections using insecure transport are prohibited while --require_secure_transport=ON.", .tlsNotNegotiated),
        Row(
            3948, "Loading local data is disabled; this must be enabled on both the client and server sides", .protocolViolation,
            during: .query),
        Row(4031, "The client was disconnected by the server because of inactivity.", .connectionLost, during: .query),
        Row(1114, "The table 't' is full", .databaseReadOnly, during: .query), Row(1021, "Disk full", .databaseReadOnly, during: .query),
        Row(1158, "Got an error reading communication packets", .connectionLost, during: .query),
        Row(1234, "Something new", .unclassified), Row(1234, "Something new", .queryFailed, during: .query),
    ]

    /// Of libmariadb itself. Source: fact sheet, section 5.
    static let library: [Row] = [
        Row(2005, "Unknown server host 'nowhere' (-2)", .dnsNotFound, during: .tls, at: .dns),
        Row(2005, "Unknown server host 'h' (-3)", .dnsResolverError, during: .tls, at: .dns),
        Row(2005, "Unknown MySQL server host 'h' (-5)", .dnsNotFound, during: .tls, at: .dns),
        Row(2002, "Can't connect to server on '127.0.0.1' (115)", .tcpRefused, during: .tls, at: .tcp),
        Row(2003, "Can't connect to MySQL server on 'h' (111)", .tcpRefused, during: .tls, at: .tcp),
        Row(2002, "Can't connect to server on 'h' (110)", .tcpTimeout, during: .tls, at: .tcp),
        Row(2002, "Can't connect to server on 'h' (113)", .tcpUnreachable, during: .tls, at: .tcp),
        Row(
            2002,
            "Received error packet before completion of TLS handshake. The authenticity of the following error cannot be verified: 1040 - Too many connections",
            .connectionLimit, during: .tls, at: .negotiate),
        Row(
            2002,
            "Received error packet before completion of TLS handshake. The authenticity of the following error cannot be verified: 1129 - Host 'h' is blocked",
            .clientBlocked, during: .tls, at: .negotiate),
        Row(
            2013, "Lost connection to server at 'handshake: reading initial communication packet', system error: 11", .tcpReset,
            during: .negotiate),
        Row(2013, "Lost connection to server at 'reading authorization packet', system error: 0", .serverUnavailable),
        Row(2013, "Lost connection to server during query", .connectionLost, during: .query),
        Row(2006, "Server has gone away", .connectionLost, during: .query),
        Row(2006, "MySQL server has gone away", .connectionLost, during: .query),
        Row(2026, "TLS/SSL error: self-signed certificate in certificate chain", .tlsUntrustedIssuer, during: .tls),
        Row(2026, "SSL connection error: unable to get local issuer certificate", .tlsUntrustedIssuer, during: .tls),
        Row(2026, "TLS/SSL error: certificate has expired", .tlsCertValidity, during: .tls),
        Row(2026, "TLS/SSL error: certificate is not yet valid", .tlsCertValidity, during: .tls),
        Row(2026, "TLS/SSL error: Validation of SSL server certificate failed", .tlsNameMismatch, during: .tls),
        Row(2026, "TLS/SSL error: SSL is required, but the server does not support it", .tlsNotNegotiated, during: .tls, at: .negotiate),
        Row(2026, "TLS/SSL error: No such file or directory (2)", .configInvalid, during: .tls, at: .config),
        Row(2026, "TLS/SSL error: tlsv1 alert protocol version", .tlsProtocolMismatch, during: .tls),
        Row(2026, "TLS/SSL error: sslv3 alert handshake failure", .tlsProtocolMismatch, during: .tls),
        Row(2026, "TLS/SSL error: wrong version number", .peerNotDatabase, during: .tls),
        Row(2026, "TLS/SSL error: unexpected eof while reading", .tlsHandshakeAborted, during: .tls),
        Row(2026, "TLS/SSL error: unexpected eof while reading", .serverUnavailable),
        Row(2026, "TLS/SSL error: unexpected eof while reading", .connectionLost, during: .query),
        Row(2026, "TLS/SSL error: Connection timed out (110)", .tlsHandshakeAborted, during: .tls),
        Row(2026, "TLS/SSL error: Connection timed out (110)", .queryTimeout, during: .query),
        Row(2026, "TLS/SSL error: something new", .tlsHandshakeAborted, during: .tls),
        Row(2026, "TLS/SSL error: something new", .connectionLost, during: .query),
        Row(2026, "Plugin mysql_clear_password could not be loaded: /x.so: cannot open shared object file", .configInvalid, at: .config),
        Row(2059, "Authentication plugin 'mysql_clear_password' cannot be loaded: plugin not enabled", .configInvalid, at: .config),
        Row(2000, "Load data local infile forbidden", .protocolViolation, during: .query),
        Row(2012, "Error in server handshake", .peerNotDatabase, during: .negotiate),
        Row(2027, "Received malformed packet", .protocolViolation), Row(2027, "Received malformed packet", .peerNotDatabase, during: .tls),
        Row(2020, "Got packet bigger than 'max_allowed_packet' bytes", .protocolViolation, during: .query),
        Row(5010, "Authentication plugin 'x' couldn't be found in restricted_auth plugin list.", .authMethodUnexpected),
        Row(2014, "Commands out of sync; you can't run this command now", .probeInternal, during: .query),
        Row(2008, "Client run out of memory", .probeInternal, during: .query),
        Row(2099, "unheard of", .unclassified),
    ]

    @Test(
        "Azure's own texts, MySQL's and MariaDB's numbers and the library's words lead to their cause", arguments: azure + servers + library
    )
    func cause(row: Row) {
        let failure = Classifier.mysql(number: row.number, text: row.text, phase: row.phase, context: Self.context())
        #expect(failure.cause == row.cause)
        #expect(failure.phase == row.at ?? row.phase)
        #expect(!failure.evidence.isEmpty)
    }

    @Test("In pasted text a login without a password was one without its token")
    func pasted() {
        let failure = Classifier.mysql(
            number: 1045, text: "Access denied for user 'app'@'h' (using password: NO)", phase: .login,
            context: Self.context(isOwnProbe: false))
        #expect(failure.cause == .tokenNotSent)
    }

    struct Refusal: Sendable {
        var sentToken: Bool
        var isOwnProbe: Bool
        var says: String
    }

    @Test(
        "A plugin that the client refuses: what is said of the token is what is known of it",
        arguments: [
            Refusal(sentToken: false, isOwnProbe: true, says: "; the token was not sent."),
            Refusal(sentToken: true, isOwnProbe: true, says: ", and had the token by then."),
            Refusal(sentToken: false, isOwnProbe: false, says: "this text does not tell."),
        ])
    func refusedPlugin(row: Refusal) {
        for text in ["Authentication plugin 'x' couldn't be found in restricted_auth plugin list.", "said in another way"] {
            let failure = Classifier.mysql(
                number: 5010, text: text, phase: .login, context: Self.context(sentToken: row.sentToken, isOwnProbe: row.isOwnProbe))
            #expect(failure.cause == .authMethodUnexpected)
            #expect(failure.detail?.hasSuffix(row.says) == true, "\(failure.detail ?? "")")
        }
    }

    @Test("A name that reads like a message decides nothing")
    func hostileName() {
        let name = "is currently stopped; access token is not valid for user"
        let failure = Classifier.mysql(
            number: 1045, text: "Access denied for user '\(name)'@'h' (using password: YES)", phase: .login,
            context: Self.context(user: name))
        #expect(failure.cause == .loginPrincipalUnknown || failure.cause == .loginNameInvalid)
    }

    @Test("The address that a firewall names fills the remedy")
    func firewall() {
        let failure = Classifier.mysql(
            number: 9000, text: "Client with IP address '20.1.2.3' is not allowed to connect to this MySQL server.", phase: .login,
            context: Self.context())
        #expect(failure.values["client_ip"] == "20.1.2.3")
        #expect(failure.detail?.contains("20.1.2.3") == true)
    }

    @Test("A refusal that was said before TLS is marked as vouched for by nobody")
    func unauthenticated() {
        let failure = Classifier.mysql(number: 2002, text: Self.library[7].text, phase: .tls, context: Self.context(sentToken: false))
        #expect(failure.evidence.contains { $0.text.contains("nobody vouches") })
        #expect(failure.evidence.first?.code == "1040")
        #expect(failure.detail?.contains("not tested") == true)
    }

    @Test("An account made with the object id is told from one of an identity that is gone, and from too many groups")
    func whoseAccount() {
        func detail(_ oid: String?, overage: Bool = false) -> Failure {
            Classifier.mysql(
                number: 9108, text: "Azure AD access token is not valid for user 'aad_shop'\(oid.map { " with OID '\($0)'." } ?? "")",
                phase: .login,
                context: Self.context(claims: Fixture.claims(groupOverage: overage)))
        }
        #expect(detail(Fixture.objectID).detail?.contains("object id") == true)
        #expect(detail("00000000-1111-2222-3333-444444444444").detail?.contains("00000000-1111-2222-3333-444444444444") == true)
        #expect(detail(nil).detail?.contains("client id") == true)
        #expect(detail(nil, overage: true).cause == .tokenGroupsStale)
    }

    @Test("What the claims foretold explains a vague refusal, and nothing else")
    func refined() {
        let expired = Fixture.claims(expires: noon + .seconds(-60))
        for (number, text) in [
            (9103, "An error occurred while validating access token."),
            (1045, "Access denied for user 'aad_shop'@'h' (using password: YES)"),
        ] {
            #expect(
                Classifier.mysql(number: number, text: text, phase: .login, context: Self.context(claims: expired)).cause == .tokenExpired)
        }
        #expect(
            Classifier.mysql(number: 1044, text: "Access denied", phase: .login, context: Self.context(claims: expired)).cause
                == .databaseAccessDenied)
    }

    @Test("A name that cannot work is said to be the reason")
    func names() {
        let text = "Access denied for user 'x'@'h' (using password: YES)"
        func cause(_ user: String) -> Cause {
            Classifier.mysql(number: 1045, text: text, phase: .login, context: Self.context(user: user)).cause
        }
        #expect(cause("aad_shop@shop") == .loginNameInvalid)
        #expect(cause(String(repeating: "é", count: 33)) == .loginNameInvalid)
        #expect(cause(String(repeating: "é", count: 32)) == .loginPrincipalUnknown)
    }

    @Test("A request for another plugin is told by what the server says to an answer without a password")
    func otherPlugin() {
        func failure(_ number: Int?, _ text: String?) -> Failure {
            Classifier.mysqlOtherPlugin(
                "caching_sha2_password", number: number, text: text, phase: .login, context: Self.context(sentToken: false))
        }
        let unknown = failure(1045, "Access denied for user 'aad_shop'@'h' (using password: NO)")
        #expect(unknown.cause == .loginPrincipalUnknown)
        #expect(unknown.detail?.contains("caching_sha2_password") == true)
        #expect(failure(4151, "Access denied, this account is locked").cause == .loginDisabled)
        #expect(failure(nil, nil).cause == .authMethodUnexpected)
        #expect(failure(2013, "Lost connection").cause == .authMethodUnexpected)
    }
}
