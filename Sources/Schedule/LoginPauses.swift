// The rests of all checks, and of servers that turned the client away altogether.
package import Diagnosis

/// Decides for every check how far its next probe goes.
package struct LoginPauses: Sendable {
    /// How long nothing logs in to a server that has blocked this client.
    package static let serverRest: Duration = .seconds(15 * 60)
    /// The causes by which a server says that it has blocked this client.
    package static let blockingCauses: Set<Cause> = [.clientBlocked]

    private let blockingCauses: Set<Cause>
    private var checks: [CheckID: LoginPause] = [:]
    private var servers: [Endpoint: ContinuousClock.Instant] = [:]

    package init(blockingCauses: Set<Cause> = Self.blockingCauses) { self.blockingCauses = blockingCauses }

    /// How far a probe of this check may go whose slot is at `slot`.
    package func depth(of check: CheckID, on target: Target, at slot: ContinuousClock.Instant) -> ProbeRun.Depth {
        if let until = servers[Self.server(of: target)], slot < until { return .tls }
        return checks[check]?.depth(at: slot) ?? .query
    }

    /// Takes what a probe saw into account.
    /// - Returns: whether logins of the check rest now and did not before.
    package mutating func apply(_ observation: Observation, on target: Target, slot: ContinuousClock.Instant) -> Bool {
        if let cause = observation.failure?.cause, blockingCauses.contains(cause) {
            servers[Self.server(of: target)] = slot.advanced(by: Self.serverRest)
        }
        var pause = checks[observation.check] ?? LoginPause()
        let rested = pause.isResting
        pause.apply(observation, slot: slot, countsHandshakes: target.engine == .mysql)
        // Healthy checks cost no entry.
        checks[observation.check] = pause == LoginPause() ? nil : pause
        return pause.isResting && !rested
    }

    /// Lets the next probe of the check log in. A server that has blocked this client stays at rest: a login would prolong the block.
    package mutating func reset(_ check: CheckID) { checks[check] = nil }

    /// Forgets every check that is not kept, and servers that none of these targets is on.
    package mutating func keep(_ checks: Set<CheckID>, on targets: [Target]) {
        self.checks = self.checks.filter { checks.contains($0.key) }
        guard !servers.isEmpty else { return }
        let used = Set(targets.map(Self.server))
        servers = servers.filter { used.contains($0.key) }
    }

    private static func server(of target: Target) -> Endpoint { Endpoint(host: target.host.lowercased(), port: target.port) }
}
