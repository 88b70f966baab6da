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

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        guard registry.admit(channel) else {
            channel.close(mode: .all, promise: nil)
            return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
        }
        channel.closeFuture.whenComplete { _ in registry.remove(channel) }
        let state = NIOLoopBound(
            ConnectionState(limits: limits, metrics: metrics, registry: registry), eventLoop: channel.eventLoop)
        return base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            let requests = RequestGuard(state: state.value)
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
