// A peer that goes on sending after the session is over, on a channel without sockets.

import NIOCore
import NIOEmbedded
import Testing

@testable import TDS

@Suite struct FloodTests {
    /// Keeps the channel open, as TLS does until the peer has said goodbye.
    private final class NoClose: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private(set) var closes = 0
        func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
            closes += 1
            promise?.succeed()
        }
    }

    @Test("What comes after the end is not kept")
    func flood() throws {
        let channel = EmbeddedChannel()
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        var options = TDSOptions(trust: try TDSTrust(.system))
        options.limits.session = 64 * 1024
        let opening = OneAnswer<Opening>()
        let session = Session(
            Session.Settings(
                host: "a.example", port: 1433, database: "d", token: TDSAccessToken("a.b.c"), options: options, hop: 0,
                connectionID: [UInt8](repeating: 0, count: 16), method: .token), opening: opening, on: channel.embeddedEventLoop,
            start: .now)
        let head = NoClose()
        try channel.pipeline.syncOperations.addHandlers([head, session])
        channel.pipeline.fireChannelActive()
        // A packet that is never whole, so that everything would have to be kept.
        let piece = ByteBuffer(bytes: [4, 1, 0x0F, 0xFF] + [UInt8](repeating: 0, count: 3_000))
        try channel.writeInbound(piece)
        #expect(session.packets.pending == piece.readableBytes)
        for _ in 0..<64 { try channel.writeInbound(ByteBuffer(bytes: [UInt8](repeating: 0, count: 16 * 1024))) }
        #expect(session.packets.pending <= 64 * 1024)
        #expect(head.closes == 1)
    }
}
