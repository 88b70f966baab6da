// The value of a column as the caller wants it; nil where it is of another kind.

extension TDSValue {
    /// `float` and `real`, and whole numbers and decimals as the nearest such number.
    public var double: Double? {
        switch self {
        case .double(let value): value
        case .integer(let value): Double(value)
        case .decimal(let value): Double(value.description)
        default: nil
        }
    }

    /// Decimals and `money`, and whole numbers without digits behind the point; its `description` is the number in text, with nothing lost.
    public var decimal: TDSDecimal? {
        switch self {
        case .decimal(let value): value
        case .integer(let value): TDSDecimal(isNegative: value < 0, magnitude: UInt128(value.magnitude), scale: 0)
        default: nil
        }
    }

    /// Of `binary`, `varbinary` and `image`, and of what is not read here, as it came.
    public var bytes: [UInt8]? {
        switch self {
        case .binary(let value): value
        case .unread(let value): value.bytes
        default: nil
        }
    }

    /// A `uniqueidentifier`.
    public var identifier: TDSIdentifier? {
        if case .identifier(let value) = self { value } else { nil }
    }

    /// A `date`, and the day of whatever has one: of a `datetimeoffset` that on the wall's calendar.
    public var date: TDSDate? {
        if case .date(let value) = self { value } else { timestamp?.date }
    }

    /// A `time`, and the time of day of whatever has one: of a `datetimeoffset` that of the clock on the wall.
    public var time: TDSTime? {
        if case .time(let value) = self { value } else { timestamp?.time }
    }

    /// `datetime`, `datetime2` and `smalldatetime`, and a `datetimeoffset` as calendar and clock on the wall showed it.
    public var timestamp: TDSTimestamp? {
        switch self {
        case .timestamp(let value): value
        case .offsetTimestamp(let value): value.local
        default: nil
        }
    }

    /// A `datetimeoffset`. The other types do not say in which time zone they are.
    public var offsetTimestamp: TDSOffsetTimestamp? {
        if case .offsetTimestamp(let value) = self { value } else { nil }
    }
}

extension TDSTime {
    public var hour: Int { ticks / Self.ticksPerSecond / 3600 }
    public var minute: Int { ticks / Self.ticksPerSecond / 60 % 60 }
    public var second: Int { ticks / Self.ticksPerSecond % 60 }
    /// Of the second. **Unit**: nanoseconds; a column counts hundreds of them at best.
    public var nanosecond: Int { ticks % Self.ticksPerSecond * 100 }
}
