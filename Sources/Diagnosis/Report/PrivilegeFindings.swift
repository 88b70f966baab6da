// From verdicts on rights to findings: what is missing, whose it is, and the statement its owner has to run.

enum PrivilegeFindings {
    /// **Shape**: findings without a name or checks, the ones that hurt now first.
    static func of(_ report: PrivilegeReport, values: RemedyValues) -> [Finding] {
        if let problem = report.problem { return [unknown(problem, report.engine, values)] }
        if let administrator = report.administrator {
            let row = FindingCode.probingAsAdmin.row
            return [
                Finding(
                    id: "", code: FindingCode.probingAsAdmin.rawValue, severity: row.severity, phase: .privileges, certainty: .certain,
                    affects: [],
                    detail: """
                        \(name(report.role)) is an administrator (\(Redactor.scrub(administrator))), so its rights say nothing about those of \
                        an application and get no verdict.
                        """,
                    evidence: [], hint: row.hint, remedies: filled(row.remedies, report.engine, values), next: row.next)
            ]
        }
        var findings: [Finding] = []
        let role = name(report.role)
        let missing = report.entries.filter { !$0.isPassed && $0.demand == .require }
        if !missing.isEmpty {
            let row = Cause.privilegeMissing.row
            let rows = missing.flatMap(\.rows).filter(\.kind.isBreach)
            let objects = distinct(rows.map { $0.kind == .absent ? absence($0) : lack($0) })
            findings.append(
                finding(
                    Cause.privilegeMissing.rawValue, row.severity,
                    "\(role) lacks \(listed(objects, of: missing.reduce(0) { $0 + $1.broken })). The login works and the check stays up."
                        + inactive(report) + throughGroup(report),
                    rows.map(evidence) + misled(rows, report), row.hint(engine: report.engine, source: nil),
                    looks(row.remedies, report.engine, values)
                        + grants(rows, missing, report), row.next(engine: report.engine, source: nil)))
        }
        let future = report.entries.filter { $0.demand == .require && $0.rows.contains { $0.kind == .future } }
        if !future.isEmpty {
            let row = Cause.privilegeFutureObjects.row
            let rows = future.flatMap { entry in entry.rows.filter { $0.kind == .future }.map { (entry, $0) } }
            let makers = distinct(
                rows.map { entry, row in
                    let maker = row.name.map { " of \(name($0))" } ?? ""
                    return "\(plural(entry.rule.object))\(maker) in schema \(name(row.schema ?? ""))"
                })
            findings.append(
                finding(
                    Cause.privilegeFutureObjects.rawValue, row.severity,
                    "\(role) will lack rights on what is made from now on: \(listed(makers, of: rows.first?.1.total ?? makers.count)).",
                    rows.map { evidence($0.1) }, row.hint(engine: report.engine, source: nil),
                    looks(row.remedies, report.engine, values)
                        + futureGrants(rows, report),
                    row.next(engine: report.engine, source: nil)))
        }
        let held = report.entries.filter { !$0.isPassed && $0.demand == .deny }
        if !held.isEmpty {
            let row = FindingCode.overPrivileged.row
            let rows = held.flatMap(\.rows)
            let objects = distinct(
                rows.map { row in
                    "\(row.rights.joined(separator: ", "))\(row.sort == "role" ? "" : " on \(row.object)")\(row.way.map { " (\($0))" } ?? "")"
                })
            findings.append(
                finding(
                    FindingCode.overPrivileged.rawValue, row.severity,
                    "\(role) has what is denied to it: \(listed(objects, of: held.reduce(0) { $0 + $1.broken })).",
                    rows.map(evidence) + misled(rows, report), row.hint,
                    looks(row.remedies, report.engine, values)
                        + revokes(rows, report),
                    row.next))
        }
        return findings + undecided(report, values) + rowSecurity(report, values)
    }

    /// What the server would not judge is neither passed nor missing.
    private static func undecided(_ report: PrivilegeReport, _ values: RemedyValues) -> [Finding] {
        let rows = report.entries.flatMap(\.rows).filter { $0.kind == .unknown }
        guard !rows.isEmpty else { return [] }
        let row = Cause.queryFailed.row
        let objects = distinct(rows.map { "\($0.rights.joined(separator: ", ")) on \($0.object)" })
        return [
            finding(
                Cause.queryFailed.rawValue, .warning,
                "The server gives no verdict on \(listed(objects, of: objects.count)), so these rights count neither as held nor as missing.",
                rows.map(evidence), row.hint(engine: report.engine, source: nil), looks(row.remedies, report.engine, values),
                row.next(engine: report.engine, source: nil))
        ]
    }

