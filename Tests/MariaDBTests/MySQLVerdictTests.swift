// Verdicts on rights against what happens when the statement is tried, on a real MariaDB.
import Diagnosis
import Probes
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct MySQLVerdictTests {
    /// One account with its grants.
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var grants: [String]
        var testDescription: String { name }
    }

    static let cases = [
        Case(name: "none", grants: []),
        Case(name: "global", grants: ["GRANT SELECT, INSERT ON *.* TO $"]),
        Case(name: "database", grants: ["GRANT SELECT, UPDATE, EXECUTE, CREATE ON shop.* TO $"]),
        Case(name: "table", grants: ["GRANT SELECT, DELETE, DROP ON shop.a TO $", "GRANT EXECUTE ON FUNCTION shop.f TO $"]),
        Case(name: "columns", grants: ["GRANT SELECT (i), UPDATE (i) ON shop.a TO $"]),
        Case(name: "wildcard", grants: ["GRANT SELECT, INSERT ON my_db.* TO $"]),
        Case(name: "escaped", grants: ["GRANT SELECT, CREATE TEMPORARY TABLES ON `my\\_db`.* TO $"]),
        Case(name: "specific", grants: ["GRANT SELECT, DELETE ON `my%`.* TO $", "GRANT INSERT ON `my\\_db`.* TO $"]),
        Case(name: "active_role", grants: ["GRANT readers TO $", "SET DEFAULT ROLE readers FOR $"]),
        Case(name: "inactive_role", grants: ["GRANT readers TO $"]),
        Case(name: "role_and_own", grants: ["GRANT readers TO $", "SET DEFAULT ROLE readers FOR $", "GRANT INSERT ON shop.b TO $"]),
        Case(name: "all", grants: ["GRANT ALL PRIVILEGES ON shop.* TO $", "GRANT ALL PRIVILEGES ON my_db.t TO $"]),
    ]

    struct Question: Sendable {
        var rule: PrivilegeRule
        var statement: String
    }

    static let questions: [Question] = {
        var questions: [Question] = []
        for (schema, table) in [("shop", "a"), ("shop", "b"), ("my_db", "t"), ("myxdb", "t")] {
            let name = "`\(schema)`.`\(table)`"
            for (right, statement) in [
                (PrivilegeRight.select, "SELECT * FROM \(name)"), (.insert, "INSERT INTO \(name) VALUES ()"),
                (.update, "UPDATE \(name) SET i = 1, j = 1"),
                (.delete, "DELETE FROM \(name)"),
            ] {
                questions.append(
                    Question(rule: PrivilegeRule(object: .table(schema: schema, name: table), rights: [right]), statement: statement))
            }
        }
        questions.append(
            Question(rule: PrivilegeRule(object: .table(schema: "shop", name: "a"), rights: [.truncate]), statement: "TRUNCATE shop.a"))
        questions.append(
            Question(
                rule: PrivilegeRule(object: .function(schema: "shop", name: "f", arguments: nil), rights: [.execute]),
                statement: "SELECT shop.f()"))
        questions.append(Question(rule: PrivilegeRule(object: .schema("my_db"), rights: [.usage]), statement: "USE my_db"))
        questions.append(
            Question(rule: PrivilegeRule(object: .schema("shop"), rights: [.create]), statement: "CREATE TABLE shop.made_by_test (i int)"))
        return questions
    }()

    @Test func `what is called held can be done, and what is called missing cannot`() async throws {
        #expect(Self.questions.count <= PrivilegeRules.limit)
        try await RealMariaDB.run { server in
            try await server.run(
                """
                CREATE DATABASE shop; CREATE DATABASE my_db; CREATE DATABASE myxdb; CREATE TABLE shop.a (i int, j int);
                CREATE TABLE shop.b (i int, j int); CREATE TABLE my_db.t (i int, j int); CREATE TABLE myxdb.t (i int, j int);
                CREATE FUNCTION shop.f() RETURNS INT RETURN 1; CREATE ROLE readers; GRANT SELECT ON shop.* TO readers;
                """)
            let bench = try Bench()
            defer { bench.close() }
            let rules = PrivilegeRules(require: Self.questions.map(\.rule))
            for row in Self.cases {
                let account = "'\(row.name)'@'%'"
                try await server.run(
                    RealMariaDB.account(row.name) + row.grants.map { $0.replacing("$", with: account) + ";" }.joined(separator: " "))
                // Without a database, so that an account without rights logs in as well.
                let probe = bench.probe(port: server.port, user: row.name, database: "", caFile: server.caFile, privileges: rules)
                let observation = try #require(await probe.observe(bench.run()))
                #expect(observation.outcome == .succeeded, "\(row.name): \(observation.outcome)")
                let report = try #require(observation.facts.privileges)
                #expect(report.problem == nil, "\(row.name): \(String(describing: report.problem))")
                #expect(report.administrator == nil)
                try #require(report.entries.count == Self.questions.count)
                for (entry, question) in zip(report.entries, Self.questions) {
                    var works = true
                    do {
                        _ = try await server.run(question.statement, as: row.name)
                    } catch {
                        works = false
                        let text = "\(error)"
                        #expect(["1142", "1143", "1044", "1370", "1227"].contains { text.contains("ERROR \($0)") }, "\(text)")
                    }
                    #expect(entry.isPassed == works, "\(row.name): \(question.statement): \(entry.rows)")
                    if question.statement.contains("made_by_test"), works { try await server.run("DROP TABLE shop.made_by_test") }
                }
                #expect(report.inactiveRoles == (row.name == "inactive_role" ? ["readers"] : []), "\(row.name)")
            }
        }
    }

    @Test func `all tables, what is denied and administrators are judged as the grammar says`() async throws {
        try await RealMariaDB.run { server in
            try await server.run(
                """
                CREATE DATABASE shop; CREATE TABLE shop.a (i int); CREATE TABLE shop.b (i int); CREATE VIEW shop.v AS SELECT * FROM shop.a;
                \(RealMariaDB.account("narrow")) GRANT SELECT ON shop.a TO 'narrow'@'%'; GRANT INSERT ON shop.b TO 'narrow'@'%';
                \(RealMariaDB.account("wide")) GRANT SELECT, DELETE ON shop.* TO 'wide'@'%';
                \(RealMariaDB.account("boss")) GRANT ALL PRIVILEGES ON *.* TO 'boss'@'%' WITH GRANT OPTION;
                """)
            let bench = try Bench()
            defer { bench.close() }
            let rules = PrivilegeRules(
                require: [
                    PrivilegeRule(object: .database, rights: [.connect]),
                    PrivilegeRule(object: .allTables(schema: "shop"), rights: [.select]),
                    PrivilegeRule(object: .table(schema: "shop", name: "gone"), rights: [.select]),
                ],
                deny: [
                    PrivilegeRule(object: .role, rights: [.superuser]),
                    PrivilegeRule(object: .table(schema: "shop", name: "b"), rights: [.insert, .delete]),
                    PrivilegeRule(object: .allTables(schema: "shop"), rights: [.delete]),
                ])
            func entries(_ user: String) async throws -> PrivilegeReport {
                let probe = bench.probe(port: server.port, user: user, caFile: server.caFile, privileges: rules)
                let observation = try #require(await probe.observe(bench.run()))
                #expect(observation.outcome == .succeeded, "\(observation.outcome)")
                return try #require(observation.facts.privileges)
            }
            let narrow = try await entries("narrow")
            #expect(narrow.entries.map(\.isPassed) == [true, false, false, true, false, true], "\(narrow.entries)")
            #expect(narrow.entries[1].rows.map(\.kind) == [.missing, .future])
            #expect(narrow.entries[1].rows[0].name == "b")
            #expect(narrow.entries[4].rows[0].rights == ["INSERT"])
            #expect(narrow.entries[4].rows[0].way == "direct grant")
            let wide = try await entries("wide")
            #expect(wide.entries.map(\.isPassed) == [true, true, false, true, false, false], "\(wide.entries)")
            #expect(wide.entries[2].rows.map(\.kind) == [.absent])
            #expect(wide.entries[5].rows[0].way == "direct grant on `shop`.*")
            let boss = try await entries("boss")
            #expect(boss.administrator == "ALL PRIVILEGES on *.*")
            #expect(boss.entries.isEmpty)
        }
    }

    /// What the server is started with, and what there is in it.
    struct Naming: Sendable, CustomTestStringConvertible {
        var options: [String]
        var more: String
        var testDescription: String { options.first ?? "lower_case_table_names=0" }
    }

    @Test(arguments: [
        Naming(options: [], more: "CREATE TABLE Shop.orders (i int); CREATE DATABASE shop; CREATE TABLE shop.orders (i int);"),
        Naming(options: ["lower-case-table-names=1"], more: ""),
    ])
    func `names that differ in case are one or two, as the server has it`(_ naming: Naming) async throws {
        try await RealMariaDB.run(options: naming.options) { server in
            try await server.run(
                """
                CREATE DATABASE Shop; CREATE TABLE Shop.Orders (i int); CREATE FUNCTION Shop.Total() RETURNS INT RETURN 1; \(naming.more)
                \(RealMariaDB.account("wide")) GRANT SELECT, EXECUTE ON Shop.* TO 'wide'@'%';
                \(RealMariaDB.account("narrow")) GRANT SELECT ON Shop.Orders TO 'narrow'@'%'; GRANT EXECUTE ON FUNCTION Shop.Total TO 'narrow'@'%';
                """)
            let bench = try Bench()
            defer { bench.close() }
            var questions: [Question] = []
            for (schema, table) in [("Shop", "Orders"), ("Shop", "orders"), ("shop", "Orders"), ("shop", "orders"), ("SHOP", "ORDERS")] {
                questions.append(
                    Question(
                        rule: PrivilegeRule(object: .table(schema: schema, name: table), rights: [.select]),
                        statement: "SELECT * FROM `\(schema)`.`\(table)`"))
            }
            for (schema, function) in [("Shop", "Total"), ("Shop", "TOTAL"), ("shop", "total")] {
                questions.append(
                    Question(
                        rule: PrivilegeRule(object: .function(schema: schema, name: function, arguments: nil), rights: [.execute]),
                        statement: "SELECT `\(schema)`.`\(function)`()"))
            }
            for user in ["wide", "narrow"] {
                let probe = bench.probe(
                    port: server.port, user: user, database: "", caFile: server.caFile,
                    privileges: PrivilegeRules(require: questions.map(\.rule)))
                let observation = try #require(await probe.observe(bench.run()))
                let report = try #require(observation.facts.privileges)
                #expect(report.problem == nil, "\(String(describing: report.problem))")
                try #require(report.entries.count == questions.count)
                var works = 0
                for (entry, question) in zip(report.entries, questions) {
                    let isDone = (try? await server.run(question.statement, as: user)) != nil
                    works += isDone ? 1 : 0
                    #expect(entry.isPassed == isDone, "\(user): \(question.statement): \(entry.rows)")
                }
                // All of them where case means nothing; else what is written exactly so, and the routine in any case.
                #expect(works == (naming.options.isEmpty ? (user == "wide" ? 4 : 3) : questions.count), "\(user)")
            }
        }
    }

    @Test func `without rules the reach of an account is what it can do when it tries`() async throws {
        try await RealMariaDB.run { server in
            let accounts: [(name: String, grants: [String])] = [
                ("bare", []), ("reader", ["SELECT ON shop.*"]), ("writer", ["SELECT, INSERT ON shop.*"]),
                ("narrow", ["SELECT ON shop.a", "INSERT ON shop.b", "SELECT (i) ON shop.c"]), ("owner", ["ALL PRIVILEGES ON shop.*"]),
                ("roaming", ["SELECT ON *.*"]), ("elsewhere", ["SELECT ON other.*"]),
            ]
            let setup = accounts.map { account in
                RealMariaDB.account(account.name) + account.grants.map { "GRANT \($0) TO '\(account.name)'@'%';" }.joined()
            }
            try await server.run(
                """
                CREATE DATABASE shop; CREATE DATABASE other; CREATE TABLE shop.a (i int); CREATE TABLE shop.b (i int);
                CREATE TABLE shop.c (i int, j int); CREATE VIEW shop.v AS SELECT i FROM shop.a; \(setup.joined())
                \(RealMariaDB.account("boss")) GRANT ALL PRIVILEGES ON *.* TO 'boss'@'%' WITH GRANT OPTION;
                """)
            let bench = try Bench()
            defer { bench.close() }
            func rights(_ user: String, database: String) async throws -> (probe: MySQLProbe, seen: PrivilegeSurvey) {
                let probe = bench.probe(port: server.port, user: user, database: database, caFile: server.caFile)
                let observation = try #require(await probe.observe(bench.run()))
                #expect(observation.outcome == .succeeded, "\(user): \(observation.outcome)")
                #expect(observation.phases.last?.outcome == .ok, "\(user)")
                return (probe, try #require(observation.facts.rights, "\(user)"))
            }
            for account in accounts where account.name != "bare" && account.name != "elsewhere" {
                let (probe, seen) = try await rights(account.name, database: "shop")
                var (readable, writable) = (0, 0)
                for table in ["a", "b", "c", "v"] {
                    readable += (try? await server.run("SELECT i FROM shop.\(table)", as: account.name)) != nil ? 1 : 0
                    writable += (try? await server.run("INSERT INTO shop.\(table) (i) VALUES (1)", as: account.name)) != nil ? 1 : 0
                }
                #expect(seen.readable == readable && seen.writable == writable, "\(account.name): \(seen.json.compact)")
                #expect(seen.tables == (account.name == "narrow" ? 3 : 4), "\(account.name)")
                #expect(seen.administrator == nil && seen.role == "\(account.name)@%")
                let excess = ["owner": ["ALL PRIVILEGES on `shop`.*"], "roaming": ["SELECT on *.*"]][account.name] ?? []
                #expect(seen.excess == excess, "\(account.name)")
                // An hour passes before it is asked again.
                let second = try #require(await probe.observe(bench.run()))
                #expect(second.phases.last?.duration == nil && second.facts.rights == seen)
            }
            #expect(try await rights("bare", database: "").seen.tables == 0)
            #expect(try await rights("boss", database: "shop").seen.administrator == "ALL PRIVILEGES on *.*")
        }
    }
}
