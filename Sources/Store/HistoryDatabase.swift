// The questions that a history answers, whether it belongs to a service or is read from a file beside one.
package import Diagnosis
import GRDB

/// One question put to the tables of a history.
package struct TableQuestion<Answer: Sendable>: Sendable {
    let ask: @Sendable (Database) throws -> Answer
}

/// A history in SQLite. What differs is only who opens the database, and what is done when it cannot be read.
package protocol HistoryDatabase: HistoryReading {
    /// Asks on a queue that may wait for the disk.
    func answer<Answer: Sendable>(_ question: TableQuestion<Answer>) async throws(Failure) -> Answer
}

extension HistoryDatabase {
    package func observations(_ query: HistoryQuery) async throws(Failure) -> [HistoryItem] {
        try await read { try HistoryTables.observations($0, query) }
    }

    package func incidents(_ query: IncidentQuery) async throws(Failure) -> [Incident] {
        try await read { try IncidentTables.read($0, query) }
    }

    /// Sums by hour or day, newest first.
    package func rollups(_ query: RollupQuery) async throws(Failure) -> [Rollup] {
        try await read { try RollupTables.read($0, query) }
    }

    /// What differed when the check began to fail last.
    package func changes(of check: CheckID) async throws(Failure) -> FactsComparison {
        try await read { try FactTables.comparison($0, check) }
    }

    /// How long the phases of the check usually take; nil when no successful probe is kept.
    package func medians(of check: CheckID, now: Timestamp = .now) async throws(Failure) -> PhaseMedians? {
        try await medians(of: [check], now: now)[check]
    }

    /// The same for many checks with one look at the tables; those of which nothing is kept are left out.
    package func medians(of checks: Set<CheckID>, now: Timestamp = .now) async throws(Failure) -> [CheckID: PhaseMedians] {
        let since = now + .seconds(-86_400 * PhaseMedians.days)
        return try await read { try MedianTables.medians($0, checks, since: since) }
    }

    /// What is known of checks from before this process; of all of them when none are named.
    package func pasts(of checks: [CheckID]? = nil) async throws(Failure) -> [CheckID: CheckPast] {
        try await read { try PastTables.read($0, checks.map(Set.init)) }
    }

    /// When facts of the check changed, newest first.
    package func factChanges(of check: CheckID, limit: Int = 100) async throws(Failure) -> [FactChange] {
        try await read { try HistoryTables.factChanges($0, check: check, limit: limit) }
    }

    /// Requests for tokens, newest first.
    package func tokenRequests(limit: Int = 100) async throws(Failure) -> [TokenRequestResult] {
        try await read { try HistoryTables.tokenRequests($0, limit: limit) }
    }

    private func read<Answer: Sendable>(_ ask: @escaping @Sendable (Database) throws -> Answer) async throws(Failure) -> Answer {
        try await answer(TableQuestion(ask: ask))
    }
}
