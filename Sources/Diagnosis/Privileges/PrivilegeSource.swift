// Where the objects of a rule are in PostgreSQL's catalogs, and the condition that says whether a right on one is held.

/// Where the objects of a rule are, as a piece of `FROM` with the columns oid, ownerid, acl, sort, schema, name, home of `o`.
struct PrivilegeSource {
    var rows: String
    /// Whether `p.word` is held on `o`; NULL where the right cannot exist, such as writing to a view that takes no rows.
    var test: String
    /// The same for rights that must not be there: a part is enough, and it counts only where the schema can be used.
    var looseTest: String
    /// The letter of `acldefault`.
    var defaults: String
    var sort: String
    var schema: String?
    var name: String?

    init(_ object: PrivilegeObject) {
        schema = object.schema
        sort = object.kind.rawValue
        let inSchema = "n.nspname = \(SQLText.literal(object.schema ?? ""))"
        func relations(_ filter: String) -> String {
            """
            (SELECT c.oid, c.relowner AS ownerid, c.relacl AS acl, c.relkind AS kind, \(Self.sort) AS sort, \
            n.nspname::text AS schema, c.relname::text AS name, n.oid AS home FROM pg_catalog.pg_class AS c \
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE \(inSchema) AND \(filter)) AS o
            """
        }
        func functions(_ filter: String) -> String {
            """
            (SELECT f.oid, f.proowner AS ownerid, f.proacl AS acl, 'function' AS sort, n.nspname::text AS schema, \
            pg_catalog.left(f.proname || '(' || pg_catalog.oidvectortypes(f.proargtypes) || ')', 200) AS name, n.oid AS home \
            FROM pg_catalog.pg_proc AS f JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace WHERE \(inSchema) AND \(filter)) AS o
            """
        }
        let tables = "c.relkind IN ('r', 'p', 'v', 'm', 'f')"
        switch object {
        case .role, .database:
            rows = """
                (SELECT d.oid, d.datdba AS ownerid, d.datacl AS acl, 'database' AS sort, NULL::text AS schema, d.datname::text AS name \
                FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()) AS o
                """
            (test, defaults) = ("pg_catalog.has_database_privilege(o.oid, p.word)", "d")
        case .schema(let schema):
            rows = """
                (SELECT n.oid, n.nspowner AS ownerid, n.nspacl AS acl, 'schema' AS sort, n.nspname::text AS schema, NULL::text AS name \
                FROM pg_catalog.pg_namespace AS n WHERE n.nspname = \(SQLText.literal(schema))) AS o
                """
            (test, defaults) = ("pg_catalog.has_schema_privilege(o.oid, p.word)", "n")
        case .table(_, let table):
            name = table
            rows = relations("\(tables) AND c.relname = \(SQLText.literal(table))")
            (test, defaults) = (Self.tableTest, "r")
        case .allTables:
            // Parts of a partitioned table are reached through it and need no rights of their own.
            rows = relations("\(tables) AND NOT c.relispartition AND \(PrivilegeStatement.noExtension("pg_class", "c.oid"))")
            (test, defaults) = (Self.tableTest, "r")
        case .sequence(_, let sequence):
            name = sequence
            rows = relations("c.relkind = 'S' AND c.relname = \(SQLText.literal(sequence))")
            (test, defaults) = (Self.sequenceTest, "s")
        case .allSequences:
            // Sequences behind identity columns (deptype i) are used without rights of one's own, those of serial columns are not.
            rows = relations(
                """
                c.relkind = 'S' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS e WHERE e.classid = \
                'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid AND e.deptype IN ('i', 'e'))
                """)
            (test, defaults) = (Self.sequenceTest, "s")
        case .function(_, let function, let arguments):
            name = function
            rows = functions(
                "f.proname = \(SQLText.literal(function))"
                    + (arguments.map { " AND pg_catalog.oidvectortypes(f.proargtypes) = \(SQLText.literal($0))" } ?? ""))
            (test, defaults) = ("pg_catalog.has_function_privilege(o.oid, p.word)", "f")
        case .allFunctions:
            rows = functions(PrivilegeStatement.noExtension("pg_proc", "f.oid"))
            (test, defaults) = ("pg_catalog.has_function_privilege(o.oid, p.word)", "f")
        }
        switch object.kind {
        case .role, .database, .schema: looseTest = test
        case .table:
            looseTest = "pg_catalog.has_schema_privilege(o.home, 'USAGE') AND \(Self.looseTableTest)"
        case .sequence, .function: looseTest = "pg_catalog.has_schema_privilege(o.home, 'USAGE') AND \(test)"
        }
    }

