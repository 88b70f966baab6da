// What systemd is told over its notification socket: ready, reloading, stopping, a line of status, and the sign of life.
//
// Source: sd_notify(3) and sd_watchdog_enabled(3). One datagram a message; nothing here ever waits for the reader.
import Diagnosis
import Glibc
import Synchronization

/// The service manager that started this process and asked to be told.
package final class ServiceManager: Sendable {
    /// The variables that it tells the process with, and that children must not inherit.
    package enum Name: String, CaseIterable {
        case socket = "NOTIFY_SOCKET"
        case watchdog = "WATCHDOG_USEC"
        case watchdogProcess = "WATCHDOG_PID"
    }

    private let descriptor: Int32
    private let address: [UInt8]
    private let state: Mutex<ServiceNotices>

    /// - Returns: nil when nobody wants to be told, or in a way that this program does not speak (`vsock:`).
    package init?(_ variables: [String: String]) {
        guard let address = variables[Name.socket.rawValue].flatMap(Self.address) else { return nil }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        let isForUs = variables[Name.watchdogProcess.rawValue].map { $0 == String(getpid()) } ?? true
        let watchdog = isForUs ? variables[Name.watchdog.rawValue].flatMap(Int64.init) : nil
        self.descriptor = descriptor
        self.address = address
        state = Mutex(ServiceNotices(watchdog: watchdog.flatMap { $0 > 0 ? .microseconds($0) : nil }))
    }

    deinit { close(descriptor) }

    /// The service does what it is there for.
    package func ready() { change { $0.became("READY=1") } }

    /// The configuration is read anew; ``ready()`` says that this is over.
    package func reloading() { change { $0.became("RELOADING=1\nMONOTONIC_USEC=\(Self.monotonicMicroseconds)") } }

    package func stopping() { change { $0.became("STOPPING=1") } }

    /// Called by the loop that starts the probes at every turn, on its thread: what stops it stops the sign of life.
    /// - Parameter status: a line for `systemctl status`; asked for only every few seconds.
    package func tick(status: () -> String) { change { $0.turned(at: .now, status: status) } }

    private func change(_ body: (inout ServiceNotices) -> Void) {
        state.withLock { notices in
            body(&notices)
            notices.flush(send)
        }
    }

    /// - Returns: whether the message is off our hands; false when the reader's queue is full and it should be tried again.
    private func send(_ message: String) -> Bool {
        let text = Array(message.utf8)
        let count = unsafe address.withUnsafeBytes { bytes in
            unsafe sendto(
                descriptor, text, text.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT),
                bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
        }
        return count >= 0 || ![EAGAIN, ENOBUFS, EINTR].contains(errno)
    }

    /// **Shape**: `sockaddr_un` as bytes: family, then the path with its final zero, or for an abstract name a zero and the name.
    private static func address(_ path: String) -> [UInt8]? {
        let isAbstract = path.hasPrefix("@")
        guard path.hasPrefix("/") || isAbstract, path.utf8.count > 1, path.utf8.count < 108 else { return nil }
        let family = UInt16(AF_UNIX)
        let head = [UInt8(truncatingIfNeeded: family), UInt8(truncatingIfNeeded: family >> 8)]
        return head + (isAbstract ? [0] + path.utf8.dropFirst() : Array(path.utf8) + [0])
    }

    private static var monotonicMicroseconds: Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}

/// Which messages are due: a value that knows neither sockets nor clocks.
struct ServiceNotices: Sendable {
    /// How often the line of status is made anew.
    static let statusInterval = Duration.seconds(2)

    /// How soon a sign of life has to follow the one before; nil when none is wanted.
    private let watchdog: Duration?
    private var waiting: [String] = []
    private var lastSign: ContinuousClock.Instant?
    private var lastStatus: (time: ContinuousClock.Instant, text: String)?

    init(watchdog: Duration?) { self.watchdog = watchdog }

    /// A change that must arrive, and in this order.
    mutating func became(_ message: String) { waiting.append(message) }

    /// The loop has turned.
    mutating func turned(at now: ContinuousClock.Instant, status: () -> String) {
        // What has not been taken yet is enough: an old sign of life must not pile up behind a reader that sleeps.
        guard waiting.isEmpty else { return }
        var lines: [String] = []
        // Three times in the interval, so that one that gets lost does not end the service.
        if let watchdog, lastSign.map({ now - $0 >= watchdog / 3 }) ?? true {
            lines.append("WATCHDOG=1")
            lastSign = now
        }
        if lastStatus.map({ now - $0.time >= Self.statusInterval }) ?? true {
            // A line break would begin another assignment.
            let text = String(status().map { $0.isNewline ? " " : $0 })
            if lastStatus?.text != text { lines.append("STATUS=\(text)") }
            lastStatus = (now, text)
        }
        if !lines.isEmpty { waiting.append(lines.joined(separator: "\n")) }
    }

    /// Hands over what waits, in order, until `send` says that there is no room.
    mutating func flush(_ send: (String) -> Bool) {
        while let message = waiting.first, send(message) { waiting.removeFirst() }
    }
}
