// The JSON Schema of the file, made of the table of its keys. Editors complete and check with it; `agent config check` says more.
package import Diagnosis

/// The schema. **Source**: JSON Schema, draft 2020-12.
package enum ConfigurationSchema {
    package static var json: JSON {
        var members: [JSON.Member] = [
            .init(key: "$schema", value: "https://json-schema.org/draft/2020-12/schema"),
            .init(key: "title", value: "Configuration of agent"),
        ]
        if case .object(let root) = mapping(ConfigurationShape.root, least: 0, most: nil) { members += root }
        // Without either there is nothing to do.
        members.append(.init(key: "anyOf", value: ["targets", "identities"].map { ["required": [$0]] as JSON }.asArray))
        return .object(members)
    }

    private static func schema(_ shape: Shape) -> JSON {
        switch shape {
        case .text(let pattern): (["type": "string", "minLength": 1] as JSON).adding("pattern", pattern.map { JSON.string($0) })
        case .choice(let words): ["type": "string", "enum": words]
        case .integer(let range): ["type": "integer", "minimum": range.lowerBound, "maximum": range.upperBound]
        case .duration(let range):
            [
                "type": "string", "pattern": "^(?=[0-9])([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?([0-9]{1,9}ms)?$",
                "$comment": "\(Durations.text(range.lowerBound)) to \(Durations.text(range.upperBound))",
            ]
        case .size(let range):
            [
                "type": "string", "pattern": "^[0-9]{1,9}(KiB|MiB|GiB|TiB)$",
                "$comment": "\(Sizes.text(range.lowerBound)) to \(Sizes.text(range.upperBound))",
            ]
        case .list(let item, let least):
            (["type": "array", "items": schema(item)] as JSON).adding("minItems", least > 0 ? .integer(Int64(least)) : nil)
        case .mapping(let keys, let least, let most): mapping(keys, least: least, most: most)
        case .names(let value):
            [
                "type": "object", "minProperties": 1, "propertyNames": ["pattern": ConfigurationShape.namePattern] as JSON,
                "additionalProperties": schema(value),
            ]
        // To readers of YAML 1.2 the words are text.
        case .off: ["enum": [false, JSON.null] as JSON]
        case .either(let shapes): ["oneOf": shapes.map(schema).asArray]
        }
    }

    private static func mapping(_ keys: [ShapeKey], least: Int, most: Int?) -> JSON {
        let properties = keys.map { key in
            JSON.Member(
                key: key.name,
                value: (["description": key.means] as JSON).merging(schema(key.shape)).adding("default", key.fallback))
        }
        let required = keys.filter(\.isRequired).map { JSON.string($0.name) }
        return (["type": "object", "properties": JSON.object(properties), "additionalProperties": false] as JSON)
            .adding("required", required.isEmpty ? nil : .array(required))
            .adding("minProperties", least > 0 ? .integer(Int64(least)) : nil)
            .adding("maxProperties", most.map { .integer(Int64($0)) })
    }
}

extension JSON {
    /// The object with one more member; as it is when there is no value.
    fileprivate func adding(_ key: String, _ value: JSON?) -> JSON {
        guard case .object(let members) = self, let value else { return self }
        return .object(members + [Member(key: key, value: value)])
    }

    fileprivate func merging(_ other: JSON) -> JSON {
        guard case .object(let members) = self, case .object(let more) = other else { return self }
        return .object(members + more)
    }
}

extension [JSON] {
    fileprivate var asArray: JSON { .array(self) }
}
