// What a column or parameter can hold.

/// One value of a row, or of a parameter.
///
/// Sizes are merged: every whole number is `.integer`, `float` and `real` are `.double`, `money` is `.decimal` with four digits, `xml`, `text` and
/// `ntext` are `.text`, `image` is `.binary`, and a `sql_variant` is what it holds.
///
/// Text of `char`, `varchar` and `text` is read in UTF-8 and in the code pages 437, 850, 874 and 1250 to 1258. What has no form here, as text of
/// other code pages and CLR types such as `geography`, is `.unread` with its bytes; `CAST(column AS nvarchar(max))` in the statement makes it text.
public enum TDSValue: Sendable, Hashable {
    case null
    case boolean(Bool)
    case integer(Int64)
    case double(Double)
    case decimal(TDSDecimal)
    case text(String)
    case binary([UInt8])
    case identifier(TDSIdentifier)
    case date(TDSDate)
    case time(TDSTime)
    case timestamp(TDSTimestamp)
    case offsetTimestamp(TDSOffsetTimestamp)
    case unread(TDSUnread)

    public var isNull: Bool { self == .null }

    /// The text of a text column; nil for every other value.
    public var text: String? {
        if case .text(let value) = self { value } else { nil }
    }

    /// Whole numbers, and bits as 0 or 1.
    public var integer: Int64? {
        switch self {
        case .integer(let value): value
        case .boolean(let value): value ? 1 : 0
        default: nil
        }
    }

    /// Bits, and whole numbers other than 0 as true.
    public var boolean: Bool? {
        switch self {
        case .boolean(let value): value
        case .integer(let value): value != 0
        default: nil
        }
    }
}

extension TDSValue: CustomStringConvertible {
    /// For people: `NULL`, `42`, `2024-02-29`, `0x0102`.
    public var description: String {
        switch self {
        case .null: "NULL"
        case .boolean(let value): value ? "1" : "0"
        case .integer(let value): String(value)
        case .double(let value): String(value)
        case .decimal(let value): value.description
        case .text(let value): value
        case .binary(let value): "0x" + hexadecimal(value)
        case .identifier(let value): value.description
        case .date(let value): value.description
        case .time(let value): value.description
        case .timestamp(let value): value.description
        case .offsetTimestamp(let value): value.description
        case .unread(let value): value.description
        }
    }
}

/// A value in a form that this client does not read.
public struct TDSUnread: Sendable, Hashable, CustomStringConvertible {
    /// For people: `text in code page 932`, `geography`.
    public var type: String
    /// As it came.
    public var bytes: [UInt8]

    public init(type: String, bytes: [UInt8]) {
        self.type = type
        self.bytes = bytes
    }

    /// `<text in code page 932, 4 bytes: CAST it to nvarchar>`.
    public var description: String { "<\(type), \(bytes.count) bytes: CAST it to nvarchar>" }
}

extension TDSValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral, ExpressibleByNilLiteral {
    public init(stringLiteral value: String) { self = .text(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(booleanLiteral value: Bool) { self = .boolean(value) }
    public init(nilLiteral: ()) { self = .null }
}

/// An exact decimal number of at most 38 digits. **Source**: MS-TDS 2.2.5.5.1.6, numeric and decimal.
public struct TDSDecimal: Sendable, Hashable, CustomStringConvertible {
    public var isNegative: Bool
    /// All digits as one whole number.
    public var magnitude: UInt128
    /// How many of them stand behind the point, 0 to 38.
    public var scale: Int

    public init(isNegative: Bool = false, magnitude: UInt128, scale: Int) {
        self.isNegative = isNegative
        self.magnitude = magnitude
        self.scale = scale
    }

    /// `-922337203685477.5808`.
    public var description: String {
        var digits = String(magnitude)
        let places = max(0, scale)
        if digits.count <= places { digits = String(repeating: "0", count: places - digits.count + 1) + digits }
        let point = digits.index(digits.endIndex, offsetBy: -places)
        return (isNegative ? "-" : "") + digits[..<point] + (places == 0 ? "" : "." + digits[point...])
    }

    package static let mostDigits = 38
}

/// A `uniqueidentifier`, in the order in which it is written.
public struct TDSIdentifier: Sendable, Hashable, CustomStringConvertible {
    /// Sixteen bytes as RFC 9562 orders them.
    public let bytes: [UInt8]

    /// Nil unless there are sixteen bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.size else { return nil }
        self.bytes = bytes
    }

    /// Reads `00112233-4455-6677-8899-aabbccddeeff`; nil when it is not that.
    public init?(_ text: String) {
        guard text.split(separator: "-", omittingEmptySubsequences: false).map(\.utf8.count) == [8, 4, 4, 4, 12] else { return nil }
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in text.utf8 where digit != UInt8(ascii: "-") {
            guard let half = Character(Unicode.Scalar(digit)).hexDigitValue.map(UInt8.init) else { return nil }
            if let first = high {
                bytes.append(first << 4 | half)
                high = nil
            } else {
                high = half
            }
        }
        guard bytes.count == Self.size else { return nil }
        self.bytes = bytes
    }

    /// The first three groups are stored low byte first. **Source**: MS-DTYP 2.3.4, GUID.
    package init(wire: [UInt8]) throws(WireError) {
        guard wire.count == Self.size else { throw .malformed("a uniqueidentifier has \(wire.count) bytes instead of 16") }
        bytes = Self.wireOrder.map { wire[$0] }
    }

    package var wire: [UInt8] { Self.wireOrder.map { bytes[$0] } }

    /// The order is its own inverse.
    private static let wireOrder = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
    private static let size = 16

    public var description: String {
        let text = hexadecimal(bytes)
        let cuts = [0, 8, 12, 16, 20, 32].map { text.index(text.startIndex, offsetBy: $0) }
        return zip(cuts, cuts.dropFirst()).map { String(text[$0..<$1]) }.joined(separator: "-")
    }
}
