// From rules to one statement for PostgreSQL: pure text, every value quoted by `SQLText`, only what is wrong comes back.
//
// The catalogs are read by everybody, so a login with nothing but CONNECT can ask all of it. Rights are those of the session's role, and
// effective ones: direct grants, roles that are inherited, PUBLIC, ownership. Objects are named by their row of the catalog, never by
// `::regclass`, which fails where the schema may not be used; a function that gives NULL for a row that just vanished counts as nothing.

package enum PrivilegeStatement {
    /// Most objects that one entry names; the rest is a number.
    package static let examples = 8
    /// Most rows the statement can give: who is asking, and per entry objects, what views ask for, roles without default rights, objects
    /// under row-level security, the schema, and what is absent.
    package static let rowLimit = 1 + PrivilegeRules.limit * (4 * examples + 4)

    /// **Shape** of the answer: entry, kind of row (``PrivilegeRow/Kind``), kind of object, schema, name, owner, rights, way, number of such
    /// objects, number of those with the same owner. The first row, of entry -1, is the role itself.
    package static func text(_ rules: PrivilegeRules) -> String {
        var branches = [identity]
        for (index, entry) in rules.entries.enumerated() { branches += self.branches(index, entry.demand, entry.rule) }
        return """
            WITH \(me), \(PrivilegeSource.wholeByColumns)
            \(branches.joined(separator: "\nUNION ALL "))
            """
    }

    /// The role that asks.
    static let me = """
        me AS (SELECT r.oid, r.rolname, r.rolsuper, EXISTS (SELECT FROM pg_catalog.pg_roles AS a \
        WHERE a.rolname = 'azure_pg_admin' AND pg_catalog.pg_has_role(a.oid, 'MEMBER')) AS azure \
        FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user)
        """

    private static let identity = """
        (SELECT -1, 'self', 'role', NULL::text, me.rolname::text, NULL::text, NULL::text, \
        CASE WHEN me.rolsuper THEN 'superuser' WHEN me.azure THEN 'azure_pg_admin' END, 1::bigint, 1::bigint FROM me)
        """

    private static func branches(_ index: Int, _ demand: PrivilegeDemand, _ rule: PrivilegeRule) -> [String] {
        if rule.object == .role { return rule.rights.map { attribute(index, demand, $0) } }
        let source = PrivilegeSource(rule.object)
        guard demand == .require else { return [held(index, source, rule.rights)] }
        var branches = [missing(index, source, rule.rights)]
        if rule.object.kind == .table {
            let filterable = rule.rights.filter { [.select, .insert, .update, .delete].contains($0) }
            if !filterable.isEmpty { branches.append(filtered(index, source, filterable)) }
            if !filterable.isEmpty { branches.append(behind(index, source, filterable)) }
            // Whoever asks for all rights asks for those that there are.
            let wantsAll = rule.rights.count == rule.object.kind.rights.count
            if rule.rights.contains(.maintain), !wantsAll { branches.append(noMaintain(index)) }
            // Among all tables of a schema are some of which not every right can be used; who names one of them means it.
            if !rule.object.isOpenEnded, !wantsAll { branches.append(impossible(index, source, rule.rights)) }
        }
        if let schema = rule.object.schema {
            let place = PrivilegeSource(.schema(schema))
            if rule.object.kind == .schema {
                branches.append(absent(index, place))
            } else {
                // Without it every statement about the object is refused, whatever rights there are on the object itself.
                branches.append(missing(index, place, [.usage]))
                branches.append(absent(index, rule.object.isOpenEnded ? place : source))
            }
            if rule.object.isOpenEnded { branches.append(future(index, schema, rule)) }
        }
        return branches
    }

    // MARK: Branches

    /// Rights that are not there, by object; every owner is among the examples as far as they reach.
    private static func missing(_ index: Int, _ source: PrivilegeSource, _ rights: [PrivilegeRight]) -> String {
        """
        (SELECT \(index), 'missing', x.sort, x.schema, x.name, x.owner, x.rights, NULL, x.total, x.owned FROM (SELECT g.*, \
        pg_catalog.count(*) OVER () AS total, pg_catalog.count(*) OVER (PARTITION BY g.owner) AS owned, \
        pg_catalog.row_number() OVER (PARTITION BY g.owner ORDER BY g.name) AS place FROM (SELECT o.sort, o.schema, o.name, \
        pg_catalog.pg_get_userbyid(o.ownerid)::text AS owner, pg_catalog.string_agg(p.word, ', ' ORDER BY p.rank) AS rights \
        FROM \(source.rows) CROSS JOIN LATERAL \(words(rights)) WHERE (\(source.test)) IS FALSE \
        GROUP BY o.oid, o.sort, o.schema, o.name, o.ownerid) AS g) AS x ORDER BY x.place, x.name LIMIT \(examples))
        """
    }

    /// Rights that are there on tables where policies decide which rows they reach; named are those for which no policy lets any row through.
    ///
    /// **Source**: PostgreSQL documentation, "Row Security Policies": without a permissive policy for the command, no row is reached.
    private static func filtered(_ index: Int, _ source: PrivilegeSource, _ rights: [PrivilegeRight]) -> String {
        let policy = """
            EXISTS (SELECT FROM pg_catalog.pg_policy AS q WHERE q.polrelid = o.oid AND q.polpermissive AND q.polcmd::text IN ('*', \
            CASE p.word WHEN 'SELECT' THEN 'r' WHEN 'INSERT' THEN 'a' WHEN 'UPDATE' THEN 'w' ELSE 'd' END) AND EXISTS (SELECT \
            FROM pg_catalog.unnest(q.polroles) AS r(oid) WHERE r.oid = 0 OR pg_catalog.pg_has_role(r.oid, 'USAGE')))
            """
        return """
            (SELECT \(index), 'filtered', x.sort, x.schema, x.name, x.owner, x.rights, NULL, x.total, x.owned FROM (SELECT g.*, \
            pg_catalog.count(*) OVER () AS total, pg_catalog.count(*) OVER (PARTITION BY g.owner) AS owned FROM (SELECT o.sort, o.schema, \
            o.name, pg_catalog.pg_get_userbyid(o.ownerid)::text AS owner, pg_catalog.string_agg(p.word, ', ' ORDER BY p.rank) \
            FILTER (WHERE NOT \(policy)) AS rights FROM \(source.rows) CROSS JOIN LATERAL \(words(rights)) WHERE o.kind IN ('r', 'p') \
            AND pg_catalog.row_security_active(o.oid) AND (\(source.test)) IS TRUE GROUP BY o.oid, o.sort, o.schema, o.name, o.ownerid) \
            AS g) \
            AS x ORDER BY x.rights IS NULL, x.name LIMIT \(examples))
            """
    }

    /// Rights on what takes no such statement, whatever is granted: writing to a view over a sum, a foreign key to a view.
    private static func impossible(_ index: Int, _ source: PrivilegeSource, _ rights: [PrivilegeRight]) -> String {
        """
        (SELECT \(index), 'missing', o.sort, o.schema, o.name, pg_catalog.pg_get_userbyid(o.ownerid)::text, \
        pg_catalog.string_agg(p.word, ', ' ORDER BY p.rank), \(SQLText.literal(PrivilegeRow.takesNone)), 1, 1 FROM \(source.rows) \
        CROSS JOIN LATERAL \(words(rights)) WHERE NOT (\(PrivilegeSource.isPossible)) AND NOT (p.word = 'MAINTAIN' AND \(hasNoMaintain)) \
        GROUP BY o.oid, o.sort, o.schema, o.name, o.ownerid)
        """
    }

    /// A right that the server is too old for.
    private static func noMaintain(_ index: Int) -> String {
        """
        (SELECT \(index), 'absent', 'right', NULL, 'MAINTAIN', NULL, NULL, NULL, 1, 1 WHERE \(hasNoMaintain))
        """
    }

    /// **Source**: PostgreSQL 17 release notes: the privilege MAINTAIN.
    static let hasNoMaintain = "pg_catalog.current_setting('server_version_num')::int < 170000"

    /// Rights that are there and should not be, by object, with the ways they were obtained.
    private static func held(_ index: Int, _ source: PrivilegeSource, _ rights: [PrivilegeRight]) -> String {
        """
        (SELECT \(index), 'held', x.sort, x.schema, x.name, x.owner, x.rights, (SELECT pg_catalog.string_agg(DISTINCT \(way(source)), ', \
        ') \
        FROM me CROSS JOIN pg_catalog.unnest(x.words) AS w(word)), x.total, x.owned FROM (SELECT g.*, \
        pg_catalog.count(*) OVER () AS total, pg_catalog.count(*) OVER (PARTITION BY g.owner) AS owned, \
        pg_catalog.row_number() OVER (PARTITION BY g.owner ORDER BY g.name) AS place FROM (SELECT o.sort, o.schema, o.name, o.ownerid, \
        o.acl, pg_catalog.pg_get_userbyid(o.ownerid)::text AS owner, pg_catalog.string_agg(p.word, ', ' ORDER BY p.rank) AS rights, \
        pg_catalog.array_agg(p.word ORDER BY p.rank) AS words FROM \(source.rows) CROSS JOIN LATERAL \(words(rights)) \
        WHERE (\(source.looseTest)) IS TRUE GROUP BY o.oid, o.sort, o.schema, o.name, o.ownerid, o.acl) AS g) AS x \
        ORDER BY x.place, x.name LIMIT \(examples))
        """
    }

    /// How `w.word` on `x` reached `me`: the first that applies of superuser, ownership, grants with predefined roles, columns. Names are
    /// quoted, for ``PrivilegeWay`` reads them.
    static func way(_ source: PrivilegeSource) -> String {
        """
        CASE WHEN me.rolsuper THEN 'superuser' WHEN x.ownerid = me.oid THEN 'ownership' \
        WHEN pg_catalog.pg_has_role(x.ownerid, 'USAGE') THEN 'ownership by role ' || pg_catalog.quote_ident(x.owner) \
        ELSE COALESCE((SELECT pg_catalog.string_agg(DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' \
        WHEN a.grantee = me.oid THEN 'direct grant' ELSE \(through("a.grantee")) END, ', ') \
        FROM (SELECT e.grantee FROM pg_catalog.aclexplode(COALESCE(x.acl, pg_catalog.acldefault('\(source.defaults)', x.ownerid))) AS e \
        WHERE e.privilege_type = w.word UNION SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname IN (\(predefined))) AS a \
        WHERE a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE')), 'grant on columns') END
        """
    }

    /// The roles that have `w.word` on everything there is. **Source**: PostgreSQL documentation, "Predefined Roles".
    private static let predefined = """
        CASE WHEN w.word IN ('SELECT', 'USAGE') AND x.sort NOT IN ('database', 'function') AND (w.word = 'SELECT' OR x.sort = 'schema') \
        THEN 'pg_read_all_data' WHEN w.word = 'MAINTAIN' THEN 'pg_maintain' END, CASE WHEN w.word IN ('INSERT', 'UPDATE', 'DELETE') \
        OR w.word = 'USAGE' AND x.sort = 'schema' THEN 'pg_write_all_data' END
        """

    /// A role by which `me` has something, and the roles that `me` was given so that it has that one.
    private static func through(_ oid: String) -> String {
        """
        COALESCE((SELECT CASE WHEN pg_catalog.count(*) = 1 AND pg_catalog.bool_and(m.roleid = \(oid)) \
        THEN 'role ' || pg_catalog.quote_ident(pg_catalog.min(d.rolname::text)) ELSE 'role ' || pg_catalog.quote_ident( \
        pg_catalog.pg_get_userbyid(\(oid))::text) || ' by way of ' || pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(d.rolname), \
        ' and ') \
        END FROM pg_catalog.pg_auth_members AS m JOIN pg_catalog.pg_roles AS d ON d.oid = m.roleid WHERE m.member = me.oid \
        AND pg_catalog.to_jsonb(m) ->> 'inherit_option' IS DISTINCT FROM 'false' AND pg_catalog.pg_has_role(d.oid, \(oid), 'USAGE') \
        HAVING pg_catalog.count(*) > 0), 'being in ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(\(oid))::text))
        """
    }

    /// A named object, or a named schema, that is not in the catalog.
    private static func absent(_ index: Int, _ source: PrivilegeSource) -> String {
        """
        (SELECT \(index), 'absent', \(SQLText.literal(source.sort)), \(source.schema.map(SQLText.literal) ?? "NULL"), \
        \(source.name.map(SQLText.literal) ?? "NULL"), NULL, NULL, NULL, 1, 1 WHERE NOT EXISTS (SELECT FROM \(source.rows)))
        """
    }

    /// Roles that make such objects in the schema and have no default rights for the role that asks: what they make tomorrow is closed to it.
    ///
    /// Makers are the owners of what is there, of the schema while it is empty, and whoever may log in and was given CREATE on it by name.
    /// Rights that come by ownership or by `pg_read_all_data` and `pg_write_all_data` reach new objects without default rights.
    private static func future(_ index: Int, _ schema: String, _ rule: PrivilegeRule) -> String {
        let (letter, kinds) =
            switch rule.object.kind {
            case .sequence: ("S", "c.relkind = 'S'")
            case .function: ("f", "")
            default: ("r", "c.relkind IN ('r', 'p', 'v', 'm', 'f')")
            }
        let name = SQLText.literal(schema)
        let owners =
            rule.object.kind == .function
            ? "SELECT f.proowner AS oid FROM pg_catalog.pg_proc AS f WHERE f.pronamespace = n.oid AND \(noExtension("pg_proc", "f.oid"))"
            : """
            SELECT c.relowner AS oid FROM pg_catalog.pg_class AS c WHERE c.relnamespace = n.oid AND \(kinds) \
            AND \(noExtension("pg_class", "c.oid"))
            """
        // The members of pg_database_owner make objects under their own name.
        let schemaOwner = """
            CASE WHEN pg_catalog.pg_get_userbyid(n.nspowner) = 'pg_database_owner' THEN (SELECT d.datdba FROM pg_catalog.pg_database AS d \
            WHERE d.datname = pg_catalog.current_database()) ELSE n.nspowner END
            """
        // Everybody may run a new function unless its maker took that away by a default of his own for all schemas.
        let builtIn =
            rule.object.kind == .function
            ? """
             OR NOT EXISTS (SELECT FROM pg_catalog.pg_default_acl AS d WHERE d.defaclrole = m.oid AND d.defaclobjtype = 'f' \
            AND d.defaclnamespace = 0)
            """ : ""
        return """
            (SELECT \(index), 'future', 'role', \(name), pg_catalog.pg_get_userbyid(f.oid)::text, pg_catalog.pg_get_userbyid(f.oid)::text, \
            pg_catalog.string_agg(f.word, ', ' ORDER BY f.rank), NULL, pg_catalog.count(*) OVER (), 1 FROM (SELECT m.oid, p.word, p.rank \
            FROM pg_catalog.pg_namespace AS n CROSS JOIN LATERAL (\(owners) UNION SELECT \(schemaOwner) WHERE NOT EXISTS (\(owners)) \
            UNION SELECT a.grantee FROM pg_catalog.aclexplode(n.nspacl) AS a JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee \
            WHERE a.privilege_type = 'CREATE' AND r.rolcanlogin) AS m \
            CROSS JOIN LATERAL \(words(rule.rights)) WHERE n.nspname = \(name) AND NOT (p.word = 'MAINTAIN' AND \(hasNoMaintain)) AND \
            NOT (pg_catalog.pg_has_role(m.oid, 'USAGE') OR EXISTS \
            (SELECT FROM pg_catalog.pg_default_acl AS d CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) AS a \
            WHERE d.defaclrole = m.oid AND d.defaclobjtype = '\(letter)' AND d.defaclnamespace IN (0, n.oid) AND a.privilege_type = p.word \
            AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE'))) OR EXISTS (SELECT FROM pg_catalog.pg_roles AS r \
            WHERE r.rolname = CASE WHEN p.word = 'SELECT' THEN 'pg_read_all_data' WHEN p.word IN ('INSERT', 'UPDATE', 'DELETE') \
            THEN 'pg_write_all_data' WHEN p.word = 'MAINTAIN' THEN 'pg_maintain' END AND '\(letter)' IN ('r', 'S') AND \
            pg_catalog.pg_has_role(r.oid, 'USAGE'))\(builtIn))) AS f \
            GROUP BY f.oid ORDER BY 5 LIMIT \(examples))
            """
    }

    /// An attribute of the role. Required ones are its own, for attributes are not inherited; denied ones are also those of roles that it
    /// could become by SET ROLE.
    private static func attribute(_ index: Int, _ demand: PrivilegeDemand, _ right: PrivilegeRight) -> String {
        let column = "rol" + (right == .superuser ? "super" : right.rawValue)
        let word = SQLText.literal(right.sql)
        switch demand {
        case .require:
            return """
                (SELECT \(index), 'missing', 'role', NULL, r.rolname::text, NULL, \(word), NULL, 1, 1 FROM me \
                JOIN pg_catalog.pg_roles AS r ON r.oid = me.oid WHERE NOT (r.\(column) OR r.rolsuper))
                """
        case .deny:
            return """
                (SELECT \(index), 'held', 'role', NULL, r.rolname::text, NULL, \(word), CASE WHEN r.oid = me.oid THEN 'attribute' \
                ELSE 'SET ROLE' || COALESCE((SELECT ' by way of ' || pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(d.rolname), ' \
                and ') \
                FROM pg_catalog.pg_auth_members AS m JOIN pg_catalog.pg_roles AS d ON d.oid = m.roleid WHERE m.member = me.oid \
                AND pg_catalog.pg_has_role(d.oid, r.oid, 'MEMBER')), '') END, pg_catalog.count(*) OVER (), 1 FROM me CROSS JOIN \
                pg_catalog.pg_roles AS r \
                WHERE pg_catalog.pg_has_role(r.oid, \(maySet)) AND (r.\(column)\(right == .superuser ? "" : " OR r.rolsuper")) \
                ORDER BY r.oid <> me.oid, 5 LIMIT 2)
                """
        }
    }

    /// From 16 on a membership may come without the right to SET ROLE, and with a word to ask for that.
    private static let maySet = "CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END"

    static func words(_ rights: [PrivilegeRight]) -> String {
        "pg_catalog.unnest(ARRAY[\(rights.map { SQLText.literal($0.sql) }.joined(separator: ", "))]) WITH ORDINALITY AS p(word, rank)"
    }

    static func noExtension(_ catalog: String, _ oid: String) -> String {
        """
        NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS e WHERE e.classid = 'pg_catalog.\(catalog)'::pg_catalog.regclass \
        AND e.objid = \(oid) AND e.deptype = 'e')
        """
    }
}
