// The HTTP service: binds, answers, stops.
import HummingbirdCore
import Hummingbird
package import Diagnosis
package import Logging
package import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization
package import Telemetry

/// Serves the status page, metrics, health and the JSON interface.
package struct StatusServer: Service {
    /// Limits of the HTTP side; tests make times shorter.
    package struct Limits: Sendable {
        package var connections = 512
        package var header: Duration = .seconds(5)
        package var idle: Duration = .seconds(60)
        package var writeStall: Duration = .seconds(10)
        /// How long a rendered answer is kept.
        package var renderLifetime: Duration = .seconds(1)

        package init() {}
    }

    /// Why the service cannot start.
    package struct BindFailure: Error, Sendable, CustomStringConvertible {
        package var endpoint: Endpoint
        /// The errno, when there is one.
        package var number: Int32?
        package var description: String
    }

    private let listen: [Endpoint]
    private let socket: LocalSocket?
    private let switchboard: Switchboard
    private let hosts: HostNames
    private let connections: ConnectionLimits
    private let registry: ConnectionRegistry
    private let metrics: Metrics
    private let logger: Logger
    private let group: any EventLoopGroup
    private let onBound: @Sendable ([Endpoint]) async -> Void

    /// - Parameters:
    ///   - listen: at least one; port 0 lets the system choose.
    ///   - socket: where commands of the same user are answered as well.
    ///   - hosts: names that a request may carry in `Host` besides addresses and `localhost`; may change later.
    ///   - onBound: called once, when all endpoints accept connections, with their actual ports in the order of `listen`.
    package init(
        listen: [Endpoint], socket: LocalSocket? = nil, hosts: HostNames, sources: StatusSources, metrics: Metrics, logger: Logger,
        limits: Limits = Limits(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        onBound: @escaping @Sendable ([Endpoint]) async -> Void = { _ in }
    ) {
        self.init(
            listen: listen, socket: socket, hosts: hosts, switchboard: Switchboard(sources, lifetime: limits.renderLifetime),
            metrics: metrics, logger: logger, limits: limits, group: group, onBound: onBound)
    }

    /// The same for answers that may come from somebody else later.
    package init(
        listen: [Endpoint], socket: LocalSocket? = nil, hosts: HostNames, switchboard: Switchboard, metrics: Metrics, logger: Logger,
        limits: Limits = Limits(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        onBound: @escaping @Sendable ([Endpoint]) async -> Void = { _ in }
    ) {
        var connections = ConnectionLimits()
        connections.header = TimeAmount(limits.header)
        connections.idle = TimeAmount(limits.idle)
        connections.writeStall = TimeAmount(limits.writeStall)
        self.listen = listen
        self.socket = socket
        self.connections = connections
        self.metrics = metrics
        self.registry = ConnectionRegistry(limit: limits.connections, metrics: metrics)
        self.switchboard = switchboard
        self.hosts = hosts
        self.logger = logger
        self.group = group
        self.onBound = onBound
    }

    /// Serves until the service is asked to stop.
    /// **Throws**: ``BindFailure`` when an endpoint cannot be listened on, ``LocalSocket/Refusal`` when the socket cannot.
    package func run() async throws {
        for endpoint in listen where !endpoint.isLoopback {
            logger.warning(
                "status server is reachable from other machines without authentication",
                metadata: Logger.metadata([.serverAddress: endpoint.description]))
        }
        let bound = BoundEndpoints(count: listen.count)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, endpoint) in listen.enumerated() {
                group.addTask {
                    try await serve(endpoint) { port in
                        guard let all = bound.set(Endpoint(host: endpoint.host, port: port), at: index) else { return }
                        for endpoint in all {
                            logger.notice("status server is listening", metadata: Logger.metadata([.serverAddress: endpoint.description]))
                        }
                        await onBound(all)
                    }
                }
            }
            if let socket { group.addTask { try await serve(socket) } }
            try await group.waitForAll()
        }
    }

    /// As they are for one request.
    private var routes: Routes {
        let side = switchboard.side
        return Routes(sources: side.sources, metrics: metrics, hosts: hosts, uriLimit: connections.uriSize, caches: side.caches)
    }

    private func serve(_ endpoint: Endpoint, whenBound: @escaping @Sendable (Int) async -> Void) async throws {
        do {
            try await serve(.hostname(endpoint.host, port: endpoint.port), isLocal: false) { channel in
                await whenBound(channel.localAddress?.port ?? endpoint.port)
            }
        } catch let error as IOError {
            throw BindFailure(endpoint, errno: error.errnoCode)
        } catch let error as SocketAddressError {
            throw BindFailure(endpoint: endpoint, description: "cannot listen on \(endpoint): \(error)")
        }
    }

    private func serve(_ socket: LocalSocket) async throws {
        do {
            try await serve(.unixDomainSocket(path: socket.path), isLocal: true) { _ in
                socket.didBind()
                logger.notice("commands are answered at the local socket", metadata: Logger.metadata([.serverAddress: socket.path]))
            }
        } catch is CancellationError {
            socket.release()
            throw CancellationError()
        } catch {
            // The folder is for others again, and for another attempt of this one.
            socket.release()
            throw LocalSocket.Refusal(description: "cannot listen on the local socket \(socket.path): \(error); see server.socket")
        }
    }

    private func serve(
        _ address: BindAddress, isLocal: Bool, whenBound: @escaping @Sendable (any Channel) async -> Void
    ) async throws {
        var quiet = logger
        // Hummingbird announces its sockets in its own words; ours are logged above.
        quiet.logLevel = max(quiet.logLevel, .warning)
        let server = Server(
            childChannelSetup: channelSetup(isLocal: isLocal), configuration: ServerConfiguration(address: address, backlog: 1024),
            onServerRunning: whenBound, eventLoopGroup: group, logger: quiet)
        // A connection that was accepted and not yet taken over must not be dropped by a cancellation: SwiftNIO ends the process
        // then. So the server runs in a task that nobody cancels, and a cancellation becomes a stop that leaves no client waiting.
        // The task ends with the server, and this function waits for it.
        let running = Task { try await server.run() }
        try await withTaskCancellationHandler {
            try await running.value
        } onCancel: {
            // Ends when the server has stopped.
            Task {
                registry.closeAll()
                try? await server.shutdownGracefully()
            }
        }
    }

    private func channelSetup(isLocal: Bool) -> GuardedChannel {
        let decoder = HTTP1Channel.Configuration.DecoderConfiguration(
            maxHeaderFieldSize: connections.headerSize, maxHeaderListSize: connections.headerSize,
            maxHeaderFieldCount: connections.headerCount)
        let base = HTTP1Channel(
            responder: { request, writer, channel in
                let (head, body) = await response(to: request, isLocal: isLocal, on: channel)
                if let body {
                    try await writer.write(response: head, body: body)
                } else {
                    try await writer.writeResponse(head)
                }
            }, configuration: .init(httpDecoderConfiguration: decoder))
        return GuardedChannel(base: base, limits: connections, registry: registry, metrics: metrics, isLocal: isLocal)
    }

    private static let scrapeTimeoutName = HTTPFields.Element.Name("X-Prometheus-Scrape-Timeout-Seconds")

    /// - Returns: no body for `HEAD`; the length of what `GET` would give stands in the head all the same.
    private func response(
        to request: Request, isLocal: Bool, on channel: any Channel
    ) async -> (head: HTTPResponse, body: ResponseBody?) {
        let started = ContinuousClock.now
        let facts = RequestFacts(
            method: request.head.method.rawValue, uri: request.head.path ?? "", host: request.head.authority,
            hasBody: request.headers[.transferEncoding] != nil || (request.headers[.contentLength] ?? "0") != "0",
            accept: request.headers[.accept], acceptEncoding: request.headers[.acceptEncoding],
            scrapeTimeout: Self.scrapeTimeoutName.flatMap { request.headers[$0] }, isLocal: isLocal)
        let (answer, handler) = await isLocal ? answer(facts, while: channel) : routes.answer(facts)
        var fields = HTTPFields()
        for (name, value) in answer.headers {
            if let name = HTTPFields.Element.Name(name) { fields[name] = value }
        }
        if answer.closes { fields[.connection] = "close" }
        let head = HTTPResponse(status: .init(code: answer.status), headerFields: fields)
        metrics.httpRequest(handler, code: answer.status, duration: .now - started)
        return (head, facts.method == "HEAD" ? nil : ResponseBody(byteBuffer: answer.body))
    }
}

