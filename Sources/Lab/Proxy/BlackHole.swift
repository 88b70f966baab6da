// A port that drops everything, without root and without a firewall.
import NIOCore
import NIOPosix

/// A listening socket that accepts nothing and whose queue is full, so that the kernel drops every further SYN.
///
/// **Source**: tcp(7) and Linux `tcp_conn_request`: with a full accept queue (`backlog` 0 holds one connection) and
/// `tcp_abort_on_overflow` 0 a SYN is dropped without an answer.
final class BlackHole: Sendable {
    let port: Int
    private let server: any Channel
    private let fillers: [any Channel]

    static func open(on host: String, port: Int = 0) async throws -> BlackHole {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 0)
            .serverChannelOption(.autoRead, value: false)
            .bind(host: host, port: port).get()
        let port = server.localAddress?.port ?? port
        var fillers: [any Channel] = []
        // The queue is full once a connection attempt gets no answer, and another one does not either: the first may have been slow.
        var unanswered = 0
        while fillers.count < 16 {
            do {
                fillers.append(
                    try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                        .connectTimeout(.milliseconds(unanswered == 0 ? 100 : 300)).connect(host: host, port: port).get())
                unanswered = 0
            } catch {
                unanswered += 1
                if unanswered == 2, !fillers.isEmpty { return BlackHole(port: port, server: server, fillers: fillers) }
                if unanswered > 4 { break }
            }
        }
        for filler in fillers { try? await filler.close().get() }
        try? await server.close().get()
        throw LabError(
            "This kernel answers connections beyond a full queue (net.ipv4.tcp_abort_on_overflow?), so packets cannot be dropped.")
    }

    private init(port: Int, server: any Channel, fillers: [any Channel]) {
        self.port = port
        self.server = server
        self.fillers = fillers
    }

    func close() async {
        for filler in fillers { try? await filler.close().get() }
        try? await server.close().get()
    }
}
