// Where log lines go: a bounded queue and one thread of its own, so that a blocked terminal never delays a probe.
import Diagnosis
package import Logging
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Takes log lines without waiting and writes them on its own thread.
///
/// A descriptor that blocks, is closed or is full costs messages, which are counted, and never time.
/// The thread lives as long as the process: the sink is made once, at start.
package final class LogSink: Sendable {
    /// What was logged and what was lost.
    package struct Counts: Sendable, Hashable {
        /// **Shape**: one count per level, in the order of `Logger.Level.allCases`.
        package var messages: [UInt64]
        package var dropped: UInt64

        package init(messages: [UInt64], dropped: UInt64) {
            self.messages = messages
            self.dropped = dropped
        }
    }

    private struct Queue {
        var lines: [[UInt8]] = []
        var bytes = 0
        var droppedSinceReport: UInt64 = 0
        /// Whether the thread is between taking lines and having written them.
        var isWriting = false
    }

    private let descriptor: Int32
    private let lineLimit: Int
    private let byteLimit: Int
    private let reportsDrops: Bool
    private let queue = Mutex(Queue())
    private let wake: Semaphore
    private let counters = Counters()
    private let level: Atomic<Int>
    private let isJSON = Atomic(false)

    /// - Parameters:
    ///   - descriptor: stays open as long as the process; standard error when nothing else is said.
    ///   - lineLimit: lines that may wait.
    ///   - byteLimit: bytes that may wait.
    ///   - reportsDrops: whether a line says how many were dropped; false where every line has to keep to a contract.
    package init(
        descriptor: Int32 = STDERR_FILENO, level: Logger.Level = .info, lineLimit: Int = 4096, byteLimit: Int = 1 << 20,
        reportsDrops: Bool = true
    ) {
        self.descriptor = descriptor
        self.lineLimit = lineLimit
        self.byteLimit = byteLimit
        self.reportsDrops = reportsDrops
        self.level = Atomic(Self.index(level))
        self.wake = Semaphore()
        // A reader that went away must not end the process.
        _ = signal(SIGPIPE, SIG_IGN)
        start()
    }

    /// The least level that is written by loggers that set none of their own; a reload may change it.
    package var logLevel: Logger.Level {
        get { Logger.Level.allCases[level.load(ordering: .relaxed)] }
        set { level.store(Self.index(newValue), ordering: .relaxed) }
    }

    /// How loggers write that were given no format of their own; a reload may change it.
    package var format: LogFormat {
        get { isJSON.load(ordering: .relaxed) ? .json : .text }
        set { isJSON.store(newValue == .json, ordering: .relaxed) }
    }

    /// Queues one line. Never waits.
    package func write(_ line: [UInt8], level: Logger.Level) {
        let isAccepted = queue.withLock { queue in
            guard queue.lines.count < lineLimit, queue.bytes + line.count <= byteLimit else {
                queue.droppedSinceReport += 1
                return false
            }
            queue.lines.append(line)
            queue.bytes += line.count
            return true
        }
        counters.count(Self.index(level), dropped: !isAccepted)
        if isAccepted { wake.signal() }
    }

    package var counts: Counts { counters.snapshot }

    /// Waits until everything is written. Blocks the calling thread: the last call of a process, never one of a probe.
    /// - Returns: false when the time was over first.
    @discardableResult
    package func flush(within limit: Duration) -> Bool {
        let deadline = Deadline.in(limit)
        while true {
            let isDone = queue.withLock { $0.lines.isEmpty && !$0.isWriting }
            if isDone { return true }
            if deadline.isPassed { return false }
            usleep(1000)
        }
    }

    static let levelNames = Logger.Level.allCases.map(\.rawValue)

    private static func index(_ level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 2 }

    // MARK: The thread

    private func start() {
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        unsafe pthread_attr_setstacksize(&attributes, 256 << 10)
        let context = unsafe Unmanaged.passRetained(self)
        let code = unsafe pthread_create(
            &thread, &attributes,
            { context in
                guard let context = unsafe context else { return nil }
                let sink = unsafe Unmanaged<LogSink>.fromOpaque(context).takeRetainedValue()
                sink.nameThread()
                sink.drain()
                return nil
            }, unsafe context.toOpaque())
        unsafe pthread_attr_destroy(&attributes)
        if code != 0 { unsafe context.release() }
    }

    /// The C call for this is hidden from Swift; the kernel takes the name as a file as well.
    private func nameThread() {
        let file = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        _ = unsafe Glibc.write(file, "agent-log", 9)
        close(file)
    }

    private func drain() {
        while true {
            wake.wait()
            let (lines, dropped) = queue.withLock { queue in
                defer { queue = Queue(isWriting: true) }
                return (queue.lines, queue.droppedSinceReport)
            }
            var batch: [UInt8] = []
            batch.reserveCapacity(lines.reduce(128) { $0 + $1.count })
            for line in lines { batch += line }
            if dropped > 0, reportsDrops {
                batch += Array("\(Timestamp.now) warning agent: log messages were dropped count=\(dropped)\n".utf8)
            }
            if !put(batch) { counters.lose(UInt64(lines.count)) }
            queue.withLock { $0.isWriting = false }
        }
    }

    /// - Returns: false when the descriptor takes nothing any more.
    private func put(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { buffer in unsafe Glibc.write(descriptor, buffer.baseAddress, buffer.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&wait, 1, 1000)
            default: return false
            }
        }
        return true
    }
}

/// A POSIX semaphore at a fixed place.
///
/// `@unchecked Sendable`: the semaphore itself is what synchronises; the pointer never changes.
@safe private final class Semaphore: @unchecked Sendable {
    private let pointer: UnsafeMutablePointer<sem_t>

    init() {
        unsafe pointer = .allocate(capacity: 1)
        unsafe sem_init(pointer, 0, 0)
    }

    deinit {
        unsafe sem_destroy(pointer)
        unsafe pointer.deallocate()
    }

    func signal() { unsafe sem_post(pointer) }
    func wait() { while unsafe sem_wait(pointer) != 0 && errno == EINTR {} }
}

/// Counts without a lock.
private final class Counters: Sendable {
    private let trace = Atomic<UInt64>(0), debug = Atomic<UInt64>(0), info = Atomic<UInt64>(0), notice = Atomic<UInt64>(0)
    private let warning = Atomic<UInt64>(0), error = Atomic<UInt64>(0), critical = Atomic<UInt64>(0), dropped = Atomic<UInt64>(0)

    func count(_ level: Int, dropped isDropped: Bool) {
        if isDropped { lose(1) }
        switch level {
        case 0: trace.add(1, ordering: .relaxed)
        case 1: debug.add(1, ordering: .relaxed)
        case 2: info.add(1, ordering: .relaxed)
        case 3: notice.add(1, ordering: .relaxed)
        case 4: warning.add(1, ordering: .relaxed)
        case 5: error.add(1, ordering: .relaxed)
        default: critical.add(1, ordering: .relaxed)
        }
    }

    func lose(_ number: UInt64) { dropped.add(number, ordering: .relaxed) }

    var snapshot: LogSink.Counts {
        func value(_ counter: borrowing Atomic<UInt64>) -> UInt64 { counter.load(ordering: .relaxed) }
        return LogSink.Counts(
            messages: [value(trace), value(debug), value(info), value(notice), value(warning), value(error), value(critical)],
            dropped: value(dropped))
    }
}
