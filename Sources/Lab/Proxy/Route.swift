// What happens to one client connection: relayed, shaped, or answered by a script.
import Diagnosis
import NIOCore
import NIOPosix

/// The decisions of a proxy, shared by its connections.
struct Route: Sendable {
    /// Names of the targets that use this proxy; all are of one engine.
    var targets: [String]
    var engine: Engine
    /// The real server; nil when there is none.
    var upstream: Endpoint?
    var block: LoopbackBlock
    var tls: TLSContexts
    var board: FaultBoard
    var recorder: WireRecorder

    /// The fault to play, for whichever of the targets it is on. Those of other engines only are not for this proxy.
    var playing: FaultBoard.Entry? {
        board.active.last { entry in
            entry.fault.part == .proxy && entry.fault.expects(on: engine) != nil && (entry.target.map(targets.contains) ?? true)
        }
    }

    /// Whether a fault is on for any of the targets.
    func isPlaying(_ fault: Fault) -> Bool {
        board.active.contains { entry in entry.fault == fault && (entry.target.map(targets.contains) ?? true) }
    }

    func serve(_ connection: Connection) async throws {
        let entry = playing
        let record = recorder.begin(target: targets.first ?? "", fault: entry?.fault)
        defer { recorder.end(record) }
        var isInsideTLS = false
        connection.record = { [recorder] in recorder.add($0, to: record, insideTLS: isInsideTLS) }
        switch entry?.fault {
        case nil: try await relay(connection, shape: Shape(count: { [recorder] in recorder.count($0, fromServerOf: record) }))
        case .hbaRefused where engine == .postgresql: try await relay(connection, from: PostgresServer.outside(block))
        case .scramAsked: try await relay(connection, from: PostgresServer.native(block))
        case .delay: try await relay(connection, shape: Shape(delay: .milliseconds(entry?.value ?? 0)))
        case .dribble: try await relay(connection, shape: Shape(dribble: .milliseconds(entry?.value ?? 0)))
        case .dribbleAfter: try await relay(connection, shape: Shape(dribble: .seconds(1), dribblesAfter: entry?.value ?? 0))
        case .resetSent: try await relay(connection, endAfterSent: entry?.value ?? 0)
        case .cutAt: try await relay(connection, shape: Shape(end: (entry?.value ?? 0, .cut)))
        case .resetAt: try await relay(connection, shape: Shape(end: (entry?.value ?? 0, .reset)))
        case .tcpReset: try await connection.reset()
        // Not listening: a connection that came in while the listener was being closed.
        case .tcpRefused, .tcpDropped: try await connection.reset()
        case .some(let fault):
            let (value, context) = (entry?.value ?? 0, tls.context(for: fault))
            switch engine {
            case .mysql: try await ScriptedMySQL(fault: fault, value: value, tls: context) { isInsideTLS = true }.play(on: connection)
            // Played by the lab's own server at the other end.
            case .azuresql: try await relay(connection)
            case .postgresql:
                try await ScriptedPostgres(fault: fault, value: value, tls: context) { isInsideTLS = true }.play(on: connection)
            }
        }
    }

    /// - Parameter endAfterSent: after how many bytes of the client its connection is reset; nil lets it go on.
    private func relay(
        _ connection: Connection, from source: String = "127.0.0.1", shape: Shape = Shape(), endAfterSent: Int? = nil
    ) async throws {
        guard let upstream else { return try await connection.reset() }
        let server = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .bind(to: try SocketAddress(ipAddress: source, port: 0))
            .connect(host: upstream.host, port: upstream.port) { channel in
                channel.eventLoop.makeCompletedFuture { try Connection.Stream(wrappingChannelSynchronously: channel) }
            }
        let client = connection.writer
        // The server's half runs in a task of its own; the client's half stays here, with the connection. Either end ends the other.
        let (toServer, giveToServer) = AsyncStream.makeStream(of: ByteBuffer.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await server.executeThenClose { inbound, outbound in
                    try await withThrowingTaskGroup(of: Void.self) { halves in
                        halves.addTask {
                            for await piece in toServer { try await outbound.write(piece) }
                            // The client has gone: so does the server's connection.
                            try await server.channel.close().get()
                        }
                        halves.addTask {
                            try await shape.forward(inbound, to: client)
                        }
                        try await halves.waitForAll()
                    }
                }
            }
            defer { group.cancelAll() }
            var left = endAfterSent ?? .max
            while left > 0, var piece = try await connection.next() {
                let allowed = min(left, piece.readableBytes)
                if let slice = piece.readSlice(length: allowed) { giveToServer.yield(slice) }
                left -= allowed
            }
            if left == 0 { try await client.reset() }
            giveToServer.finish()
            try await group.waitForAll()
        }
    }
}

/// How the server's bytes are passed on.
struct Shape: Sendable {
    var delay: Duration?
    var dribble: Duration?
    /// How many bytes pass before the dribbling begins.
    var dribblesAfter = 0
    /// After how many bytes the connection ends, and how.
    var end: (after: Int, how: Ending)?
    /// Told how many bytes were passed on.
    var count: (@Sendable (Int) -> Void)?

    enum Ending: Sendable { case cut, reset }

    func forward(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, to client: Connection.Writer) async throws {
        var left = end?.after ?? .max
        var free = dribblesAfter
        if left == 0 { return try await finish(client) }
        for try await received in inbound {
            var piece = received
            if let delay { try await Task.sleep(for: delay) }
            let allowed = min(left, piece.readableBytes)
            if let dribble {
                if free > 0, let slice = piece.readSlice(length: min(free, allowed)) {
                    free -= slice.readableBytes
                    try await client.write(slice)
                }
                for byte in piece.readableBytesView.prefix(allowed) {
                    try await client.write(ByteBuffer(bytes: [byte]))
                    try await Task.sleep(for: dribble)
                }
            } else if let slice = piece.readSlice(length: allowed) {
                try await client.write(slice)
            }
            count?(allowed)
            left -= allowed
            if left == 0 { return try await finish(client) }
        }
        // The server has closed: so does the client's connection, in order, after the last byte.
        try await client.finish()
    }

    private func finish(_ client: Connection.Writer) async throws {
        switch end?.how {
        case .reset: try await client.reset()
        default: try await client.finish()
        }
    }
}
