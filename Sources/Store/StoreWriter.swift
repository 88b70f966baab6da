// The writing half: batches into tables, the log into blocks, old records out. Plain calls on an open database.
import Diagnosis
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Writes to one open database. What it remembers of the tables is forgotten when a transaction fails.
struct StoreWriter {
    let queue: DatabaseQueue
    private var checks: [CheckID: Int64] = [:]
    private var reports = ReportBook()
    private var facts: [Int64: [String: String]] = [:]
    /// Rows in `recent`.
    private(set) var recentCount = 0
    /// Failures that are in no sum yet.
    private var failureCount = 0
    /// When the log was cut last, or first looked at. **Unit**: milliseconds of the wall clock.
    private var packed: Int64?

    init(_ queue: DatabaseQueue) throws {
        self.queue = queue
        (recentCount, failureCount) = try queue.inDatabase {
            (try Int.fetchOne($0, sql: "SELECT count(*) FROM recent") ?? 0, try RollupTables.waiting($0))
        }
    }

    /// Writes all of the batch or nothing.
    mutating func write(_ batch: [PendingRecord]) throws {
        do {
            var writer = self
            try queue.inDatabase { db in
                try db.inTransaction(.immediate) {
                    for record in batch { try writer.write(record, db) }
                    return .commit
                }
            }
            self = writer
        } catch {
            (checks, reports, facts) = ([:], ReportBook(), [:])
            throw error
        }
    }

    private mutating func write(_ record: PendingRecord, _ db: Database) throws {
        switch record {
        case .routine(let check, let ended, let data):
            let id = try self.id(of: check, db)
            try db.cachedStatement(sql: "INSERT INTO recent (check_id, ended, data) VALUES (?, ?, ?)")
                .execute(arguments: [id, ended, Data(data)])
            recentCount += 1
        case .failure(let check, let ended, let data, let failure):
            let id = try self.id(of: check, db)
            let (report, words) = try reports.place(failure, check: id, time: ended, db)
            try db.cachedStatement(sql: "INSERT INTO failure (check_id, ended, report_id, data, words) VALUES (?, ?, ?, ?, ?)")
                .execute(arguments: [id, ended, report, Data(data), words])
            failureCount += 1
        case .facts(let check, let time, let values):
            let id = try self.id(of: check, db)
            var known = try facts[id] ?? latestFacts(id, db)
            for fact in values where known[fact.name] != fact.value {
                // Of a budget only the last word counts: it changes with every login.
                if fact.name == "wake" { try db.execute(sql: "DELETE FROM fact WHERE check_id = ? AND name = 'wake'", arguments: [id]) }
                try db.cachedStatement(sql: "INSERT INTO fact (check_id, name, time, value) VALUES (?, ?, ?, ?)")
                    .execute(arguments: [id, fact.name, time, fact.value])
                known[fact.name] = fact.value
            }
            facts[id] = known
        case .good(let check, let ended):
            var goods = GoodTables.Notes()
            try goods.add(check: id(of: check, db), ended: ended, db)
            try goods.flush(db)
        case .token(let request):
            try write(request, db)
        case .incident(let incident):
            try IncidentTables.write(db, incident, check: id(of: incident.check, db))
        }
    }

