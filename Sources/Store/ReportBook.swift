// Which report a failure gets: one of those that its check used last, when it says the same in other words, else a new one.
import Diagnosis
import GRDB

/// The reports that the last failures of each check refer to.
struct ReportBook {
    private var reports: [Int64: [Report]] = [:]

    private struct Report {
        var id: Int64
        var time: Int64
        var failure: Failure
    }

    /// How old a report may be that another failure refers to, so that reports can be deleted by age. **Unit**: milliseconds.
    static let span: Int64 = 86_400_000
    /// Enough for a check that fails in two or three ways in turn.
    private static let limit = 3

    /// Finds a report, or writes one.
    /// - Returns: its number, and what the failure says in other words; nil when it says just the same.
    mutating func place(_ failure: Failure, check: Int64, time: Int64, _ db: Database) throws -> (report: Int64, words: String?) {
        let known = (reports[check] ?? []).filter { abs(time &- $0.time) < Self.span }
        if let same = known.first(where: { $0.failure == failure }) { return (same.id, nil) }
        let text = Reports.text(of: failure)
        for report in known where (report.failure.cause, report.failure.phase) == (failure.cause, failure.phase) {
            if let words = ReportWords.difference(text, from: Reports.text(of: report.failure)) {
                return (report.id, words.isEmpty ? nil : words)
            }
        }
        try db.cachedStatement(sql: "INSERT INTO report (time, failure) VALUES (?, ?)").execute(arguments: [time, text])
        let new = Report(id: db.lastInsertedRowID, time: time, failure: failure)
        reports[check] = [new] + known.prefix(Self.limit - 1)
        return (new.id, nil)
    }

    /// After a transaction that failed, and after reports were deleted.
    mutating func forget() { reports = [:] }
}
