// When the files that trust is read from changed last: looked at beside the probes, because a network mount may hang for minutes.
import Diagnosis
import Dispatch
import Glibc
import Synchronization

/// Looks at files once a second, on one thread, and tells anybody at once what was seen.
///
/// A file whose look hangs keeps that thread; the others get another one. Until it ends, its time is not known.
package final class TrustWatch: Sendable {
    /// For the whole process: many servers share the system's store.
    package static let shared = TrustWatch()

    /// A look that takes longer than this tells nothing any more: the file may be another one by now.
    package static let patience = Duration.seconds(2)

    private struct File {
        var queue: DispatchQueue
        var users = 1
        /// **Unit**: nanoseconds; 0 for a file that is not there, nil until the first look is over.
        var time: Int64?
        var lookingSince: ContinuousClock.Instant?
    }

    private struct State {
        var files: [String: File] = [:]
        /// For every file that does not hang: one thread does for all of them.
        var queue = TrustWatch.newQueue()
    }

    private let state = Mutex(State())
    private let look: @Sendable (String) -> Int64
    private let now: @Sendable () -> ContinuousClock.Instant

    /// - Parameters:
    ///   - look: the time of change of a file; may take as long as the file system does.
    ///   - now: the monotonic clock.
    package init(
        look: @escaping @Sendable (String) -> Int64 = TrustWatch.timeOfChange,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.look = look
        self.now = now
    }

    /// Looks at these files from now on, until ``unfollow(_:)`` was called as often as this.
    func follow(_ paths: [String]) {
        for path in paths {
            let queue = state.withLock { state -> DispatchQueue? in
                guard state.files[path] == nil else {
                    state.files[path]?.users += 1
                    return nil
                }
                state.files[path] = File(queue: state.queue)
                return state.queue
            }
            if let queue { queue.async { [weak self] in self?.turn(path, queue) } }
        }
    }

    private static func newQueue() -> DispatchQueue { DispatchQueue(label: "agent.trust", qos: .utility) }

    /// Leaves a queue to the file whose look hangs on it; the others go on on a new one.
    private func partFromHanging() {
        let now = now()
        let (moved, queue) = state.withLock { state -> ([String], DispatchQueue) in
            let shared = state.queue
            let here = state.files.filter { $0.value.queue === shared }
            guard here.contains(where: { $0.value.lookingSince.map { now - $0 >= Self.patience } ?? false }) else { return ([], shared) }
            state.queue = Self.newQueue()
            let moved = here.filter { $0.value.lookingSince == nil }.map(\.key)
            for path in moved { state.files[path]?.queue = state.queue }
            return (moved, state.queue)
        }
        for path in moved { queue.async { [weak self] in self?.turn(path, queue) } }
    }

    func unfollow(_ paths: [String]) {
        state.withLock { state in
            for path in paths {
                state.files[path]?.users -= 1
                if state.files[path]?.users == 0 { state.files[path] = nil }
            }
        }
    }

    /// When these files changed last, as far as it was seen; never waits.
    /// - Returns: nil when it is not known of one of them: it was not looked at yet, or the look hangs.
    func times(of paths: [String]) -> [Int64]? {
        let now = now()
        partFromHanging()
        return state.withLock { state in
            var times: [Int64] = []
            for path in paths {
                guard let file = state.files[path], let time = file.time, file.lookingSince.map({ now - $0 < Self.patience }) ?? true else {
                    return nil
                }
                times.append(time)
            }
            return times
        }
    }

    /// Returns when every file was looked at once more, however long that takes.
    package func looked() async {
        for (path, queue) in state.withLock({ state in state.files.map { ($0.key, $0.value.queue) } }) {
            await withCheckedContinuation { continuation in
                queue.async {
                    self.see(path, queue)
                    continuation.resume()
                }
            }
        }
    }

    /// **Isolation**: the file's queue.
    private func turn(_ path: String, _ queue: DispatchQueue) {
        guard see(path, queue) else { return }
        queue.asyncAfter(deadline: .now() + .seconds(1)) { [weak self] in self?.turn(path, queue) }
    }

    /// - Returns: false when nobody wants to know any more, or another queue looks at the file now.
    @discardableResult
    private func see(_ path: String, _ queue: DispatchQueue) -> Bool {
        let began = now()
        let isOurs = state.withLock { state in
            guard state.files[path]?.queue === queue else { return false }
            state.files[path]?.lookingSince = began
            return true
        }
        guard isOurs else { return false }
        let time = look(path)
        return state.withLock { state in
            guard state.files[path]?.queue === queue else { return false }
            state.files[path]?.lookingSince = nil
            state.files[path]?.time = time
            return true
        }
    }

    /// **Unit**: nanoseconds; 0 when there is no such file.
    @Sendable package static func timeOfChange(_ path: String) -> Int64 {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return 0 }
        return Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    }
}
