// Sums by hour and day: made from records on their way out of the log, each counted exactly once.
//
// A success is counted in the transaction that takes it out of `recent`, a failure in the one that moves the mark in `meta` past it. What
// still waits is added by the reader, so that an answer is never behind.
import Diagnosis
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum RollupTables {
    /// The number of the last failure that was counted, in `meta`.
    private static let mark = "rolled_failure"

    /// Sums being collected.
    struct Sums {
        private(set) var rows: [RollupSum.Key: RollupSum] = [:]
        private var causes: [Int64: String] = [:]
        /// Only one span when a reader wants no more.
        var spans = Rollup.Span.allCases

        mutating func add(check: Int64, ended: Int64, _ record: Record, cause: String? = nil) {
            guard !record.kind.isPartial else { return }
            for span in spans { rows[RollupSum.Key(span, check: check, ended: ended), default: RollupSum()].add(record, cause: cause) }
        }

        /// - Returns: how the probe ended; nil when the data are damaged.
        @discardableResult
        mutating func add(check: Int64, ended: Int64, data: Data) -> RecordKind? {
            var reader = ByteReader([UInt8](data))
            guard let record = RecordCoding.decode(&reader) else { return nil }
            add(check: check, ended: ended, record)
            return record.kind
        }

        /// Failures with numbers above `number`.
        /// - Returns: the highest number that was seen.
        mutating func addFailures(_ db: Database, after number: Int64, check: Int64? = nil) throws -> Int64 {
            var last = number
            let rows = try Row.fetchCursor(
                db, sql: "SELECT id, check_id, ended, data, report_id FROM failure WHERE id > ? \(check == nil ? "" : "AND check_id = ?")",
                arguments: check.map { [number, $0] } ?? [number])
            while let row = try rows.next() {
                last = max(last, row[0])
                var reader = ByteReader([UInt8](row[3] as Data))
                guard let record = RecordCoding.decode(&reader) else { continue }
                add(check: row[1], ended: row[2], record, cause: try cause(of: row[4], db))
            }
            return last
        }

        private mutating func cause(of report: Int64, _ db: Database) throws -> String {
            if let known = causes[report] { return known }
            let text = try String.fetchOne(db.cachedStatement(sql: "SELECT failure FROM report WHERE id = ?"), arguments: [report])
            let code = JSON(parsing: text ?? "")?["cause"]?.text ?? Cause.unclassified.rawValue
            causes[report] = code
            return code
        }

        /// Adds everything to the table and forgets it.
        mutating func flush(_ db: Database) throws {
            for (key, sum) in rows {
                var sum = sum
                let old = try Data.fetchOne(
                    db.cachedStatement(sql: "SELECT data FROM rollup WHERE span = ? AND check_id = ? AND start = ?"),
                    arguments: [key.span, key.check, key.start])
                if let old = old.flatMap({ RollupSum([UInt8]($0)) }) { sum.add(old) }
                try db.cachedStatement(sql: "INSERT OR REPLACE INTO rollup (span, check_id, start, data) VALUES (?, ?, ?, ?)")
                    .execute(arguments: [key.span, key.check, key.start, Data(sum.encoded)])
            }
            rows = [:]
        }
    }

    /// The number of the last failure that was counted.
    static func counted(_ db: Database) throws -> Int64 {
        try String.fetchOne(db, sql: "SELECT value FROM meta WHERE name = ?", arguments: [mark]).flatMap { Int64($0) } ?? 0
    }

    /// Failures that were not counted yet.
    static func waiting(_ db: Database) throws -> Int {
        try Int.fetchOne(db, sql: "SELECT count(*) FROM failure WHERE id > ?", arguments: [counted(db)]) ?? 0
    }

    /// Counts the failures that wait. Inside a transaction.
    static func countFailures(_ db: Database, into sums: inout Sums) throws {
        let last = try sums.addFailures(db, after: counted(db))
        try db.execute(sql: "INSERT OR REPLACE INTO meta VALUES (?, ?)", arguments: [mark, String(last)])
    }

    /// Numbers of deleted rows are given again when they were the highest; the mark must not stand above what is there.
    static func lowerMark(_ db: Database) throws {
        let highest = try Int64.fetchOne(db, sql: "SELECT max(id) FROM failure") ?? 0
        if try counted(db) > highest {
            try db.execute(sql: "INSERT OR REPLACE INTO meta VALUES (?, ?)", arguments: [mark, String(highest)])
        }
    }

    /// Counts what a file of an earlier version holds, one check after the other. The log is counted when it is cut.
    static func fill(_ db: Database) throws {
        let last = try Int64.fetchOne(db, sql: "SELECT max(id) FROM failure") ?? 0
        for check in try Int64.fetchAll(db, sql: "SELECT id FROM checks") {
            var sums = Sums()
            let blocks = try Row.fetchCursor(
                db.cachedStatement(sql: "SELECT first, data FROM block WHERE check_id = ? ORDER BY last"), arguments: [check])
            while let row = try blocks.next() {
                for (ended, record) in Block.unpack(first: row[0], data: [UInt8](row[1] as Data)) {
                    sums.add(check: check, ended: ended, record)
                }
            }
            _ = try sums.addFailures(db, after: 0, check: check)
            try sums.flush(db)
        }
        try db.execute(sql: "INSERT OR REPLACE INTO meta VALUES (?, ?)", arguments: [mark, String(last)])
    }

    /// The newest rows, what is not in the table yet added.
    static func read(_ db: Database, _ query: RollupQuery) throws -> [Rollup] {
        guard query.limit > 0 else { return [] }
        let names = try HistoryTables.checks(db, check: query.check, target: query.target)
        let since = query.since.map { RollupSum.Key(query.span, check: 0, ended: $0.milliseconds).start } ?? .min
        var sums = Sums()
        sums.spans = [query.span]
        let recent = try Row.fetchCursor(db, sql: "SELECT check_id, ended, data FROM recent WHERE ended >= ?", arguments: [since])
        while let row = try recent.next() {
            if names[row[0]] != nil { sums.add(check: row[0], ended: row[1], data: row[2]) }
        }
        _ = try sums.addFailures(db, after: counted(db))
        var rows = sums.rows.filter { names[$0.key.check] != nil && $0.key.start >= since }
        for check in names.keys {
            let stored = try Row.fetchCursor(
                db,
                sql: "SELECT start, data FROM rollup WHERE span = ? AND check_id = ? AND start >= ? ORDER BY start DESC LIMIT ?",
                arguments: [query.span.stored, check, since, query.limit])
            while let row = try stored.next() {
                guard let sum = RollupSum([UInt8](row[1] as Data)) else { continue }
                rows[RollupSum.Key(query.span, check: check, ended: row[0]), default: RollupSum()].add(sum)
            }
        }
        let newest = rows.sorted { ($0.key.start, $1.key.check) > ($1.key.start, $0.key.check) }.prefix(query.limit)
        return newest.compactMap { key, sum in names[key.check].map { sum.rollup($0, query.span, start: key.start) } }
    }

    /// Deletes the oldest rows of a span, at most `step`.
    /// - Returns: how many went.
    static func prune(_ db: Database, _ span: Rollup.Span, before oldest: Int64, step: Int) throws -> Int {
        // By check, because the key begins with it: a seek a check, and no second index on millions of rows.
        try db.execute(
            sql: """
                DELETE FROM rollup WHERE (span, check_id, start) IN (
                    SELECT old.span, old.check_id, old.start FROM checks
                    JOIN rollup AS old ON old.span = ? AND old.check_id = checks.id AND old.start < ? LIMIT \(step))
                """, arguments: [span.stored, oldest])
        return db.changesCount
    }
}
