// A YAML document as this program wants it: every value with its place, nothing resolved behind the reader's back.

/// One value of a document and where it begins.
struct YAMLValue {
    var position: Position
    var content: Content

    /// A place in the file, both counted from 1.
    struct Position: Hashable {
        var line: Int
        var column: Int
    }

    indirect enum Content {
        case scalar(Scalar)
        case list([YAMLValue])
        /// **Shape**: entries in the order of the file.
        case mapping([Entry])
    }

    struct Entry {
        var key: String
        var keyPosition: Position
        var value: YAMLValue
    }

    /// A scalar as it is written. Quoted scalars are always text; plain ones are what YAML 1.1 readers take them for.
    struct Scalar {
        var text: String
        var isPlain: Bool

        var kind: Kind {
            guard isPlain else { return .text }
            switch text.lowercased() {
            case "", "~", "null": return .null
            case "true", "false", "yes", "no", "on", "off": return .boolean
            default: return Self.looksNumeric(text) ? .number : .text
            }
        }

        /// Whether YAML readers would take the text for a number (`12`, `1e5`, `0x1F`, `1_000`, `.inf`).
        private static func looksNumeric(_ text: String) -> Bool {
            let lower = text.lowercased()
            let bare = lower.first == "-" || lower.first == "+" ? lower.dropFirst() : lower[...]
            if bare == ".inf" || bare == ".nan" { return true }
            guard let first = bare.utf8.first, (48...57).contains(first) || (first == 46 && bare.utf8.count > 1) else { return false }
            if bare.hasPrefix("0x") { return bare.dropFirst(2).allSatisfy(\.isHexDigit) }
            if bare.hasPrefix("0o") { return bare.dropFirst(2).allSatisfy(\.isNumber) }
            return Double(bare.filter { $0 != "_" }) != nil
        }
    }

    enum Kind: Hashable { case text, number, boolean, null }

    /// What the value is, in words for a message: `a list`, `the number 5`.
    var noun: String {
        switch content {
        case .list: "a list"
        case .mapping: "a mapping"
        case .scalar(let scalar):
            switch scalar.kind {
            case .text: "text"
            case .number: "the number \(scalar.text)"
            case .boolean: "the truth value \(scalar.text)"
            case .null: "empty"
            }
        }
    }
}
