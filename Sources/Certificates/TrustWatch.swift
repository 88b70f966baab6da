// When the files that trust is read from changed last: looked at beside the probes, because a network mount may hang for minutes.
import Diagnosis
import Dispatch
import Glibc
import Synchronization

/// Looks at files once a second, each on a queue of its own, and tells anybody at once what was seen.
///
/// A file whose look hangs holds one thread and nothing else: until it ends, its time is not known.
package final class TrustWatch: Sendable {
    /// For the whole process: many servers share the system's store.
    package static let shared = TrustWatch()

    /// The time between two looks at a file.
    package static let pause = Duration.seconds(1)
    /// A look that takes longer than this tells nothing any more: the file may be another one by now.
    package static let patience = Duration.seconds(2)

    private struct File {
        let queue: DispatchQueue
        var users = 1
        /// **Unit**: nanoseconds; 0 for a file that is not there, nil until the first look is over.
        var time: Int64?
        var lookingSince: ContinuousClock.Instant?
    }

    private let files = Mutex<[String: File]>([:])
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
            let (queue, place) = files.withLock { files -> (DispatchQueue?, Int) in
                guard files[path] == nil else {
                    files[path]?.users += 1
                    return (nil, 0)
                }
                let queue = DispatchQueue(label: "agent.trust", qos: .utility)
                files[path] = File(queue: queue)
                return (queue, files.count)
            }
            guard let queue else { continue }
            // Looks at different files come one after the other, so that one thread does for all of them.
            let stagger = DispatchTimeInterval.milliseconds(1000 + place % 20 * 40)
            queue.async { [weak self] in self?.turn(path, queue, stagger) }
        }
    }

    func unfollow(_ paths: [String]) {
        files.withLock { files in
            for path in paths {
                files[path]?.users -= 1
                if files[path]?.users == 0 { files[path] = nil }
            }
        }
    }

    /// When these files changed last, as far as it was seen; never waits.
    /// - Returns: nil when it is not known of one of them: it was not looked at yet, or the look hangs.
    func times(of paths: [String]) -> [Int64]? {
        let now = now()
        return files.withLock { files in
            var times: [Int64] = []
            for path in paths {
                guard let file = files[path], let time = file.time, file.lookingSince.map({ now - $0 < Self.patience }) ?? true else {
                    return nil
                }
                times.append(time)
            }
            return times
        }
    }

    /// Returns when every file was looked at once more, however long that takes.
    package func looked() async {
        for (path, queue) in files.withLock({ files in files.map { ($0.key, $0.value.queue) } }) {
            await withCheckedContinuation { continuation in
                queue.async {
                    self.see(path, queue)
                    continuation.resume()
                }
            }
        }
    }

    /// **Isolation**: the file's queue.
    private func turn(_ path: String, _ queue: DispatchQueue, _ stagger: DispatchTimeInterval = .seconds(1)) {
        guard see(path, queue) else { return }
        queue.asyncAfter(deadline: .now() + stagger) { [weak self] in self?.turn(path, queue) }
    }

    /// - Returns: false when nobody wants to know any more.
    @discardableResult
    private func see(_ path: String, _ queue: DispatchQueue) -> Bool {
        let began = now()
        files.withLock { files in
            if files[path]?.queue === queue { files[path]?.lookingSince = began }
        }
        let time = look(path)
        return files.withLock { files in
            guard files[path]?.queue === queue else { return false }
            files[path]?.lookingSince = nil
            files[path]?.time = time
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
