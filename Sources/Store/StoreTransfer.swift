// Out of memory into the file, when the file can be used at last.
import Diagnosis
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum StoreTransfer {
    /// Everything a store in memory holds, in lumps. It is small by its limit.
    static func batches(_ queue: DatabaseQueue, size: Int) throws -> [[PendingRecord]] {
        let records = try queue.inDatabase(records)
        return stride(from: 0, to: records.count, by: size).map { Array(records[$0..<min($0 + size, records.count)]) }
    }

    private static func records(_ db: Database) throws -> [PendingRecord] {
        var names: [Int64: CheckID] = [:]
        for row in try Row.fetchAll(db, sql: "SELECT id, target, identity FROM checks") {
            names[row[0]] = CheckID(target: row[1], identity: row[2])
        }
        var records: [PendingRecord] = []
        for row in try Row.fetchAll(db, sql: "SELECT check_id, first, data FROM block ORDER BY id") {
            guard let check = names[row[0]] else { continue }
            for (ended, record) in Block.unpack(first: row[1], data: [UInt8](row[2] as Data)) {
                records.append(.routine(check, ended: ended, data: RecordCoding.encode(record)))
            }
        }
        for row in try Row.fetchAll(db, sql: "SELECT check_id, ended, data FROM recent ORDER BY id") {
            guard let check = names[row[0]] else { continue }
            records.append(.routine(check, ended: row[1], data: [UInt8](row[2] as Data)))
        }
        let failures = "SELECT check_id, ended, data, failure, words FROM failure JOIN report ON report.id = report_id ORDER BY failure.id"
        for row in try Row.fetchAll(db, sql: failures) {
            guard let check = names[row[0]] else { continue }
            records.append(.failure(check, ended: row[1], data: [UInt8](row[2] as Data), Reports.failure(from: row[3], words: row[4])))
        }
        // Behind the failures, because they are told apart by the newest of these.
        for row in try Row.fetchAll(db, sql: "SELECT check_id, ended, before FROM good") {
            guard let check = names[row[0]] else { continue }
            let ends: [Int64?] = [row[2], row[1]]
            records += ends.compactMap { $0 }.map { .good(check, ended: $0) }
        }
        for row in try Row.fetchAll(db, sql: "SELECT check_id, time, name, value FROM fact ORDER BY id") {
            guard let check = names[row[0]] else { continue }
            records.append(.facts(check, time: row[1], [FactValue(name: row[2], value: row[3])]))
        }
        records += try IncidentTables.read(db, IncidentQuery(limit: 10_000)).reversed().map { .incident($0) }
        return try records + HistoryTables.tokenRequests(db, limit: 10_000).reversed().map { .token($0) }
    }
}
