// Ports of this machine that behave badly, and a look at who is connected where.
import Foundation
import Glibc
import NIOCore
import NIOPosix

/// A port on the loopback interface at which nothing listens: it was bound a moment ago and is free again.
package func refusingPort() async throws -> Int {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
    let port = channel.localAddress?.port ?? 0
    try await channel.close().get()
    return port
}

/// A port that lets nobody in and refuses nobody: its queue is full, so the system drops every further SYN.
@safe package final class DeafPort: Sendable {
    package let port: Int
    private let descriptors: [Int32]

    package init() {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        var descriptors = [listener]
        unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe _ = bind(listener, address, length)
                _ = listen(listener, 0)
                unsafe _ = getsockname(listener, address, &length)
                // A queue of length 0 holds one connection; the others make sure that it is full.
                for _ in 0..<3 {
                    let filler = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
                    unsafe _ = connect(filler, address, length)
                    descriptors.append(filler)
                }
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        self.descriptors = descriptors
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
