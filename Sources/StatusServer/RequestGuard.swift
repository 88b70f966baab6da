// Between the HTTP decoder and the program: counts requests, answers what is no request, and closes politely.
import NIOCore
import NIOHTTP1
import Telemetry

/// Refuses what is no acceptable request before a task of the program sees it.
final class RequestGuard: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let state: ConnectionState
    private var context: ChannelHandlerContext?
    /// Whether the connection ends after the answers that are due.
    private var closesAfterAnswer = false

    /// Whether a client that closes its side is gone. Over the network it may be half of a polite end; a command that ends closes both.
    private let endsWithInput: Bool

    init(state: ConnectionState, endsWithInput: Bool = false) {
        self.state = state
        self.endsWithInput = endsWithInput
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelInactive(context: ChannelHandlerContext) {
        state.registry.remove(context.channel)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if endsWithInput, case .inputClosed? = event as? ChannelEvent {
            context.close(mode: .all, promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !state.isClosing else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            state.didReadHead = true
            // What a client sends after asking for the end is not looked at.
            guard !closesAfterAnswer else { return }
            state.disarm()
            state.pending += 1
            state.registry.setBusy(context.channel, true)
            let hasBody = head.headers.contains(name: "transfer-encoding") || (head.headers.first(name: "content-length") ?? "0") != "0"
            if !head.isKeepAlive || hasBody { closesAfterAnswer = true }
            context.fireChannelRead(data)
            // The end of the request is made here: a body is never read, and whoever waits for its end would wait for the client.
            context.fireChannelRead(wrapInboundOut(.end(nil)))
        case .body, .end: break
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head):
            if head.headers[canonicalForm: "connection"].contains("close") { closesAfterAnswer = true }
            if closesAfterAnswer { head.headers.replaceOrAdd(name: "connection", value: "close") }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body: context.write(data, promise: promise)
        case .end:
            context.write(data, promise: promise)
            state.pending -= 1
            guard state.pending <= 0 else { return }
            state.pending = 0
            if closesAfterAnswer {
                context.flush()
                close(context)
            } else if let refusal = state.laterRefusal {
                refuse(refusal)
            } else if state.isReadingHead {
                state.registry.setBusy(context.channel, false)
                state.arm(context, in: state.limits.header) { [self] in refuse(.headerTimeout) }
            } else {
                state.registry.setBusy(context.channel, false)
                state.arm(context, in: state.limits.idle) { [state] in
                    state.metrics.httpRejected(.idleTimeout)
                    context.close(mode: .all, promise: nil)
                }
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let problem = error as? HTTPParserError else {
            context.fireErrorCaught(error)
            return
        }
        // What follows a request that asked for the end of the connection is an error for the parser and nothing to us.
        guard !closesAfterAnswer else { return }
        refuse(problem == .headerOverflow ? .headerSize : .malformed)
    }

    /// Answers without the program and closes. While an earlier request is being answered this waits, because an answer out of order
    /// would be taken for the one that is due.
    func refuse(_ refusal: ConnectionRefusal) {
        guard let context, !state.isClosing else { return }
        guard state.pending == 0 else {
            state.laterRefusal = refusal
            return
        }
        state.disarm()
        let answer: Answer
        switch refusal {
        case .headerTimeout:
            state.metrics.httpRejected(.headerTimeout)
            answer = .error(408, "request_timeout", "the head of a request has to be complete within 5 seconds")
        case .headerSize:
            state.metrics.httpRejected(.headerSize)
            answer = .error(431, "header_too_large", "the headers of a request may have 16 kB and 64 fields")
        case .uriSize:
            state.metrics.httpRejected(.uriSize)
            answer = .error(414, "uri_too_long", "the address of a request may have 8 kB")
        case .malformed:
            state.metrics.httpRejected(.malformed)
            answer = .error(400, "malformed_request", "this is no HTTP/1.1 request")
        }
        var headers = HTTPHeaders(answer.headers.map { ($0.0, $0.1) })
        headers.replaceOrAdd(name: "connection", value: "close")
        let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: answer.status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(answer.body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        close(context)
    }

    /// Ends our side, goes on reading for a moment so that the answer is not lost to a reset, then cuts.
    private func close(_ context: ChannelHandlerContext) {
        guard !state.isClosing else { return }
        state.isClosing = true
        state.arm(context, in: state.limits.linger) { context.close(mode: .all, promise: nil) }
        context.close(mode: .output, promise: nil)
    }
}
