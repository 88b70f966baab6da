// Values of a row or parameter to bytes and back, type by type.

extension ColumnType {
    /// Reads the value of a type whose values come in one piece; chunked ones are the business of `ChunkedValue`.
    ///
    /// - Parameter limit: the longest value that is taken, for types that name no longest one themselves. **Unit**: bytes.
    package func decodeValue(from reader: inout ByteReader, limit: Int = 1024 * 1024) throws(WireError) -> TDSValue {
        if let size = type.fixedSize { return size == 0 ? .null : try decodeFixed(Array(try reader.take(size))) }
        guard let count = try length(&reader, limit) else { return .null }
        return try decodeBody(Array(try reader.take(count)))
    }

    /// Reads over the value of a type whose values come in one piece.
    package func passValue(in reader: inout ByteReader, limit: Int) throws(WireError) {
        if let size = type.fixedSize { return try reader.skip(size) }
        if let count = try length(&reader, limit) { try reader.skip(count) }
    }

    /// The length before a value; nil for NULL.
    private func length(_ reader: inout ByteReader, _ limit: Int) throws(WireError) -> Int? {
        let count: Int
        if type.isLarge || type == .variant {
            if type.isLarge {
                // Pointer and time of the value, which mean nothing here. Source: MS-TDS 2.2.7.17, TextPointer.
                let pointer = Int(try reader.byte())
                guard pointer > 0 else { return nil }
                try reader.skip(pointer + 8)
            }
            count = Int(try reader.uint32())
            if type == .variant, count == 0 { return nil }
            guard count <= limit else { throw .beyondLimit("a value", limit) }
            return count
        }
        if type.hasLongLength {
            count = try reader.length16()
            if count == Self.nullLength { return nil }
        } else {
            count = Int(try reader.byte())
            if count == 0 { return nil }
        }
        guard count <= largestValue else {
            throw .malformed(
                "a value of \(count) bytes is longer than its column of type 0x\(hexadecimal(type.rawValue)) allows (\(largestValue))")
        }
        return count
    }

    /// Says NULL before a value with a length of two bytes. **Source**: MS-TDS 2.2.5.2.1, CHARBIN_NULL.
    private static let nullLength = 0xFFFF

    private var largestValue: Int {
        switch type {
        case .date: 3
        case .time: 5
        case .dateTime2: 8
        case .dateTimeOffset: 10
        default: size
        }
    }

    /// The value within the bytes that its length covers.
    package func decodeBody(_ bytes: [UInt8]) throws(WireError) -> TDSValue {
        switch type {
        case .intN, .bitN, .floatN, .moneyN, .dateTimeN: return try decodeFixed(bytes)
        case .guid: return .identifier(try TDSIdentifier(wire: bytes))
        case .date:
            guard bytes.count == 3 else { throw wrongLength(bytes.count) }
            return .date(try Self.date(number(bytes)))
        case .time: return .time(try time(bytes))
        case .dateTime2: return .timestamp(try timestamp(bytes))
        case .dateTimeOffset:
            guard bytes.count > 2 else { throw wrongLength(bytes.count) }
            let offset = Int(Int16(truncatingIfNeeded: number(bytes.suffix(2))))
            guard abs(offset) <= TDSOffsetTimestamp.largestOffset else { throw .malformed("an offset of \(offset) minutes is impossible") }
            return .offsetTimestamp(TDSOffsetTimestamp(utc: try timestamp(Array(bytes.dropLast(2))), offset: offset))
        case .decimal, .numeric:
            guard [5, 9, 13, 17].contains(bytes.count), bytes[0] <= 1 else { throw wrongLength(bytes.count) }
            let magnitude = bytes.dropFirst().reversed().reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
            return .decimal(TDSDecimal(isNegative: bytes[0] == 0, magnitude: magnitude, scale: Int(scale)))
        case .nVarChar, .nChar, .nText:
            guard bytes.count.isMultiple(of: 2) else { throw .malformed("a text of two-byte characters has \(bytes.count) bytes") }
            return .text(decodeUTF16(bytes))
        case .varChar, .char, .text:
            let collation = collation ?? .default
            let page = collation.codePage.map { "code page \($0)" } ?? "the code page of locale 0x\(String(collation.locale, radix: 16))"
            return collation.decode(bytes).map(TDSValue.text) ?? .unread(TDSUnread(type: "text in \(page)", bytes: bytes))
        case .varBinary, .binary, .image: return .binary(bytes)
        case .xml:
            // Text in UTF-16, often behind a mark that says so; the binary form is only for clients that ask for it.
            guard bytes.count.isMultiple(of: 2) else { return .unread(TDSUnread(type: "xml", bytes: bytes)) }
            return .text(decodeUTF16(bytes.starts(with: [0xFF, 0xFE]) ? bytes[2...] : bytes[...]))
        case .userDefined: return .unread(TDSUnread(type: names.count == 4 ? printable(names[2]) : "CLR type", bytes: bytes))
        case .variant: return try decodeVariant(bytes)
        default: return try decodeFixed(bytes)
        }
    }