extension StatusServer {
    /// Answers a command; when it goes away, as one does that is interrupted, nobody works for it any longer.
    private func answer(_ facts: RequestFacts, while channel: any Channel) async -> (answer: Answer, handler: HTTPHandlerName) {
        // Ends with its value, for which this function waits.
        let task = Task { await routes.answer(facts) }
        channel.closeFuture.whenComplete { _ in task.cancel() }
        return await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
    }
}

/// Collects the ports that the listeners got.
private final class BoundEndpoints: Sendable {
    private let endpoints: Mutex<[Endpoint?]>

    init(count: Int) { endpoints = Mutex([Endpoint?](repeating: nil, count: count)) }

    /// - Returns: all of them when this was the last one.
    func set(_ endpoint: Endpoint, at index: Int) -> [Endpoint]? {
        endpoints.withLock { endpoints in
            endpoints[index] = endpoint
            let known = endpoints.compactMap { $0 }
            return known.count == endpoints.count ? known : nil
        }
    }
}

extension StatusServer.BindFailure {
    fileprivate init(_ endpoint: Endpoint, errno number: Int32) {
        self.endpoint = endpoint
        self.number = number
        let reason =
            switch number {
            case EADDRINUSE: "another process uses this port; stop it or choose another with server.listen"
            case EADDRNOTAVAIL: "this machine has no such address; see server.listen"
            case EACCES, EPERM: "this user may not use the port; choose one above 1023 with server.listen"
            default: "errno \(number)"
            }
        self.description = "cannot listen on \(endpoint): \(reason)"
    }
}

extension Endpoint {
    /// Whether only this machine reaches the address.
    var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
}
