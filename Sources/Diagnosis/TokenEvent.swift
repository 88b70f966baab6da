// What happens to tokens, for metrics, history and the watch over identities.

/// Something that happened to the tokens of one identity.
package enum TokenEvent: Sendable, Hashable {
    /// A probe wanted a token. `hit` when the cache had it.
    case lookup(identity: String, hit: Bool)
    /// A request to the source was answered, or failed.
    case request(TokenRequestResult)
    /// A request was held back by our own rate cap, or the source replied 429.
    case throttled(source: TokenSourceKind)
}

/// What a token event says of its identity as a whole.
package struct IdentityNews: Sendable, Hashable {
    /// The change of verdict, or of cause while down.
    package var change: StateLine?
    /// What history and incidents take a request for.
    package var observation: Observation?

    package init(change: StateLine? = nil, observation: Observation? = nil) {
        self.change = change
        self.observation = observation
    }
}

/// Where tokens come from; the label `source`.
package enum TokenSourceKind: String, Sendable, Hashable, Codable, CaseIterable, JSONRepresentable {
    case imds
    case appService = "app_service"
    // Recognised so that they are not taken for one of the above; this version does not speak their protocols.
    case serviceFabric = "service_fabric"
    case azureArc = "azure_arc"
    case azureML = "azure_ml"
    case cloudShell = "cloud_shell"
}

/// One finished request for a token.
package struct TokenRequestResult: Sendable, Hashable {
    package var identity: String
    package var resource: TokenResource
    package var source: TokenSourceKind
    /// When it ended.
    package var time: Timestamp
    package var duration: Duration
    package var outcome: Outcome

    package var started: Timestamp { time + (.zero - duration) }

    package init(
        identity: String, resource: TokenResource, source: TokenSourceKind, time: Timestamp, duration: Duration, outcome: Outcome
    ) {
        self.identity = identity
        self.resource = resource
        self.source = source
        self.time = time
        self.duration = duration
        self.outcome = outcome
    }

    package enum Outcome: Sendable, Hashable {
        /// `isSameToken`: the source gave the token that it gave before.
        case acquired(expires: Timestamp, isSameToken: Bool)
        case failed(Failure)
    }
}

extension TokenRequestResult {
    /// The request as history and incidents know it: a probe of the identity by itself, of one phase.
    package var observation: Observation {
        let (outcome, ended): (Observation.Outcome, PhaseResult.Outcome) =
            switch self.outcome {
            case .acquired: (.succeeded, .ok)
            case .failed(let failure): (.failed(failure), .failed)
            }
        return Observation(
            check: CheckID(watching: identity), started: started, duration: duration,
            phases: [PhaseResult(.token, ended, duration: duration)], outcome: outcome)
    }
}
