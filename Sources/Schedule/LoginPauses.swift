// The rests of all checks, and of servers that turned the client away altogether.
package import Diagnosis

/// Decides for every check how far its next probe goes.
package struct LoginPauses: Sendable {
    /// How long nothing logs in to a server that has blocked this client.
    package static let serverRest = CheckPast.blockRest
    /// The causes by which a server says that it has blocked this client.
    package static let blockingCauses: Set<Cause> = [.clientBlocked]

    private let blockingCauses: Set<Cause>
    private var checks: [CheckID: LoginPause] = [:]
    private var servers: [Endpoint: ContinuousClock.Instant] = [:]
    private var accounts: [Account: AccountPause] = [:]
    /// Connections that broke off between greeting and login, since a login last worked there.
    private var strikes: [Endpoint: ServerStrikes] = [:]

    /// Whom a MySQL server counts failed logins against: the account, whoever tries.
    private struct Account: Hashable, Sendable {
        var server: Endpoint
        var user: String
    }

    private struct AccountPause: Sendable {
        /// The rest of the account after the last refusal of any check of it.
        var pause = LoginPause()
        var refused: CheckID?
        /// Checks whose last login worked: what others did wrong does not hold them.
        var healthy: Set<CheckID> = []
        /// Checks that were held for another one's refusal and go first when the rest is over.
        var held: Set<CheckID> = []

        func rest(of check: CheckID, at slot: ContinuousClock.Instant) -> ContinuousClock.Instant? {
            guard !healthy.contains(check), let end = pause.end else { return nil }
            if slot < end { return end }
            let turn = end.advanced(by: LoginPauses.serverRest)
            return refused == check && !held.subtracting([check]).isEmpty && slot < turn ? turn : nil
        }
    }

    package init(blockingCauses: Set<Cause> = Self.blockingCauses) { self.blockingCauses = blockingCauses }

    /// How far a probe of this check may go whose slot is at `slot`.
    package func depth(of check: CheckID, on target: Target, at slot: ContinuousClock.Instant) -> ProbeRun.Depth {
        rest(of: check, on: target, at: slot) == nil ? .query : .tls
    }

    /// Why a probe whose slot is at `slot` logs in nowhere; nil when it may. Of several rests the longest.
    package func rest(of check: CheckID, on target: Target, at slot: ContinuousClock.Instant) -> LoginRest? {
        let server = Self.server(of: target)
        var rests: [LoginRest] = []
        if let until = servers[server], slot < until { rests.append(LoginRest(reason: .clientBlocked, until: until)) }
        if let account = Self.account(of: target) {
            if let until = strikes[server]?.rest(of: check, at: slot) { rests.append(LoginRest(reason: .brokenHandshakes, until: until)) }
            if let until = accounts[account]?.rest(of: check, at: slot) { rests.append(LoginRest(reason: .refused, until: until)) }
        }
        if let until = checks[check]?.end, slot < until { rests.append(LoginRest(reason: .refused, until: until)) }
        return rests.max { $0.until < $1.until }
    }

    /// The same for a probe that begins: where connections are rare, others wait for what becomes of it.
    package mutating func begin(_ check: CheckID, on target: Target, at slot: ContinuousClock.Instant) -> LoginRest? {
        if let rest = rest(of: check, on: target, at: slot) { return rest }
        // It is over at its deadline, and told then.
        strikes[Self.server(of: target)]?.begin(check, until: slot.advanced(by: target.timeout + .seconds(1)))
        return nil
    }

    /// Takes what a probe saw into account.
    /// - Returns: what logins of the check rest from here on and did not before.
    package mutating func apply(_ observation: Observation, on target: Target, slot: ContinuousClock.Instant) -> LoginRest.Reason? {
        let server = Self.server(of: target)
        let wasFull = strikes[server]?.isFull(at: slot) ?? false
        if let cause = observation.failure?.cause, blockingCauses.contains(cause) {
            servers[server] = slot.advanced(by: Self.serverRest)
        }
        if let account = Self.account(of: target) { count(observation, account, slot) }
        var pause = checks[observation.check] ?? LoginPause()
        let rested = pause.isResting
        pause.apply(observation, slot: slot, countsHandshakes: target.engine == .mysql)
        // Healthy checks cost no entry.
        checks[observation.check] = pause == LoginPause() ? nil : pause
        if !wasFull, strikes[server]?.isFull(at: slot) ?? false { return .brokenHandshakes }
        return pause.isResting && !rested ? .refused : nil
    }

    /// A server blocked this client before this process began.
    package mutating func adopt(blockOf target: Target, until: ContinuousClock.Instant) {
        let server = Self.server(of: target)
        servers[server] = max(servers[server] ?? until, until)
    }

    /// What a MySQL server counts, for the account and for this host.
    private mutating func count(_ observation: Observation, _ account: Account, _ slot: ContinuousClock.Instant) {
        let check = observation.check
        var state = accounts[account] ?? AccountPause()
        switch observation.outcome {
        case .partial:
            if strikes[account.server]?.isFull(at: slot) ?? false { strikes[account.server]?.hold(check) }
            if state.pause.isResting, state.refused != check { state.held.insert(check) }
            // A new token or address of the one that was refused is news; of another check it says nothing.
            if state.refused == check { state.pause.apply(observation, slot: slot) }
        case .failed(let failure) where Self.isUnfinished(failure):
            if ServerStrikes.isCounted(failure) {
                strikes[account.server, default: ServerStrikes()].add(check, at: slot)
            } else {
                strikes[account.server]?.end(check)
            }
            state.held.remove(check)
            guard failure.phase == .login, !failure.cause.isTransient else { break }
            state.healthy.remove(check)
            // Another check's token is no news, so only this refusal's time counts.
            state.pause.apply(observation, slot: slot)
            state.refused = check
        case .failed(let failure) where failure.phase != .query && failure.phase != .privileges: strikes[account.server]?.end(check)
        case .succeeded, .failed:
            strikes[account.server] = nil
            state.pause.reset()
            (state.refused, state.held) = (nil, [])
            state.healthy.insert(check)
        }
        accounts[account] = state
    }

    /// Whether the connection ended between the greeting and the end of the login, transient or not.
    private static func isUnfinished(_ failure: Failure) -> Bool {
        failure.phase == .tls || failure.phase == .login || (failure.phase == .negotiate && failure.cause == .tlsNotNegotiated)
    }

    private static func account(of target: Target) -> Account? {
        target.engine == .mysql ? Account(server: server(of: target), user: target.user ?? "") : nil
    }

    /// Lets the next probe of the check log in. A server that has blocked this client stays at rest: a login would prolong the block.
    package mutating func reset(_ check: CheckID, on target: Target? = nil) {
        checks[check] = nil
        guard let target, let account = Self.account(of: target) else { return }
        accounts[account]?.pause.reset()
        // One more, not twenty: a person who asks again and again must not bring about the block.
        strikes[account.server]?.allow(1)
    }

    /// Forgets every check that is not kept, and servers that none of these targets is on.
    package mutating func keep(_ checks: Set<CheckID>, on targets: [Target]) {
        self.checks = self.checks.filter { checks.contains($0.key) }
        let used = Set(targets.map(Self.server))
        // What is configured otherwise now may work: a few attempts more.
        strikes = strikes.filter { used.contains($0.key) }.mapValues { known in
            var known = known
            known.allow(5)
            known.keep(checks)
            return known
        }
        let named = Set(targets.compactMap(Self.account))
        accounts = accounts.filter { named.contains($0.key) }.mapValues { state in
            var state = state
            state.healthy.formIntersection(checks)
            state.held.formIntersection(checks)
            if let refused = state.refused, !checks.contains(refused) {
                state.refused = nil
                state.pause.reset()
            }
            return state
        }
        guard !servers.isEmpty else { return }
        servers = servers.filter { used.contains($0.key) }
    }

    private static func server(of target: Target) -> Endpoint { Endpoint(host: target.host.lowercased(), port: target.port) }
}
