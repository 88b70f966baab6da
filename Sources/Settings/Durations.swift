// Durations as people write them: `60s`, `5m`, `1h30m`, `500ms`.

enum Durations {
    /// Reads `1h30m`: numbers with units, larger units first, each at most once.
    /// - Returns: nil when the text is something else.
    static func read(_ text: String) -> Duration? {
        var rest = text.utf8[...]
        var total = 0
        var lastUnit = Int.max
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { (48...57).contains($0) }
            guard !digits.isEmpty, digits.count <= 9, let number = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
            rest = rest.dropFirst(digits.count)
            let letters = rest.prefix { (97...122).contains($0) }
            guard let unit = units[String(decoding: letters, as: UTF8.self)], unit < lastUnit else { return nil }
            rest = rest.dropFirst(letters.count)
            total += number * unit
            lastUnit = unit
        }
        return .milliseconds(total)
    }

    /// Writes what ``read(_:)`` reads, in the fewest parts.
    package static func text(_ duration: Duration) -> String {
        var left = Int((duration.components.seconds * 1000) + duration.components.attoseconds / 1_000_000_000_000_000)
        guard left > 0 else { return "0s" }
        var text = ""
        for (name, unit) in units.sorted(by: { $0.value > $1.value }) where left >= unit {
            text += "\(left / unit)\(name)"
            left %= unit
        }
        return text
    }

    /// **Unit**: milliseconds.
    private static let units = ["ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
}
