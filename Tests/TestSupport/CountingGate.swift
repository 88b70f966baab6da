// A cap that lets everybody in and keeps count.
package import Diagnosis
import Synchronization

package final class CountingGate: ProbeGate {
    private let state = Mutex((entered: 0, left: 0))

    package init() {}

    /// Places that were given, also those that were given back at once.
    package var entered: Int { state.withLock(\.entered) }
    package var inside: Int { state.withLock { $0.entered - $0.left } }

    package func enter(until deadline: Deadline) async throws(WaitFailure) { state.withLock { $0.entered += 1 } }
    package func leave() { state.withLock { $0.left += 1 } }
}

/// A cap that lets nobody in.
package struct ShutGate: ProbeGate {
    package init() {}
    package func enter(until deadline: Deadline) async throws(WaitFailure) { throw .deadline }
    package func leave() {}
}

/// A cap that is full for a time, or until whoever waits has no time left.
package struct FullGate: ProbeGate {
    private let time: Duration?

    package init(for time: Duration? = nil) { self.time = time }

    package func enter(until deadline: Deadline) async throws(WaitFailure) {
        do {
            try await Task.sleep(for: time.map { min($0, deadline.remaining) } ?? deadline.remaining)
        } catch {
            throw .cancelled
        }
        if time == nil { throw .deadline }
    }
    package func leave() {}
}
