// The story of one acquisition, for a person who asks why there is no token.
package import Diagnosis

/// What was asked of which source, every try, and what came of it. Never the token in clear, never a header.
package struct TokenAcquisition: Sendable {
    package var identity: String
    package var source: TokenSourceKind
    /// Scheme, host and path of the endpoint; nil for a source that this version does not speak.
    package var place: String?
    package var apiVersion: String?
    /// The parameter that names the identity, as sent: `client_id=…`; nil when none was sent.
    package var parameter: String?
    /// The resource URI that was asked for.
    package var resource: String
    /// Empty when the cache had the token or a failure was remembered.
    package var attempts: [TokenAttempt]
    /// From the question to the answer, waits included.
    package var duration: Duration
    package var outcome: Outcome

    package enum Outcome: Sendable {
        case acquired(AcquiredToken)
        case failed(Failure)
    }
}

/// A token with what its source said about it.
package struct AcquiredToken: Sendable {
    package var token: AccessToken
    package var isCached: Bool
    /// Whether the source gave the token that it gave before.
    package var isSameToken: Bool
    /// The client id that the endpoint echoed.
    package var clientID: String?
    /// Why there is no newer token.
    package var renewalFailure: Failure?
}

/// One request to the source.
package struct TokenAttempt: Sendable, Hashable {
    /// Nil when no reply came.
    package var status: Int?
    package var duration: Duration
    package var cause: Cause?
    /// `Retry-After` of the reply.
    package var retryAfter: Duration?
    /// How long was waited before the next attempt; nil for the last.
    package var pause: Duration?
}
