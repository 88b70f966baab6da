// Old records out, by their age and by the room they take: one small step at a time.
import Diagnosis
import GRDB

/// What goes, and in which order.
struct Pruning {
    let retention: Retention
    let now: Timestamp
    /// **Unit**: bytes.
    let maximumSize: Int64

    /// What one step of deletion did.
    struct Step {
        /// Observations and requests for tokens.
        var records = 0
        /// Sums, incidents and replaced facts.
        var others = 0
        /// Whether there may be more to delete.
        var hasMore = false
        /// Whether reports are gone that the writer may know.
        var reportsGone = false

        var rows: Int { records + others }
    }

    /// What a replaced fact takes with its places in the indexes. **Unit**: bytes.
    private static let factSize: Int64 = 150

    /// The oldest values of facts that others replaced before that time: what a fact was is kept as long as its change.
    static func replacedFacts(_ step: Int) -> String { "SELECT id FROM fact WHERE replaced < ? ORDER BY replaced LIMIT \(step)" }
    static func reports(_ step: Int) -> String { "SELECT id FROM report WHERE time < ? ORDER BY time LIMIT \(step)" }

    func step(_ db: Database) throws -> Step {
        var step = Step()
        try db.inTransaction(.immediate) {
            let isTooLarge = try Self.usedSize(db) > maximumSize / 10 * 9
            // Usually replaced facts are few. When they are not, something alternates, and its past is worth less than all else.
            let isCrowded = try isTooLarge && hasManyFacts(db)
            try deleteFacts(db, before: isCrowded ? .max : cutoff(retention.changes), &step)
            try deleteBlocks(db, before: cutoff(retention.successes), &step)
            if isTooLarge, !isCrowded { try deleteBlocks(db, before: .max, &step) }
            // Failures are what people look for: they go for want of space only when nothing else is left.
            let isFullOfFailures = isTooLarge && step.rows == 0
            for (table, column, age) in [("failure", "ended", retention.failures), ("token", "time", retention.changes)] {
                let rows = "SELECT id FROM \(table) WHERE \(column) < ? ORDER BY \(column) LIMIT \(retention.step)"
                let count = try delete(db, from: table, rows, before: isFullOfFailures ? .max : cutoff(age), &step)
                step.records += count
            }
            if isFullOfFailures { try deleteFacts(db, before: .max, &step) }
            try RollupTables.lowerMark(db)
            try deleteSums(db, isTooLarge: isTooLarge, &step)
            let oldest = [
                try Int64.fetchOne(db, sql: "SELECT min(ended) FROM failure"), try Int64.fetchOne(db, sql: "SELECT min(time) FROM token"),
            ]
            let unused = oldest.compactMap { $0 }.min() ?? .max
            var ignored = Step()
            step.reportsGone =
                try delete(
                    db, from: "report", Self.reports(retention.step), before: unused == .max ? .max : unused - ReportBook.span, &ignored)
                > 0
            return .commit
        }
        // Gives pages back to the disk, a mebibyte at a time. Outside of the transaction: the pragma wants to be alone.
        if step.rows > 0 { _ = try Row.fetchAll(db, sql: "PRAGMA incremental_vacuum(256)") }
        return step
    }

    private func cutoff(_ age: Duration) -> Int64 { (now + (.zero - age)).milliseconds }

    private func deleteFacts(_ db: Database, before oldest: Int64, _ step: inout Step) throws {
        step.others += try delete(db, from: "fact", Self.replacedFacts(retention.step), before: oldest, &step)
    }

    private func deleteBlocks(_ db: Database, before oldest: Int64, _ step: inout Step) throws {
        let blocks = "SELECT id FROM block WHERE last < ? ORDER BY last LIMIT \(retention.step)"
        step.records += try Int.fetchOne(db, sql: "SELECT total(count) FROM block WHERE id IN (\(blocks))", arguments: [oldest]) ?? 0
        _ = try delete(db, from: "block", blocks, before: oldest, &step)
    }

    /// Sums and incidents stand for years in little room: for want of space they go last, one kind after the other.
    private func deleteSums(_ db: Database, isTooLarge: Bool, _ step: inout Step) throws {
        let (hourly, daily) = (cutoff(retention.hourly), cutoff(retention.daily))
        for prune: (Int64?) throws -> Int in [
            { try RollupTables.prune(db, .hour, before: $0 ?? hourly, step: retention.step) },
            { try IncidentTables.prune(db, before: $0 ?? daily, step: retention.step) },
            { try RollupTables.prune(db, .day, before: $0 ?? daily, step: retention.step) },
        ] {
            let count = try prune(isTooLarge && step.rows == 0 ? .max : nil)
            step.others += count
            step.hasMore = step.hasMore || count == retention.step
        }
    }

    /// - Returns: how many rows went.
    private func delete(_ db: Database, from table: String, _ rows: String, before oldest: Int64, _ step: inout Step) throws -> Int {
        try db.execute(sql: "DELETE FROM \(table) WHERE id IN (\(rows))", arguments: [oldest])
        step.hasMore = step.hasMore || db.changesCount == retention.step
        return db.changesCount
    }

    /// Whether replaced facts take more than about a tenth of the largest size.
    private func hasManyFacts(_ db: Database) throws -> Bool {
        let most = max(1, maximumSize / 10 / Self.factSize)
        return try Int.fetchOne(db, sql: "SELECT 1 FROM fact WHERE replaced IS NOT NULL LIMIT 1 OFFSET ?", arguments: [most]) != nil
    }

    private static func usedSize(_ db: Database) throws -> Int64 {
        let page = try Int64.fetchOne(db, sql: "PRAGMA page_size") ?? 0
        let pages = try Int64.fetchOne(db, sql: "PRAGMA page_count") ?? 0
        let free = try Int64.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
        return page * (pages - free)
    }
}
