// The types of columns and parameters, as they are declared on the wire.

/// **Source**: MS-TDS 2.2.5.4, data type definitions.
package enum DataType: UInt8, Sendable, Hashable, CaseIterable {
    // Fixed length, never null. 2.2.5.4.1
    case null = 0x1F
    case tinyInt = 0x30
    case bit = 0x32
    case smallInt = 0x34
    case int = 0x38
    case smallDateTime = 0x3A
    case real = 0x3B
    case money = 0x3C
    case dateTime = 0x3D
    case float = 0x3E
    case smallMoney = 0x7A
    case bigInt = 0x7F
    // One byte of length before each value. 2.2.5.4.2
    case guid = 0x24
    case intN = 0x26
    case date = 0x28
    case time = 0x29
    case dateTime2 = 0x2A
    case dateTimeOffset = 0x2B
    case bitN = 0x68
    case decimal = 0x6A
    case numeric = 0x6C
    case floatN = 0x6D
    case moneyN = 0x6E
    case dateTimeN = 0x6F
    // Two bytes of length before each value, or chunks when the declared size is 0xFFFF. 2.2.5.4.2 and 2.2.5.4.3
    case varBinary = 0xA5
    case varChar = 0xA7
    case binary = 0xAD
    case char = 0xAF
    case nVarChar = 0xE7
    case nChar = 0xEF

    /// The size of a value of a type that has no length on the wire.
    var fixedSize: Int? {
        switch self {
        case .null: 0
        case .tinyInt, .bit: 1
        case .smallInt: 2
        case .int, .smallDateTime, .real, .smallMoney: 4
        case .money, .dateTime, .float, .bigInt: 8
        default: nil
        }
    }

    var isText: Bool { self == .varChar || self == .char || self == .nVarChar || self == .nChar }
    var isUnicode: Bool { self == .nVarChar || self == .nChar }
    var hasLongLength: Bool { rawValue & 0x80 != 0 }
    var hasScale: Bool { self == .time || self == .dateTime2 || self == .dateTimeOffset }
    var hasPrecision: Bool { self == .decimal || self == .numeric }
}

/// TYPE_INFO: type, size, scale, collation. **Source**: MS-TDS 2.2.5.6.
package struct ColumnType: Sendable, Hashable {
    package var type: DataType
    /// Largest size of a value; `chunked` for max types. **Unit**: bytes.
    package var size = 0
    package var precision: UInt8 = 0
    package var scale: UInt8 = 0
    package var collation: TDSCollation?

    package init(_ type: DataType, size: Int = 0, precision: UInt8 = 0, scale: UInt8 = 0, collation: TDSCollation? = nil) {
        self.type = type
        self.size = size
        self.precision = precision
        self.scale = scale
        self.collation = type.isText ? collation ?? .default : nil
    }

    /// Stands for "max". **Source**: MS-TDS 2.2.5.4.3.
    package static let chunked = 0xFFFF
    /// Values come as chunks with a total before them (PLP). **Source**: MS-TDS 2.2.5.2.3.
    package var isChunked: Bool { type.hasLongLength && size == Self.chunked }

    /// - Parameter ofServer: a column or an output. NULLTYPE is for the parameters of clients; as a column it would give values that cost no byte.
    ///   **Source**: MS-TDS 2.2.5.4.1.
    package init(from reader: inout ByteReader, ofServer: Bool = false) throws(WireError) {
        let raw = try reader.byte()
        guard let type = DataType(rawValue: raw), !(ofServer && type == .null) else { throw WireError(.unsupportedType(raw)) }
        self.type = type
        if type.fixedSize != nil { return }
        if type.hasScale {
            scale = try reader.byte()
            guard scale <= 7 else { throw .malformed("a time column has scale \(scale), at most 7 is possible") }
            return
        }
        if type == .date { return }
        size = type.hasLongLength ? try reader.length16() : Int(try reader.byte())
        if type.hasPrecision {
            precision = try reader.byte()
            scale = try reader.byte()
            guard (1...38).contains(precision), scale <= precision else {
                throw .malformed("a decimal column has precision \(precision) and scale \(scale)")
            }
        }
        if type.isText { collation = try TDSCollation(from: &reader) }
        guard isSizePossible else { throw .malformed("a column of type 0x\(hexadecimal(raw)) cannot have size \(size)") }
    }

    private var isSizePossible: Bool {
        switch type {
        case .guid: size == 16
        case .intN: [1, 2, 4, 8].contains(size)
        case .bitN: size == 1
        case .floatN, .moneyN, .dateTimeN: size == 4 || size == 8
        case .decimal, .numeric: (5...17).contains(size)
        case .nVarChar, .nChar: size == Self.chunked || (size <= 8_000 && size.isMultiple(of: 2))
        case .varChar, .char, .varBinary, .binary: size == Self.chunked || size <= 8_000
        default: true
        }
    }

    package func encode(into writer: inout ByteWriter) {
        writer.byte(type.rawValue)
        if type.fixedSize != nil || type == .date { return }
        if type.hasScale {
            writer.byte(scale)
            return
        }
        if type.hasLongLength { writer.uint16(UInt16(truncatingIfNeeded: size)) } else { writer.byte(UInt8(truncatingIfNeeded: size)) }
        if type.hasPrecision { writer.append([precision, scale]) }
        collation?.encode(into: &writer)
    }
}

