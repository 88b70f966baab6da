// All tables of a schema: those of today, and what becomes of those that are made tomorrow.
import Diagnosis

extension Situation {
    private static let both = usage + "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA S TO aad_orders;"
    private static let reads = ["SELECT * FROM S.t", "SELECT * FROM S.u"]

    static let tomorrows: [Situation] = [
        Situation(
            what: "all tables, today's and tomorrow's",
            setup: both + "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA S GRANT SELECT, INSERT ON TABLES TO aad_orders;",
            on: "all tables in schema S", grants: ["select", "insert"], tries: ["SELECT * FROM S.t", "INSERT INTO S.u VALUES (1)"],
            holds: true, tomorrow: Tomorrow(lacks: false)),
        Situation(
            what: "all rights on all tables, today's and tomorrow's",
            setup: usage + """
                GRANT ALL ON ALL TABLES IN SCHEMA S TO aad_orders;
                ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA S GRANT ALL ON TABLES TO aad_orders;
                """, on: "all tables in schema S", grants: ["all"], tries: ["SELECT * FROM S.t", "TRUNCATE S.u"], holds: true,
            tomorrow: Tomorrow(lacks: false)),
        Situation(
            what: "default rights for every schema",
            setup: both + "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner GRANT SELECT ON TABLES TO aad_orders;",
            on: "all tables in schema S", grants: ["select"], tries: reads, holds: true, tomorrow: Tomorrow(lacks: false),
            undo: "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner REVOKE SELECT ON TABLES FROM aad_orders;"),
        Situation(
            what: "default rights of another schema",
            setup: both + """
                CREATE SCHEMA other; ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA other GRANT SELECT ON TABLES TO aad_orders;
                """, on: "all tables in schema S", grants: ["select"], tries: reads, holds: true, tomorrow: Tomorrow(lacks: true),
            undo: "DROP SCHEMA other;"),
        Situation(
            what: "default rights, but not this one",
            setup: both + "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA S GRANT INSERT ON TABLES TO aad_orders;",
            on: "all tables in schema S", grants: ["select"], tries: reads, holds: true, tomorrow: Tomorrow(lacks: true)),
        Situation(
            what: "all tables of today only", setup: both, on: "all tables in schema S", grants: ["select"], tries: reads, holds: true,
            tomorrow: Tomorrow(lacks: true)),
        Situation(
            what: "default rights of another maker",
            setup: both + "ALTER DEFAULT PRIVILEGES FOR ROLE lab_admin IN SCHEMA S GRANT SELECT ON TABLES TO aad_orders;",
            on: "all tables in schema S", grants: ["select"], tries: reads, holds: true, tomorrow: Tomorrow(lacks: true)),
        Situation(
            what: "another maker who may log in, without default rights",
            setup: both + """
                GRANT USAGE, CREATE ON SCHEMA S TO aad_batch;
                ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA S GRANT SELECT ON TABLES TO aad_orders;
                """, on: "all tables in schema S", grants: ["select"], tries: reads, holds: true,
            tomorrow: Tomorrow(lacks: true, maker: "aad_batch")),
        Situation(
            what: "another maker who may log in, with default rights",
            setup: both + """
                GRANT USAGE, CREATE ON SCHEMA S TO aad_batch;
                ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner, aad_batch IN SCHEMA S GRANT SELECT ON TABLES TO aad_orders;
                """, on: "all tables in schema S", grants: ["select"], tries: reads, holds: true,
            tomorrow: Tomorrow(lacks: false, maker: "aad_batch")),
        Situation(
            what: "default rights for a role that is inherited",
            setup: """
                \(both) CREATE ROLE g6; GRANT g6 TO aad_orders;
                ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA S GRANT SELECT ON TABLES TO g6;
                """, on: "all tables in schema S", grants: ["select"], tries: reads, holds: true, tomorrow: Tomorrow(lacks: false),
            undo: "REVOKE g6 FROM aad_orders;"),
        Situation(
            what: "default rights for a role that is not inherited",
            setup: """
                \(both) ALTER ROLE aad_orders NOINHERIT; CREATE ROLE g14; GRANT g14 TO aad_orders;
                ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA S GRANT SELECT ON TABLES TO g14;
                """, on: "all tables in schema S", grants: ["select"], tries: reads, holds: true, tomorrow: Tomorrow(lacks: true),
            undo: "REVOKE g14 FROM aad_orders; ALTER ROLE aad_orders INHERIT;"),
        Situation(
            what: "default rights for PUBLIC",
            setup: both + "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA S GRANT SELECT ON TABLES TO PUBLIC;",
            on: "all tables in schema S", grants: ["select"], tries: reads, holds: true, tomorrow: Tomorrow(lacks: false)),
        Situation(
            what: "the maker's rights are inherited",
            setup: usage + "GRANT shop_owner TO aad_orders;", on: "all tables in schema S", grants: ["select"], tries: reads, holds: true,
            tomorrow: Tomorrow(lacks: false), undo: "REVOKE shop_owner FROM aad_orders;"),
        Situation(
            what: "empty schema", setup: usage + "DROP TABLE S.t, S.u;", on: "all tables in schema S", grants: ["select"], tries: [],
            holds: true, tomorrow: Tomorrow(lacks: true)),
        Situation(
            what: "pg_read_all_data", setup: "GRANT pg_read_all_data TO aad_orders;", on: "all tables in schema S", grants: ["select"],
            tries: reads, holds: true, tomorrow: Tomorrow(lacks: false), undo: "REVOKE pg_read_all_data FROM aad_orders;"),
        Situation(
            what: "pg_write_all_data", setup: "GRANT pg_write_all_data TO aad_orders;", on: "all tables in schema S", grants: ["insert"],
            tries: ["INSERT INTO S.t VALUES (1)"], holds: true,
            tomorrow: Tomorrow(lacks: false, opens: "INSERT INTO S.fresh VALUES (1)"), undo: "REVOKE pg_write_all_data FROM aad_orders;"),
        Situation(
            what: "pg_maintain", setup: usage + "GRANT pg_maintain TO aad_orders;", on: "all tables in schema S", grants: ["maintain"],
            tries: ["REINDEX TABLE S.t"], holds: true, tomorrow: Tomorrow(lacks: false, opens: "REINDEX TABLE S.fresh"), since: 170_000,
            undo: "REVOKE pg_maintain FROM aad_orders;"),
        Situation(
            what: "default rights that a sequence needs",
            setup: usage + "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA S GRANT USAGE ON SEQUENCES TO aad_orders;",
            on: "all sequences in schema S", grants: ["usage"], tries: [], holds: true,
            tomorrow: Tomorrow(lacks: false, makes: "CREATE SEQUENCE S.fresh", opens: "SELECT nextval('S.fresh')")),
        Situation(
            what: "sequences of tomorrow without default rights",
            setup: usage + "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA S GRANT SELECT ON TABLES TO aad_orders;",
            on: "all sequences in schema S", grants: ["usage"], tries: [], holds: true,
            tomorrow: Tomorrow(lacks: true, makes: "CREATE SEQUENCE S.fresh", opens: "SELECT nextval('S.fresh')")),
        Situation(
            what: "functions of tomorrow are open", setup: usage, on: "all functions in schema S", grants: ["execute"], tries: [],
            holds: true, tomorrow: Tomorrow(lacks: false, makes: newFunction, opens: "SELECT S.fresh()")),
        Situation(
            what: "functions of tomorrow, closed by their maker",
            setup: usage + "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;",
            on: "all functions in schema S", grants: ["execute"], tries: [], holds: true,
            tomorrow: Tomorrow(lacks: true, makes: newFunction, opens: "SELECT S.fresh()"),
            undo: "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC;"),
        Situation(
            what: "functions of tomorrow, closed to PUBLIC and given to the role",
            setup: usage + """
                ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
                ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA S GRANT EXECUTE ON FUNCTIONS TO aad_orders;
                """, on: "all functions in schema S", grants: ["execute"], tries: [], holds: true,
            tomorrow: Tomorrow(lacks: false, makes: newFunction, opens: "SELECT S.fresh()"),
            undo: "ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC;"),
    ]

    private static let newFunction = "CREATE FUNCTION S.fresh() RETURNS int LANGUAGE sql AS 'SELECT 1'"
}
