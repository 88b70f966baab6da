// What probing needs, built from a checked configuration: read from top to bottom, no container, no globals.
import Certificates
import Curl
import Diagnosis
import Identity
import Logging
import Probes
import Readiness
import Settings

/// The clients, identities and probes of one configuration. Made for `agent run` and for commands that probe by themselves.
///
/// A value: what runs now. A new configuration makes another one out of it, which shares everything that stays.
struct Workbench: Sendable {
    let configuration: Configuration
    let reactor: Reactor
    let http: CurlClient
    let identities: Identities
    let board: Board
    /// Who may log in to a database that may sleep.
    let wakes: WakeBook
    let probes: [any Probe]
    private let tools: ProbeTools
    private let anchors: [String: TrustAnchors]

    /// - Parameters:
    ///   - onToken: told of every token event after the board was, and what it says of the identity to history.
    ///   - onIdentity: told of every change of verdict on an identity.
    /// **Throws**: `probe_internal` when the system gives no descriptors.
    init(
        _ configuration: Configuration, logger: Logger, onToken: @escaping @Sendable (TokenEvent, Observation?) -> Void = { _, _ in },
        onIdentity: @escaping @Sendable (StateLine) -> Void = { _ in }
    ) throws(Failure) {
        self.configuration = configuration
        let reactor = try Reactor()
        self.reactor = reactor
        http = CurlClient()
        let board = Board(targets: configuration.targets, identities: configuration.identities.map(\.name))
        self.board = board
        let wakes = WakeBook()
        self.wakes = wakes
        identities = Identities(
            definitions: configuration.identities, uses: configuration.uses, cloud: configuration.cloud,
            environment: configuration.environment, http: http,
            onEvent: { event in
                let news = board.record(event)
                onToken(event, news.observation)
                if let change = news.change { onIdentity(change) }
            }, logger: logger)
        tools = ProbeTools(
            reactor: reactor, lookup: try NameLookup(reactor: reactor, servers: configuration.nameServers),
            nameServers: configuration.nameServers, cloud: configuration.cloud, applicationName: AgentVersion.applicationName,
            lastGood: { board.lastGoodFacts(of: $0) }, wakes: wakes)
        (probes, anchors) = Self.probes(of: configuration, identities: identities, tools: tools)
    }

    /// What runs after the change: probes of unchanged checks are the same objects as before, identities that stay keep their tokens.
    ///
    /// The board is not touched; whoever puts the new value in the place of this one sees to that.
    /// **Throws**: `probe_internal` when the system gives no resolver.
    func adopting(_ configuration: Configuration, _ change: ConfigurationChange) throws(Failure) -> Workbench {
        // The threads of the blocking client stay.
        var tools = self.tools
        tools.cloud = configuration.cloud
        if self.configuration.nameServers != configuration.nameServers {
            tools.lookup = try NameLookup(reactor: reactor, servers: configuration.nameServers)
            tools.nameServers = configuration.nameServers
        }
        identities.replace(configuration.identities, uses: configuration.uses, cloud: configuration.cloud)
        let unchanged = Set(change.checks.unchanged)
        let kept = Dictionary(uniqueKeysWithValues: probes.filter { unchanged.contains($0.id) }.map { ($0.id, $0) })
        let (probes, anchors) = Self.probes(
            of: configuration, identities: identities, tools: tools, keeping: kept, anchors: self.anchors)
        return Workbench(
            configuration: configuration, reactor: reactor, http: http, identities: identities, board: board, probes: probes,
            tools: tools, anchors: anchors)
    }

    private init(
        configuration: Configuration, reactor: Reactor, http: CurlClient, identities: Identities, board: Board, probes: [any Probe],
        tools: ProbeTools, anchors: [String: TrustAnchors]
    ) {
        (self.configuration, self.reactor, self.http, self.identities) = (configuration, reactor, http, identities)
        (self.board, self.probes, self.tools, self.anchors) = (board, probes, tools, anchors)
        wakes = tools.wakes
    }