    private static let variantName = "sql_variant"

    /// A value that brings its own type, without length or NULL. **Source**: MS-TDS 2.2.5.5.4, sql_variant.
    private func decodeVariant(_ bytes: [UInt8]) throws(WireError) -> TDSValue {
        var reader = ByteReader(bytes)
        let raw = try reader.byte()
        var properties = try reader.part(Int(try reader.byte()))
        let body = Array(reader.rest())
        guard let base = DataType(rawValue: raw), base != .null, base != .variant, !base.isLarge, !base.isAlwaysChunked else {
            return .unread(TDSUnread(type: "\(Self.variantName) of type 0x\(hexadecimal(raw))", bytes: bytes))
        }
        var inner = ColumnType(base, size: body.count)
        if base.hasCollation { inner.collation = try TDSCollation(from: &properties) }
        if base.hasPrecision { inner.precision = try properties.byte() }
        if base.hasScale || base.hasPrecision { inner.scale = try properties.byte() }
        guard inner.scale <= (base.hasScale ? 7 : 38) else { throw .malformed("a sql_variant has scale \(inner.scale)") }
        return try inner.decodeBody(body)
    }

    private func decodeFixed(_ bytes: [UInt8]) throws(WireError) -> TDSValue {
        let raw = number(bytes)
        switch (type, bytes.count) {
        case (.tinyInt, 1), (.intN, 1): return .integer(Int64(raw))
        case (.bit, 1), (.bitN, 1): return .boolean(raw != 0)
        case (.smallInt, 2), (.intN, 2): return .integer(Int64(Int16(truncatingIfNeeded: raw)))
        case (.int, 4), (.intN, 4): return .integer(Int64(Int32(truncatingIfNeeded: raw)))
        case (.bigInt, 8), (.intN, 8): return .integer(Int64(bitPattern: raw))
        case (.real, 4), (.floatN, 4): return .double(Double(Float(bitPattern: UInt32(truncatingIfNeeded: raw))))
        case (.float, 8), (.floatN, 8): return .double(Double(bitPattern: raw))
        case (.smallMoney, 4), (.moneyN, 4): return Self.money(Int64(Int32(truncatingIfNeeded: raw)))
        // The high half comes first.
        case (.money, 8), (.moneyN, 8): return Self.money(Int64(bitPattern: raw << 32 | raw >> 32))
        case (.smallDateTime, 4), (.dateTimeN, 4):
            let minutes = Int(raw >> 16)
            guard minutes < 1440 else { throw .malformed("a smalldatetime has \(minutes) minutes") }
            let date = try Self.date(UInt64(TDSDate.year1900) + (raw & 0xFFFF))
            return .timestamp(TDSTimestamp(date: date, time: TDSTime(ticks: minutes * 60 * TDSTime.ticksPerSecond, scale: 0)))
        case (.dateTime, 8), (.dateTimeN, 8):
            let days = TDSDate.year1900 + Int(Int32(truncatingIfNeeded: raw))
            let parts = Int(raw >> 32)
            guard days >= 0, parts < 86_400 * 300 else { throw .malformed("a datetime is outside its range") }
            // 1/300 s; SQL Server shows thousandths, rounded.
            let milliseconds = (parts * 10 + 1) / 3
            return .timestamp(TDSTimestamp(date: try Self.date(UInt64(days)), time: TDSTime(ticks: milliseconds * 10_000, scale: 3)))
        default: throw wrongLength(bytes.count)
        }
    }

