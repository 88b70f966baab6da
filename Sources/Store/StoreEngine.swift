// The one owner of the database: opens it, writes to it, cleans up, and finds a way when it cannot.
import Diagnosis
import GRDB
import Logging
import Synchronization

/// **Isolation**: every method runs on the queue of the store, so each may wait for the disk.
actor StoreEngine {
    private nonisolated let executor = QueueExecutor(label: "agent.store")
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    private let state: StoreState
    private let file: StoreFile?
    private let retention: Retention
    private let pace: StorePace
    private let now: @Sendable () -> Timestamp
    /// By which it is due to look for old records and to copy the log back.
    private let clock: @Sendable () -> ContinuousClock.Instant
    private let logger: Logger
    private let onCommit: (@Sendable (StoreCommit) -> Void)?
    private let onChange: (@Sendable (StoreStatus) -> Void)?

    private var writer: StoreWriter?
    private var reader: DatabaseQueue?
    private var lock: FileLock?
    private var isInFile = false
    /// Taken from the queue and not written yet.
    private var held: [PendingRecord] = []
    private var retryPause: Duration
    private var retryAt: ContinuousClock.Instant?
    private var reopenAt: ContinuousClock.Instant?
    private var pruneAt: ContinuousClock.Instant?
    private var checkpointAt: ContinuousClock.Instant?
    private var truncateAt: ContinuousClock.Instant?
    private var recoveredAt: ContinuousClock.Instant?
    private var published: StoreStatus?

    /// Records of one transaction at most.
    static let batchLimit = 500
    /// The write-ahead log is copied back and cut off at this size. **Unit**: bytes.
    private static let walLimit: Int64 = 1 << 20

    init(
        state: StoreState, file: StoreFile?, retention: Retention, pace: StorePace, now: @escaping @Sendable () -> Timestamp,
        clock: @escaping @Sendable () -> ContinuousClock.Instant, logger: Logger, onCommit: (@Sendable (StoreCommit) -> Void)?,
        onChange: (@Sendable (StoreStatus) -> Void)?
    ) {
        self.state = state
        self.file = file
        self.retention = retention
        self.pace = pace
        self.now = now
        self.clock = clock
        self.logger = logger
        self.onCommit = onCommit
        self.onChange = onChange
        retryPause = pace.retry
    }

    /// One turn: writes what waits and does what is due.
    func turn() {
        open()
        reopen()
        drain()
        maintain()
        publish()
    }

    /// Writes what waits, even if a retry were not due yet, and leaves the file complete in itself.
    func close() {
        open()
        retryAt = nil
        drain()
        let lost = held.count + state.queue.withLock(\.count)
        if lost > 0 {
            let cause = state.status.withLock { status in
                let cause = status.trouble ?? .io
                status.failures[cause, default: 0] += UInt64(lost)
                return cause
            }
            logger.error(
                "Records could not be written before the end", metadata: ["store.records": "\(lost)", "failure.cause": "\(cause.rawValue)"])
        }
        checkpoint(.truncate)
        publish()
        reader = nil
        try? writer?.queue.close()
        writer = nil
        lock = nil
        isInFile = false
    }

    /// The connection to read from.
    func readingQueue() -> DatabaseQueue? {
        open()
        guard isInFile, let file, !file.isOnNetwork else { return writer?.queue }
        if reader == nil { reader = try? Connection.reader(file.path) }
        return reader ?? writer?.queue
    }

    /// A reader met damage: the file is set aside and a new one begun. Another reader may have said so before, and this one still have read
    /// what was set aside then: that is no news.
    func damageFound(by queue: DatabaseQueue) {
        guard queue === reader || queue === writer?.queue else { return }
        recover()
        publish()
    }

    // MARK: Opening

    private func open() {
        guard writer == nil else { return }
        tellVersion()
        guard let file else { return openMemory() }
        do {
            try openFile(file)
        } catch {
            note(error.trouble, error.message, isUp: false)
            if error.trouble.mayPass { reopenAt = .now + pace.reopen }
            openMemory()
        }
    }

    /// Tells once which SQLite this is.
    private func tellVersion() {
        guard state.status.withLock(\.sqliteVersion).isEmpty else { return }
        let version = HistoryStore.sqliteVersion
        state.status.withLock { $0.sqliteVersion = version }
        // No warning: with the one connection that the agent uses the fault does not show, and whole distributions have it.
        let caution = "; it may damage a file that two connections write, so let no other program write the history"
        logger.notice(
            "The history is kept by SQLite\(file != nil && Connection.mayDamageFiles(version) ? caution : "")",
            metadata: ["sqlite.version": "\(version)"])
    }

    private func openFile(_ file: StoreFile) throws(StoreRefusal) {
        if file.makesFolder { try file.makeFolder() }
        if lock == nil { lock = try FileLock.of(file) }
        do throws(StoreRefusal) {
            writer = try openWriter(file)
        } catch {
            lock = nil
            throw error
        }
        isInFile = true
        let fleeting = file.fleeting
        state.status.withLock { ($0.mode, $0.fleeting) = (.file, fleeting) }
        if let fleeting {
            // No warning: it works, and many containers are meant to be so.
            logger.notice(
                "The history does not last where it lies", metadata: ["store.path": "\(file.path)", "store.place": "\(fleeting.text)"])
        }
        if file.isOnNetwork {
            logger.warning(
                "The history lies on a network or FUSE file system; it is locked for other readers. A local disk is better",
                metadata: ["store.path": "\(file.path)"])
        }
    }

    private func openWriter(_ file: StoreFile) throws(StoreRefusal) -> StoreWriter {
        try file.prepare()
        let queue: DatabaseQueue
        do throws(StoreRefusal) {
            queue = try Connection.writer(file, maximumSize: retention.maximumSize)
        } catch {
            guard error.trouble == .corrupt else { throw error }
            try setAside(file, because: error.message)
            queue = try Connection.writer(file, maximumSize: retention.maximumSize)
        }
        do {
            let open = try queue.inDatabase { try IncidentTables.open($0) }
            let time = now()
            state.queue.withLock { $0.adopt(open, at: time) }
            return try StoreWriter(queue)
        } catch {
            throw StoreRefusal(trouble: Connection.trouble(error), message: "cannot read \(file.path): \(Connection.text(error))")
        }
    }

    private func openMemory() {
        isInFile = false
        state.status.withLock { ($0.mode, $0.fleeting) = (.memory, nil) }
        do {
            writer = try StoreWriter(Connection.memory(maximumSize: retention.maximumMemory))
        } catch {
            note(Connection.trouble(error), "cannot keep history in memory: \(Connection.text(error))", isUp: false)
        }
    }

    /// Tries the file again while memory stands in for it, and takes along what was recorded meanwhile.
    private func reopen() {
        guard let file, !isInFile, let due = reopenAt, due <= .now else { return }
        let memory = writer
        do {
            try openFile(file)
        } catch {
            reopenAt = .now + pace.reopen
            note(error.trouble, error.message, isUp: false)
            return
        }
        reopenAt = nil
        if let memory {
            do {
                for batch in try StoreTransfer.batches(memory.queue, size: Self.batchLimit) { try writer?.write(batch) }
            } catch {
                logger.warning("What was kept in memory could not be written to the file", metadata: ["error": "\(Connection.text(error))"])
            }
            try? memory.queue.close()
        }
        state.noteWell(logger)
    }

    private func setAside(_ file: StoreFile, because reason: String) throws(StoreRefusal) {
        let name = try file.setAside(at: now())
        state.status.withLock { $0.recoveries[.corrupt, default: 0] += 1 }
        logger.error(
            "The history file is damaged; it was renamed and a new one begun",
            metadata: ["store.path": "\(file.path)", "store.renamed": "\(name)", "error": "\(reason)"])
        try file.prepare()
    }

    /// Begins a new file after damage was met; more than once a minute means that the disk is to blame, and memory takes over.
    private func recover() {
        guard isInFile, let file else { return }
        reader = nil
        try? writer?.queue.close()
        writer = nil
        isInFile = false
        let isFirst = recoveredAt.map { $0 + .seconds(60) < .now } ?? true
        recoveredAt = .now
        do throws(StoreRefusal) {
            guard isFirst else {
                throw StoreRefusal(trouble: .corrupt, message: "\(file.path) was damaged again within a minute; look at the disk")
            }
            try setAside(file, because: "found while it was in use")
            try openFile(file)
        } catch {
            note(error.trouble, error.message, isUp: false)
            reopenAt = .now + pace.reopen
            openMemory()
        }
    }

    // MARK: Writing

    private func drain() {
        while writer != nil, retryAt.map({ $0 <= .now }) ?? true {
            if held.isEmpty { held = state.queue.withLock { $0.take(Self.batchLimit) } }
            guard !held.isEmpty else { break }
            let start = ContinuousClock.now
            do {
                try writer?.write(held)
                let commit = StoreCommit(records: held.count, duration: .now - start)
                held = []
                retryAt = nil
                retryPause = pace.retry
                state.status.withLock { $0.records += UInt64(commit.records) }
                if file == nil || isInFile { state.noteWell(logger) }
                onCommit?(commit)
                limitLog()
                // Usually it is cut after all of them; but a long log leaves a small file no room to be cut in.
                if let writer, writer.recentCount > 2 * writer.recentLimit { try self.writer?.packIfDue(now: now()) }
            } catch {
                guard goesOn(after: error) else { break }
            }
        }
        let dropped = state.queue.withLock { $0.takeDropped() }
        if dropped > 0 { state.status.withLock { $0.failures[$0.trouble ?? .overflow, default: 0] += dropped } }
    }

    /// Deals with a refused batch.
    /// - Returns: whether there is a point in writing again at once.
    private func goesOn(after error: any Error) -> Bool {
        let trouble = Connection.trouble(error)
        state.status.withLock { $0.refusedWrites[trouble, default: 0] += 1 }
        if let code = (error as? DatabaseError)?.resultCode, Self.unfit.contains(code) {
            // It is the records, not the disk: trying again would stop everything behind them.
            state.status.withLock { $0.failures[.io, default: 0] += UInt64(held.count) }
            logger.error(
                "Records do not fit the tables and are dropped",
                metadata: ["store.records": "\(held.count)", "error": "\(Connection.text(error))"])
            held = []
            return true
        }
        note(trouble, "cannot write to \(file?.path ?? "memory"): \(Connection.text(error))", isUp: false)
        if trouble == .corrupt, isInFile {
            recover()
            return true
        }
        retryAt = .now + retryPause
        retryPause = min(retryPause * 2, pace.retryLimit)
        return trouble == .diskFull && makeRoom()
    }

    private static let unfit: [ResultCode] = [.SQLITE_CONSTRAINT, .SQLITE_TOOBIG, .SQLITE_MISMATCH, .SQLITE_ERROR]

    /// The file has its largest size, or the disk is full, and nobody says which: the log is cut off, and old records make room inside the file.
    /// - Returns: whether there is room now.
    private func makeRoom() -> Bool {
        // To cut the log takes more room than a batch: what is not too large yet is too large for it.
        let limit = (isInFile ? retention.maximumSize : retention.maximumMemory) / 10 * 8
        var hasRoom = walSize > 0 && checkpoint(.truncate)
        if let pruned = try? writer?.prune(retention, now: now(), maximumSize: limit), pruned.rows > 0 {
            state.status.withLock { $0.pruned += UInt64(pruned.records) }
            hasRoom = true
        }
        if hasRoom { retryAt = nil }
        return hasRoom
    }

    // MARK: Maintenance

    private func maintain() {
        if isInFile, let file, !StoreFile.exists(file.path) { return vanished(file) }
        do {
            if retryAt == nil { try writer?.packIfDue(now: now()) }
            limitLog()
            try prune()
        } catch {
            let trouble = Connection.trouble(error)
            note(trouble, "cannot tidy up \(file?.path ?? "memory"): \(Connection.text(error))", isUp: false)
            if trouble == .corrupt, isInFile { return recover() }
            retryAt = .now + retryPause
            if trouble == .diskFull { _ = makeRoom() }
        }
        if checkpointAt.map({ $0 <= clock() }) ?? true { checkpoint(.passive) }
    }

    /// Copies the log back before it takes more room than the database itself: on a disk that is nearly full it could not be copied later.
    private func limitLog() {
        guard walSize > Self.walLimit, truncateAt.map({ $0 <= .now }) ?? true else { return }
        checkpoint(.truncate)
    }

    /// **Unit**: bytes.
    private var walSize: Int64 { isInFile ? file.map { StoreFile.size(of: $0.wal) } ?? 0 : 0 }

    private func prune() throws {
        guard pruneAt.map({ $0 <= clock() }) ?? true, retryAt == nil else { return }
        pruneAt = clock() + retention.pause
        let limit = isInFile ? retention.maximumSize : retention.maximumMemory
        let end = ContinuousClock.now + .milliseconds(100)
        while let step = try writer?.prune(retention, now: now(), maximumSize: limit), step.rows > 0 {
            state.status.withLock { $0.pruned += UInt64(step.records) }
            if !step.hasMore || .now > end { break }
        }
    }

    /// - Returns: whether everything is in the database file now.
    @discardableResult
    private func checkpoint(_ mode: Database.CheckpointMode) -> Bool {
        guard isInFile, let queue = writer?.queue else { return false }
        checkpointAt = clock() + pace.checkpoint
        truncateAt = nil
        do {
            let frames = try queue.inDatabase { try $0.checkpoint(mode) }
            guard frames.walFrameCount == frames.checkpointedFrameCount else { return false }
            state.status.withLock { $0.lastCheckpoint = now() }
            return true
        } catch {
            // A reader in the middle of something long: each attempt waits for it a while, so not at every turn. For want of space it is
            // tried again at once: the next commits would only make it worse.
            if Connection.trouble(error) == .busy { truncateAt = .now + .seconds(10) }
            return false
        }
    }

    /// Somebody removed the file: what is written now would be gone at the end.
    private func vanished(_ file: StoreFile) {
        logger.warning("The history file was removed; a new one is begun", metadata: ["store.path": "\(file.path)"])
        reader = nil
        try? writer?.queue.close()
        writer = nil
        isInFile = false
        state.status.withLock { $0.recoveries[.missing, default: 0] += 1 }
        open()
    }

    // MARK: Status

    private func note(_ trouble: StoreTrouble, _ message: String, isUp: Bool) { state.note(trouble, message, isUp: isUp, logger) }

    private func publish() {
        let size = (try? writer?.size()) ?? 0
        let wal = walSize
        let waiting = held.count + state.queue.withLock(\.count)
        let status = state.status.withLock { status in
            (status.size, status.walSize, status.queue) = (size, wal, waiting)
            return status
        }
        defer { published = status }
        if let published,
            (published.isUp, published.mode, published.fleeting, published.trouble)
                == (status.isUp, status.mode, status.fleeting, status.trouble)
        {
            return
        }
        onChange?(status)
    }
}
