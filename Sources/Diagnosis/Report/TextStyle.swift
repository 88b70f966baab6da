// How text for a terminal, a pipe or an incident is laid out.

/// Colour and width of text output. Colour only adds; without it nothing is lost.
package struct TextStyle: Sendable, Hashable {
    package var color: Bool
    /// Where prose is broken; commands never are, so that they can be copied. **Unit**: columns.
    package var width: Int

    package init(color: Bool = false, width: Int = 100) {
        self.color = color
        self.width = max(40, width)
    }

    package static let plain = TextStyle()

    /// Numbers of ECMA-48's SGR; of one length, so that columns stay even.
    enum Tone: String {
        case bad = "31"
        case warn = "33"
        case good = "32"
        case strong = "01"
        case faint = "02"
    }

    func paint(_ text: String, _ tone: Tone) -> String { color ? "\u{1B}[\(tone.rawValue)m\(text)\u{1B}[0m" : text }

    /// The mark of a severity; nil means that all is well.
    func mark(_ severity: Severity?) -> String {
        switch severity {
        case .error: paint("×", .bad)
        case .warning: paint("‼", .warn)
        case .info: paint("·", .faint)
        case nil: paint("√", .good)
        }
    }

    /// `head` and words behind it, broken at ``width`` and indented under the first word.
    func paragraph(_ head: String, _ text: String) -> [String] {
        list(head, text.split(separator: " ").map(String.init), " ")
    }

    /// `head` and items behind it; a line ends between two items, with the visible part of the separator, and inside an item only
    /// when that is longer than a line.
    func list(_ head: String, _ items: [String], _ separator: String) -> [String] {
        let indent = Self.columns(head)
        let pieces = items.flatMap { item -> [(text: String, before: String)] in
            guard indent + item.count > width else { return [(item, separator)] }
            return item.split(separator: " ").enumerated().map { (String($1), $0 == 0 ? separator : " ") }
        }
        var lines: [String] = []
        var line = head
        var length = indent
        for (index, piece) in pieces.enumerated() {
            if index > 0 {
                if length + piece.before.count + piece.text.count > width {
                    lines.append(line + Self.withoutFinalBlanks(piece.before))
                    line = String(repeating: " ", count: indent)
                    length = indent
                } else {
                    line += piece.before
                    length += piece.before.count
                }
            }
            line += piece.text
            length += piece.text.count
        }
        lines.append(line)
        return lines
    }

    /// How wide a text is on the screen, where a change of colour takes no place.
    static func columns(_ text: String) -> Int {
        guard text.contains("\u{1B}") else { return text.count }
        return text.split(separator: "\u{1B}", omittingEmptySubsequences: false).enumerated().reduce(0) { sum, part in
            sum + (part.offset == 0 ? part.element.count : part.element.drop { $0 != "m" }.dropFirst().count)
        }
    }

    /// A line never ends in blanks.
    static func withoutFinalBlanks(_ line: String) -> String {
        var line = line[...]
        while line.last == " " { line = line.dropLast() }
        return String(line)
    }

    /// Columns of even width, two blanks apart, without blanks at line ends.
    func table(_ rows: [[String]]) -> [String] {
        let widths = rows.reduce(into: [Int]()) { widths, row in
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        return rows.map { row in
            row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }.joined(separator: "  ")
        }
    }
}

extension Timestamp {
    /// The time of day for moments of the last day and of the rest of this one, else date and minute.
    package func near(_ now: Timestamp) -> String {
        let isPast = self <= now
        let isToday = milliseconds / 86_400_000 == now.milliseconds / 86_400_000
        // What was is told beside how long ago; what comes tomorrow at the same hour would read as if it were over.
        return abs((now - self).seconds) < 86400 && (isPast || isToday) ? timeOfDay : dateAndMinute
    }
}
