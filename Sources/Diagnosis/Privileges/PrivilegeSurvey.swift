// What a role can do, in a few words and numbers: looked at where nothing is configured about rights, so that nobody is surprised later.

/// The reach of one role in one database.
package struct PrivilegeSurvey: Sendable, Hashable, JSONTabled {
    package var role: String
    /// Through what the role is an administrator (`superuser`, `azure_pg_admin`).
    package var administrator: String?
    /// **Shape**: in the order of ``PrivilegeObject/Kind/rights`` of a role.
    package var attributes: [PrivilegeRight]
    /// Roles whose rights it has, by name, at most ``roleLimit``.
    package var roles: [String]
    /// Rights on the database besides CONNECT.
    package var database: [PrivilegeRight]
    package var ownsDatabase: Bool
    /// Schemas in which it may make objects; those of the system are left out here and below.
    package var schemasToMakeIn: Int
    /// Tables, views and their like; parts of partitioned tables are not counted.
    package var tables: Int
    package var readable: Int
    /// Where rows may be added, changed or deleted.
    package var writable: Int
    package var owned: Int
    /// Tables where row-level security decides which rows the role sees.
    package var rowSecured: Int
    /// Whose words the remedies have to use.
    package var engine = Engine.postgresql
    /// MySQL: grants that reach beyond the use of the database's objects, in the server's words.
    package var reach: [String] = []

    package static let roleLimit = 12

    package init(
        role: String, administrator: String? = nil, attributes: [PrivilegeRight] = [], roles: [String] = [],
        database: [PrivilegeRight] = [], ownsDatabase: Bool = false, schemasToMakeIn: Int = 0, tables: Int = 0, readable: Int = 0,
        writable: Int = 0, owned: Int = 0, rowSecured: Int = 0
    ) {
        self.role = role
        self.administrator = administrator
        self.attributes = attributes
        self.roles = roles
        self.database = database
        self.ownsDatabase = ownsDatabase
        self.schemasToMakeIn = schemasToMakeIn
        self.tables = tables
        self.readable = readable
        self.writable = writable
        self.owned = owned
        self.rowSecured = rowSecured
    }

    /// Reads the answer to ``statement``.
    /// - Returns: nil when the answer has not the shape that was asked for.
    package init?(answer: [[String?]]) {
        guard let row = answer.first, row.count == 12, let role = row[0] else { return nil }
        let numbers = row[6...].map { $0.flatMap { Int($0) } }
        guard !numbers.contains(nil) else { return nil }
        func rights(_ text: String?) -> [PrivilegeRight] {
            (text ?? "").split(separator: ",").compactMap { PrivilegeRight(rawValue: $0.lowercased()) }
        }
        let counts = numbers.compactMap { $0 }
        self.init(
            role: role, administrator: row[1], attributes: rights(row[2]),
            roles: (row[3].flatMap { JSON(parsing: $0) }?.items ?? []).prefix(Self.roleLimit).compactMap(\.text).map(Redactor.scrub),
            database: rights(row[4]), ownsDatabase: row[5] == "t", schemasToMakeIn: counts[0], tables: counts[1], readable: counts[2],
            writable: counts[3], owned: counts[4], rowSecured: counts[5])
    }

    /// One row for everything. The catalogs are read by everybody, so CONNECT is enough to ask.
    package static let statement = """
        WITH me AS (SELECT r.*, EXISTS (SELECT FROM pg_catalog.pg_roles AS a WHERE a.rolname = 'azure_pg_admin' \
        AND pg_catalog.pg_has_role(a.oid, 'MEMBER')) AS azure FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user), \
        o AS (SELECT c.relowner, pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND (pg_catalog.has_table_privilege(c.oid, 'SELECT') \
        OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT')) AS readable, pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
        AND c.relkind <> 'm' AND (pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') \
        OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE')) AS writable, pg_catalog.row_security_active(c.oid) AS secured \
        FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND \(userSchema) \
        AND \(PrivilegeStatement.noExtension("pg_class", "c.oid"))), \
        n AS (SELECT pg_catalog.count(*) AS makeable FROM pg_catalog.pg_namespace AS n WHERE \(userSchema) \
        AND pg_catalog.has_schema_privilege(n.oid, 'CREATE')) \
        SELECT me.rolname, CASE WHEN me.rolsuper THEN 'superuser' WHEN me.azure THEN 'azure_pg_admin' END, \
        pg_catalog.concat_ws(',', CASE WHEN me.rolsuper THEN 'superuser' END, CASE WHEN me.rolcreatedb THEN 'createdb' END, \
        CASE WHEN me.rolcreaterole THEN 'createrole' END, CASE WHEN me.rolreplication THEN 'replication' END, \
        CASE WHEN me.rolbypassrls THEN 'bypassrls' END), \
        (SELECT pg_catalog.json_agg(g.rolname)::text FROM (SELECT r.rolname FROM pg_catalog.pg_roles AS r WHERE r.oid <> me.oid \
        AND NOT me.rolsuper AND pg_catalog.pg_has_role(r.oid, 'USAGE') ORDER BY r.rolname LIMIT \(roleLimit)) AS g), \
        pg_catalog.concat_ws(',', CASE WHEN pg_catalog.has_database_privilege(d.oid, 'CREATE') THEN 'create' END, \
        CASE WHEN pg_catalog.has_database_privilege(d.oid, 'TEMPORARY') THEN 'temporary' END), \
        pg_catalog.pg_has_role(d.datdba, 'USAGE'), n.makeable, pg_catalog.count(o.relowner), \
        pg_catalog.count(*) FILTER (WHERE o.readable), pg_catalog.count(*) FILTER (WHERE o.writable), \
        pg_catalog.count(*) FILTER (WHERE pg_catalog.pg_has_role(o.relowner, 'USAGE')), pg_catalog.count(*) FILTER (WHERE o.secured) \
        FROM me CROSS JOIN n JOIN pg_catalog.pg_database AS d ON d.datname = pg_catalog.current_database() LEFT JOIN o ON true \
        GROUP BY me.oid, me.rolname, me.rolsuper, me.azure, me.rolcreatedb, me.rolcreaterole, me.rolreplication, me.rolbypassrls, \
        d.oid, d.datdba, n.makeable
        """

    private static let userSchema = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"

    /// What nobody needs who only uses the objects of others. Empty is as it should be; an administrator has a finding of its own.
    package var excess: [String] {
        guard administrator == nil else { return [] }
        guard engine != .mysql else { return reach }
        var reasons = attributes.map { "the attribute \($0.sql)" }
        if ownsDatabase { reasons.append("ownership of the database") }
        if database.contains(.create), !ownsDatabase { reasons.append("CREATE on the database") }
        reasons += roles.filter { Self.mighty.contains($0) }.map { "the role \($0)" }
        return reasons
    }

    /// **Source**: PostgreSQL documentation, "Predefined Roles": those that reach beyond single objects.
    private static let mighty: Set<String> = [
        "pg_read_all_data", "pg_write_all_data", "pg_read_server_files", "pg_write_server_files", "pg_execute_server_program",
        "pg_signal_backend", "pg_maintain", "pg_create_subscription",
        // Source: Microsoft Learn, "Database-level roles".
        "db_owner", "db_securityadmin", "db_ddladmin", "db_accessadmin",
    ]

    /// `can read 12 and write 3 of 14 tables`.
    package var sentence: String {
        guard administrator == nil else { return "administrator" }
        guard tables > 0 else { return "there are no tables" }
        var text =
            switch (readable, writable) {
            case (0, 0): "can use none of \(count(tables))"
            case (let reads, let writes) where reads == writes: "can read and write \(reads) of \(count(tables))"
            case (let reads, 0): "can read \(reads) of \(count(tables))"
            case (0, let writes): "can write \(writes) of \(count(tables))"
            case (let reads, let writes): "can read \(reads) and write \(writes) of \(count(tables))"
            }
        if owned > 0 { text += ", owns \(owned)" }
        if rowSecured > 0 { text += ", sees \(rowSecured) through row-level security" }
        return text
    }

    private func count(_ tables: Int) -> String { tables == 1 ? "1 table" : "\(tables) tables" }

    package static let table = JSONTable<PrivilegeSurvey>("rights", "What a role can do.") {
        JSONKey("role", "Who was asked about.") { Redactor.scrub($0.role) }
        JSONKey("administrator", "Through what it is one.") { $0.administrator }
        JSONKey("attributes", "Of the role.") { $0.attributes }
        JSONKey("roles", "Whose rights it has, at most 12.") { $0.roles }
        JSONKey("database", "Rights on the database besides CONNECT.") { $0.database }
        JSONKey("owns_database", "Whether it owns the database.") { $0.ownsDatabase }
        JSONKey("schemas_to_make_in", "Schemas in which it may make objects.") { $0.schemasToMakeIn }
        JSONKey("tables", "Tables and views that it sees.") { $0.tables }
        JSONKey("readable", "Those it can read.") { $0.readable }
        JSONKey("writable", "Those it can change rows of.") { $0.writable }
        JSONKey("owned", "Those it owns.") { $0.owned }
        JSONKey("row_secured", "Those of which row-level security decides over the rows.") { $0.rowSecured }
        JSONKey("excess", "What nobody needs who only uses the objects of others.") { $0.excess }
    }

    /// What history keeps, written when it changes. Looks are rare, so a new table is at most one entry an hour.
    package struct Summary: Sendable, JSONTabled {
        fileprivate let survey: PrivilegeSurvey
        private static let parts = JSONShape.words(["none", "some", "all"])

        // Earlier versions kept no numbers.
        package static let table = JSONTable<Summary>("rights_kept", "What a role can do, as history keeps it.") {
            JSONKey("role", "Who was asked about.") { Redactor.scrub($0.survey.role) }
            JSONKey("administrator", "Through what it is one.") { $0.survey.administrator }
            JSONKey("attributes", "Of the role.") { $0.survey.attributes }
            JSONKey("roles", "Whose rights it has, at most 12.") { $0.survey.roles }
            JSONKey("database", "Rights on the database besides CONNECT.") { $0.survey.database }
            JSONKey("owns_database", "Whether it owns the database.") { $0.survey.ownsDatabase }
            JSONKey("makes_objects", "Whether it may make objects somewhere.") { $0.survey.schemasToMakeIn > 0 }
            JSONKey("reads", "How much of the tables it can read.", parts) { $0.survey.part(\.readable) }
            JSONKey("writes", "How much of them it can change.", parts) { $0.survey.part(\.writable) }
            JSONKey("owns", "How much of them it owns.", parts) { $0.survey.part(\.owned) }
            JSONKey("row_security", "Whether it decides over rows somewhere.") { $0.survey.rowSecured > 0 }
            JSONKey("tables", "Tables and views that it sees.", isAlways: false) { $0.survey.tables }
            JSONKey("readable", "Those it can read.", isAlways: false) { $0.survey.readable }
            JSONKey("writable", "Those it can change rows of.", isAlways: false) { $0.survey.writable }
            JSONKey("owned", "Those it owns.", isAlways: false) { $0.survey.owned }
            JSONKey("row_secured", "Those of which row-level security decides over the rows.", isAlways: false) { $0.survey.rowSecured }
        }
    }

    package var summary: JSON { Summary(survey: self).json }

    private func part(_ path: KeyPath<PrivilegeSurvey, Int>) -> String {
        let number = self[keyPath: path]
        return number == 0 ? "none" : number >= tables ? "all" : "some"
    }
}
