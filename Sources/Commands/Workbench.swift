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
struct Workbench: Sendable {
    let configuration: Configuration
    let reactor: Reactor
    let http: CurlClient
    let identities: Identities
    let board: Board
    let probes: [any Probe]

    /// - Parameters:
    ///   - onToken: told of every token event after the board was.
    ///   - onIdentity: told of every change of verdict on an identity.
    /// **Throws**: `probe_internal` when the system gives no descriptors.
    init(
        _ configuration: Configuration, logger: Logger, onToken: @escaping @Sendable (TokenEvent) -> Void = { _ in },
        onIdentity: @escaping @Sendable (StateLine) -> Void = { _ in }
    ) throws(Failure) {
        self.configuration = configuration
        let reactor = try Reactor()
        self.reactor = reactor
        http = CurlClient()
        let board = Board(targets: configuration.targets, identities: configuration.identities.map(\.name))
        self.board = board
        identities = Identities(
            definitions: configuration.identities, cloud: configuration.cloud, environment: configuration.environment, http: http,
            onEvent: { event in
                let change = board.record(event)
                onToken(event)
                if let change { onIdentity(change) }
            }, logger: logger)
        let tools = ProbeTools(
            reactor: reactor, lookup: try NameLookup(reactor: reactor, servers: configuration.nameServers),
            nameServers: configuration.nameServers, cloud: configuration.cloud, applicationName: AgentVersion.applicationName,
            lastGood: { board.lastGoodFacts(of: $0) })
        probes = Self.probes(of: configuration, identities: identities, tools: tools)
    }

    /// One probe for every cell of the identity × target matrix. A new engine adds its case here.
    private static func probes(of configuration: Configuration, identities: Identities, tools: ProbeTools) -> [any Probe] {
        let definitions = Dictionary(uniqueKeysWithValues: configuration.identities.map { ($0.name, $0) })
        var anchors: [String: TrustAnchors] = [:]
        return configuration.targets.flatMap { target in
            let key = "\(target.host):\(target.port) \(target.caFile ?? "")"
            let shared = anchors[key] ?? TrustAnchors(caFile: target.caFile)
            anchors[key] = shared
            return target.identities.compactMap { name -> (any Probe)? in
                // `Settings` has refused unknown identities and engines without a probe.
                guard let definition = definitions[name], let tokens = identities.source(named: name) else { return nil }
                switch target.engine {
                case .postgresql:
                    return PostgresProbe(target: target, identity: definition, tokens: tokens, anchors: shared, tools: tools)
                case .mysql: return MySQLProbe(target: target, identity: definition, tokens: tokens, anchors: shared, tools: tools)
                case .azuresql: return nil
                }
            }
        }
    }

    /// Identities that no target uses: nobody else would ask for their tokens.
    var idleIdentities: [String] {
        let used = Set(configuration.targets.flatMap(\.identities))
        return configuration.identities.map(\.name).filter { !used.contains($0) }
    }

    /// Asks for a token of an identity by itself; the board learns what comes of it.
    func ask(_ identity: String, until deadline: Deadline) async {
        _ = try? await identities.acquire(named: identity, for: .ossrdbms, fresh: false, until: deadline)
    }

    /// Ends the threads of the clients. Nothing may be waiting on them any more.
    func close() async {
        await http.close()
        reactor.close()
    }
}
