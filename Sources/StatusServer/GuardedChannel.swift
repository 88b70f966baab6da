// Puts the guards around Hummingbird's HTTP/1 channel.
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import Telemetry

/// An HTTP/1 connection with limits on time and size in front of it.
struct GuardedChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    let base: HTTP1Channel
    let limits: ConnectionLimits
    let registry: ConnectionRegistry
    let metrics: Metrics
    /// Whether only the user of the agent is served, and a client that has said all it had to say is gone.
    var isLocal = false

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        guard isLocal else { return admit(channel, logger) }
        return PeerCredentials.of(channel).flatMap { peer in
            guard let peer, peer.isTrusted else {
                metrics.httpRejected(.peer)
                logger.warning("a process of another user was refused at the local socket", metadata: ["peer.user": "\(peer?.user ?? 0)"])
                channel.close(mode: .all, promise: nil)
                return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
            }
            return admit(channel, logger)
        }
    }

    private func admit(_ channel: any Channel, _ logger: Logger) -> EventLoopFuture<Value> {
        guard registry.admit(channel) else {
            channel.close(mode: .all, promise: nil)
            return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
        }
        channel.closeFuture.whenComplete { _ in registry.remove(channel) }
        let state = NIOLoopBound(
            ConnectionState(limits: limits, metrics: metrics, registry: registry), eventLoop: channel.eventLoop)
        return base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            let requests = RequestGuard(state: state.value, endsWithInput: isLocal)
            // The pipeline was completed a moment ago on this loop, so nothing here can fail; a failure would drop a channel that
            // nobody has taken over.
            let decoder = try pipeline.context(handlerType: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandler(requests, position: .after(decoder.handler))
            try pipeline.addHandler(ByteGuard(state: state.value, refuse: requests.refuse), position: .first)
            return value
        }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}
