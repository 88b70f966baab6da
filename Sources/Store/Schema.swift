// The tables, and how a file of an earlier version becomes one of this version.
//
// A routine success must be small and cheap. So it goes into `recent`, a log in order of arrival (the only page a commit touches is
// the last), and from time to time the log is cut into blocks of one check each, packed and in order of time. A table keyed by check
// and time was the alternative: a thousand checks would then write a thousand pages in turn, and leave each of them half empty.
import GRDB

enum Schema {
    /// `agnt`, so that `file` and a careful reader know whose database it is.
    static let applicationID: Int64 = 0x6167_6E74

    /// Each entry takes a file from its index to the next version; `PRAGMA user_version` counts them. Never edit one that was released.
    static let migrations: [@Sendable (Database) throws -> Void] = [first, second, third, fourth]

    static var version: Int64 { Int64(migrations.count) }

    /// A block ends when it holds this many bytes: four of them fill a page of 4 KiB without much waste.
    static let blockBytes = 900
    /// ... or spans this time, so that a reader knows how far before its range a block may begin. **Unit**: milliseconds.
    static let blockSpan: Int64 = 6 * 3600 * 1000

    /// **Shape**: times are milliseconds since the epoch; `ended` is the end of the probe. `data` is made by ``RecordCoding``.
    private static func first(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE checks (
                    id INTEGER PRIMARY KEY, target TEXT NOT NULL, identity TEXT NOT NULL, UNIQUE (target, identity)) STRICT;
                CREATE TABLE recent (
                    id INTEGER PRIMARY KEY, check_id INTEGER NOT NULL, ended INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
                CREATE TABLE block (
                    id INTEGER PRIMARY KEY, check_id INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
                    count INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
                CREATE INDEX block_by_check ON block (check_id, last);
                CREATE INDEX block_by_time ON block (last, first);
                -- What was said about a failure; failures of a day that say the same, but for some words, share one.
                CREATE TABLE report (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, failure TEXT NOT NULL) STRICT;
                CREATE TABLE failure (
                    id INTEGER PRIMARY KEY, check_id INTEGER NOT NULL, ended INTEGER NOT NULL, report_id INTEGER NOT NULL,
                    data BLOB NOT NULL) STRICT;
                CREATE INDEX failure_by_check ON failure (check_id, ended);
                CREATE INDEX failure_by_time ON failure (ended);
                -- One row per fact that changed; the value is JSON.
                CREATE TABLE fact (
                    id INTEGER PRIMARY KEY, check_id INTEGER NOT NULL, name TEXT NOT NULL, time INTEGER NOT NULL,
                    value TEXT NOT NULL) STRICT;
                CREATE INDEX fact_by_check ON fact (check_id, name, time);
                CREATE TABLE token (
                    id INTEGER PRIMARY KEY, time INTEGER NOT NULL, identity TEXT NOT NULL, resource TEXT NOT NULL,
                    source TEXT NOT NULL, duration INTEGER NOT NULL, expires INTEGER, same INTEGER, failure TEXT) STRICT;
                CREATE INDEX token_by_time ON token (time);
                CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
                """)
    }

    /// Incidents and sums. What the file holds already is summed up; incidents begin now, because nobody applied their rules before.
    private static func second(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE incident (
                    id INTEGER PRIMARY KEY, check_id INTEGER NOT NULL, opened INTEGER NOT NULL, closed INTEGER, last INTEGER NOT NULL,
                    failures INTEGER NOT NULL, causes TEXT NOT NULL, UNIQUE (check_id, opened)) STRICT;
                CREATE INDEX incident_by_time ON incident (opened);
                CREATE INDEX incident_open ON incident (check_id) WHERE closed IS NULL;
                -- Sums of a check over an hour (span 0) or a day (span 1) that begins at start.
                CREATE TABLE rollup (
                    span INTEGER NOT NULL, check_id INTEGER NOT NULL, start INTEGER NOT NULL, data BLOB NOT NULL,
                    PRIMARY KEY (span, check_id, start)) STRICT, WITHOUT ROWID;
                """)
        try RollupTables.fill(db)
    }

    /// When each check last worked, for as long as there is the file.
    private static func third(_ db: Database) throws {
        try db.execute(
            sql: """
                -- The newest success that left the log, and the newest of them before the newest failure.
                CREATE TABLE good (check_id INTEGER PRIMARY KEY, ended INTEGER NOT NULL, before INTEGER) STRICT;
                """)
        try GoodTables.fill(db)
    }

    /// Failures keep the words in which they differ from their report.
    private static func fourth(_ db: Database) throws { try db.execute(sql: "ALTER TABLE failure ADD COLUMN words TEXT") }

    /// Brings the tables up to date, in one transaction.
    static func migrate(_ db: Database, now: Int64) throws {
        let from = try Int64.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard from < version else { return }
        try db.inTransaction(.immediate) {
            for migration in migrations[Int(from)...] { try migration(db) }
            try db.execute(sql: "PRAGMA application_id = \(applicationID)")
            try db.execute(sql: "PRAGMA user_version = \(version)")
            if from == 0 { try db.execute(sql: "INSERT INTO meta VALUES ('created', ?)", arguments: [String(now)]) }
            return .commit
        }
    }

    /// Whose file this is.
    enum Origin: Hashable { case empty, ours(version: Int64), foreign }

    static func origin(_ db: Database) throws -> Origin {
        let application = try Int64.fetchOne(db, sql: "PRAGMA application_id") ?? 0
        let version = try Int64.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        if application == applicationID { return .ours(version: version) }
        let isEmpty = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") == 0
        return isEmpty && application == 0 && version == 0 ? .empty : .foreign
    }
}
