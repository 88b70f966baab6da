// What a value of the JSON contract may be, and how JSON Schema says so.

/// The shape of one JSON value.
package indirect enum JSONShape: Sendable {
    case any
    case null
    /// `pattern` is a regular expression of ECMA 262, as JSON Schema wants it.
    case text(pattern: String? = nil)
    /// RFC 3339 in UTC with milliseconds.
    case time
    /// **Unit**: seconds, never negative.
    case seconds
    /// **Unit**: whatever the key says.
    case number
    case whole(ClosedRange<Int>?)
    case flag
    case words([String])
    case numbers([Int])
    case list(JSONShape)
    /// Names that nobody knows beforehand, each with a value.
    case names(JSONShape)
    case object(JSONObjectShape)
    case either([JSONShape])
    /// The value, or null where it is not known.
    case orNull(JSONShape)
    /// A shape that has a name of its own, under `$defs`.
    case named(JSONDefinition)

    /// A count: a whole number that is not negative.
    package static let count = JSONShape.whole(0...Int.max)
}

/// A shape that is used in several places.
package struct JSONDefinition: Sendable {
    /// The key under `$defs`.
    package var name: String
    package var means: String
    package var shape: JSONShape

    package init(_ name: String, _ means: String, _ shape: JSONShape) {
        self.name = name
        self.means = means
        self.shape = shape
    }
}

/// An object whose keys are all known. Every one is always there, but for those that say otherwise.
package struct JSONObjectShape: Sendable {
    package struct Key: Sendable {
        package var name: String
        package var means: String
        package var shape: JSONShape
        /// False only for what earlier versions did not write into files that are still read.
        package var isAlways: Bool
    }

    /// What the value of one key says of others.
    package struct Rule: Sendable {
        var key: String
        var values: [JSON]
        var then: [(name: String, shape: JSONShape)]
        var otherwise: [(name: String, shape: JSONShape)]

        package init(
            when key: String, is values: JSON..., then: [(name: String, shape: JSONShape)],
            otherwise: [(name: String, shape: JSONShape)] = []
        ) {
            self.key = key
            self.values = values
            self.then = then
            self.otherwise = otherwise
        }
    }

    package var keys: [Key]
    package var rules: [Rule]

    package init(keys: [Key], rules: [Rule] = []) {
        self.keys = keys
        self.rules = rules
    }
}

extension JSONShape {
    /// The shape in the words of JSON Schema; named shapes are referred to. **Source**: JSON Schema, draft 2020-12.
    package var schema: JSON {
        switch self {
        case .any: true
        case .null: ["type": "null"]
        case .text(let pattern?): ["type": "string", "pattern": pattern]
        case .text(nil): ["type": "string"]
        case .time:
            ["type": "string", "format": "date-time", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$"]
        case .seconds: ["type": "number", "minimum": 0]
        case .number: ["type": "number"]
        case .whole(let range): Self.integer(range)
        case .flag: ["type": "boolean"]
        case .words(let words): ["type": "string", "enum": words]
        case .numbers(let numbers): ["type": "integer", "enum": numbers]
        case .list(let item): ["type": "array", "items": item.schema]
        case .names(let value): ["type": "object", "additionalProperties": value.schema]
        case .object(let object): object.schema
        case .either(let shapes): ["anyOf": shapes.map(\.schema)]
        case .orNull(let shape): shape.schemaOrNull
        case .named(let definition): ["$ref": "#/$defs/\(definition.name)"]
        }
    }

    private static func integer(_ range: ClosedRange<Int>?) -> JSON {
        guard let range else { return ["type": "integer"] }
        guard range.upperBound < Int.max else { return ["type": "integer", "minimum": range.lowerBound] }
        return ["type": "integer", "minimum": range.lowerBound, "maximum": range.upperBound]
    }

    /// A type of its own gets null as a second one; everything else is put beside it.
    private var schemaOrNull: JSON {
        if case .object(var members) = schema, let type = members.first, type.key == "type", members.allSatisfy({ $0.key != "enum" }) {
            members[0].value = [type.value, "null"]
            return .object(members)
        }
        return ["anyOf": [schema, ["type": "null"] as JSON] as JSON]
    }

    /// Every named shape in this one, by its name.
    package var definitions: [String: JSONDefinition] {
        var found: [String: JSONDefinition] = [:]
        collect(into: &found)
        return found
    }

    private func collect(into found: inout [String: JSONDefinition]) {
        switch self {
        case .any, .null, .text, .time, .seconds, .number, .whole, .flag, .words, .numbers: break
        case .list(let inner), .names(let inner), .orNull(let inner): inner.collect(into: &found)
        case .either(let shapes): for shape in shapes { shape.collect(into: &found) }
        case .object(let object):
            for key in object.keys { key.shape.collect(into: &found) }
            for rule in object.rules { for part in rule.then + rule.otherwise { part.shape.collect(into: &found) } }
        case .named(let definition):
            guard found.updateValue(definition, forKey: definition.name) == nil else { return }
            definition.shape.collect(into: &found)
        }
    }
}

extension JSONObjectShape {
    fileprivate var schema: JSON {
        let properties = keys.map { JSON.Member(key: $0.name, value: $0.shape.schema.describing($0.means)) }
        var members: [JSON.Member] = [
            .init(key: "type", value: "object"), .init(key: "properties", value: .object(properties)),
            .init(key: "required", value: keys.filter(\.isAlways).map(\.name).json), .init(key: "additionalProperties", value: false),
        ]
        if !rules.isEmpty { members.append(.init(key: "allOf", value: rules.map(\.schema).json)) }
        return .object(members)
    }
}

extension JSONObjectShape.Rule {
    fileprivate var schema: JSON {
        func properties(_ parts: [(name: String, shape: JSONShape)]) -> JSON {
            ["properties": JSON.object(parts.map { JSON.Member(key: $0.name, value: $0.shape.schema) })]
        }
        let condition: JSON = ["properties": JSON.object([.init(key: key, value: ["enum": JSON.array(values)])])]
        guard !otherwise.isEmpty else { return ["if": condition, "then": properties(then)] }
        return ["if": condition, "then": properties(then), "else": properties(otherwise)]
    }
}

extension JSON {
    /// The schema with a sentence in front. **Source**: draft 2020-12 allows keywords beside `$ref`.
    package func describing(_ means: String) -> JSON {
        switch self {
        case .object(let members): .object([Member(key: "description", value: .string(means))] + members)
        default: ["description": means]
        }
    }
}
