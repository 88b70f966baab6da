// Rights on tables: how they come, and what is tried with each of them.
import Diagnosis

extension Situation {
    /// How a right on a table is held.
    static let tables: [Situation] = [
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
            what: "through a role of a role that is not inherited",
            setup: """
                CREATE ROLE g9; CREATE ROLE g10 NOINHERIT; GRANT g9 TO g10; GRANT g10 TO aad_orders; GRANT USAGE ON SCHEMA S TO g10;
                GRANT SELECT ON S.t TO g9;
                """, on: "table S.t", grants: ["select"], tries: ["SELECT * FROM S.t"], holds: false, undo: "REVOKE g10 FROM aad_orders;"),
        Situation(
            what: "through one membership without INHERIT",
            setup: """
                CREATE ROLE g11; GRANT g11 TO aad_orders WITH INHERIT FALSE; GRANT USAGE ON SCHEMA S TO g11; GRANT SELECT ON S.t TO g11;
                """, on: "table S.t", grants: ["select"], tries: ["SELECT * FROM S.t"], holds: false, since: 160_000,
            undo: "REVOKE g11 FROM aad_orders;"),
        Situation(
            what: "through PUBLIC", setup: "GRANT USAGE ON SCHEMA S TO PUBLIC; GRANT SELECT ON S.t TO PUBLIC;", on: "table S.t",
            grants: ["select"], tries: ["SELECT * FROM S.t"], holds: true),
        Situation(
            what: "taken from PUBLIC, given to the role",
            setup: usage + "GRANT SELECT ON S.t TO PUBLIC, aad_orders; REVOKE SELECT ON S.t FROM PUBLIC;", on: "table S.t",
            grants: ["select"], tries: ["SELECT * FROM S.t"], holds: true),
        Situation(
            what: "ownership", setup: usage + "ALTER TABLE S.t OWNER TO aad_orders;", on: "table S.t", grants: ["all"],
            tries: ["SELECT * FROM S.t", "TRUNCATE S.t", "ALTER TABLE S.t ADD more int"], holds: true),
        Situation(
            what: "owner who took his own right away",
            setup: usage + "ALTER TABLE S.t OWNER TO aad_orders; REVOKE SELECT ON S.t FROM aad_orders;", on: "table S.t",
            grants: ["select"], tries: ["SELECT * FROM S.t"], holds: false),
        Situation(
            what: "ownership by a role",
            setup: usage + "CREATE ROLE g5; GRANT g5 TO aad_orders; ALTER TABLE S.t OWNER TO g5;", on: "table S.t", grants: ["truncate"],
            tries: ["TRUNCATE S.t"], holds: true, undo: "REVOKE g5 FROM aad_orders;"),
        Situation(
            what: "ownership of the schema is none of its tables", setup: "ALTER SCHEMA S OWNER TO aad_orders;", on: "table S.t",
            grants: ["select"], tries: ["SELECT * FROM S.t"], holds: false),
        Situation(
            what: "pg_read_all_data reads", setup: "GRANT pg_read_all_data TO aad_orders;", on: "table S.t", grants: ["select"],
            tries: ["SELECT * FROM S.t"], holds: true, undo: "REVOKE pg_read_all_data FROM aad_orders;"),
        Situation(
            what: "pg_read_all_data does not write", setup: "GRANT pg_read_all_data TO aad_orders;", on: "table S.t",
            grants: ["select", "insert"], tries: ["SELECT * FROM S.t", "INSERT INTO S.t VALUES (1)"], holds: false,
            undo: "REVOKE pg_read_all_data FROM aad_orders;"),
        Situation(
            what: "pg_write_all_data writes", setup: "GRANT pg_write_all_data TO aad_orders;", on: "table S.t",
            grants: ["insert", "update", "delete"],
            tries: ["INSERT INTO S.t VALUES (1)", "UPDATE S.t SET id = 1", "DELETE FROM S.t"], holds: true,
            undo: "REVOKE pg_write_all_data FROM aad_orders;"),
        Situation(
            what: "pg_write_all_data does not empty tables", setup: "GRANT pg_write_all_data TO aad_orders;", on: "table S.t",
            grants: ["truncate"], tries: ["TRUNCATE S.t"], holds: false, undo: "REVOKE pg_write_all_data FROM aad_orders;"),
        Situation(
            what: "one table of many", setup: usage + "GRANT SELECT, INSERT ON S.t TO aad_orders; GRANT SELECT ON S.u TO aad_orders;",
            on: "all tables in schema S", grants: ["select", "insert"],
            tries: ["INSERT INTO S.t VALUES (1)", "INSERT INTO S.u VALUES (1)"], holds: false),
        Situation(
            what: "table that does not exist", setup: usage, on: "table S.none", grants: ["select"], tries: ["SELECT * FROM S.none"],
            holds: false),
        Situation(
            what: "all",
            setup: usage + "GRANT CREATE ON SCHEMA S TO aad_orders; ALTER TABLE S.t ADD PRIMARY KEY (id); \(trigger) \(allRights)",
            on: "table S.t", grants: ["all"], tries: everything, holds: true),
        Situation(
            what: "all but one",
            setup: usage
                + """
                GRANT CREATE ON SCHEMA S TO aad_orders; ALTER TABLE S.t ADD PRIMARY KEY (id); \(trigger) \(allRights)
                REVOKE TRIGGER ON S.t FROM aad_orders;
                """, on: "table S.t", grants: ["all"], tries: everything, holds: false),
        Situation(
            what: "a foreign key", setup: referenced + "GRANT REFERENCES ON S.t TO aad_orders;", on: "table S.t", grants: ["references"],
            tries: ["CREATE TABLE S.child (id int REFERENCES S.t)"], holds: true),
        Situation(
            what: "no foreign key", setup: referenced + "GRANT SELECT, UPDATE ON S.t TO aad_orders;", on: "table S.t",
            grants: ["references"], tries: ["CREATE TABLE S.child (id int REFERENCES S.t)"], holds: false),
        Situation(
            what: "a trigger", setup: usage + trigger + "GRANT TRIGGER ON S.t TO aad_orders;", on: "table S.t", grants: ["trigger"],
            tries: [makesTrigger], holds: true),
        Situation(
            what: "no trigger", setup: usage + trigger + "GRANT INSERT, UPDATE ON S.t TO aad_orders;", on: "table S.t",
            grants: ["trigger"], tries: [makesTrigger], holds: false),
        Situation(
            what: "emptying", setup: usage + "GRANT TRUNCATE ON S.t TO aad_orders;", on: "table S.t", grants: ["truncate"],
            tries: ["TRUNCATE S.t"], holds: true),
        Situation(
            what: "deleting is not emptying", setup: usage + "GRANT DELETE ON S.t TO aad_orders;", on: "table S.t",
            grants: ["truncate"], tries: ["TRUNCATE S.t"], holds: false),
        Situation(
            what: "denied, absent", setup: usage, demand: .deny, on: "table S.t", grants: ["delete"], tries: ["DELETE FROM S.t"],
            holds: true),
        Situation(
            what: "denied, through PUBLIC", setup: usage + "GRANT DELETE ON S.u TO PUBLIC;", demand: .deny, on: "all tables in schema S",
            grants: ["delete"], tries: ["DELETE FROM S.u"], holds: false),
        Situation(
            what: "denied, through a role",
            setup: usage + "CREATE ROLE g7; GRANT g7 TO aad_orders; GRANT DELETE ON S.u TO g7;", demand: .deny,
            on: "all tables in schema S", grants: ["delete"], tries: ["DELETE FROM S.u"], holds: false,
            undo: "REVOKE g7 FROM aad_orders;"),
        Situation(
            what: "denied, through pg_write_all_data", setup: "GRANT pg_write_all_data TO aad_orders;", demand: .deny, on: "table S.t",
            grants: ["delete"], tries: ["DELETE FROM S.t"], holds: false, undo: "REVOKE pg_write_all_data FROM aad_orders;"),
        Situation(
            what: "denied, by ownership", setup: usage + "ALTER TABLE S.t OWNER TO aad_orders;", demand: .deny, on: "table S.t",
            grants: ["truncate"], tries: ["TRUNCATE S.t"], holds: false),
        Situation(
            what: "denied, but the schema is closed", setup: "GRANT INSERT ON S.t TO aad_orders;", demand: .deny, on: "table S.t",
            grants: ["insert"], tries: ["INSERT INTO S.t VALUES (1)"], holds: true),
        Situation(
            what: "denied trigger", setup: usage + trigger + "GRANT TRIGGER ON S.t TO PUBLIC;", demand: .deny, on: "table S.t",
            grants: ["trigger", "truncate"], tries: [makesTrigger], holds: false),
        Situation(
            what: "denied foreign key on a column", setup: referenced + "GRANT REFERENCES (id) ON S.t TO aad_orders;", demand: .deny,
            on: "table S.t", grants: ["references"], tries: ["CREATE TABLE S.child (id int REFERENCES S.t)"], holds: false),
    ]

    static let trigger = "CREATE FUNCTION S.tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    static let makesTrigger = "CREATE TRIGGER x BEFORE INSERT ON S.t FOR EACH ROW EXECUTE FUNCTION S.tf()"
    private static let referenced = usage + "GRANT CREATE ON SCHEMA S TO aad_orders; ALTER TABLE S.t ADD PRIMARY KEY (id);"
    private static let allRights = "GRANT ALL PRIVILEGES ON S.t TO aad_orders;"
    private static let everything = [
        "SELECT * FROM S.t", "INSERT INTO S.t VALUES (1)", "UPDATE S.t SET id = 1", "DELETE FROM S.t", "TRUNCATE S.t",
        "CREATE TABLE S.child (id int REFERENCES S.t)", makesTrigger,
    ]

    /// Rights on columns.
    static let columns: [Situation] = [
        Situation(
            what: "a part of the columns", setup: usage + "GRANT SELECT (id) ON S.t TO aad_orders;", on: "table S.t", grants: ["select"],
            tries: ["SELECT * FROM S.t"], holds: false),
        Situation(
            what: "every column by itself", setup: usage + "GRANT SELECT (id), SELECT (note) ON S.t TO aad_orders;", on: "table S.t",
            grants: ["select"], tries: ["SELECT * FROM S.t", "SELECT count(*) FROM S.t"], holds: true),
        Situation(
            what: "every column, some through a role and PUBLIC",
            setup: usage + """
                CREATE ROLE g12; GRANT g12 TO aad_orders; GRANT INSERT (id), UPDATE (id) ON S.t TO g12;
                GRANT INSERT (note), UPDATE (note) ON S.t TO PUBLIC;
                """, on: "table S.t", grants: ["insert", "update"],
            tries: ["INSERT INTO S.t VALUES (1, 'x')", "UPDATE S.t SET id = 1, note = 'x'"], holds: true,
            undo: "REVOKE g12 FROM aad_orders;"),
        Situation(
            what: "every column that takes values",
            setup: usage + """
                CREATE TABLE S.w (id int, twice int GENERATED ALWAYS AS (id * 2) STORED); GRANT INSERT (id) ON S.w TO aad_orders;
                """, on: "table S.w", grants: ["insert"], tries: ["INSERT INTO S.w VALUES (1)"], holds: true),
        Situation(
            what: "no column grant stands for DELETE", setup: usage + "GRANT SELECT (id, note), UPDATE (id, note) ON S.t TO aad_orders;",
            on: "table S.t", grants: ["delete"], tries: ["DELETE FROM S.t"], holds: false),
        Situation(
            what: "a column that was dropped", setup: usage + "GRANT SELECT (id) ON S.t TO aad_orders; ALTER TABLE S.t DROP note;",
            on: "table S.t", grants: ["select"], tries: ["SELECT * FROM S.t"], holds: true),
        Situation(
            what: "a column that came later", setup: usage + "GRANT SELECT (id, note) ON S.t TO aad_orders; ALTER TABLE S.t ADD more int;",
            on: "all tables in schema S", grants: ["select"], tries: ["SELECT * FROM S.t", "SELECT * FROM S.u"], holds: false),
        Situation(
            what: "denied, on a column", setup: usage + "GRANT UPDATE (note) ON S.t TO aad_orders;", demand: .deny, on: "table S.t",
            grants: ["update"], tries: ["UPDATE S.t SET note = 'x'"], holds: false),
        Situation(
            what: "denied, on a column through a role",
            setup: usage + "CREATE ROLE g13; GRANT g13 TO aad_orders; GRANT SELECT (note) ON S.t TO g13;", demand: .deny,
            on: "all tables in schema S", grants: ["select"], tries: ["SELECT note FROM S.t"], holds: false,
            undo: "REVOKE g13 FROM aad_orders;"),
    ]
}
