// Accepts connections for the parts of the lab: one task per connection, all of them ended by `close()`.
import NIOCore
import NIOPosix
import Synchronization

/// A listening socket whose connections are served by a closure.
final class Listener: Sendable {
    typealias Serve = @concurrent @Sendable (sending Connection) async throws -> Void

    let port: Int
    private let channel: any Channel
    private let task: Task<Void, Never>

    /// Listens on an address of this machine; port 0 takes a free one.
    static func tcp(_ host: String, port: Int = 0, serve: @escaping Serve) async throws -> Listener {
        do {
            return Listener(try await bootstrap.bind(host: host, port: port, childChannelInitializer: wrap), serve: serve)
        } catch let error as IOError {
            throw LabError("Nothing can listen on \(host):\(port): \(error).")
        }
    }

    /// Listens on a socket file, which is removed on `close()`.
    static func unix(_ path: String, serve: @escaping Serve) async throws -> Listener {
        do {
            let channel = try await bootstrap.bind(
                unixDomainSocketPath: path, cleanupExistingSocketFile: true, childChannelInitializer: wrap)
            return Listener(channel, serve: serve)
        } catch let error as IOError {
            throw LabError("Nothing can listen on the socket \(path): \(error).")
        }
    }

    private init(_ server: NIOAsyncChannel<Connection.Stream, Never>, serve: @escaping Serve) {
        self.channel = server.channel
        self.port = server.channel.localAddress?.port ?? 0
        // Not structured because listening outlives the call that starts it; `close()` ends it.
        self.task = Task {
            try? await server.executeThenClose { connections in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await stream in connections {
                        group.addTask {
                            // A connection that breaks is the business of its peer.
                            try? await stream.executeThenClose { inbound, outbound in
                                try await serve(Connection(channel: stream.channel, inbound: inbound, outbound: outbound))
                            }
                        }
                    }
                }
            }
        }
    }

    /// Stops listening, ends all connections and returns when the address is free again.
    func close() async {
        task.cancel()
        try? await channel.close().get()
        await task.value
    }

    private static var bootstrap: ServerBootstrap {
        ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 1_024)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
    }

    @Sendable private static func wrap(_ channel: any Channel) -> EventLoopFuture<Connection.Stream> {
        channel.eventLoop.makeCompletedFuture { try Connection.Stream(wrappingChannelSynchronously: channel) }
    }
}
