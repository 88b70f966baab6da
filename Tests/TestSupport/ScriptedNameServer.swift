// A name server for tests that gives one scripted answer to everything, on UDP and a port of its own.
import Diagnosis
import Glibc
import Synchronization

/// Answers every question alike. **Isolation**: one thread of its own, ended by ``close()``.
package final class ScriptedNameServer: Sendable {
    package enum Script: Sendable {
        /// The chain of aliases in front of the addresses; IPv4 only.
        case answer(aliases: [String], addresses: [String], ttl: UInt32)
        /// Source: RFC 1035 4.1.1, RCODE.
        case code(UInt8)
        case raw([UInt8])
        case silence
    }

    package let port: Int
    private let descriptor: Int32
    private let script: Script
    private let asked = Mutex<(isAsked: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    package init(_ script: Script) throws {
        self.script = script
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = descriptor
        let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard unsafe bind(socket, address, length) == 0 else { return Int32(-1) }
                return unsafe getsockname(socket, address, &length)
            }
        }
        guard status == 0 else { throw Failure(.probeInternal, during: .internal, evidence: [Evidence(.errno, code: errno, text: "bind")]) }
        port = Int(UInt16(bigEndian: address.sin_port))
        var thread = pthread_t()
        // Retained until `serve` returns, which `close()` brings about.
        let context = unsafe Unmanaged.passRetained(self).toOpaque()
        unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<ScriptedNameServer>.fromOpaque(context).takeRetainedValue().serve()
                return nil
            }, context)
        pthread_detach(thread)
    }

    package func close() { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Returns once somebody has asked something.
    package func firstQuestion() async {
        await withCheckedContinuation { continuation in
            let isAsked = asked.withLock { state in
                if !state.isAsked { state.waiting.append(continuation) }
                return state.isAsked
            }
            if isAsked { continuation.resume() }
        }
    }

    private func serve() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            var peer = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let socket = descriptor
            let count = unsafe withUnsafeMutablePointer(to: &peer) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { peer in
                    unsafe buffer.withUnsafeMutableBytes { unsafe recvfrom(socket, $0.baseAddress, $0.count, 0, peer, &length) }
                }
            }
            guard count > 0 else { break }
            let waiting = asked.withLock { state in
                defer { state = (true, []) }
                return state.waiting
            }
            for continuation in waiting { continuation.resume() }
            guard let reply = reply(to: Array(buffer.prefix(count))) else { continue }
            _ = unsafe withUnsafeMutablePointer(to: &peer) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { peer in
                    unsafe reply.withUnsafeBytes { unsafe sendto(socket, $0.baseAddress, $0.count, 0, peer, length) }
                }
            }
        }
        _ = Glibc.close(descriptor)
    }

    /// Source: RFC 1035 4.1, message format; 3.2.1, resource records.
    private func reply(to question: [UInt8]) -> [UInt8]? {
        guard question.count > 16, let end = question[12...].firstIndex(of: 0), end + 5 <= question.count else { return nil }
        let kind = UInt16(question[end + 1]) << 8 | UInt16(question[end + 2])
        var header = Array(question[0..<2]) + [0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]
        let body = Array(question[12..<end + 5])
        switch script {
        case .silence: return nil
        case .raw(let bytes): return bytes
        case .code(let code):
            header[3] = 0x80 | code
            return header + body
        case .answer(let aliases, let addresses, let ttl):
            var records: [UInt8] = []
            var count = 0
            var owner: [UInt8] = Array(question[12...end])
            func add(_ kind: UInt8, _ data: [UInt8]) {
                records += owner
                records += [0, kind, 0, 1]
                for shift in [24, 16, 8, 0] as [UInt32] { records.append(UInt8(truncatingIfNeeded: ttl >> shift)) }
                records += [0, UInt8(data.count)]
                records += data
                count += 1
            }
            for alias in aliases {
                var name: [UInt8] = []
                for label in alias.split(separator: ".") {
                    name.append(UInt8(label.utf8.count))
                    name += Array(label.utf8)
                }
                name.append(0)
                add(5, name)
                owner = name
            }
            if kind == 1 {
                for address in addresses { add(1, address.split(separator: ".").compactMap { UInt8($0) }) }
            }
            header[7] = UInt8(count)
            return header + body + records
        }
    }
}
