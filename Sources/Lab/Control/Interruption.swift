// Waits for Ctrl-C or a request to end.
import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Catches SIGINT, SIGTERM and SIGHUP for as long as it lives. One in a process.
package final class Interruption {
    /// Gives the first signal and ends. A second one ends the process at once; its children are stopped by their supervisor.
    package let signals: AsyncStream<Int32>
    private let sources: [any DispatchSourceSignal]

    package init() {
        let (signals, continuation) = AsyncStream.makeStream(of: Int32.self)
        let isInterrupted = Atomic(false)
        self.signals = signals
        self.sources = [SIGINT, SIGTERM, SIGHUP].map { number in
            // The default action would end the process before anything is cleaned up.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                if isInterrupted.exchange(true, ordering: .relaxed) { _exit(130) }
                continuation.yield(number)
                continuation.finish()
            }
            source.resume()
            return source
        }
    }

    deinit {
        for source in sources { source.cancel() }
    }
}
