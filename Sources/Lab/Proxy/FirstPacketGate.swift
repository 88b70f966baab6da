// Lets a client's request for TLS through and holds back what follows it, until the server has made up its mind.
import NIOCore
import NIOSSL

/// A MySQL client does not wait after its request for TLS: the first bytes of the handshake may come in the same piece. They must neither
/// be read as packets nor get lost, so they wait here, at the front of the pipeline.
///
/// **Isolation**: its event loop.
final class FirstPacketGate: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private var held = ByteBuffer()
    private var state = State.waiting

    private enum State {
        /// The first packet is not complete.
        case waiting
        /// It was a request for TLS; what follows is held.
        case holding
        case open
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard state != .open else { return context.fireChannelRead(data) }
        var piece = unwrapInboundIn(data)
        held.writeBuffer(&piece)
        guard state == .waiting, let head = held.getBytes(at: held.readerIndex, length: 4) else { return }
        let count = 4 + Int(head[0]) + Int(head[1]) << 8 + Int(head[2]) << 16
        // A request for TLS is the fixed part of a login and nothing more: 32 bytes.
        if count == 36 {
            guard let packet = held.readSlice(length: count) else { return }
            state = .holding
            context.fireChannelRead(wrapInboundOut(packet))
        } else {
            open(context)
        }
    }

    private func open(_ context: ChannelHandlerContext) {
        state = .open
        let rest = held
        held = ByteBuffer()
        if rest.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(rest))
            context.fireChannelReadComplete()
        }
    }

    /// Puts the gate in front of everything and says `greeting`, in one turn of the event loop.
    static func close(_ channel: any Channel, andSay greeting: [UInt8]) async throws {
        try await channel.eventLoop.submit {
            try channel.pipeline.syncOperations.addHandler(FirstPacketGate(), position: .first)
            channel.writeAndFlush(ByteBuffer(bytes: greeting), promise: nil)
        }.get()
    }

    /// Lets everything through: to TLS, when there is a context for it, after `bytes` in the clear.
    static func open(_ channel: any Channel, to tls: NIOSSLContext?, after bytes: [UInt8] = []) async throws {
        try await channel.eventLoop.submit {
            let gate = try channel.pipeline.syncOperations.handler(type: FirstPacketGate.self)
            let context = try channel.pipeline.syncOperations.context(handlerType: FirstPacketGate.self)
            if !bytes.isEmpty { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }
            if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls), position: .after(gate)) }
            gate.open(context)
        }.get()
    }
}
