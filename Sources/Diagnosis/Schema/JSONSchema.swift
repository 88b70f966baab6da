// The published schema: documents by name, and every shape they are made of under `$defs`.

/// A kind of document that somebody may want to check.
package struct JSONDocument: Sendable {
    /// Its name for `agent schema`.
    package var name: String
    /// Where it comes from.
    package var origin: String
    /// Made when somebody asks for it: a program that starts has no use for tables.
    package var shape: JSONShape { makeShape() }
    private let makeShape: @Sendable () -> JSONShape

    package init(_ name: String, _ origin: String, _ shape: @autoclosure @escaping @Sendable () -> JSONShape) {
        self.name = name
        self.origin = origin
        makeShape = shape
    }
}

/// Draws up the schema. **Source**: JSON Schema, draft 2020-12.
package enum JSONSchema {
    private static let comment = """
        Closed: a key that is not here does not exist in this version. Later versions only ever add keys, so take the schema of the agent that \
        writes, and let programs pass over keys that they do not know.
        """

    /// Of one document.
    package static func json(of document: JSONDocument, version: String) -> JSON {
        schema(title: "\(document.origin), agent \(version)", document.shape.schema, definitions: document.shape.definitions)
    }

    /// Of all documents: any of them fits, and each has its name under `$defs` as well.
    package static func json(of documents: [JSONDocument], version: String) -> JSON {
        var definitions: [String: JSONDefinition] = [:]
        for document in documents {
            definitions.merge(document.shape.definitions) { first, _ in first }
            // A shape that only one document has carries its name already.
            if definitions[document.name] == nil {
                definitions[document.name] = JSONDefinition(document.name, document.origin, document.shape)
            }
        }
        let any: JSON = ["anyOf": documents.map { JSON.object([.init(key: "$ref", value: .string("#/$defs/\($0.name)"))]) }]
        return schema(title: "What agent \(version) writes as JSON", any, definitions: definitions)
    }

    private static func schema(title: String, _ root: JSON, definitions: [String: JSONDefinition]) -> JSON {
        var members: [JSON.Member] = [
            .init(key: "$schema", value: "https://json-schema.org/draft/2020-12/schema"), .init(key: "title", value: .string(title)),
            .init(key: "$comment", value: .string(comment)),
        ]
        if case .object(let more) = root { members += more }
        let sorted = definitions.values.sorted { $0.name < $1.name }
        members.append(
            .init(key: "$defs", value: .object(sorted.map { .init(key: $0.name, value: $0.shape.schema.describing($0.means)) })))
        return .object(members)
    }
}
