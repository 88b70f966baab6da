// Reading the words of `privileges:`: pure, with one sentence for every way to be wrong.

/// Reads objects and rights as a person writes them.
package enum PrivilegeGrammar {
    /// What is wrong with a piece of text, as the end of a sentence whose beginning is its place.
    package struct Problem: Error, Sendable, Hashable {
        package var text: String
        /// What was probably meant.
        package var guesses: [String]

        init(_ text: String, guesses: [String] = []) {
            self.text = text
            self.guesses = guesses
        }
    }

    /// Rights of the database and attributes of the role: the words that need no object.
    package static let bareWords = (PrivilegeObject.Kind.database.rights + PrivilegeObject.Kind.role.rights).map(\.rawValue)

    /// An entry that is one word: `connect`, `superuser`.
    package static func bare(_ text: String) -> Result<PrivilegeRule, Problem> {
        let word = text.lowercased()
        for kind in [PrivilegeObject.Kind.database, .role] {
            if let right = kind.rights.first(where: { $0.rawValue == word }) {
                return .success(PrivilegeRule(object: kind == .role ? .role : .database, rights: [right]))
            }
        }
        if PrivilegeRight(rawValue: word) != nil {
            return .failure(Problem("\"\(word)\" needs an object, as in {on: \"table sales.orders\", grants: [\(word)]}"))
        }
        return .failure(
            Problem("is no right that stands alone; those are \(bareWords.joined(separator: ", "))", guesses: bareWords))
    }

    /// One right on an object of `kind`; `all` stands for every right there is.
    package static func rights(_ text: String, on kind: PrivilegeObject.Kind) -> Result<[PrivilegeRight], Problem> {
        let word = text.lowercased()
        if word == "all" && kind != .role { return .success(kind.rights) }
        if word == "temp" && kind == .database { return .success([.temporary]) }
        if let right = kind.rights.first(where: { $0.rawValue == word }) { return .success([right]) }
        let words = kind.rights.map(\.rawValue)
        let what = PrivilegeRight(rawValue: word) == nil ? "is no right" : "is no right on a \(kind.rawValue)"
        return .failure(Problem("\(what); a \(kind.rawValue) has \(words.joined(separator: ", "))", guesses: words))
    }

    package static let forms = [
        "database", "role", "schema S", "table S.T", "all tables in schema S", "sequence S.Q", "all sequences in schema S",
        "function S.F(types)", "all functions in schema S",
    ]

    /// What stands behind `on:`.
    /// - Parameter engine: MySQL and SQL Server keep a bare name as it is written, and compare it as the server's setting or the database's
    ///   collation says; to PostgreSQL it is the same in any case.
    package static func object(_ text: String, for engine: Engine = .postgresql) -> Result<PrivilegeObject, Problem> {
        guard text.utf8.count <= 1024 else { return .failure(Problem("is longer than 1024 bytes")) }
        do {
            var reader = Reader(try tokens(of: text), engine)
            return .success(try reader.object())
        } catch {
            return .failure(error)
        }
    }

    // MARK: Tokens

    private enum Token: Hashable {
        /// As written; folded when it turns out to be a name.
        case word(String)
        case quoted(String)
        case dot
        /// What stands in parentheses.
        case arguments(String)
    }

    private static func tokens(of text: String) throws(Problem) -> [Token] {
        let scalars = Array(text.unicodeScalars)
        var tokens: [Token] = []
        var index = 0
        func string(_ slice: ArraySlice<Unicode.Scalar>) -> String { String(String.UnicodeScalarView(slice)) }
        while index < scalars.count {
            let scalar = scalars[index]
            switch scalar {
            case " ": index += 1
            case ".":
                tokens.append(.dot)
                index += 1
            case "\"":
                var name = ""
                index += 1
                while true {
                    guard index < scalars.count else { throw Problem("the closing quote is missing") }
                    if scalars[index] == "\"" {
                        guard index + 1 < scalars.count, scalars[index + 1] == "\"" else { break }
                        index += 1
                    }
                    name.unicodeScalars.append(scalars[index])
                    index += 1
                }
                index += 1
                tokens.append(.quoted(name))
            case "(":
                guard let close = scalars[index...].lastIndex(of: ")") else { throw Problem("the closing parenthesis is missing") }
                tokens.append(.arguments(string(scalars[(index + 1)..<close])))
                index = close + 1
            case _ where isNamePart(scalar):
                let end = scalars[index...].firstIndex { !isNamePart($0) } ?? scalars.count
                tokens.append(.word(string(scalars[index..<end])))
                index = end
            default:
                throw Problem(
                    "holds \"\(scalar)\" outside quotes; a name with it is written in double quotes, as in table sales.\"order-lines\"")
            }
        }
        return tokens
    }

    /// **Source**: PostgreSQL documentation, 4.1.1 "Identifiers and Key Words".
    private static func isNamePart(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x24, 0xA0...: true
        default: false
        }
    }

    // MARK: Objects

    private struct Reader {
        var rest: ArraySlice<Token>
        let engine: Engine

        init(_ tokens: [Token], _ engine: Engine) {
            rest = tokens[...]
            self.engine = engine
        }

        mutating func object() throws(Problem) -> PrivilegeObject {
            let first = keyword() ?? ""
            let object: PrivilegeObject
            switch first {
            case "database": object = .database
            case "role": object = .role
            case "schema": object = .schema(try name("schema", "schema sales"))
            case "table", "view":
                let (schema, table) = try qualified(first)
                object = .table(schema: schema, name: table)
            case "sequence":
                let (schema, sequence) = try qualified(first)
                object = .sequence(schema: schema, name: sequence)
            case "function", "procedure":
                let (schema, function) = try qualified(first)
                object = .function(schema: schema, name: function, arguments: arguments())
            case "all": object = try all()
            default:
                throw Problem(
                    "is no object; the forms are \(PrivilegeGrammar.forms.joined(separator: ", "))", guesses: ["database", "role"])
            }
            guard rest.isEmpty else { throw Problem("holds more than one object; each is an entry of its own") }
            return object
        }

        private mutating func all() throws(Problem) -> PrivilegeObject {
            let kind = keyword() ?? ""
            guard ["tables", "sequences", "functions"].contains(kind), keyword() == "in", keyword() == "schema" else {
                throw Problem("\"all\" is followed by tables, sequences or functions and a schema, as in all tables in schema sales")
            }
            let schema = try name("schema", "all \(kind) in schema sales")
            return kind == "tables"
                ? .allTables(schema: schema) : kind == "sequences" ? .allSequences(schema: schema) : .allFunctions(schema: schema)
        }

        private mutating func keyword() -> String? {
            guard case .word(let word) = rest.first else { return nil }
            rest.removeFirst()
            return word.lowercased()
        }

        private mutating func name(_ what: String, _ example: String) throws(Problem) -> String {
            let name: String
            switch rest.popFirst() {
            case .word(let word) where engine != .postgresql: name = word
            case .word(let word): name = String(String.UnicodeScalarView(word.unicodeScalars.map(PrivilegeGrammar.folded)))
            case .quoted(let quoted): name = quoted
            default: throw Problem("the name of the \(what) is missing, as in \(example)")
            }
            guard !name.isEmpty else { throw Problem("the name of the \(what) is empty") }
            switch engine {
            case .postgresql:
                guard name.utf8.count <= 63 else {
                    throw Problem("the name of the \(what) is longer than the 63 bytes that PostgreSQL keeps")
                }
            // Source: MySQL documentation, "Identifier Length Limits".
            case .mysql:
                guard name.unicodeScalars.count <= 64 else {
                    throw Problem("the name of the \(what) is longer than the 64 characters that MySQL takes")
                }
            // Source: Microsoft Learn, "Database identifiers": sysname is nvarchar(128).
            case .azuresql:
                guard name.utf16.count <= 128 else {
                    throw Problem("the name of the \(what) is longer than the 128 characters that SQL Server takes")
                }
            }
            return name
        }

        private mutating func qualified(_ what: String) throws(Problem) -> (String, String) {
            let first = try name(what, "\(what) sales.orders")
            guard rest.first == .dot else {
                let example = engine == .azuresql ? "dbo" : engine == .mysql ? "sales" : "public"
                throw Problem("the schema is missing, as in \(what) \(example).\(SQLText.identifierWhereNeeded(first))")
            }
            rest.removeFirst()
            let second = try name(what, "\(what) sales.orders")
            guard rest.first != .dot else { throw Problem("a name has two parts, schema and \(what); the database is the target's") }
            return (first, second)
        }

        private mutating func arguments() -> String? {
            guard case .arguments(let text) = rest.first else { return nil }
            rest.removeFirst()
            return text.split(separator: ",").map { PrivilegeGrammar.type(String($0)) }.joined(separator: ", ")
        }
    }

    private static func folded(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        (0x41...0x5A).contains(scalar.value) ? Unicode.Scalar(UInt8(scalar.value + 32)) : scalar
    }

    /// A type in the words that the server uses for it.
    /// **Source**: PostgreSQL documentation, table 8.1, aliases.
    private static func type(_ text: String) -> String {
        var words = text.lowercased().split(separator: " ").joined(separator: " ")
        var array = ""
        while words.hasSuffix("[]") {
            words = String(words.dropLast(2))
            array = "[]"
        }
        let name =
            switch words {
            case "int", "int4": "integer"
            case "int8": "bigint"
            case "int2": "smallint"
            case "bool": "boolean"
            case "varchar": "character varying"
            case "char": "character"
            case "float8", "float": "double precision"
            case "float4": "real"
            case "decimal": "numeric"
            case "timestamptz": "timestamp with time zone"
            case "timestamp": "timestamp without time zone"
            case "timetz": "time with time zone"
            case "time": "time without time zone"
            case "varbit": "bit varying"
            default: words
            }
        return name + array
    }
}
