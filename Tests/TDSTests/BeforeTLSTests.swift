// The caller's wait before TLS: when it comes, what it holds up, and what a server must not do meanwhile.

@testable import Lab
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import TDS

/// Answers PRELOGIN, and then says what a test wants it to say.
private final class TalkativeServer: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let channel = Mutex<(any Channel)?>(nil)

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        channel.withLock { $0 = context.channel }
        let options = [Prelogin.Option(.version, Prelogin.Version(major: 12, minor: 0, build: 0).bytes), Prelogin.Option(.encryption, [1])]
        for packet in Packet.split(Prelogin(options: options).encode(), as: .reply, size: 4_096) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: packet.bytes)), promise: nil)
        }
    }

    func say(_ bytes: [UInt8]) async throws {
        guard let channel = channel.withLock({ $0 }) else { return }
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes))
    }
}

@Suite(.timeLimit(.minutes(1))) struct BeforeTLSTests {
    @Test("It is awaited once, after the server has answered PRELOGIN, and before its certificate is seen")
    func order() async throws {
        let bench = try await Bench()
        let calls = Mutex(0)
        let connection = try await bench.connect(
            bench.options { $0.beforeTLS = { () async throws(TDSFailure) in calls.withLock { $0 += 1 } } })
        #expect(calls.withLock { $0 } == 1)
        #expect(connection.timings.map(\.phase) == [.tcp, .negotiate, .tls, .login])
        await connection.close()
        let refused = try await bench.refusal(
            bench.options { options in
                options.beforeTLS = { () async throws(TDSFailure) in throw TDSFailure(.cancelled, during: .tls, "no room") }
            })
        #expect(refused.cause == .cancelled && refused.detail == "no room" && refused.facts?.certificate == nil)
        #expect(bench.server.logins.count == 1)
        await bench.stop()
    }

    @Test("A deadline or a cancellation that comes meanwhile ends the wait", arguments: [true, false])
    func end(byDeadline: Bool) async throws {
        let bench = try await Bench()
        let (entered, hasEntered) = AsyncStream.makeStream(of: Void.self)
        let (ended, hasEnded) = AsyncStream.makeStream(of: Void.self)
        let options = bench.options { options in
            options.beforeTLS = { () async throws(TDSFailure) in
                hasEntered.finish()
                try? await Task.sleep(for: .seconds(50))
                hasEnded.finish()
                throw TDSFailure(.cancelled, during: .tls, "woken")
            }
        }
        let task = Task { try await bench.refusal(options, within: byDeadline ? .seconds(2) : .seconds(50)) }
        for await _ in entered {}
        if !byDeadline { task.cancel() }
        let failure = try await task.value
        #expect(failure.cause == (byDeadline ? .timedOut : .cancelled) && failure.phase == .tls)
        for await _ in ended {}
        await bench.stop()
    }

    @Test("What the server says in the clear meanwhile ends the connection, rather than count as said inside TLS")
    func stuffing() async throws {
        let bench = try await Bench()
        let server = TalkativeServer()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(server) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let target = TDSTarget(
            host: Bench.host, port: listener.localAddress?.port ?? 0, database: "billing", addresses: ["127.0.0.1"])
        let options = bench.options { options in
            options.beforeTLS = { () async throws(TDSFailure) in
                // Less than the header of a packet: it would lie in wait in front of the first one from inside TLS.
                try? await server.say([0x04, 0x01])
                try? await Task.sleep(for: .seconds(50))
            }
        }
        let failure = try await failure {
            _ = try await TDSConnection.connect(
                to: target, token: TDSAccessToken("a.b.c"), options: options, until: .now + .seconds(20))
        }
        #expect(failure.cause == .protocolViolation && failure.phase == .tls, "\(failure)")
        try await listener.close()
        await bench.stop()
    }
}
