// Writes YAML that this program and every other reader take for the same values.
package import Diagnosis

package enum YAMLText {
    /// **Shape**: block style; lists of scalars in brackets; ends with a line break.
    /// - Parameter comments: by path, what stands behind the value.
    package static func render(_ value: JSON, comments: [String: String] = [:]) -> String {
        var text = ""
        write(value, path: "", indent: 0, comments, into: &text)
        return text
    }

    private static func write(_ value: JSON, path: String, indent: Int, _ comments: [String: String], into text: inout String) {
        guard case .object(let members) = value else {
            text += flow(value) + "\n"
            return
        }
        for (index, member) in members.enumerated() {
            if index > 0 || indent == 0 { text += String(repeating: " ", count: indent) }
            let inner = path.isEmpty ? member.key : "\(path).\(member.key)"
            text += scalar(member.key) + ":"
            switch member.value {
            case .object(let inside) where !inside.isEmpty:
                text += "\n" + String(repeating: " ", count: indent + 2)
                write(member.value, path: inner, indent: indent + 2, comments, into: &text)
            case .array(let items) where isBlock(items):
                text += "\n"
                for (number, item) in items.enumerated() {
                    text += String(repeating: " ", count: indent + 2) + "- "
                    write(item, path: "\(inner)[\(number)]", indent: indent + 4, comments, into: &text)
                }
            default:
                text += " " + flow(member.value) + (comments[inner].map { "  # \($0)" } ?? "") + "\n"
            }
        }
    }

    /// A list that holds more than scalars.
    private static func isBlock(_ items: [JSON]) -> Bool {
        items.contains { item in
            switch item {
            case .object(let members): !members.isEmpty
            case .array: true
            default: false
            }
        }
    }

    private static func flow(_ value: JSON) -> String {
        switch value {
        case .string(let string): scalar(string)
        case .array(let items): "[" + items.map(flow).joined(separator: ", ") + "]"
        case .object(let members): "{" + members.map { "\(scalar($0.key)): \(flow($0.value))" }.joined(separator: ", ") + "}"
        default: value.compact
        }
    }

    /// Bare where every reader takes the bare word for the same text, else in double quotes, whose escapes are those of JSON.
    private static func scalar(_ text: String) -> String {
        let isPlain =
            text.utf8.first.map { isLetter($0) || $0 == 0x2F || isDigit($0) } == true
            && text.utf8.allSatisfy { isLetter($0) || isDigit($0) || [0x2D, 0x2E, 0x2F, 0x5F].contains($0) }
            && YAMLValue.Scalar(text: text, isPlain: true).kind == .text
        // Dates and sexagesimal numbers are text here, and something else to readers of YAML 1.1.
        let looksLikeNumber = text.utf8.first.map(isDigit) == true && !text.utf8.contains(where: isLetter)
        return isPlain && !looksLikeNumber ? text : JSON.string(text).compact
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) }
    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
