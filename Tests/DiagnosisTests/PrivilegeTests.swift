// The words of the grammar, the statement they become, and what findings say; the truth of verdicts is tested on a real server.
import Testing

@testable import Diagnosis

@Suite struct PrivilegeGrammarTests {
    struct Row: Sendable {
        var text: String
        var object: PrivilegeObject?
        var problem: String

        init(_ text: String, _ object: PrivilegeObject) { (self.text, self.object, problem) = (text, object, "") }
        init(_ text: String, fails problem: String) { (self.text, object, self.problem) = (text, nil, problem) }
    }

    static let rows = [
        Row("database", .database), Row("role", .role), Row("DATABASE", .database),
        Row("schema public", .schema("public")), Row("schema Sales", .schema("sales")), Row("schema \"Sales\"", .schema("Sales")),
        Row("table sales.orders", .table(schema: "sales", name: "orders")),
        Row("view sales.orders", .table(schema: "sales", name: "orders")),
        Row("table  sales . orders ", .table(schema: "sales", name: "orders")),
        Row("table \"a.b\".\"c\"\"d\"", .table(schema: "a.b", name: "c\"d")),
        Row("table größe.ÄB", .table(schema: "größe", name: "Äb")),
        Row("all tables in schema public", .allTables(schema: "public")),
        Row("ALL Tables IN schema public", .allTables(schema: "public")),
        Row("all sequences in schema s", .allSequences(schema: "s")), Row("sequence s.q", .sequence(schema: "s", name: "q")),
        Row("all functions in schema s", .allFunctions(schema: "s")),
        Row("function s.f", .function(schema: "s", name: "f", arguments: nil)),
        Row("function s.f()", .function(schema: "s", name: "f", arguments: "")),
        Row("function s.f(INT,  varchar)", .function(schema: "s", name: "f", arguments: "integer, character varying")),
        Row("function s.f(int8[], timestamptz)", .function(schema: "s", name: "f", arguments: "bigint[], timestamp with time zone")),
        Row("", fails: "no object"), Row("tabel s.t", fails: "the forms are"), Row("table", fails: "the name of the table is missing"),
        Row("table orders", fails: "as in table public.orders"), Row("table a.b.c", fails: "two parts"),
        Row("table s.", fails: "is missing"), Row("schema a b", fails: "more than one object"), Row("schema a.b", fails: "more than one"),
        Row("schema my-schema", fails: "outside quotes"), Row("schema a; DROP TABLE b", fails: "outside quotes"),
        Row("schema 'a'", fails: "outside quotes"), Row("schema \"a", fails: "closing quote"), Row("schema \"\"", fails: "empty"),
        Row("function s.f(int", fails: "closing parenthesis"), Row("all views in schema s", fails: "followed by tables"),
        Row("all tables in schema", fails: "the name of the schema is missing"),
        Row("all tables", fails: "followed by tables"),
        Row("schema " + String(repeating: "a", count: 64), fails: "63 bytes"),
        Row("schema \"" + String(repeating: "ä", count: 32) + "\"", fails: "63 bytes"),
        Row("schema \"" + String(repeating: "x", count: 2000) + "\"", fails: "1024 bytes"),
    ]

    @Test("Objects are read as SQL would read them, or refused in words", arguments: rows)
    func objects(row: Row) {
        switch PrivilegeGrammar.object(row.text) {
        case .success(let object): #expect(object == row.object, "\(row.text)")
        case .failure(let problem): #expect(row.object == nil && problem.text.contains(row.problem), "\(row.text): \(problem.text)")
        }
    }

    @Test("For SQL Server a bare name stays as it is written, may be 128 characters long, and the example is its own")
    func azureSQL() throws {
        let orders = PrivilegeObject.table(schema: "Sales", name: "OrderLines")
        #expect(try PrivilegeGrammar.object("TABLE Sales.OrderLines", for: .azuresql).get() == orders)
        #expect(try PrivilegeGrammar.object(orders.description, for: .azuresql).get() == orders)
        let long = String(repeating: "\u{E4}", count: 128)
        #expect(try PrivilegeGrammar.object("schema \(long)", for: .azuresql).get() == .schema(long))
        for (text, problem) in [
            ("schema \(long)x", "128 characters that SQL Server takes"), ("table Orders", "as in table dbo.\"Orders\""),
            // Two units of UTF-16 each.
            ("schema \"\(String(repeating: "\u{1F600}", count: 65))\"", "128 characters"),
        ] {
            guard case .failure(let found) = PrivilegeGrammar.object(text, for: .azuresql) else {
                Issue.record("\(text)")
                continue
            }
            #expect(found.text.contains(problem) && !found.text.contains("PostgreSQL"), "\(found.text)")
        }
    }

