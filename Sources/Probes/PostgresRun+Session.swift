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
        guard let report = PrivilegeReport(target.privileges, answer: answer) else {
            throw Self.misshapen(during: .privileges, count: answer.count, of: "rows in the answer")
        }
        return report
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
