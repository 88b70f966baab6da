// What the file knows of every check from before this process: when it last worked, what was seen then, since when it fails.
import Diagnosis
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum PastTables {
    /// Read once at a start, for all checks together: the log is scanned once.
    static func read(_ db: Database, _ wanted: Set<CheckID>?, now: Timestamp = .now) throws -> [CheckID: CheckPast] {
        let names = try HistoryTables.checks(db, check: nil, target: nil).filter { wanted?.contains($0.value) ?? true }
        let goods = try GoodTables.lastGood(db, of: Set(names.keys))
        let open = Dictionary(try IncidentTables.open(db).map { ($0.check, $0) }, uniquingKeysWith: { first, _ in first })
        var pasts: [CheckID: CheckPast] = [:]
        for (id, check) in names {
            var past = CheckPast()
            if let good = goods[id] {
                past.lastGood = Timestamp(milliseconds: good)
                (past.facts, past.changes) = try facts(db, id, good)
            }
            past.wake = try wake(db, id)
            for span in open[check]?.causes ?? [] { past.failingSince[span.cause] = span.time }
            if past.wake != nil, open[check]?.causes.contains(where: { $0.phase.isOfLogin }) ?? false {
                past.failedLogin = try failedLogin(db, id, of: check, after: past.lastGood)
            }
            past.blocked = try blocked(db, id, of: check, after: past.lastGood, now: now)
            if past != CheckPast() { pasts[check] = past }
        }
        return pasts
    }

    /// The newest record of logins to a database that may sleep, whatever became of them.
    private static func wake(_ db: Database, _ id: Int64) throws -> WakeLedger? {
        let text = try String.fetchOne(
            db, sql: "SELECT value FROM fact WHERE check_id = ? AND name = 'wake' ORDER BY time DESC, id DESC LIMIT 1", arguments: [id])
        return text.flatMap { JSON(parsing: $0) }.flatMap(WakeLedger.init)
    }

    /// The newest probe since then that failed at its login or behind it.
    private static func failedLogin(_ db: Database, _ id: Int64, of check: CheckID, after good: Timestamp?) throws -> Observation? {
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT failure.ended, failure.data, report.failure, failure.words FROM failure JOIN report ON report.id = failure.report_id
                WHERE failure.check_id = ? AND failure.ended > ? ORDER BY failure.ended DESC
                """, arguments: [id, good?.milliseconds ?? .min])
        while let row = try rows.next() {
            if let failed = observation(of: check, row), failed.failure?.phase.isOfLogin ?? false { return failed }
        }
        return nil
    }

    /// The newest probe since then, and of the last minutes, that the server answered with a block of this client.
    private static func blocked(
        _ db: Database, _ id: Int64, of check: CheckID, after good: Timestamp?, now: Timestamp
    ) throws -> Observation? {
        let begin = (now + (.zero - CheckPast.blockRest)).milliseconds
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT failure.ended, failure.data, report.failure, failure.words FROM failure JOIN report ON report.id = failure.report_id
                WHERE failure.check_id = ? AND failure.ended > ? AND failure.ended <= ? AND report.failure LIKE ?
                ORDER BY failure.ended DESC LIMIT 1
                """,
            arguments: [
                id, max(begin, good?.milliseconds ?? .min), now.milliseconds, "%\"cause\":\"\(Cause.clientBlocked.rawValue)\"%",
            ])
        return row.flatMap { observation(of: check, $0) }
    }

    /// **Shape** of the row: end, record, report, the words in which the failure differs from it.
    private static func observation(of check: CheckID, _ row: Row) -> Observation? {
        var reader = ByteReader([UInt8](row[1] as Data))
        guard let record = RecordCoding.decode(&reader) else { return nil }
        return Observation(
            check: check, started: Timestamp(milliseconds: row[0]) + (.zero - record.duration), duration: record.duration,
            phases: record.phases, outcome: .failed(Reports.failure(from: row[2], words: row[3])))
    }

    /// What was known when it last worked, and what was seen to differ since.
    private static func facts(_ db: Database, _ id: Int64, _ good: Int64) throws -> (Facts, [FactsComparison.Change]) {
        var (facts, values): (Facts, [String: JSON]) = (Facts(), [:])
        var changes: [String: FactsComparison.Change] = [:]
        let rows = try Row.fetchCursor(
            db, sql: "SELECT name, value, time FROM fact WHERE check_id = ? ORDER BY time, id", arguments: [id])
        while let row = try rows.next() {
            let (name, time): (String, Int64) = (row[0], row[2])
            guard FactsComparison.names.contains(name), let value = JSON(parsing: row[1]) else { continue }
            if time <= good {
                facts.take(name, value)
                values[name] = value
            } else if let before = values[name] {
                changes[name] =
                    before == value
                    ? nil : FactsComparison.Change(name: name, before: before, after: value, time: Timestamp(milliseconds: time))
            }
        }
        return (facts, changes.values.sorted { $0.name < $1.name })
    }
}