    @Test("Each kind has its own rights, and a bare word has no object")
    func rights() throws {
        for kind in PrivilegeObject.Kind.allCases {
            for right in PrivilegeRight.allCases {
                let result = try? PrivilegeGrammar.rights(right.rawValue, on: kind).get()
                #expect(result == (kind.rights.contains(right) ? [right] : nil), "\(right) on \(kind)")
            }
        }
        #expect(try PrivilegeGrammar.rights("maintain", on: .table).get() == [.maintain])
        #expect(try PrivilegeGrammar.rights("ALL", on: .sequence).get() == [.usage, .select, .update])
        #expect((try? PrivilegeGrammar.rights("all", on: .role).get()) == nil)
        #expect(try PrivilegeGrammar.bare("connect").get() == PrivilegeRule(object: .database, rights: [.connect]))
        #expect(try PrivilegeGrammar.bare("superuser").get() == PrivilegeRule(object: .role, rights: [.superuser]))
        for word in ["select", "usage", "conect", "connect; DROP TABLE x", ""] {
            #expect((try? PrivilegeGrammar.bare(word).get()) == nil, "\(word)")
        }
    }

    @Test("What a rule says of itself can be read back")
    func descriptions() throws {
        for row in Self.rows {
            guard let object = row.object else { continue }
            #expect(try PrivilegeGrammar.object(object.description).get() == object, "\(object.description)")
        }
    }
}

@Suite struct PrivilegeStatementTests {
    static let hostile = [
        "x'; DROP TABLE t; --", "x\\'; DROP TABLE t; --", "\\", "'", "''", "\"", "$$", "x')) UNION SELECT 1 --", "/* ", "E'", "a\u{0}b",
        "日本'",
    ]

    /// What is left of SQL when its string constants are taken out, read as the server reads them with either setting of
    /// `standard_conforming_strings`.
    private static func outside(_ sql: String, backslashEscapes: Bool) -> (text: String, isClosed: Bool) {
        var text = ""
        var scalars = Array(sql.unicodeScalars)[...]
        var previous: Unicode.Scalar = " "
        while let scalar = scalars.popFirst() {
            guard scalar == "'" else {
                text.unicodeScalars.append(scalar)
                previous = scalar
                continue
            }
            let escapes = backslashEscapes || previous == "E"
            var isClosed = false
            while let inner = scalars.popFirst() {
                if inner == "\\", escapes {
                    _ = scalars.popFirst()
                } else if inner == "'" {
                    if scalars.first == "'" {
                        _ = scalars.popFirst()
                    } else {
                        isClosed = true
                        break
                    }
                }
            }
            if !isClosed { return (text, false) }
            text += "?"
            previous = "?"
        }
        return (text, true)
    }

    @Test("No name, however hostile, changes the statement outside its string constants", arguments: hostile)
    func injection(name: String) {
        func statement(_ name: String) -> String {
            let objects: [PrivilegeObject] = [
                .schema(name), .table(schema: name, name: name), .allTables(schema: name), .sequence(schema: name, name: name),
                .allSequences(schema: name), .function(schema: name, name: name, arguments: name), .allFunctions(schema: name),
            ]
            let rules = objects.map { PrivilegeRule(name: name, object: $0, rights: [$0.kind.rights[0]]) }
            return PrivilegeStatement.text(PrivilegeRules(require: rules, deny: rules))
        }
        let plain = Self.outside(statement("plain"), backslashEscapes: false).text
        for backslashEscapes in [false, true] {
            let (text, isClosed) = Self.outside(statement(name), backslashEscapes: backslashEscapes)
            #expect(isClosed)
            // The form with E differs from the plain one by that letter.
            #expect(text.split(separator: " E?").joined(separator: "?") == plain.split(separator: " E?").joined(separator: "?"))
            #expect(!text.contains(";") && !text.contains("\0"))
        }
    }

