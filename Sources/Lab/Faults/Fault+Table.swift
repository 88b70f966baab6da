// What each fault does, which part of the lab plays it, on servers of which engine, and what the agent is expected to say there.
// Longer than most files because it is one table.
package import Diagnosis

extension Fault {
    /// Which part of the lab plays the fault.
    package enum Part: String, Sendable, Hashable, CaseIterable {
        case identity, names, proxy, server
    }

    /// What the agent is expected to report while the fault is on.
    package enum Expectation: Sendable, Hashable {
        /// A failing check with this cause, seen in this phase, and the exit status of `agent diagnose`.
        case failure(Cause, Phase, exit: Int)
        /// The check stays up.
        case healthy
        /// Depends on the value of the fault: where in the conversation the connection ends.
        case varies
    }

    package struct Row: Sendable {
        package var summary: String
        package var part: Part
        /// By the engine of the target; engines that cannot have the fault are missing.
        package var expects: [Engine: Expectation]
        /// What the number of the fault means, for those that take one, and its value when none is given.
        package var value: (meaning: String, standard: Int)?

        init(_ summary: String, _ part: Part, _ expects: [Engine: Expectation], value: (meaning: String, standard: Int)? = nil) {
            self.summary = summary
            self.part = part
            self.expects = expects
            self.value = value
        }
    }

    package var part: Part { row.part }

    /// What the agent says of a target of this engine; nil when such a target cannot have the fault.
    package func expects(on engine: Engine) -> Expectation? { row.expects[engine] }

