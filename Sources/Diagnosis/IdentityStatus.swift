// Where an identity stands: a value that requests for its tokens move on.

/// Where an identity stands, by itself and apart from any target.
package struct IdentityStatus: Sendable, Hashable {
    package var name: String
    package var state: CheckState = .unknown
    package var cause: Cause?
    package var failure: Failure?
    package var source: TokenSourceKind?
    package var since: Timestamp?
    /// When its source was asked last; nil before the first answer.
    package var asked: Timestamp?
    package var tokens: [TokenResource: TokenStatus] = [:]
    package var lookups: UInt64 = 0
    package var cacheHits: UInt64 = 0
    package var requests: [TokenSourceKind: UInt64] = [:]
    package var requestFailures: [TokenSourceKind: [Cause: UInt64]] = [:]
    /// What its tokens are for. A request for anything else counts, and says nothing of the identity.
    package private(set) var uses: Set<TokenResource>
    /// How the last request for each of these ended.
    private var last: [TokenResource: TokenRequestResult.Outcome] = [:]
    /// Since when it failed, by cause, before this process began: for the first failure that it sees.
    private var failingSince: [Cause: Timestamp] = [:]

    package init(name: String, uses: some Sequence<TokenResource> = [.ossrdbms]) {
        self.name = name
        self.uses = Set(uses)
    }

    package struct TokenStatus: Sendable, Hashable {
        package var expires: Timestamp
        package var lifetime: Duration
        package var acquired: Timestamp
        package var isSameToken: Bool
    }

    /// - Returns: the change of verdict, or of cause while down; nil when everything stays as it was.
    @discardableResult
    package mutating func apply(_ event: TokenEvent) -> StateLine? {
        switch event {
        case .lookup(_, let hit):
            lookups += 1
            if hit { cacheHits += 1 }
        case .throttled: break
        case .request(let result):
            source = result.source
            asked = result.time
            requests[result.source, default: 0] += 1
            if case .failed(let reason) = result.outcome {
                requestFailures[result.source, default: [:]][reason.cause, default: 0] += 1
            }
            guard uses.contains(result.resource) else { return nil }
            last[result.resource] = result.outcome
            if case .acquired(let expires, let isSameToken) = result.outcome {
                tokens[result.resource] = TokenStatus(
                    expires: expires, lifetime: expires - result.time, acquired: result.time, isSameToken: isSameToken)
            }
            // The start of the request, as for checks and incidents: one moment on every surface.
            return judge(at: result.started)
        }
        return nil
    }

    /// What history and incidents take the request for: nil for a token that came while another one is refused, or was not asked for yet. The
    /// identity is not up then, and its incident ends with what began it.
    package func observation(of result: TokenRequestResult) -> Observation? {
        guard uses.contains(result.resource) else { return nil }
        if case .acquired = result.outcome, state != .up { return nil }
        return result.observation
    }

    /// Its tokens are for these from now on; what is known of others is forgotten.
    /// - Returns: the change of verdict; nil when it stays.
    package mutating func use(_ resources: some Sequence<TokenResource>, at time: Timestamp) -> StateLine? {
        uses = Set(resources)
        last = last.filter { uses.contains($0.key) }
        tokens = tokens.filter { uses.contains($0.key) }
        return judge(at: time)
    }

    /// Down while any of its tokens was refused last, up when all were given; one that is up stays so while another token is asked for. Of
    /// several refusals the first in a fixed order speaks, so that the cause does not change with every request.
    private mutating func judge(at time: Timestamp) -> StateLine? {
        let before = (state, cause)
        let refused = TokenResource.allCases.compactMap { resource -> Failure? in
            if case .failed(let reason)? = last[resource] { reason } else { nil }
        }
        failure = refused.first
        cause = failure?.cause
        if cause != nil {
            state = .down
        } else if uses.isSubset(of: last.keys) || state == .up && !last.isEmpty {
            state = .up
        } else {
            state = .unknown
        }
        guard before != (state, cause) else { return nil }
        let begun = before.0 == .unknown ? cause.flatMap { failingSince[$0] } ?? time : time
        since = begun
        return StateLine(
            time: time, kind: .identity, id: name, from: before.0, to: state, cause: cause?.rawValue, phase: failure?.phase, since: begun)
    }

    /// Takes in what history knows of its watch from before this process.
    package mutating func adopt(_ past: CheckPast) {
        failingSince = past.failingSince
        if state == .down, let cause, let earlier = past.failingSince[cause] { since = min(since ?? earlier, earlier) }
    }

    /// The earliest end of a token that is held.
    package var expires: Timestamp? { tokens.values.map(\.expires).min() }
}
