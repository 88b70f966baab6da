// The words of a report that differ from one failure to the next: times, spans, ids, addresses. Two failures that differ in nothing else
// share a report, and the second one keeps only its own words beside it. Nothing is lost: the text that is read is the text that was seen.

/// **Shape** of a difference: lines `number=word`, the number that of the word in the text of the report; empty when nothing differs.
enum ReportWords {
    /// What stands in `text` instead of the words of `base`.
    /// - Returns: nil when more differs than words with digits in them, or so much that a report of its own is the better choice.
    static func difference(_ text: String, from base: String) -> String? {
        if text == base { return "" }
        let (new, old) = (Pieces(text), Pieces(base))
        guard new.words.count == old.words.count, new.hasSameFrame(as: old) else { return nil }
        var lines: [String] = []
        for index in new.words.indices {
            let word = new.bytes[new.words[index]]
            if word != old.bytes[old.words[index]] { lines.append("\(index)=\(String(decoding: word, as: UTF8.self))") }
        }
        let difference = lines.joined(separator: "\n")
        return difference.utf8.count < text.utf8.count / 2 ? difference : nil
    }

    /// The text that the difference was made of. What does not fit the report, because of damage, is left out.
    static func apply(_ difference: String?, to base: String) -> String {
        guard let difference, !difference.isEmpty else { return base }
        let pieces = Pieces(base)
        var (text, rest): ([UInt8], Int) = ([], 0)
        for line in difference.split(separator: "\n") {
            guard let equals = line.firstIndex(of: "="), let number = Int(line[..<equals]), pieces.words.indices.contains(number),
                pieces.words[number].lowerBound >= rest
            else { continue }
            let word = pieces.words[number]
            text += pieces.bytes[rest..<word.lowerBound]
            text += line[line.index(after: equals)...].utf8
            rest = word.upperBound
        }
        text += pieces.bytes[rest...]
        return String(decoding: text, as: UTF8.self)
    }

    /// A text cut into the words that may differ and the frame around them.
    private struct Pieces {
        let bytes: [UInt8]
        private(set) var words: [Range<Int>] = []

        init(_ text: String) {
            bytes = Array(text.utf8)
            var (begin, hasDigit) = (0, false)
            for (index, byte) in bytes.enumerated() {
                if Self.isDigit(byte) { hasDigit = true }
                guard !Self.belongsToWord(byte) else { continue }
                if hasDigit { words.append(begin..<index) }
                (begin, hasDigit) = (index + 1, false)
            }
            if hasDigit { words.append(begin..<bytes.count) }
        }

        func hasSameFrame(as other: Pieces) -> Bool {
            var (mine, its) = (0, 0)
            for (word, otherWord) in zip(words, other.words) {
                guard bytes[mine..<word.lowerBound].elementsEqual(other.bytes[its..<otherWord.lowerBound]) else { return false }
                (mine, its) = (word.upperBound, otherWord.upperBound)
            }
            return bytes[mine...].elementsEqual(other.bytes[its...])
        }

        private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

        /// Letters, digits and what stands inside of ids, times and addresses. No line break and no `=`: they have a meaning of their own.
        private static func belongsToWord(_ byte: UInt8) -> Bool {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "_"): true
            default: false
            }
        }
    }
}