    /// One probe for every cell of the identity × target matrix. A new engine adds its case here.
    /// - Parameters:
    ///   - kept: probes that stay.
    ///   - known: trust anchors by server and file, of servers that may still be there.
    /// - Returns: the probes, and the anchors that they use.
    private static func probes(
        of configuration: Configuration, identities: Identities, tools: ProbeTools, keeping kept: [CheckID: any Probe] = [:],
        anchors known: [String: TrustAnchors] = [:]
    ) -> ([any Probe], [String: TrustAnchors]) {
        let definitions = Dictionary(uniqueKeysWithValues: configuration.identities.map { ($0.name, $0) })
        var anchors: [String: TrustAnchors] = [:]
        let probes = configuration.targets.flatMap { target in
            let key = "\(target.host):\(target.port) \(target.caFile ?? "")"
            let shared = anchors[key] ?? known[key] ?? TrustAnchors(caFile: target.caFile)
            anchors[key] = shared
            return target.identities.compactMap { name -> (any Probe)? in
                if let probe = kept[CheckID(target: target.name, identity: name)] { return probe }
                // `Settings` has refused unknown identities.
                guard let definition = definitions[name], let tokens = identities.source(named: name) else { return nil }
                switch target.engine {
                case .postgresql:
                    return PostgresProbe(target: target, identity: definition, tokens: tokens, anchors: shared, tools: tools)
                case .mysql: return MySQLProbe(target: target, identity: definition, tokens: tokens, anchors: shared, tools: tools)
                case .azuresql: return AzureSQLProbe(target: target, identity: definition, tokens: tokens, anchors: shared, tools: tools)
                }
            }
        }
        return (probes, anchors)
    }

    /// Everything that history follows: the checks, and the watch over every identity.
    var followed: Set<CheckID> { Set(probes.map(\.id) + configuration.identities.map { CheckID(watching: $0.name) }) }

    /// Identities that no target uses: nobody else would ask for their tokens.
    var idleIdentities: [String] {
        let used = Set(configuration.targets.flatMap(\.identities))
        return configuration.identities.map(\.name).filter { !used.contains($0) }
    }

    /// Asks for a token of an identity by itself; the board learns what comes of it.
    func ask(_ identity: String, until deadline: Deadline) async {
        _ = await acquire(identity, fresh: false, until: deadline)
    }

    /// Asks for every token that the targets of an identity need.
    /// - Returns: the first that failed, else the last; nil when nobody waits any more.
    func acquire(_ identity: String, fresh: Bool, until deadline: Deadline) async -> (resource: TokenResource, story: TokenAcquisition)? {
        var last: (TokenResource, TokenAcquisition)?
        for resource in configuration.targets.resources(of: identity) {
            guard let story = try? await identities.acquire(named: identity, for: resource, fresh: fresh, until: deadline) else {
                return last
            }
            last = (resource, story)
            if case .failed = story.outcome { break }
        }
        return last
    }

    // MARK: history

    /// How long logins with a budget wait for what history knows of earlier ones.
    static let recallLimit = Duration.seconds(10)

    /// History is going to be asked about these checks; nil for all.
    func recall(_ checks: Set<CheckID>?, within limit: Duration = recallLimit) { wakes.recall(sleepers(checks).map(\.0), within: limit) }

    /// What history knows from before this process, or from before a check was configured again.
    func adopt(_ pasts: [CheckID: CheckPast]) {
        board.adopt(pasts)
        for (check, target) in sleepers(nil) { if let past = pasts[check] { wakes.adopt(past, of: check, on: target) } }
    }

    /// History has told what it knows of these, or cannot.
    func finishRecall(_ checks: Set<CheckID>?) { wakes.finishRecall(sleepers(checks).map(\.0)) }

    private func sleepers(_ wanted: Set<CheckID>?) -> [(CheckID, Target)] {
        configuration.targets.filter { $0.engine == .azuresql }.flatMap { target in target.checks.map { ($0, target) } }
            .filter { wanted?.contains($0.0) ?? true }
    }

    /// Ends the threads of the clients. Nothing may be waiting on them any more.
    func close() async {
        await http.close()
        reactor.close()
    }
}

extension Configuration {
    /// What the tokens of each identity are for, by its name.
    fileprivate var uses: [String: [TokenResource]] {
        Dictionary(identities.map { ($0.name, targets.resources(of: $0.name)) }, uniquingKeysWith: { first, _ in first })
    }
}
