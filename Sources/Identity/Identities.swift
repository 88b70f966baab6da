// All identities of the configuration, by name, and the watch over them.
package import Curl
package import Diagnosis
package import Logging

/// The identities of one configuration. They share the endpoint, the cap on requests to it and the HTTP client.
package final class Identities: Sendable {
    /// What every identity uses.
    struct Shared: Sendable {
        let cloud: Cloud
        let http: CurlClient
        let pace: RequestPace
        let fingerprints = TokenFingerprint()
        let time: IdentityTime
        let onEvent: @Sendable (TokenEvent) -> Void
        let logger: Logger
    }

    private enum Entry: Sendable {
        case managed(ManagedIdentity)
        case unsupported(UnsupportedIdentity)

        var name: String {
            switch self {
            case .managed(let identity): identity.name
            case .unsupported(let identity): identity.name
            }
        }
    }

    private let entries: [Entry]
    private let shared: Shared

    /// - Parameter onEvent: called on whatever task the event happens in; must return at once.
    package init(
        definitions: [IdentityDefinition], cloud: Cloud, environment: IdentityEnvironment, http: CurlClient,
        time: IdentityTime = .system, onEvent: @escaping @Sendable (TokenEvent) -> Void, logger: Logger
    ) {
        let shared = Shared(
            cloud: cloud, http: http, pace: RequestPace(time: time), time: time, onEvent: onEvent, logger: logger)
        self.shared = shared
        let detection = ManagedIdentityEndpoint.detect(in: environment)
        entries = definitions.map { definition in
            switch (definition.kind, detection) {
            case (.managedIdentity(let selector), .found(let endpoint)):
                .managed(ManagedIdentity(name: definition.name, selector: selector, endpoint: endpoint, shared: shared))
            case (.managedIdentity, .unsupported(let source, let reason)):
                .unsupported(UnsupportedIdentity(name: definition.name, source: source, because: reason, shared: shared))
            }
        }
    }

    /// The tokens of one identity; nil for a name that the configuration does not have.
    package func source(named name: String) -> (any TokenSource)? {
        switch entries.first(where: { $0.name == name }) {
        case .managed(let identity): identity
        case .unsupported(let identity): identity
        case nil: nil
        }
    }

    /// Where the tokens of each identity come from, by name: the environment tells before the first request.
    package var sourceKinds: [String: TokenSourceKind] {
        entries.reduce(into: [:]) { kinds, entry in
            switch entry {
            case .managed(let identity): kinds[identity.name] = identity.endpoint.source
            case .unsupported(let identity): kinds[identity.name] = identity.source
            }
        }
    }

    /// Acquires a token and tells how: for a person.
    ///
    /// - Parameter fresh: ask the source even when a good token is held; what is held stays if that fails.
    /// - Returns: the story, also of a failed acquisition.
    /// **Throws**: `cancelled`; `failed` with `config_invalid` for a name that does not exist.
    package func acquire(
        named name: String, for resource: TokenResource, fresh: Bool, until deadline: Deadline
    ) async throws(ProbeEnd) -> TokenAcquisition {
        switch entries.first(where: { $0.name == name }) {
        case .managed(let identity): return try await identity.acquire(resource, fresh: fresh, until: deadline)
        case .unsupported(let identity): return identity.acquire(resource)
        case nil:
            throw .failed(Failure(.configInvalid, during: .config, detail: "no identity has the name \(name)"))
        }
    }

    /// Watches every identity by itself, also one without targets, until the task is cancelled.
    ///
    /// Local endpoints are asked every five minutes, one identity after the other, and tokens are renewed ahead of time.
    package func watch() async {
        await withDiscardingTaskGroup { group in
            for (index, entry) in entries.enumerated() {
                let offset = RenewalPlan.offset(index: index, count: entries.count)
                group.addTask { await self.watch(entry, from: offset) }
            }
        }
    }

    private func watch(_ entry: Entry, from offset: Duration) async {
        let time = shared.time
        var next = time.instant() + offset
        while true {
            do { try await time.sleep(next) } catch { return }
            switch entry {
            case .unsupported(let identity):
                identity.report()
                next = time.instant() + RenewalPlan.interval
            case .managed(let identity):
                await tick(identity)
                if Task.isCancelled { return }
                next = nextTick(of: identity)
            }
        }
    }

    /// Asks for what is due now.
    private func tick(_ identity: ManagedIdentity) async {
        let now = shared.time.now
        for (resource, due) in identity.dueTimes(at: now) where due.map({ $0 <= now.instant }) ?? true {
            await identity.renew(resource)
        }
    }

    /// The next moment at which something can be due. Never further away than the pulse, because a probe may ask for a new
    /// resource meanwhile, and never so near that the loop spins.
    private func nextTick(of identity: ManagedIdentity) -> ContinuousClock.Instant {
        let now = shared.time.now
        let due = identity.dueTimes(at: now).values.compactMap { $0 }.min() ?? now.instant
        return max(now.instant + .seconds(1), min(due, now.instant + .seconds(30)))
    }
}
