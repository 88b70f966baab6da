// The small Azure on one machine: starts its parts, knows where they are, and takes everything away again.
package import Diagnosis
package import Logging

/// A running lab: identity endpoints, a name service, fault proxies, a real PostgreSQL and MariaDB that check tokens, and a server of Azure SQL.
///
/// Everything listens on loopback addresses of this lab's own, everything written is in one scratch folder, and nothing of it is left after
/// `stop()`, nor when the process is killed.
package final class Lab: Sendable {
    package let options: LabOptions
    package let block: LoopbackBlock
    package let scratch: Scratch
    package let certificates: LabCertificates
    package let issuer: TokenIssuer
    /// The judge of PostgreSQL's logins; that of MySQL's belongs to `mysql`.
    package let gate: TokenGate
    package let identity: IdentityServer
    package let nameServer: NameServer
    /// Nil when the options ask for none, or no target needs it.
    package let postgres: PostgresServer?
    package let mysql: MySQLServer?
    package let azureSQL: AzureSQLService?
    package let board: FaultBoard
    /// Switches faults on and off.
    package let faults: Faults
    /// What clients sent to the proxies.
    package let recorder: WireRecorder

    private let proxies: [FaultProxy]
    /// The proxy of each target, by its place in `proxies`.
    private let proxyOfTarget: [String: Int]
    private let blackHole: BlackHole?

    /// The audience of PostgreSQL and MySQL on Azure; that of Azure SQL belongs to `AzureSQLService`.
    package static let audience = "https://ossrdbms-aad.database.windows.net"

    /// Starts all parts and returns when the servers accept logins.
    /// **Throws**: `LabError` for people: what is missing, and how to get it. Nothing is left behind then.
    package static func start(
        _ options: LabOptions = LabOptions(), logger: Logger = Logger(label: "lab", factory: { _ in SwiftLogNoOpLogHandler() })
    )
        async throws -> Lab
    {
        let scratch = try Scratch(in: options.parentDirectory)
        do {
            return try await Lab(options: options, scratch: scratch, logger: logger)
        } catch {
            scratch.remove()
            throw error
        }
    }

    private init(options: LabOptions, scratch: Scratch, logger: Logger) async throws {
        let block = LoopbackBlock()
        let certificates = try LabCertificates()
        let issuer = try TokenIssuer(size: options.tokenSize)
        let board = FaultBoard()
        try scratch.write(certificates.authority.certificate, to: "ca.pem", mode: 0o644)
        let gate = TokenGate(issuer: issuer, audience: Self.audience, roles: PostgresSchema.mappings, logger: logger)
        var running: [@Sendable () async -> Void] = []
        do {
            let engines = Set(options.targets.map(\.engine))
            // Without a target of any engine PostgreSQL is meant, as ever.
            async let first = Self.result {
                options.postgres && (engines.contains(.postgresql) || engines.isEmpty)
                    ? try await PostgresServer.start(
                        options: options, scratch: scratch, block: block, certificates: certificates.postgres, gate: gate, logger: logger)
                    : nil
            }
            async let second = Self.result {
                options.mysql && engines.contains(.mysql)
                    ? try await MySQLServer.start(
                        options: options, scratch: scratch, block: block, certificates: certificates.mysql,
                        gate: TokenGate(issuer: issuer, audience: Self.audience, roles: MySQLSchema.mappings, logger: logger))
                    : nil
            }
            // Both are waited for before either's failure is looked at, so that what has started can be stopped.
            let started = await (first, second)
            if case .success(let server?) = started.0 { running.append { await server.stop() } }
            if case .success(let server?) = started.1 { running.append { await server.stop() } }
            let (postgres, mysql) = (try started.0.get(), try started.1.get())
            let groups = try Self.groups(of: options.targets)
            var azureSQL: AzureSQLService?
            if options.azureSQL, engines.contains(.azuresql) {
                let ours = options.targets.filter { $0.engine == .azuresql }
                let service = try await AzureSQLService.start(
                    options.direct ? [ours] : groups.filter { $0[0].engine == .azuresql }, principals: options.principals, block: block,
                    certificates: certificates.azureSQL, issuer: issuer, board: board, admitsAddress: options.direct)
                running.append { await service.stop() }
                azureSQL = service
            }
            let desk = IdentityDesk(issuer: issuer, principals: options.principals, options: options, board: board) { [postgres] issued in
                if issued.audience == Self.audience { try await postgres?.admit(issued) }
            }
            let identity = try await IdentityServer.start(on: block.identity, desk: desk)
            running.append { await identity.stop() }
            var blackHole: BlackHole?
            if options.targets.contains(where: \.blackHole) {
                let hole = try await BlackHole.open(on: block.blackHole)
                running.append { await hole.close() }
                blackHole = hole
            }
            let recorder = WireRecorder()
            var proxies: [FaultProxy] = []
            var proxyOfTarget: [String: Int] = [:]
            if !options.direct {
                let upstreams: [Engine: Endpoint?] = [
                    .postgresql: postgres.map { Endpoint(host: $0.address, port: $0.port) },
                    .mysql: mysql.map { Endpoint(host: $0.address, port: $0.port) },
                ]
                let contexts = [
                    Engine.postgresql: try TLSContexts(certificates.postgres), .mysql: try TLSContexts(certificates.mysql),
                    .azuresql: try TLSContexts(certificates.azureSQL),
                ]
                for (index, group) in groups.enumerated() {
                    let engine = group[0].engine
                    guard let tls = contexts[engine] else { throw LabError("The lab has no servers of the engine \(engine.rawValue).") }
                    // Each group of Azure SQL has a gateway of its own.
                    let upstream = engine == .azuresql ? azureSQL?.endpoint(of: group[0].name) : upstreams[engine] ?? nil
                    let route = Route(
                        targets: group.map(\.name), engine: engine, upstream: upstream, block: block, tls: tls, board: board,
                        recorder: recorder)
                    let proxy = try await FaultProxy.start(on: block.target(index), route: route, recorder: recorder)
                    running.append { await proxy.stop() }
                    for target in group { proxyOfTarget[target.name] = proxies.count }
                    proxies.append(proxy)
                }
            }
            var zone = Zone()
            for target in options.targets {
                let server =
                    switch target.engine {
                    case .postgresql: block.postgres
                    case .mysql: block.mysql
                    case .azuresql: block.azureSQL
                    }
                let addresses =
                    proxyOfTarget[target.name].map { proxies[$0].addresses }
                    ?? FaultProxy.Addresses(primary: server, secondary: server, dead: block.blackHole)
                zone.add(
                    Zone.Entry(target: target, addresses: target.blackHole ? [block.blackHole] : [addresses.primary], reserve: addresses))
            }
            if azureSQL != nil { zone.add(AzureSQLService.Worker.host, address: block.azureSQLWorker) }
            self.nameServer = try await NameServer.start(on: block.nameServer, zone: zone, board: board)
            self.postgres = postgres
            self.mysql = mysql
            self.azureSQL = azureSQL
            self.identity = identity
            self.faults = Faults(
                targets: options.targets, board: board, identity: identity, postgres: postgres, mysql: mysql, azureSQL: azureSQL,
                proxies: proxies)
            self.proxies = proxies
            self.proxyOfTarget = proxyOfTarget
            self.blackHole = blackHole
            self.recorder = recorder
        } catch {
            for stop in running.reversed() { await stop() }
            throw error
        }
        self.options = options
        self.block = block
        self.scratch = scratch
        self.certificates = certificates
        self.issuer = issuer
        self.gate = gate
        self.board = board
    }

    /// Ends all parts in reverse order and removes the scratch folder.
    package func stop() async {
        await nameServer.stop()
        await withTaskGroup { group in
            for proxy in proxies { group.addTask { await proxy.stop() } }
        }
        await blackHole?.close()
        await identity.stop()
        async let first: Void? = postgres?.stop()
        async let second: Void? = mysql?.stop()
        async let third: Void? = azureSQL?.stop()
        _ = await (first, second, third)
        scratch.remove()
    }

    /// The file with the lab's root certificate, for `tls.ca_file`.
    package var caFile: String { scratch.file("ca.pem") }

    package func target(_ name: String) -> LabTarget? { options.targets.first { $0.name == name } }
    package func principal(_ name: String) -> Principal? { options.principals.first { $0.name == name } }

    /// Where a client of `target` ends up after name resolution.
    package func endpoint(of target: LabTarget) -> Endpoint {
        if target.blackHole, let blackHole { return Endpoint(host: block.blackHole, port: blackHole.port) }
        if let proxy = proxyOfTarget[target.name].map({ proxies[$0] }) { return Endpoint(host: proxy.addresses.primary, port: proxy.port) }
        return switch target.engine {
        case .mysql: Endpoint(host: block.mysql, port: mysql?.port ?? 0)
        case .postgresql: Endpoint(host: block.postgres, port: postgres?.port ?? 0)
        case .azuresql: azureSQL?.endpoint(of: target.name) ?? Endpoint(host: block.azureSQL, port: 0)
        }
    }

    /// Targets that share a proxy; each of the others has its own.
    private static func groups(of targets: [LabTarget]) throws -> [[LabTarget]] {
        let open = targets.filter { !$0.blackHole }
        var groups = open.filter { !$0.shared }.map { [$0] }
        guard groups.count + Engine.allCases.count <= LoopbackBlock.targetCapacity else {
            throw LabError(
                "At most \(LoopbackBlock.targetCapacity - Engine.allCases.count) targets can have a proxy of their own; mark the others as shared."
            )
        }
        for engine in Engine.allCases {
            let shared = open.filter { $0.shared && $0.engine == engine }
            if !shared.isEmpty { groups.append(shared) }
        }
        return groups
    }

    private static func result<R: Sendable>(_ body: @concurrent @Sendable () async throws -> R) async -> Result<R, any Error> {
        do { return .success(try await body()) } catch { return .failure(error) }
    }

    /// A token as the identity endpoint would give it: the platform's cached one.
    package func token(for principal: String = "app", audience: String = Lab.audience) async throws -> Secret<String> {
        guard let found = self.principal(principal) else { throw LabError("The lab has no principal \(principal).") }
        return try await identity.token(for: found, audience: audience).token
    }
}
