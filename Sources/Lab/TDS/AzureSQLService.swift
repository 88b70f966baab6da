// Azure SQL of the lab: a gateway for each group of targets, and the workers behind them that a redirect leads to.
import Diagnosis
import NIOCore
import NIOSSL
import Synchronization
import TDS

/// The servers of the engine `azuresql`. They check tokens themselves, and play the faults that lie beyond the connection.
package final class AzureSQLService: Sendable {
    /// The audience of Azure SQL.
    package static let audience = "https://database.windows.net"

    /// Who has a user in the databases: the names of principals.
    static let users: Set<String> = ["app", "reporting"]

    private let state = Mutex(State())
    private let board: FaultBoard
    private let certificates: Certificates
    private let issuer: TokenIssuer
    private let principals: [Principal]
    private let address: String
    private let workerAddress: String
    /// Whether a client may name the server by its address, as one must whose names nobody can point to the lab.
    private let admitsAddress: Bool

    private struct State {
        var gateways: [(targets: [String], server: AzureSQLServer)] = []
        var workers: [Worker: AzureSQLServer] = [:]
        var dropping: BlackHole?
        /// Where the first of the workers' ports is.
        var firstPort = 0
        /// How many logins a sleeping database has refused, by the first target of its group.
        var refusedAsleep: [String: Int] = [:]
        /// The databases that pause by themselves, by the first target of their group.
        var databases: [String: ServerlessDatabase] = [:]
    }

    /// Where a redirect can lead. Each has a port of its own, because a worker does not know for which target a client was sent to it.
    enum Worker: Int, Sendable, CaseIterable {
        case sound, looping, misnamed, silent
        /// Nothing listens there.
        case refusing
        /// Packets to it are dropped.
        case dropping

        /// All behind one name. **Source**: the form of a worker's name in a public lab, `….worker.database.windows.net`.
        static let host = "w1.tr1.lab1-a.worker.database.windows.net"
    }

    /// Made once: contexts are costly.
    struct Certificates: Sendable {
        var good, unknownIssuer, wrongName, expired, notYetValid, old: AzureSQLTLS

        init(_ all: ServerCertificates) throws {
            good = try AzureSQLTLS(all.good)
            unknownIssuer = try AzureSQLTLS(all.unknownIssuer)
            wrongName = try AzureSQLTLS(all.wrongName)
            expired = try AzureSQLTLS(all.expired)
            notYetValid = try AzureSQLTLS(all.notYetValid)
            old = try AzureSQLTLS(all.good, newest: .tlsv11)
        }

        /// The server that a fault presents; the good one for faults that lie elsewhere.
        func presented(for fault: Fault?) -> AzureSQLTLS {
            switch fault {
            case .tlsUnknownCA: unknownIssuer
            case .tlsWrongName: wrongName
            case .tlsExpired: expired
            case .tlsNotYetValid: notYetValid
            case .tlsTooOld: old
            default: good
            }
        }
    }

    /// Starts a gateway for each group of targets, and the workers.
    /// - Parameter admitsAddress: whether a client may name the server by its address; Azure refuses that.
    static func start(
        _ groups: [[LabTarget]], principals: [Principal], block: LoopbackBlock, certificates: ServerCertificates, issuer: TokenIssuer,
        board: FaultBoard, admitsAddress: Bool = false
    ) async throws -> AzureSQLService {
        let service = AzureSQLService(
            principals: principals, block: block, certificates: try Certificates(certificates), issuer: issuer, board: board,
            admitsAddress: admitsAddress)
        do {
            try await service.startWorkers()
            for group in groups { try await service.startGateway(for: group) }
        } catch {
            await service.stop()
            throw error
        }
        return service
    }

    private init(
        principals: [Principal], block: LoopbackBlock, certificates: Certificates, issuer: TokenIssuer, board: FaultBoard,
        admitsAddress: Bool
    ) {
        self.admitsAddress = admitsAddress
        self.principals = principals
        self.address = block.azureSQL
        self.workerAddress = block.azureSQLWorker
        self.certificates = certificates
        self.issuer = issuer
        self.board = board
    }

    /// Where the gateway of a target listens.
    func endpoint(of target: String) -> Endpoint? {
        gateway(of: target).map { Endpoint(host: $0.address, port: $0.port) }
    }

    /// The logins that came for a target, refused ones included, oldest first; those of targets that share its gateway as well.
    package func logins(of target: String) -> [AzureSQLLogin] { gateway(of: target)?.logins ?? [] }

    /// The database behind a target, when it is one that pauses by itself.
    package func database(of target: String) -> ServerlessDatabase? {
        state.withLock { state in
            state.gateways.first { $0.targets.contains(target) }?.targets.first.flatMap { state.databases[$0] }
        }
    }

    /// The logins that came over a redirect.
    package var redirectedLogins: [AzureSQLLogin] { state.withLock { Array($0.workers.values) }.flatMap(\.logins) }

    package func forgetLogins() {
        for server in state.withLock({ $0.gateways.map(\.server) + Array($0.workers.values) }) { server.forgetLogins() }
    }

    /// A database that was put to sleep is asleep anew.
    func follow() {
        guard !board.active.contains(where: { $0.fault == .azureAsleep }) else { return }
        state.withLock { $0.refusedAsleep = [:] }
    }

    func stop() async {
        let (servers, hole) = state.withLock { state in
            defer { state = State() }
            return (state.gateways.map(\.server) + Array(state.workers.values), state.dropping)
        }
        for server in servers { await server.stop() }
        await hole?.close()
    }

    // MARK: Starting

    /// The server keeps this object alive until `stop()`.
    private func startGateway(for group: [LabTarget]) async throws {
        if let pausesAfter = group[0].pausesAfter {
            let database = ServerlessDatabase(pausesAfter: pausesAfter, resumesIn: group[0].resumesIn)
            state.withLock { $0.databases[group[0].name] = database }
        }
        let server = try await AzureSQLServer.start(on: address) { self.behavior(for: group) }
        state.withLock { $0.gateways.append((group.map(\.name), server)) }
    }

    /// **Source**: Microsoft Learn, "Azure SQL connectivity architecture": workers listen on ports 11000 to 11999.
    private func startWorkers() async throws {
        for first in stride(from: 11_000, to: 12_000, by: 100) {
            do {
                for worker in [Worker.sound, .looping, .misnamed, .silent] {
                    let behavior = self.behavior(of: worker, firstPort: first)
                    let server = try await AzureSQLServer.start(on: workerAddress, port: first + worker.rawValue) { behavior }
                    state.withLock { $0.workers[worker] = server }
                }
                let hole = try await BlackHole.open(on: workerAddress, port: first + Worker.dropping.rawValue)
                state.withLock {
                    $0.dropping = hole
                    $0.firstPort = first
                }
                return
            } catch is IOError {
                // Another program has one of these ports on all addresses.
                await stop()
            }
        }
        throw LabError("No ports between 11000 and 11999 are free on \(workerAddress) for the workers of Azure SQL.")
    }

    private func gateway(of target: String) -> AzureSQLServer? {
        state.withLock { $0.gateways.first { $0.targets.contains(target) }?.server }
    }

    // MARK: Behaviour

    /// What a connection that comes in now meets.
    private func behavior(for group: [LabTarget]) -> AzureSQLBehavior {
        let names = group.map(\.name)
        let entry = board.active.last { entry in
            (entry.fault.part == .proxy || entry.fault.part == .server) && entry.fault.expects(on: .azuresql) != nil
                && (entry.target.map(names.contains) ?? true)
        }
        var script = AzureSQLScript.standard()
        script.admit = admission(
            to: Set(group.map(\.database)), on: Set(group.map { $0.host.lowercased() } + (admitsAddress ? [address] : [])))
        let isServerless = entry?.fault == .azureAsleep || group.contains(where: \.isServerless)
        let objective = isServerless ? "GP_S_Gen5_1" : "GP_Gen5_2"
        script.answerAbout = { self.answer(about: $0, $1, $2, objective) }
        if let database = state.withLock({ $0.databases[names[0]] }) {
            let awake = script.admit
            script.admit = { database.isAvailable() ? awake($0) : AzureSQLFaults.refusals[.azureUnavailable] }
            script.noteSession = { $0 ? database.sessionBegan() : database.sessionEnded() }
        }
        if let entry {
            if entry.fault == .azureAsleep {
                let healthy = script.admit
                script.admit = { login in self.wakeUp(entry.value, names[0]) ?? healthy(login) }
            } else {
                AzureSQLFaults.play(entry.fault, value: entry.value, in: &script, route: route(to:))
            }
        }
        return AzureSQLBehavior(script: script, tls: certificates.presented(for: entry?.fault))
    }

    private func behavior(of worker: Worker, firstPort: Int) -> AzureSQLBehavior {
        var script = AzureSQLScript.standard()
        script.admit = admission(to: nil, on: [Worker.host])
        script.answerAbout = { self.answer(about: $0, $1, $2, "GP_Gen5_2") }
        switch worker {
        case .looping: script.route = TDS.Route(server: Worker.host, port: UInt16(firstPort + Worker.looping.rawValue))
        case .silent: script.troubles[.prelogin] = .silent
        case .sound, .misnamed, .refusing, .dropping: break
        }
        return AzureSQLBehavior(script: script, tls: worker == .misnamed ? certificates.wrongName : certificates.good)
    }

    private func route(to worker: Worker) -> TDS.Route {
        TDS.Route(server: Worker.host, port: UInt16(state.withLock { $0.firstPort } + worker.rawValue))
    }

    private func answer(
        about login: AzureSQLLogin, _ sql: String, _ parameters: [ProcedureCall.Parameter], _ objective: String
    ) -> [ReplyToken]? {
        let id = login.token?.reveal { text in (try? issuer.verify(text, audience: Self.audience))?.oid } ?? nil
        guard let user = principals.first(where: { $0.objectID == id }) else { return nil }
        return AzureSQLScript.sessionAnswer(
            sql, parameters, user: user, database: login.message.database, objective: objective)
    }

    /// Refuses as many logins as were asked for; each of them brings the database nearer to being up.
    private func wakeUp(_ refusals: Int, _ name: String) -> [TDSServerMessage]? {
        let isUp = state.withLock { state in
            let count = state.refusedAsleep[name, default: 0]
            if count < refusals { state.refusedAsleep[name] = count + 1 }
            return count >= refusals
        }
        return isUp ? nil : AzureSQLFaults.refusals[.azureUnavailable]
    }

    /// The checks of a gateway in their order: the server's name, the token, the database and the user in it.
    /// **Source**: Microsoft Learn, "Troubleshoot common connection issues to Azure SQL Database": 40532, 18456, 4060.
    private func admission(to databases: Set<String>?, on hosts: Set<String>) -> @Sendable (AzureSQLLogin) -> [TDSServerMessage]? {
        let gate = AzureSQLScript.gate(issuer, principals: principals.filter { Self.users.contains($0.name) }, audience: Self.audience)
        return { login in
            // Drivers write `host,port` when they were given a port.
            let name = login.serverName.lowercased().prefix { $0 != "," }
            guard hosts.contains(String(name)) else { return AzureSQLFaults.refusals[.azureServerName] }
            if let refusal = gate(login) { return refusal }
            // Without a database the login lands in master, where nobody of the lab has a user.
            guard !login.message.database.isEmpty, login.message.database.lowercased() != "master" else {
                return AzureSQLFaults.refusals[.roleUnknown]
            }
            guard let databases, !databases.contains(login.message.database) else { return nil }
            return AzureSQLFaults.databaseUnknown(login.message.database)
        }
    }
}
