// The present state of everything, written by the scheduler and read by whoever shows it.
import Synchronization

/// Where every check and identity stands now.
///
/// One lock around plain values: writers hold it for one `apply`, readers for one copy of the (shared) storage.
package final class Board: Sendable {
    private struct Storage {
        var checks: [CheckStatus]
        var index: [CheckID: Int]
        var identities: [IdentityStatus]
        var throttled: [TokenSourceKind: UInt64] = [:]
    }

    /// A consistent copy of the whole board.
    package struct Snapshot: Sendable {
        package var checks: [CheckStatus]
        package var identities: [IdentityStatus]
        package var throttled: [TokenSourceKind: UInt64]

        package init(checks: [CheckStatus], identities: [IdentityStatus], throttled: [TokenSourceKind: UInt64] = [:]) {
            self.checks = checks
            self.identities = identities
            self.throttled = throttled
        }
    }

    private let storage: Mutex<Storage>

    package init(targets: [Target], identities: [String]) {
        let checks = targets.flatMap { target in target.checks.map { CheckStatus(id: $0, target: target) } }
        storage = Mutex(
            Storage(
                checks: checks, index: Self.index(checks),
                identities: identities.map { IdentityStatus(name: $0, uses: targets.resources(of: $0)) }))
    }

    /// Shows other targets and identities from now on. What is known about a check or an identity that stays, stays; the rest is forgotten.
    /// - Parameter renewed: identities that are others now under the name they had; nothing is known about them.
    /// - Returns: changes of verdict on identities whose tokens are for something else now.
    @discardableResult
    package func replace(
        targets: [Target], identities: [String], renewed: Set<String> = [], at time: Timestamp = .now
    ) -> [StateLine] {
        storage.withLock { storage in
            let known = storage
            storage.checks = targets.flatMap { target in
                target.checks.map { id in
                    guard let index = known.index[id] else { return CheckStatus(id: id, target: target) }
                    var status = known.checks[index]
                    status.target = target
                    return status
                }
            }
            storage.index = Self.index(storage.checks)
            var changes: [StateLine] = []
            storage.identities = identities.map { name in
                let uses = targets.resources(of: name)
                guard var status = known.identities.first(where: { $0.name == name && !renewed.contains(name) }) else {
                    return IdentityStatus(name: name, uses: uses)
                }
                if let change = status.use(uses, at: time) { changes.append(change) }
                return status
            }
            return changes
        }
    }

    private static func index(_ checks: [CheckStatus]) -> [CheckID: Int] {
        Dictionary(uniqueKeysWithValues: checks.enumerated().map { ($1.id, $0) })
    }

    /// - Returns: the change of verdict that the observation brought, if any.
    package func record(_ observation: Observation) -> StateChange? {
        storage.withLock { storage in
            guard let index = storage.index[observation.check] else { return nil }
            return storage.checks[index].apply(observation)
        }
    }

    /// Takes in what history knows from before this process, or from before a check was configured again.
    package func adopt(_ past: [CheckID: CheckPast]) {
        storage.withLock { storage in
            for (check, known) in past {
                if check.isWatch, let index = storage.identities.firstIndex(where: { $0.name == check.identity }) {
                    storage.identities[index].adopt(known)
                } else if let index = storage.index[check] {
                    storage.checks[index].adopt(known)
                }
            }
        }
    }

    /// What the last successful probe of the check saw.
    package func lastGoodFacts(of check: CheckID) -> Facts? {
        storage.withLock { storage in storage.index[check].flatMap { storage.checks[$0].lastGoodFacts } }
    }

    /// - Returns: what the event says of the identity.
    @discardableResult
    package func record(_ event: TokenEvent) -> IdentityNews {
        storage.withLock { storage in
            let name: String
            switch event {
            case .throttled(let source):
                storage.throttled[source, default: 0] += 1
                return IdentityNews()
            case .lookup(let identity, _): name = identity
            case .request(let result): name = result.identity
            }
            guard let index = storage.identities.firstIndex(where: { $0.name == name }) else { return IdentityNews() }
            let change = storage.identities[index].apply(event)
            guard case .request(let result) = event else { return IdentityNews(change: change) }
            return IdentityNews(change: change, observation: storage.identities[index].observation(of: result))
        }
    }

    /// What the check asks; nil for one that is not there.
    package func engine(of check: CheckID) -> Engine? {
        storage.withLock { storage in storage.index[check].map { storage.checks[$0].target.engine } }
    }

    package var snapshot: Snapshot {
        storage.withLock { Snapshot(checks: $0.checks, identities: $0.identities, throttled: $0.throttled) }
    }
}