    // MARK: Statements, in the words of the engine

    private static func grants(_ rows: [PrivilegeRow], _ missing: [PrivilegeReport.Entry], _ report: PrivilegeReport) -> [Remedy] {
        switch report.engine {
        case .postgresql: PostgresRemedies.grants(rows, missing, report.role)
        case .mysql: MySQLRemedies.grants(rows, report)
        case .azuresql: AzureSQLRemedies.grants(missing, report)
        }
    }

    private static func futureGrants(_ rows: [(PrivilegeReport.Entry, PrivilegeRow)], _ report: PrivilegeReport) -> [Remedy] {
        switch report.engine {
        case .postgresql: PostgresRemedies.future(rows, report.role)
        case .mysql: MySQLRemedies.future(rows.map(\.1), report)
        case .azuresql: AzureSQLRemedies.future(rows, report)
        }
    }

    private static func revokes(_ rows: [PrivilegeRow], _ report: PrivilegeReport) -> [Remedy] {
        switch report.engine {
        case .postgresql: PostgresRemedies.revokes(rows, report.role)
        case .mysql: MySQLRemedies.revokes(rows, report)
        case .azuresql: AzureSQLRemedies.revokes(rows, report)
        }
    }

    /// Rights that hold, and rows that stay out of sight all the same.
    private static func rowSecurity(_ report: PrivilegeReport, _ values: RemedyValues) -> [Finding] {
        let rows = report.entries.flatMap(\.rows).filter { $0.kind == .filtered }
        guard !rows.isEmpty else { return [] }
        let row = FindingCode.rowSecurity.row
        let closed = rows.filter { !$0.rights.isEmpty }
        let tables = distinct(rows.map(\.object))
        let blind = distinct(closed.map { "\($0.rights.joined(separator: ", ")) on \($0.object)" })
        var detail = "Policies decide which rows \(name(report.role)) reaches in \(listed(tables, of: rows.first?.total ?? tables.count))."
        if !blind.isEmpty { detail += " No policy lets it reach any row for \(listed(blind, of: blind.count))." }
        return [
            finding(
                FindingCode.rowSecurity.rawValue, closed.isEmpty ? .info : .warning, detail, rows.map(evidence), row.hint,
                looks(row.remedies, report.engine, values), row.next)
        ]
    }

    /// What the role can do where nothing is configured: told only when it is more than using the objects of others takes.
    static func of(_ survey: PrivilegeSurvey, values: RemedyValues) -> [Finding] {
        if let administrator = survey.administrator {
            return of(PrivilegeReport(role: survey.role, administrator: administrator, engine: survey.engine), values: values)
        }
        let excess = survey.excess
        guard !excess.isEmpty else { return [] }
        let row = FindingCode.overPrivileged.row
        return [
            finding(
                FindingCode.overPrivileged.rawValue, .info,
                """
                \(name(survey.role)) can do far more than an application needs, through \(listed(excess, of: excess.count)); \
                it \(survey.sentence).
                """,
                excess.map { Evidence(.agent, text: "\(name(survey.role)) has \($0)") },
                "Say with privileges.require and privileges.deny what it has to be able to do and what it must not.",
                looks(row.remedies, survey.engine, values), row.next)
        ]
    }

    /// The rights could not be looked at: known is only that.
    private static func unknown(_ problem: Failure, _ engine: Engine, _ values: RemedyValues) -> Finding {
        let row = problem.cause.row
        return Finding(
            id: "", code: problem.cause.rawValue, severity: .warning, phase: .privileges, certainty: problem.certainty, affects: [],
            detail: "The rights could not be looked at, so there is no verdict on them: \(problem.detail ?? row.means)",
            evidence: problem.evidence, hint: row.hint(engine: engine, source: nil), remedies: filled(row.remedies, engine, values),
            next: row.next(engine: engine, source: nil))
    }

    // MARK: Words

    private static func inactive(_ report: PrivilegeReport) -> String {
        guard !report.inactiveRoles.isEmpty else { return "" }
        return " Granted but not active at login: role \(report.inactiveRoles.prefix(4).map(name).joined(separator: ", "))."
    }

    private static func throughGroup(_ report: PrivilegeReport) -> String {
        guard let groups = report.groups else { return "" }
        let names = groups.isEmpty ? "" : ": \(groups.map(name).joined(separator: ", "))"
        return " It has no user of its own in this database and comes in through a group\(names); a grant is for the whole group."
    }

