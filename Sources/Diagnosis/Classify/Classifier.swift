// From foreign words to one cause: the only classifier, used by probes, identities and commands alike.

/// Turns what libraries and servers say into failures. Pure: no clock, no state, no input but its arguments.
///
/// - `Classifier+Postgres`: errors a PostgreSQL server (or PgBouncer) sent, and the reading of a failed connect's text
/// - `Classifier+LibPQ`: what libpq says by itself
/// - `Classifier+MySQL`: errors a MySQL server sent, Azure's own among them
/// - `Classifier+LibMariaDB`: what libmariadb says by itself
/// - `Classifier+AzureSQL`: errors of SQL Server and of Azure SQL's gateway
/// - `Classifier+Transport`: `errno`, c-ares, deadlines, OpenSSL's verification
/// - `Classifier+Identity`: replies of identity endpoints, Entra's numbers, curl
/// - `Classifier+Claims`: what the claims of a token foretell, and how that refines a refusal
package enum Classifier {}

/// Foreign text made ready for matching: blanks joined, curly apostrophes straight, a lower-case twin at the same offsets.
///
/// Bounded, so that a hostile peer cannot make matching slow.
struct ForeignText {
    /// Longest text looked at. **Unit**: bytes.
    static let limit = 8192

    let bytes: [UInt8]
    let folded: [UInt8]

    init(_ text: String) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(text.utf8.count, Self.limit))
        for scalar in text.unicodeScalars {
            guard bytes.count < Self.limit else { break }
            switch scalar.value {
            case 0x20, 0x09, 0x0A, 0x0D, 0xA0: if bytes.last != 0x20 { bytes.append(0x20) }
            case 0x2018, 0x2019: bytes.append(0x27)
            default: bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
        self.bytes = bytes
        folded = bytes.map { $0 >= 0x41 && $0 <= 0x5A ? $0 + 0x20 : $0 }
    }

    /// Whether the fragments of `pattern`, separated by `*`, occur in this order. `pattern` is written in lower case.
    func matches(_ pattern: String) -> Bool {
        var position = 0
        for fragment in pattern.split(separator: "*") {
            guard let end = offset(after: Array(fragment.utf8), from: position) else { return false }
            position = end
        }
        return true
    }

    func matchesAny(_ patterns: [String]) -> Bool { patterns.contains(where: matches) }

    /// The run of bytes that satisfy `isPart`, directly behind `marker` and any blanks or quotes that follow it.
    func capture(after marker: String, while isPart: (UInt8) -> Bool) -> String? {
        guard var start = offset(after: Array(marker.utf8), from: 0) else { return nil }
        while start < bytes.count, !isPart(bytes[start]), Self.separators.contains(bytes[start]) || bytes[start] >= 0x80 { start += 1 }
        var end = start
        while end < bytes.count, isPart(bytes[end]) { end += 1 }
        return end > start ? String(decoding: bytes[start..<end], as: UTF8.self) : nil
    }

    /// The first GUID behind `marker`, lower case.
    func guid(after marker: String) -> String? {
        guard let start = offset(after: Array(marker.utf8), from: 0), folded.count >= start + 36 else { return nil }
        for first in start...(folded.count - 36) {
            let candidate = folded[first..<first + 36]
            let isGUID = candidate.enumerated().allSatisfy { index, byte in
                [8, 13, 18, 23].contains(index) ? byte == 0x2D : Self.isHexDigit(byte)
            }
            if isGUID { return String(decoding: candidate, as: UTF8.self) }
        }
        return nil
    }

    /// Everything behind `marker`, as it was written.
    func rest(after marker: String) -> String? {
        offset(after: Array(marker.utf8), from: 0).map { String(decoding: bytes[$0...], as: UTF8.self) }
    }

    private static let separators: Set<UInt8> = [0x20, 0x22, 0x27, 0x28, 0x3A, 0x5B, 0x60]

    static func isHexDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) }

    private func offset(after needle: [UInt8], from start: Int) -> Int? {
        guard !needle.isEmpty else { return start }
        guard start >= 0, folded.count - start >= needle.count else { return nil }
        for first in start...(folded.count - needle.count) where folded[first] == needle[0] {
            if folded[first..<first + needle.count].elementsEqual(needle) { return first + needle.count }
        }
        return nil
    }
}
