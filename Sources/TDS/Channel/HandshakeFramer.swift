// Between socket and TLS while the handshake lasts: wraps flights into packets and takes them out again. Decides nothing.

package import NIOCore

/// Lives on one event loop; removed from the way by `pass` when the handshake is over.
package final class HandshakeFramer: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private var framing = HandshakeFraming()
    private var flight: [UInt8] = []
    private var promises: [EventLoopPromise<Void>] = []
    private var context: ChannelHandlerContext?

    package init() {}

    package func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    package func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// From here on bytes pass as they are. Called from the tail, synchronously with the end of the handshake: what NIOSSL had written for the
    /// handshake has been flushed by then, and what it writes next must be bare.
    package func pass() {
        let rest = framing.pass()
        guard !rest.isEmpty, let context else { return }
        context.fireChannelRead(wrapInboundOut(ByteBuffer(bytes: rest)))
    }

    /// Ends the connection without a word of TLS.
    package func closeSocket() { context?.close(promise: nil) }

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if framing.isPassing { return context.write(data, promise: promise) }
        flight += unwrapOutboundIn(data).readableBytesView
        if let promise { promises.append(promise) }
    }

    package func flush(context: ChannelHandlerContext) {
        if !flight.isEmpty {
            let written = context.eventLoop.makePromise(of: Void.self)
            for promise in promises { written.futureResult.cascade(to: promise) }
            context.write(wrapOutboundOut(ByteBuffer(bytes: framing.wrap(flight))), promise: written)
            flight = []
            promises = []
        }
        context.flush()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if framing.isPassing { return context.fireChannelRead(data) }
        do throws(WireError) {
            let records = try framing.unwrap(Array(unwrapInboundIn(data).readableBytesView))
            if !records.isEmpty { context.fireChannelRead(wrapInboundOut(ByteBuffer(bytes: records))) }
        } catch {
            context.fireErrorCaught(error)
        }
    }
}
