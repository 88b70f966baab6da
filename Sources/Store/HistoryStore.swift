// History in SQLite: what the scheduler records and everybody reads.
//
// Waiting: `record` only takes a lock; everything that may wait for the disk runs on the engine's queue (`QueueExecutor`), reads on the
// queues of GRDB.
package import Diagnosis
import GRDB
package import Logging
import Synchronization

/// Keeps observations in one file, or in memory when there is none or it cannot be used.
///
/// Whatever happens to the file, recording and reading go on; ``status`` says what is wrong. Nothing is overwritten: a damaged file is
/// renamed, the file of a later version or of another program is left alone.
package final class HistoryStore: HistoryRecording, HistoryDatabase, Sendable {
    private let state: StoreState
    private let engine: StoreEngine
    private let pace: StorePace
    private let incidentsMayOpen: @Sendable () -> Bool
    private let now: @Sendable () -> Timestamp
    private let file: StoreFile?

    /// No incident opens this early in the life of the service.
    package static let quietTime = Duration.seconds(60)

    /// The version of the SQLite library that this process has. Made known once.
    package static let sqliteVersion = Connection.libraryVersion

    /// Opens nothing yet: the file is opened by ``run()``, or by the first read.
    /// - Parameters:
    ///   - path: the file; nil keeps history in memory.
    ///   - queueLimit: how many records may wait to be written.
    ///   - clock: by which it is due to look for old records and to copy the log back.
    ///   - incidentsMayOpen: whether the first minute is over; nil counts from here. Other values are for tests.
    ///   - makesFolder: whether the file's folder is made when it is missing: for a place that nobody chose.
    ///   - isContainer: whether this process runs in a container, whose own layer does not last.
    ///   - mounts: what is mounted where; another table in tests.
    ///   - onCommit: called after each transaction, on the queue of the store; must not block.
    ///   - onChange: called when the store comes up, goes down or changes its place, on the queue of the store; must not block.
    package init(
        path: String?, retention: Retention = Retention(), queueLimit: Int = 8192, pace: StorePace = StorePace(),
        now: @escaping @Sendable () -> Timestamp = { .now }, clock: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        incidentsMayOpen: (@Sendable () -> Bool)? = nil, makesFolder: Bool = false,
        isContainer: Bool = false, logger: Logger,
        mounts: @escaping @Sendable () -> MountTable? = MountTable.current,
        onCommit: (@Sendable (StoreCommit) -> Void)? = nil, onChange: (@Sendable (StoreStatus) -> Void)? = nil
    ) {
        state = StoreState(path: path, queueLimit: queueLimit)
        file = path.map { StoreFile(path: $0, mounts: mounts, isContainer: isContainer, makesFolder: makesFolder) }
        engine = StoreEngine(
            state: state, file: file, retention: retention, pace: pace, now: now,
            clock: clock, logger: logger, onCommit: onCommit,
            onChange: onChange)
        self.pace = pace
        self.now = now
        let quietEnd = ContinuousClock.now + Self.quietTime
        self.incidentsMayOpen = incidentsMayOpen ?? { .now >= quietEnd }
    }

    /// Makes the folder of the file at once, where it is the store's to make: for what else is kept there. Blocks on the disk.
    /// - Returns: why there is none; nil also when somebody else has to make it.
    package func makeFolder() -> String? {
        do throws(StoreRefusal) {
            if let file, file.makesFolder { try file.makeFolder() }
            return nil
        } catch {
            return error.message
        }
    }

    /// Where the store stands; never waits.
    package var status: StoreStatus {
        let waiting = state.queue.withLock(\.count)
        var status = state.status.withLock { $0 }
        status.queue = max(status.queue, waiting)
        return status
    }

    package func record(_ observation: Observation) {
        let mayOpen = incidentsMayOpen()
        state.queue.withLock { $0.add(observation, incidentsMayOpen: mayOpen) }
    }

    /// Says which checks there are. Open incidents of others, also of an earlier run, end now.
    package func follow(_ checks: Set<CheckID>) {
        let time = now()
        state.queue.withLock { $0.follow(checks, at: time) }
    }

    /// Keeps the request, and what it says of its identity, as if that were a check: so it has history, sums and incidents.
    package func record(_ request: TokenRequestResult) {
        let mayOpen = incidentsMayOpen()
        state.queue.withLock {
            $0.add(request)
            $0.add(request.observation, incidentsMayOpen: mayOpen)
        }
    }

    /// Writes until the task is cancelled, then writes what is left and closes the file. Stop it after what records.
    package func run() async {
        while !Task.isCancelled {
            await engine.turn()
            try? await Task.sleep(for: pace.write, clock: .continuous)
        }
        await engine.close()
    }

    /// Writes what waits now instead of within a second.
    package func flush() async { await engine.turn() }

    /// Writes what waits and closes the file. Whatever is recorded or read afterwards opens it again.
    package func close() async { await engine.close() }

    package func answer<R: Sendable>(_ question: TableQuestion<R>) async throws(Failure) -> R {
        guard let queue = await engine.readingQueue() else {
            throw Failure(.probeInternal, during: .internal, detail: "the history cannot be read: \(status.message ?? "it is not open")")
        }
        do {
            return try await queue.read(question.ask)
        } catch {
            if Connection.trouble(error) == .corrupt { await engine.damageFound(by: queue) }
            throw Failure(.probeInternal, during: .internal, detail: "the history cannot be read: \(Connection.text(error))")
        }
    }
}
