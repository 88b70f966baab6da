// HTML under construction: what comes from outside can only be added as text, never as markup.

/// Writes HTML into bytes.
struct Markup {
    private(set) var bytes: [UInt8] = []

    /// Adds markup of our own. A `StaticString` cannot hold anything that came from outside.
    mutating func raw(_ markup: StaticString) { bytes += markup.description.utf8 }

    /// Adds text, safe inside elements and inside quoted attributes.
    ///
    /// Control characters and those that change the direction of writing are dropped: they could make a row look like another one.
    mutating func text(_ text: String) {
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": raw("&amp;")
            case "<": raw("&lt;")
            case ">": raw("&gt;")
            case "\"": raw("&quot;")
            case "'": raw("&#39;")
            default:
                switch scalar.value {
                case 0..<0x20, 0x7F..<0xA0, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB: bytes.append(0x20)
                case ..<0x80: bytes.append(UInt8(scalar.value))
                default: bytes += Array(Character(scalar).utf8)
                }
            }
        }
    }

    mutating func number(_ number: Int) { text(String(number)) }

    mutating func append(_ other: Markup) { bytes += other.bytes }
}
