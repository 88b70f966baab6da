// The name service of the lab: UDP and TCP on one port.
import NIOCore
import NIOPosix

/// Answers questions about the zone, or plays the fault that is on for the name.
package final class NameServer: Sendable {
    package let host: String
    package let port: Int
    private let datagrams: any Channel
    private let streams: Listener

    static func start(on host: String, zone: Zone, board: FaultBoard) async throws -> NameServer {
        let desk = NameDesk(zone: zone, board: board)
        // The kernel's choice for UDP may be taken for TCP, however unlikely on an address of our own.
        for attempt in 1... {
            let datagrams = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(DatagramNames(desk: desk)) }
                }
                .bind(host: host, port: 0).get()
            let port = datagrams.localAddress?.port ?? 0
            do {
                let streams = try await Listener.tcp(host, port: port) { try await desk.serve($0) }
                return NameServer(host: host, port: port, datagrams: datagrams, streams: streams)
            } catch {
                try await datagrams.close().get()
                if attempt == 8 { throw error }
            }
        }
        throw LabError("No port is free for the name service on \(host).")
    }

    private init(host: String, port: Int, datagrams: any Channel, streams: Listener) {
        self.host = host
        self.port = port
        self.datagrams = datagrams
        self.streams = streams
    }

    func stop() async {
        try? await datagrams.close().get()
        await streams.close()
    }
}

/// Decides over one question at a time.
private struct NameDesk: Sendable {
    var zone: Zone
    var board: FaultBoard

    /// Nil when nothing is to be said.
    func reply(to query: [UInt8], overTCP: Bool) -> [UInt8]? {
        guard let question = DNSQuestion(query) else { return nil }
        let fault = zone.entry(for: question.name).flatMap { board.playing(.names, for: $0.target.name)?.fault }
        var answer = zone.answer(to: question, deadFirst: fault == .deadAddress)
        switch fault {
        case .dnsNXDomain: answer = DNSAnswer(code: .nameError, isNegative: true)
        case .dnsNoData: answer = DNSAnswer(isNegative: true)
        case .dnsServfail: answer = DNSAnswer(code: .serverFailure)
        case .dnsSilent: return nil
        case .dnsGarbage:
            // A header that promises an answer, whose name is a pointer to itself.
            let header = Array(answer.encode(for: question).prefix(12 + question.section.count))
            return header + [0xC0, UInt8(truncatingIfNeeded: header.count), 0, 1]
        case .dnsTruncated: answer.isTruncated = !overTCP
        default: break
        }
        return answer.encode(for: question)
    }

    /// **Shape** over TCP: each message after its length in two bytes. Source: RFC 1035 section 4.2.2.
    func serve(_ connection: Connection) async throws {
        while let length = try await connection.read(2), let query = try await connection.read(Int(length[0]) << 8 | Int(length[1])) {
            guard let answer = reply(to: query, overTCP: true) else { continue }
            try await connection.write([UInt8(answer.count >> 8), UInt8(answer.count & 0xFF)] + answer)
        }
    }
}

/// **Isolation**: its event loop.
private final class DatagramNames: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let desk: NameDesk
    init(desk: NameDesk) { self.desk = desk }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard let answer = desk.reply(to: Array(envelope.data.readableBytesView), overTCP: false) else { return }
        let reply = AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: answer))
        context.writeAndFlush(wrapOutboundOut(reply), promise: nil)
    }
}
