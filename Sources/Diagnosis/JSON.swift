// The JSON this program writes: keys in a fixed order, `null` for absent knowledge, no other dependency.
// Codable is not used for output because it drops nil values and gives no key order, and both are part of the contract.

/// A JSON value to be written.
package indirect enum JSON: Sendable, Hashable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    /// **Shape**: members in the order in which they are written.
    case object([Member])

    package struct Member: Sendable, Hashable {
        package var key: String
        package var value: JSON

        package init(key: String, value: JSON) {
            self.key = key
            self.value = value
        }
    }

    /// One line, no blanks.
    package var compact: String {
        var text = ""
        write(into: &text, indent: nil)
        return text
    }

    /// Two blanks a level, scalars of an array on lines of their own.
    package var pretty: String {
        var text = ""
        write(into: &text, indent: 0)
        return text
    }

    private func write(into text: inout String, indent: Int?) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let value): text += String(value)
        case .number(let value): text += Self.text(of: value)
        case .string(let value): Self.write(value, into: &text)
        case .array(let items):
            Self.writeList(items, "[", "]", into: &text, indent: indent) { item, text, indent in
                item.write(into: &text, indent: indent)
            }
        case .object(let members):
            Self.writeList(members, "{", "}", into: &text, indent: indent) { member, text, indent in
                Self.write(member.key, into: &text)
                text += indent == nil ? ":" : ": "
                member.value.write(into: &text, indent: indent)
            }
        }
    }

    private static func writeList<Item>(
        _ items: [Item], _ open: String, _ close: String, into text: inout String, indent: Int?,
        _ write: (Item, inout String, Int?) -> Void
    ) {
        text += open
        let inner = indent.map { $0 + 1 }
        for (index, item) in items.enumerated() {
            if index > 0 { text += "," }
            if let inner { text += "\n" + String(repeating: "  ", count: inner) }
            write(item, &text, inner)
        }
        if let indent, !items.isEmpty { text += "\n" + String(repeating: "  ", count: indent) }
        text += close
    }

    private static func text(of value: Double) -> String {
        guard value.isFinite else { return "null" }
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return String(value)
    }

    private static func write(_ value: String, into text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                text += "\\u" + String(repeating: "0", count: scalar.value < 0x10 ? 3 : 2) + String(scalar.value, radix: 16)
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}

/// A type that has a form in the JSON contract.
package protocol JSONRepresentable: SendableMetatype {
    var json: JSON { get }
}

extension JSON: JSONRepresentable {
    package var json: JSON { self }
}
extension String: JSONRepresentable {
    package var json: JSON { .string(self) }
}
extension Bool: JSONRepresentable {
    package var json: JSON { .bool(self) }
}
extension Int: JSONRepresentable {
    package var json: JSON { .integer(Int64(self)) }
}
extension Double: JSONRepresentable {
    package var json: JSON { .number(self) }
}
extension Timestamp: JSONRepresentable {
    package var json: JSON { .string(description) }
}
extension Duration: JSONRepresentable {
    /// **Unit**: seconds, to the microsecond.
    package var json: JSON { .number((seconds * 1e6).rounded() / 1e6) }
}
extension Array: JSONRepresentable where Element: JSONRepresentable {
    package var json: JSON { .array(map(\.json)) }
}
extension Optional: JSONRepresentable where Wrapped: JSONRepresentable {
    package var json: JSON { self?.json ?? .null }
}
extension JSONRepresentable where Self: RawRepresentable, RawValue == String {
    package var json: JSON { .string(rawValue) }
}
extension Phase: JSONRepresentable {}
extension Engine: JSONRepresentable {}

extension JSON: ExpressibleByDictionaryLiteral, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByNilLiteral
{
    package init(dictionaryLiteral elements: (String, any JSONRepresentable)...) {
        self = .object(elements.map { Member(key: $0.0, value: $0.1.json) })
    }
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(arrayLiteral elements: any JSONRepresentable...) { self = .array(elements.map(\.json)) }
    package init(nilLiteral: ()) { self = .null }
}
