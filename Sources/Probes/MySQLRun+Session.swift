// What a session of MySQL is asked once it stands: its own facts, and the rights.
import Diagnosis
import MariaDB

extension MySQLRun {
    // MARK: query

    mutating func ask(_ connection: MariaDBConnection) async throws(ProbeEnd) {
        record.enter(.query)
        let isMariaDB = greeting?.isMariaDB ?? false
        let answer: (rows: [[String?]], sent: ContinuousClock.Instant)
        do {
            let limit = max(500, min(5000, run.deadline.remainingMilliseconds))
            answer = try await connection.ask(
                MySQLStatement.question, after: MySQLStatement.session(isMariaDB: isMariaDB, milliseconds: limit), until: run.deadline)
        } catch {
            settle(error)
            throw end(of: error, during: .query)
        }
        let middle = RoundTrip(sent: answer.sent).middle()
        record.leave()
        guard let row = answer.rows.first, row.count == MySQLStatement.columns else {
            throw Self.misshapen(during: .query, count: answer.rows.first?.count ?? 0, of: "columns in the first row")
        }
        note(
            SessionAnswer(
                sessionUser: row[0], currentUser: row[1], database: row[2], isReadOnly: row[3].map { $0 != "0" && $0 != "OFF" },
                clock: row[4].flatMap(Double.init)), middle: middle)
        naming = NameCase(lowerCaseTableNames: row[5])
    }

    // MARK: privileges

    private var account: String { record.facts.currentUser ?? target.user ?? "" }

    /// The grants, and the objects that the grants do not decide.
    func rights(_ connection: MariaDBConnection) async throws(ProbeEnd) -> PrivilegeReport {
        let privileges: MySQLPrivileges
        var answer: [[String?]] = []
        do {
            privileges = MySQLPrivileges(
                rules: target.privileges, grants: try await grants(connection, until: run.deadline), account: account,
                database: target.database)
            if let question = privileges.question {
                answer = try await connection.query(question, limit: MySQLPrivileges.rowLimit, until: run.deadline)
            }
        } catch {
            settle(error)
            throw end(of: error, during: .privileges)
        }
        guard var report = privileges.report(answer) else {
            throw Self.misshapen(during: .privileges, count: answer.count, of: "rows in the answer")
        }
        report.isMariaDB = greeting?.isMariaDB ?? false
        return report
    }

    func survey(_ connection: MariaDBConnection, until deadline: Deadline) async throws(ProbeEnd) -> PrivilegeSurvey? {
        do {
            let survey = MySQLSurvey(
                grants: try await grants(connection, until: deadline), account: account, database: record.facts.database ?? "")
            guard let question = survey.question else { return survey.survey([]) }
            return survey.survey(try await connection.query(question, limit: 1, until: deadline))
        } catch {
            // The time for it is short, so what passes it says nothing of the server.
            throw end(of: error, during: .privileges)
        }
    }

    /// What the session holds; the roles first where the server lists them apart.
    private func grants(_ connection: MariaDBConnection, until deadline: Deadline) async throws(MariaDBFailure) -> GrantSet {
        func rows(_ statement: String) async throws(MariaDBFailure) -> [String] {
            try await connection.query(statement, limit: MySQLStatement.grantLimit, until: deadline).compactMap { $0.first.flatMap { $0 } }
        }
        var roles: [(name: String, quoted: String)] = []
        var isLiteral = false
        if greeting.map({ !$0.isMariaDB && $0.majorVersion >= 8 }) ?? false {
            let row = try await connection.query(MySQLStatement.roles, until: deadline).first ?? []
            roles = GrantSet.roles(in: row.first.flatMap { $0 } ?? "")
            isLiteral = row.last.flatMap { $0 }.map { $0 == "1" || $0 == "ON" } ?? false
        }
        var (own, all): ([String], [String]) = ([], [])
        if !roles.isEmpty, let account = record.facts.currentUser.flatMap(MySQLPrivileges.quoted) {
            own = try await rows(MySQLStatement.ownGrants(of: account))
            all = try await rows(MySQLStatement.grants(using: roles.map(\.quoted)))
        } else {
            own = try await rows("SHOW GRANTS")
        }
        return GrantSet(
            rows: own, rowsWithRoles: all, user: MySQLPrivileges.user(of: account), activeRoles: roles.map(\.name), isLiteral: isLiteral,
            naming: naming)
    }
}
