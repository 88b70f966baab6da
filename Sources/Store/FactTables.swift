// What differed when a check began to fail, out of the facts that were written when they changed.
import Diagnosis
import GRDB

enum FactTables {
    /// Compares the last good with the first bad observation of the newest failures.
    static func comparison(_ db: Database, _ check: CheckID) throws -> FactsComparison {
        var comparison = FactsComparison(check: check)
        guard
            let id = try Int64.fetchOne(
                db, sql: "SELECT id FROM checks WHERE target = ? AND identity = ?", arguments: [check.target, check.identity]),
            let newest = try Int64.fetchOne(db, sql: "SELECT max(ended) FROM failure WHERE check_id = ?", arguments: [id])
        else { return comparison }
        let good = try GoodTables.lastGood(db, id, before: newest)
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
            db, sql: "SELECT name, value, time FROM fact WHERE check_id = ? AND time <= ? ORDER BY time, id", arguments: [id, bad])
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
}
