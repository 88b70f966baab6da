// The type of a column in the words of SQL.

/// What a column was declared as, as far as the server tells a client.
public struct TDSColumnType: Sendable, Hashable, CustomStringConvertible {
    /// `int`, `nvarchar`, `datetime2`; of a CLR type its own name, as `geography`.
    public var name: String
    /// Of character and binary types: how long a value may be, in characters of `nchar` and `nvarchar`, in bytes of the others. Nil for types that
    /// are declared without a length, and for `max`.
    public var size: Int?
    /// Whether it was declared with `max`.
    public var isMax = false
    /// Of `decimal` and `numeric`: how many digits a value may have.
    public var precision: Int?
    /// Of `decimal` and `numeric`: how many of them stand behind the point. Of `time`, `datetime2` and `datetimeoffset`: digits of the second.
    public var scale: Int?

    /// As it would be declared: `nvarchar(40)`, `varbinary(max)`, `decimal(9, 2)`, `time(3)`.
    public var description: String {
        if isMax { return "\(name)(max)" }
        if let precision, let scale { return "\(name)(\(precision), \(scale))" }
        return (size ?? scale).map { "\(name)(\($0))" } ?? name
    }
}

extension TDSColumn {
    /// What the column was declared as.
    public var declared: TDSColumnType { type.declared }
}

extension ColumnType {
    var declared: TDSColumnType {
        var declared = TDSColumnType(name: sqlName)
        if type.hasDeclaredLength {
            declared.isMax = isChunked
            if !isChunked { declared.size = type.isUnicode ? size / 2 : size }
        }
        if type.hasPrecision { declared.precision = Int(precision) }
        if type.hasPrecision || type.hasScale { declared.scale = Int(scale) }
        return declared
    }

    /// **Source**: MS-TDS 2.2.5.4, and Microsoft Learn, Data types.
    private var sqlName: String {
        switch type {
        case .null: "null"
        case .tinyInt: "tinyint"
        case .smallInt: "smallint"
        case .int: "int"
        case .bigInt: "bigint"
        case .intN: size == 1 ? "tinyint" : size == 2 ? "smallint" : size == 4 ? "int" : "bigint"
        case .bit, .bitN: "bit"
        case .real: "real"
        case .float: "float"
        case .floatN: size == 4 ? "real" : "float"
        case .smallMoney: "smallmoney"
        case .money: "money"
        case .moneyN: size == 4 ? "smallmoney" : "money"
        case .smallDateTime: "smalldatetime"
        case .dateTime: "datetime"
        case .dateTimeN: size == 4 ? "smalldatetime" : "datetime"
        case .guid: "uniqueidentifier"
        case .date: "date"
        case .time: "time"
        case .dateTime2: "datetime2"
        case .dateTimeOffset: "datetimeoffset"
        case .decimal: "decimal"
        case .numeric: "numeric"
        case .varBinary: "varbinary"
        case .varChar: "varchar"
        case .binary: "binary"
        case .char: "char"
        case .nVarChar: "nvarchar"
        case .nChar: "nchar"
        case .image: "image"
        case .text: "text"
        case .nText: "ntext"
        case .variant: "sql_variant"
        case .xml: "xml"
        case .userDefined: names.count == 4 ? printable(names[2]) : "CLR type"
        }
    }
}

extension DataType {
    fileprivate var hasDeclaredLength: Bool {
        switch self {
        case .varBinary, .varChar, .binary, .char, .nVarChar, .nChar: true
        default: false
        }
    }
}
