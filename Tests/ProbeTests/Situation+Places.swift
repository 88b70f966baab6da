// Rights on the database and on schemas, attributes of the role, and names as people write them.
import Diagnosis

extension Situation {
    static let places: [Situation] = [
        Situation(
            what: "making tables in a schema", setup: usage + "GRANT CREATE ON SCHEMA S TO aad_orders;", on: "schema S",
            grants: ["usage", "create"], tries: ["CREATE TABLE S.mine (n int)", "SELECT 'S.t'::regclass"], holds: true),
        Situation(
            what: "no making of tables in a schema", setup: usage, on: "schema S", grants: ["create"],
            tries: ["CREATE TABLE S.mine (n int)"], holds: false),
        Situation(what: "closed schema", setup: "", on: "schema S", grants: ["usage"], tries: ["SELECT 'S.t'::regclass"], holds: false),
        Situation(
            what: "all on a schema, its owner through a role",
            setup: "CREATE ROLE g17; GRANT g17 TO aad_orders; ALTER SCHEMA S OWNER TO g17;", on: "schema S", grants: ["all"],
            tries: ["SELECT 'S.t'::regclass", "CREATE TABLE S.mine (n int)"], holds: true, undo: "REVOKE g17 FROM aad_orders;"),
        Situation(
            what: "schema through PUBLIC", setup: "GRANT USAGE ON SCHEMA S TO PUBLIC;", on: "schema S", grants: ["usage"],
            tries: ["SELECT 'S.t'::regclass"], holds: true),
        Situation(
            what: "schema through pg_write_all_data", setup: "GRANT pg_write_all_data TO aad_orders;", on: "schema S", grants: ["usage"],
            tries: ["SELECT 'S.t'::regclass"], holds: true, undo: "REVOKE pg_write_all_data FROM aad_orders;"),
        Situation(
            what: "schema that does not exist", setup: "", on: "schema none", grants: ["usage"], tries: ["SELECT 'none.t'::regclass"],
            holds: false),
        Situation(
            what: "denied making of tables, through PUBLIC", setup: usage + "GRANT CREATE ON SCHEMA S TO PUBLIC;", demand: .deny,
            on: "schema S", grants: ["create"], tries: ["CREATE TABLE S.mine (n int)"], holds: false),
        Situation(
            what: "temporary tables, open by default", setup: "", on: "database", grants: ["temporary"],
            tries: ["CREATE TEMPORARY TABLE x (n int)"], holds: true),
        Situation(
            what: "temporary tables taken away", setup: "REVOKE TEMPORARY ON DATABASE orders FROM PUBLIC;", on: "database",
            grants: ["temporary"], tries: ["CREATE TEMPORARY TABLE x (n int)"], holds: false,
            undo: "GRANT TEMPORARY ON DATABASE orders TO PUBLIC;"),
        Situation(
            what: "temporary tables for the role alone",
            setup: "REVOKE TEMPORARY ON DATABASE orders FROM PUBLIC; GRANT TEMPORARY ON DATABASE orders TO aad_orders;", on: "database",
            grants: ["temp"], tries: ["CREATE TEMPORARY TABLE x (n int)"], holds: true,
            undo: "GRANT TEMPORARY ON DATABASE orders TO PUBLIC; REVOKE TEMPORARY ON DATABASE orders FROM aad_orders;"),
        Situation(
            what: "denied temporary tables, open by default", setup: "", demand: .deny, on: "database", grants: ["temporary"],
            tries: ["CREATE TEMPORARY TABLE x (n int)"], holds: false),
        // The login of the probe is the try: without the right there is no verdict, but `database_access_denied`.
        Situation(
            what: "connect for the role alone",
            setup: "REVOKE CONNECT ON DATABASE orders FROM PUBLIC; GRANT CONNECT ON DATABASE orders TO aad_orders;", on: "database",
            grants: ["connect"], tries: [], holds: true,
            undo: "GRANT CONNECT ON DATABASE orders TO PUBLIC; REVOKE CONNECT ON DATABASE orders FROM aad_orders;"),
        Situation(
            what: "connect through a role",
            setup: """
                CREATE ROLE g18; GRANT g18 TO aad_orders; REVOKE CONNECT ON DATABASE orders FROM PUBLIC;
                GRANT CONNECT ON DATABASE orders TO g18;
                """, on: "database", grants: ["connect"], tries: [], holds: true,
            undo: "GRANT CONNECT ON DATABASE orders TO PUBLIC; REVOKE g18 FROM aad_orders;"),
        Situation(
            what: "no schemas in the database", setup: "", on: "database", grants: ["create"], tries: ["CREATE SCHEMA mine"],
            holds: false),
        Situation(
            what: "schemas in the database", setup: "GRANT CREATE ON DATABASE orders TO aad_orders;", on: "database", grants: ["create"],
            tries: ["CREATE SCHEMA mine"], holds: true, undo: "REVOKE CREATE ON DATABASE orders FROM aad_orders;"),
        Situation(
            what: "all on the database", setup: "GRANT ALL ON DATABASE orders TO aad_orders;", on: "database", grants: ["all"],
            tries: ["CREATE SCHEMA mine", "CREATE TEMPORARY TABLE x (n int)"], holds: true,
            undo: "REVOKE ALL ON DATABASE orders FROM aad_orders;"),
        Situation(
            what: "the database's owner through a role", setup: "GRANT shop_owner TO aad_orders;", demand: .deny, on: "database",
            grants: ["create"], tries: ["CREATE SCHEMA mine"], holds: false, undo: "REVOKE shop_owner FROM aad_orders;"),
    ]

