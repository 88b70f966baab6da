// Wall-clock time without Foundation: small, comparable, RFC 3339 with milliseconds.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A moment of wall-clock time. **Unit**: milliseconds since 1970-01-01T00:00:00Z.
package struct Timestamp: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }
    /// Held within the years 0 to 9999, because the figure may come from a peer; what is no number counts as the epoch.
    package init(seconds: Double) {
        let bounded = seconds.isNaN ? 0 : min(max(seconds, -62_167_219_200), 253_402_300_799)
        self.milliseconds = Int64((bounded * 1000).rounded())
    }

    package static var now: Timestamp {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// **Unit**: seconds since the epoch.
    package var seconds: Double { Double(milliseconds) / 1000 }

    package static func < (a: Timestamp, b: Timestamp) -> Bool { a.milliseconds < b.milliseconds }
    package static func - (a: Timestamp, b: Timestamp) -> Duration {
        let (difference, overflow) = a.milliseconds.subtractingReportingOverflow(b.milliseconds)
        return .milliseconds(overflow ? (a < b ? .min : .max) : difference)
    }
    package static func + (a: Timestamp, b: Duration) -> Timestamp {
        let added = Int64(exactly: (b.seconds * 1000).rounded()) ?? (b < .zero ? .min : .max)
        let (sum, overflow) = a.milliseconds.addingReportingOverflow(added)
        return Timestamp(milliseconds: overflow ? (added < 0 ? .min : .max) : sum)
    }

    /// RFC 3339 in UTC with milliseconds: `2026-11-22T03:04:11.000Z`.
    package var description: String {
        let (date, clock) = fields
        return "\(pad(date.year, 4))-\(pad(date.month, 2))-\(pad(date.day, 2))T\(clockText(clock)).\(pad(clock.millisecond, 3))Z"
    }

    /// The time of day alone, for a reader who knows the date: `03:04:11Z`.
    package var timeOfDay: String { clockText(fields.clock) + "Z" }

    /// Date and time of day to the minute, for spans of days: `2026-11-22 03:04Z`.
    package var dateAndMinute: String {
        let (date, clock) = fields
        return "\(pad(date.year, 4))-\(pad(date.month, 2))-\(pad(date.day, 2)) \(pad(clock.hour, 2)):\(pad(clock.minute, 2))Z"
    }

    /// Reads what `description` writes; fraction optional, only `Z` accepted as zone.
    package init?(rfc3339 text: String) {
        let bytes = Array(text.utf8)
        func number(_ range: Range<Int>) -> Int? {
            guard range.upperBound <= bytes.count else { return nil }
            var value = 0
            for byte in bytes[range] {
                guard byte >= 48, byte <= 57 else { return nil }
                value = value * 10 + Int(byte - 48)
            }
            return value
        }
        guard bytes.count >= 20, bytes[4] == 45, bytes[7] == 45, bytes[10] == 84, bytes[13] == 58, bytes[16] == 58,
            let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
            let minute = number(14..<16), let second = number(17..<19), (1...12).contains(month), (1...31).contains(day),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        var millisecond = 0
        var rest = bytes[19...]
        if rest.first == 46 {
            let digits = rest.dropFirst().prefix { $0 >= 48 && $0 <= 57 }
            guard !digits.isEmpty else { return nil }
            for (place, digit) in digits.prefix(3).enumerated() {
                millisecond += Int(digit - 48) * (place == 0 ? 100 : place == 1 ? 10 : 1)
            }
            rest = rest.dropFirst(1 + digits.count)
        }
        guard rest.elementsEqual([90]) else { return nil }
        let days = daysFromCivil(year: year, month: month, day: day)
        guard civil(fromDays: days) == (year, month, day) else { return nil }  // 31 April is no date.
        let seconds = days * 86400 + hour * 3600 + minute * 60 + second
        self.init(milliseconds: Int64(seconds) * 1000 + Int64(millisecond))
    }

    private typealias Date = (year: Int, month: Int, day: Int)
    private typealias Clock = (hour: Int, minute: Int, second: Int, millisecond: Int)

    private var fields: (date: Date, clock: Clock) {
        var (days, inDay) = milliseconds.quotientAndRemainder(dividingBy: 86_400_000)
        if inDay < 0 { (days, inDay) = (days - 1, inDay + 86_400_000) }
        let milliseconds = Int(inDay)
        let clock = (
            hour: milliseconds / 3_600_000, minute: milliseconds / 60_000 % 60, second: milliseconds / 1000 % 60,
            millisecond: milliseconds % 1000
        )
        return (civil(fromDays: Int(days)), clock)
    }

    private func clockText(_ clock: Clock) -> String { "\(pad(clock.hour, 2)):\(pad(clock.minute, 2)):\(pad(clock.second, 2))" }
}

// Proleptic Gregorian calendar by counting eras of 400 years, days starting on 1 March.
private func civil(fromDays days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthIndex = (5 * dayOfYear + 2) / 153
    let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthIndex + 2) / 5 + 1)
}

private func daysFromCivil(year: Int, month: Int, day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
}

/// A whole number with leading zeros.
package func pad(_ value: Int, _ width: Int) -> String {
    let digits = String(value)
    return digits.count >= width ? digits : String(repeating: "0", count: width - digits.count) + digits
}
