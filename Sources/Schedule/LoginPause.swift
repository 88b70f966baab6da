// Never the cause of a lockout: how long logins of one check rest after a failure that repeating cannot mend.
package import Diagnosis

/// The rest between the logins of one check.
///
/// After a login failure that is not transient the next login comes after 1 minute, then after 5, then every 15; in between probes
/// stop after `tls`. Times are those of slots, so that a rest of one minute at an interval of one minute skips nothing.
package struct LoginPause: Sendable, Hashable {
    /// The rest after the first, the second and every further refused login.
    package static let rests: [Duration] = [.seconds(60), .seconds(5 * 60), .seconds(15 * 60)]
    /// How many tokens and address sets that have failed are remembered.
    private static let memory = 16

    private var refusals = 0
    private var loginsFrom: ContinuousClock.Instant?
    // With what logins were refused since the last success. A name that alternates between two addresses, or a token that changes
    // back, is no news: only what was not among these ends the rest early.
    private var refusedExpiries: [Timestamp] = []
    private var refusedAddresses: [Set<String>] = []
    /// Whether the last login ended before the token was sent: then another token would change nothing.
    private var endedWithoutToken = false

    package init() {}

    /// When the rest ends; nil without one.
    package var end: ContinuousClock.Instant? { loginsFrom }
    /// Whether logins rest.
    package var isResting: Bool { loginsFrom != nil }

    /// How far a probe may go whose slot is at `slot`.
    package func depth(at slot: ContinuousClock.Instant) -> ProbeRun.Depth {
        guard let loginsFrom, slot < loginsFrom else { return .query }
        return .tls
    }

    /// Takes what a probe saw into account.
    /// - Parameters:
    ///   - slot: when the probe was due.
    ///   - countsHandshakes: whether the server counts a handshake that was left unfinished as it does a login (MySQL).
    package mutating func apply(_ observation: Observation, slot: ContinuousClock.Instant, countsHandshakes: Bool = false) {
        switch observation.outcome {
        case .succeeded:
            reset()
        case .partial:
            if isNews(observation.facts) { endRest() }
        case .failed(let failure)
        where failure.phase == .login && !Self.isBehindRedirect(failure, observation.facts) || countsHandshakes && failure.phase == .tls:
            // A transient refusal says nothing about the next login: neither a step further nor back.
            guard !failure.cause.isTransient else { return }
            if isNews(observation.facts) { endRest() }
            remember(observation.facts)
            endedWithoutToken = failure.phase == .tls || failure.cause == .authMethodUnexpected
            loginsFrom = slot.advanced(by: Self.rests[min(refusals, Self.rests.count - 1)])
            refusals += 1
        case .failed(let failure):
            // Past the login the server has let us in; before it nothing was tried.
            if failure.phase == .query || failure.phase == .privileges {
                reset()
            } else if isNews(observation.facts) {
                endRest()
            }
        }
    }

    /// A gateway of Azure SQL has let the token in, and the way to where it sends its clients is broken: nothing was refused.
    private static func isBehindRedirect(_ failure: Failure, _ facts: Facts) -> Bool {
        facts.redirectedTo != nil && [.dns, .tcp, .tls].contains(failure.cause.group)
    }

    /// Lets the next probe log in: the configuration changed, or a person asked.
    package mutating func reset() { self = LoginPause() }

    private mutating func endRest() {
        refusals = 0
        loginsFrom = nil
    }

    /// Whether there is a token or a set of addresses with which no login was refused yet.
    private func isNews(_ facts: Facts) -> Bool {
        guard isResting else { return false }
        if !endedWithoutToken, let expires = facts.tokenExpires, !refusedExpiries.isEmpty, !refusedExpiries.contains(expires) {
            return true
        }
        return !facts.addresses.isEmpty && !refusedAddresses.isEmpty && !refusedAddresses.contains(Set(facts.addresses))
    }

    private mutating func remember(_ facts: Facts) {
        if let expires = facts.tokenExpires, !refusedExpiries.contains(expires) {
            refusedExpiries = refusedExpiries.suffix(Self.memory - 1) + [expires]
        }
        let addresses = Set(facts.addresses)
        if !addresses.isEmpty, !refusedAddresses.contains(addresses) {
            refusedAddresses = refusedAddresses.suffix(Self.memory - 1) + [addresses]
        }
    }
}
