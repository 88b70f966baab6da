// What reports offer to run about rights, run on a real PostgreSQL: what only looks works, and what mends does.
import Lab
import Probes
import TestSupport
import Testing

@testable import Diagnosis

@Suite(.timeLimit(.minutes(4))) struct PrivilegeRemedyTests {
    /// A check with rules, and what a report says of it.
    struct Desk {
        let bench: ProbeBench
        let server: PostgresServer
        let probe: PostgresProbe

        init(_ bench: ProbeBench, require: [(String, [PrivilegeRight])] = [], deny: [(String, [PrivilegeRight])] = []) throws {
            func rules(_ list: [(String, [PrivilegeRight])]) throws -> [PrivilegeRule] {
                try list.map { PrivilegeRule(object: try PrivilegeGrammar.object($0.0).get(), rights: $0.1) }
            }
            self.bench = bench
            server = try #require(bench.lab.postgres)
            probe = bench.probe(privileges: PrivilegeRules(require: try rules(require), deny: try rules(deny)))
        }

        func report() async throws -> Report {
            let observation = try #require(await probe.observe(bench.run()))
            #expect(observation.facts.privileges?.problem == nil)
            var status = CheckStatus(id: probe.id, target: probe.target)
            _ = status.apply(observation)
            #expect(status.state == .up)
            return Report.make(
                snapshot: Board.Snapshot(checks: [status], identities: []), identities: [], mode: .local, host: "h", version: "0",
                now: .now)
        }

        /// Runs a remedy as the one it names.
        func run(_ remedy: Remedy) async throws {
            let parts = remedy.text.split(separator: "  -- as ", maxSplits: 1)
            #expect(parts.count == 2, "\(remedy.text)")
            var owner = parts.count == 2 ? String(parts[1]) : "administrator"
            for end in [", the owner", ", or a member", "; takes"] {
                if let range = owner.firstRange(of: end) { owner = String(owner[..<range.lowerBound]) }
            }
            try await server.execute("\(owner == "administrator" ? "" : "SET ROLE \(owner);") \(parts[0])", in: "orders")
        }

        /// Runs what only looks, as the role itself.
        func look(_ remedy: Remedy) async throws {
            guard !remedy.text.hasPrefix("agent ") else { return }
            try await server.execute("SET SESSION AUTHORIZATION aad_orders;\n\(remedy.text)", in: "orders")
        }
    }

    /// Running the GRANT and REVOKE that a finding offers is what makes it go away.
    @Test("What the findings say to run mends what they found")
    func remediesMend() async throws {
        try await withProbeBench { bench in
            let desk = try Desk(
                bench,
                require: [
                    ("all tables in schema \"Mixed Case\"", [.select]), ("all sequences in schema \"Mixed Case\"", [.usage]),
                    ("all functions in schema \"Mixed Case\"", [.execute]), ("database", [.create]), ("role", [.createdb]),
                    ("view views.v", [.select, .insert]), ("table views.asks", [.select]),
                ],
                deny: [
                    ("table open.log", [.update, .delete]), ("table open.far", [.select]), ("table open.all", [.delete]),
                    ("role", [.createrole]), ("role", [.replication]),
                ])
            try await desk.server.execute(
                """
                CREATE ROLE other_owner; CREATE ROLE g; GRANT g TO aad_orders; CREATE SCHEMA "Mixed Case" AUTHORIZATION shop_owner;
                GRANT CREATE, USAGE ON SCHEMA "Mixed Case" TO other_owner;
                SET ROLE shop_owner; CREATE TABLE "Mixed Case"."select" (id serial);
                CREATE VIEW "Mixed Case".v AS SELECT 1 AS n; RESET ROLE;
                SET ROLE other_owner; CREATE TABLE "Mixed Case".theirs (id int); RESET ROLE;
                CREATE FUNCTION "Mixed Case".f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
                CREATE FUNCTION "Mixed Case"."f(x"(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
                CREATE PROCEDURE "Mixed Case".p(int) LANGUAGE sql AS 'SELECT 1';
                REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA "Mixed Case" FROM PUBLIC;
                CREATE SCHEMA views AUTHORIZATION shop_owner; CREATE ROLE "view, owner"; CREATE ROLE table_owner;
                CREATE TABLE views.base (id int); ALTER TABLE views.base OWNER TO table_owner;
                CREATE VIEW views.v AS SELECT id FROM views.base; ALTER VIEW views.v OWNER TO "view, owner";
                CREATE VIEW views.asks WITH (security_invoker = true) AS SELECT id FROM views.base;
                ALTER VIEW views.asks OWNER TO table_owner;
                GRANT USAGE ON SCHEMA views TO table_owner, "view, owner";
                CREATE SCHEMA open AUTHORIZATION shop_owner; GRANT USAGE ON SCHEMA open TO aad_orders;
                SET ROLE shop_owner; CREATE TABLE open.log (id int); CREATE TABLE open.far (id int); CREATE TABLE open.all (id int);
                GRANT DELETE ON open.log TO PUBLIC; GRANT UPDATE ON open.log TO aad_orders, g;
                RESET ROLE; CREATE ROLE "Far, ""role"; CREATE ROLE "near, role"; CREATE ROLE nearer;
                GRANT SELECT ON open.far TO "Far, ""role"; GRANT "Far, ""role" TO "near, role", nearer;
                GRANT "near, role", nearer TO aad_orders;
                GRANT pg_write_all_data, pg_read_server_files TO aad_orders; GRANT DELETE ON open.all TO aad_orders;
                CREATE ROLE maker CREATEROLE; CREATE ROLE through; GRANT maker TO through; GRANT through TO aad_orders;
                ALTER ROLE aad_orders REPLICATION;
                """, in: "orders")
            let before = try await desk.report().findings
            #expect(Set(before.map(\.code)) == ["privilege_missing", "privilege_future_objects", "over_privileged"])
            let missing = try #require(before.first { $0.code == "privilege_missing" })
            #expect(missing.severity == .error && missing.exit == .privileges)
            let behind = "table views.base lacks SELECT, owner table_owner, because of view views.v, which asks for it as \"view, owner\""
            #expect(missing.evidence.contains { $0.text == behind }, "\(missing.evidence)")
            for remedy in before.flatMap(\.remedies) {
                if remedy.kind == .look { try await desk.look(remedy) } else { try await desk.run(remedy) }
            }
            // A report offers twelve statements of a kind at most.
            var after = try await desk.report().findings
            for remedy in after.flatMap(\.remedies) where remedy.kind != .look { try await desk.run(remedy) }
            if !after.isEmpty { after = try await desk.report().findings }
            #expect(after.isEmpty, "\(after.map(\.detail)) \(after.flatMap(\.remedies).map(\.text))")
        }
    }

    /// The statements of the catalogue itself, which a person sees where no finding has better ones.
    @Test("Each statement that the causes and findings about rights offer for PostgreSQL runs, and its grants give the rights")
    func catalogue() async throws {
        try await withProbeBench { bench in
            let rights: [PrivilegeRight] = [.select, .insert, .update, .delete]
            let desk = try Desk(bench, require: [("schema \"Shop 2\"", [.usage]), ("table \"Shop 2\".t", rights)])
            try await desk.server.execute(
                "CREATE SCHEMA \"Shop 2\" AUTHORIZATION shop_owner; SET ROLE shop_owner; CREATE TABLE \"Shop 2\".t (n int);", in: "orders")
            #expect(try await desk.report().findings.map(\.code) == ["privilege_missing"])
            var values = RemedyValues(target: desk.probe.target, identity: nil, facts: Facts(), cloud: .public)
            values[.user] = "aad_orders"
            values[.schema] = "Shop 2"
            let causes = [Cause.privilegeMissing, .privilegeFutureObjects, .databaseReadOnly].flatMap(\.row.remedies)
            let findings = [FindingCode.overPrivileged, .rowSecurity, .probingAsAdmin].flatMap(\.row.remedies)
            var kinds: Set<Remedy.Kind> = []
            for template in causes + findings where template.applies(to: .postgresql, source: nil, values: values) {
                let remedy = template.filled(from: values)
                // What Azure alone has.
                guard !["az ", "SELECT * FROM pgaadauth"].contains(where: remedy.text.hasPrefix) else { continue }
                kinds.insert(remedy.kind)
                if remedy.kind == .look {
                    try await desk.look(remedy)
                } else {
                    try await desk.server.execute("SET ROLE shop_owner; \(remedy.text)", in: "orders")
                }
            }
            #expect(kinds == [.look, .widens])
            #expect(try await desk.report().findings.isEmpty)
        }
    }

    @Test("The tutorials' view stands beside the verdicts where it says something else, and is asked again when they change")
    func listing() async throws {
        try await withProbeBench { bench in
            let desk = try Desk(
                bench, require: [("all tables in schema s", [.select]), ("table closed.t", [.select])], deny: [("table s.log", [.delete])])
            try await desk.server.execute(
                """
                CREATE ROLE readers; GRANT readers TO aad_orders; CREATE SCHEMA s AUTHORIZATION shop_owner; CREATE SCHEMA closed;
                GRANT USAGE ON SCHEMA s TO aad_orders; CREATE TABLE closed.t (n int); GRANT SELECT ON closed.t TO aad_orders;
                SET ROLE shop_owner; CREATE TABLE s.t (n int); CREATE TABLE s.log (n int); CREATE MATERIALIZED VIEW s.m AS SELECT 1 AS n;
                GRANT SELECT ON s.t, s.log TO readers; GRANT SELECT ON s.m TO aad_orders; GRANT DELETE ON s.log TO PUBLIC;
                ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO aad_orders;
                """, in: "orders")
            func listing(_ report: Report) throws -> PrivilegeListing {
                try #require(report.checks.first?.status.last?.facts.privileges?.listing)
            }
            let first = try await desk.report()
            let seen = try listing(first)
            #expect(
                seen.unlisted.map { "\($0.rights.joined(separator: " ")) \($0.object) \($0.way ?? "")" }.sorted() == [
                    "DELETE table s.log PUBLIC", "SELECT materialized view s.m direct grant", "SELECT table s.log role readers",
                    "SELECT table s.t role readers",
                ])
            #expect(seen.inert.map { "\($0.object) \($0.way ?? "")" } == ["table closed.t no use of the schema"])
            // Lines end anywhere.
            let text = ReportText.render(first).split { $0.isWhitespace }.joined(separator: " ")
            #expect(text.contains("view information_schema.table_privileges does not list"), "\(text)")
            func evidence(_ code: String) -> [String] {
                first.findings.filter { $0.code == code }.flatMap(\.evidence).map(\.text)
            }
            #expect(
                evidence("privilege_missing").contains(
                    "information_schema.table_privileges lists SELECT on table closed.t, and it opens nothing: no use of the schema"))
            #expect(
                evidence("over_privileged").contains(
                    "information_schema.table_privileges does not list DELETE on table s.log, which holds by PUBLIC"))
            // The verdicts are the same, so what was seen an instant ago is told again.
            try await desk.server.execute("GRANT SELECT ON s.t TO aad_orders;", in: "orders")
            #expect(try listing(try await desk.report()) == seen)
            try await desk.server.execute("GRANT USAGE ON SCHEMA closed TO aad_orders; REVOKE DELETE ON s.log FROM PUBLIC;", in: "orders")
            let later = try listing(try await desk.report())
            #expect(later.inert.isEmpty && later.unlisted.map(\.object).sorted() == ["materialized view s.m", "table s.log"])
            try await desk.server.execute("REVOKE SELECT ON information_schema.table_privileges FROM PUBLIC;", in: "orders")
            let other = try #require(await bench.probe(privileges: desk.probe.target.privileges).observe(bench.run())?.facts.privileges)
            #expect(other.problem == nil && other.listing == nil && other.verdicts.map(\.isPassed) == [true, true])
        }
    }
}
