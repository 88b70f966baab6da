// What differed when a check began to fail, out of the facts that were written when they changed.
import Diagnosis
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum FactTables {
    /// Compares the last good with the first bad observation of the newest failures.
    static func comparison(_ db: Database, _ check: CheckID) throws -> FactsComparison {
        var comparison = FactsComparison(check: check)
        guard
            let id = try Int64.fetchOne(
                db, sql: "SELECT id FROM checks WHERE target = ? AND identity = ?", arguments: [check.target, check.identity]),
            let newest = try Int64.fetchOne(db, sql: "SELECT max(ended) FROM failure WHERE check_id = ?", arguments: [id])
        else { return comparison }
        let good = try lastGood(db, id, before: newest)
        guard
            let bad = try Row.fetchOne(
                db,
                sql: """
                    SELECT ended, failure FROM failure LEFT JOIN report ON report.id = report_id
                    WHERE check_id = ? AND ended > ? ORDER BY ended LIMIT 1
                    """, arguments: [id, good ?? .min])
        else { return comparison }
        let firstBad: Int64 = bad[0]
        let failure = Reports.failure(from: bad[1] ?? "")
        comparison.lastGood = good.map(Timestamp.init(milliseconds:))
        comparison.firstBad = Timestamp(milliseconds: firstBad)
        (comparison.cause, comparison.phase) = (failure.cause, failure.phase)
        guard let good else { return comparison }
        comparison.changes = try changes(db, id, after: good, through: firstBad)
        return comparison
    }

    private static func changes(_ db: Database, _ id: Int64, after good: Int64, through bad: Int64) throws -> [FactsComparison.Change] {
        var before: [String: String] = [:]
        var after: [String: (value: String, time: Int64)] = [:]
        let rows = try Row.fetchCursor(
            db,
            // Logins to a database that may sleep are counted there as well; each is news of the agent, none of the server.
            sql: "SELECT name, value, time FROM fact WHERE check_id = ? AND time <= ? AND name <> 'wake' ORDER BY time, id",
            arguments: [id, bad])
        while let row = try rows.next() {
            let (name, value, time): (String, String, Int64) = (row[0], row[1], row[2])
            if time <= good { before[name] = value } else { after[name] = (value, time) }
        }
        return after.filter { before[$0.key] != $0.value.value }.sorted { $0.key < $1.key }.map { name, new in
            FactsComparison.Change(
                name: name, before: before[name].flatMap(JSON.init(parsing:)), after: JSON(parsing: new.value) ?? .string(new.value),
                time: Timestamp(milliseconds: new.time))
        }
    }

    /// The end of the last successful probe before that time, if it is still kept.
    private static func lastGood(_ db: Database, _ id: Int64, before time: Int64) throws -> Int64? {
        var good: Int64?
        let recent = try Row.fetchCursor(
            db, sql: "SELECT ended, data FROM recent WHERE check_id = ? AND ended < ? ORDER BY ended DESC", arguments: [id, time])
        while good == nil, let row = try recent.next() {
            var reader = ByteReader([UInt8](row[1] as Data))
            if RecordCoding.decode(&reader)?.kind == .succeeded { good = row[0] }
        }
        let blocks = try Row.fetchCursor(
            db, sql: "SELECT first, last, data FROM block WHERE check_id = ? AND first < ? ORDER BY last DESC", arguments: [id, time])
        while let row = try blocks.next() {
            let last: Int64 = row[1]
            if let good, last <= good { break }
            let records = Block.unpack(first: row[0], data: [UInt8](row[2] as Data))
            if let found = records.last(where: { $0.ended < time && $0.record.kind == .succeeded })?.ended {
                good = max(good ?? found, found)
                break
            }
        }
        return good
    }
}
