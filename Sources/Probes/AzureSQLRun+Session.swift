// What a session of Azure SQL is asked once it stands: its own facts, and the rights.
import Diagnosis
import Synchronization
import TDS

extension AzureSQLRun {
    // MARK: query

    mutating func ask(_ connection: TDSConnection) async throws(ProbeEnd) {
        record.enter(.query)
        let sent = ContinuousClock.now
        let rows: [[TDSValue]]
        do {
            let limit = max(500, min(5000, run.deadline.remainingMilliseconds))
            rows = try await connection.query(AzureSQLStatement.question(milliseconds: limit), until: run.deadline.instant).rows
        } catch {
            throw end(of: error, during: .query)
        }
        let roundTrip = ContinuousClock.now - sent
        let received = Timestamp.now
        guard let row = rows.first, row.count == AzureSQLStatement.columns else {
            throw .failed(
                Failure(
                    .protocolViolation, during: .query, detail: "The answer to the probe's question has not the shape that was asked for.",
                    evidence: [Evidence(.agent, code: rows.first?.count ?? 0, text: "columns in the first row")]))
        }
        record.leave()
        record.facts.sessionUser = row[0].text
        record.facts.currentUser = row[1].text
        record.facts.database = row[2].text ?? record.facts.database
        record.facts.isInRecovery = row[3].text.map { $0.uppercased() == "READ_ONLY" }
        if let objective = row[4].text {
            record.facts.serviceObjective = objective
            probe.memory.withLock { $0.serviceObjective = objective }
            noteLoginEnd(isUnavailable: false)
        }
        if let server = row[5].integer {
            let skew = Double(server) / 1000 - (received.seconds - roundTrip.seconds / 2)
            record.facts.clockSkew = (skew * 1000).rounded() / 1000
        }
    }

    // MARK: privileges

    /// Asks for the configured rights in one round trip. Whatever comes of it, the probe has succeeded: up means from token to query.
    /// **Throws**: only when the caller was cancelled.
    mutating func askPrivileges(_ connection: TDSConnection) async throws(ProbeEnd) {
        guard !target.privileges.isEmpty else { return try await surveyRights(connection) }
        record.enter(.privileges)
        do {
            record.facts.privileges = try await rights(connection)
            record.leave()
        } catch {
            guard case .failed(let failure) = error else { throw error }
            record.leaveFailed()
            record.facts.privileges = PrivilegeReport(role: record.facts.currentUser ?? "", problem: failure, engine: .azuresql)
        }
    }

    private func rights(_ connection: TDSConnection) async throws(ProbeEnd) -> PrivilegeReport {
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
            throw .failed(
                Failure(
                    .protocolViolation, during: .privileges,
                    detail: "The answer to the question for rights has not the shape that was asked for.",
                    evidence: [Evidence(.agent, code: sets.count, text: "result sets in the answer")]))
        }
        return report
    }

    private static func texts(_ row: [TDSValue]) -> [String?] { row.map { $0.isNull ? nil : $0.description } }

    /// Where nothing is configured: what the user can do, at the first success and then once an hour. Not worth a failure, nor much time.
    private mutating func surveyRights(_ connection: TDSConnection) async throws(ProbeEnd) {
        let now = ContinuousClock.now
        // A probe beside this one may ask as well: both have something to show then.
        if probe.memory.withLock({ $0.survey.due.map { $0 <= now } ?? true }) {
            defer { probe.memory.withLock { $0.survey.due = now + AzureSQLProbe.surveyInterval } }
            record.enter(.privileges)
            do {
                let answer = try await connection.query(
                    PrivilegeSurvey.azureSQLStatement, until: run.deadline.capped(to: .seconds(2)).instant)
                record.leave()
                if var seen = PrivilegeSurvey(answer: answer.rows.map(Self.texts)) {
                    seen.engine = .azuresql
                    probe.memory.withLock { $0.survey.seen = seen }
                }
            } catch {
                record.leave()
                record.skip(.privileges, "rights could not be looked at")
                if error.cause == .cancelled { throw .cancelled }
            }
        }
        record.facts.rights = probe.memory.withLock(\.survey.seen)
    }
}