    private static func finding(
        _ code: String, _ severity: Severity, _ detail: String, _ evidence: [Evidence], _ hint: String, _ remedies: [Remedy],
        _ next: [String]
    ) -> Finding {
        Finding(
            id: "", code: code, severity: severity, phase: .privileges, certainty: .certain, affects: [], detail: Redactor.scrub(detail),
            evidence: Array(evidence.prefix(24)), hint: hint, remedies: remedies, next: next)
    }

    private static func lack(_ row: PrivilegeRow) -> String {
        let rights = row.rights.joined(separator: ", ")
        guard row.sort != "role" else { return "the attribute \(rights)" }
        let notes = [row.owner.map { "owner \(name($0))" }, row.way].compactMap { $0 }.joined(separator: "; ")
        return "\(rights) on \(row.object)\(notes.isEmpty ? "" : " (\(notes))")"
    }

    private static func absence(_ row: PrivilegeRow, joined: String = ", ") -> String {
        let isOld = row.sort == "right"
        guard joined == ", " else { return "\(row.object) \(isOld ? "is unknown to this server" : "does not exist")" }
        return "\(row.object), which \(isOld ? "this server is too old for: PostgreSQL 17 brought it" : "does not exist")"
    }

    private static func evidence(_ row: PrivilegeRow) -> Evidence {
        let rights = row.rights.joined(separator: ", ")
        let owner = row.owner.map { ", owner \(name($0))" } ?? ""
        return switch row.kind {
        case .missing: Evidence(.agent, text: "\(row.object) lacks \(rights)\(owner)\(row.way.map { ", because of \($0)" } ?? "")")
        case .absent: Evidence(.agent, text: "\(absence(row, joined: " "))")
        case .held: Evidence(.agent, text: "\(row.object) grants \(rights)\(owner)\(row.way.map { ", through \($0)" } ?? "")")
        case .future: Evidence(.agent, text: "\(row.object) gives no \(rights) by default")
        case .unknown: Evidence(.agent, text: "\(row.object): no verdict on \(rights)")
        case .filtered:
            Evidence(
                .agent,
                text: "\(row.object) has row-level security\(rights.isEmpty ? "" : ", and no policy for \(rights)")\(owner)")
        }
    }

    /// Where the view that tutorials ask would mislead about these objects.
    private static func misled(_ rows: [PrivilegeRow], _ report: PrivilegeReport) -> [Evidence] {
        guard let listing = report.listing else { return [] }
        // A closed schema closes everything in it.
        let objects = Set(rows.flatMap { [$0.object, $0.sort == "schema" ? "in \($0.schema ?? "")" : $0.object] })
        func about(_ row: PrivilegeRow) -> Bool { objects.contains(row.object) || objects.contains("in \(row.schema ?? "")") }
        func rights(_ row: PrivilegeRow) -> String { "\(row.rights.joined(separator: ", ")) on \(row.object)" }
        return listing.inert.filter(about).map {
            Evidence(.agent, text: "\(PrivilegeListing.view) lists \(rights($0)), and it opens nothing: \($0.way ?? "")")
        }
            + listing.unlisted.filter(about).map {
                Evidence(.agent, text: "\(PrivilegeListing.view) does not list \(rights($0)), which holds by \($0.way ?? "")")
            }
    }

    private static func listed(_ items: [String], of total: Int, limit: Int = 4) -> String {
        let shown = items.prefix(limit).joined(separator: "; ")
        let more = max(total, items.count) - min(limit, items.count)
        return more > 0 ? "\(shown); and \(more) more" : shown
    }

    static func plural(_ object: PrivilegeObject) -> String {
        switch object.kind {
        case .sequence: "sequences"
        case .function: "functions"
        default: "tables"
        }
    }

    /// A name from the server, safe inside a statement and on a terminal.
    static func name(_ text: String) -> String { SQLText.identifierWhereNeeded(Redactor.scrub(text)) }

    static func distinct(_ items: [String]) -> [String] {
        var seen: Set<String> = []
        return items.filter { seen.insert($0).inserted }
    }

    private static func filled(_ templates: [RemedyTemplate], _ engine: Engine, _ values: RemedyValues) -> [Remedy] {
        templates.filter { $0.applies(to: engine, source: nil, values: values) }.map { $0.filled(from: values) }
    }

    private static func looks(_ templates: [RemedyTemplate], _ engine: Engine, _ values: RemedyValues) -> [Remedy] {
        filled(templates, engine, values).filter { $0.kind == .look }
    }
}
