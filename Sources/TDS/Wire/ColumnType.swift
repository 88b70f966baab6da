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
    // A pointer and four bytes of length before each value: of old tables. 2.2.5.5.3
    case image = 0x22
    case text = 0x23
    case nText = 0x63
    // Four bytes of length, then a type of its own for each value. 2.2.5.5.4
    case variant = 0x62
    // Always in chunks. 2.2.5.5.2 and 2.2.5.5.3
    case userDefined = 0xF0
    case xml = 0xF1

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

    var hasCollation: Bool { self == .varChar || self == .char || self == .nVarChar || self == .nChar || self == .text || self == .nText }
    /// Stored outside its row, with a pointer in it.
    var isLarge: Bool { self == .image || self == .text || self == .nText }
    var isAlwaysChunked: Bool { self == .xml || self == .userDefined }
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
    /// Of `xml`: database, owner and collection of its schema, where it has one. Of a CLR type: database, schema, type and assembly.
    package var names: [String] = []

    package init(_ type: DataType, size: Int = 0, precision: UInt8 = 0, scale: UInt8 = 0, collation: TDSCollation? = nil) {
        self.type = type
        self.size = type.isAlwaysChunked ? Self.chunked : size
        self.precision = precision
        self.scale = scale
        self.collation = type.hasCollation ? collation ?? .default : nil
    }

    /// Stands for "max". **Source**: MS-TDS 2.2.5.4.3.
    package static let chunked = 0xFFFF
    /// Values come as chunks with a total before them (PLP). **Source**: MS-TDS 2.2.5.2.3.
    package var isChunked: Bool { type.isAlwaysChunked || type.hasLongLength && size == Self.chunked }

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
        if type.isAlwaysChunked {
            try readNames(&reader)
            return
        }
        if type.isLarge || type == .variant {
            size = Int(try reader.uint32())
            if type.hasCollation { collation = try TDSCollation(from: &reader) }
            return
        }
        size = type.hasLongLength ? try reader.length16() : Int(try reader.byte())
        if type.hasPrecision {
            precision = try reader.byte()
            scale = try reader.byte()
            guard (1...38).contains(precision), scale <= precision else {
                throw .malformed("a decimal column has precision \(precision) and scale \(scale)")
            }
        }
        if type.hasCollation { collation = try TDSCollation(from: &reader) }
        guard isSizePossible else { throw .malformed("a column of type 0x\(hexadecimal(raw)) cannot have size \(size)") }
    }

    private mutating func readNames(_ reader: inout ByteReader) throws(WireError) {
        size = Self.chunked
        if type == .xml {
            // 1: the names of a schema follow. Source: MS-TDS 2.2.5.5.3, XML_INFO.
            if try reader.byte() == 1 { names = [try reader.shortText(), try reader.shortText(), try reader.longText()] }
        } else {
            // The largest size stands first. Source: MS-TDS 2.2.5.5.2, UDT_INFO_IN_COLMETADATA.
            try reader.skip(2)
            names = [try reader.shortText(), try reader.shortText(), try reader.shortText(), try reader.longText()]
        }
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
        if type.isAlwaysChunked {
            if type == .xml { writer.byte(names.count == 3 ? 1 : 0) } else { writer.uint16(UInt16(Self.chunked)) }
            for (index, name) in names.enumerated() {
                if index == (type == .xml ? 2 : 3) { writer.longText(name, limit: 0xFFFF) } else { writer.shortText(name) }
            }
            return
        }
        if type.isLarge || type == .variant {
            writer.uint32(UInt32(truncatingIfNeeded: size))
            collation?.encode(into: &writer)
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

    /// That of `varchar` values; 65001 is UTF-8. Nil when the collation has none, or one that is not known here.
    package var codePage: Int? {
        if isUTF8 { return 65_001 }
        return sortID != 0 ? CodePage.number(sortID: sortID) : CodePage.number(locale: locale)
    }

    /// Text of a `varchar`; nil when it has characters beyond ASCII in a code page that is not read here.
    func decode(_ bytes: some Collection<UInt8>) -> String? {
        if isUTF8 || bytes.allSatisfy({ $0 < 0x80 }) { return String(decoding: bytes, as: UTF8.self) }
        return codePage.flatMap(CodePage.init)?.decode(bytes)
    }

    /// Nil when a character is not in the code page.
    func encode(_ text: String) -> [UInt8]? {
        if isUTF8 || text.utf8.allSatisfy({ $0 < 0x80 }) { return Array(text.utf8) }
        return codePage.flatMap(CodePage.init)?.encode(text)
    }
}

/// A column of a result. **Source**: MS-TDS 2.2.7.4, COLMETADATA.
public struct TDSColumn: Sendable, Hashable {
    public var name: String
    package var type: ColumnType
    package var flags: UInt16
    package var userType: UInt32
    /// Where a value of an old large type lies: the parts of the table's name.
    package var table: [String] = []

    package init(_ name: String, _ type: ColumnType, flags: UInt16 = 0x0009, userType: UInt32 = 0) {
        self.name = name
        self.type = type
        self.flags = flags
        self.userType = userType
    }

    /// Server, database, schema and table.
    private static let mostParts = 4

    /// Whether the server says that values may be NULL.
    public var isNullable: Bool { flags & 1 == 1 }

    init(from reader: inout ByteReader) throws(WireError) {
        userType = try reader.uint32()
        flags = try reader.uint16()
        type = try ColumnType(from: &reader, ofServer: true)
        // Source: MS-TDS 2.2.7.4, TableName.
        if type.type.isLarge {
            let parts = Int(try reader.byte())
            guard parts <= Self.mostParts else { throw .beyondLimit("the number of parts in the name of a table", Self.mostParts) }
            for _ in 0..<parts { table.append(try reader.longText()) }
        }
        name = try reader.shortText()
    }

    package func encode(into writer: inout ByteWriter) {
        writer.uint32(userType)
        writer.uint16(flags)
        type.encode(into: &writer)
        if type.type.isLarge {
            writer.byte(UInt8(min(Self.mostParts, table.count)))
            for part in table.prefix(Self.mostParts) { writer.longText(part, limit: 0xFFFF) }
        }
        writer.shortText(name)
    }
}