    private func time(_ bytes: [UInt8]) throws(WireError) -> TDSTime {
        guard bytes.count == timeSize else { throw wrongLength(bytes.count) }
        let unit = Self.ticks(perUnitOf: scale)
        let count = number(bytes)
        guard count < UInt64(TDSTime.ticksPerDay / unit) else { throw .malformed("a time of day is past midnight") }
        return TDSTime(ticks: Int(count) * unit, scale: Int(scale))
    }

    private func timestamp(_ bytes: [UInt8]) throws(WireError) -> TDSTimestamp {
        guard bytes.count == timeSize + 3 else { throw wrongLength(bytes.count) }
        return TDSTimestamp(date: try Self.date(number(bytes.suffix(3))), time: try time(Array(bytes.dropLast(3))))
    }

    /// **Source**: MS-TDS 2.2.5.5.1.9. **Unit**: bytes.
    private var timeSize: Int { scale <= 2 ? 3 : scale <= 4 ? 4 : 5 }

    private static func ticks(perUnitOf scale: UInt8) -> Int { (scale..<7).reduce(1) { value, _ in value * 10 } }

    private static func date(_ days: UInt64) throws(WireError) -> TDSDate {
        guard days <= UInt64(TDSDate.last) else { throw .malformed("a date lies after the year 9999") }
        return TDSDate(dayNumber: Int(days))
    }

    private static func money(_ value: Int64) -> TDSValue {
        .decimal(TDSDecimal(isNegative: value < 0, magnitude: UInt128(value.magnitude), scale: 4))
    }

    private func number(_ bytes: some BidirectionalCollection<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

    private func wrongLength(_ count: Int) -> WireError {
        .malformed("a value of type 0x\(hexadecimal(type.rawValue)) cannot have \(count) bytes")
    }
}

// MARK: To bytes

extension ColumnType {
    /// Writes a value with its length. **Throws** when the type cannot hold the value.
    package func encodeValue(_ value: TDSValue, into writer: inout ByteWriter) throws(WireError) {
        if value.isNull { return try encodeNull(into: &writer) }
        let body = try encodeBody(value)
        if isChunked {
            // Total unknown, one chunk, end: what drivers write. **Source**: MS-TDS 2.2.5.2.3.
            writer.uint64(ChunkedValue.unknownTotal)
            if !body.isEmpty {
                writer.uint32(UInt32(truncatingIfNeeded: body.count))
                writer.append(body)
            }
            writer.uint32(0)
            return
        }
        if type.isLarge || type == .variant {
            if type.isLarge {
                writer.byte(16)
                writer.zeros(16 + 8)
            }
            writer.uint32(UInt32(truncatingIfNeeded: body.count))
        } else if type.fixedSize == nil {
            guard body.count <= largestValue else { throw .beyondLimit("a value of \(body.count) bytes", largestValue) }
            writer.little(UInt64(body.count), type.hasLongLength ? 2 : 1)
        }
        writer.append(body)
    }

    private func encodeNull(into writer: inout ByteWriter) throws(WireError) {
        if isChunked {
            writer.uint64(ChunkedValue.nullTotal)
        } else if type == .variant {
            writer.uint32(0)
        } else if type.hasLongLength {
            writer.uint16(UInt16(Self.nullLength))
        } else if type.fixedSize == nil {
            writer.byte(0)
        } else if type != .null {
            throw .malformed("a column of type 0x\(hexadecimal(type.rawValue)) cannot be NULL")
        }
    }

