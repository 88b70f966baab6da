// The outermost handler of a connection: bytes and time. It knows nothing of HTTP but where a head ends, which the request guard tells it.
import NIOCore
import Telemetry

/// Cuts connections that are slow in sending a head, that stay silent, or that do not take their answer.
final class ByteGuard: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Longest write that is one step of progress. **Unit**: bytes.
    private static let sliceSize = 64 << 10

    private let state: ConnectionState
    private let refuse: (ConnectionRefusal) -> Void
    private var writesUnderWay = 0
    private var lastProgress: NIODeadline = .now()
    private var stallTimer: Scheduled<Void>?

    /// - Parameter refuse: answers and closes; the request guard does it.
    init(state: ConnectionState, refuse: @escaping (ConnectionRefusal) -> Void) {
        self.state = state
        self.refuse = refuse
    }

    func handlerAdded(context: ChannelHandlerContext) {
        // A new connection has to show a whole head in the time for heads: opening and keeping silent is the cheapest attack.
        awaitHead(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        state.disarm()
        stallTimer?.cancel()
    }

    func channelInactive(context: ChannelHandlerContext) {
        state.disarm()
        stallTimer?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !state.isClosing, state.laterRefusal == nil else { return }
        let buffer = unwrapInboundIn(data)
        let count = buffer.readableBytes
        let hasLine = buffer.readableBytesView.contains(0x0A)
        state.didReadHead = false
        if !state.isReadingHead {
            state.isReadingHead = true
            if state.pending == 0 { awaitHead(context) }
        }
        context.fireChannelRead(data)
        guard !state.isClosing else { return }
        if state.didReadHead {
            state.isReadingHead = false
            state.headBytes = 0
            state.didReadLine = false
        } else {
            state.headBytes += count
            state.didReadLine = state.didReadLine || hasLine
            if !state.didReadLine, state.headBytes > state.limits.uriSize + 64 {
                refuse(.uriSize)
            } else if state.headBytes > state.limits.uriSize + state.limits.headerSize + 64 {
                refuse(.headerSize)
            }
        }
    }

    private func awaitHead(_ context: ChannelHandlerContext) {
        state.arm(context, in: state.limits.header) { [refuse] in refuse(.headerTimeout) }
    }

    // MARK: Writing

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var buffer = unwrapOutboundIn(data)
        while buffer.readableBytes > Self.sliceSize, let slice = buffer.readSlice(length: Self.sliceSize) {
            put(context, slice, context.eventLoop.makePromise())
        }
        put(context, buffer, promise ?? context.eventLoop.makePromise())
    }

    private func put(_ context: ChannelHandlerContext, _ buffer: ByteBuffer, _ promise: EventLoopPromise<Void>) {
        writesUnderWay += 1
        if writesUnderWay == 1 {
            lastProgress = .now()
            watch(context)
        }
        promise.futureResult.assumeIsolated().whenComplete { [self] _ in
            writesUnderWay -= 1
            lastProgress = .now()
            if writesUnderWay == 0 {
                stallTimer?.cancel()
                stallTimer = nil
            }
        }
        context.write(wrapOutboundOut(buffer), promise: promise)
    }

    private func watch(_ context: ChannelHandlerContext) {
        stallTimer = context.eventLoop.assumeIsolated().scheduleTask(deadline: lastProgress + state.limits.writeStall) { [self] in
            guard writesUnderWay > 0 else { return }
            if NIODeadline.now() - lastProgress >= state.limits.writeStall {
                state.metrics.httpRejected(.writeStall)
                context.close(mode: .all, promise: nil)
            } else {
                watch(context)
            }
        }
    }
}

/// Why a connection is answered by its guards instead of by the program.
enum ConnectionRefusal: Sendable, Hashable {
    case headerTimeout, headerSize, uriSize, malformed
}
