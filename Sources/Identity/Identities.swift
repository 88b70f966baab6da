// All identities of the configuration, by name, and the watch over them.
package import Curl
package import Diagnosis
package import Logging
import Synchronization

/// The identities of one configuration. They share the endpoint, the cap on requests to it and the HTTP client. A new configuration
/// replaces what it changes: an identity that stays keeps its tokens and its requests.
package final class Identities: Sendable {
    /// What every identity uses.
    struct Shared: Sendable {
        var cloud: Cloud
        let http: CurlClient
        let pace: RequestPace
        let fingerprints = TokenFingerprint()
        let time: IdentityTime
        var onEvent: @Sendable (TokenEvent) -> Void
        let logger: Logger
    }

    private struct Entry: Sendable {
        let definition: IdentityDefinition
        let source: Source
        let life: Life

        var name: String { definition.name }
    }

    private enum Source: Sendable {
        case managed(ManagedIdentity)
        case unsupported(UnsupportedIdentity)

        var tokens: any TokenSource {
            switch self {
            case .managed(let identity): identity
            case .unsupported(let identity): identity
            }
        }
    }

    /// Ends with the configuration that has the identity: its watch stops, and what a request still under way brings is not told.
    private final class Life: Sendable {
        private let isOver = Atomic(false)
        /// Ends when the life does.
        let ended: AsyncStream<Never>
        private let end: AsyncStream<Never>.Continuation

        init() { (ended, end) = AsyncStream.makeStream() }

        func retire() {
            isOver.store(true, ordering: .relaxed)
            end.finish()
        }

        func filter(_ onEvent: @escaping @Sendable (TokenEvent) -> Void) -> @Sendable (TokenEvent) -> Void {
            { event in if !self.isOver.load(ordering: .relaxed) { onEvent(event) } }
        }
    }

    private struct State {
        var shared: Shared
        var entries: [Entry] = []
        /// What the tokens of each identity are for.
        var uses: [String: [TokenResource]] = [:]
        /// Nil while nobody watches.
        var newcomers: AsyncStream<[Entry]>.Continuation?
    }

    private let detection: ManagedIdentityEndpoint.Detection
    private let state: Mutex<State>

    /// - Parameters:
    ///   - uses: what the tokens of each identity are for; one that is not named is watched for whatever was asked of it.
    ///   - onEvent: called on whatever task the event happens in; must return at once.
    package init(
        definitions: [IdentityDefinition], uses: [String: [TokenResource]] = [:], cloud: Cloud, environment: IdentityEnvironment,
        http: CurlClient,
        time: IdentityTime = .system, onEvent: @escaping @Sendable (TokenEvent) -> Void, logger: Logger
    ) {
        detection = ManagedIdentityEndpoint.detect(in: environment)
        state = Mutex(
            State(
                shared: Shared(
                    cloud: cloud, http: http, pace: RequestPace(time: time), time: time, onEvent: onEvent, logger: logger)))
        replace(definitions, uses: uses, cloud: cloud)
    }

    /// Uses these identities from now on. One whose definition stays, in the same cloud, goes on with its tokens; any other begins anew.
    package func replace(_ definitions: [IdentityDefinition], uses: [String: [TokenResource]] = [:], cloud: Cloud) {
        let (retired, newcomers, hand) = state.withLock { state in
            let old = state.shared.cloud == cloud ? state.entries : []
            var retired = state.entries.filter { entry in !old.contains { $0.life === entry.life } }
            state.shared.cloud = cloud
            state.uses = uses
            var newcomers: [Entry] = []
            state.entries = definitions.map { definition in
                if let known = old.first(where: { $0.definition == definition }) { return known }
                let entry = entry(definition, state.shared)
                newcomers.append(entry)
                return entry
            }
            retired += old.filter { entry in !state.entries.contains { $0.life === entry.life } }
            return (retired, newcomers, state.newcomers)
        }
        for entry in retired { entry.life.retire() }
        if !newcomers.isEmpty { hand?.yield(newcomers) }
    }

    private func entry(_ definition: IdentityDefinition, _ shared: Shared) -> Entry {
        let life = Life()
        var own = shared
        own.onEvent = life.filter(shared.onEvent)
        let source: Source =
            switch (definition.kind, detection) {
            case (.managedIdentity(let selector), .found(let endpoint)):
                .managed(ManagedIdentity(name: definition.name, selector: selector, endpoint: endpoint, shared: own))
            case (.managedIdentity, .unsupported(let source, let reason)):
                .unsupported(UnsupportedIdentity(name: definition.name, source: source, because: reason, shared: own))
            }
        return Entry(definition: definition, source: source, life: life)
    }

    private func entry(named name: String) -> Entry? { state.withLock { $0.entries.first { $0.name == name } } }

    /// The tokens of one identity; nil for a name that the configuration does not have.
    package func source(named name: String) -> (any TokenSource)? { entry(named: name)?.source.tokens }

    /// Where the tokens of each identity come from, by name: the environment tells before the first request.
    package var sourceKinds: [String: TokenSourceKind] {
        state.withLock(\.entries).reduce(into: [:]) { kinds, entry in
            switch entry.source {
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
        switch entry(named: name)?.source {
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
        let (arrivals, hand) = AsyncStream<[Entry]>.makeStream()
        let first = state.withLock { state in
            state.newcomers = hand
            return state.entries
        }
        hand.yield(first)
        await withDiscardingTaskGroup { group in
            for await entries in arrivals {
                for (index, entry) in entries.enumerated() {
                    let offset = RenewalPlan.offset(index: index, count: entries.count)
                    group.addTask { await self.live(entry, from: offset) }
                }
            }
        }
        state.withLock { $0.newcomers = nil }
    }

    /// Watches one identity as long as it is configured.
    private func live(_ entry: Entry, from offset: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.watch(entry, from: offset) }
            group.addTask { for await _ in entry.life.ended {} }
            await group.next()
            group.cancelAll()
        }
    }

    private func watch(_ entry: Entry, from offset: Duration) async {
        let time = state.withLock(\.shared.time)
        var next = time.instant() + offset
        while true {
            do { try await time.sleep(next) } catch { return }
            switch entry.source {
            case .unsupported(let identity):
                identity.report(for: uses(of: identity.name)?.first ?? .ossrdbms)
                next = time.instant() + RenewalPlan.interval
            case .managed(let identity):
                await tick(identity)
                if Task.isCancelled { return }
                next = nextTick(of: identity)
            }
        }
    }

    private func uses(of name: String) -> [TokenResource]? { state.withLock { $0.uses[name] } }

    /// Asks for what is due now.
    private func tick(_ identity: ManagedIdentity) async {
        let now = identity.time.now
        for (resource, due) in identity.dueTimes(at: now, for: uses(of: identity.name)) where due.map({ $0 <= now.instant }) ?? true {
            await identity.renew(resource)
        }
    }

    /// The next moment at which something can be due. Never further away than the pulse, because a probe may ask for a new
    /// resource meanwhile, and never so near that the loop spins.
    private func nextTick(of identity: ManagedIdentity) -> ContinuousClock.Instant {
        let now = identity.time.now
        let due = identity.dueTimes(at: now, for: uses(of: identity.name)).values.compactMap { $0 }.min() ?? now.instant
        return max(now.instant + .seconds(1), min(due, now.instant + .seconds(30)))
    }
}
