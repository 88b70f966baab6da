// Rights on what is no plain table: views, materialized views, partitions, foreign tables; and on what is made tomorrow.
import Diagnosis

extension Situation {
    private static let foreign = """
        CREATE EXTENSION IF NOT EXISTS file_fdw; CREATE SERVER IF NOT EXISTS files FOREIGN DATA WRAPPER file_fdw;
        CREATE FOREIGN TABLE S.f (line text) SERVER files OPTIONS (filename 'PG_VERSION');
        """
    private static let parted = """
        DROP TABLE S.t, S.u; SET ROLE shop_owner; CREATE TABLE S.p (n int) PARTITION BY RANGE (n);
        CREATE TABLE S.p1 PARTITION OF S.p FOR VALUES FROM (0) TO (9); RESET ROLE;
        """

    static let kinds: [Situation] = [
        Situation(
            what: "materialized view among tables to write to",
            setup: usage + """
                CREATE MATERIALIZED VIEW S.m AS SELECT 1 AS n; GRANT SELECT ON ALL TABLES IN SCHEMA S TO aad_orders;
                GRANT INSERT ON S.t, S.u TO aad_orders;
                """, on: "all tables in schema S", grants: ["select", "insert"],
            tries: ["SELECT * FROM S.m", "INSERT INTO S.t VALUES (1)"], holds: true),
        Situation(
            what: "materialized view over a closed table",
            setup: usage + "CREATE MATERIALIZED VIEW S.m AS SELECT * FROM S.t; GRANT SELECT ON S.m TO aad_orders;", on: "table S.m",
            grants: ["select"], tries: ["SELECT * FROM S.m"], holds: true),
        Situation(
            what: "closed materialized view", setup: usage + "CREATE MATERIALIZED VIEW S.m AS SELECT 1 AS n;", on: "table S.m",
            grants: ["select"], tries: ["SELECT * FROM S.m"], holds: false),
        Situation(
            what: "materialized view by name to write to",
            setup: usage + "CREATE MATERIALIZED VIEW S.m AS SELECT 1 AS n; GRANT ALL ON S.m TO aad_orders;", on: "table S.m",
            grants: ["insert"], tries: ["INSERT INTO S.m VALUES (1)"], holds: false),
        Situation(
            what: "all on a materialized view is to read it",
            setup: usage + "CREATE MATERIALIZED VIEW S.m AS SELECT 1 AS n; GRANT ALL ON S.m TO aad_orders;", on: "table S.m",
            grants: ["all"], tries: ["SELECT * FROM S.m"], holds: true),
        Situation(
            what: "partitions behind their parent", setup: usage + parted + "GRANT SELECT, INSERT ON S.p TO aad_orders;",
            on: "all tables in schema S", grants: ["select", "insert"], tries: ["SELECT * FROM S.p", "INSERT INTO S.p VALUES (1)"],
            holds: true),
        Situation(
            what: "partition by name", setup: usage + parted + "GRANT SELECT ON S.p TO aad_orders;", on: "table S.p1", grants: ["select"],
            tries: ["SELECT * FROM S.p1"], holds: false),
        Situation(
            what: "partitioned table with its other rights",
            setup: usage + parted + trigger + "ALTER TABLE S.p ADD PRIMARY KEY (n); GRANT CREATE ON SCHEMA S TO aad_orders;"
                + "GRANT TRUNCATE, REFERENCES, TRIGGER ON S.p TO aad_orders;", on: "table S.p",
            grants: ["truncate", "references", "trigger"],
            tries: [
                "TRUNCATE S.p", "CREATE TABLE S.child (n int REFERENCES S.p)",
                "CREATE TRIGGER x BEFORE INSERT ON S.p FOR EACH STATEMENT EXECUTE FUNCTION S.tf()",
            ], holds: true),
        Situation(
            what: "closed partitioned table", setup: usage + parted + "GRANT SELECT, INSERT ON S.p1 TO aad_orders;", on: "table S.p",
            grants: ["select"], tries: ["SELECT * FROM S.p"], holds: false),
        Situation(
            what: "tables that inherit are read through their parent",
            setup: usage + "CREATE TABLE S.c () INHERITS (S.t); GRANT SELECT ON S.t TO aad_orders;", on: "table S.t", grants: ["select"],
            tries: ["SELECT * FROM S.t"], holds: true),
        Situation(
            what: "foreign table", setup: usage + foreign + "GRANT SELECT ON S.f TO aad_orders;", on: "table S.f", grants: ["select"],
            tries: ["SELECT * FROM S.f"], holds: true),
        Situation(
            what: "closed foreign table", setup: usage + foreign, on: "table S.f", grants: ["select"], tries: ["SELECT * FROM S.f"],
            holds: false),
        Situation(
            what: "foreign table that takes no rows, by name", setup: usage + foreign + "GRANT ALL ON S.f TO aad_orders;", on: "table S.f",
            grants: ["insert"], tries: ["INSERT INTO S.f VALUES ('x')"], holds: false),
        Situation(
            what: "foreign table among tables to write to",
            setup: usage + foreign + "GRANT SELECT ON S.f TO aad_orders; GRANT SELECT, INSERT ON S.t, S.u TO aad_orders;",
            on: "all tables in schema S", grants: ["select", "insert"], tries: ["SELECT * FROM S.f", "INSERT INTO S.u VALUES (1)"],
            holds: true),
    ]

