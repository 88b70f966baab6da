// Files of earlier versions.
import Diagnosis
import Foundation
import GRDB
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(1))) struct MigrationTests {
    /// The tables as version 1 made them; a copy on purpose.
    private static let first = """
        PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;
        CREATE TABLE checks (
            id INTEGER PRIMARY KEY, target TEXT NOT NULL, identity TEXT NOT NULL, UNIQUE (target, identity)) STRICT;
        CREATE TABLE recent (
            id INTEGER PRIMARY KEY, check_id INTEGER NOT NULL, ended INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
        CREATE TABLE block (
            id INTEGER PRIMARY KEY, check_id INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
            count INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
        CREATE INDEX block_by_check ON block (check_id, last);
        CREATE INDEX block_by_time ON block (last, first);
        CREATE TABLE report (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, failure TEXT NOT NULL) STRICT;
        CREATE TABLE failure (
            id INTEGER PRIMARY KEY, check_id INTEGER NOT NULL, ended INTEGER NOT NULL, report_id INTEGER NOT NULL,
            data BLOB NOT NULL) STRICT;
        CREATE INDEX failure_by_check ON failure (check_id, ended);
        CREATE INDEX failure_by_time ON failure (ended);
        CREATE TABLE fact (
            id INTEGER PRIMARY KEY, check_id INTEGER NOT NULL, name TEXT NOT NULL, time INTEGER NOT NULL,
            value TEXT NOT NULL) STRICT;
        CREATE INDEX fact_by_check ON fact (check_id, name, time);
        CREATE TABLE token (
            id INTEGER PRIMARY KEY, time INTEGER NOT NULL, identity TEXT NOT NULL, resource TEXT NOT NULL,
            source TEXT NOT NULL, duration INTEGER NOT NULL, expires INTEGER, same INTEGER, failure TEXT) STRICT;
        CREATE INDEX token_by_time ON token (time);
        CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
        PRAGMA application_id = 1634168436; PRAGMA user_version = 1;
        """

    /// A file of version 1: a block of 60 successes a minute apart, two more in the log, three failures.
    private func old(_ path: String, _ midnight: Int64) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { db in
            try db.execute(sql: Self.first)
            try db.execute(sql: "INSERT INTO checks VALUES (1, 'orders', 'app')")
            let record = RecordCoding.encode(Record(kind: .succeeded, duration: .milliseconds(20), phases: Sample.phases()))
            var block = Block(check: 1, first: midnight)
            for minute in 0..<60 { block.append(ended: midnight + Int64(minute) * 60_000, record: record) }
            try db.execute(
                sql: "INSERT INTO block (check_id, first, last, count, data) VALUES (1, ?, ?, ?, ?)",
                arguments: [block.first, block.last, block.count, Data(block.data)])
            for minute in 60..<62 {
                try db.execute(
                    sql: "INSERT INTO recent (check_id, ended, data) VALUES (1, ?, ?)",
                    arguments: [midnight + Int64(minute) * 60_000, Data(record)])
            }
            let failure = Failure(.tcpRefused, during: .tcp)
            try db.execute(sql: "INSERT INTO report VALUES (1, ?, ?)", arguments: [midnight, Reports.text(of: failure)])
            let failed = RecordCoding.encode(Record(kind: .failed, duration: .milliseconds(7), phases: []))
            for minute in 62..<65 {
                try db.execute(
                    sql: "INSERT INTO failure (check_id, ended, report_id, data) VALUES (1, ?, 1, ?)",
                    arguments: [midnight + Int64(minute) * 60_000, Data(failed)])
            }
        }
        try queue.close()
    }

    @Test("A file of version 1 becomes one of this version: nothing is lost, and its probes are in the sums once")
    func migrated() async throws {
        let scratch = try Scratch()
        let midnight = Timestamp.now.milliseconds / 86_400_000 * 86_400_000 - 86_400_000
        try old(scratch.path, midnight)
        await #expect(throws: Failure.self, "a reader beside it never writes") {
            try await HistoryFile(path: scratch.path).observations(HistoryQuery())
        }
        for round in 0..<2 {
            let store = HistoryStore(path: scratch.path, incidentsMayOpen: { true }, logger: quiet)
            await store.flush()
            #expect(store.status.mode == .file && store.status.isUp)
            let items = try await store.observations(HistoryQuery(limit: 1000))
            #expect(items.count == 65)
            #expect(items.count { $0.cause == .tcpRefused } == 3)
            let hours = try await store.rollups(RollupQuery(.hour))
            #expect(hours.map(\.probes) == [5, 60], "round \(round)")
            #expect(hours.map(\.failures) == [3, 0])
            #expect(try await store.rollups(RollupQuery(.day)).map(\.probes) == [65])
            #expect(try await store.incidents(IncidentQuery()).isEmpty)
            // The newest success lies in the log, the failures behind it.
            #expect(try await store.changes(of: Sample.orders).lastGood?.milliseconds == midnight + 61 * 60_000)
            await store.close()
        }
        // When the successes are gone, what the migration noted of them is all there is.
        let tables = try DatabaseQueue(path: scratch.path)
        try await tables.write { db in
            #expect(try Int64.fetchOne(db, sql: "SELECT ended FROM good") == midnight + 59 * 60_000)
            try db.execute(sql: "DELETE FROM block; DELETE FROM recent")
        }
        try tables.close()
        #expect(try await HistoryFile(path: scratch.path).pasts()[Sample.orders]?.lastGood?.milliseconds == midnight + 59 * 60_000)
        let store = HistoryStore(path: scratch.path, incidentsMayOpen: { true }, logger: quiet)
        for second in 0..<2 { store.record(Sample.failure(at: Double(second))) }
        await store.close()
        #expect(try await HistoryFile(path: scratch.path).incidents(IncidentQuery()).count == 1)
    }
}