    private func encodeBody(_ value: TDSValue) throws(WireError) -> [UInt8] {
        guard value.isInRange else { throw mismatch(value) }
        var writer = ByteWriter()
        let width = type.fixedSize ?? size
        switch (type, value) {
        case (.tinyInt, .integer(let number)), (.smallInt, .integer(let number)), (.int, .integer(let number)),
            (.bigInt, .integer(let number)), (.intN, .integer(let number)):
            let bits = width * 8
            let fits =
                bits == 64 || (bits == 8 ? (0...255).contains(number) : (-(1 << (bits - 1))...(1 << (bits - 1)) - 1).contains(number))
            guard fits else { throw .beyondLimit("the number \(number) in bits", bits) }
            writer.little(UInt64(bitPattern: number), width)
        case (.bit, .boolean(let flag)), (.bitN, .boolean(let flag)): writer.byte(flag ? 1 : 0)
        case (.real, .double(let number)): writer.uint32(Float(number).bitPattern)
        case (.floatN, .double(let number)) where size == 4: writer.uint32(Float(number).bitPattern)
        case (.float, .double(let number)), (.floatN, .double(let number)): writer.uint64(number.bitPattern)
        case (.smallMoney, .decimal(let number)), (.money, .decimal(let number)), (.moneyN, .decimal(let number)):
            let largest = width == 4 ? UInt128(Int32.max) : UInt128(Int64.max)
            guard number.scale == 4, number.magnitude <= largest + (number.isNegative ? 1 : 0) else { throw mismatch(value) }
            let magnitude = UInt64(truncatingIfNeeded: number.magnitude)
            let raw = number.isNegative ? 0 &- magnitude : magnitude
            writer.little(width == 4 ? raw : raw << 32 | raw >> 32, width)
        case (.decimal, .decimal(let number)), (.numeric, .decimal(let number)):
            guard number.scale == Int(scale) else { throw mismatch(value) }
            writer.byte(number.isNegative ? 0 : 1)
            for index in 0..<max(0, size - 1) { writer.byte(UInt8(truncatingIfNeeded: number.magnitude >> (8 * UInt128(index)))) }
        case (.guid, .identifier(let identifier)): writer.append(identifier.wire)
        case (.date, .date(let date)): writer.little(UInt64(date.dayNumber.magnitude), 3)
        case (.time, .time(let time)): encode(time, into: &writer)
        case (.dateTime2, .timestamp(let moment)): encode(moment, into: &writer)
        case (.dateTimeOffset, .offsetTimestamp(let moment)):
            encode(moment.utc, into: &writer)
            writer.uint16(UInt16(bitPattern: Int16(truncatingIfNeeded: moment.offset)))
        case (.smallDateTime, .timestamp(let moment)): encodeSmall(moment, into: &writer)
        case (.dateTimeN, .timestamp(let moment)) where size == 4: encodeSmall(moment, into: &writer)
        case (.dateTime, .timestamp(let moment)), (.dateTimeN, .timestamp(let moment)):
            writer.int32(Int32(truncatingIfNeeded: moment.date.dayNumber - TDSDate.year1900))
            writer.uint32(UInt32(truncatingIfNeeded: (moment.time.ticks / 10_000 * 3 + 5) / 10))
        // Text of an unknown code page out of a sql_variant: its own type, which came before these bytes, is not among them.
        case (.variant, .unread(let unread)) where !unread.type.isEmpty && !unread.type.hasPrefix(Self.variantName): throw mismatch(value)
        case (let type, .unread(let value)) where type.fixedSize == nil: writer.append(value.bytes)
        case (.nVarChar, .text(let text)), (.nChar, .text(let text)), (.nText, .text(let text)), (.xml, .text(let text)): writer.text(text)
        case (.varChar, .text(let text)), (.char, .text(let text)), (.text, .text(let text)):
            guard let bytes = (collation ?? .default).encode(text) else {
                throw .malformed("the text has characters outside the code page of its type")
            }
            writer.append(bytes)
        case (.varBinary, .binary(let bytes)), (.binary, .binary(let bytes)), (.image, .binary(let bytes)):
            writer.append(bytes)
        default: throw mismatch(value)
        }
        return writer.bytes
    }

    private func encode(_ time: TDSTime, into writer: inout ByteWriter) {
        writer.little(UInt64(time.ticks.magnitude) / UInt64(Self.ticks(perUnitOf: scale)), timeSize)
    }

