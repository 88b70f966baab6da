// What differed when a check began to fail, out of the facts that were written when they changed.
import Diagnosis
import GRDB

enum FactTables {
    /// How many changes of one fact are written within an hour. What changes more often alternates: of that the newest value is kept.
    static let changesPerHour = 6

    /// The one row of a fact that no other value has replaced.
    static let newestRow = "check_id = ? AND name = ? AND replaced IS NULL"

    /// Writes a value that differs from the one before.
    static func write(_ db: Database, _ fact: FactValue, check: Int64, time: Int64) throws {
        // Of a budget only the last word counts: it changes with every login.
        if fact.name == "wake" { try db.execute(sql: "DELETE FROM fact WHERE check_id = ? AND name = 'wake'", arguments: [check]) }
        let lately = try Int.fetchOne(
            db.cachedStatement(sql: "SELECT count(*) FROM fact WHERE check_id = ? AND name = ? AND time > ? AND time <= ?"),
            arguments: [check, fact.name, time - 3_600_000, time])
        if lately ?? 0 >= changesPerHour {
            try db.cachedStatement(sql: "UPDATE fact SET value = ?, time = ? WHERE \(newestRow)")
                .execute(arguments: [fact.value, time, check, fact.name])
            if db.changesCount > 0 { return }
        }
        try db.cachedStatement(sql: "UPDATE fact SET replaced = ? WHERE \(newestRow)")
            .execute(arguments: [time, check, fact.name])
        try db.cachedStatement(sql: "INSERT INTO fact (check_id, name, time, value) VALUES (?, ?, ?, ?)")
            .execute(arguments: [check, fact.name, time, fact.value])
    }

    /// What was written of each fact last.
    static func newest(_ db: Database, _ check: Int64) throws -> [String: String] {
        var known: [String: String] = [:]
        let rows = try Row.fetchCursor(
            db, sql: "SELECT name, value FROM fact WHERE check_id = ? AND replaced IS NULL ORDER BY time, id", arguments: [check])
        while let row = try rows.next() { known[row[0]] = row[1] as String }
        return known
    }

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
}
