// The configuration file while the agent runs: read again when it is another one.
//
// Looking beats being told: a look at the file's inode, size and times once a second finds an editor's rename, a link that leads elsewhere
// (a ConfigMap swaps `..data`), a share of another machine that tells nobody of changes, and a file that goes away. What a look finds
// has to stand still for a moment before it is read, and its content decides, not its times.
import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Reads the configuration, at the start and whenever it may have changed.
///
/// **Isolation**: every call that touches the disk runs on a queue of its own, so that a disk that does not answer holds up nobody else.
package final class ConfigurationFile: Sendable {
    /// For how long a changed file has to stand still before it is read.
    package static let settling: Duration = .milliseconds(200)
    /// A file that never stands still is read all the same after so many looks.
    private static let patience = 20

    private let named: String?
    private let environment: [String: String]
    private let directory: String
    private let systemFile: String
    /// How often a refused file is read again although it looks the same: what was wrong may be a file that it names.
    private let retry: Duration
    private let queue = DispatchQueue(label: "agent.configuration")
    private let state = Mutex(State())

    private struct State {
        /// The file that was read first; another one that would be found now is none of ours.
        var path: String?
        var stamp: Stamp?
        var content: Content?
        /// Why the file was refused when it was read last; nil when it was good.
        var refusal: [SettingsIssue]?
        var readAt = ContinuousClock.now
    }

    /// What a look sees without reading.
    private struct Stamp: Hashable {
        var device: UInt64 = 0
        var inode: UInt64 = 0
        var size: Int64 = 0
        /// **Unit**: nanoseconds; when the content and when the entry was changed.
        var times: [Int64] = []
        /// Not 0 when there is nothing to see.
        var code: Int32 = 0
    }

    /// Tells one content from another.
    private enum Content: Hashable {
        case bytes(count: Int, hash: Int)
        case problem(FileText.Problem)
        case none
    }

    /// - Parameters: as for ``Configuration/load(path:environment:directory:systemFile:)``.
    package init(
        path: String?, environment: [String: String], directory: String = ".", systemFile: String = "/etc/agent/agent.yaml",
        retry: Duration = .seconds(5)
    ) {
        self.retry = retry
        named = path
        self.environment = environment
        self.directory = directory
        self.systemFile = systemFile
    }

    /// The file's name, for people; nil as long as none was found.
    package var path: String? { state.withLock(\.path) ?? named }

    /// Reads the file, whatever was read before. Blocks on the disk: for the start of the process.
    package func read() -> ConfigurationResult { examine(isForced: true) ?? .failure([]) }

    /// Looks whether the file is another one, and reads it then.
    /// - Parameter isForced: reads it in any case.
    /// - Returns: nil when the file has the content that was read last and there is nothing new to say of it.
    package func look(isForced: Bool = false) async -> ConfigurationResult? {
        guard var seen = await onQueue({ self.stamp() }) else { return nil }
        let (known, wasRefused, readAt) = state.withLock { ($0.stamp, $0.refusal != nil, $0.readAt) }
        let isDue = wasRefused && ContinuousClock.now - readAt >= retry
        guard isForced || isDue || seen != known else { return nil }
        // Who insists has finished writing.
        for _ in 0..<Self.patience where seen != known && !isForced {
            guard (try? await Task.sleep(for: Self.settling)) != nil else { return nil }
            guard let next = await onQueue({ self.stamp() }) else { return nil }
            if next == seen { break }
            seen = next
        }
        return await onQueue { self.examine(isForced: isForced, isDue: isDue) } ?? nil
    }

    /// - Returns: nil when the caller was cancelled first; a disk that does not answer then holds up the queue and nobody else.
    private func onQueue<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value? {
        let answer = Answer<Value>()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard answer.await(continuation) else { return }
                queue.async { answer.give(body()) }
            }
        } onCancel: {
            answer.give(nil)
        }
    }

    /// Given once, by whoever comes first.
    private final class Answer<Value: Sendable>: Sendable {
        private enum State {
            case open
            case awaited(CheckedContinuation<Value?, Never>)
            case over
        }

        private let state = Mutex(State.open)

        /// - Returns: false when it was given before; the continuation is resumed then.
        func await(_ continuation: CheckedContinuation<Value?, Never>) -> Bool {
            let isOver = state.withLock { state in
                if case .over = state { return true }
                state = .awaited(continuation)
                return false
            }
            if isOver { continuation.resume(returning: nil) }
            return !isOver
        }

        func give(_ value: Value?) {
            let continuation = state.withLock { state -> CheckedContinuation<Value?, Never>? in
                defer { state = .over }
                if case .awaited(let continuation) = state { return continuation }
                return nil
            }
            continuation?.resume(returning: value)
        }
    }

    private func find() -> String? {
        if let known = state.withLock(\.path) { return known }
        return Configuration.find(path: named, environment: environment, directory: directory, systemFile: systemFile)
    }

    private func stamp() -> Stamp {
        guard let path = find() else { return Stamp(code: ENOENT) }
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return Stamp(code: errno) }
        func nanoseconds(_ time: timespec) -> Int64 { Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec) }
        return Stamp(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
            times: [nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)])
    }

    /// - Parameter isDue: reads known content as well; the same refusal is no news then.
    /// - Returns: nil when the content is known and nobody insists.
    private func examine(isForced: Bool, isDue: Bool = false) -> ConfigurationResult? {
        // Taken before the reading: a change in between is then found by the next look.
        let stamp = stamp()
        let file = find()
        var bytes: [UInt8] = []
        let content: Content
        switch file.map({ FileText.read($0, limit: Configuration.sizeLimit) }) {
        case nil: content = .none
        case .failure(let problem)?: content = .problem(problem)
        case .success(let read)?:
            bytes = read
            content = .bytes(count: bytes.count, hash: bytes.hashValue)
        }
        let isNew = state.withLock { state in
            defer { (state.stamp, state.content) = (stamp, content) }
            return state.content != content
        }
        guard isNew || isForced || isDue else { return nil }
        let result: ConfigurationResult
        switch content {
        case .none: result = Configuration.missing(systemFile)
        case .problem(let problem): result = .failure([SettingsIssue(file: file, message: problem.text)])
        case .bytes: result = Configuration.parse(bytes, file: file ?? "", environment: environment)
        }
        let refusal: [SettingsIssue]? = if case .failure(let issues) = result { issues } else { nil }
        let before = state.withLock { state in
            defer { (state.readAt, state.refusal) = (.now, refusal) }
            if refusal == nil { state.path = file }
            return state.refusal
        }
        return isNew || isForced || refusal == nil || refusal != before ? result : nil
    }
}