    private func write(_ request: TokenRequestResult, _ db: Database) throws {
        var (expires, same, failure): (Int64?, Bool?, String?) = (nil, nil, nil)
        switch request.outcome {
        case .acquired(let end, let isSameToken): (expires, same) = (end.milliseconds, isSameToken)
        case .failed(let reason): failure = Reports.text(of: reason)
        }
        try db.cachedStatement(
            sql: """
                INSERT INTO token (time, identity, resource, source, duration, expires, same, failure) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            request.time.milliseconds, request.identity, request.resource.rawValue, request.source.rawValue,
            Int64(request.duration.seconds * 1e6), expires, same, failure,
        ])
    }

    private mutating func id(of check: CheckID, _ db: Database) throws -> Int64 {
        if let id = checks[check] { return id }
        try db.execute(
            sql: "INSERT OR IGNORE INTO checks (target, identity) VALUES (?, ?)", arguments: [check.target, check.identity])
        let id = try Int64.fetchOne(
            db, sql: "SELECT id FROM checks WHERE target = ? AND identity = ?", arguments: [check.target, check.identity])
        guard let id else { throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "a row just written is not there") }
        checks[check] = id
        return id
    }

    private func latestFacts(_ check: Int64, _ db: Database) throws -> [String: String] {
        var known: [String: String] = [:]
        for row in try Row.fetchAll(
            db, sql: "SELECT name, value FROM fact WHERE check_id = ? ORDER BY time, id", arguments: [check])
        { known[row[0]] = row[1] as String }
        return known
    }

    // MARK: Blocks

    /// How long the log may grow: enough for a block to hold several records of each check, never so much that reading it is slow.
    var recentLimit: Int { min(max(2048, 16 * checks.count), 65_536) }

    /// How long records may stay in the log; a block spans no more. **Unit**: milliseconds.
    private static let packSpan = Schema.blockSpan

    /// Cuts the log when it is long or old.
    mutating func packIfDue(now: Timestamp) throws {
        let last = min(packed ?? now.milliseconds, now.milliseconds)
        packed = last
        let isOld = now.milliseconds - last >= Self.packSpan && recentCount + failureCount > 0
        if isOld || recentCount > recentLimit || failureCount > recentLimit { try pack(now: now) }
    }

    /// Cuts the log into blocks, and adds what leaves it to the sums by hour and day.
    private mutating func pack(now: Timestamp) throws {
        try queue.inDatabase { db in
            try db.inTransaction(.immediate) {
                let rows = try Row.fetchCursor(db, sql: "SELECT check_id, ended, data FROM recent ORDER BY check_id, ended, id")
                var block: Block?
                var (sums, goods) = (RollupTables.Sums(), GoodTables.Notes())
                while let row = try rows.next() {
                    let (check, ended): (Int64, Int64) = (row[0], row[1])
                    if sums.add(check: check, ended: ended, data: row[2]) == .succeeded { try goods.add(check: check, ended: ended, db) }
                    if let full = block, full.check != check || !full.accepts(ended: ended) {
                        try Self.insert(full, db)
                        block = nil
                    }
                    block = block ?? Block(check: check, first: ended)
                    block?.append(ended: ended, record: [UInt8](row[2] as Data))
                }
                if let block { try Self.insert(block, db) }
                try db.execute(sql: "DELETE FROM recent")
                try RollupTables.countFailures(db, into: &sums)
                try sums.flush(db)
                try goods.flush(db)
                return .commit
            }
        }
        (recentCount, failureCount) = (0, 0)
        packed = now.milliseconds
    }

    private static func insert(_ block: Block, _ db: Database) throws {
        try db.cachedStatement(sql: "INSERT INTO block (check_id, first, last, count, data) VALUES (?, ?, ?, ?, ?)")
            .execute(arguments: [block.check, block.first, block.last, block.count, Data(block.data)])
    }

    // MARK: Retention

    /// One small step of deletion.
    mutating func prune(_ retention: Retention, now: Timestamp, maximumSize: Int64) throws -> Pruned {
        func cutoff(_ age: Duration) -> Int64 { (now + (.zero - age)).milliseconds }
        let step = retention.step
        let (pruned, reportsGone) = try queue.inDatabase { db in
            var (deleted, sums, more, reportsGone) = (0, 0, false, false)
            try db.inTransaction(.immediate) {
                let isTooLarge = try Self.usedSize(db) > maximumSize / 10 * 9
                for oldest in [cutoff(retention.successes), isTooLarge ? .max : nil].compactMap({ $0 }) {
                    let blocks = "SELECT id FROM block WHERE last < ? ORDER BY last LIMIT \(step)"
                    deleted += try Int.fetchOne(db, sql: "SELECT total(count) FROM block WHERE id IN (\(blocks))", arguments: [oldest]) ?? 0
                    try db.execute(sql: "DELETE FROM block WHERE id IN (\(blocks))", arguments: [oldest])
                    more = more || db.changesCount == step
                }
                // Failures are what people look for: they go for want of space only when nothing else is left.
                let isFullOfFailures = isTooLarge && deleted == 0
                for (table, column, oldest) in [
                    ("failure", "ended", isFullOfFailures ? .max : cutoff(retention.failures)),
                    ("token", "time", isFullOfFailures ? .max : cutoff(retention.changes)),
                ] {
                    try db.execute(
                        sql:
                            "DELETE FROM \(table) WHERE id IN (SELECT id FROM \(table) WHERE \(column) < ? ORDER BY \(column) LIMIT \(step))",
                        arguments: [oldest])
                    deleted += db.changesCount
                    more = more || db.changesCount == step
                }
                try RollupTables.lowerMark(db)
                // Sums and incidents stand for years in little room: for want of space they go last, one kind after the other.
                let (hourly, daily) = (cutoff(retention.hourly), cutoff(retention.daily))
                for prune: (Int64?) throws -> Int in [
                    { try RollupTables.prune(db, .hour, before: $0 ?? hourly, step: step) },
                    { try IncidentTables.prune(db, before: $0 ?? daily, step: step) },
                    { try RollupTables.prune(db, .day, before: $0 ?? daily, step: step) },
                ] {
                    let count = try prune(isTooLarge && deleted + sums == 0 ? .max : nil)
                    sums += count
                    more = more || count == step
                }
                // Reports and replaced facts have no index of time; they are few and in order of their numbers.
                let unused = try Int64.fetchOne(db, sql: "SELECT min(ended) FROM failure") ?? .max
                try db.execute(
                    sql: "DELETE FROM report WHERE id IN (SELECT id FROM report WHERE time < ? ORDER BY id LIMIT \(step))",
                    arguments: [unused == .max ? .max : unused - ReportBook.span])
                reportsGone = db.changesCount > 0
                try db.execute(
                    sql: """
                        DELETE FROM fact WHERE id IN (SELECT id FROM fact AS old WHERE time < ? AND EXISTS (
                            SELECT 1 FROM fact AS new WHERE new.check_id = old.check_id AND new.name = old.name AND new.time > old.time)
                        ORDER BY id LIMIT \(step))
                        """, arguments: [cutoff(retention.changes)])
                return .commit
            }
            // Gives pages back to the disk, a mebibyte at a time. Outside of the transaction: the pragma wants to be alone.
            if deleted + sums > 0 { _ = try Row.fetchAll(db, sql: "PRAGMA incremental_vacuum(256)") }
            return (Pruned(records: deleted, rows: deleted + sums, hasMore: more), reportsGone)
        }
        if reportsGone { reports.forget() }
        return pruned
    }

    /// What one step of deletion did.
    struct Pruned {
        /// Observations and requests for tokens.
        var records: Int
        /// The same with sums and incidents.
        var rows: Int
        /// Whether there may be more to delete.
        var hasMore: Bool
    }

    private static func usedSize(_ db: Database) throws -> Int64 {
        let page = try Int64.fetchOne(db, sql: "PRAGMA page_size") ?? 0
        let pages = try Int64.fetchOne(db, sql: "PRAGMA page_count") ?? 0
        let free = try Int64.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
        return page * (pages - free)
    }

    /// **Unit**: bytes.
    func size() throws -> Int64 {
        try queue.inDatabase { db in
            try (Int64.fetchOne(db, sql: "PRAGMA page_size") ?? 0) * (Int64.fetchOne(db, sql: "PRAGMA page_count") ?? 0)
        }
    }
}
