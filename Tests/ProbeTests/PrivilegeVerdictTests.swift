// Verdicts on rights against the truth: what happens when the statement is tried as that role on a real PostgreSQL.
import Diagnosis
import Lab
import Probes
import Testing
import TestSupport

/// One arrangement of rights in a schema of its own (`S` in all texts), one rule, and statements that show what the rule is about.
struct Situation: Sendable {
    var what: String
    /// Run as administrator, after the schema `S` of `shop_owner` with the tables `t` and `u` was made.
    var setup: String
    var demand: PrivilegeDemand = .require
    var on: String
    var grants: [String]
    /// A required rule holds when all of them work, a denied one when none does.
    var tries: [String]
    var holds: Bool
    /// Whether objects that `maker` makes later lack the rights; nil where nothing is said of it.
    var lacksFuture: Bool?
    var maker = "shop_owner"
    var undo = ""

    static let usage = "GRANT USAGE ON SCHEMA S TO aad_orders;"
    static let all = "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA S TO aad_orders;"

    static let table: [Situation] = [
        Situation(
            what: "direct grant", setup: usage + "GRANT SELECT ON S.t TO aad_orders;", on: "table S.t", grants: ["select"],
            tries: ["SELECT * FROM S.t"], holds: true),
        Situation(what: "no grant", setup: usage, on: "table S.t", grants: ["select"], tries: ["SELECT * FROM S.t"], holds: false),
        Situation(
            what: "one right of two", setup: usage + "GRANT SELECT ON S.t TO aad_orders;", on: "table S.t", grants: ["select", "insert"],
            tries: ["SELECT * FROM S.t", "INSERT INTO S.t VALUES (1)"], holds: false),
        Situation(
            what: "no use of the schema", setup: "GRANT SELECT ON S.t TO aad_orders;", on: "table S.t", grants: ["select"],
            tries: ["SELECT * FROM S.t"], holds: false),
        Situation(
            what: "through a role",
            setup: "CREATE ROLE g1; GRANT g1 TO aad_orders; GRANT USAGE ON SCHEMA S TO g1; GRANT SELECT ON S.t TO g1;", on: "table S.t",
            grants: ["select"], tries: ["SELECT * FROM S.t"], holds: true, undo: "REVOKE g1 FROM aad_orders;"),
        Situation(
            what: "through a role of a role",
            setup: """
                CREATE ROLE g2; CREATE ROLE g3; GRANT g2 TO g3; GRANT g3 TO aad_orders; GRANT USAGE ON SCHEMA S TO g2;
                GRANT SELECT ON S.t TO g2;
                """, on: "table S.t", grants: ["select"], tries: ["SELECT * FROM S.t"], holds: true, undo: "REVOKE g3 FROM aad_orders;"),
        Situation(
            what: "through a role that is not inherited",
            setup: """
                ALTER ROLE aad_orders NOINHERIT; CREATE ROLE g4; GRANT g4 TO aad_orders; GRANT USAGE ON SCHEMA S TO g4;
                GRANT SELECT ON S.t TO g4;
                """, on: "table S.t", grants: ["select"], tries: ["SELECT * FROM S.t"], holds: false,
            undo: "REVOKE g4 FROM aad_orders; ALTER ROLE aad_orders INHERIT;"),
        Situation(
            what: "through PUBLIC", setup: "GRANT USAGE ON SCHEMA S TO PUBLIC; GRANT SELECT ON S.t TO PUBLIC;", on: "table S.t",
            grants: ["select"], tries: ["SELECT * FROM S.t"], holds: true),
        Situation(
            what: "ownership", setup: usage + "ALTER TABLE S.t OWNER TO aad_orders;", on: "table S.t", grants: ["all"],
            tries: ["SELECT * FROM S.t", "TRUNCATE S.t"], holds: true),
        Situation(
            what: "owner who took his own right away",
            setup: usage + "ALTER TABLE S.t OWNER TO aad_orders; REVOKE SELECT ON S.t FROM aad_orders;", on: "table S.t",
            grants: ["select"], tries: ["SELECT * FROM S.t"], holds: false),
        Situation(
            what: "ownership by a role",
            setup: usage + "CREATE ROLE g5; GRANT g5 TO aad_orders; ALTER TABLE S.t OWNER TO g5;", on: "table S.t", grants: ["truncate"],
            tries: ["TRUNCATE S.t"], holds: true, undo: "REVOKE g5 FROM aad_orders;"),
        Situation(
            what: "all tables, today's and tomorrow's",
            setup: usage + all + "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA S GRANT SELECT, INSERT ON TABLES TO aad_orders;",
            on: "all tables in schema S", grants: ["select", "insert"], tries: ["SELECT * FROM S.t", "INSERT INTO S.u VALUES (1)"],
            holds: true, lacksFuture: false),
        Situation(
            what: "all tables, default rights for every schema",
            setup: usage + all + "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner GRANT SELECT ON TABLES TO aad_orders;",
            on: "all tables in schema S", grants: ["select"], tries: ["SELECT * FROM S.t"], holds: true, lacksFuture: false,
            undo: "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner REVOKE SELECT ON TABLES FROM aad_orders;"),
        Situation(
            what: "one table of many", setup: usage + all + "REVOKE INSERT ON S.u FROM aad_orders;", on: "all tables in schema S",
            grants: ["select", "insert"], tries: ["INSERT INTO S.t VALUES (1)", "INSERT INTO S.u VALUES (1)"], holds: false),
        Situation(
            what: "all tables of today only", setup: usage + all, on: "all tables in schema S", grants: ["select"],
            tries: ["SELECT * FROM S.t", "SELECT * FROM S.u"], holds: true, lacksFuture: true),
        Situation(
            what: "default rights of another maker",
            setup: usage + all + "ALTER DEFAULT PRIVILEGES FOR ROLE lab_admin IN SCHEMA S GRANT SELECT ON TABLES TO aad_orders;",
            on: "all tables in schema S", grants: ["select"], tries: ["SELECT * FROM S.t"], holds: true, lacksFuture: true),
        Situation(
            what: "default rights for a role that is inherited",
            setup: """
                \(usage)\(all) CREATE ROLE g6; GRANT g6 TO aad_orders;
                ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA S GRANT SELECT ON TABLES TO g6;
                """, on: "all tables in schema S", grants: ["select"], tries: ["SELECT * FROM S.t"], holds: true, lacksFuture: false,
            undo: "REVOKE g6 FROM aad_orders;"),
        Situation(
            what: "empty schema", setup: usage + "DROP TABLE S.t, S.u;", on: "all tables in schema S", grants: ["select"], tries: [],
            holds: true, lacksFuture: true),
        Situation(
            what: "pg_read_all_data", setup: "GRANT pg_read_all_data TO aad_orders;", on: "all tables in schema S", grants: ["select"],
            tries: ["SELECT * FROM S.t"], holds: true, lacksFuture: false, undo: "REVOKE pg_read_all_data FROM aad_orders;"),
        Situation(
            what: "sequence of a serial column",
            setup: usage + "CREATE TABLE S.w (id serial, n int); GRANT INSERT ON S.w TO aad_orders;", on: "all sequences in schema S",
            grants: ["usage"], tries: ["INSERT INTO S.w (n) VALUES (1)"], holds: false),
        Situation(
            what: "sequence with usage", setup: usage + "CREATE SEQUENCE S.q; GRANT USAGE ON SEQUENCE S.q TO aad_orders;",
            on: "sequence S.q", grants: ["usage"], tries: ["SELECT nextval('S.q')"], holds: true),
        Situation(
            what: "sequence with usage but not update", setup: usage + "CREATE SEQUENCE S.q; GRANT USAGE ON SEQUENCE S.q TO aad_orders;",
            on: "sequence S.q", grants: ["update"], tries: ["SELECT setval('S.q', 5)"], holds: false),
        Situation(
            what: "sequence of an identity column",
            setup: usage + "CREATE TABLE S.w (id int GENERATED ALWAYS AS IDENTITY, n int); GRANT INSERT ON S.w TO aad_orders;",
            on: "all sequences in schema S", grants: ["usage"], tries: ["INSERT INTO S.w (n) VALUES (1)"], holds: true),
        Situation(
            what: "view over a closed table",
            setup: usage + "SET ROLE shop_owner; CREATE VIEW S.v AS SELECT id FROM S.t; RESET ROLE; GRANT SELECT ON S.v TO aad_orders;",
            on: "table S.v", grants: ["select"], tries: ["SELECT * FROM S.v"], holds: true),
        Situation(
            what: "closed view", setup: usage + "GRANT SELECT ON S.t TO aad_orders; CREATE VIEW S.v AS SELECT id FROM S.t;",
            on: "table S.v", grants: ["select"], tries: ["SELECT * FROM S.v"], holds: false),
        Situation(
            what: "materialized view among tables to write to",
            setup: usage + "CREATE MATERIALIZED VIEW S.m AS SELECT 1 AS n; GRANT SELECT ON S.m TO aad_orders;" + all
                + "REVOKE INSERT ON S.m FROM aad_orders;", on: "all tables in schema S", grants: ["select", "insert"],
            tries: ["SELECT * FROM S.m", "INSERT INTO S.t VALUES (1)"], holds: true),
        Situation(
            what: "partitions behind their parent",
            setup: usage + """
                DROP TABLE S.t, S.u; SET ROLE shop_owner; CREATE TABLE S.p (n int) PARTITION BY RANGE (n);
                CREATE TABLE S.p1 PARTITION OF S.p FOR VALUES FROM (0) TO (9); RESET ROLE; GRANT SELECT, INSERT ON S.p TO aad_orders;
                """, on: "all tables in schema S", grants: ["select", "insert"],
            tries: ["SELECT * FROM S.p", "INSERT INTO S.p VALUES (1)"], holds: true),
        Situation(
            what: "a part of the columns", setup: usage + "GRANT SELECT (id) ON S.t TO aad_orders;", on: "table S.t", grants: ["select"],
            tries: ["SELECT * FROM S.t"], holds: false),
        Situation(
            what: "denied, absent", setup: usage, demand: .deny, on: "table S.t", grants: ["delete"], tries: ["DELETE FROM S.t"],
            holds: true),
        Situation(
            what: "denied, on a column", setup: usage + "GRANT UPDATE (note) ON S.t TO aad_orders;", demand: .deny, on: "table S.t",
            grants: ["update"], tries: ["UPDATE S.t SET note = 'x'"], holds: false),
        Situation(
            what: "denied, through PUBLIC", setup: usage + "GRANT DELETE ON S.u TO PUBLIC;", demand: .deny, on: "all tables in schema S",
            grants: ["delete"], tries: ["DELETE FROM S.u"], holds: false),
        Situation(
            what: "denied, through a role",
            setup: usage + "CREATE ROLE g7; GRANT g7 TO aad_orders; GRANT DELETE ON S.u TO g7;", demand: .deny,
            on: "all tables in schema S", grants: ["delete"], tries: ["DELETE FROM S.u"], holds: false,
            undo: "REVOKE g7 FROM aad_orders;"),
        Situation(
            what: "denied, but the schema is closed", setup: "GRANT INSERT ON S.t TO aad_orders;", demand: .deny, on: "table S.t",
            grants: ["insert"], tries: ["INSERT INTO S.t VALUES (1)"], holds: true),
        Situation(
            what: "function that nobody may run",
            setup: usage + """
                CREATE FUNCTION S.f(a int, b text) RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA S \
                FROM PUBLIC;
                """, on: "function S.f(int, text)", grants: ["execute"], tries: ["SELECT S.f(1, 'x')"], holds: false),
        Situation(
            what: "function open by default",
            setup: usage + "CREATE FUNCTION S.f(a int, b text) RETURNS int LANGUAGE sql AS 'SELECT 1';", on: "all functions in schema S",
            grants: ["execute"], tries: ["SELECT S.f(1, 'x')"], holds: true),
        Situation(
            what: "making tables in a schema", setup: usage + "GRANT CREATE ON SCHEMA S TO aad_orders;", on: "schema S",
            grants: ["usage", "create"], tries: ["CREATE TABLE S.mine (n int)"], holds: true),
        Situation(
            what: "no making of tables in a schema", setup: usage, on: "schema S", grants: ["create"],
            tries: ["CREATE TABLE S.mine (n int)"], holds: false),
        Situation(
            what: "temporary tables taken away", setup: "REVOKE TEMPORARY ON DATABASE orders FROM PUBLIC;", on: "database",
            grants: ["temporary"], tries: ["CREATE TEMPORARY TABLE x (n int)"], holds: false,
            undo: "GRANT TEMPORARY ON DATABASE orders TO PUBLIC;"),
        Situation(
            what: "schemas in the database", setup: "GRANT CREATE ON DATABASE orders TO aad_orders;", on: "database", grants: ["create"],
            tries: ["CREATE SCHEMA mine"], holds: true, undo: "REVOKE CREATE ON DATABASE orders FROM aad_orders;"),
        Situation(what: "no createrole", setup: "", on: "role", grants: ["createrole"], tries: ["CREATE ROLE x"], holds: false),
        Situation(
            what: "createrole", setup: "ALTER ROLE aad_orders CREATEROLE;", on: "role", grants: ["createrole"], tries: ["CREATE ROLE x"],
            holds: true, undo: "ALTER ROLE aad_orders NOCREATEROLE;"),
        Situation(
            what: "denied createrole within reach",
            setup: "CREATE ROLE g8 CREATEROLE; GRANT g8 TO aad_orders;", demand: .deny, on: "role", grants: ["createrole"],
            tries: ["SET ROLE g8; CREATE ROLE x"], holds: false, undo: "REVOKE g8 FROM aad_orders;"),
        Situation(
            what: "table that does not exist", setup: usage, on: "table S.none", grants: ["select"], tries: ["SELECT * FROM S.none"],
            holds: false),
        Situation(
            what: "names that need quotes",
            setup: usage + "CREATE TABLE S.\"Order \"\"Lines'\" (n int); GRANT SELECT ON S.\"Order \"\"Lines'\" TO aad_orders;",
            on: "table S.\"Order \"\"Lines'\"", grants: ["select"], tries: ["SELECT * FROM S.\"Order \"\"Lines'\""], holds: true),
    ]

