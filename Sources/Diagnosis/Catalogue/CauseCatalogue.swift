// From a cause to its row.
// Adding a cause is a case in `Cause`, a row in the file of its group and a line here; the compiler asks for all three.

extension Cause {
    /// What is known about this cause, whatever the particulars of a failure are.
    package var row: CauseRow {
        switch self {
        case .configInvalid: .configInvalid
        case .loginNameInvalid: .loginNameInvalid
        case .dnsNotFound: .dnsNotFound
        case .dnsResolverError: .dnsResolverError
        case .dnsPublicForPrivate: .dnsPublicForPrivate
        case .tcpTimeout: .tcpTimeout
        case .tcpRefused: .tcpRefused
        case .tcpUnreachable: .tcpUnreachable
        case .tcpReset: .tcpReset
        case .firewallDenied: .firewallDenied
        case .publicAccessDisabled: .publicAccessDisabled
        case .redirectBlocked: .redirectBlocked
        case .tlsNotNegotiated: .tlsNotNegotiated
        case .tlsUntrustedIssuer: .tlsUntrustedIssuer
        case .tlsCertValidity: .tlsCertValidity
        case .tlsNameMismatch: .tlsNameMismatch
        case .tlsProtocolMismatch: .tlsProtocolMismatch
        case .tlsHandshakeAborted: .tlsHandshakeAborted
        case .peerNotDatabase: .peerNotDatabase
        case .identityEndpointUnreachable: .identityEndpointUnreachable
        case .identityNotAssigned: .identityNotAssigned
        case .identityClientIDWrong: .identityClientIDWrong
        case .identityReplyInvalid: .identityReplyInvalid
        case .federatedCredentialMismatch: .federatedCredentialMismatch
        case .appCredentialInvalid: .appCredentialInvalid
        case .entraAppNotFound: .entraAppNotFound
        case .entraPolicyDenied: .entraPolicyDenied
        case .entraUnavailable: .entraUnavailable
        case .tokenWrongAudience: .tokenWrongAudience
        case .tokenExpired: .tokenExpired
        case .tokenNotYetValid: .tokenNotYetValid
        case .tokenWrongTenant: .tokenWrongTenant
        case .tokenGroupsStale: .tokenGroupsStale
        case .tokenTooLarge: .tokenTooLarge
        case .loginPrincipalUnknown: .loginPrincipalUnknown
        case .loginIdentityRecreated: .loginIdentityRecreated
        case .loginTokenType: .loginTokenType
        case .loginDisabled: .loginDisabled
        case .clientBlocked: .clientBlocked
        case .entraAuthDisabled: .entraAuthDisabled
        case .serverIdentityGraph: .serverIdentityGraph
        case .loginRefused: .loginRefused
        case .authMethodUnexpected: .authMethodUnexpected
        case .protocolViolation: .protocolViolation
        case .redirectRefused: .redirectRefused
        case .tokenNotSent: .tokenNotSent
        case .nativeLoginDisabled: .nativeLoginDisabled
        case .databaseUnknown: .databaseUnknown
        case .databaseAccessDenied: .databaseAccessDenied
        case .connectionLimit: .connectionLimit
        case .serverUnavailable: .serverUnavailable
        case .serverStopped: .serverStopped
        case .databaseResuming: .databaseResuming
        case .serviceThrottled: .serviceThrottled
        case .privilegeMissing: .privilegeMissing
        case .privilegeFutureObjects: .privilegeFutureObjects
        case .databaseReadOnly: .databaseReadOnly
        case .queryTimeout: .queryTimeout
        case .queryFailed: .queryFailed
        case .connectionLost: .connectionLost
        case .probeDeadline: .probeDeadline
        case .probeInternal: .probeInternal
        case .unclassified: .unclassified
        }
    }

    package var group: Group { row.group }
    package var transience: Transience { row.transience }
    package var severity: Severity { row.severity }
    package var hint: String { row.hint }

    /// The hint where the phase, the product or the source of tokens makes it another one.
    package func hint(during phase: Phase, engine: Engine? = nil, source: TokenSourceKind? = nil) -> String {
        switch (self, phase) {
        case (.probeDeadline, .token):
            "The source of tokens took longer than the probe has: look at the identity, the database was not asked."
        case (.probeDeadline, .negotiate):
            "Something takes the connection and never says a word: a proxy or middlebox, or a server that hangs."
        default: row.hint(engine: engine, source: source)
        }
    }
}
