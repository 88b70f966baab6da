// Which cause can be seen in which phase, per engine: the series that exist from the start.
import Diagnosis

/// The pairs of phase and cause that a probe can end with. A pair outside the table still counts; it only has no zero before its first event.
enum PossibleFailures {
    static func pairs(_ engine: Engine) -> [(phase: Phase, causes: [Cause])] {
        switch engine {
        case .postgresql: postgresql
        case .mysql: mysql
        case .azuresql: azuresql
        }
    }

    private static let anywhere: [Cause] = [.probeDeadline, .probeInternal, .unclassified]

    /// Before the database says anything, all engines are alike.
    private static let onTheWay: [(phase: Phase, causes: [Cause])] = [
        (
            .token,
            [
                .identityEndpointUnreachable, .identityNotAssigned, .identityClientIDWrong, .identityReplyInvalid, .entraAppNotFound,
                .entraPolicyDenied, .entraUnavailable, .appCredentialInvalid, .federatedCredentialMismatch, .tokenWrongAudience,
                .tokenExpired, .tokenNotYetValid, .tokenTooLarge,
            ] + anywhere
        ),
        (.dns, [.dnsNotFound, .dnsResolverError, .dnsPublicForPrivate] + anywhere),
        (.tcp, [.tcpTimeout, .tcpRefused, .tcpUnreachable, .tcpReset, .dnsPublicForPrivate, .firewallDenied] + anywhere),
    ]

    private static let postgresql: [(phase: Phase, causes: [Cause])] =
        onTheWay + [
            (
                .negotiate,
                [.tlsNotNegotiated, .peerNotDatabase, .protocolViolation, .tcpReset, .connectionLost, .serverUnavailable] + anywhere
            ),
            (
                .tls,
                [
                    .tlsUntrustedIssuer, .tlsCertValidity, .tlsNameMismatch, .tlsProtocolMismatch, .tlsHandshakeAborted, .peerNotDatabase,
                    .tcpReset,
                ] + anywhere
            ),
            (
                .login,
                [
                    .loginPrincipalUnknown, .loginIdentityRecreated, .loginTokenType, .loginDisabled, .loginNameInvalid, .entraAuthDisabled,
                    .serverIdentityGraph, .loginRefused, .authMethodUnexpected, .protocolViolation, .tokenNotSent, .tokenWrongAudience,
                    .tokenExpired, .tokenNotYetValid, .tokenWrongTenant, .tokenGroupsStale, .tokenTooLarge, .firewallDenied,
                    .databaseUnknown, .databaseAccessDenied, .connectionLimit, .serverUnavailable, .serviceThrottled, .connectionLost,
                    .tcpReset,
                ] + anywhere
            ),
            (
                .query,
                [
                    .queryTimeout, .queryFailed, .connectionLost, .serverUnavailable, .databaseAccessDenied, .databaseReadOnly,
                    .privilegeMissing, .serviceThrottled,
                ] + anywhere
            ),
            // Rights never decide whether a check is up.
            (.privileges, []),
        ]

    private static let mysql: [(phase: Phase, causes: [Cause])] =
        onTheWay + [
            (
                .negotiate,
                [
                    .tlsNotNegotiated, .peerNotDatabase, .protocolViolation, .tcpReset, .connectionLimit, .clientBlocked, .firewallDenied,
                    .serverUnavailable, .serverStopped,
                ] + anywhere
            ),
            (
                .tls,
                [
                    .tlsUntrustedIssuer, .tlsCertValidity, .tlsNameMismatch, .tlsProtocolMismatch, .tlsHandshakeAborted, .peerNotDatabase,
                    .tcpReset,
                ] + anywhere
            ),
            (
                .login,
                [
                    .loginPrincipalUnknown, .loginIdentityRecreated, .loginDisabled, .loginNameInvalid, .clientBlocked, .entraAuthDisabled,
                    .serverIdentityGraph, .loginRefused, .authMethodUnexpected, .nativeLoginDisabled, .protocolViolation, .tokenNotSent,
                    .tokenWrongAudience, .tokenExpired, .tokenNotYetValid, .tokenWrongTenant, .tokenGroupsStale, .firewallDenied,
                    .databaseUnknown, .databaseAccessDenied, .connectionLimit, .serverUnavailable, .serverStopped, .serviceThrottled,
                ] + anywhere
            ),
            (
                .query,
                [
                    .queryTimeout, .queryFailed, .connectionLost, .serverUnavailable, .databaseReadOnly, .privilegeMissing,
                    .protocolViolation,
                    .serviceThrottled,
                ] + anywhere
            ),
            (.privileges, []),
        ]

    private static let azuresql: [(phase: Phase, causes: [Cause])] =
        onTheWay + [
            (
                .negotiate,
                [.tlsNotNegotiated, .peerNotDatabase, .protocolViolation, .tcpReset] + anywhere
            ),
            (
                .tls,
                [
                    .tlsUntrustedIssuer, .tlsCertValidity, .tlsNameMismatch, .tlsProtocolMismatch, .tlsHandshakeAborted,
                ] + anywhere
            ),
            (
                .login,
                [
                    .loginPrincipalUnknown, .loginDisabled, .clientBlocked, .entraAuthDisabled, .loginRefused, .authMethodUnexpected,
                    .protocolViolation, .tokenNotSent, .tokenWrongAudience, .tokenExpired, .tokenNotYetValid, .tokenWrongTenant,
                    .tokenGroupsStale, .firewallDenied, .publicAccessDisabled, .redirectBlocked, .redirectRefused, .databaseUnknown,
                    .databaseAccessDenied, .connectionLimit, .serverUnavailable, .serverStopped, .databaseResuming, .serviceThrottled,
                    .tlsProtocolMismatch, .loginIdentityRecreated, .nativeLoginDisabled, .connectionLost, .databaseReadOnly,
                    .serverIdentityGraph, .privilegeMissing, .identityClientIDWrong, .dnsPublicForPrivate, .queryTimeout,
                    // Behind a redirect.
                    .tlsUntrustedIssuer, .tlsCertValidity, .tlsNameMismatch, .tlsHandshakeAborted, .tlsNotNegotiated, .peerNotDatabase,
                    .tcpReset,
                ] + anywhere
            ),
            (
                .query,
                [
                    .queryTimeout, .queryFailed, .connectionLost, .databaseReadOnly, .privilegeMissing, .protocolViolation,
                    .serviceThrottled, .tokenExpired,
                ] + anywhere
            ),
            (.privileges, []),
        ]
}