    private func encode(_ moment: TDSTimestamp, into writer: inout ByteWriter) {
        encode(moment.time, into: &writer)
        writer.little(UInt64(moment.date.dayNumber.magnitude), 3)
    }

    private func encodeSmall(_ moment: TDSTimestamp, into writer: inout ByteWriter) {
        writer.uint16(UInt16(truncatingIfNeeded: moment.date.dayNumber - TDSDate.year1900))
        writer.uint16(UInt16(truncatingIfNeeded: moment.time.ticks / (60 * TDSTime.ticksPerSecond)))
    }

    private func mismatch(_ value: TDSValue) -> WireError {
        // The value itself is the caller's data and stays out of errors.
        .malformed("this value does not fit type 0x\(hexadecimal(type.rawValue))")
    }
}

extension TDSValue {
    /// Whether a date lies in the years 1 to 9999, a time within one day and a number is one, as every type of the server demands.
    fileprivate var isInRange: Bool {
        switch self {
        case .date(let date): date.isInRange
        case .time(let time): time.isInRange
        case .timestamp(let moment): moment.date.isInRange && moment.time.isInRange
        case .offsetTimestamp(let moment):
            moment.utc.date.isInRange && moment.utc.time.isInRange && abs(moment.offset) <= TDSOffsetTimestamp.largestOffset
        // A server that reads these from the wire ends the connection. Source: MS-TDS 2.2.5.5.1.5 and 2.2.5.5.1.6.
        case .double(let number): number.isFinite
        case .decimal(let number): number.magnitude < TDSDecimal.tooLarge && (0...TDSDecimal.mostDigits).contains(number.scale)
        default: true
        }
    }
}

extension TDSDecimal {
    /// 10 to the power of 38.
    fileprivate static let tooLarge = (0..<mostDigits).reduce(UInt128(1)) { value, _ in value * 10 }
}

extension TDSDate {
    fileprivate var isInRange: Bool { (0...Self.last).contains(dayNumber) }
}

extension TDSTime {
    fileprivate var isInRange: Bool { (0..<Self.ticksPerDay).contains(ticks) }
}

// MARK: Chunks

/// A value of a max type while its chunks arrive. **Source**: MS-TDS 2.2.5.2.3, PARTLENTYPE.
package struct ChunkedValue: Sendable, Hashable {
    package static let nullTotal: UInt64 = 0xFFFF_FFFF_FFFF_FFFF
    package static let unknownTotal: UInt64 = 0xFFFF_FFFF_FFFF_FFFE

    /// Nil when the server did not say.
    var total: Int?
    /// Grows with what has arrived, never with what was announced.
    var bytes: [UInt8] = []
    /// How many bytes have arrived.
    var count = 0
    /// What is left of the present chunk.
    var left = 0

    /// Nil for NULL.
    init?(total raw: UInt64, limit: Int) throws(WireError) {
        switch raw {
        case Self.nullTotal: return nil
        case Self.unknownTotal: total = nil
        default:
            guard raw <= UInt64(limit) else { throw .beyondLimit("a value", limit) }
            total = Int(raw)
        }
    }

    /// Takes what has arrived of chunks; true once the value is complete.
    ///
    /// - Parameter keeping: false for a value that nobody wants.
    mutating func take(from reader: inout ByteReader, limit: Int, keeping: Bool = true) throws(WireError) -> Bool {
        while true {
            if left == 0 {
                if reader.remaining < 4 { return false }
                let size = Int(try reader.uint32())
                if size == 0 { break }
                guard count + size <= min(limit, total ?? limit) else {
                    throw total.map { .malformed("the chunks of a value exceed its announced \($0) bytes") }
                        ?? .beyondLimit("a value", limit)
                }
                left = size
            }
            let portion = min(left, reader.remaining)
            if portion == 0 { return false }
            let piece = try reader.take(portion)
            if keeping { bytes += piece }
            count += portion
            left -= portion
        }
        if let total, total != count { throw .malformed("a value announced as \(total) bytes has \(count)") }
        return true
    }
}
