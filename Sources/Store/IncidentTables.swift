// Incidents in the file: one row each, written again whenever it changes.
import Diagnosis
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum IncidentTables {
    static func write(_ db: Database, _ incident: Incident, check: Int64) throws {
        // When memory stood in for the file, an earlier account of the same trouble may take a later one in.
        try db.cachedStatement(sql: "DELETE FROM incident WHERE check_id = ? AND closed IS NULL AND opened > ?")
            .execute(arguments: [check, incident.opened.milliseconds])
        try db.cachedStatement(
            sql: """
                INSERT INTO incident (check_id, opened, closed, last, failures, causes) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (check_id, opened) DO UPDATE SET
                    closed = excluded.closed, last = excluded.last, failures = excluded.failures, causes = excluded.causes
                """
        ).execute(arguments: [
            check, incident.opened.milliseconds, incident.closed?.milliseconds, incident.lastFailure.milliseconds, incident.failures,
            incident.causes.json.compact,
        ])
    }

    /// Incidents that an earlier run of the service left open.
    static func open(_ db: Database) throws -> [Incident] { try read(db, IncidentQuery(limit: 100_000, onlyOpen: true)) }

    /// **Shape**: newest first; a page goes on until the opening of its last item is told, as pages of observations do.
    static func read(_ db: Database, _ query: IncidentQuery) throws -> [Incident] {
        guard query.limit > 0 else { return [] }
        let names = try HistoryTables.checks(db, check: query.check, target: query.target)
        let numbers = names.keys.map(String.init).joined(separator: ",")
        let wanted = query.check == nil && query.target == nil ? "" : "AND check_id IN (\(numbers))"
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT check_id, opened, closed, last, failures, causes FROM incident
                WHERE opened < ? \(query.since == nil ? "" : "AND (closed IS NULL OR closed > ?)")
                \(query.onlyOpen ? "AND closed IS NULL" : "") \(wanted) ORDER BY opened DESC, check_id
                """,
            arguments: query.since.map { [query.before?.milliseconds ?? .max, $0.milliseconds] } ?? [query.before?.milliseconds ?? .max])
        var incidents: [Incident] = []
        while let row = try rows.next() {
            let opened = Timestamp(milliseconds: row[1])
            if incidents.count >= query.limit, incidents.last?.opened != opened { break }
            guard let check = names[row[0]] else { continue }
            let closed: Int64? = row[2]
            incidents.append(
                Incident(
                    check: check, opened: opened, closed: closed.map(Timestamp.init(milliseconds:)),
                    lastFailure: Timestamp(milliseconds: row[3]), failures: row[4], causes: causes(row[5])))
        }
        return incidents
    }

    /// A code of a later version stays a cause, under the name that stands for what is not known.
    private static func causes(_ text: String) -> [Incident.CauseSpan] {
        (JSON(parsing: text)?.items ?? []).map { item in
            Incident.CauseSpan(
                cause: item["cause"]?.text.flatMap(Cause.init(rawValue:)) ?? .unclassified,
                phase: item["phase"]?.text.flatMap(Phase.init(rawValue:)) ?? .internal,
                time: item["time"]?.text.flatMap(Timestamp.init(rfc3339:)) ?? Timestamp(milliseconds: 0),
                failures: item["failures"]?.wholeNumber.map { Int(clamping: $0) } ?? 1)
        }
    }

    /// Deletes incidents that ended long ago, and those that nothing was heard of for as long: their check is no more.
    static func prune(_ db: Database, before oldest: Int64, step: Int) throws -> Int {
        try db.execute(
            sql: """
                DELETE FROM incident WHERE id IN (
                    SELECT id FROM incident WHERE opened < ? AND coalesce(closed, last) < ? ORDER BY opened LIMIT \(step))
                """, arguments: [oldest, oldest])
        return db.changesCount
    }
}
