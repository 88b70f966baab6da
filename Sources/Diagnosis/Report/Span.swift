// Lengths of time for people.

/// Writes durations as an engineer says them.
package enum Span {
    /// To three figures at most: `0.4 ms`, `61 ms`, `2.1 s`, `15 s`, `3 min`.
    package static func short(_ duration: Duration) -> String {
        let seconds = duration.seconds
        guard seconds < 59.95 else { return long(duration) }
        return seconds < 0.9995 ? milliseconds(duration) + " ms" : decimal(seconds) + " s"
    }

    /// The number alone, in milliseconds: `0.4`, `61`, `5000`.
    package static func milliseconds(_ duration: Duration) -> String { decimal(duration.seconds * 1000) }

    /// Two units at most: `40 s`, `33 min`, `2 h 48 min`, `4 d 3 h`. A negative span is written as zero.
    package static func long(_ duration: Duration) -> String {
        let seconds = Int(min(max(0, duration.seconds.rounded()), 1e15))
        let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60)
        if days > 0 { return hours > 0 && days < 10 ? "\(days) d \(hours) h" : "\(days) d" }
        if hours > 0 { return minutes > 0 ? "\(hours) h \(minutes) min" : "\(hours) h" }
        return minutes > 0 ? "\(minutes) min" : "\(seconds) s"
    }

    /// One decimal below ten, none above.
    private static func decimal(_ value: Double) -> String {
        let value = min(max(0, value), 1e15)
        guard value < 9.95 else { return String(Int(value.rounded())) }
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? String(tenths / 10) : "\(tenths / 10).\(tenths % 10)"
    }
}
