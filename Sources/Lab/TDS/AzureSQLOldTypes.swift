// What the lab's Azure SQL server says of types that are rare: the large ones of old tables, xml, and values that bring their own type.
import TDS

extension AzureSQLScript {
    /// The types that carry a pointer, chunks without a total, or a type of their own in front of each value; with values, and NULL.
    static var oldTypes: [ReplyToken] {
        let large = [
            ("text", ColumnType(.text, size: 0x7FFF_FFFF), "caf\u{E9} of old" as TDSValue),
            ("ntext", ColumnType(.nText, size: 0x7FFF_FFFE), "h\u{E9}llo \u{20AC} \u{1F600}"),
            ("image", ColumnType(.image, size: 0x7FFF_FFFF), .binary([0, 1, 0xFE, 0xFF])),
        ]
        var columns = large.map { name, type, _ in
            // Where the value lies. Source: MS-TDS 2.2.7.4, TableName.
            var column = TDSColumn(name, type)
            column.table = ["dbo", "papers"]
            return column
        }
        columns.append(TDSColumn("xml", ColumnType(.xml)))
        var values = large.map(\.2)
        values.append("<order id=\"1\">caf\u{E9}</order>")
        for (name, type, value) in variants {
            columns.append(TDSColumn("sql_variant of \(name)", ColumnType(.variant, size: 8_009)))
            values.append(.unread(TDSUnread(type: "", bytes: variant(type, value))))
        }
        let nulls = columns.map { _ in TDSValue.null }
        return [.columns(columns), .row(values, compressed: false), .row(nulls, compressed: false), .row(values, compressed: true)]
            + [.row(nulls, compressed: true), .done(Done([.count], command: Done.selectCommand, rowCount: 4))]
    }

    private static var variants: [(String, ColumnType, TDSValue)] {
        let date = TDSDate(year: 2024, month: 2, day: 29) ?? TDSDate(dayNumber: 0)
        let exact = TDSTimestamp(date: date, time: TDSTime(hour: 12, minute: 34, second: 56, ticks: 1_234_567))
        let coarse = TDSTimestamp(date: date, time: TDSTime(hour: 12, minute: 34, second: 56, ticks: 9_970_000, scale: 3))
        return [
            ("tinyint", ColumnType(.tinyInt), 255), ("smallint", ColumnType(.smallInt), -32768), ("int", ColumnType(.int), -7),
            ("bigint", ColumnType(.bigInt), .integer(1 << 40)), ("bit", ColumnType(.bit), true),
            ("real", ColumnType(.real), .double(-2.25)),
            ("float", ColumnType(.float), .double(1.5)),
            (
                "decimal", ColumnType(.decimal, size: 17, precision: 38, scale: 4),
                .decimal(TDSDecimal(isNegative: true, magnitude: 123_456_789_012_345_678, scale: 4))
            ),
            ("money", ColumnType(.money), .decimal(TDSDecimal(isNegative: true, magnitude: 12_345, scale: 4))),
            ("guid", ColumnType(.guid, size: 16), TDSIdentifier("00112233-4455-6677-8899-aabbccddeeff").map(TDSValue.identifier) ?? nil),
            ("datetime", ColumnType(.dateTime), .timestamp(coarse)), ("date", ColumnType(.date), .date(date)),
            ("time", ColumnType(.time, scale: 7), .time(exact.time)), ("datetime2", ColumnType(.dateTime2, scale: 7), .timestamp(exact)),
            ("datetimeoffset", ColumnType(.dateTimeOffset, scale: 7), .offsetTimestamp(TDSOffsetTimestamp(utc: exact, offset: -480))),
            ("nvarchar", ColumnType(.nVarChar, size: 80), "h\u{E9}llo \u{20AC}"), ("varchar", ColumnType(.varChar, size: 50), "caf\u{E9}"),
            ("varbinary", ColumnType(.varBinary, size: 8), .binary([1, 2, 0xFE, 0xFF])),
        ]
    }

    /// Type, properties, value. **Source**: MS-TDS 2.2.5.5.4, SQL_VARIANT.
    private static func variant(_ type: ColumnType, _ value: TDSValue) -> [UInt8] {
        var properties = ByteWriter()
        switch type.type {
        case .nVarChar, .varChar:
            type.collation?.encode(into: &properties)
            properties.uint16(UInt16(type.size))
        case .varBinary: properties.uint16(UInt16(type.size))
        case .decimal: properties.append([type.precision, type.scale])
        case .time, .dateTime2, .dateTimeOffset: properties.byte(type.scale)
        default: break
        }
        var body = ByteWriter()
        try? type.encodeValue(value, into: &body)
        // The length of the whole says where the value ends, so it has none of its own here.
        let prefix =
            switch type.type {
            case .nVarChar, .varChar, .varBinary: 2
            case .decimal, .guid, .date, .time, .dateTime2, .dateTimeOffset: 1
            default: 0
            }
        return [type.type.rawValue, UInt8(properties.bytes.count)] + properties.bytes + body.bytes.dropFirst(prefix)
    }
}
