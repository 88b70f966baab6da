// What the two guards of one connection know together.
import NIOCore
import Telemetry

/// Times and sizes that a connection has to keep to.
struct ConnectionLimits: Sendable {
    var header: TimeAmount = .seconds(5)
    var idle: TimeAmount = .seconds(60)
    var writeStall: TimeAmount = .seconds(10)
    /// How long a refused client may go on sending before the connection is cut.
    var linger: TimeAmount = .seconds(1)
    /// **Unit**: bytes.
    var uriSize = 8 << 10
    /// **Unit**: bytes.
    var headerSize = 16 << 10
    var headerCount = 64
}

/// State of one connection. Confined to its event loop: both handlers run there and nobody else holds it.
final class ConnectionState {
    let limits: ConnectionLimits
    let metrics: Metrics
    let registry: ConnectionRegistry
    /// Requests that were read and not yet answered.
    var pending = 0
    /// Set when a head was complete during the present read.
    var didReadHead = false
    /// Whether everything that still arrives is thrown away, because the answer to it has been given.
    var isClosing = false
    /// Whether bytes of a head have come that is not complete.
    var isReadingHead = false
    /// What is refused as soon as the answers that are due have been given.
    var laterRefusal: ConnectionRefusal?
    /// Whether the first line of the head under way is complete.
    var didReadLine = false
    /// **Unit**: bytes of a head under way.
    var headBytes = 0
    private var timer: Scheduled<Void>?

    init(limits: ConnectionLimits, metrics: Metrics, registry: ConnectionRegistry) {
        self.limits = limits
        self.metrics = metrics
        self.registry = registry
    }

    /// Replaces the timer of the connection; there is one thing at a time that a client may be late with.
    func arm(_ context: ChannelHandlerContext, in time: TimeAmount, _ action: @escaping () -> Void) {
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: time, action)
    }

    func disarm() {
        timer?.cancel()
        timer = nil
    }
}
