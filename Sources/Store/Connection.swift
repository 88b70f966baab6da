// Opening SQLite: the settings of a connection, and what its errors mean.
import Diagnosis
import Dispatch
import GRDB

enum Connection {
    /// Begins a store in memory.
    static func memory(maximumSize: Int64) throws(StoreRefusal) -> DatabaseQueue {
        try refusing("memory") {
            let queue = try DatabaseQueue(
                configuration: configuration { db in
                    try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -256")
                    try setMaximum(maximumSize, db)
                })
            try queue.inDatabase { try Schema.migrate($0, now: Timestamp.now.milliseconds) }
            return queue
        }
    }

    /// Opens the file for writing. Its rights are in order and its lock is ours.
    ///
    /// **Throws**: `corrupt` for what should be set aside; `newerSchema` and `foreign` for what must not be touched.
    static func writer(_ file: StoreFile, maximumSize: Int64) throws(StoreRefusal) -> DatabaseQueue {
        let isShared = file.isOnNetwork
        return try refusing(file.path) {
            let queue = try DatabaseQueue(
                path: file.path,
                configuration: configuration { db in
                    // Exclusive locking has to be chosen before the first access. Without shared memory there is no write-ahead log.
                    if isShared { try db.execute(sql: "PRAGMA locking_mode = EXCLUSIVE") }
                    // No checkpoint but those we ask for: the same connection does all of them (SQLite before 3.51.3 may damage a file when
                    // two connections checkpoint at once). No memory map: a damaged page would end the process, not the call.
                    try db.execute(
                        sql: """
                            PRAGMA wal_autocheckpoint = 0; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -1024
                            """)
                })
            try queue.inDatabase { db in
                switch try Schema.origin(db) {
                case .empty: try db.execute(sql: "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL")
                case .foreign:
                    throw StoreRefusal(
                        trouble: .foreign,
                        message: "\(file.path) is a database of another program; set history.path to another file")
                case .ours(let version) where version > Schema.version: throw newer(file.path, version)
                case .ours: break
                }
                try db.execute(sql: "PRAGMA journal_mode = \(isShared ? "TRUNCATE" : "WAL"); PRAGMA synchronous = NORMAL")
                try db.execute(sql: "PRAGMA journal_size_limit = \(4 << 20)")
                try setMaximum(maximumSize, db)
            }
            try check(queue, within: .seconds(2))
            try queue.inDatabase { try Schema.migrate($0, now: Timestamp.now.milliseconds) }
            return queue
        }
    }

    /// Opens the file for reading, beside a writer or without one. Never writes, never checkpoints.
    static func reader(_ path: String) throws(StoreRefusal) -> DatabaseQueue {
        try refusing(path) {
            var configuration = configuration { db in
                try db.execute(
                    sql: """
                        PRAGMA query_only = 1; PRAGMA wal_autocheckpoint = 0; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;
                        PRAGMA cache_size = -1024
                        """)
            }
            configuration.readonly = true
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.inDatabase { db in
                switch try Schema.origin(db) {
                case .ours(let version) where version > Schema.version: throw newer(path, version)
                case .ours(let version) where version == Schema.version: break
                case .ours, .empty:
                    throw StoreRefusal(
                        trouble: .missing, message: "\(path) holds no history yet; let the service of this version write to it first")
                case .foreign:
                    throw StoreRefusal(trouble: .foreign, message: "\(path) is a database of another program, not a history of agent")
                }
            }
            return queue
        }
    }

    /// What an error of SQLite means for the store.
    static func trouble(_ error: any Error) -> StoreTrouble {
        guard let error = error as? DatabaseError else { return .io }
        return switch error.resultCode {
        case .SQLITE_FULL: .diskFull
        case .SQLITE_READONLY, .SQLITE_PERM: .readOnly
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: .corrupt
        case .SQLITE_BUSY, .SQLITE_LOCKED: .busy
        default: .io
        }
    }

    static func text(_ error: any Error) -> String {
        guard let error = error as? DatabaseError else { return "\(error)" }
        return "SQLite \(error.extendedResultCode.rawValue): \(error.message ?? "no message")"
    }

    static var libraryVersion: String {
        (try? DatabaseQueue().inDatabase { try String.fetchOne($0, sql: "SELECT sqlite_version()") }) ?? "unknown"
    }

    /// Whether this version of the library has the fault that resets a write-ahead log too early.
    ///
    /// **Source**: release notes of SQLite 3.51.3; versions from 3.7.0 on have it.
    static func mayDamageFiles(_ version: String) -> Bool {
        let numbers = version.split(separator: ".").map { Int($0) ?? 0 }
        return numbers.lexicographicallyPrecedes([3, 51, 3]) && !numbers.lexicographicallyPrecedes([3, 7])
    }

    private static func newer(_ path: String, _ version: Int64) -> StoreRefusal {
        StoreRefusal(
            trouble: .newerSchema,
            message: """
                \(path) was written by a later version of agent (schema \(version), this one knows \(Schema.version)); \
                use that version, or set history.path to another file
                """)
    }

    private static func configuration(_ setup: @escaping @Sendable (Database) throws -> Void) -> Configuration {
        var configuration = Configuration()
        configuration.label = "agent.store.sqlite"
        configuration.qos = .utility
        configuration.busyMode = .timeout(2)
        configuration.foreignKeysEnabled = false
        configuration.prepareDatabase(setup)
        return configuration
    }

    private static func setMaximum(_ bytes: Int64, _ db: Database) throws {
        let page = try Int64.fetchOne(db, sql: "PRAGMA page_size") ?? 4096
        _ = try Int64.fetchOne(db, sql: "PRAGMA max_page_count = \(max(16, bytes / page))")
    }

    /// Looks for damage, but not for longer than `limit`: a file of gigabytes is checked as far as that goes.
    private static func check(_ queue: DatabaseQueue, within limit: Duration) throws {
        let timer = Alarm(after: limit) { queue.interrupt() }
        defer { timer.cancel() }
        do {
            let finding = try queue.inDatabase { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }
            if let finding, finding != "ok" { throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: finding) }
        } catch let error as DatabaseError where error.resultCode == .SQLITE_INTERRUPT {
            return
        }
    }

    private static func refusing<R>(_ path: String, _ body: () throws -> R) throws(StoreRefusal) -> R {
        do {
            return try body()
        } catch let refusal as StoreRefusal {
            throw refusal
        } catch {
            throw StoreRefusal(trouble: trouble(error), message: "cannot use \(path): \(text(error))")
        }
    }
}
