// What stands behind views: a right on a view opens nothing where the one as whom the view asks has none on what it reads.

extension PrivilegeStatement {
    /// Rights that a view of `source` needs on the relations behind it, and that the one as whom it asks does not have: the view's owner,
    /// or the session itself for a view with `security_invoker`, also within another view. Written through is a view over one relation,
    /// as far as neither rule nor trigger takes its place. The words of the row are ``PrivilegeRow/init(behind:)``'s.
    ///
    /// **Source**: PostgreSQL documentation, "CREATE VIEW", Notes and "Updatable Views".
    static func behind(_ index: Int, _ source: PrivilegeSource, _ rights: [PrivilegeRight]) -> String {
        """
        (SELECT \(index), 'behind', x.sort, x.schema, x.name, x.owner, x.word, x.story, x.total, x.owned FROM (SELECT g.*, \
        pg_catalog.count(*) OVER () AS total, pg_catalog.count(*) OVER (PARTITION BY g.owner) AS owned FROM (SELECT \
        \(PrivilegeSource.sort) AS sort, n.nspname::text AS schema, c.relname::text AS name, \
        pg_catalog.pg_get_userbyid(c.relowner)::text AS owner, p.word, pg_catalog.json_build_object('schema', pg_catalog.min(o.schema), \
        'view', pg_catalog.min(o.name), 'as', pg_catalog.pg_get_userbyid(b.asker))::text AS story FROM \(source.rows) \
        CROSS JOIN LATERAL \(words(rights)) CROSS JOIN LATERAL (\(relations)) AS b JOIN pg_catalog.pg_class AS c ON c.oid = b.oid \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE o.kind = 'v' AND (\(isHeld)) IS FALSE \
        GROUP BY c.oid, c.relkind, c.relname, c.relowner, n.nspname, b.asker, p.word) AS g) AS x ORDER BY x.schema, x.name LIMIT \
        \(examples))
        """
    }

    /// What the view `o` asks for when it is used for `p.word`, all the way down: `b(oid, asker, col)`, where column 0 is the whole.
    private static let relations = """
        WITH RECURSIVE b(oid, asker, col) AS (\(step("o.oid", from: "")) UNION \(step("b.oid", from: "b CROSS JOIN "))) \
        SELECT b.oid, b.asker, b.col FROM b
        """

    private static func step(_ view: String, from table: String) -> String {
        """
        SELECT d.refobjid, CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_options_to_table(v.reloptions) AS t \
        WHERE t.option_name = 'security_invoker' AND t.option_value::boolean) THEN me.oid ELSE v.relowner END, d.refobjsubid \
        FROM \(table)me CROSS JOIN pg_catalog.pg_class AS v JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid AND r.ev_type = '1' \
        JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid AND d.deptype = 'n' \
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> v.oid \
        JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid AND t.relkind IN ('r', 'p', 'v', 'm', 'f') \
        WHERE v.oid = \(view) AND v.relkind = 'v' AND (p.word = 'SELECT' OR (pg_catalog.pg_relation_is_updatable(v.oid, false) \
        & CASE p.word WHEN 'UPDATE' THEN 4 WHEN 'INSERT' THEN 8 ELSE 16 END <> 0 \
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite AS s WHERE s.ev_class = v.oid AND s.ev_type <> '1') \
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = v.oid AND NOT g.tgisinternal) \
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS e JOIN pg_catalog.pg_class AS f ON f.oid = e.refobjid \
        WHERE e.classid = d.classid AND e.objid = d.objid AND e.refclassid = d.refclassid AND e.refobjid NOT IN (v.oid, d.refobjid))))
        """
    }

    /// Which columns are written is not known beforehand, so one is enough.
    private static let isHeld = """
        CASE p.word WHEN 'DELETE' THEN pg_catalog.has_table_privilege(b.asker, b.oid, 'DELETE') WHEN 'SELECT' THEN CASE WHEN b.col > 0 \
        THEN pg_catalog.has_column_privilege(b.asker, b.oid, b.col::pg_catalog.int2, 'SELECT') \
        ELSE pg_catalog.has_any_column_privilege(b.asker, b.oid, 'SELECT') END \
        ELSE pg_catalog.has_any_column_privilege(b.asker, b.oid, p.word) END
        """
}