    /// The same in its own schema.
    func placed(in schema: String) -> Situation {
        func placed(_ text: String) -> String {
            var result = text
            for (old, new) in [("SCHEMA S ", "SCHEMA \(schema) "), (" S.", " \(schema)."), ("'S.", "'\(schema).")] {
                result = result.split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
            }
            if result.hasSuffix("schema S") { result = result.dropLast() + schema }
            return result
        }
        var copy = self
        (copy.setup, copy.undo, copy.on, copy.tries) = (placed(setup), placed(undo), placed(on), tries.map(placed))
        return copy
    }

    var rules: PrivilegeRules {
        get throws {
            let object = try PrivilegeGrammar.object(on).get()
            let rights = try grants.flatMap { try PrivilegeGrammar.rights($0, on: object.kind).get() }
            let rule = PrivilegeRule(object: object, rights: rights)
            return demand == .require ? PrivilegeRules(require: [rule]) : PrivilegeRules(deny: [rule])
        }
    }
}

@Suite(.timeLimit(.minutes(4))) struct PrivilegeVerdictTests {
    @Test("Every verdict is what happens when the statement is tried as that role")
    func verdicts() async throws {
        try await withProbeBench { bench in
            let server = try #require(bench.lab.postgres)
            func works(_ sql: String) async -> Bool {
                let text = "SET SESSION AUTHORIZATION aad_orders;\nBEGIN;\n\(sql);\nROLLBACK;"
                do {
                    try await server.execute(text, in: "orders")
                    return true
                } catch {
                    let refused = ["permission denied", "does not exist", "must be", "Only roles"].contains { "\(error)".contains($0) }
                    #expect(refused, "\(sql): \(error)")
                    return false
                }
            }
            for (index, original) in Situation.table.enumerated() {
                let schema = "case_\(index)"
                let situation = original.placed(in: schema)
                let tables = "CREATE TABLE \(schema).t (id int, note text); CREATE TABLE \(schema).u (id int);"
                try await server.execute(
                    "CREATE SCHEMA \(schema) AUTHORIZATION shop_owner; SET ROLE shop_owner; \(tables) RESET ROLE; \(situation.setup)",
                    in: "orders")
                let rules = try situation.rules
                let observation = try #require(await bench.probe(privileges: rules).observe(bench.run()))
                #expect(observation.outcome == .succeeded, "\(situation.what)")
                #expect(observation.phases.last?.outcome == .ok, "\(situation.what)")
                let report = try #require(observation.facts.privileges, "\(situation.what)")
                #expect(report.problem == nil, "\(situation.what): \(String(describing: report.problem))")
                let entry = try #require(report.entries.first, "\(situation.what)")
                var worked: [Bool] = []
                for sql in situation.tries { worked.append(await works(sql)) }
                let truth = situation.demand == .require ? worked.allSatisfy { $0 } : worked.allSatisfy { !$0 }
                #expect(entry.isPassed == truth, "\(situation.what): \(entry.rows)")
                #expect(truth == situation.holds, "\(situation.what): the arrangement is not what its name says")
                if let lacks = situation.lacksFuture {
                    try await server.execute(
                        "SET ROLE \(situation.maker); CREATE TABLE \(schema).fresh (n int);", in: "orders")
                    let isOpen = await works("SELECT * FROM \(schema).fresh")
                    #expect(isOpen == !lacks, "\(situation.what)")
                    #expect(entry.rows.contains { $0.kind == .future } == lacks, "\(situation.what): \(entry.rows)")
                }
                if !situation.undo.isEmpty { try await server.execute(situation.undo, in: "orders") }
            }
        }
    }

    /// Running the GRANT and REVOKE that a finding offers is what makes it go away.
    @Test("What the findings say to run mends what they found")
    func remediesMend() async throws {
        try await withProbeBench { bench in
            let server = try #require(bench.lab.postgres)
            try await server.execute(
                """
                CREATE ROLE other_owner; CREATE ROLE g; GRANT g TO aad_orders; CREATE SCHEMA "Mixed Case" AUTHORIZATION shop_owner;
                GRANT CREATE, USAGE ON SCHEMA "Mixed Case" TO other_owner;
                SET ROLE shop_owner; CREATE TABLE "Mixed Case"."select" (id serial); CREATE VIEW "Mixed Case".v AS SELECT 1 AS n; RESET ROLE;
                SET ROLE other_owner; CREATE TABLE "Mixed Case".theirs (id int); RESET ROLE;
                CREATE FUNCTION "Mixed Case".f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
                REVOKE EXECUTE ON FUNCTION "Mixed Case".f(int) FROM PUBLIC;
                CREATE SCHEMA open AUTHORIZATION shop_owner; GRANT USAGE ON SCHEMA open TO aad_orders;
                SET ROLE shop_owner; CREATE TABLE open.log (id int);
                GRANT DELETE ON open.log TO PUBLIC; GRANT UPDATE ON open.log TO aad_orders, g;
                """, in: "orders")
            func rule(_ on: String, _ rights: [PrivilegeRight]) throws -> PrivilegeRule {
                PrivilegeRule(object: try PrivilegeGrammar.object(on).get(), rights: rights)
            }
            let rules = PrivilegeRules(
                require: [
                    try rule("all tables in schema \"Mixed Case\"", [.select]),
                    try rule("all sequences in schema \"Mixed Case\"", [.usage]),
                    try rule("all functions in schema \"Mixed Case\"", [.execute]), try rule("database", [.create]),
                ], deny: [try rule("table open.log", [.update, .delete])])
            let probe = bench.probe(privileges: rules)
            func findings() async throws -> [Finding] {
                let observation = try #require(await probe.observe(bench.run()))
                var status = CheckStatus(id: probe.id, target: probe.target)
                _ = status.apply(observation)
                #expect(status.state == .up)
                let report = Report.make(
                    snapshot: Board.Snapshot(checks: [status], identities: []), identities: [], mode: .local, host: "h", version: "0",
                    now: .now)
                return report.findings
            }
            let before = try await findings()
            #expect(Set(before.map(\.code)) == ["privilege_missing", "privilege_future_objects", "over_privileged"])
            let missing = try #require(before.first { $0.code == "privilege_missing" })
            #expect(missing.severity == .error && missing.exit == .privileges)
            for remedy in before.flatMap(\.remedies) where remedy.kind != .look {
                let parts = remedy.text.split(separator: "  -- as ", maxSplits: 1)
                #expect(parts.count == 2, "\(remedy.text)")
                let owner = parts.count == 2 ? parts[1].prefix { $0 != "," && $0 != ";" } : "administrator"
                let role = owner == "administrator" ? "" : "SET ROLE \(owner);"
                try await server.execute("\(role) \(parts[0])", in: "orders")
            }
            let after = try await findings()
            #expect(after.isEmpty, "\(after.map(\.detail))")
        }
    }

    @Test("Row-level security is noticed where the grants alone would say that all is well")
    func rowSecurity() async throws {
        try await withProbeBench { bench in
            let server = try #require(bench.lab.postgres)
            try await server.execute(
                """
                CREATE SCHEMA s AUTHORIZATION shop_owner; GRANT USAGE ON SCHEMA s TO aad_orders;
                SET ROLE shop_owner; CREATE TABLE s.t (id int); CREATE TABLE s.u (id int); RESET ROLE;
                GRANT SELECT, INSERT ON s.t, s.u TO aad_orders; ALTER TABLE s.t ENABLE ROW LEVEL SECURITY;
                """, in: "orders")
            let rule = PrivilegeRule(object: .allTables(schema: "s"), rights: [.select, .insert])
            let probe = bench.probe(privileges: PrivilegeRules(require: [rule]))
            func filtered() async throws -> [PrivilegeRow] {
                let report = try #require(await probe.observe(bench.run())?.facts.privileges)
                let entry = try #require(report.entries.first, "\(String(describing: report.problem))")
                #expect(entry.isPassed)
                return entry.rows.filter { $0.kind == .filtered }
            }
            let closed = try await filtered()
            #expect(closed.map(\.object) == ["table s.t"] && closed.map(\.rights) == [["SELECT", "INSERT"]] && closed.map(\.owned) == [1])
            try await server.execute(
                "CREATE POLICY p ON s.t FOR SELECT TO aad_orders USING (true); CREATE POLICY q ON s.t FOR ALL TO shop_owner USING (true);",
                in: "orders")
            #expect(try await filtered().map(\.rights) == [["INSERT"]])
            try await server.execute("CREATE POLICY r ON s.t FOR INSERT TO PUBLIC WITH CHECK (id > 0);", in: "orders")
            #expect(try await filtered().map(\.rights) == [[]], "policies for both, and they still decide")
            try await server.execute("ALTER ROLE aad_orders BYPASSRLS;")
            #expect(try await filtered().isEmpty)
        }
    }

    @Test("MAINTAIN is a right from PostgreSQL 17 on; before, who asks for it is told, and `all` does not ask for it")
    func maintain() async throws {
        try await withProbeBench { bench in
            let server = try #require(bench.lab.postgres)
            try await server.execute(
                """
                CREATE SCHEMA s AUTHORIZATION shop_owner; GRANT USAGE ON SCHEMA s TO aad_orders; SET ROLE shop_owner;
                CREATE TABLE s.t (id int); RESET ROLE; GRANT ALL ON s.t TO aad_orders;
                """, in: "orders")
            func entry(_ rights: [PrivilegeRight], _ demand: PrivilegeDemand = .require) async throws -> PrivilegeReport.Entry {
                let rule = PrivilegeRule(object: .table(schema: "s", name: "t"), rights: rights)
                let rules = demand == .require ? PrivilegeRules(require: [rule]) : PrivilegeRules(deny: [rule])
                let facts = try #require(await bench.probe(privileges: rules).observe(bench.run())?.facts)
                let report = try #require(facts.privileges)
                return try #require(report.entries.first, "\(String(describing: report.problem))")
            }
            let plain = try #require(await bench.probe().observe(bench.run()))
            let version = try #require(plain.facts.serverVersion?.split(separator: ".").first.flatMap { Int($0) })
            #expect(try await entry(PrivilegeObject.Kind.table.rights).isPassed)
            let asked = try await entry([.select, .maintain])
            #expect(asked.isPassed == (version >= 17))
            if version < 17 { #expect(asked.rows.map(\.object) == ["right \"MAINTAIN\""]) }
            #expect(try await entry([.maintain], .deny).isPassed == (version < 17))
        }
    }

    @Test("Where nothing is configured a probe tells what the role can do, and the next ones remember it")
    func survey() async throws {
        try await withProbeBench { bench in
            let server = try #require(bench.lab.postgres)
            func look() async throws -> PrivilegeSurvey {
                let observation = try #require(await bench.probe().observe(bench.run()))
                #expect(observation.outcome == .succeeded && observation.phases.last?.outcome == .ok)
                return try #require(observation.facts.rights)
            }
            let before = try await look()
            #expect(before.role == "aad_orders" && before.administrator == nil && before.excess.isEmpty)
            try await server.execute(
                """
                CREATE SCHEMA s AUTHORIZATION shop_owner; CREATE SCHEMA closed AUTHORIZATION shop_owner;
                GRANT USAGE, CREATE ON SCHEMA s TO aad_orders; SET ROLE shop_owner; CREATE TABLE s.t (id int); CREATE TABLE s.u (id int);
                CREATE TABLE s.v (id int); CREATE TABLE closed.w (id int); RESET ROLE; GRANT SELECT ON s.t, closed.w TO aad_orders;
                GRANT SELECT (id) ON s.v TO aad_orders; GRANT DELETE ON s.u TO aad_orders; ALTER TABLE s.t ENABLE ROW LEVEL SECURITY;
                CREATE TABLE s.mine (id int); ALTER TABLE s.mine OWNER TO aad_orders;
                CREATE ROLE g; GRANT g TO aad_orders; GRANT pg_read_server_files TO aad_orders; ALTER ROLE aad_orders CREATEDB;
                """, in: "orders")
            let probe = bench.probe()
            let after = try #require(await probe.observe(bench.run())?.facts.rights)
            #expect(after.tables - before.tables == 5)
            #expect(after.readable - before.readable == 3, "t, a column of v, mine; w is in a closed schema")
            #expect(after.writable - before.writable == 2 && after.owned - before.owned == 1 && after.rowSecured == 1)
            #expect(after.schemasToMakeIn - before.schemasToMakeIn == 1)
            #expect(Set(after.roles).subtracting(before.roles) == ["g", "pg_read_server_files"])
            #expect(after.excess == ["the attribute CREATEDB", "the role pg_read_server_files"])
            try await server.execute("ALTER ROLE aad_orders NOCREATEDB;")
            let later = try #require(await probe.observe(bench.run()))
            #expect(later.facts.rights == after, "looked at once an hour")
            #expect(later.phases.last == PhaseResult(.privileges, .skipped(PhaseResult.nothingConfigured)))
            try await server.execute("ALTER ROLE aad_orders SUPERUSER;")
            #expect(try await look().administrator == "superuser")
        }
    }

    @Test("An administrator gets no verdict, and a login without CONNECT is a cause of its own")
    func administrator() async throws {
        try await withProbeBench { bench in
            let server = try #require(bench.lab.postgres)
            let rules = PrivilegeRules(require: [PrivilegeRule(object: .database, rights: [.connect])])
            let probe = bench.probe(privileges: rules)
            let plain = try #require(await probe.observe(bench.run()))
            #expect(plain.facts.privileges?.verdicts.map(\.isPassed) == [true])
            try await server.execute("ALTER ROLE aad_orders SUPERUSER;")
            let admin = try #require(await probe.observe(bench.run())?.facts.privileges)
            #expect(admin.administrator == "superuser" && admin.verdicts.isEmpty)
            try await server.execute("ALTER ROLE aad_orders NOSUPERUSER; CREATE ROLE azure_pg_admin; GRANT azure_pg_admin TO aad_orders;")
            let azure = try #require(await probe.observe(bench.run())?.facts.privileges)
            #expect(azure.administrator == "azure_pg_admin")
            try await server.execute("REVOKE CONNECT ON DATABASE orders FROM PUBLIC;")
            let closed = try #require(await probe.observe(bench.run()))
            #expect(closed.failure?.cause == .databaseAccessDenied)
            #expect(closed.facts.privileges == nil)
            #expect(closed.phases.last?.outcome == .skipped("not reached"))
        }
    }

    @Test("Of ten thousand tables only what is missing comes back, in one question")
    func tenThousandTables() async throws {
        try await withProbeBench { bench in
            let server = try #require(bench.lab.postgres)
            try await server.execute(
                """
                CREATE SCHEMA wide AUTHORIZATION shop_owner; GRANT USAGE ON SCHEMA wide TO aad_orders;
                DO $$ BEGIN FOR i IN 1..10000 LOOP EXECUTE format('CREATE TABLE wide.t%s ()', i);
                  IF i % 3 > 0 THEN EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON wide.t%s TO aad_orders', i); END IF;
                  IF i % 200 = 0 THEN COMMIT; END IF; END LOOP; END $$;
                """, in: "orders")
            let rule = PrivilegeRule(object: .allTables(schema: "wide"), rights: [.select, .insert, .update, .delete])
            let probe = bench.probe(privileges: PrivilegeRules(require: [rule]))
            let observation = try #require(await probe.observe(bench.run()))
            let entry = try #require(observation.facts.privileges?.entries.first)
            #expect(entry.broken == 3333)
            #expect(entry.rows.filter { $0.kind == .missing }.count == PrivilegeStatement.examples)
            let duration = try #require(observation.phases.last?.duration)
            print("privileges over 10,000 tables: \(duration)")
            #expect(duration < .seconds(4))
        }
    }
}
