// One accepted connection as a script sees it: read so many bytes, write, become TLS, close or reset.
import NIOCore
import NIOPosix
import NIOSSL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A connection with a buffer of what has been received and not yet used.
///
/// **Isolation**: belongs to the one task that serves it.
final class Connection {
    typealias Stream = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    let channel: any Channel
    // Guarded by the one task that owns this object. NIO's iterator leaves the caller's isolation in `next()`, which the compiler
    // takes for sharing.
    nonisolated(unsafe) private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private(set) var buffer = ByteBuffer()
    /// Sees every received piece, decrypted when TLS is up.
    var record: ((ByteBuffer) -> Void)?

    init(channel: any Channel, inbound: NIOAsyncChannelInboundStream<ByteBuffer>, outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) {
        self.channel = channel
        unsafe self.inbound = inbound.makeAsyncIterator()
        self.outbound = outbound
    }

    /// Waits for more bytes; false at the end of the stream.
    func receive() async throws -> Bool {
        guard var piece = unsafe try await inbound.next() else { return false }
        record?(piece)
        buffer.writeBuffer(&piece)
        return true
    }

    /// Everything received and not yet used, waiting for at least one byte; nil at the end of the stream.
    func next() async throws -> ByteBuffer? {
        while buffer.readableBytes == 0 {
            guard try await receive() else { return nil }
        }
        defer { buffer.clear() }
        return buffer
    }

    /// Exactly `count` bytes; nil when the stream ends before.
    func read(_ count: Int) async throws -> [UInt8]? {
        while buffer.readableBytes < count {
            guard try await receive() else { return nil }
        }
        let bytes = buffer.readBytes(length: count)
        buffer.discardReadBytes()
        return bytes
    }

    /// Up to and without the first `delimiter`, which is used up; nil when the stream ends or `limit` is passed before.
    func read(until delimiter: [UInt8], limit: Int) async throws -> [UInt8]? {
        while true {
            let view = Array(buffer.readableBytesView)
            if let end = view.firstRange(of: delimiter) {
                buffer.moveReaderIndex(forwardBy: end.upperBound)
                return Array(view[..<end.lowerBound])
            }
            guard view.count <= limit, try await receive() else { return nil }
        }
    }

    /// The sending half, for another task.
    var writer: Writer { Writer(channel: channel, outbound: outbound) }

    func write(_ bytes: some Sequence<UInt8>) async throws { try await writer.write(ByteBuffer(bytes: bytes)) }
    func write(_ text: String) async throws { try await writer.write(ByteBuffer(string: text)) }
    func finish() async throws { try await writer.finish() }
    func reset() async throws { try await writer.reset() }

    /// Reads and throws away until the peer goes.
    func drain() async throws {
        while try await receive() { buffer.clear() }
    }

    /// Says nothing more, and waits for the peer to go.
    func end() async throws {
        try await finish()
        try await drain()
    }

    /// Says the last word and closes, as a server does after a fatal error.
    func refuse(_ bytes: [UInt8]) async throws {
        try await write(bytes)
        try await end()
    }

    /// Says something and waits for the peer, which has every reason to go.
    func ask(_ bytes: [UInt8]) async throws {
        try await write(bytes)
        try await drain()
    }

    /// Sends `bytes` in the clear and speaks TLS as a server from the next byte on.
    func startTLS(_ context: NIOSSLContext, after bytes: [UInt8]) async throws {
        // In one turn of the event loop, so that nothing can arrive between the two. A piece that the peer sent too early would already
        // be in `buffer` and is lost to the handshake, which then fails as it should.
        try await channel.eventLoop.submit { [channel] in
            channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context), position: .first)
        }.get()
    }

    /// The sending half of a connection.
    struct Writer: Sendable {
        let channel: any Channel
        let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>

        func write(_ buffer: ByteBuffer) async throws { try await outbound.write(buffer) }

        /// Says that nothing more will be sent (FIN), and goes on receiving: closing with unread bytes would send a reset.
        func finish() async throws { try await channel.close(mode: .output).get() }

        /// Ends the connection with a reset instead of an orderly close.
        func reset() async throws {
            if let socket = channel as? any SocketOptionProvider {
                try await socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
            }
            try await channel.close().get()
        }
    }
}