    static let attributes: [Situation] =
        [
            ("superuser", "CREATE ROLE x SUPERUSER"), ("createdb", "CREATE DATABASE made"), ("createrole", "CREATE ROLE x"),
            ("replication", slot),
        ].flatMap { (word, statement) -> [Situation] in
            let (role, clean) = ("g_\(word)", "DROP DATABASE IF EXISTS made;")
            let member = "CREATE ROLE \(role) \(word) ROLE aad_orders;"
            let rows = [
                Situation(what: "no \(word)", setup: "", on: "role", grants: [word], tries: [statement], holds: false),
                Situation(
                    what: "denied \(word), absent", setup: "", demand: .deny, on: "role", grants: [word], tries: [statement], holds: true),
                Situation(
                    what: "\(word) of a role it belongs to", setup: member, on: "role", grants: [word], tries: [statement], holds: false,
                    undo: "DROP ROLE \(role);"),
                Situation(
                    what: "denied \(word) within reach", setup: member, demand: .deny, on: "role", grants: [word],
                    tries: ["SET ROLE \(role); \(statement)"], holds: false, undo: "\(clean) DROP ROLE \(role);"),
                Situation(
                    what: "denied \(word) out of reach",
                    setup: "CREATE ROLE \(role) \(word); GRANT \(role) TO aad_orders WITH SET FALSE, INHERIT TRUE;", demand: .deny,
                    on: "role", grants: [word], tries: ["SET ROLE \(role); \(statement)"], holds: true, since: 160_000,
                    undo: "DROP ROLE \(role);"),
            ]
            // A superuser gets no verdict.
            guard word != "superuser" else { return rows }
            return rows + [
                Situation(
                    what: word, setup: "ALTER ROLE aad_orders \(word);", on: "role", grants: [word], tries: [statement], holds: true,
                    undo: "ALTER ROLE aad_orders NO\(word); \(clean)"),
                Situation(
                    what: "denied \(word)", setup: "ALTER ROLE aad_orders \(word);", demand: .deny, on: "role", grants: [word],
                    tries: [statement], holds: false, undo: "ALTER ROLE aad_orders NO\(word); \(clean)"),
            ]
        } + [
            Situation(
                what: "no bypassrls", setup: fenced, on: "role", grants: ["bypassrls"],
                tries: ["SET row_security = off; SELECT * FROM S.t"], holds: false),
            Situation(
                what: "bypassrls", setup: fenced + "ALTER ROLE aad_orders BYPASSRLS;", on: "role", grants: ["bypassrls"],
                tries: ["SET row_security = off; SELECT * FROM S.t"], holds: true, undo: "ALTER ROLE aad_orders NOBYPASSRLS;"),
            Situation(
                what: "denied bypassrls within reach",
                setup: fenced + """
                    CREATE ROLE g_rls BYPASSRLS ROLE aad_orders; GRANT SELECT ON S.t TO g_rls; GRANT USAGE ON SCHEMA S TO g_rls;
                    """, demand: .deny, on: "role", grants: ["bypassrls"],
                tries: ["SET ROLE g_rls; SET row_security = off; SELECT * FROM S.t"], holds: false,
                undo: "DROP OWNED BY g_rls; DROP ROLE g_rls;"),
        ]

    /// The lab's server keeps no log for replicas, which it says only to who may ask.
    private static let slot = """
        DO $$ BEGIN PERFORM pg_create_physical_replication_slot('made', false, true);
        EXCEPTION WHEN object_not_in_prerequisite_state THEN NULL; END $$
        """
    private static let fenced = usage + "GRANT SELECT ON S.t TO aad_orders; ALTER TABLE S.t ENABLE ROW LEVEL SECURITY;"

    /// 63 bytes, the most that the server keeps.
    private static let long = String(repeating: "ä", count: 31) + "x"

    static let names: [Situation] =
        [
            ("Order \"\"Lines'", "quotes and a blank"), ("Order.Lines", "a dot"), ("ORDERS", "upper case"), ("select", "a reserved word"),
            ("back\\slash $1 %s", "a backslash and marks"), (long, "63 bytes"), ("größe 日本", "other scripts"), ("S", "one letter"),
        ].flatMap { (name, what) -> [Situation] in
            [true, false].map { isOpen in
                Situation(
                    what: "name with \(what)\(isOpen ? "" : ", closed")",
                    setup: usage + "CREATE TABLE S.\"\(name)\" (n int);" + (isOpen ? "GRANT SELECT ON S.\"\(name)\" TO aad_orders;" : ""),
                    on: "table S.\"\(name)\"", grants: ["select"], tries: ["SELECT * FROM S.\"\(name)\""], holds: isOpen)
            }
        } + [
            Situation(
                what: "schema with a quoted name",
                setup: """
                    CREATE SCHEMA "My.Schema ""x'"; CREATE TABLE "My.Schema ""x'".t (n int);
                    GRANT USAGE ON SCHEMA "My.Schema ""x'" TO aad_orders;
                    GRANT SELECT ON "My.Schema ""x'".t TO aad_orders;
                    """, on: "all tables in schema \"My.Schema \"\"x'\"", grants: ["select"],
                tries: ["SELECT * FROM \"My.Schema \"\"x'\".t"],
                holds: true),
            Situation(
                what: "a name that differs only in case is another one",
                setup: usage + "CREATE TABLE S.\"Orders\" (n int); GRANT SELECT ON S.\"Orders\" TO aad_orders;", on: "table S.Orders",
                grants: ["select"], tries: ["SELECT * FROM S.Orders"], holds: false),
        ]
}
