// What clients sent to the proxies, so that a test can search for what must never have been sent.
package import Diagnosis
import NIOCore
import Synchronization

/// The bytes of one client connection. Bounded: the first 32 KiB of each stage.
package struct WireRecord: Sendable, Hashable {
    package var target: String
    package var fault: Fault?
    /// As it went over the wire. For a relayed connection this includes the client's TLS records.
    package var beforeTLS: [UInt8] = []
    /// Decrypted, where the proxy was the TLS server itself.
    package var insideTLS: [UInt8] = []
    /// How much the server sent, where the proxy only relays.
    package var fromServer = 0
    package var isOver = false

    /// Whether the client gave away `secret`, in the clear or inside TLS.
    package func contains(_ secret: Secret<String>) -> Bool {
        secret.reveal { text in
            // As the database clients of Azure send it, and as TDS does: UTF-16, low byte first.
            let forms = [Array(text.utf8), text.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }]
            return forms.contains { beforeTLS.firstRange(of: $0) != nil || insideTLS.firstRange(of: $0) != nil }
        }
    }
}

/// Keeps the last 256 connections.
package final class WireRecorder: Sendable {
    private let state = Mutex(State())

    private struct State {
        var next = 0
        var records: [(id: Int, record: WireRecord)] = []
    }

    /// Oldest first; those of one target when it is named.
    package func records(of target: String? = nil) -> [WireRecord] {
        state.withLock { state in state.records.map(\.record).filter { target == nil || $0.target == target } }
    }

    package func clear() { state.withLock { $0.records = [] } }

    func begin(target: String, fault: Fault?) -> Int {
        state.withLock { state in
            if state.records.count >= 256 { state.records.removeFirst() }
            state.next += 1
            state.records.append((state.next, WireRecord(target: target, fault: fault)))
            return state.next
        }
    }

    func add(_ bytes: ByteBuffer, to id: Int, insideTLS: Bool) {
        change(id) { record in
            let room = 32_768 - (insideTLS ? record.insideTLS.count : record.beforeTLS.count)
            guard room > 0 else { return }
            let piece = bytes.readableBytesView.prefix(room)
            if insideTLS { record.insideTLS += piece } else { record.beforeTLS += piece }
        }
    }

    func count(_ bytes: Int, fromServerOf id: Int) { change(id) { $0.fromServer += bytes } }

    func end(_ id: Int) { change(id) { $0.isOver = true } }

    private func change(_ id: Int, _ body: (inout WireRecord) -> Void) {
        state.withLock { state in
            guard let index = state.records.lastIndex(where: { $0.id == id }) else { return }
            body(&state.records[index].record)
        }
    }
}
