// Switches faults on and off while the lab runs, and leaves everything as it was.
import Diagnosis

/// The switchboard of a lab.
///
/// A fault is in force when `turnOn` returns and gone when `turnOff` returns; connections that are already open are left alone.
package actor Faults {
    private let targets: [LabTarget]
    private let board: FaultBoard
    private let identity: IdentityServer
    private let postgres: PostgresServer?
    private let mysql: MySQLServer?
    private let azureSQL: AzureSQLService?
    private let proxies: [FaultProxy]
    private let turnstile = Turnstile()

    init(
        targets: [LabTarget], board: FaultBoard, identity: IdentityServer, postgres: PostgresServer?, mysql: MySQLServer?,
        azureSQL: AzureSQLService?, proxies: [FaultProxy]
    ) {
        self.targets = targets
        self.board = board
        self.identity = identity
        self.postgres = postgres
        self.mysql = mysql
        self.azureSQL = azureSQL
        self.proxies = proxies
    }

    /// What is on, oldest first.
    package nonisolated var active: [FaultBoard.Entry] { board.active }

    /// Switches a fault on for one target, or for all of them.
    /// - Parameter value: the number of the faults that take one (bytes, milliseconds); their usual one when nil.
    /// **Throws**: `LabError` for an unknown name, and for what this lab cannot play.
    package func turnOn(_ name: String, target: String? = nil, value: Int? = nil) async throws {
        try await turnOn(try Self.fault(name), target: target, value: value)
    }

    package func turnOn(_ fault: Fault, target: String? = nil, value: Int? = nil) async throws {
        try check(fault, target: target, value: value)
        let entry = FaultBoard.Entry(fault: fault, target: target, value: value ?? fault.row.value?.standard ?? 0)
        try await turnstile.pass {
            if fault.part == .server { try await change(fault, target: target, isOn: true) }
            board.add(entry)
            do {
                try await follow()
            } catch {
                _ = board.remove(fault, target: target)
                throw error
            }
        }
    }

    /// Switches a fault off: for one target, or wherever it is on. Off is off: doing it twice is no error.
    package func turnOff(_ name: String, target: String? = nil) async throws {
        try await turnOff(try Self.fault(name), target: target)
    }

    package func turnOff(_ fault: Fault, target: String? = nil) async throws {
        try await turnstile.pass {
            let removed = board.remove(fault, target: target)
            if fault.part == .server {
                for entry in removed { try await change(fault, target: entry.target, isOn: false) }
            }
            if !removed.isEmpty { try await follow() }
        }
    }

    /// Makes the lab healthy again.
    package func turnOffAll() async throws {
        for entry in board.active.reversed() { try await turnOff(entry.fault, target: entry.target) }
    }

    /// Lets the parts that hold sockets follow the board.
    private func follow() async throws {
        try await identity.setListening(board.playing(.identity)?.fault != .identityRefused)
        azureSQL?.follow()
        for proxy in proxies { try await proxy.follow() }
    }

    /// Acts on the real servers. Targets that share a role or a database share the fault.
    private func change(_ fault: Fault, target: String?, isOn: Bool) async throws {
        let affected = targets.filter { (target == nil || $0.name == target) && fault.expects(on: $0.engine) != nil }
        for engine in Engine.allCases {
            let roles = Set(affected.filter { $0.engine == engine }.map(\.role)).sorted()
            let databases = Set(affected.filter { $0.engine == engine }.map(\.database)).sorted()
            switch engine {
            case .postgresql: try await postgres?.play(fault, roles: roles, databases: databases, isOn: isOn)
            case .mysql: try await mysql?.play(fault, accounts: roles, databases: databases, isOn: isOn)
            // Looks at the board itself.
            case .azuresql: break
            }
        }
    }

    private func check(_ fault: Fault, target: String?, value: Int?) throws {
        if let target {
            guard fault.part != .identity else {
                throw LabError("\(fault.name) concerns the identity endpoint, which all targets share: name no target.")
            }
            let known = targets.prefix(8).map(\.name)
            guard let found = targets.first(where: { $0.name == target }) else {
                throw LabError(
                    "The lab has no target \(target). It has: \(known.joined(separator: ", "))\(targets.count > 8 ? ", …" : "")."
                )
            }
            guard fault.expects(on: found.engine) != nil else {
                throw LabError("\(fault.name) cannot be played for \(target): its engine is \(found.engine.rawValue).")
            }
        }
        if let value {
            guard fault.row.value != nil else { throw LabError("\(fault.name) takes no value.") }
            guard value >= 0 else { throw LabError("The value of \(fault.name) cannot be negative.") }
        }
        let engines = target.flatMap { name in targets.first { $0.name == name } }.map { [$0.engine] } ?? Array(fault.row.expects.keys)
        if fault.part == .server, !engines.contains(where: hasServer) {
            throw LabError("\(fault.name) needs the real server, and this lab was started without it.")
        }
        if fault.part == .proxy || fault == .deadAddress, proxies.isEmpty {
            throw LabError("\(fault.name) is played by the proxy, and this lab was started without it (direct).")
        }
    }

    private func hasServer(of engine: Engine) -> Bool {
        switch engine {
        case .postgresql: postgres != nil
        case .mysql: mysql != nil
        case .azuresql: azureSQL != nil
        }
    }

    private static func fault(_ name: String) throws -> Fault {
        if let fault = Fault(rawValue: name) { return fault }
        let word = name.split(separator: "_").first.map(String.init) ?? name
        let near = Fault.allCases.map(\.name).filter { $0.hasPrefix(word) }
        let hint = near.isEmpty ? "" : " Similar: \(near.joined(separator: ", "))."
        throw LabError(
            "There is no fault \(name).\(hint) `agent-lab fault list` shows all."
        )
    }
}
