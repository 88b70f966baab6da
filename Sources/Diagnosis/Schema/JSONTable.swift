// One table for two things: what is written, and the JSON Schema that says so. A key that is added to one is in the other.

/// A type with a form in the JSON contract, and that form in the schema.
package protocol JSONDescribed: JSONRepresentable {
    static var shape: JSONShape { get }
}

/// A value that is written as an object.
package protocol JSONTabled: JSONDescribed {
    static var table: JSONTable<Self> { get }
}

extension JSONTabled {
    package var json: JSON { Self.table.json(of: self) }
    package static var shape: JSONShape { .named(table.definition) }
}

/// One key: its name, what it means, and how its value is got.
package struct JSONKey<Root>: Sendable {
    fileprivate let key: JSONObjectShape.Key
    fileprivate let value: @Sendable (Root) -> JSON

    /// The shape follows from the type of the value.
    package init<Value: JSONDescribed>(
        _ name: String, _ means: String, isAlways: Bool = true, _ value: @escaping @Sendable (Root) -> Value
    ) {
        self.init(name, means, Value.shape, isAlways: isAlways, value)
    }

    /// Of a shape that says more than the type does.
    package init(
        _ name: String, _ means: String, _ shape: JSONShape, isAlways: Bool = true,
        _ value: @escaping @Sendable (Root) -> some JSONRepresentable
    ) {
        key = JSONObjectShape.Key(name: name, means: means, shape: shape, isAlways: isAlways)
        self.value = { value($0).json }
    }
}

/// Each key is a statement of its own, so that the compiler looks at one after the other.
@resultBuilder package enum JSONKeys<Root> {
    package static func buildExpression(_ key: JSONKey<Root>) -> JSONKey<Root> { key }
    package static func buildBlock(_ keys: JSONKey<Root>...) -> [JSONKey<Root>] { keys }
}

/// The keys of one kind of object, in the order in which they are written.
package struct JSONTable<Root>: Sendable {
    private let keys: [JSONKey<Root>]
    package let definition: JSONDefinition

    /// - Parameters:
    ///   - name: under `$defs` of the schema.
    ///   - rules: what the value of one key says of others.
    package init(_ name: String, _ means: String, rules: [JSONObjectShape.Rule] = [], @JSONKeys<Root> keys: () -> [JSONKey<Root>]) {
        self.keys = keys()
        definition = JSONDefinition(name, means, .object(JSONObjectShape(keys: self.keys.map(\.key), rules: rules)))
    }

    package func json(of root: Root) -> JSON {
        .object(keys.map { JSON.Member(key: $0.key.name, value: $0.value(root)) })
    }
}
