// All faults of the lab, by name: what each does, which part does it, and what the agent is expected to say.
// Longer than most files because it is one table.
package import Diagnosis

/// Something that can be broken while the lab runs.
package enum Fault: String, Sendable, Hashable, CaseIterable {
    // The identity endpoints answer wrongly, or not at all.
    case identityNotFound = "identity_400_not_found"
    case identityMultiple = "identity_multiple"
    case identityHeaderRefused = "identity_header_refused"
    case identityGone = "identity_410"
    case identityThrottled = "identity_429"
    case identityFailing = "identity_500"
    case identityHTML = "identity_html"
    case identityTruncated = "identity_truncated"
    case identityNoExpiry = "identity_no_expiry"
    case identityWrongTypes = "identity_wrong_types"
    case identitySilent = "identity_silent"
    case identityRefused = "identity_refused"
    case identityRedirect = "identity_redirect"
    case identityBigBody = "identity_big_body"
    case identityDribble = "identity_dribble"
    // The identity endpoints answer rightly, with a token that is wrong.
    case issuedWrongAudience = "issued_wrong_audience"
    case issuedExpired = "issued_expired"
    case issuedNotYetValid = "issued_not_yet_valid"
    case issuedLarge = "issued_large"
    // Names.
    case dnsNXDomain = "dns_nxdomain"
    case dnsNoData = "dns_no_data"
    case dnsServfail = "dns_servfail"
    case dnsSilent = "dns_silent"
    case dnsGarbage = "dns_garbage"
    case dnsTruncated = "dns_truncated"
    case deadAddress = "dead_address"
    // The way to the server.
    case tcpRefused = "tcp_refused"
    case tcpDropped = "tcp_dropped"
    case tcpReset = "tcp_reset"
    case silentAfterAccept = "silent_after_accept"
    case plaintextServer = "plaintext_server"
    case notPostgres = "not_postgres"
    case stuffedBeforeTLS = "stuffed_before_tls"
    case delay
    case dribble
    case dribbleAfter = "dribble_after"
    case cutAt = "cut_at"
    case resetAt = "reset_at"
    case resetSent = "reset_after_sent"
    // TLS.
    case tlsUnknownCA = "tls_unknown_ca"
    case tlsWrongName = "tls_wrong_name"
    case tlsExpired = "tls_expired"
    case tlsNotYetValid = "tls_not_yet_valid"
    case tlsTooOld = "tls_too_old"
    case tlsHandshakeCut = "tls_handshake_cut"
    case tlsHandshakeStalled = "tls_handshake_stalled"
    // What the server says to a login: the texts of Azure's extension, from a script behind real TLS.
    case tokenWrongAudience = "token_wrong_audience"
    case tokenExpired = "token_expired"
    case tokenWrongTenant = "token_wrong_tenant"
    case tokenGroupMissing = "token_group_missing"
    case tokenType = "token_type"
    case identityRecreated = "identity_recreated"
    case serverStarting = "server_starting"
    case serverStopping = "server_stopping"
    case tooManyClients = "too_many_clients"
    case loginSilent = "login_silent"
    case loginCut = "login_cut"
    case startupSilent = "startup_silent"
    case md5Asked = "md5_asked"
    case gssAsked = "gss_asked"
    case unknownAuthAsked = "unknown_auth_asked"
    case garbageLength = "garbage_length"
    case garbageMessage = "garbage_message"
    case hugeMessage = "huge_message"
    case badText = "bad_text"
    case endlessNotices = "endless_notices"
    case endlessRows = "endless_rows"
    case endlessColumns = "endless_columns"
    case querySilent = "query_silent"
    case querySlow = "query_slow"
    case queryCut = "query_cut"
    // What the real server says to a login.
    case roleUnknown = "role_unknown"
    case databaseWrong = "database_wrong"
    case hbaRefused = "hba_refused"
    case scramAsked = "scram_asked"
    case roleNoLogin = "role_nologin"
    case connectionLimit = "connection_limit"
    case noConnect = "no_connect"

    package var name: String { rawValue }

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
        package var expects: Expectation
        /// What the number of the fault means, for those that take one, and its value when none is given.
        package var value: (meaning: String, standard: Int)?
    }

    package var part: Part { row.part }

    package var row: Row {
        func identity(_ summary: String, _ cause: Cause) -> Row {
            Row(summary: summary, part: .identity, expects: .failure(cause, .token, exit: 10))
        }
        func names(_ summary: String, _ cause: Cause) -> Row {
            Row(summary: summary, part: .names, expects: .failure(cause, .dns, exit: 20))
        }
        func proxy(_ summary: String, _ cause: Cause, _ phase: Phase, _ exit: Int) -> Row {
            Row(summary: summary, part: .proxy, expects: .failure(cause, phase, exit: exit))
        }
        func server(_ summary: String, _ cause: Cause, _ exit: Int = 40) -> Row {
            Row(summary: summary, part: .server, expects: .failure(cause, .login, exit: exit))
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
        case .issuedExpired:
            Row(summary: "the token has expired an hour ago", part: .identity, expects: .failure(.tokenExpired, .login, exit: 10))
        case .issuedNotYetValid:
            Row(summary: "the token becomes valid in an hour", part: .identity, expects: .failure(.tokenNotYetValid, .login, exit: 10))
        case .issuedLarge: Row(summary: "a token of nine kilobytes", part: .identity, expects: .healthy, value: ("bytes", 9_000))
        case .dnsNXDomain: names("the name does not exist", .dnsNotFound)
        case .dnsNoData: names("the name exists and has no address", .dnsNotFound)
        case .dnsServfail: names("the name service fails: SERVFAIL", .dnsResolverError)
        case .dnsSilent: names("the name service does not answer", .dnsResolverError)
        case .dnsGarbage: names("the name service answers with a broken message", .dnsResolverError)
        case .dnsTruncated: Row(summary: "the answer does not fit into UDP, TCP has it", part: .names, expects: .healthy)
        case .deadAddress: Row(summary: "three addresses, the first of which drops everything", part: .names, expects: .healthy)
        case .tcpRefused: proxy("nothing listens on the server's port", .tcpRefused, .tcp, 20)
        case .tcpDropped: proxy("packets to the server are dropped", .tcpTimeout, .tcp, 20)
        case .tcpReset: proxy("every connection is reset at once", .tcpReset, .negotiate, 20)
        case .silentAfterAccept: proxy("connections are accepted and never answered", .probeDeadline, .negotiate, 30)
        case .plaintextServer: proxy("the server does not offer TLS and asks for the token in the clear", .tlsNotNegotiated, .negotiate, 30)
        case .notPostgres: proxy("a web server answers on the port", .peerNotDatabase, .negotiate, 30)
        case .stuffedBeforeTLS: proxy("bytes stuffed between the agreement on TLS and the handshake", .protocolViolation, .negotiate, 40)
        case .delay: Row(summary: "every piece from the server comes late", part: .proxy, expects: .healthy, value: ("milliseconds", 50))
        case .dribble:
            Row(summary: "one byte from the server at a time", part: .proxy, expects: .varies, value: ("milliseconds between bytes", 1_000))
        case .dribbleAfter:
            Row(
                summary: "the server's bytes come one a second after so many of them", part: .proxy, expects: .varies, value: ("bytes", 1))
        case .cutAt:
            Row(
                summary: "the connection is closed after so many bytes from the server", part: .proxy, expects: .varies, value: ("bytes", 1)
            )
        case .resetAt:
            Row(summary: "the connection is reset after so many bytes from the server", part: .proxy, expects: .varies, value: ("bytes", 1))
        case .resetSent:
            Row(summary: "the connection is reset after so many bytes from the client", part: .proxy, expects: .varies, value: ("bytes", 1))
        case .tlsUnknownCA: proxy("a certificate of an authority nobody trusts", .tlsUntrustedIssuer, .tls, 30)
        case .tlsWrongName: proxy("a trusted certificate for another name", .tlsNameMismatch, .tls, 30)
        case .tlsExpired: proxy("a certificate that has expired", .tlsCertValidity, .tls, 30)
        case .tlsNotYetValid: proxy("a certificate that is not valid yet", .tlsCertValidity, .tls, 30)
        case .tlsTooOld: proxy("a server that speaks TLS 1.1 at most", .tlsProtocolMismatch, .tls, 30)
        case .tlsHandshakeCut: proxy("the connection is closed in the TLS handshake", .tlsHandshakeAborted, .tls, 30)
        case .tlsHandshakeStalled: proxy("the TLS handshake is never answered", .tlsHandshakeAborted, .tls, 30)
        case .tokenWrongAudience: proxy("the server calls the token's audience wrong", .tokenWrongAudience, .login, 10)
        case .tokenExpired: proxy("the server calls the token expired", .tokenExpired, .login, 10)
        case .tokenWrongTenant: proxy("the server belongs to another tenant than the token", .tokenWrongTenant, .login, 10)
        case .tokenGroupMissing: proxy("the token lacks the group that the role is mapped to", .tokenGroupsStale, .login, 10)
        case .tokenType: proxy("the role is mapped to a user, the token is of an application", .loginTokenType, .login, 40)
        case .identityRecreated: proxy("the role is mapped to another object id than the token's", .loginIdentityRecreated, .login, 40)
        case .serverStarting: proxy("the server is starting up: 57P03", .serverUnavailable, .login, 40)
        case .serverStopping: proxy("the server is shutting down: 57P03", .serverUnavailable, .login, 40)
        case .tooManyClients: proxy("all connection slots are taken: 53300 before the login", .connectionLimit, .login, 40)
        case .loginSilent: proxy("the server takes the token and says nothing", .probeDeadline, .login, 40)
        case .loginCut: proxy("the server takes the token and closes the connection", .serverUnavailable, .login, 40)
        case .startupSilent: proxy("the server says nothing after TLS is up", .probeDeadline, .login, 40)
        case .md5Asked: proxy("the server asks for an MD5 password", .authMethodUnexpected, .login, 40)
        case .gssAsked: proxy("the server asks for Kerberos", .authMethodUnexpected, .login, 40)
        case .unknownAuthAsked: proxy("the server asks for a method that does not exist", .authMethodUnexpected, .login, 40)
        case .garbageLength:
            Row(
                summary: "a message after TLS with an impossible length", part: .proxy,
                expects: .failure(.protocolViolation, .login, exit: 40),
                value: ("the length field", 0x7FFF_FFFF))
        case .garbageMessage: proxy("a message after TLS of a type that does not exist", .protocolViolation, .login, 40)
        case .hugeMessage:
            Row(
                summary: "an error message of sixteen megabytes instead of a question for the token", part: .proxy,
                expects: .failure(.protocolViolation, .login, exit: 40), value: ("bytes", 16 << 20))
        case .badText:
            proxy("a refusal in bytes that are no text: bad UTF-8, control characters, escapes", .loginPrincipalUnknown, .login, 40)
        case .endlessNotices: proxy("notices without end after the login", .protocolViolation, .login, 40)
        case .endlessRows: proxy("rows without end for any statement", .protocolViolation, .query, 40)
        case .endlessColumns: proxy("rows of sixty-five thousand columns for any statement", .protocolViolation, .query, 40)
        case .querySilent: proxy("statements are never answered", .queryTimeout, .query, 60)
        case .querySlow: proxy("statements run into the client's own time limit: 57014", .queryTimeout, .query, 60)
        case .queryCut: proxy("the session is ended by an administrator: 57P01", .connectionLost, .query, 60)
        case .roleUnknown: server("the role does not exist on the server", .loginPrincipalUnknown)
        case .databaseWrong: server("the database does not exist on the server", .databaseUnknown)
        case .hbaRefused: proxy("the client's address is not admitted: no pg_hba.conf entry", .firewallDenied, .login, 20)
        case .scramAsked: proxy("the server asks for SCRAM instead of a token", .authMethodUnexpected, .login, 40)
        case .roleNoLogin: server("the role may not log in", .loginDisabled)
        case .connectionLimit: server("the role's connection limit is zero", .connectionLimit)
        case .noConnect: server("the right to connect to the database is revoked", .databaseAccessDenied)
        }
    }
}