    static let views: [Situation] = [
        Situation(
            what: "view over a closed table", setup: usage + view + "GRANT SELECT ON S.v TO aad_orders;", on: "table S.v",
            grants: ["select"], tries: ["SELECT * FROM S.v"], holds: true),
        Situation(
            what: "closed view", setup: usage + "GRANT SELECT ON S.t TO aad_orders; CREATE VIEW S.v AS SELECT id FROM S.t;",
            on: "table S.v", grants: ["select"], tries: ["SELECT * FROM S.v"], holds: false),
        Situation(
            what: "view that is written to", setup: usage + view + "GRANT SELECT, INSERT, UPDATE, DELETE ON S.v TO aad_orders;",
            on: "table S.v", grants: ["insert", "update", "delete"], tries: writes, holds: true),
        Situation(
            what: "view that is only read", setup: usage + view + "GRANT SELECT ON S.v TO aad_orders;", on: "view S.v",
            grants: ["select", "insert"], tries: ["SELECT * FROM S.v", "INSERT INTO S.v VALUES (1)"], holds: false),
        Situation(
            what: "view that takes no rows, by name",
            setup: usage + "CREATE VIEW S.v AS SELECT count(*) AS n FROM S.t; GRANT ALL ON S.v TO aad_orders;", on: "table S.v",
            grants: ["insert"], tries: ["INSERT INTO S.v VALUES (1)"], holds: false),
        Situation(
            what: "view that takes no rows, among tables",
            setup: usage + """
                CREATE VIEW S.v AS SELECT count(*) AS n FROM S.t; GRANT SELECT ON S.v TO aad_orders;
                GRANT SELECT, INSERT ON S.t, S.u TO aad_orders;
                """, on: "all tables in schema S", grants: ["select", "insert"],
            tries: ["SELECT * FROM S.v", "INSERT INTO S.t VALUES (1)"], holds: true),
        Situation(
            what: "all on a view that takes no rows is to read it",
            setup: usage + "CREATE VIEW S.v AS SELECT count(*) AS n FROM S.t; GRANT ALL ON S.v TO aad_orders;", on: "table S.v",
            grants: ["all"], tries: ["SELECT * FROM S.v"], holds: true),
        Situation(
            what: "view with a trigger instead",
            setup: usage + trigger + """
                CREATE VIEW S.v AS SELECT count(*) AS n FROM S.t; GRANT INSERT ON S.v TO aad_orders;
                CREATE TRIGGER x INSTEAD OF INSERT ON S.v FOR EACH ROW EXECUTE FUNCTION S.tf();
                """, on: "table S.v", grants: ["insert"], tries: ["INSERT INTO S.v VALUES (1)"], holds: true),
        Situation(
            what: "view with a rule instead",
            setup: usage + """
                CREATE VIEW S.v AS SELECT count(*) AS n FROM S.t; GRANT DELETE ON S.v TO aad_orders;
                CREATE RULE x AS ON DELETE TO S.v DO INSTEAD NOTHING;
                """, on: "table S.v", grants: ["delete"], tries: ["DELETE FROM S.v"], holds: true),
        Situation(
            what: "no foreign key to a view",
            setup: usage + view + "GRANT CREATE ON SCHEMA S TO aad_orders; GRANT ALL ON S.v TO aad_orders;",
            on: "table S.v", grants: ["references"], tries: ["CREATE TABLE S.child (id int REFERENCES S.v (id))"], holds: false),
        Situation(
            what: "view whose owner may not read the table", setup: usage + ownerless + "GRANT SELECT ON S.v TO aad_orders;",
            on: "table S.v", grants: ["select"], tries: ["SELECT * FROM S.v"], holds: false),
        Situation(
            what: "view whose owner may read the table by its columns",
            setup: usage + ownerless + "GRANT SELECT (id) ON S.t TO view_owner; GRANT SELECT ON S.v TO aad_orders;",
            on: "table S.v", grants: ["select"],
            tries: ["SELECT * FROM S.v"], holds: true),
        Situation(
            what: "view with the rights of who asks, who has none on the table",
            setup: usage + "CREATE VIEW S.v WITH (security_invoker = true) AS SELECT id FROM S.t; GRANT SELECT ON S.v TO aad_orders;",
            on: "table S.v", grants: ["select"], tries: ["SELECT * FROM S.v"], holds: false, since: 150_000),
        Situation(
            what: "view with the rights of who asks, who has those on the columns",
            setup: usage + """
                CREATE VIEW S.v WITH (security_invoker = on) AS SELECT id FROM S.t; GRANT SELECT ON S.v TO aad_orders;
                GRANT SELECT (id) ON S.t TO aad_orders;
                """, on: "table S.v", grants: ["select"], tries: ["SELECT * FROM S.v"], holds: true, since: 150_000),
        Situation(
            what: "view over a view with the rights of who asks: those count, not the outer owner's",
            setup: usage + """
                CREATE VIEW S.inner WITH (security_invoker = true) AS SELECT id FROM S.t; CREATE VIEW S.v AS SELECT id FROM S.inner;
                ALTER VIEW S.inner OWNER TO shop_owner; ALTER VIEW S.v OWNER TO shop_owner; GRANT SELECT ON S.v TO aad_orders;
                """, on: "table S.v", grants: ["select"], tries: ["SELECT * FROM S.v"], holds: false, since: 150_000),
        Situation(
            what: "view over a view whose owner may not read the table",
            setup: usage + ownerless + """
                GRANT SELECT ON S.v TO shop_owner; CREATE VIEW S.outer AS SELECT id FROM S.v; ALTER VIEW S.outer OWNER TO shop_owner;
                GRANT SELECT ON S.outer TO aad_orders;
                """, on: "table S.outer", grants: ["select"], tries: ["SELECT * FROM S.outer"], holds: false),
        Situation(
            what: "view whose owner may read and not write the table",
            setup: usage + ownerless + "GRANT SELECT ON S.t TO view_owner; GRANT SELECT, INSERT ON S.v TO aad_orders;",
            on: "table S.v", grants: ["insert"], tries: ["INSERT INTO S.v VALUES (1)"], holds: false),
        Situation(
            what: "denied, writing through a view", setup: usage + view + "GRANT UPDATE (id) ON S.v TO aad_orders;", demand: .deny,
            on: "all tables in schema S", grants: ["update"], tries: ["UPDATE S.v SET id = 1"], holds: false),
    ]

    private static let view = "SET ROLE shop_owner; CREATE VIEW S.v AS SELECT id FROM S.t; RESET ROLE;"
    private static let writes = ["INSERT INTO S.v VALUES (1)", "UPDATE S.v SET id = 1", "DELETE FROM S.v"]
    private static let ownerless = """
        DO $$ BEGIN CREATE ROLE view_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        CREATE VIEW S.v AS SELECT id FROM S.t; ALTER VIEW S.v OWNER TO view_owner;
        """
}
