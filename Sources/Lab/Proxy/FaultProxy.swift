// The way from a client to the server, and everything that can go wrong on it.
import Diagnosis
import NIOCore
import NIOPosix

/// Listens on the addresses of one target (or of a group that shares them) and relays to the real server, or plays the fault that is on.
///
/// Before TLS nobody knows which name a client asked for: targets that share a proxy share its faults.
package actor FaultProxy {
    package nonisolated let addresses: Addresses
    package nonisolated let port: Int
    package nonisolated let recorder: WireRecorder

    private let route: Route
    private var listeners: [Listener]
    private var dead: BlackHole?
    private var dropping: [BlackHole] = []

    /// **Shape**: the dead one drops everything while the fault `dead_address` is on.
    package struct Addresses: Sendable, Hashable {
        package var primary: String
        package var secondary: String
        package var dead: String
    }

    static func start(on addresses: Addresses, route: Route, recorder: WireRecorder) async throws -> FaultProxy {
        let first = try await Listener.tcp(addresses.primary) { try await route.serve($0) }
        do {
            let second = try await Listener.tcp(addresses.secondary, port: first.port) { try await route.serve($0) }
            return FaultProxy(addresses: addresses, route: route, recorder: recorder, listeners: [first, second])
        } catch {
            await first.close()
            throw error
        }
    }

    private init(addresses: Addresses, route: Route, recorder: WireRecorder, listeners: [Listener]) {
        self.addresses = addresses
        self.port = listeners[0].port
        self.route = route
        self.recorder = recorder
        self.listeners = listeners
    }

    /// Listens, refuses or drops, as the faults that are on want it.
    func follow() async throws {
        let wantsDead = route.isPlaying(.deadAddress)
        if wantsDead, dead == nil { dead = try await BlackHole.open(on: addresses.dead, port: port) }
        if !wantsDead, let hole = dead {
            dead = nil
            await hole.close()
        }
        let fault = route.playing?.fault
        let isOpen = fault != .tcpRefused && fault != .tcpDropped
        if !isOpen { await stopListening() }
        if fault != .tcpDropped { await stopDropping() }
        if fault == .tcpDropped, dropping.isEmpty {
            for address in [addresses.primary, addresses.secondary] { dropping.append(try await BlackHole.open(on: address, port: port)) }
        }
        if isOpen, listeners.isEmpty {
            for address in [addresses.primary, addresses.secondary] {
                listeners.append(try await Listener.tcp(address, port: port) { [route] in try await route.serve($0) })
            }
        }
    }

    func stop() async {
        await stopListening()
        await stopDropping()
        await dead?.close()
    }

    private func stopListening() async {
        let open = listeners
        listeners = []
        for listener in open { await listener.close() }
    }

    private func stopDropping() async {
        let open = dropping
        dropping = []
        for hole in open { await hole.close() }
    }
}
