// The closed list of causes: the same codes in JSON, SQLite, metrics, exit status and documents.

/// Why something failed, as one code out of a closed list. The list only grows: a case here, a row in `CauseCatalogue`, a test.
///
/// Listed are the causes that this version can give; the codes are those of the product's taxonomy.
package enum Cause: String, Sendable, Hashable, Codable, CaseIterable, JSONRepresentable {
    // config
    case configInvalid = "config_invalid"
    case loginNameInvalid = "login_name_invalid"
    // dns
    case dnsNotFound = "dns_not_found"
    case dnsResolverError = "dns_resolver_error"
    case dnsPublicForPrivate = "dns_public_for_private"
    // tcp
    case tcpTimeout = "tcp_timeout"
    case tcpRefused = "tcp_refused"
    case tcpUnreachable = "tcp_unreachable"
    case tcpReset = "tcp_reset"
    case firewallDenied = "firewall_denied"
    case publicAccessDisabled = "public_access_disabled"
    case redirectBlocked = "redirect_blocked"
    // tls
    case tlsNotNegotiated = "tls_not_negotiated"
    case tlsUntrustedIssuer = "tls_untrusted_issuer"
    case tlsCertValidity = "tls_cert_validity"
    case tlsNameMismatch = "tls_name_mismatch"
    case tlsProtocolMismatch = "tls_protocol_mismatch"
    case tlsHandshakeAborted = "tls_handshake_aborted"
    case peerNotDatabase = "peer_not_database"
    // token
    case identityEndpointUnreachable = "identity_endpoint_unreachable"
    case identityNotAssigned = "identity_not_assigned"
    case identityClientIDWrong = "identity_client_id_wrong"
    case identityReplyInvalid = "identity_reply_invalid"
    case federatedCredentialMismatch = "federated_credential_mismatch"
    case appCredentialInvalid = "app_credential_invalid"
    case entraAppNotFound = "entra_app_not_found"
    case entraPolicyDenied = "entra_policy_denied"
    case entraUnavailable = "entra_unavailable"
    case tokenWrongAudience = "token_wrong_audience"
    case tokenExpired = "token_expired"
    case tokenNotYetValid = "token_not_yet_valid"
    case tokenWrongTenant = "token_wrong_tenant"
    case tokenGroupsStale = "token_groups_stale"
    case tokenTooLarge = "token_too_large"
    // login
    case loginPrincipalUnknown = "login_principal_unknown"
    case loginIdentityRecreated = "login_identity_recreated"
    case loginTokenType = "login_token_type"
    case loginDisabled = "login_disabled"
    case clientBlocked = "client_blocked"
    case entraAuthDisabled = "entra_auth_disabled"
    case serverIdentityGraph = "server_identity_graph"
    case loginRefused = "login_refused"
    case authMethodUnexpected = "auth_method_unexpected"
    case protocolViolation = "protocol_violation"
    case redirectRefused = "redirect_refused"
    case tokenNotSent = "token_not_sent"
    case nativeLoginDisabled = "native_login_disabled"
    // session
    case databaseUnknown = "database_unknown"
    case databaseAccessDenied = "database_access_denied"
    case connectionLimit = "connection_limit"
    case serverUnavailable = "server_unavailable"
    case serverStopped = "server_stopped"
    case databaseResuming = "database_resuming"
    case serviceThrottled = "service_throttled"
    // privilege
    case privilegeMissing = "privilege_missing"
    case privilegeFutureObjects = "privilege_future_objects"
    case databaseReadOnly = "database_read_only"
    // query
    case queryTimeout = "query_timeout"
    case queryFailed = "query_failed"
    case connectionLost = "connection_lost"
    // internal
    case probeDeadline = "probe_deadline"
    case probeInternal = "probe_internal"
    case unclassified

    /// The families of the taxonomy; they decide the exit status.
    package enum Group: String, Sendable, Hashable, CaseIterable {
        case config, dns, tcp, tls, token, login, session, privilege, query
        case `internal`
    }

    /// Whether doing the same again may help.
    package enum Transience: String, Sendable, Hashable { case yes, no, maybe }

    /// Whether logins go on at the normal interval after this cause; otherwise they pause, so that the agent never locks anybody out.
    package var isTransient: Bool { transience != .no }
}

/// What decides over attention.
package enum Severity: String, Sendable, Hashable, Codable, Comparable, CaseIterable, JSONRepresentable {
    /// Good to know.
    case info
    /// It works now and will not for long, or a part of it does not.
    case warning
    /// Something cannot work now.
    case error

    package static func < (a: Severity, b: Severity) -> Bool { a.rank < b.rank }
    private var rank: Int {
        switch self {
        case .info: 0
        case .warning: 1
        case .error: 2
        }
    }
}
