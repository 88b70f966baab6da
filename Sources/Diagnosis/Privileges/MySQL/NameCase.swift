// How a MySQL server compares the names of databases and tables: a setting of the server, and part of what a grant means.

/// What `lower_case_table_names` says. Azure Database for MySQL has 1 unless it was chosen otherwise when the server was made; 0 is Linux's own.
///
/// Names of routines and columns are the same in any case, whatever the setting. **Source**: MySQL documentation, "Identifier Case
/// Sensitivity"; fact sheet "MySQL probe", section 10, Traps.
package enum NameCase: Sendable, Hashable {
    /// 0: as they are written.
    case exact
    /// 1 and 2: in any case.
    case folded

    /// - Parameter value: of the variable; what is not known is taken as it is written.
    package init(lowerCaseTableNames value: String?) {
        self = value == "1" || value == "2" ? .folded : .exact
    }

    /// The form in which two names of databases or tables are compared.
    package func key(_ name: String) -> String { self == .folded ? name.lowercased() : name }

    func key(_ level: GrantStatement.Level) -> GrantStatement.Level {
        switch level {
        case .database(let pattern): .database(key(pattern))
        case .table(let database, let name): .table(database: key(database), name: key(name))
        case .routine(let database, let name): .routine(database: key(database), name: name.lowercased())
        case .global, .role, .defaultRole: level
        }
    }

    func key(_ object: PrivilegeObject) -> PrivilegeObject {
        switch object {
        case .role, .database, .sequence, .allSequences: object
        case .schema(let schema): .schema(key(schema))
        case .table(let schema, let name): .table(schema: key(schema), name: key(name))
        case .allTables(let schema): .allTables(schema: key(schema))
        case .function(let schema, let name, let arguments):
            .function(schema: key(schema), name: name.lowercased(), arguments: arguments)
        case .allFunctions(let schema): .allFunctions(schema: key(schema))
        }
    }
}
