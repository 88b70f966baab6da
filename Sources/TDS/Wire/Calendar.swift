// Dates and times as SQL Server counts them, and as people read them.

/// A day of the proleptic Gregorian calendar. **Source**: MS-TDS 2.2.5.5.1.8, date.
public struct TDSDate: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Days since 0001-01-01.
    public var dayNumber: Int

    public init(dayNumber: Int) { self.dayNumber = dayNumber }

    /// Nil when there is no such day.
    public init?(year: Int, month: Int, day: Int) {
        guard (1...9999).contains(year), (1...12).contains(month), (1...31).contains(day) else { return nil }
        // Years begin in March, so that the leap day is the last one of a year.
        let shifted = month > 2 ? year : year - 1
        let era = Self.divide(shifted, 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        dayNumber = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - Self.march
        guard parts == (year, month, day) else { return nil }
    }

    public var parts: (year: Int, month: Int, day: Int) {
        let shifted = dayNumber + Self.march
        let era = Self.divide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }

    /// `2024-02-29`.
    public var description: String {
        let (year, month, day) = parts
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    }

    public static func < (a: TDSDate, b: TDSDate) -> Bool { a.dayNumber < b.dayNumber }

    /// Days from 0000-03-01 to 0001-01-01.
    private static let march = 306
    /// 9999-12-31.
    package static let last = 3_652_058
    /// 1900-01-01, from which datetime and smalldatetime count.
    package static let year1900 = 693_595

    private static func divide(_ value: Int, _ by: Int) -> Int { value >= 0 ? value / by : (value - by + 1) / by }
}

/// A time of day. **Source**: MS-TDS 2.2.5.5.1.9, time.
public struct TDSTime: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Since midnight. **Unit**: 100 nanoseconds.
    public var ticks: Int
    /// How many digits of the second the column has, 0 to 7.
    public var scale: Int

    public init(ticks: Int, scale: Int = 7) {
        self.ticks = ticks
        self.scale = min(7, max(0, scale))
    }

    public init(hour: Int, minute: Int, second: Int, ticks: Int = 0, scale: Int = 7) {
        self.init(ticks: ((hour * 60 + minute) * 60 + second) * Self.ticksPerSecond + ticks, scale: scale)
    }

    package static let ticksPerSecond = 10_000_000
    package static let ticksPerDay = 86_400 * ticksPerSecond

    /// `23:59:59.9999999`, with as many digits as the column has.
    public var description: String {
        let seconds = ticks / Self.ticksPerSecond
        let clock = "\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
        return scale == 0 ? clock : clock + "." + padded(ticks % Self.ticksPerSecond, 7).prefix(scale)
    }

    public static func < (a: TDSTime, b: TDSTime) -> Bool { a.ticks < b.ticks }
}

/// A day and a time of it, without time zone: datetime, datetime2, smalldatetime.
public struct TDSTimestamp: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var date: TDSDate
    public var time: TDSTime

    public init(date: TDSDate, time: TDSTime) {
        self.date = date
        self.time = time
    }

    /// `2024-02-29 12:34:56.789`.
    public var description: String { "\(date) \(time)" }

    public static func < (a: TDSTimestamp, b: TDSTimestamp) -> Bool { (a.date, a.time) < (b.date, b.time) }
}

/// A moment and the time zone in which it was written down. **Source**: MS-TDS 2.2.5.5.1.11, datetimeoffset.
public struct TDSOffsetTimestamp: Sendable, Hashable, CustomStringConvertible {
    /// In UTC, as on the wire.
    public var utc: TDSTimestamp
    /// East of Greenwich. **Unit**: minutes.
    public var offset: Int

    public init(utc: TDSTimestamp, offset: Int) {
        self.utc = utc
        self.offset = offset
    }

    /// As the clock on the wall showed it.
    public var local: TDSTimestamp {
        let ticks = utc.time.ticks + offset * 60 * TDSTime.ticksPerSecond
        let days = ticks >= 0 ? ticks / TDSTime.ticksPerDay : (ticks - TDSTime.ticksPerDay + 1) / TDSTime.ticksPerDay
        return TDSTimestamp(
            date: TDSDate(dayNumber: utc.date.dayNumber + days),
            time: TDSTime(ticks: ticks - days * TDSTime.ticksPerDay, scale: utc.time.scale))
    }

    /// `2024-02-29 12:34:56.500 -08:00`.
    public var description: String {
        let minutes = abs(offset)
        return "\(local) \(offset < 0 ? "-" : "+")\(padded(minutes / 60, 2)):\(padded(minutes % 60, 2))"
    }

    /// Fourteen hours either way. **Unit**: minutes.
    package static let largestOffset = 840
}

/// Digits with zeros before them.
func padded(_ value: Int, _ width: Int) -> String {
    let text = String(abs(value))
    return (value < 0 ? "-" : "") + String(repeating: "0", count: max(0, width - text.count)) + text
}
