// What a client would like: the elements of `Accept` and `Accept-Encoding`, read once for both.

/// One element of such a header, with its weight.
/// **Source**: RFC 9110, 12.4.2 and 12.5.
struct Preference: Sendable, Hashable {
    /// Lower case: `text/plain`, `gzip`, `*`.
    var name: String
    /// Names in lower case; of a parameter given twice the first counts.
    var parameters: [String: String]
    /// **Unit**: thousandths, 0 for what the client refuses.
    var weight: Int

    /// - Returns: what can be read; an element that cannot be read is as good as none.
    static func list(_ header: String) -> [Preference] { split(header[...], at: ",").compactMap(Preference.init) }

    private init?(_ text: Substring) {
        let parts = Self.split(text, at: ";")
        name = Self.trimmed(parts[0]).lowercased()
        parameters = [:]
        weight = 1000
        guard !name.isEmpty else { return nil }
        for part in parts.dropFirst() {
            let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2 else { continue }
            let key = Self.trimmed(halves[0]).lowercased()
            var value = Self.trimmed(halves[1])
            if value.count >= 2, value.hasPrefix("\""), value.hasSuffix("\"") { value = value.dropFirst().dropLast() }
            if key == "q" {
                guard let weight = Self.weight(value) else { return nil }
                self.weight = weight
            } else if parameters[key] == nil {
                parameters[key] = String(value)
            }
        }
    }

    /// `0`, `0.5`, `1.000`; nil for everything else.
    private static func weight(_ text: Substring) -> Int? {
        let digits = Array(text.utf8)
        guard let first = digits.first, first == 0x30 || first == 0x31, digits.count <= 5, digits.count == 1 || digits[1] == 0x2E else {
            return nil
        }
        var weight = Int(first - 0x30) * 1000
        var place = 100
        for digit in digits.dropFirst(2) {
            guard (0x30...0x39).contains(digit) else { return nil }
            weight += Int(digit - 0x30) * place
            place /= 10
        }
        return weight <= 1000 ? weight : nil
    }

    /// Splits outside of quotation marks.
    private static func split(_ text: Substring, at separator: Character) -> [Substring] {
        var parts: [Substring] = []
        var start = text.startIndex
        var isQuoted = false
        for index in text.indices {
            let character = text[index]
            if character == "\"" { isQuoted.toggle() }
            if character == separator, !isQuoted {
                parts.append(text[start..<index])
                start = text.index(after: index)
            }
        }
        return parts + [text[start...]]
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while let first = text.first, first == " " || first == "\t" { text = text.dropFirst() }
        while let last = text.last, last == " " || last == "\t" { text = text.dropLast() }
        return text
    }
}
