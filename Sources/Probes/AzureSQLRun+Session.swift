// What a session of Azure SQL is asked once it stands: its own facts, and the rights.
import Diagnosis
import Synchronization
import TDS

extension AzureSQLRun {
    // MARK: query

    mutating func ask(_ connection: TDSConnection) async throws(ProbeEnd) {
        record.enter(.query)
        let trip = RoundTrip()
        let rows: [[TDSValue]]
        do {
            let limit = max(500, min(5000, run.deadline.remainingMilliseconds))
            rows = try await connection.query(AzureSQLStatement.question(milliseconds: limit), until: run.deadline.instant).rows
        } catch {
            throw end(of: error, during: .query)
        }
        let middle = trip.middle()
        guard let row = rows.first, row.count == AzureSQLStatement.columns else {
            throw Self.misshapen(during: .query, count: rows.first?.count ?? 0, of: "columns in the first row")
        }
        record.leave()
        note(
            SessionAnswer(
                sessionUser: row[0].text, currentUser: row[1].text, database: row[2].text,
                isReadOnly: row[3].text.map { $0.uppercased() == "READ_ONLY" }, clock: row[5].integer.map { Double($0) / 1000 }),
            middle: middle)
        if let objective = row[4].text {
            record.facts.serviceObjective = objective
            tools.wakes.note(objective: objective, on: target)
            if target.wake == .always, ServiceObjective.isServerless(objective) {
                record.notices.append(
                    Notice(
                        .databaseKeptAwake, during: .query,
                        detail: "The database is serverless (\(objective)), and wake: always logs in every \(Span.long(target.interval))."))
            }
            noteWake()
        }
    }

    // MARK: privileges

    /// All configured rights in one round trip.
    func rights(_ connection: TDSConnection) async throws(ProbeEnd) -> PrivilegeReport {
        let question = AzureSQLPrivileges.question(target.privileges)
        let result: TDSResult
        do {
            let parameters = question.parameters.map { TDSParameter($0.name, .text($0.value)) }
            result =
                parameters.isEmpty
                ? try await connection.query(question.text, until: run.deadline.instant)
                : try await connection.execute(question.text, parameters, until: run.deadline.instant)
        } catch {
            throw end(of: error, during: .privileges)
        }
        let sets = result.sets.map { $0.rows.map(Self.texts) }
        guard !result.isTruncated, let report = AzureSQLPrivileges.report(target.privileges, sets: sets) else {
            throw Self.misshapen(during: .privileges, count: sets.count, of: "result sets in the answer")
        }
        return report
    }

    private static func texts(_ row: [TDSValue]) -> [String?] { row.map { $0.isNull ? nil : $0.description } }

    func survey(_ connection: TDSConnection, until deadline: Deadline) async throws(ProbeEnd) -> PrivilegeSurvey? {
        do {
            let answer = try await connection.query(PrivilegeSurvey.azureSQLStatement, until: deadline.instant)
            var seen = PrivilegeSurvey(answer: answer.rows.map(Self.texts))
            seen?.engine = .azuresql
            return seen
        } catch {
            throw end(of: error, during: .privileges)
        }
    }
}
