// A web server on port 0 that says exactly what a test wrote down, well-formed or not, and remembers what it was asked.
import NIOCore
import NIOPosix
import Synchronization

/// Answers request after request by script; the last step stays for all that follow.
package final class ScriptedHTTPServer: Sendable {
    /// What is done with one request.
    package enum Step: Sendable {
        /// A well-formed reply with `Content-Length`.
        case reply(Int, headers: [String: String] = [:], body: String = "")
        /// These bytes and the end of the connection, whatever they are.
        case bytes([UInt8])
        /// Nothing, ever; the connection stays open.
        case silent
        /// The connection ends without a byte.
        case close
        /// The bytes one at a time with a pause between them.
        case dribble([UInt8], every: Duration)
        /// A reply that waits for ``release()``.
        indirect case held(Step)
    }

    /// One request as it came.
    package struct Request: Sendable, Hashable {
        package var method: String
        /// Path and query.
        package var target: String
        /// Names in lower case.
        package var headers: [String: String]
        package var body: String
        package var time: ContinuousClock.Instant

        /// The query as pairs, still percent-encoded.
        package var query: [String: String] {
            let text = target.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
            return Dictionary(
                text.split(separator: "&").map { item in
                    let pair = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                    return (String(pair[0]), pair.count > 1 ? String(pair[1]) : "")
                }, uniquingKeysWith: { first, _ in first })
        }
    }

    fileprivate struct State {
        var steps: [Step]
        var requests: [Request] = []
        var open = 0
        var mostOpen = 0
        var closed = 0
        var held: [@Sendable () -> Void] = []
        var isReleased = false
        var watchers: [(isDone: @Sendable (State) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
    }

    fileprivate let state: Mutex<State>
    private let channel: any Channel
    package let port: Int

    /// Runs `body` against a server with this script and takes the server down afterwards.
    package static func serving<R>(
        _ steps: [Step], _ body: (ScriptedHTTPServer) async throws -> R
    ) async throws -> R {
        let server = try await ScriptedHTTPServer(steps)
        do {
            let result = try await body(server)
            await server.stop()
            return result
        } catch {
            await server.stop()
            throw error
        }
    }

    private init(_ steps: [Step]) async throws {
        state = Mutex(State(steps: steps))
        let box = Box()
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.allowRemoteHalfClosure, value: false)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Conversation(box))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
        box.server.withLock { $0 = self }
    }

    package var address: String { "http://127.0.0.1:\(port)" }
    package var requests: [Request] { state.withLock { $0.requests } }
    /// The most requests that were unanswered at one time.
    package var mostOpen: Int { state.withLock { $0.mostOpen } }

    /// Lets every held reply go, now and later.
    package func release() {
        let held = state.withLock { state in
            defer { state.held = [] }
            state.isReleased = true
            return state.held
        }
        for go in held { go() }
    }

    /// Waits until so many requests have come.
    package func received(atLeast count: Int) async { await wait { $0.requests.count >= count } }
    /// Waits until so many connections have ended.
    package func closed(atLeast count: Int) async { await wait { $0.closed >= count } }

    private func wait(until isDone: @escaping @Sendable (State) -> Bool) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isOver = state.withLock { state in
                if isDone(state) { return true }
                state.watchers.append((isDone, continuation))
                return false
            }
            if isOver { continuation.resume() }
        }
    }

    fileprivate func change(_ body: (inout State) -> Void) {
        let done = state.withLock { state in
            body(&state)
            let (watchers, now) = (state.watchers, state)
            state.watchers = watchers.filter { !$0.isDone(now) }
            return watchers.filter { $0.isDone(now) }
        }
        for watcher in done { watcher.continuation.resume() }
    }

    private func stop() async {
        release()
        try? await channel.close().get()
    }

    /// Breaks the circle between the channel's initializer and the server.
    fileprivate final class Box: Sendable {
        let server = Mutex<ScriptedHTTPServer?>(nil)
    }
}

/// One connection: collects a request, performs its step, ends.
///
/// Unchecked because NIO keeps a handler on its event loop; nothing else touches it.
private final class Conversation: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let box: ScriptedHTTPServer.Box
    private var bytes: [UInt8] = []
    private var hasAsked = false

    init(_ box: ScriptedHTTPServer.Box) { self.box = box }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        bytes += buffer.readBytes(length: buffer.readableBytes) ?? []
        guard !hasAsked, let request = parsed(), let server = box.server.withLock({ $0 }) else { return }
        hasAsked = true
        var step = ScriptedHTTPServer.Step.close
        server.change { state in
            state.requests.append(request)
            state.open += 1
            state.mostOpen = max(state.mostOpen, state.open)
            step = state.steps.count > 1 ? state.steps.removeFirst() : state.steps.first ?? .close
        }
        perform(step, on: context.channel, for: server)
    }

    func channelInactive(context: ChannelHandlerContext) {
        let hasAsked = hasAsked
        box.server.withLock { $0 }?.change { state in
            state.closed += 1
            if hasAsked { state.open -= 1 }
        }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func perform(_ step: ScriptedHTTPServer.Step, on channel: any Channel, for server: ScriptedHTTPServer) {
        switch step {
        case .reply(let status, let headers, let body):
            var text = "HTTP/1.1 \(status) Scripted\r\nContent-Length: \(body.utf8.count)\r\n"
            for (name, value) in headers { text += "\(name): \(value)\r\n" }
            send(Array((text + "\r\n" + body).utf8), on: channel)
        case .bytes(let bytes): send(bytes, on: channel)
        case .silent: break
        case .close: channel.close(promise: nil)
        case .dribble(let bytes, let pause): dribble(bytes[...], every: pause, on: channel)
        case .held(let inner):
            let go: @Sendable () -> Void = { channel.eventLoop.execute { self.perform(inner, on: channel, for: server) } }
            var isReleased = false
            server.change { state in
                isReleased = state.isReleased
                if !isReleased { state.held.append(go) }
            }
            if isReleased { go() }
        }
    }

    private func send(_ bytes: [UInt8], on channel: any Channel) {
        channel.writeAndFlush(ByteBuffer(bytes: bytes)).whenComplete { _ in channel.close(promise: nil) }
    }

    private func dribble(_ bytes: ArraySlice<UInt8>, every pause: Duration, on channel: any Channel) {
        guard let first = bytes.first, channel.isActive else {
            channel.close(promise: nil)
            return
        }
        channel.writeAndFlush(ByteBuffer(bytes: [first]), promise: nil)
        channel.eventLoop.scheduleTask(in: TimeAmount(pause)) { self.dribble(bytes.dropFirst(), every: pause, on: channel) }
    }

    private func parsed() -> ScriptedHTTPServer.Request? {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.utf8.firstRange(of: "\r\n\r\n".utf8) else { return nil }
        let lines = text[..<end.lowerBound].split(separator: "\r\n", omittingEmptySubsequences: false)
        let words = lines[0].split(separator: " ")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        let body = String(text[end.upperBound...])
        guard words.count >= 2, body.utf8.count >= Int(headers["content-length"] ?? "0") ?? 0 else { return nil }
        return ScriptedHTTPServer.Request(
            method: String(words[0]), target: String(words[1]), headers: headers, body: body, time: .now)
    }
}
