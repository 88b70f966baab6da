// How many threads wait for the network.
import NIOCore
import NIOPosix

extension StatusServer {
    /// Event loops of the process. Two serve 512 connections and every probe of Azure SQL; one a core would be threads that only wait.
    private static let loops = 2

    /// Keeps the number of event loops from growing with the machine. **Isolation**: once, before anything is served or probed.
    package static func boundLoops() {
        NIOSingletons.groupLoopCountSuggestion = min(loops, System.coreCount)
    }
}
