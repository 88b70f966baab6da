// When each check last worked. Kept by itself, because the successes that say so go long before the failures that ask for it.
//
// A success is noted in the transaction that takes it out of the log, so the last good end is the newest of the note and the log.
import Diagnosis
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum GoodTables {
    /// Successes being collected on their way out of the log.
    struct Notes {
        private var rows: [Int64: Note] = [:]

        mutating func add(check: Int64, ended: Int64, _ db: Database) throws {
            var note = try rows[check] ?? Note(check, db)
            note.take(ended)
            rows[check] = note
        }

        /// Whether no older success can change what is noted of that check.
        func isComplete(_ check: Int64) -> Bool { rows[check]?.isComplete ?? false }

        /// Adds everything to the table and forgets it.
        mutating func flush(_ db: Database) throws {
            for (check, note) in rows {
                guard let newest = note.newest else { continue }
                try db.cachedStatement(sql: "INSERT OR REPLACE INTO good (check_id, ended, before) VALUES (?, ?, ?)")
                    .execute(arguments: [check, newest, note.before])
            }
            rows = [:]
        }
    }

    /// The end of the last success before that time, whether it is still kept or not; of the newest failure or of nothing.
    static func lastGood(_ db: Database, _ check: Int64, before time: Int64 = .max) throws -> Int64? {
        let row = try Row.fetchOne(
            db.cachedStatement(sql: "SELECT ended, before FROM good WHERE check_id = ?"), arguments: [check])
        let noted: [Int64?] = row.map { [$0[0], $0[1]] } ?? []
        var good = noted.compactMap { $0 }.filter { $0 < time }.max()
        let recent = try Row.fetchCursor(
            db, sql: "SELECT ended, data FROM recent WHERE check_id = ? AND ended < ? AND ended > ? ORDER BY ended DESC",
            arguments: [check, time, good ?? .min])
        while let row = try recent.next() {
            if isSuccess(row[1]) {
                good = row[0]
                break
            }
        }
        return good
    }

    /// The same of all checks, with one look at the log.
    static func lastGood(_ db: Database, of wanted: Set<Int64>) throws -> [Int64: Int64] {
        var newest: [Int64: Int64] = [:]
        let noted = try Row.fetchCursor(db, sql: "SELECT check_id, ended FROM good")
        while let row = try noted.next() {
            if wanted.contains(row[0]) { newest[row[0]] = row[1] }
        }
        let rows = try Row.fetchCursor(db, sql: "SELECT check_id, ended, data FROM recent ORDER BY id DESC")
        while let row = try rows.next() {
            let (check, ended): (Int64, Int64) = (row[0], row[1])
            guard wanted.contains(check) else { continue }
            if let known = newest[check], known >= ended { continue }
            if isSuccess(row[2]) { newest[check] = ended }
        }
        return newest
    }

    /// Notes what the blocks of an earlier version hold. The log is noted when it is cut.
    static func fill(_ db: Database) throws {
        for check in try Int64.fetchAll(db, sql: "SELECT id FROM checks") {
            var notes = Notes()
            let blocks = try Row.fetchCursor(
                db.cachedStatement(sql: "SELECT first, data FROM block WHERE check_id = ? ORDER BY last DESC"), arguments: [check])
            while !notes.isComplete(check), let row = try blocks.next() {
                for (ended, record) in Block.unpack(first: row[0], data: [UInt8](row[1] as Data)) where record.kind == .succeeded {
                    try notes.add(check: check, ended: ended, db)
                }
            }
            try notes.flush(db)
        }
    }

    private static func isSuccess(_ data: Data) -> Bool {
        var reader = ByteReader([UInt8](data))
        return RecordCoding.decode(&reader)?.kind == .succeeded
    }

    /// What is known of one check.
    private struct Note {
        private(set) var newest: Int64?
        /// The newest success before the newest failure: what a comparison asks for when the check works again.
        private(set) var before: Int64?
        private let failed: Int64?

        init(_ check: Int64, _ db: Database) throws {
            failed = try Int64.fetchOne(
                db.cachedStatement(sql: "SELECT max(ended) FROM failure WHERE check_id = ?"), arguments: [check])
            let row = try Row.fetchOne(
                db.cachedStatement(sql: "SELECT ended, before FROM good WHERE check_id = ?"), arguments: [check])
            guard let row else { return }
            before = row[1]
            take(row[0])
        }

        var isComplete: Bool { newest != nil && (failed == nil || before != nil) }

        mutating func take(_ ended: Int64) {
            newest = max(newest ?? ended, ended)
            if let failed, ended < failed { before = max(before ?? ended, ended) }
        }
    }
}
