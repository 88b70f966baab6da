// One connection on its channel: hands events to `SessionState` and performs the actions it answers with. It decides nothing itself.

import NIOCore
import NIOSSL
import NIOTLS

/// How the opening of a connection ended well.
enum Opening: Sendable {
    case ready(TDSFacts)
    case issuer(FederatedAuthenticationInfo, TDSFacts)
    case secured(TDSFacts)
    case redirect(Route, TDSFacts)
}

/// The handler at the tail of the pipeline.
///
/// `@unchecked Sendable`: every stored `var` is touched on the event loop of the channel only; other threads call the functions marked with
/// "any thread", which go there first.
final class Session: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What does not change.
    struct Settings: Sendable {
        var host: String
        var port: Int
        var database: String
        var token: TDSAccessToken
        var options: TDSOptions
        var hop: Int
        /// 16 bytes that stay the same over redirects.
        var connectionID: [UInt8]
        var method: LoginPlan.Method
    }

    let loop: any EventLoop
    private let settings: Settings
    private let opening: OneAnswer<Opening>
    private var state: SessionState
    private(set) var packets = PacketReader()
    private var prelogin: [UInt8] = []
    private var tokens: TokenDecoder
    private var context: ChannelHandlerContext?
    private var framer: HandshakeFramer?
    private var tls: NIOSSLClientHandler?
    private var packetSize = PacketHeader.initialPacket
    private var received = 0
    private var processID: Int?
    // Kept, because a closed channel has none any more.
    private var localAddress: String?
    private var remoteAddress: String?
    private var isOver = false

    private(set) var timings: [TDSTiming] = []
    private var stepStart: ContinuousClock.Instant

    private var requests: [RequestID: Request] = [:]
    private var lastRegistered: UInt64 = 0
    private var abandonedEarly: Set<RequestID> = []
    private var attention: Scheduled<Void>?
    /// The caller's wait before TLS. Until it is over the server has nothing to say.
    private var held: Task<Void, Never>?

    private struct Request {
        var type: PacketType
        var message: [UInt8]
        var answer: OneAnswer<TDSResult>
    }

    init(_ settings: Settings, opening: OneAnswer<Opening>, on loop: any EventLoop, start: ContinuousClock.Instant) {
        self.settings = settings
        self.opening = opening
        self.loop = loop
        stepStart = start
        state = SessionState(
            strict: settings.options.encryption == .strict, method: settings.method, mostRows: settings.options.limits.rows)
        tokens = TokenDecoder(limits: settings.options.limits.decoding)
    }

    // MARK: Any thread

    /// Sends a request once registered; `answer` hears how it ends.
    func send(_ id: RequestID, _ type: PacketType, _ message: [UInt8], _ answer: OneAnswer<TDSResult>) {
        loop.execute {
            self.lastRegistered = max(self.lastRegistered, id.number)
            self.requests[id] = Request(type: type, message: message, answer: answer)
            // A cancellation can overtake the request on its way here.
            let isAbandoned = self.abandonedEarly.contains(id)
            self.abandonedEarly = self.abandonedEarly.filter { $0.number > self.lastRegistered }
            guard !isAbandoned else { return self.drop(id) }
            self.perform(self.state.requestMade(id))
        }
    }

    /// Nobody waits for the request any more: ends it and gives the failure back with what the server has said.
    func abandoned(_ id: RequestID, _ failure: TDSFailure) async -> TDSFailure {
        await onLoop {
            guard self.requests[id] != nil else {
                if id.number > self.lastRegistered { self.abandonedEarly.insert(id) }
                return self.located(failure)
            }
            let actions = self.state.requestAbandoned(id, failure.cause)
            self.perform(actions)
            for case .failRequest(id, let told) in actions { return self.located(told) }
            return self.located(failure)
        } ?? failure
    }

    /// Ends the session with a failure of this side: a deadline, a cancellation, a socket that did not open.
    func stop(_ failure: TDSFailure) { loop.execute { self.perform(self.state.fail(failure)) } }

    func close() {
        loop.execute { self.perform(self.state.closeRequested()) }
    }

    /// The same, and waits until the socket is gone; a peer that does not answer the goodbye is left to it after `patience`.
    func closed(within patience: Duration) async {
        let gone = OneAnswer<Void>()
        let failure = TDSFailure(.closed, during: .query, "The goodbye is not answered.")
        _ = try? await gone.wait(until: .now + patience, timedOut: failure, cancelled: failure) {
            loop.execute {
                self.perform(self.state.closeRequested())
                guard let channel = self.context?.channel else { return gone.answer(.success(())) }
                channel.closeFuture.whenComplete { _ in gone.answer(.success(())) }
            }
        }
        // A cancelled task waits for nothing.
        close()
    }

    /// The same, and waits only until the goodbye is on its way.
    func saidGoodbye() async { _ = await onLoop(within: .milliseconds(50)) { self.perform(self.state.closeRequested()) } }

    /// Where the socket is to go.
    var destination: (host: String, port: Int) { (settings.host, settings.port) }
    var answer: OneAnswer<Opening> { opening }

    /// Every step up to now.
    func currentTimings() async -> [TDSTiming] { await onLoop { self.timings } ?? [] }

    /// A deadline or a cancellation is noticed by whoever waits, who does not know how far the session was: ends it and says so.
    func settled(_ failure: TDSFailure) async -> TDSFailure {
        await onLoop {
            guard !self.isOver, failure.cause == .timedOut || failure.cause == .cancelled else { return failure }
            var failure = failure
            failure.phase = self.state.phase
            if failure.cause == .timedOut { failure.detail = Self.silence(in: failure.phase) }
            let told = self.state.told(failure)
            self.perform(self.state.fail(failure))
            return self.located(told)
        } ?? failure
    }

    private static func silence(in phase: TDSPhase) -> String {
        switch phase {
        case .name, .tcp: "The server did not answer on its port in time."
        case .negotiate: "The server took the connection and did not answer PRELOGIN in time."
        case .tls: "The server did not finish the TLS handshake in time."
        case .login: "The server did not answer the login in time."
        case .query: "The server did not finish the request in time."
        }
    }

    /// **Isolation**: on the loop.
    func tcpTimedOut(_ address: String) {
        guard case .idle = state.step else { return }
        var failure = TDSFailure(.timedOut, during: .tcp, "No answer from \(address), port \(settings.port).")
        failure.address = Self.place(address, settings.port)
        perform(state.fail(failure))
    }

    /// **Isolation**: on the loop.
    func connectFailed(_ error: any Error, _ address: String) {
        var failure =
            switch error {
            case let system as IOError: TDSFailure(system, during: .tcp)
            case is ChannelError: TDSFailure(.timedOut, during: .tcp, "No answer from \(address), port \(settings.port).")
            default: TDSFailure(.unreachable, during: .tcp, "No connection to \(address), port \(settings.port): \(error).")
            }
        failure.address = Self.place(address, settings.port)
        perform(state.fail(failure))
    }

    private static func place(_ address: String, _ port: Int) -> String {
        address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }

    /// Nil when the loop does not answer: its owner has shut it down.
    private func onLoop<Value: Sendable>(within patience: Duration = loopPatience, _ body: @escaping @Sendable () -> Value) async -> Value?
    {
        let answer = OneAnswer<Value>()
        return try? await answer.outcome(within: patience) { loop.execute { answer.answer(.success(body())) } }.get()
    }

    /// A loop that is alive answers within milliseconds.
    private static let loopPatience = Duration.seconds(5)

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if isOver { context.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        localAddress = context.channel.localAddress.flatMap(Self.shown)
        remoteAddress = context.channel.remoteAddress.flatMap(Self.shown)
        note(.tcp)
        perform(state.connected())
    }

    func channelInactive(context: ChannelHandlerContext) { perform(state.peerClosed()) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // After the end there is nobody to tell: a peer that hangs up without the closing alert is common.
        guard !isOver else { return }
        perform(state.fail(TDSFailure(channel: error, during: state.phase, host: settings.host, certificate: tls?.peerCertificate)))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? TLSUserEvent, case .handshakeCompleted = event else {
            return context.fireUserInboundEventTriggered(event)
        }
        note(.tls)
        framer?.pass()
        perform(state.secured(tlsVersion: tls?.tlsVersion.map { "\($0)" }, certificate: try? tls?.peerCertificate?.toDERBytes()))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // A peer that goes on sending after the end is not listened to: until TLS has said goodbye its bytes still come up here.
        guard !isOver else { return }
        let bytes = unwrapInboundIn(data).readableBytesView
        received += bytes.count
        if let limit = settings.options.limits.session, received > limit {
            return perform(state.wireFailed(.beyondLimit("the session", limit)))
        }
        // It would count as said inside TLS later on. Source: CVE-2021-23222 for the like in another protocol.
        guard held == nil else { return perform(state.wireFailed(.malformed("the server goes on before TLS"))) }
        packets.append(bytes)
        do throws(WireError) {
            while !isOver, let packet = try packets.next() { try take(packet) }
        } catch {
            perform(state.wireFailed(error))
        }
    }

    private func take(_ packet: Packet) throws(WireError) {
        guard packet.header.type == .reply else {
            throw WireError(
                .malformed("a packet of type 0x\(hexadecimal(packet.header.type.rawValue)) came where a reply belongs"),
                evidence: Array(packet.bytes.prefix(WireError.evidenceLength)))
        }
        if state.step == .negotiating {
            prelogin += packet.payload
            guard prelogin.count <= Prelogin.largest else { throw .beyondLimit("the answer to PRELOGIN", Prelogin.largest) }
            guard packet.isLast else { return }
            let message = try Prelogin(decoding: prelogin)
            guard settings.options.encryption == .strict || packets.pending == 0 else {
                throw .malformed("the server goes on after its answer to PRELOGIN")
            }
            note(.negotiate)
            return perform(state.preloginReceived(message))
        }
        if processID == nil, packet.header.spid != 0 { processID = Int(packet.header.spid) }
        tokens.append(packet.payload)
        while !isOver {
            tokens.passesRowsOver = state.isDraining
            guard let token = try tokens.next() else { break }
            perform(state.tokenReceived(token))
        }
        guard packet.isLast, !isOver else { return }
        try tokens.endMessage()
        perform(state.messageEnded())
    }

    // MARK: Actions

    private func perform(_ actions: [SessionAction]) {
        for action in actions { perform(action) }
    }

    private func perform(_ action: SessionAction) {
        switch action {
        case .sendPrelogin:
            stepStart = .now
            write(settings.prelogin().encode(), .prelogin)
        case .startTLS(let wrapped):
            if let wait = settings.options.beforeTLS { hold(wait, wrapped: wrapped) } else { startTLS(wrapped: wrapped) }
        case .sendLogin(let plan):
            stepStart = .now
            do throws(WireError) {
                write(try settings.login(plan).encode(), .login)
            } catch {
                perform(state.fail(TDSFailure(.misuse, during: .login, "The login cannot be written: \(error).")))
            }
        case .usePacketSize(let size):
            packetSize = min(size, PacketHeader.largestEncrypted)
            packets.largest = max(size, PacketHeader.initialPacket)
        case .finishLogin(let facts):
            note(.login)
            opening.answer(.success(.ready(complete(facts))))
        case .finishSecured(let facts): opening.answer(.success(.secured(complete(facts))))
        case .finishIssuer(let info, let facts):
            note(.login)
            opening.answer(.success(.issuer(info, complete(facts))))
        case .finishRedirect(let route, let facts):
            note(.login)
            opening.answer(.success(.redirect(route, complete(facts))))
        case .failLogin(let failure):
            if let phase = unfinishedPhase { note(phase) }
            var failure = located(failure)
            failure.hop = settings.hop
            failure.timings = timings
            opening.answer(.failure(failure))
        case .sendRequest(let id):
            cancelAttention()
            guard var message = requests[id]?.message, let type = requests[id]?.type else { return }
            RequestHeaders.place(state.transaction, in: &message)
            write(message, type)
        case .finishRequest(let id, let result):
            cancelAttention()
            requests.removeValue(forKey: id)?.answer.answer(.success(result))
        case .failRequest(let id, let failure): requests.removeValue(forKey: id)?.answer.answer(.failure(located(failure)))
        case .sendAttention:
            write([], .attention)
            attention = loop.scheduleTask(in: settings.options.attentionTimeout.timeAmount) {
                self.perform(self.state.attentionUnanswered())
            }
        case .close:
            isOver = true
            cancelAttention()
            held?.cancel()
            context?.close(promise: nil)
        }
        if state.step == .ready { cancelAttention() }
    }

    private func drop(_ id: RequestID) {
        requests.removeValue(forKey: id)?.answer.answer(.failure(TDSFailure(.cancelled, during: .query, "The request was cancelled.")))
    }

    private func cancelAttention() {
        attention?.cancel()
        attention = nil
    }

    /// One packet is one write, one flush and so one TLS record: servers misbehave when a packet comes in several.
    private func write(_ message: [UInt8], _ type: PacketType) {
        guard let context else { return }
        for packet in Packet.split(message, as: type, size: packetSize) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: packet.bytes)), promise: nil)
        }
    }

    /// Starts TLS when the caller says so.
    private func hold(_ wait: @escaping @Sendable () async throws(TDSFailure) -> Void, wrapped: Bool) {
        // A task of its own, because a handler's event cannot wait. It ends with the wait, which the end of the session cancels.
        held = Task {
            let failure: TDSFailure?
            do throws(TDSFailure) {
                try await wait()
                failure = nil
            } catch {
                failure = error
            }
            self.loop.execute {
                self.held = nil
                guard !self.isOver else { return }
                if let failure { self.perform(self.state.fail(failure)) } else { self.startTLS(wrapped: wrapped) }
            }
        }
    }

    private func startTLS(wrapped: Bool) {
        guard let context else { return }
        stepStart = .now
        do {
            let trust = settings.options.trust
            let tls = try NIOSSLClientHandler(context: wrapped ? trust.wrapped : trust.strict, serverHostname: settings.host)
            self.tls = tls
            if wrapped {
                let framer = HandshakeFramer()
                self.framer = framer
                try context.pipeline.syncOperations.addHandlers([framer, tls], position: .before(self))
            } else {
                try context.pipeline.syncOperations.addHandler(tls, position: .before(self))
            }
        } catch {
            perform(state.fail(TDSFailure(.tlsFailed, during: .tls, "TLS cannot be started for \(settings.host): \(error).")))
        }
    }

    // MARK: Times and facts

    private func note(_ phase: TDSPhase) {
        let now = ContinuousClock.now
        timings.append(TDSTiming(phase, hop: settings.hop, duration: now - stepStart))
        stepStart = now
    }

    /// The step that was under way when it failed.
    private var unfinishedPhase: TDSPhase? {
        let all: [TDSPhase] = settings.options.encryption == .strict ? [.tcp, .tls, .negotiate, .login] : [.tcp, .negotiate, .tls, .login]
        return timings.count < all.count ? all[timings.count] : nil
    }

    private func complete(_ facts: TDSFacts) -> TDSFacts {
        var facts = facts
        facts.processID = processID
        facts.localAddress = localAddress
        facts.remoteAddress = remoteAddress
        // The server reads these bytes as a GUID and shows them so in its logs.
        facts.traceID = (try? TDSIdentifier(wire: settings.connectionID))?.description
        return TokenScrubber(settings.token).scrubbed(facts)
    }

    /// The failure with the place where it happened.
    private func located(_ failure: TDSFailure) -> TDSFailure {
        var failure = failure
        failure.address = failure.address ?? remoteAddress
        failure.facts = complete(failure.facts ?? state.facts)
        return TokenScrubber(settings.token).scrubbed(failure)
    }

    private static func shown(_ address: SocketAddress) -> String? {
        guard let ip = address.ipAddress, let port = address.port else { return nil }
        return ip.contains(":") ? "[\(ip)]:\(port)" : "\(ip):\(port)"
    }
}
