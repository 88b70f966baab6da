// Login to PostgreSQL, and what the session is asked once it stands: its own facts, and the rights.
import Diagnosis
import Postgres
import Readiness

extension PostgresRun {
    // MARK: login, query

    mutating func login(_ connection: PostgresConnection) async throws(ProbeEnd) {
        record.enter(.login)
        do {
            try await connection.login(on: tools.reactor, until: run.deadline)
        } catch {
            throw end(of: error, during: .login)
        }
        record.leave()
        record.facts.serverVersion = connection.serverVersion
    }

    mutating func ask(_ connection: PostgresConnection) async throws(ProbeEnd) {
        record.enter(.query)
        let trip = RoundTrip()
        let rows: [[String?]]
        do {
            rows = try await connection.query(PostgresProbe.question, on: tools.reactor, until: run.deadline)
        } catch {
            throw end(of: error, during: .query)
        }
        let middle = trip.middle()
        record.leave()
        guard let row = rows.first, row.count == 5 else {
            throw Self.misshapen(during: .query, count: rows.first?.count ?? 0, of: "columns in the first row")
        }
        note(
            SessionAnswer(
                sessionUser: row[0], currentUser: row[1], database: row[2], isReadOnly: row[3].map { $0 == "t" },
                clock: row[4].flatMap(Double.init)), middle: middle)
    }

    // MARK: privileges

    /// All configured rights in one statement.
    func rights(_ connection: PostgresConnection) async throws(ProbeEnd) -> PrivilegeReport {
        let answer: [[String?]]
        do {
            answer = try await connection.query(
                probe.privilegeQuestion, limit: PrivilegeStatement.rowLimit, on: tools.reactor, until: run.deadline)
        } catch {
            throw end(of: error, during: .privileges)
        }
        guard var report = PrivilegeReport(target.privileges, answer: answer) else {
            throw Self.misshapen(during: .privileges, count: answer.count, of: "rows in the answer")
        }
        report.listing = try await listing(connection, beside: report)
        return report
    }

    /// What the view that tutorials ask says beside the verdicts. It expands every grant of the database, so it is asked at first, once an
    /// hour, and when the verdicts have changed; without an answer in two seconds there is none. PgBouncer takes no time limit for the session, so
    /// it is not asked through it.
    ///
    /// **Throws**: only when the caller was cancelled.
    private func listing(_ connection: PostgresConnection, beside report: PrivilegeReport) async throws(ProbeEnd) -> PrivilegeListing? {
        guard report.administrator == nil, probe.target.port != PostgresConnection.poolerPort, let question = probe.listingQuestion else {
            return nil
        }
        let isStale = probe.listing.seen.map { $0.entries != report.entries } ?? false
        if run.deadline.remaining > .seconds(2), probe.listing.takeTurn(sooner: isStale) {
            var seen: PrivilegeListing?
            do {
                seen = PrivilegeListing(
                    answer: try await connection.query(
                        question, limit: PrivilegeListing.rowLimit, on: tools.reactor, until: run.deadline.capped(to: .seconds(2))))
            } catch {
                if case .cancelled = end(of: error, during: .privileges) {
                    probe.listing.endTurn(nil)
                    throw .cancelled
                }
            }
            probe.listing.endTurn(ListedRights(entries: report.entries, listing: seen))
        }
        return probe.listing.seen?.listing
    }

    func survey(_ connection: PostgresConnection, until deadline: Deadline) async throws(ProbeEnd) -> PrivilegeSurvey? {
        do {
            return PrivilegeSurvey(
                answer: try await connection.query(PrivilegeSurvey.statement, limit: 1, on: tools.reactor, until: deadline))
        } catch {
            throw end(of: error, during: .privileges)
        }
    }
}
