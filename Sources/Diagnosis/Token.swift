// A token as the rest of the program sees it: a secret with the claims that matter beside it.

/// What the claims of a token say. Read, never verified, never stored raw.
///
/// The token is opaque by contract, so every claim may be absent.
package struct TokenClaims: Sendable, Hashable {
    package var audience: String?
    package var tenant: String?
    package var issuer: String?
    package var appID: String?
    package var objectID: String?
    package var principal: PrincipalKind
    /// The ARM id of the managed identity or of the resource that owns it (`xms_mirid`).
    package var managedIdentityResource: String?
    /// Number of groups in the token; nil when the token has no such claim.
    package var groupCount: Int?
    /// Whether groups were left out because there are too many (`hasgroups`, `_claim_names`).
    package var groupOverage: Bool
    package var issuedAt: Timestamp?
    package var notBefore: Timestamp?
    package var expires: Timestamp?
    /// The token's own identifier (`uti`), the key of sign-in logs. Not a secret.
    package var uti: String?

    package init(
        audience: String? = nil, tenant: String? = nil, issuer: String? = nil, appID: String? = nil, objectID: String? = nil,
        principal: PrincipalKind = .unknown, managedIdentityResource: String? = nil, groupCount: Int? = nil,
        groupOverage: Bool = false, issuedAt: Timestamp? = nil, notBefore: Timestamp? = nil, expires: Timestamp? = nil,
        uti: String? = nil
    ) {
        self.audience = audience
        self.tenant = tenant
        self.issuer = issuer
        self.appID = appID
        self.objectID = objectID
        self.principal = principal
        self.managedIdentityResource = managedIdentityResource
        self.groupCount = groupCount
        self.groupOverage = groupOverage
        self.issuedAt = issuedAt
        self.notBefore = notBefore
        self.expires = expires
        self.uti = uti
    }

    package enum PrincipalKind: String, Sendable, Hashable, CaseIterable, JSONRepresentable {
        case systemAssigned = "system_assigned"
        case userAssigned = "user_assigned"
        case servicePrincipal = "service_principal"
        case user
        case unknown
    }
}

/// A token with what is known about it.
package struct AccessToken: Sendable {
    package var secret: Secret<String>
    package var claims: TokenClaims
    /// When the token ends, by the reply of its source, else by its claims.
    package var expires: Timestamp
    /// When this process received it.
    package var acquired: Timestamp
    /// **Unit**: bytes.
    package var length: Int
    /// Keyed fingerprint: equal for equal tokens within this process, meaningless outside it.
    package var fingerprint: UInt64

    package init(
        secret: Secret<String>, claims: TokenClaims, expires: Timestamp, acquired: Timestamp, length: Int, fingerprint: UInt64
    ) {
        self.secret = secret
        self.claims = claims
        self.expires = expires
        self.acquired = acquired
        self.length = length
        self.fingerprint = fingerprint
    }
}

/// A token handed to one probe.
package struct TokenLease: Sendable {
    package var token: AccessToken
    /// Whether it came out of the cache without a request.
    package var isCached: Bool
    /// Why the last renewal failed, when this token is still valid in spite of it.
    package var renewalFailure: Failure?

    package init(token: AccessToken, isCached: Bool, renewalFailure: Failure? = nil) {
        self.token = token
        self.isCached = isCached
        self.renewalFailure = renewalFailure
    }
}

/// Gives tokens for one identity. One request in flight per identity and resource, whoever asks.
package protocol TokenSource: Sendable {
    /// **Throws**: the causes of group `token`; `WaitFailure` never escapes.
    func token(for resource: TokenResource, until deadline: Deadline) async throws(ProbeEnd) -> TokenLease
    /// Drops the cached token, because a server called it expired or a person asked for a fresh one.
    func discard(_ resource: TokenResource) async
}

/// How an attempt ends without success.
package enum ProbeEnd: Error, Sendable {
    case failed(Failure)
    /// The caller was cancelled: there is nothing to report.
    case cancelled
}
