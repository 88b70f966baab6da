// SIGHUP for whoever waits at the moment: the room before the service, then the service.
import Diagnosis
import Synchronization

/// Somebody may ring at any time; one at a time waits for it. A ring that nobody waits for is kept.
final class Doorbell: Sendable {
    private struct State {
        var hasRung = false
        var waiting: AsyncStream<Void>.Continuation?
    }

    private let state = Mutex(State())

    func ring() {
        let waiting = state.withLock { state in
            state.hasRung = true
            return state.waiting
        }
        waiting?.finish()
    }

    /// Waits until somebody rings, the time is over or the task is cancelled.
    /// - Returns: whether somebody rang since the last wait.
    func wait(_ time: Duration) async -> Bool {
        let (rings, ring) = AsyncStream<Void>.makeStream()
        let hasRung = state.withLock { state in
            state.waiting = ring
            return state.hasRung
        }
        if !hasRung {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in rings {} }
                group.addTask { try? await Task.sleep(for: time, clock: .continuous) }
                await group.next()
                group.cancelAll()
            }
        }
        return state.withLock { state in
            defer { state = State() }
            return state.hasRung
        }
    }
}