    package var row: Row {
        /// The same on every engine of the lab.
        func all(_ expectation: Expectation) -> [Engine: Expectation] {
            [.postgresql: expectation, .mysql: expectation, .azuresql: expectation]
        }
        func both(_ expectation: Expectation) -> [Engine: Expectation] { [.postgresql: expectation, .mysql: expectation] }
        func identity(_ summary: String, _ cause: Cause) -> Row {
            Row(summary, .identity, all(.failure(cause, .token, exit: 10)))
        }
        func names(_ summary: String, _ cause: Cause) -> Row {
            Row(summary, .names, all(.failure(cause, .dns, exit: 20)))
        }
        func proxy(_ summary: String, _ cause: Cause, _ phase: Phase, _ exit: Int) -> Row {
            Row(summary, .proxy, all(.failure(cause, phase, exit: exit)))
        }
        /// With messages that TDS does not have.
        func older(_ summary: String, _ cause: Cause, _ phase: Phase, _ exit: Int) -> Row {
            Row(summary, .proxy, both(.failure(cause, phase, exit: exit)))
        }
        func postgres(_ summary: String, _ cause: Cause, _ phase: Phase, _ exit: Int) -> Row {
            Row(summary, .proxy, [.postgresql: .failure(cause, phase, exit: exit)])
        }
        func mysql(_ summary: String, _ cause: Cause, _ phase: Phase, _ exit: Int) -> Row {
            Row(summary, .proxy, [.mysql: .failure(cause, phase, exit: exit)])
        }
        func azure(_ summary: String, _ cause: Cause, _ phase: Phase, _ exit: Int) -> Row {
            Row(summary, .proxy, [.azuresql: .failure(cause, phase, exit: exit)])
        }
        func server(_ summary: String, _ cause: Cause, _ exit: Int = 40) -> Row {
            Row(summary, .server, all(.failure(cause, .login, exit: exit)))
        }
        return switch self {
        case .identityNotFound: identity("no managed identity is assigned: 400 with the platform's words", .identityNotAssigned)
        case .identityMultiple: identity("several user-assigned identities and none named: 400", .identityClientIDWrong)
        case .identityHeaderRefused: identity("the secret header is not accepted: 403", .identityReplyInvalid)
        case .identityGone: identity("the endpoint is being updated: 410", .entraUnavailable)
        case .identityThrottled: identity("too many requests: 429 with Retry-After", .entraUnavailable)
        case .identityFailing: identity("the endpoint fails: 500", .entraUnavailable)
        case .identityHTML: identity("a proxy's page instead of a token: 200 with HTML", .identityReplyInvalid)
        case .identityTruncated: identity("the JSON of the reply ends in the middle", .identityReplyInvalid)
        case .identityNoExpiry: identity("the reply has no expiry, nor has its token one that can be read", .identityReplyInvalid)
        case .identityWrongTypes: identity("numbers and lists where the reply has texts", .identityReplyInvalid)
        case .identitySilent: identity("the endpoint accepts and never answers", .identityEndpointUnreachable)
        case .identityRefused: identity("nothing listens at the endpoint", .identityEndpointUnreachable)
        case .identityRedirect: identity("the endpoint redirects elsewhere", .identityReplyInvalid)
        case .identityBigBody: identity("a body of ten megabytes", .identityReplyInvalid)
        case .identityDribble: identity("one byte of the reply a second", .identityEndpointUnreachable)
        case .issuedWrongAudience: identity("the token is for another service", .tokenWrongAudience)
        // Foretold by the claims, confirmed by the server: only a wrong audience ends a probe before the login.
        case .issuedExpired: Row("the token has expired an hour ago", .identity, all(.failure(.tokenExpired, .login, exit: 10)))
        case .issuedNotYetValid:
            Row("the token becomes valid in an hour", .identity, all(.failure(.tokenNotYetValid, .login, exit: 10)))
        case .issuedLarge: Row("a token of nine kilobytes", .identity, all(.healthy), value: ("bytes", 9_000))

        case .dnsNXDomain: names("the name does not exist", .dnsNotFound)
        case .dnsNoData: names("the name exists and has no address", .dnsNotFound)
        case .dnsServfail: names("the name service fails: SERVFAIL", .dnsResolverError)
        case .dnsSilent: names("the name service does not answer", .dnsResolverError)
        case .dnsGarbage: names("the name service answers with a broken message", .dnsResolverError)
        case .dnsTruncated: Row("the answer does not fit into UDP, TCP has it", .names, all(.healthy))
        case .deadAddress: Row("three addresses, the first of which drops everything", .names, all(.healthy))

        case .tcpRefused: proxy("nothing listens on the server's port", .tcpRefused, .tcp, 20)
        case .tcpDropped: proxy("packets to the server are dropped", .tcpTimeout, .tcp, 20)
        case .tcpReset: proxy("every connection is reset at once", .tcpReset, .negotiate, 20)
        case .silentAfterAccept: proxy("connections are accepted and never answered", .probeDeadline, .negotiate, 30)
        case .plaintextServer: proxy("the server does not offer TLS and asks for the token in the clear", .tlsNotNegotiated, .negotiate, 30)
        case .notPostgres:
            Row(
                "a web server answers on the port", .proxy,
                [
                    .postgresql: .failure(.peerNotDatabase, .negotiate, exit: 30),
                    .azuresql: .failure(.peerNotDatabase, .negotiate, exit: 30),
                ])
        case .stuffedBeforeTLS:
            Row(
                "bytes stuffed between the agreement on TLS and the handshake", .proxy,
                [
                    .postgresql: .failure(.protocolViolation, .negotiate, exit: 40),
                    .mysql: .failure(.protocolViolation, .negotiate, exit: 40), .azuresql: .failure(.peerNotDatabase, .negotiate, exit: 30),
                ])
        case .delay: Row("every piece from the server comes late", .proxy, all(.healthy), value: ("milliseconds", 50))
        case .dribble:
            Row("one byte from the server at a time", .proxy, all(.varies), value: ("milliseconds between bytes", 1_000))
        case .dribbleAfter:
            Row("the server's bytes come one a second after so many of them", .proxy, all(.varies), value: ("bytes", 1))
        case .cutAt: Row("the connection is closed after so many bytes from the server", .proxy, all(.varies), value: ("bytes", 1))
        case .resetAt: Row("the connection is reset after so many bytes from the server", .proxy, all(.varies), value: ("bytes", 1))

        case .resetSent: Row("the connection is reset after so many bytes from the client", .proxy, all(.varies), value: ("bytes", 1))
        case .tlsUnknownCA: proxy("a certificate of an authority nobody trusts", .tlsUntrustedIssuer, .tls, 30)
        case .tlsWrongName: proxy("a trusted certificate for another name", .tlsNameMismatch, .tls, 30)
        case .tlsExpired: proxy("a certificate that has expired", .tlsCertValidity, .tls, 30)
        case .tlsNotYetValid: proxy("a certificate that is not valid yet", .tlsCertValidity, .tls, 30)
        case .tlsTooOld: proxy("a server that speaks TLS 1.1 at most", .tlsProtocolMismatch, .tls, 30)
        case .tlsHandshakeCut: proxy("the connection is closed in the TLS handshake", .tlsHandshakeAborted, .tls, 30)
        case .tlsHandshakeStalled: proxy("the TLS handshake is never answered", .tlsHandshakeAborted, .tls, 30)

        case .tokenWrongAudience: postgres("the server calls the token's audience wrong", .tokenWrongAudience, .login, 10)
        case .tokenExpired: postgres("the server calls the token expired", .tokenExpired, .login, 10)
        case .tokenWrongTenant: postgres("the server belongs to another tenant than the token", .tokenWrongTenant, .login, 10)
        case .tokenGroupMissing: postgres("the token lacks the group that the role is mapped to", .tokenGroupsStale, .login, 10)
        case .tokenType: postgres("the role is mapped to a user, the token is of an application", .loginTokenType, .login, 40)
        case .identityRecreated: older("the role is mapped to another id than the token's", .loginIdentityRecreated, .login, 40)
        case .serverStarting: postgres("the server is starting up: 57P03", .serverUnavailable, .login, 40)
        case .serverStopping: postgres("the server is shutting down: 57P03", .serverUnavailable, .login, 40)
        case .tooManyClients:
            Row(
                "all connection slots are taken: 53300 before the login, 1040 before TLS, 10928 for sessions", .proxy,
                [
                    .postgresql: .failure(.connectionLimit, .login, exit: 40),
                    .mysql: .failure(.connectionLimit, .negotiate, exit: 40), .azuresql: .failure(.connectionLimit, .login, exit: 40),
                ])
        case .loginSilent: proxy("the server takes the token and says nothing", .probeDeadline, .login, 40)
        case .loginCut: proxy("the server takes the token and closes the connection", .serverUnavailable, .login, 40)
        case .startupSilent: older("the server says nothing after TLS is up", .probeDeadline, .login, 40)
        case .md5Asked: postgres("the server asks for an MD5 password", .authMethodUnexpected, .login, 40)
        case .gssAsked: postgres("the server asks for Kerberos", .authMethodUnexpected, .login, 40)
        case .unknownAuthAsked: older("the server asks for a method that does not exist", .authMethodUnexpected, .login, 40)
        case .garbageLength:
            Row(
                "a message after TLS with an impossible length", .proxy, all(.failure(.protocolViolation, .login, exit: 40)),
                value: ("the length field", 0x7FFF_FFFF))
        case .garbageMessage: proxy("a message after TLS of a type that does not exist", .protocolViolation, .login, 40)
        case .hugeMessage:
            Row(
                "an error message of sixteen megabytes instead of a question for the token", .proxy,
                all(.failure(.protocolViolation, .login, exit: 40)), value: ("bytes", 16 << 20))
        case .badText:
            proxy("a refusal in bytes that are no text: bad UTF-8, control characters, escapes", .loginPrincipalUnknown, .login, 40)
        case .endlessNotices:
            Row(
                "notices without end after the login", .proxy,
                [
                    .postgresql: .failure(.protocolViolation, .login, exit: 40),
                    .azuresql: .failure(.protocolViolation, .login, exit: 40),
                ])
        case .endlessRows: proxy("rows without end for any statement", .protocolViolation, .query, 40)
        case .endlessColumns: proxy("rows of sixty-five thousand columns for any statement", .protocolViolation, .query, 40)
        case .querySilent: proxy("statements are never answered", .queryTimeout, .query, 60)
        case .querySlow: older("statements run into the client's own time limit: 57014, 3024", .queryTimeout, .query, 60)
        case .queryCut: proxy("the session is ended by an administrator, in MySQL without a word", .connectionLost, .query, 60)

        case .roleUnknown: server("the role does not exist on the server", .loginPrincipalUnknown)
        case .databaseWrong: server("the database does not exist on the server", .databaseUnknown)
        case .hbaRefused:
            Row(
                "the client's address is not admitted: no pg_hba.conf entry; 1130 before TLS; 40615", .proxy,
                [
                    .postgresql: .failure(.firewallDenied, .login, exit: 20),
                    .mysql: .failure(.firewallDenied, .negotiate, exit: 20), .azuresql: .failure(.firewallDenied, .login, exit: 20),
                ])
        case .scramAsked: postgres("the server asks for SCRAM instead of a token", .authMethodUnexpected, .login, 40)
        case .roleNoLogin: Row("the role may not log in", .server, both(.failure(.loginDisabled, .login, exit: 40)))
        case .connectionLimit: Row("the role has no connections left", .server, both(.failure(.connectionLimit, .login, exit: 40)))
        case .noConnect: server("the right to connect to the database is revoked", .databaseAccessDenied)

        case .notMySQL:
            Row(
                "an SSH server answers on the port", .proxy,
                [.mysql: .failure(.peerNotDatabase, .negotiate, exit: 30), .azuresql: .failure(.peerNotDatabase, .negotiate, exit: 30)])
        case .mysqlGreetingGarbage: mysql("a greeting that is none", .peerNotDatabase, .negotiate, 30)
        case .mysqlGreetingOld: mysql("a server of the last century: protocol 9", .peerNotDatabase, .negotiate, 30)
        case .mysqlGreetingEndless: mysql("packets of 16 MB instead of a greeting", .peerNotDatabase, .negotiate, 30)
        case .mysqlHostBlocked: mysql("too many broken connections from this address: 1129 before TLS", .clientBlocked, .negotiate, 40)
        case .mysqlFirewall: mysql("a gateway's firewall refuses the address: 9000 before TLS", .firewallDenied, .negotiate, 20)
        case .mysqlStopped: mysql("the server is stopped: 1042 before TLS", .serverStopped, .negotiate, 40)
        case .mysqlTLSRefused: mysql("TLS is offered, and refused when it is asked for", .peerNotDatabase, .tls, 30)
        case .mysqlNativeAsked: mysql("the server asks for mysql_native_password", .authMethodUnexpected, .login, 40)
        case .mysqlSHA2Asked: mysql("the server asks for caching_sha2_password", .authMethodUnexpected, .login, 40)
        case .mysqlDialogAsked: mysql("the server asks for a dialog", .authMethodUnexpected, .login, 40)
        case .mysqlTokenNotForUser:
            mysql("the account belongs to another id than the token: Azure's text without the id", .loginIdentityRecreated, .login, 40)
        case .mysqlTokenRejected: mysql("the server cannot validate the token: Azure's text without a reason", .loginRefused, .login, 40)
        case .mysqlServerIdentity: mysql("the server's own identity cannot ask Entra", .serverIdentityGraph, .login, 40)
        case .mysqlUserLookup: mysql("the server cannot look the user up: 9102", .serverIdentityGraph, .login, 40)
        case .mysqlEntraOnly: mysql("the account is none of Entra's, and only those may log in: 9107", .nativeLoginDisabled, .login, 40)
        case .mysqlPluginMissing: mysql("Entra authentication is off: 1524", .entraAuthDisabled, .login, 40)
        case .mysqlDenied: mysql("no account of that name, or not of Entra: 1045", .loginPrincipalUnknown, .login, 40)
        case .mysqlDeniedEmpty: mysql("the same, and the server claims that no password came: 1045", .loginPrincipalUnknown, .login, 40)
        case .mysqlDeniedByPlugin: mysql("the account's plugin refuses: 1698", .loginPrincipalUnknown, .login, 40)
        case .mysqlOldClient: mysql("the client's protocol is called too old: 1251", .authMethodUnexpected, .login, 40)
        case .mysqlServerName: mysql("a gateway does not find the server: 9009", .loginNameInvalid, .login, 78)
        case .mysqlAccountLocked: mysql("the account is locked, as MySQL 8 says it: 3118", .loginDisabled, .login, 40)
        case .mysqlAccountBlocked: mysql("the account is blocked after failed logins: 3955", .clientBlocked, .login, 40)
        case .mysqlPasswordExpired: mysql("the account's password has expired: 1862", .loginDisabled, .login, 40)
        case .mysqlInsecureTransport: mysql("a server that does not see the TLS in front of it: 3159", .tlsNotNegotiated, .login, 30)
        case .mysqlSSLRequired: mysql("the same from a gateway: 9002", .tlsNotNegotiated, .login, 30)
        case .mysqlShutdown: mysql("the server is shutting down: 1053", .serverUnavailable, .login, 40)
        case .mysqlOffline: mysql("the server is in offline mode: 3032", .serverUnavailable, .login, 40)
        case .mysqlUserConnections: mysql("the user has too many connections: 1203", .connectionLimit, .login, 40)
        case .mysqlUserLimit: mysql("the user has used up an hour's connections: 1226", .connectionLimit, .login, 40)
        case .mysqlOutOfMemory: mysql("the server is out of memory: 1041", .serviceThrottled, .login, 40)
        case .mysqlEight: Row("MySQL 8.4 from a script, instead of MariaDB", .proxy, [.mysql: .healthy])
        case .mysqlIdle: mysql("the server ends the session as idle: 4031", .connectionLost, .query, 60)
        case .mysqlQueryFailed: mysql("a statement fails: 1449", .queryFailed, .query, 60)
        case .mysqlLocalFile: mysql("the server asks for a file of the client's", .protocolViolation, .query, 40)
        case .mysqlRowGarbage: mysql("a row that claims more than its packet holds", .protocolViolation, .query, 40)
        case .mysqlBigPackets: mysql("rows of 16 MB without end", .protocolViolation, .query, 40)
        case .mysqlMustChangePassword:
            Row("the login works and every statement fails: 1820", .server, [.mysql: .failure(.loginDisabled, .login, exit: 40)])
        case .mysqlReadOnly: Row("the server is read-only", .server, [.mysql: .healthy])

        case .azurePreloginClosed: azure("the connection is closed instead of an answer to PRELOGIN", .tcpReset, .negotiate, 20)
        case .azurePreloginGarbage: azure("an answer to PRELOGIN without options", .peerNotDatabase, .negotiate, 30)
        case .azurePreloginOffset: azure("an option of PRELOGIN that lies outside the message", .peerNotDatabase, .negotiate, 30)
        case .azurePreloginLength: azure("an answer to PRELOGIN of 65,535 bytes", .protocolViolation, .negotiate, 40)
        case .azureEncryptionOff: azure("encryption is talked down to the login alone", .tlsNotNegotiated, .negotiate, 30)
        case .azureEncryptionMissing: azure("the answer to PRELOGIN leaves encryption out", .tlsNotNegotiated, .negotiate, 30)
        case .azureFederationUnknown: azure("FEDAUTHREQUIRED has a value that does not exist", .protocolViolation, .negotiate, 40)
        case .azureTLSRefused: azure("TLS is refused by an alert after PRELOGIN agreed on it", .tlsHandshakeAborted, .tls, 30)
        case .azureTLSGarbage: azure("text where packets of the handshake belong", .protocolViolation, .tls, 40)

        case .azureVNetRule: azure("the client's subnet has no rule: 40914", .firewallDenied, .login, 20)
        case .azurePublicAccess:
            azure("public access is switched off: 47073", .publicAccessDisabled, .login, 20)
        case .azureTLSPolicy:
            azure(
                "the server wants a newer TLS, and is not content with strict TDS: 47072 after the login", .tlsProtocolMismatch, .login, 30)
        case .azureStrictOnly:
            Row("the server wants a newer TLS: 47072 after the login of TDS 7.4, and sound in strict mode", .proxy, [.azuresql: .healthy])
        case .azureStrictClosed:
            azure(
                "47072 after the login of TDS 7.4, and something on the way closes what begins in strict mode", .tlsProtocolMismatch,
                .login,
                30)
        case .azureServerName: azure("the gateway knows no server of that name: 40532", .databaseUnknown, .login, 40)
        case .azureBlocked: azure("the address is blocked after too many failures: 40635", .clientBlocked, .login, 40)
        case .azureFreeLimit: azure("the month's free allowance is used up: 42119", .serverStopped, .login, 40)
        case .azureUnavailable: azure("the database is not available: 40613", .serverUnavailable, .login, 40)
        case .azureAsleep:
            Row(
                "a serverless database wakes up: so many logins are answered with 40613, then it is up", .proxy, [.azuresql: .varies],
                value: ("logins", 2))
        case .azureFailover: azure("a failover: 40197 with a code in the text", .serverUnavailable, .login, 40)
        case .azureGateway: azure("a gateway's trouble with a tracing id: 40608 and 40143", .serverUnavailable, .login, 40)
        case .azureSecondary: azure("the readable secondary is not ready: 4221", .serverUnavailable, .login, 40)
        case .azureThrottled: azure("the service is busy: 40501", .serviceThrottled, .login, 40)
        case .azureWorkers: azure("all workers are taken: 10928 with resource 1", .serviceThrottled, .login, 40)
        case .azureNoResources: azure("not enough resources: 49918", .serviceThrottled, .login, 40)
        case .azureTokenExpired: azure("the server calls the token expired: 18456 state 233", .tokenExpired, .login, 10)
        case .azureWrongTenant:
            azure("the server belongs to another tenant: 18456 state 235, and FEDAUTHINFO names it", .tokenWrongTenant, .login, 10)
        case .azureNoAdmin:
            azure("the server has no Entra admin: 18456 state 235 in the token's own tenant", .entraAuthDisabled, .login, 40)
        case .azureTokenInvalid: azure("the server calls a token invalid that fits by its claims: 18456", .loginRefused, .login, 40)
        case .azureRefused: azure("the server's own trouble with Entra: 18456 state 105", .loginRefused, .login, 40)
        case .azureDisabled: azure("the account is disabled: 18470", .loginDisabled, .login, 40)

        case .azureNonce: Row("the server wants its nonce back behind the token", .proxy, [.azuresql: .healthy])
        case .azureSmallPackets: Row("packets of 512 bytes, seven bytes a TLS record", .proxy, [.azuresql: .healthy])
        case .azureNotAcknowledged: azure("the login is accepted, the token is not acknowledged", .protocolViolation, .login, 40)
        case .azureWrongFeature: azure("a feature is acknowledged that nobody asked for", .protocolViolation, .login, 40)
        case .azureNoLogin: azure("the login is neither accepted nor refused", .protocolViolation, .login, 40)
        case .azureUnasked: azure("the issuer is named to a client that has sent its token", .protocolViolation, .login, 40)
        case .azureOldVersion: azure("the server wants TDS 7.1", .protocolViolation, .login, 40)
        case .azurePacketSize: azure("the server wants packets of 64 bytes", .protocolViolation, .login, 40)
        case .azureShortPacket: azure("a packet that is shorter than its header", .protocolViolation, .login, 40)
        case .azurePacketType: azure("a packet of a type that does not exist", .protocolViolation, .login, 40)
        case .azureTokenCut: azure("a message that ends within a token", .protocolViolation, .login, 40)
        case .azureErrorLength: azure("an error that is longer than its length", .protocolViolation, .login, 40)
        case .azureEmptyReply: azure("an empty message instead of an answer", .protocolViolation, .login, 40)

        case .azureRedirect: Row("the gateway sends the client to a worker on another port", .proxy, [.azuresql: .healthy])
        case .azureRedirectClosed:
            azure("nothing listens where the redirect leads", .redirectBlocked, .login, 20)
        case .azureRedirectDropped:
            azure("packets to where the redirect leads are dropped", .redirectBlocked, .login, 20)
        case .azureRedirectLoop: azure("the worker redirects to itself", .redirectRefused, .login, 40)
        case .azureRedirectForeign: azure("the redirect leads to a host outside the service", .redirectRefused, .login, 40)
        case .azureRedirectAddress: azure("the redirect leads to a bare address", .redirectRefused, .login, 40)
        case .azureRedirectPort: azure("the redirect leads to port 0", .redirectRefused, .login, 40)
        case .azureRedirectNoName: azure("the redirect names no server", .redirectRefused, .login, 40)
        case .azureRedirectTransport: azure("the redirect wants a transport that is not TCP", .redirectRefused, .login, 40)
        case .azureRedirectUnknown: azure("the name that the redirect leads to does not exist", .redirectBlocked, .login, 20)
        case .azureRedirectName: azure("the worker's certificate is for another name", .tlsNameMismatch, .login, 30)
        case .azureRedirectSilent: azure("the worker accepts connections and never answers", .probeDeadline, .login, 40)

        case .azureQueryDead:
            azure("the path dies with the statement: nothing is answered any more, not even a goodbye", .queryTimeout, .query, 60)
        case .azureQueryFailed: azure("every statement fails: 208", .queryFailed, .query, 60)
        case .azureQueryFailover: azure("a failover ends the session: 40197 in a statement", .connectionLost, .query, 60)
        case .azureSessionExpired: azure("the token expires within the session: 37396", .tokenExpired, .query, 10)
        case .azureRowGarbage: azure("a value that is longer than its column", .protocolViolation, .query, 40)
        case .azureTypeUnknown: azure("a column of a type that does not exist", .protocolViolation, .query, 40)
        case .azureRowFirst: azure("a row before its columns", .protocolViolation, .query, 40)
        }
    }
}
