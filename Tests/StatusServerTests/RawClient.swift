// A client that says exactly the bytes it is told to, for peers that misbehave.
import Foundation
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// One connection to a port of this machine.
final class RawClient: Sendable {
    private let socket: Int32

    struct Problem: Error { var text: String }

    /// - Parameter receiveBuffer: bytes the kernel may hold for us; small for a client that does not read.
    init(port: Int, receiveBuffer: Int32? = nil) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if var size = receiveBuffer {
            _ = unsafe setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
        let code = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { throw Problem(text: "connect: errno \(errno)") }
    }

    deinit { close(socket) }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// Ends our side and goes on reading.
    func finish() { shutdown(socket, Int32(SHUT_WR)) }

    /// Reads until the server closes, `isEnough` says so, or the time is over.
    /// - Returns: what came, and whether the server closed.
    func receive(
        within limit: Duration = .seconds(20), until isEnough: @escaping @Sendable ([UInt8]) -> Bool = { _ in false }
    ) async -> (text: String, isClosed: Bool) {
        await withCheckedContinuation { continuation in
            // A thread of its own: queues have few threads, and several tests wait at the same time.
            Thread.detachNewThread { [self] in
                var bytes: [UInt8] = []
                let end = ContinuousClock.now + limit
                while ContinuousClock.now < end, !isEnough(bytes) {
                    var wait = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
                    guard unsafe poll(&wait, 1, 50) > 0 else { continue }
                    var chunk = [UInt8](repeating: 0, count: 65536)
                    let count = unsafe chunk.withUnsafeMutableBytes { buffer in unsafe recv(socket, buffer.baseAddress, buffer.count, 0) }
                    guard count > 0 else {
                        continuation.resume(returning: (String(decoding: bytes, as: UTF8.self), true))
                        return
                    }
                    bytes += chunk[..<count]
                }
                continuation.resume(returning: (String(decoding: bytes, as: UTF8.self), false))
            }
        }
    }

    /// One request, one answer, the connection closed behind it.
    static func get(_ path: String, port: Int, method: String = "GET", headers: [String] = ["Host: localhost"]) async throws -> Reply {
        let client = try RawClient(port: port)
        client.send(([method + " " + path + " HTTP/1.1"] + headers + ["Connection: close", "", ""]).joined(separator: "\r\n"))
        let (text, isClosed) = await client.receive()
        return try Reply(text, isClosed: isClosed)
    }
}

/// An answer as it came over the wire.
struct Reply {
    var status: Int
    var headers: [String: String] = [:]
    var body: String
    var isClosed: Bool

    init(_ text: String, isClosed: Bool) throws {
        guard let split = text.range(of: "\r\n\r\n") else { throw RawClient.Problem(text: "no answer: \(text.prefix(200))") }
        let lines = text[..<split.lowerBound].components(separatedBy: "\r\n")
        guard let code = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw RawClient.Problem(text: "no status: \(text.prefix(200))")
        }
        status = code
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        body = String(text[split.upperBound...])
        self.isClosed = isClosed
    }
}
