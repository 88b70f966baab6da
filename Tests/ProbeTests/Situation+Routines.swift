// Rights on sequences and functions.
import Diagnosis

extension Situation {
    static let sequences: [Situation] = [
        Situation(
            what: "sequence of a serial column",
            setup: usage + "CREATE TABLE S.w (id serial, n int); GRANT INSERT ON S.w TO aad_orders;", on: "all sequences in schema S",
            grants: ["usage"], tries: ["INSERT INTO S.w (n) VALUES (1)"], holds: false),
        Situation(
            what: "sequence of a serial column with its right",
            setup: usage + """
                CREATE TABLE S.w (id serial, n int); GRANT INSERT ON S.w TO aad_orders; GRANT USAGE ON S.w_id_seq TO aad_orders;
                """, on: "all sequences in schema S", grants: ["usage"], tries: ["INSERT INTO S.w (n) VALUES (1)"], holds: true),
        Situation(
            what: "sequence of an identity column",
            setup: usage + "CREATE TABLE S.w (id int GENERATED ALWAYS AS IDENTITY, n int); GRANT INSERT ON S.w TO aad_orders;",
            on: "all sequences in schema S", grants: ["usage"], tries: ["INSERT INTO S.w (n) VALUES (1)"], holds: true),
        Situation(
            what: "sequence with usage", setup: usage + sequence + "GRANT USAGE ON SEQUENCE S.q TO aad_orders;", on: "sequence S.q",
            grants: ["usage"], tries: ["SELECT nextval('S.q')"], holds: true),
        Situation(
            what: "sequence with usage but not update", setup: usage + sequence + "GRANT USAGE ON SEQUENCE S.q TO aad_orders;",
            on: "sequence S.q", grants: ["update"], tries: ["SELECT setval('S.q', 5)"], holds: false),
        Situation(
            what: "sequence with usage but not select", setup: usage + sequence + "GRANT USAGE ON SEQUENCE S.q TO aad_orders;",
            on: "sequence S.q", grants: ["select"], tries: ["SELECT last_value FROM S.q"], holds: false),
        Situation(
            what: "sequence with select", setup: usage + sequence + "GRANT SELECT ON SEQUENCE S.q TO aad_orders;", on: "sequence S.q",
            grants: ["select"], tries: ["SELECT last_value FROM S.q"], holds: true),
        Situation(
            what: "sequence with select but not usage", setup: usage + sequence + "GRANT SELECT ON SEQUENCE S.q TO aad_orders;",
            on: "sequence S.q", grants: ["usage"], tries: ["SELECT nextval('S.q')"], holds: false),
        Situation(
            what: "sequence with update", setup: usage + sequence + "GRANT UPDATE ON SEQUENCE S.q TO aad_orders;", on: "sequence S.q",
            grants: ["update"], tries: ["SELECT setval('S.q', 5)", "SELECT nextval('S.q')"], holds: true),
        Situation(
            what: "all on a sequence", setup: usage + sequence + "GRANT ALL ON SEQUENCE S.q TO aad_orders;", on: "sequence S.q",
            grants: ["all"], tries: ["SELECT nextval('S.q')", "SELECT last_value FROM S.q", "SELECT setval('S.q', 5)"], holds: true),
        Situation(
            what: "sequence through PUBLIC", setup: usage + sequence + "GRANT USAGE ON SEQUENCE S.q TO PUBLIC;", on: "sequence S.q",
            grants: ["usage"], tries: ["SELECT nextval('S.q')"], holds: true),
        Situation(
            what: "sequence through a role",
            setup: usage + sequence + "CREATE ROLE g15; GRANT g15 TO aad_orders; GRANT USAGE ON SEQUENCE S.q TO g15;", on: "sequence S.q",
            grants: ["usage"], tries: ["SELECT nextval('S.q')"], holds: true, undo: "REVOKE g15 FROM aad_orders;"),
        Situation(
            what: "sequence of one's own", setup: usage + sequence + "ALTER SEQUENCE S.q OWNER TO aad_orders;", on: "sequence S.q",
            grants: ["all"], tries: ["SELECT nextval('S.q')", "ALTER SEQUENCE S.q RESTART"], holds: true),
        Situation(
            what: "sequence in a closed schema", setup: sequence + "GRANT USAGE ON SEQUENCE S.q TO aad_orders;", on: "sequence S.q",
            grants: ["usage"], tries: ["SELECT nextval('S.q')"], holds: false),
        Situation(
            what: "pg_read_all_data reads sequences", setup: sequence + "GRANT pg_read_all_data TO aad_orders;",
            on: "all sequences in schema S", grants: ["select"], tries: ["SELECT last_value FROM S.q"], holds: true,
            undo: "REVOKE pg_read_all_data FROM aad_orders;"),
        Situation(
            what: "pg_read_all_data takes no numbers", setup: sequence + "GRANT pg_read_all_data TO aad_orders;",
            on: "all sequences in schema S", grants: ["usage"], tries: ["SELECT nextval('S.q')"], holds: false,
            undo: "REVOKE pg_read_all_data FROM aad_orders;"),
        Situation(
            what: "pg_write_all_data sets sequences", setup: sequence + "GRANT pg_write_all_data TO aad_orders;",
            on: "all sequences in schema S", grants: ["update"], tries: ["SELECT setval('S.q', 5)"], holds: true,
            undo: "REVOKE pg_write_all_data FROM aad_orders;"),
        Situation(
            what: "table where a sequence is asked for", setup: usage, on: "sequence S.t", grants: ["usage"],
            tries: ["SELECT nextval('S.none')"], holds: false),
        Situation(
            what: "denied on a sequence, absent", setup: usage + sequence + "GRANT USAGE ON SEQUENCE S.q TO aad_orders;", demand: .deny,
            on: "sequence S.q", grants: ["update"], tries: ["SELECT setval('S.q', 5)"], holds: true),
        Situation(
            what: "denied on a sequence, through PUBLIC", setup: usage + sequence + "GRANT UPDATE ON SEQUENCE S.q TO PUBLIC;",
            demand: .deny, on: "all sequences in schema S", grants: ["update"], tries: ["SELECT setval('S.q', 5)"], holds: false),
    ]