    /// What `c` is.
    static let sort = """
        CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' \
        ELSE 'table' END
        """

    // CASE keeps a function away from rows it would refuse, in whatever order the planner looks at conditions.

    /// Whether the statement of `p.word` can be made of `o` at all, whoever asks. Views and foreign tables are written to where they can;
    /// the bits of the answer: 4 update, 8 insert, 16 delete. A wrapper without a handler would end the whole statement with an error.
    ///
    /// **Source**: PostgreSQL, `CmdType`; "GRANT"; 17 release notes.
    static let isPossible = """
        CASE WHEN p.word = 'MAINTAIN' THEN o.kind <> 'v' AND NOT \(PrivilegeStatement.hasNoMaintain) WHEN o.kind = 'm' THEN p.word = \
        'SELECT' \
        WHEN o.kind NOT IN ('v', 'f') THEN true WHEN p.word = 'REFERENCES' OR o.kind = 'v' AND p.word = 'TRUNCATE' THEN false \
        WHEN p.word NOT IN ('INSERT', 'UPDATE', 'DELETE') THEN true WHEN o.kind = 'f' AND NOT EXISTS (SELECT \
        FROM pg_catalog.pg_foreign_table AS f JOIN pg_catalog.pg_foreign_server AS s ON s.oid = f.ftserver \
        JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw WHERE f.ftrelid = o.oid AND w.fdwhandler <> 0) THEN false \
        ELSE pg_catalog.pg_relation_is_updatable(o.oid, true) & CASE p.word WHEN 'UPDATE' THEN 4 WHEN 'INSERT' THEN 8 ELSE 16 END <> 0 END
        """
    private static let anyColumn = """
        CASE WHEN p.word IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') THEN pg_catalog.has_any_column_privilege(o.oid, p.word) ELSE \
        false END
        """
    /// Grants on each of the columns are worth as much as one on the table; those that are computed take no values. The part of `WITH` that
    /// ``tableTest`` reads: looked up once, for a look at the columns of each table would be most of the work.
    ///
    /// `attgenerated` came with PostgreSQL 12, so it is read as a field that may be absent.
    static let wholeByColumns = """
        whole(oid, word) AS (SELECT c.attrelid, w.word FROM pg_catalog.pg_attribute AS c \
        CROSS JOIN pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS w(word) WHERE c.attnum > 0 \
        AND NOT c.attisdropped AND c.attrelid IN (SELECT g.attrelid FROM pg_catalog.pg_attribute AS g WHERE g.attacl IS NOT NULL) \
        AND (w.word NOT IN ('INSERT', 'UPDATE') OR COALESCE(pg_catalog.to_jsonb(c) ->> 'attgenerated', '') = '') \
        GROUP BY c.attrelid, w.word HAVING pg_catalog.bool_and(pg_catalog.has_column_privilege(c.attrelid, c.attnum, w.word)))
        """
    private static let tableTest = """
        CASE WHEN \(isPossible) THEN pg_catalog.has_table_privilege(o.oid, p.word) \
        OR (o.oid, p.word) IN (SELECT h.oid, h.word FROM whole AS h) END
        """
    /// A part of the columns is enough.
    private static let looseTableTest = """
        CASE WHEN \(isPossible) THEN pg_catalog.has_table_privilege(o.oid, p.word) OR \(anyColumn) END
        """
    private static let sequenceTest = "CASE WHEN o.kind = 'S' THEN pg_catalog.has_sequence_privilege(o.oid, p.word) END"
}
