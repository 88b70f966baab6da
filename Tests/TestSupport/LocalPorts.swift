// Ports of this machine that behave badly, and a look at who is connected where.
import Foundation
import Glibc

/// A port on the loopback interface that refuses: it is bound, so nobody else gets it, and nothing listens.
package final class RefusingPort: Sendable {
    package let port: Int
    private let descriptor: Int32

    package init() { (descriptor, port) = boundSocket() }
    deinit { close(descriptor) }
}

/// A port that lets nobody in and refuses nobody: its queue is full, so the system drops every further SYN.
package final class DeafPort: Sendable {
    package let port: Int
    private let descriptors: [Int32]

    package init() {
        let (listener, port) = boundSocket()
        _ = listen(listener, 0)
        self.port = port
        // A queue of length 0 holds one connection; the others make sure that it is full.
        let fillers = (0..<3).map { _ in socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0) }
        var address = loopback(port: UInt16(port))
        unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                for filler in fillers { unsafe _ = connect(filler, address, socklen_t(MemoryLayout<sockaddr_in>.size)) }
            }
        }
        descriptors = [listener] + fillers
    }

    deinit { for descriptor in descriptors { close(descriptor) } }
}

/// How many sockets of this process are connected, or connecting, to a local port. Counts descriptors, and only those of one test.
package func openConnections(to port: Int) throws -> Int {
    let hexadecimal = String(port, radix: 16, uppercase: true)
    let suffix = ":" + String(repeating: "0", count: 4 - hexadecimal.count) + hexadecimal
    // Source: Linux, Documentation/networking/proc_net_tcp: columns sl, local, remote, st, …, inode at index 9.
    return try String(contentsOfFile: "/proc/self/net/tcp", encoding: .utf8).split(separator: "\n").dropFirst().count { line in
        let columns = line.split(separator: " ", omittingEmptySubsequences: true)
        return columns.count > 9 && columns[2].hasSuffix(suffix) && columns[9] != "0"
    }
}

private func loopback(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
}

/// A socket with a port of the system's choice, not listening.
private func boundSocket() -> (descriptor: Int32, port: Int) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = loopback(port: 0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    unsafe withUnsafeMutablePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            unsafe _ = bind(descriptor, address, length)
            unsafe _ = getsockname(descriptor, address, &length)
        }
    }
    return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
}

/// A port that is free now, for programs that cannot choose one themselves. Somebody else may take it before they do.
package func freePort() -> Int {
    let (descriptor, port) = boundSocket()
    close(descriptor)
    return port
}
