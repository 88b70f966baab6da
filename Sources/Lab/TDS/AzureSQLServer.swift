// A server that speaks TDS well enough for Microsoft's drivers: TDS 7.4 and strict on one port, logins by token.
import TDS
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A listening Azure SQL server of the lab. Built on the codec of the client, so what one side can say the other can read.
package final class AzureSQLServer: Sendable {
    package let address: String
    package let port: Int
    private let channel: any Channel
    private let children: Children
    private let seen: LoginLog

    /// Names that the certificate covers: those of Azure, of one cluster of workers, and of this machine.
    package static let names = ["*.database.windows.net", "*.tr1.lab1-a.worker.database.windows.net", "localhost"]

    /// Listens on a loopback address; port 0 takes a free one.
    package static func start(on address: String = "127.0.0.1", port: Int = 0, script: AzureSQLScript, certificate: CertifiedKey)
        async throws
        -> AzureSQLServer
    {
        let behavior = AzureSQLBehavior(script: script, tls: try AzureSQLTLS(certificate))
        return try await start(on: address, port: port) { behavior }
    }

    /// The same with a behaviour that is chosen for each connection as it comes in.
    static func start(on address: String, port: Int = 0, behavior: @escaping @Sendable () -> AzureSQLBehavior) async throws
        -> AzureSQLServer
    {
        let children = Children()
        let seen = LoginLog()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                children.add(channel)
                let now = behavior()
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AzureSQLSession(now.script, now.tls) { seen.add($0) })
                }
            }
            .bind(host: address, port: port).get()
        return AzureSQLServer(address: address, channel: channel, children: children, seen: seen)
    }

    private init(address: String, channel: any Channel, children: Children, seen: LoginLog) {
        self.address = address
        self.channel = channel
        self.children = children
        self.seen = seen
        port = channel.localAddress?.port ?? 0
    }

    /// Every login that was read, refused ones included.
    package var logins: [AzureSQLLogin] { seen.all }

    func forgetLogins() { seen.clear() }

    /// Returns when every client that is connected now has gone.
    package func drained() async { await children.allClosed() }

    /// Stops listening and ends all connections.
    package func stop() async {
        try? await channel.close().get()
        await children.closeAll()
    }
}

/// How one connection is treated.
struct AzureSQLBehavior: Sendable {
    var script: AzureSQLScript
    var tls: AzureSQLTLS
}

/// What this server presents. In TDS 7.4 TLS 1.2 is the most: a server's tickets of TLS 1.3 come after the moment at which wrapping ends.
struct AzureSQLTLS: Sendable {
    var wrapped: NIOSSLContext
    var strict: NIOSSLContext

    /// - Parameter newest: what both ways of connecting are held down to, for a server that is too old.
    init(_ pair: CertifiedKey, newest: TLSVersion? = nil) throws {
        let chain = try pair.certificates.map {
            NIOSSLCertificateSource.certificate(try NIOSSLCertificate(bytes: Array($0.utf8), format: .pem))
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain, privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(pair.key.utf8), format: .pem)))
        configuration.minimumTLSVersion = newest == nil ? .tlsv12 : .tlsv1
        configuration.maximumTLSVersion = newest
        var strict = configuration
        strict.applicationProtocols = ["tds/8.0"]
        self.strict = try NIOSSLContext(configuration: strict)
        configuration.maximumTLSVersion = newest ?? .tlsv12
        wrapped = try NIOSSLContext(configuration: configuration)
    }
}

/// Logins in the order in which they came, the last 10,000 of them.
final class LoginLog: Sendable {
    private let logins = Mutex<[AzureSQLLogin]>([])

    func add(_ login: AzureSQLLogin) {
        logins.withLock { logins in
            if logins.count >= 10_000 { logins.removeFirst(5_000) }
            logins.append(login)
        }
    }

    func clear() { logins.withLock { $0 = [] } }
    var all: [AzureSQLLogin] { logins.withLock { $0 } }
}

/// The open connections.
final class Children: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    func add(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        channels.withLock { $0[id] = channel }
        channel.closeFuture.whenComplete { _ in self.channels.withLock { $0[id] = nil } }
    }

    func allClosed() async {
        for channel in channels.withLock({ Array($0.values) }) { try? await channel.closeFuture.get() }
    }

    func closeAll() async {
        for channel in channels.withLock({ Array($0.values) }) { try? await channel.close().get() }
    }
}
