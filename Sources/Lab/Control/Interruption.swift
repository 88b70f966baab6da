// Waits for Ctrl-C or a request to end.
import Dispatch

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Catches SIGINT, SIGTERM and SIGHUP for as long as it lives. One in a process.
package final class Interruption: Sendable {
    private let signals: AsyncStream<Int32>
    // Written once in `init`; Dispatch's own lock guards each source.
    nonisolated(unsafe) private let sources: [any DispatchSourceSignal]

    package init() {
        let (signals, continuation) = AsyncStream.makeStream(of: Int32.self)
        self.signals = signals
        unsafe self.sources = [SIGINT, SIGTERM, SIGHUP].map { number in
            // The default action would end the process before anything is cleaned up.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { continuation.yield(number) }
            source.resume()
            return source
        }
    }

    /// Returns at the first signal. A second one ends the process at once; its children are stopped by their supervisor.
    package func first() async {
        for await _ in signals { break }
        for source in unsafe sources { source.setEventHandler { _exit(130) } }
    }
}