/// The rules and the code page of a text. **Source**: MS-TDS 2.2.5.1.2, collation.
package struct TDSCollation: Sendable, Hashable {
    /// Locale in the low 20 bits, then flags and version.
    package var info: UInt32
    /// Above 0 for the old SQL collations.
    package var sortID: UInt8

    package init(info: UInt32, sortID: UInt8) {
        self.info = info
        self.sortID = sortID
    }

    /// SQL_Latin1_General_CP1_CI_AS, with which Azure SQL databases are made.
    package static let `default` = TDSCollation(info: 0x00D0_0409, sortID: 52)

    package var locale: UInt32 { info & 0xF_FFFF }
    /// `varchar` columns hold UTF-8.
    package var isUTF8: Bool { info & 0x0400_0000 != 0 }

    init(from reader: inout ByteReader) throws(WireError) {
        info = try reader.uint32()
        sortID = try reader.byte()
    }

    package func encode(into writer: inout ByteWriter) {
        writer.uint32(info)
        writer.byte(sortID)
    }

    package var bytes: [UInt8] {
        var writer = ByteWriter()
        encode(into: &writer)
        return writer.bytes
    }

    package init?(bytes: [UInt8]) {
        guard bytes.count == 5 else { return nil }
        info = bytes[..<4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        sortID = bytes[4]
    }

    /// Text of a `varchar`. ASCII and UTF-8 are exact, every other code page is read as Windows-1252, that of Western Europe.
    func decode(_ bytes: some Collection<UInt8>) -> String {
        if isUTF8 || bytes.allSatisfy({ $0 < 0x80 }) { return String(decoding: bytes, as: UTF8.self) }
        var scalars = String.UnicodeScalarView()
        for byte in bytes {
            let code = (0x80...0x9F).contains(byte) ? Self.windows1252[Int(byte) - 0x80] : UInt16(byte)
            scalars.append(Unicode.Scalar(code) ?? "\u{FFFD}")
        }
        return String(scalars)
    }

    /// Nil when a character is not in the code page.
    func encode(_ text: String) -> [UInt8]? {
        if isUTF8 { return Array(text.utf8) }
        var bytes: [UInt8] = []
        for scalar in text.unicodeScalars {
            if scalar.value < 0x80 || (0xA0...0xFF).contains(scalar.value) {
                bytes.append(UInt8(scalar.value))
            } else if let index = Self.windows1252.firstIndex(where: { UInt32($0) == scalar.value }) {
                bytes.append(UInt8(0x80 + index))
            } else {
                return nil
            }
        }
        return bytes
    }

    /// Characters 0x80 to 0x9F; the five unused places keep their own number. **Source**: WHATWG Encoding, windows-1252.
    private static let windows1252: [UInt16] = [
        0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008D, 0x017D, 0x008F,
        0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178,
    ]
}

/// A column of a result. **Source**: MS-TDS 2.2.7.4, COLMETADATA.
public struct TDSColumn: Sendable, Hashable {
    public var name: String
    package var type: ColumnType
    package var flags: UInt16
    package var userType: UInt32

    package init(_ name: String, _ type: ColumnType, flags: UInt16 = 0x0009, userType: UInt32 = 0) {
        self.name = name
        self.type = type
        self.flags = flags
        self.userType = userType
    }

    /// Whether the server says that values may be NULL.
    public var isNullable: Bool { flags & 1 == 1 }

    init(from reader: inout ByteReader) throws(WireError) {
        userType = try reader.uint32()
        flags = try reader.uint16()
        type = try ColumnType(from: &reader, ofServer: true)
        name = try reader.shortText()
    }

    package func encode(into writer: inout ByteWriter) {
        writer.uint32(userType)
        writer.uint16(flags)
        type.encode(into: &writer)
        writer.shortText(name)
    }
}
