// Reading observations out of the tables; the same for the service and for a file beside it.
import Diagnosis
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum HistoryTables {
    /// Most items of one page.
    static let pageLimit = 10_000

    /// The newest observations in the half-open range `since ..< before` of their ends.
    ///
    /// **Shape**: newest first; what ended in the same millisecond as the last item is given too, so that the end of the last item,
    /// used as `before` of the next page, leaves nothing out. A page is longer than its limit only for that reason.
    static func observations(_ db: Database, _ query: HistoryQuery) throws -> [HistoryItem] {
        guard query.limit > 0 else { return [] }
        let names = try checks(db, check: query.check, target: query.target)
        guard !names.isEmpty else { return [] }
        var page = Page(limit: min(query.limit, pageLimit))
        let range = Range(
            since: query.since?.milliseconds ?? .min / 4, before: query.before?.milliseconds ?? .max / 4,
            checks: query.check == nil && query.target == nil ? nil : Array(names.keys))
        try readFailures(db, range, into: &page)
        if !query.onlyFailures {
            try readRecent(db, range, into: &page)
            try readBlocks(db, range, into: &page)
        }
        return try page.finished().map { try item(db, $0, names) }
    }

    /// What is known about changes of facts, newest first.
    static func factChanges(_ db: Database, check: CheckID, limit: Int) throws -> [FactChange] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT time, name, value FROM fact WHERE check_id = (SELECT id FROM checks WHERE target = ? AND identity = ?) AND name <> 'wake'
                ORDER BY time DESC, id DESC LIMIT ?
                """, arguments: [check.target, check.identity, limit]
        ).map {
            FactChange(check: check, time: Timestamp(milliseconds: $0[0]), fact: FactValue(name: $0[1], value: $0[2]))
        }
    }

    /// Requests for tokens, newest first.
    static func tokenRequests(_ db: Database, limit: Int) throws -> [TokenRequestResult] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT time, identity, resource, source, duration, expires, same, failure FROM token
                ORDER BY time DESC, id DESC LIMIT ?
                """, arguments: [limit]
        ).compactMap { row in
            guard let resource = TokenResource(rawValue: row[2]), let source = TokenSourceKind(rawValue: row[3]) else { return nil }
            let expires: Int64? = row[5]
            let report: String? = row[7]
            let outcome: TokenRequestResult.Outcome =
                if let expires, report == nil {
                    .acquired(expires: Timestamp(milliseconds: expires), isSameToken: row[6] ?? false)
                } else {
                    .failed(Reports.failure(from: report ?? ""))
                }
            return TokenRequestResult(
                identity: row[1], resource: resource, source: source, time: Timestamp(milliseconds: row[0]),
                duration: .microseconds(row[4] as Int64), outcome: outcome)
        }
    }

    private struct Range {
        var since: Int64
        var before: Int64
        /// Nil for all.
        var checks: [Int64]?

        /// One value for "any check", else each check in turn: the index of a check is used best alone.
        var selections: [Int64?] { checks.map { $0.map(Optional.some) } ?? [nil] }
        func contains(_ ended: Int64) -> Bool { ended >= since && ended < before }
    }

    private struct Candidate {
        var ended: Int64
        var check: Int64
        var record: Record
        var report: Int64?
        var words: String?
    }

    /// The newest candidates seen so far.
    private struct Page {
        let limit: Int
        private var candidates: [Candidate] = []
        private var trimAt: Int
        /// The end of the oldest item of a full page: what is older cannot be part of it.
        private(set) var oldest: Int64?

        init(limit: Int) {
            self.limit = limit
            trimAt = limit
        }

        mutating func add(_ candidate: Candidate) {
            if let oldest, candidate.ended < oldest { return }
            candidates.append(candidate)
            if candidates.count >= trimAt { trim() }
        }

        mutating func finished() -> [Candidate] {
            trim()
            return candidates
        }

        private mutating func trim() {
            candidates.sort { ($0.ended, $1.check) > ($1.ended, $0.check) }
            if candidates.count >= limit {
                let last = candidates[limit - 1].ended
                oldest = last
                candidates.removeLast(candidates.count - (candidates.firstIndex { $0.ended < last } ?? candidates.count))
            }
            trimAt = max(limit, candidates.count) + max(64, limit / 4)
        }
    }

    /// The checks that are meant, by their numbers; all of them when neither is given.
    static func checks(_ db: Database, check wanted: CheckID?, target: String?) throws -> [Int64: CheckID] {
        let rows = try Row.fetchCursor(db, sql: "SELECT id, target, identity FROM checks")
        var names: [Int64: CheckID] = [:]
        while let row = try rows.next() {
            let check = CheckID(target: row[1], identity: row[2])
            guard wanted == nil || wanted == check, target == nil || target == check.target else { continue }
            names[row[0]] = check
        }
        return names
    }

    private static func readFailures(_ db: Database, _ range: Range, into page: inout Page) throws {
        for check in range.selections {
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT check_id, ended, data, report_id, words FROM failure
                    WHERE \(check == nil ? "" : "check_id = :check AND") ended >= :since AND ended < :before ORDER BY ended DESC
                    """, arguments: arguments(range, check))
            while let row = try rows.next() {
                let ended: Int64 = row[1]
                if let oldest = page.oldest, ended < oldest { break }
                guard let record = record(row[2]) else { continue }
                page.add(Candidate(ended: ended, check: row[0], record: record, report: row[3], words: row[4]))
            }
        }
    }

    private static func readRecent(_ db: Database, _ range: Range, into page: inout Page) throws {
        let wanted = range.checks.map(Set.init)
        // By arrival, newest first: nearly the order of ends, so that a full page is known early. Bounded by the size of the log.
        let rows = try Row.fetchCursor(
            db, sql: "SELECT check_id, ended, data FROM recent WHERE ended >= ? AND ended < ? ORDER BY id DESC",
            arguments: [range.since, range.before])
        while let row = try rows.next() {
            let (check, ended): (Int64, Int64) = (row[0], row[1])
            if let wanted, !wanted.contains(check) { continue }
            if let oldest = page.oldest, ended < oldest { continue }
            guard let record = record(row[2]) else { continue }
            page.add(Candidate(ended: ended, check: check, record: record))
        }
    }

    private static func readBlocks(_ db: Database, _ range: Range, into page: inout Page) throws {
        for check in range.selections {
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT check_id, first, last, data FROM block
                    WHERE \(check == nil ? "" : "check_id = :check AND") last >= :since AND last < :before + \(Schema.blockSpan)
                    AND first < :before ORDER BY last DESC
                    """, arguments: arguments(range, check))
            while let row = try rows.next() {
                let (first, last): (Int64, Int64) = (row[1], row[2])
                if let oldest = page.oldest, last < oldest { break }
                for (ended, record) in Block.unpack(first: first, data: [UInt8](row[3] as Data)) where range.contains(ended) {
                    page.add(Candidate(ended: ended, check: row[0], record: record))
                }
            }
        }
    }

    private static func arguments(_ range: Range, _ check: Int64?) -> StatementArguments {
        var values: [String: (any DatabaseValueConvertible)?] = ["since": range.since, "before": range.before]
        if let check { values["check"] = check }
        return StatementArguments(values)
    }

    private static func record(_ data: Data) -> Record? {
        var reader = ByteReader([UInt8](data))
        return RecordCoding.decode(&reader)
    }

    private static func item(_ db: Database, _ candidate: Candidate, _ names: [Int64: CheckID]) throws -> HistoryItem {
        var failure: Failure?
        if let report = candidate.report {
            let text = try String.fetchOne(
                db.cachedStatement(sql: "SELECT failure FROM report WHERE id = ?"), arguments: [report])
            failure = Reports.failure(from: text ?? "", words: candidate.words)
        }
        let state: CheckState =
            switch candidate.record.kind {
            case .succeeded: .up
            case .failed: .down
            // Nothing was learnt about the login.
            case .loginPaused: .unknown
            case .asleep: .asleep
            }
        let duration = candidate.record.duration
        return HistoryItem(
            check: names[candidate.check] ?? CheckID(target: "", identity: ""),
            time: Timestamp(milliseconds: candidate.ended) + (.zero - duration), state: state, cause: failure?.cause,
            phase: failure?.phase, duration: duration, phases: candidate.record.phases, evidence: failure?.evidence ?? [],
            isPartial: candidate.record.kind.isPartial)
    }
}