    private static let sequence = "CREATE SEQUENCE S.q;"

    static let functions: [Situation] = [
        Situation(
            what: "function that nobody may run", setup: usage + function + closed, on: "function S.f(int, text)", grants: ["execute"],
            tries: [call], holds: false),
        Situation(
            what: "function open by default", setup: usage + function, on: "all functions in schema S", grants: ["execute"], tries: [call],
            holds: true),
        Situation(
            what: "function given to the role", setup: usage + function + closed + "GRANT EXECUTE ON FUNCTION S.f TO aad_orders;",
            on: "function S.f(int, text)", grants: ["execute"], tries: [call], holds: true),
        Situation(
            what: "function through a role",
            setup: usage + function + closed + "CREATE ROLE g16; GRANT g16 TO aad_orders; GRANT EXECUTE ON FUNCTION S.f TO g16;",
            on: "function S.f(int, text)", grants: ["all"], tries: [call], holds: true, undo: "REVOKE g16 FROM aad_orders;"),
        Situation(
            what: "function in a closed schema", setup: function, on: "function S.f(int, text)", grants: ["execute"], tries: [call],
            holds: false),
        Situation(
            what: "function of other types is another one",
            setup: usage + function + closed + "CREATE FUNCTION S.f(a text) RETURNS int LANGUAGE sql AS 'SELECT 1';",
            on: "function S.f(int, text)", grants: ["execute"], tries: [call], holds: false),
        Situation(
            what: "without types every function of the name is meant",
            setup: usage + function + closed + "CREATE FUNCTION S.f(a text) RETURNS int LANGUAGE sql AS 'SELECT 1';",
            on: "function S.f", grants: ["execute"], tries: [call, "SELECT S.f('x')"], holds: false),
        Situation(
            what: "function with the rights of its owner, over a closed table",
            setup: usage + """
                CREATE FUNCTION S.g() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM S.t';
                ALTER FUNCTION S.g() OWNER TO shop_owner;
                """, on: "function S.g()", grants: ["execute"], tries: ["SELECT S.g()"], holds: true),
        Situation(
            what: "what a function reads with the rights of its owner is closed all the same",
            setup: usage + """
                CREATE FUNCTION S.g() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM S.t';
                ALTER FUNCTION S.g() OWNER TO shop_owner;
                """, on: "table S.t", grants: ["select"], tries: ["SELECT count(*) FROM S.t"], holds: false),
        Situation(
            what: "procedure", setup: usage + procedure, on: "procedure S.p(int)", grants: ["execute"], tries: ["CALL S.p(1)"],
            holds: true),
        Situation(
            what: "closed procedure", setup: usage + procedure + "REVOKE EXECUTE ON ALL PROCEDURES IN SCHEMA S FROM PUBLIC;",
            on: "all functions in schema S", grants: ["execute"], tries: ["CALL S.p(1)"], holds: false),
        Situation(
            what: "function with a type of its own schema",
            setup: usage + """
                CREATE TYPE S.colour AS ENUM ('red'); CREATE FUNCTION S.paint(S.colour) RETURNS int LANGUAGE sql AS 'SELECT 1';
                REVOKE EXECUTE ON FUNCTION S.paint FROM PUBLIC; GRANT EXECUTE ON FUNCTION S.paint TO aad_orders;
                """, on: "function S.paint(S.colour)", grants: ["execute"], tries: ["SELECT S.paint('red')"], holds: true),
        Situation(
            what: "function that does not exist", setup: usage + function, on: "function S.f(bigint)", grants: ["execute"],
            tries: ["SELECT S.f(1::bigint)"], holds: false),
        Situation(
            what: "denied function, open by default", setup: usage + function, demand: .deny, on: "all functions in schema S",
            grants: ["execute"], tries: [call], holds: false),
        Situation(
            what: "denied function, closed", setup: usage + function + closed, demand: .deny, on: "function S.f", grants: ["execute"],
            tries: [call], holds: true),
    ]

    private static let function = "CREATE FUNCTION S.f(a int, b text) RETURNS int LANGUAGE sql AS 'SELECT 1';"
    private static let closed = "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA S FROM PUBLIC;"
    private static let call = "SELECT S.f(1, 'x')"
    private static let procedure = "CREATE PROCEDURE S.p(a int) LANGUAGE sql AS 'SELECT 1';"
}
