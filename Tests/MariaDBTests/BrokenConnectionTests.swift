// A connection that was reset is a lost one, also when some of what came before still lies unread.
import Certificates
import Diagnosis
import Glibc
@testable import MariaDB
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(1))) struct BrokenConnectionTests {
    /// How the other end behaved.
    enum Ending: CaseIterable, Sendable { case stays, sends, sendsAndResets, resets }

    @Test("A peer that reset the connection is not there, whatever of its bytes lies unread", arguments: Ending.allCases)
    func reset(ending: Ending) throws {
        let (near, far) = try Self.pair()
        let watch = HandshakeWatch(name: "localhost", store: try TrustAnchors(caFile: nil).store(), byteLimit: 1)
        // Closes its end when it goes.
        let transport = Transport(near, greeting: [], token: nil, watch: watch, deadline: .in(.seconds(5)))
        if ending == .sends || ending == .sendsAndResets { #expect(unsafe send(far, "half a record", 13, 0) == 13) }
        if ending == .sendsAndResets || ending == .resets {
            // Without lingering a close is a reset. Source: socket(7), SO_LINGER.
            var linger = linger(l_onoff: 1, l_linger: 0)
            #expect(unsafe setsockopt(far, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size)) == 0)
            close(far)
            var item = pollfd(fd: near, events: 0, revents: 0)
            #expect(unsafe poll(&item, 1, 5000) == 1)
            // Who writes then is told, and takes the error of the socket away.
            #expect(unsafe send(near, "x", 1, Int32(MSG_NOSIGNAL)) == -1)
        }
        #expect(transport.peerIsThere == (ending == .stays || ending == .sends))
        if ending == .stays || ending == .sends { close(far) }
    }

    /// Two ends of one connection over the loopback.
    private static func pair() throws -> (near: Int32, far: Int32) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let near = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let isConnected = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(listener, address, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, address, &length) == 0
                    && connect(near, address, length) == 0
            }
        }
        let far = accept(listener, nil, nil)
        try #require(isConnected && far >= 0)
        return (near, far)
    }
}
