// What a service manager is told: which messages, when, and that telling never waits.
import Foundation
import TestSupport
import Testing

@testable import Telemetry

@Suite(.timeLimit(.minutes(1))) struct ServiceManagerTests {
    private static func path() -> String { "/tmp/agent-notify-\(UUID().uuidString.prefix(8))" }

    @Test("Changes arrive in their order, at a path and at an abstract name", arguments: ["", "@"])
    func changes(prefix: String) throws {
        let socket = try DatagramSocket(prefix + Self.path())
        let manager = try #require(ServiceManager(["NOTIFY_SOCKET": socket.name]))
        manager.ready()
        manager.reloading()
        manager.ready()
        manager.stopping()
        let messages = socket.readAll()
        #expect(messages.map { $0.prefix { $0 != "\n" } } == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"])
        let reload = try #require(messages.dropFirst().first)
        #expect(reload.wholeMatch(of: /RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]+/) != nil, "\(reload)")
    }

    @Test("Without the variable, or with an address of another kind, nobody is told")
    func nobody() {
        for name in [nil, "", "@", "relative", "vsock:2:1234", "/" + String(repeating: "x", count: 107)] {
            #expect(ServiceManager(name.map { ["NOTIFY_SOCKET": $0] } ?? [:]) == nil)
        }
    }

    @Test("A turn gives a sign of life and the status; the next ones only what is due and new")
    func turns() {
        var notices = ServiceNotices(watchdog: .seconds(30))
        let start = ContinuousClock.now
        var told: [String] = []
        func turn(_ seconds: Int, _ status: String) {
            notices.turned(at: start + .seconds(seconds)) { status }
            notices.flush {
                told.append("\(seconds) \($0)")
                return true
            }
        }
        turn(0, "0 of 2 checks up")
        turn(1, "1 of 2 checks up")
        turn(2, "1 of 2 checks up")
        turn(5, "1 of 2 checks up")
        turn(9, "1 of 2 checks up")
        turn(12, "2 of 2\nWATCHDOG=trigger")
        turn(40, "2 of 2\nWATCHDOG=trigger")
        #expect(
            told == [
                "0 WATCHDOG=1\nSTATUS=0 of 2 checks up", "2 STATUS=1 of 2 checks up", "12 WATCHDOG=1\nSTATUS=2 of 2 WATCHDOG=trigger",
                "40 WATCHDOG=1",
            ])
    }

    @Test("No sign of life is given that nobody asked for, or that was asked of another process")
    func withoutWatchdog() throws {
        let socket = try DatagramSocket(Self.path())
        for variables in [[:], ["WATCHDOG_USEC": "0"], ["WATCHDOG_USEC": "soon"], ["WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"]] {
            let manager = try #require(ServiceManager(variables.merging(["NOTIFY_SOCKET": socket.name]) { $1 }))
            manager.tick { "fine" }
            #expect(socket.readAll() == ["STATUS=fine"])
        }
        let own = ["NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "\(getpid())"]
        try #require(ServiceManager(own)).tick { "fine" }
        #expect(socket.readAll() == ["WATCHDOG=1\nSTATUS=fine"])
    }

    @Test("A manager that does not read blocks nobody; what it has to know arrives later, and once")
    func fullQueue() throws {
        let socket = try DatagramSocket(Self.path())
        let manager = try #require(ServiceManager(["NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "1"]))
        let begin = ContinuousClock.now
        for _ in 0..<5000 { manager.tick { "fine" } }
        manager.ready()
        #expect(ContinuousClock.now - begin < .seconds(20))
        let first = socket.readAll()
        #expect(!first.isEmpty && first.count < 5000, "\(first.count)")
        manager.stopping()
        let later = (first + socket.readAll()).filter { !$0.hasPrefix("WATCHDOG=1") }
        #expect(later == ["READY=1", "STOPPING=1"])
    }

    @Test("A manager that has gone away is no trouble")
    func gone() throws {
        let path = Self.path()
        var socket: DatagramSocket? = try DatagramSocket(path)
        let manager = try #require(ServiceManager(["NOTIFY_SOCKET": path]))
        socket = nil
        manager.ready()
        socket = try DatagramSocket(path)
        manager.stopping()
        #expect(socket?.readAll() == ["STOPPING=1"])
    }
}
