// Rights that a check must have or must not have: the values behind `privileges:` of a target.

/// What a target asks of the rights of its identities.
package struct PrivilegeRules: Sendable, Hashable {
    /// Most entries a target may have, both lists together: each is a metric series and a branch of one statement.
    package static let limit = 20

    package var require: [PrivilegeRule]
    package var deny: [PrivilegeRule]

    package init(require: [PrivilegeRule] = [], deny: [PrivilegeRule] = []) {
        self.require = require
        self.deny = deny
    }

    package var isEmpty: Bool { require.isEmpty && deny.isEmpty }

    /// **Shape**: first all that are required, then all that are denied; the position is the entry's number in the statement.
    package var entries: [(demand: PrivilegeDemand, rule: PrivilegeRule)] {
        require.map { (.require, $0) } + deny.map { (.deny, $0) }
    }
}

package enum PrivilegeDemand: String, Sendable, Hashable, CaseIterable, JSONRepresentable { case require, deny }

/// One entry: some rights on one object, or on all objects of a kind in a schema.
package struct PrivilegeRule: Sendable, Hashable {
    /// The value of the metric label `privilege`; the name of the list when nil.
    package var name: String?
    package var object: PrivilegeObject
    /// **Shape**: at least one, in the order of the file, none twice.
    package var rights: [PrivilegeRight]

    package init(name: String? = nil, object: PrivilegeObject, rights: [PrivilegeRight]) {
        self.name = name
        self.object = object
        self.rights = rights
    }

    package func label(_ demand: PrivilegeDemand) -> String { name ?? demand.rawValue }

    /// `select, insert on table sales.orders`.
    package var description: String {
        let words = rights.map(\.rawValue).joined(separator: ", ")
        return switch object {
        case .role, .database: words
        default: "\(words) on \(object.description)"
        }
    }
}

/// What rights are about. Names are exact: what is not quoted in the file is already folded to lower case for PostgreSQL, as SQL does; for
/// MySQL and Azure SQL it is as it was written, and the server's setting (``NameCase``) or the database's collation decides.
package enum PrivilegeObject: Sendable, Hashable {
    /// The login itself: its attributes.
    case role
    /// The database of the target.
    case database
    case schema(String)
    case table(schema: String, name: String)
    case allTables(schema: String)
    case sequence(schema: String, name: String)
    case allSequences(schema: String)
    /// `arguments`: types as PostgreSQL writes them, joined by `, `; nil for every function of that name.
    case function(schema: String, name: String, arguments: String?)
    case allFunctions(schema: String)

    package var kind: Kind {
        switch self {
        case .role: .role
        case .database: .database
        case .schema: .schema
        case .table, .allTables: .table
        case .sequence, .allSequences: .sequence
        case .function, .allFunctions: .function
        }
    }

    package var schema: String? {
        switch self {
        case .role, .database: nil
        case .schema(let schema), .table(let schema, _), .allTables(let schema), .sequence(let schema, _), .allSequences(let schema),
            .function(let schema, _, _), .allFunctions(let schema):
            schema
        }
    }

    /// Whether objects that are made later are meant as well.
    package var isOpenEnded: Bool {
        switch self {
        case .allTables, .allSequences, .allFunctions: true
        default: false
        }
    }

    package var description: String {
        func name(_ parts: String...) -> String { parts.map(SQLText.identifierWhereNeeded).joined(separator: ".") }
        return switch self {
        case .role: "role"
        case .database: "database"
        case .schema(let schema): "schema \(name(schema))"
        case .table(let schema, let table): "table \(name(schema, table))"
        case .allTables(let schema): "all tables in schema \(name(schema))"
        case .sequence(let schema, let sequence): "sequence \(name(schema, sequence))"
        case .allSequences(let schema): "all sequences in schema \(name(schema))"
        case .function(let schema, let function, let arguments):
            "function \(name(schema, function))" + (arguments.map { "(\($0))" } ?? "")
        case .allFunctions(let schema): "all functions in schema \(name(schema))"
        }
    }

    /// Families of objects that share their rights.
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        case role, database, schema, table, sequence, function

        /// The rights that exist on such an object, in PostgreSQL's order; `maintain` from 17 on.
        /// **Source**: PostgreSQL documentation, "Privileges", table of access privileges.
        package var rights: [PrivilegeRight] {
            switch self {
            case .role: [.superuser, .createdb, .createrole, .replication, .bypassrls]
            case .database: [.connect, .create, .temporary]
            case .schema: [.usage, .create]
            case .table: [.select, .insert, .update, .delete, .truncate, .references, .trigger, .maintain]
            case .sequence: [.usage, .select, .update]
            case .function: [.execute]
            }
        }
    }
}

/// A right, or an attribute of a role. The raw value is the word of the file; in upper case it is the word of SQL.
package enum PrivilegeRight: String, Sendable, Hashable, CaseIterable {
    case select, insert, update, delete, truncate, references, trigger, maintain
    case usage, execute, connect, create, temporary
    case superuser, createdb, createrole, replication, bypassrls

    package var sql: String { rawValue.uppercased() }
}
