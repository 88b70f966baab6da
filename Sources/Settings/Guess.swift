// A guess at what was meant: the nearest of the words that would have been right.

enum Guess {
    /// - Returns: the candidate that `word` is most probably a slip of; nil when none is near.
    static func nearest(to word: String, among candidates: [String]) -> String? {
        let bare = normalized(word)
        if let same = candidates.first(where: { normalized($0) == bare && $0 != word }) { return same }
        let scored = candidates.map { (candidate: $0, distance: distance(word.lowercased(), $0.lowercased())) }
        guard let best = scored.min(by: { $0.distance < $1.distance }) else { return nil }
        let tolerance = max(1, min(word.count, best.candidate.count) / 3)
        return best.distance <= tolerance ? best.candidate : nil
    }

    /// `clientId`, `client-id` and `CLIENT_ID` are the same word.
    private static func normalized(_ word: String) -> String {
        String(word.lowercased().filter { $0 != "_" && $0 != "-" && $0 != " " })
    }

    /// Insertions, deletions, replacements and swaps of neighbours that lead from `a` to `b`; long words are cut at 64.
    static func distance(_ a: String, _ b: String) -> Int {
        let a = Array(a.unicodeScalars.prefix(64))
        let b = Array(b.unicodeScalars.prefix(64))
        if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
        var twoBefore = [Int](repeating: 0, count: b.count + 1)
        var before = Array(0...b.count)
        for i in 1...a.count {
            var row = [i] + [Int](repeating: 0, count: b.count)
            for j in 1...b.count {
                row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { row[j] = min(row[j], twoBefore[j - 2] + 1) }
            }
            (twoBefore, before) = (before, row)
        }
        return before[b.count]
    }
}