    @Test("Constants and identifiers are quoted by doubling, the backslash only in the form with E")
    func quoting() {
        #expect(SQLText.literal("a") == "'a'")
        #expect(SQLText.literal("o'brien") == "'o''brien'")
        #expect(SQLText.literal("a\\b'") == " E'a\\\\b'''")
        #expect(SQLText.identifier("a\"b") == "\"a\"\"b\"")
        for (name, shown) in [
            ("orders", "orders"), ("Orders", "\"Orders\""), ("select", "\"select\""), ("a b", "\"a b\""), ("1a", "\"1a\""), ("", "\"\""),
            ("public", "public"), ("a;b", "\"a;b\""),
        ] { #expect(SQLText.identifierWhereNeeded(name) == shown) }
    }

    @Test("Each entry is numbered in the order of the file, and nothing is asked that no entry wants")
    func shape() {
        let rules = PrivilegeRules(
            require: [PrivilegeRule(object: .database, rights: [.connect])], deny: [PrivilegeRule(object: .role, rights: [.createdb])])
        let text = PrivilegeStatement.text(rules)
        #expect(text.split(separator: "\nUNION ALL ").count == 3)
        #expect(text.contains("(SELECT 0, 'missing'") && text.contains("(SELECT 1, 'held', 'role'") && !text.contains("pg_class"))
    }
}

@Suite struct PrivilegeReportTests {
    static let rules = PrivilegeRules(
        require: [PrivilegeRule(object: .allTables(schema: "sales"), rights: [.select, .insert])],
        deny: [PrivilegeRule(name: "audit", object: .table(schema: "audit", name: "log"), rights: [.delete])])

    static func answer(_ rows: [[String?]]) -> [[String?]] {
        [["-1", "self", "role", nil, "aad_orders", nil, nil, nil, "1", "1"]] + rows
    }

