// Verdicts on rights against the truth: what happens when the statement is tried as that role on a real PostgreSQL.
import Diagnosis
import Lab
import Probes
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(4))) struct PrivilegeVerdictTests {
    @Test("Every verdict is what happens when the statement is tried as that role")
    func verdicts() async throws {
        try await withProbeBench { bench in
            let server = try #require(bench.lab.postgres)
            let version = try #require(Int(try await server.execute("SHOW server_version_num").filter(\.isNumber)))
            for (index, situation) in Situation.all.enumerated() where situation.since <= version {
                try await situation.placed(in: "case_\(index)").play(bench, server)
            }
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
            // Owners pass by policies, unless those are forced on them: then the verdict is that of everybody.
            func rows() async throws -> String {
                try await server.execute("SET SESSION AUTHORIZATION aad_orders; SELECT count(*) FROM s.t;", in: "orders").filter(\.isNumber)
            }
            try await server.execute(
                """
                ALTER ROLE aad_orders NOBYPASSRLS; DROP POLICY p ON s.t; DROP POLICY r ON s.t; INSERT INTO s.t VALUES (1);
                ALTER TABLE s.t OWNER TO aad_orders;
                """, in: "orders")
            #expect(try await rows() == "1")
            #expect(try await filtered().isEmpty)
            try await server.execute("ALTER TABLE s.t FORCE ROW LEVEL SECURITY;", in: "orders")
            #expect(try await rows() == "0")
            #expect(try await filtered().map(\.rights) == [["SELECT", "INSERT"]])
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
            let reindexed = try? await server.execute("SET SESSION AUTHORIZATION aad_orders; REINDEX TABLE s.t;", in: "orders")
            #expect(asked.isPassed == (reindexed != nil), "the verdict is what happens")
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

    @Test("Where a catalog is closed to the role there is no verdict, and the check stays up")
    func closedCatalog() async throws {
        try await withProbeBench { bench in
            let server = try #require(bench.lab.postgres)
            try await server.execute("REVOKE SELECT ON pg_catalog.pg_proc FROM PUBLIC;", in: "orders")
            let rule = PrivilegeRule(object: .allFunctions(schema: "public"), rights: [.execute])
            let observation = try #require(await bench.probe(privileges: PrivilegeRules(require: [rule])).observe(bench.run()))
            #expect(observation.outcome == .succeeded)
            let report = try #require(observation.facts.privileges)
            #expect(report.verdicts.isEmpty && report.entries.isEmpty)
            #expect(report.problem?.evidence.contains { $0.text.contains("permission denied for table pg_proc") } ?? false)
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
            #expect(observation.facts.privileges?.listing?.isEmpty ?? false, "the view lists what is granted by name, and nothing else")
            let duration = try #require(observation.phases.last?.duration)
            print("privileges over 10,000 tables: \(duration)")
            #expect(duration < .seconds(4))
        }
    }
}
