// What the catalog of MySQL is asked beside the grants: what exists, and what a grant on single objects leaves out.

extension MySQLPrivileges {
    /// Most names that a statement leaves out by name.
    private static let exclusions = 200

    /// What has to be known about objects; nil when the grants alone decide.
    ///
    /// **Shape** of the answer: entry, kind of object, schema, name, number of such objects.
    package var question: String? {
        let branches = entries.enumerated().flatMap { index, entry -> [String] in
            switch entry.rule.object {
            case .role, .database, .sequence, .allSequences: return []
            case .schema(let schema): return [self.schema(index, schema)]
            case .table(let schema, let table):
                return [objects(index, Self.tables, schema, equals("TABLE_NAME", table), examples: 1)]
            case .function(let schema, let function, _):
                return [objects(index, Self.routines, schema, "ROUTINE_NAME = \(Self.literal(function))", examples: 1)]
            case .allTables(let schema), .allFunctions(let schema):
                let lacking = wide(entry.rule)
                guard entry.demand == .require, !lacking.isEmpty else { return [self.schema(index, schema)] }
                let source = entry.rule.object.kind == .table ? Self.tables : Self.routines
                let names = entry.rule.object.kind == .table ? grants.tables(in: schema) : grants.routines(in: schema)
                let complete = names.filter { name in lacking.allSatisfy { holds($0, entry.rule.object.kind, schema, name) } }
                let others = Array(complete.prefix(Self.exclusions))
                return [
                    self.schema(index, schema),
                    objects(
                        index, source, schema, others.isEmpty ? "TRUE" : "NOT \(isOne(of: others, source))", examples: Self.examples),
                ]
            }
        }
        return branches.isEmpty ? nil : branches.joined(separator: " UNION ALL ")
    }

    struct Source {
        var table: String
        var schema: String
        var name: String
        var sort: String
        var filter: String
    }

    static let tables = Source(
        table: "TABLES", schema: "TABLE_SCHEMA", name: "TABLE_NAME",
        sort: "CASE WHEN TABLE_TYPE LIKE '%VIEW' THEN 'view' ELSE 'table' END",
        filter: "TABLE_TYPE IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED')")
    private static let routines = Source(
        table: "ROUTINES", schema: "ROUTINE_SCHEMA", name: "ROUTINE_NAME", sort: "'function'",
        filter: "ROUTINE_TYPE IN ('FUNCTION', 'PROCEDURE')")

    private func schema(_ index: Int, _ schema: String) -> String {
        """
        (SELECT \(index), 'schema', SCHEMA_NAME, NULL, 1 FROM information_schema.SCHEMATA WHERE \(equals("SCHEMA_NAME", schema)))
        """
    }

    private func objects(_ index: Int, _ source: Source, _ schema: String, _ filter: String, examples: Int) -> String {
        let rows = "information_schema.\(source.table) WHERE \(equals(source.schema, schema)) AND \(source.filter) AND \(filter)"
        let count = examples == 1 ? "1" : "(SELECT COUNT(*) FROM \(rows))"
        return """
            (SELECT \(index), \(source.sort), \(source.schema), \(source.name), \(count) FROM \(rows) ORDER BY \(source.name) LIMIT \(examples))
            """
    }

    /// The catalog's own comparison finds the row fast and may take no notice of case; the bytes decide where the server does.
    func equals(_ column: String, _ name: String) -> String {
        let plain = "\(column) = \(Self.literal(name))"
        return grants.naming == .exact ? "\(plain) AND CAST(\(column) AS BINARY) = \(Self.literal(name))" : plain
    }

    func isOne(of names: [String], _ source: Source) -> String {
        let isExact = grants.naming == .exact && source.table == Self.tables.table
        return "\(isExact ? "CAST(\(source.name) AS BINARY)" : source.name) IN (\(names.map(Self.literal).joined(separator: ", ")))"
    }
}