    @Test("An answer of another shape, or with words that nobody asked for, is no answer")
    func hostileAnswers() {
        let good: [String?] = ["0", "missing", "table", "sales", "t", "o", "SELECT, INSERT", nil, "12", "12"]
        #expect(PrivilegeReport(Self.rules, answer: Self.answer([good])) != nil)
        let bad: [[String?]] = [
            ["9", "missing", "table", "s", "t", "o", "SELECT", nil, "1", "1"],
            ["-2", "missing", "table", "s", "t", "o", "SELECT", nil, "1", "1"],
            ["0", "other", "table", "s", "t", "o", "SELECT", nil, "1", "1"],
            ["0", "missing", "elephant", "s", "t", "o", "SELECT", nil, "1", "1"],
            ["0", "missing", "table", "s", "t", "o", "SELECT; DROP", nil, "1", "1"], ["0", "missing", "table"], [],
            [nil, nil, nil, nil, nil, nil, nil, nil, nil, nil],
        ]
        for row in bad { #expect(PrivilegeReport(Self.rules, answer: Self.answer([row])) == nil, "\(row)") }
        #expect(PrivilegeReport(Self.rules, answer: []) == nil)
    }

    @Test("Findings name the objects, their owners and the statements, and the check stays up")
    func findings() throws {
        let report = try #require(
            PrivilegeReport(
                Self.rules,
                answer: Self.answer([
                    ["0", "missing", "table", "sales", "Lines", "shop_owner", "SELECT, INSERT", nil, "2", "1"],
                    ["0", "missing", "view", "sales", "v", "o\"x", "INSERT", nil, "2", "1"],
                    ["0", "missing", "schema", "sales", nil, "shop_owner", "USAGE", nil, "1", "1"],
                    ["0", "future", "role", "sales", "shop_owner", "shop_owner", "SELECT", nil, "1", "1"],
                    ["1", "held", "table", "audit", "log", "shop_owner", "DELETE", "PUBLIC, direct grant", "1", "1"],
                ])))
        #expect(report.entries[0].broken == 3)
        #expect(report.verdicts.map(\.label) == ["require", "audit"] && report.verdicts.allSatisfy { !$0.isPassed })
        var facts = Fixture.facts()
        facts.privileges = report
        let target = Target(
            name: "orders", engine: .postgresql, host: "orders.postgres.database.azure.com", port: 5432, database: "orders",
            user: "aad_orders", identities: ["app"], privileges: Self.rules)
        let page = Fixture.report([Fixture.status(target, facts: facts)])
        #expect(page.checks[0].status.state == .up)
        #expect(page.exit == .privileges)
        #expect(page.findings.map(\.code) == ["privilege_missing", "privilege_future_objects", "over_privileged"])
        #expect(page.findings.map(\.severity) == [.error, .warning, .warning])
        let missing = page.findings[0]
        #expect(missing.detail.contains("SELECT, INSERT on table sales.\"Lines\" (owner shop_owner)"))
        #expect(missing.remedies[0].kind == .look && missing.remedies[0].text.contains("information_schema.table_privileges"))
        #expect(missing.remedies[0].text.contains("PUBLIC"))
        #expect(
            missing.remedies.dropFirst().map(\.text) == [
                "GRANT USAGE ON SCHEMA sales TO aad_orders;  -- as shop_owner, the owner",
                "GRANT SELECT, INSERT ON TABLE sales.\"Lines\" TO aad_orders;  -- as shop_owner, the owner",
                "GRANT INSERT ON TABLE sales.v TO aad_orders;  -- as \"o\"\"x\", the owner",
            ])
        #expect(
            page.findings[1].remedies.last?.text
                == """
                ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA sales GRANT SELECT ON TABLES TO aad_orders;  -- as shop_owner, or a \
                member of that role
                """)
        #expect(page.findings[2].detail.contains("DELETE on table audit.log (PUBLIC, direct grant)"))
        #expect(page.findings[2].remedies.filter { $0.kind == .destroys }.count == 2)
        let text = ReportText.render(page)
        #expect(text.contains("privileges  privilege_missing") && text.contains("exit 50"))
    }

    @Test("Rows out of sight are no missing right, but a finding, and a warning where no policy lets any row through")
    func rowSecurity() throws {
        func findings(_ rights: String?) throws -> [Finding] {
            let row: [String?] = ["0", "filtered", "table", "sales", "t", "shop_owner", rights, nil, "1", "1"]
            let report = try #require(PrivilegeReport(Self.rules, answer: Self.answer([row])))
            #expect(report.verdicts.allSatisfy { $0.isPassed } && report.entries[0].broken == 0)
            return PrivilegeFindings.of(report, values: RemedyValues())
        }
        let open = try findings(nil)
        #expect(open.map(\.code) == ["row_security"] && open[0].severity == .info)
        #expect(open[0].detail == "Policies decide which rows aad_orders reaches in table sales.t.")
        let closed = try findings("SELECT")
        #expect(closed.map(\.severity) == [.warning])
        #expect(closed[0].detail.hasSuffix("No policy lets it reach any row for SELECT on table sales.t."))
        #expect(closed[0].remedies.map(\.kind) == [.look] && closed[0].remedies[0].text.contains("pg_policies"))
    }

    @Test("A right that the server is too old for is missing, with the reason")
    func tooOld() throws {
        let row: [String?] = ["0", "absent", "right", nil, "MAINTAIN", nil, nil, nil, "1", "1"]
        let report = try #require(PrivilegeReport(Self.rules, answer: Self.answer([row])))
        let finding = try #require(PrivilegeFindings.of(report, values: RemedyValues()).first)
        #expect(finding.code == "privilege_missing")
        let words = "right \"MAINTAIN\", which this server is too old for: PostgreSQL 17 brought it"
        #expect(finding.detail.contains(words), "\(finding.detail)")
        #expect(finding.remedies.allSatisfy { $0.kind == .look })
    }

    struct SurveyRow: Sendable {
        var change: @Sendable (inout PrivilegeSurvey) -> Void = { _ in }
        var sentence: String
        var excess: [String] = []
    }

    @Test(
        "A survey says in one sentence what the role can do, and names what is more than an application needs",
        arguments: [
            SurveyRow(sentence: "can read 12 and write 3 of 14 tables"),
            SurveyRow(change: { $0.writable = 0 }, sentence: "can read 12 of 14 tables"),
            SurveyRow(change: { $0.readable = 0 }, sentence: "can write 3 of 14 tables"),
            SurveyRow(change: { ($0.readable, $0.writable, $0.tables) = (1, 1, 1) }, sentence: "can read and write 1 of 1 table"),
            SurveyRow(change: { ($0.readable, $0.writable) = (0, 0) }, sentence: "can use none of 14 tables"),
            SurveyRow(change: { $0.tables = 0 }, sentence: "there are no tables"),
            SurveyRow(
                change: { ($0.owned, $0.rowSecured) = (2, 1) },
                sentence: "can read 12 and write 3 of 14 tables, owns 2, sees 1 through row-level security"),
            SurveyRow(
                change: {
                    $0.attributes = [.createrole]
                    $0.roles = ["app_group", "pg_read_all_data"]
                    $0.database = [.create, .temporary]
                }, sentence: "can read 12 and write 3 of 14 tables",
                excess: ["the attribute CREATEROLE", "CREATE on the database", "the role pg_read_all_data"]),
            SurveyRow(
                change: { ($0.ownsDatabase, $0.database) = (true, [.create]) }, sentence: "can read 12 and write 3 of 14 tables",
                excess: ["ownership of the database"]),
            SurveyRow(change: { $0.administrator = "superuser" }, sentence: "administrator"),
        ])
    func surveys(row: SurveyRow) throws {
        let answer: [String?] = ["aad_orders", nil, "", #"["app_group", "o,\"ther"]"#, "temporary", "f", "0", "14", "12", "3", "0", "0"]
        var survey = try #require(PrivilegeSurvey(answer: [answer]))
        #expect(survey.roles == ["app_group", "o,\"ther"] && survey.database == [.temporary] && survey.attributes.isEmpty)
        row.change(&survey)
        #expect(survey.sentence == row.sentence)
        #expect(survey.excess == row.excess)
        let findings = PrivilegeFindings.of(survey, values: RemedyValues())
        let codes = survey.administrator != nil ? ["probing_as_admin"] : row.excess.isEmpty ? [] : ["over_privileged"]
        #expect(findings.map(\.code) == codes)
        if codes == ["over_privileged"] { #expect(findings[0].severity == .info && findings[0].remedies.allSatisfy { $0.kind == .look }) }
    }

    @Test("A survey of another shape is none", arguments: [[], ["r"], [nil, nil, "", "", "", "f", "0", "1", "1", "1", "1", "1"]])
    func foreignSurveys(row: [String?]) {
        #expect(PrivilegeSurvey(answer: [row]) == nil)
        #expect(PrivilegeSurvey(answer: []) == nil)
        #expect(PrivilegeSurvey(answer: [["r", nil, "", nil, "", "f", "0", "many", "1", "1", "1", "1"]]) == nil)
    }

    @Test("Many objects of one owner are granted at once")
    func manyObjects() throws {
        let rows: [[String?]] = (0..<8).map { ["0", "missing", "table", "sales", "t\($0)", "o", "SELECT", nil, "3333", "3333"] }
        let report = try #require(PrivilegeReport(Self.rules, answer: Self.answer(rows)))
        let finding = try #require(PrivilegeFindings.of(report, values: RemedyValues()).first)
        #expect(finding.detail.contains("and 3329 more"))
        #expect(finding.remedies.last?.text == "GRANT SELECT ON ALL TABLES IN SCHEMA sales TO aad_orders;  -- as o, the owner")
    }

    @Test("Statements for all tables name each schema that needs one, and one owner's tables only")
    func severalSchemas() throws {
        func remedies(_ rows: [[String?]]) throws -> [String] {
            let report = try #require(PrivilegeReport(Self.rules, answer: Self.answer(rows)))
            return PrivilegeFindings.of(report, values: RemedyValues()).flatMap(\.remedies).map(\.text)
        }
        let two = try remedies(
            ["sales", "billing"].flatMap { schema in
                (0..<8).map { ["0", "missing", "table", schema, "t\($0)", "o", "SELECT", nil, "3333", "3333"] }
            })
        for schema in ["sales", "billing"] { #expect(two.contains { $0.contains("ON ALL TABLES IN SCHEMA \(schema) TO") }, "\(two)") }
        // Of ten that are missing another owner has two.
        let mixed = try remedies((0..<7).map { ["0", "missing", "table", "sales", "t\($0)", "o", "SELECT", nil, "10", "8"] })
        #expect(mixed.contains { $0.contains("t0") } && !mixed.contains { $0.contains("ALL TABLES") }, "\(mixed)")
    }

    @Test("A look that failed is a warning and no verdict; an administrator is told so")
    func noVerdict() {
        let failed = PrivilegeReport(role: "r", problem: Failure(.queryTimeout, during: .privileges))
        let finding = PrivilegeFindings.of(failed, values: RemedyValues())
        #expect(finding.map(\.code) == ["query_timeout"] && finding[0].severity == .warning && failed.verdicts.isEmpty)
        let admin = PrivilegeReport(role: "r", administrator: "azure_pg_admin")
        #expect(PrivilegeFindings.of(admin, values: RemedyValues()).map(\.code) == ["probing_as_admin"] && admin.verdicts.isEmpty)
    }
}
