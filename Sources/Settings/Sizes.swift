// Sizes as people write them: `512MiB`, `4GiB`.

enum Sizes {
    /// Reads a whole number with a binary unit.
    /// - Returns: bytes; nil when the text is something else.
    static func read(_ text: String) -> Int64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty, digits.count <= 9, let number = Int64(digits),
            let unit = units.first(where: { $0.name == text.dropFirst(digits.count) })?.bytes
        else { return nil }
        let (bytes, isOver) = number.multipliedReportingOverflow(by: unit)
        return isOver ? nil : bytes
    }

    /// Writes what ``read(_:)`` reads, in the largest unit that leaves a whole number.
    static func text(_ bytes: Int64) -> String {
        let unit = units.last { bytes % $0.bytes == 0 && bytes >= $0.bytes } ?? units[0]
        return "\(bytes / unit.bytes)\(unit.name)"
    }

    private static let units: [(name: String, bytes: Int64)] = [
        ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
    ]
}

extension Section {
    /// **Unit**: bytes.
    func size(_ key: String, in range: ClosedRange<Int64>) -> Placed<Int64>? {
        guard let value = value(key) else { return nil }
        guard case .scalar(let scalar) = value.content, scalar.kind == .text || scalar.kind == .number else {
            issues.error(path(key), at: value.position, "must be a size such as 512MiB or 4GiB, not \(value.noun)")
            return nil
        }
        guard let bytes = Sizes.read(scalar.text) else {
            let what = scalar.kind == .number ? "\(printable(scalar.text)) has no unit" : "\"\(printable(scalar.text))\" is no size"
            issues.error(path(key), at: value.position, "\(what); write it as 512MiB or 4GiB (KiB, MiB, GiB, TiB)")
            return nil
        }
        guard range.contains(bytes) else {
            let bound =
                bytes < range.lowerBound
                ? "below the least, \(Sizes.text(range.lowerBound))" : "above the most, \(Sizes.text(range.upperBound))"
            issues.error(path(key), at: value.position, "\(printable(scalar.text)) is \(bound)")
            return nil
        }
        return Placed(value: bytes, path: path(key), position: value.position)
    }
}
