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
                checks: checks, index: Dictionary(uniqueKeysWithValues: checks.enumerated().map { ($1.id, $0) }),
                identities: identities.map(IdentityStatus.init(name:))))
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

    /// - Returns: the change of verdict on the identity that the event brought, if any.
    @discardableResult
    package func record(_ event: TokenEvent) -> StateLine? {
        storage.withLock { storage in
            let name: String
            switch event {
            case .throttled(let source):
                storage.throttled[source, default: 0] += 1
                return nil
            case .lookup(let identity, _): name = identity
            case .request(let result): name = result.identity
            }
            guard let index = storage.identities.firstIndex(where: { $0.name == name }) else { return nil }
            return storage.identities[index].apply(event)
        }
    }

    package var snapshot: Snapshot {
        storage.withLock { Snapshot(checks: $0.checks, identities: $0.identities, throttled: $0.throttled) }
    }
}
