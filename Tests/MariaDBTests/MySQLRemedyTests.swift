// What reports offer to run about rights, run on a real MariaDB: what only looks works, and what mends does.
import Diagnosis
import Probes
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct MySQLRemedyTests {
    private static func findings(_ probe: MySQLProbe, _ bench: Bench) async throws -> [Finding] {
        let observation = try #require(await probe.observe(bench.run()))
        #expect(observation.outcome == .succeeded, "\(observation.outcome)")
        #expect(observation.facts.privileges?.problem == nil)
        var status = CheckStatus(id: probe.id, target: probe.target)
        _ = status.apply(observation)
        return Report.make(
            snapshot: Board.Snapshot(checks: [status], identities: []), identities: [], mode: .local, host: "h", version: "0", now: .now
        ).findings.filter { $0.phase == .privileges }
    }

    private static func require(_ object: PrivilegeObject, _ rights: PrivilegeRight...) -> PrivilegeRule {
        PrivilegeRule(object: object, rights: rights)
    }

    @Test func `running what the findings say to run mends what they found`() async throws {
        try await RealMariaDB.run { server in
            try await server.run(
                """
                CREATE DATABASE shop; CREATE DATABASE my_db; CREATE TABLE shop.a (i int); CREATE TABLE shop.b (i int);
                CREATE TABLE my_db.`a ``b` (i int); CREATE FUNCTION shop.f() RETURNS INT RETURN 1; CREATE PROCEDURE shop.p() SELECT 1;
                \(RealMariaDB.account("narrow")) GRANT SELECT ON shop.a TO 'narrow'@'%'; GRANT UPDATE, INSERT ON shop.b TO 'narrow'@'%';
                GRANT DELETE ON my_db.* TO 'narrow'@'%'; GRANT CREATE USER ON *.* TO 'narrow'@'%';
                """)
            let bench = try Bench()
            defer { bench.close() }
            let rules = PrivilegeRules(
                require: [
                    Self.require(.allTables(schema: "shop"), .select), Self.require(.table(schema: "shop", name: "a"), .insert, .truncate),
                    Self.require(.table(schema: "my_db", name: "a `b"), .select, .references),
                    Self.require(.function(schema: "shop", name: "f", arguments: nil), .execute),
                    Self.require(.schema("my_db"), .create), Self.require(.database, .connect, .create, .temporary),
                ],
                deny: [
                    Self.require(.table(schema: "shop", name: "b"), .update), Self.require(.allTables(schema: "my_db"), .delete),
                    Self.require(.role, .createrole),
                ])
            let probe = bench.probe(port: server.port, user: "narrow", caFile: server.caFile, privileges: rules)
            let before = try await Self.findings(probe, bench)
            #expect(Set(before.map(\.code)) == ["privilege_missing", "privilege_future_objects", "over_privileged"])
            for remedy in before.flatMap(\.remedies) where !remedy.text.hasPrefix("agent ") {
                if remedy.kind == .look { _ = try await server.run(remedy.text, as: "narrow") } else { try await server.run(remedy.text) }
            }
            let after = try await Self.findings(probe, bench)
            #expect(after.isEmpty, "\(after.map(\.detail)) \(after.flatMap(\.remedies).map(\.text))")
        }
    }

    @Test func `a role that waits to be active is made so by the first remedy`() async throws {
        try await RealMariaDB.run { server in
            try await server.run(
                """
                CREATE DATABASE shop; CREATE TABLE shop.a (i int); CREATE ROLE `the readers`; GRANT SELECT ON shop.* TO `the readers`;
                \(RealMariaDB.account("waiting")) GRANT `the readers` TO 'waiting'@'%'; GRANT INSERT ON shop.a TO 'waiting'@'%';
                """)
            let bench = try Bench()
            defer { bench.close() }
            let rules = PrivilegeRules(require: [Self.require(.allTables(schema: "shop"), .select)])
            let probe = bench.probe(port: server.port, user: "waiting", caFile: server.caFile, privileges: rules)
            let missing = try #require(try await Self.findings(probe, bench).first { $0.code == "privilege_missing" })
            let remedy = try #require(missing.remedies.first { $0.kind == .widens })
            #expect(remedy.text.hasPrefix("SET DEFAULT ROLE `the readers` FOR 'waiting'@'%';"), "\(remedy.text)")
            try await server.run(remedy.text)
            #expect(try await Self.findings(probe, bench).isEmpty)
        }
    }
}
