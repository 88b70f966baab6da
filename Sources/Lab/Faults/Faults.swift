// Switches faults on and off while the lab runs, and leaves everything as it was.

/// The switchboard of a lab.
///
/// A fault is in force when `turnOn` returns and gone when `turnOff` returns; connections that are already open are left alone.
package actor Faults {
    private let targets: [LabTarget]
    private let board: FaultBoard
    private let identity: IdentityServer
    private let postgres: PostgresServer?
    private let proxies: [FaultProxy]
    private let turnstile = Turnstile()

    init(targets: [LabTarget], board: FaultBoard, identity: IdentityServer, postgres: PostgresServer?, proxies: [FaultProxy]) {
        self.targets = targets
        self.board = board
        self.identity = identity
        self.postgres = postgres
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
        for proxy in proxies { try await proxy.follow() }
    }

    /// Acts on the real server. Targets that share a role or a database share the fault.
    private func change(_ fault: Fault, target: String?, isOn: Bool) async throws {
        guard let postgres else { return }
        let affected = targets.filter { target == nil || $0.name == target }
        for role in Set(affected.map(\.role)).sorted() {
            switch fault {
            case .roleNoLogin: try await postgres.execute("ALTER ROLE \"\(role)\" \(isOn ? "NOLOGIN" : "LOGIN")")
            case .connectionLimit: try await postgres.execute("ALTER ROLE \"\(role)\" CONNECTION LIMIT \(isOn ? 0 : -1)")
            case .roleUnknown: try await postgres.rename(role: role, away: isOn)
            default: break
            }
        }
        for database in Set(affected.map(\.database)).sorted() {
            switch fault {
            case .noConnect:
                try await postgres.execute(
                    isOn ? "REVOKE CONNECT ON DATABASE \"\(database)\" FROM PUBLIC" : "GRANT CONNECT ON DATABASE \"\(database)\" TO PUBLIC")
            case .databaseWrong: try await postgres.rename(database: database, away: isOn)
            default: break
            }
        }
    }

    private func check(_ fault: Fault, target: String?, value: Int?) throws {
        if let target {
            guard fault.part != .identity else {
                throw LabError("\(fault.name) concerns the identity endpoint, which all targets share: name no target.")
            }
            let known = targets.prefix(8).map(\.name)
            guard targets.contains(where: { $0.name == target }) else {
                throw LabError(
                    "The lab has no target \(target). It has: \(known.joined(separator: ", "))\(targets.count > 8 ? ", …" : "")."
                )
            }
        }
        if let value {
            guard fault.row.value != nil else { throw LabError("\(fault.name) takes no value.") }
            guard value >= 0 else { throw LabError("The value of \(fault.name) cannot be negative.") }
        }
        if fault.part == .server, postgres == nil {
            throw LabError("\(fault.name) needs the real server, and this lab was started without it.")
        }
        if fault.part == .proxy || fault == .deadAddress, proxies.isEmpty {
            throw LabError("\(fault.name) is played by the proxy, and this lab was started without it (direct).")
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
