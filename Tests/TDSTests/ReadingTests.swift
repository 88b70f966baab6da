// What a user of the library reads out of columns and values, without knowing the wire.

import Testing

@testable import TDS

@Suite struct ReadingTests {
    struct Declared: Sendable, CustomTestStringConvertible {
        var type: ColumnType
        var text: String
        var testDescription: String { text }
        init(_ type: ColumnType, _ text: String) { (self.type, self.text) = (type, text) }
    }

    @Test(
        "A column's type reads as it was declared",
        arguments: [
            Declared(ColumnType(.intN, size: 1), "tinyint"), Declared(ColumnType(.intN, size: 2), "smallint"),
            Declared(ColumnType(.intN, size: 4), "int"), Declared(ColumnType(.intN, size: 8), "bigint"), Declared(ColumnType(.int), "int"),
            Declared(ColumnType(.bitN, size: 1), "bit"), Declared(ColumnType(.floatN, size: 4), "real"),
            Declared(ColumnType(.floatN, size: 8), "float"), Declared(ColumnType(.moneyN, size: 4), "smallmoney"),
            Declared(ColumnType(.money), "money"), Declared(ColumnType(.dateTimeN, size: 4), "smalldatetime"),
            Declared(ColumnType(.dateTime), "datetime"), Declared(ColumnType(.decimal, size: 5, precision: 9, scale: 2), "decimal(9, 2)"),
            Declared(ColumnType(.numeric, size: 17, precision: 38, scale: 0), "numeric(38, 0)"),
            Declared(ColumnType(.nVarChar, size: 80), "nvarchar(40)"), Declared(ColumnType(.nChar, size: 6), "nchar(3)"),
            Declared(ColumnType(.varChar, size: 50), "varchar(50)"), Declared(ColumnType(.char, size: 3), "char(3)"),
            Declared(ColumnType(.nVarChar, size: ColumnType.chunked), "nvarchar(max)"),
            Declared(ColumnType(.varBinary, size: ColumnType.chunked), "varbinary(max)"),
            Declared(ColumnType(.binary, size: 2), "binary(2)"), Declared(ColumnType(.time, scale: 3), "time(3)"),
            Declared(ColumnType(.dateTime2, scale: 7), "datetime2(7)"),
            Declared(ColumnType(.dateTimeOffset, scale: 0), "datetimeoffset(0)"),
            Declared(ColumnType(.date), "date"), Declared(ColumnType(.guid, size: 16), "uniqueidentifier"),
            Declared(ColumnType(.xml), "xml"), Declared(ColumnType(.variant, size: 8_009), "sql_variant"),
            Declared(ColumnType(.text, size: 0x7FFF_FFFF), "text"), Declared(ColumnType(.userDefined), "CLR type"),
        ])
    func declared(row: Declared) {
        let column = TDSColumn("c", row.type)
        #expect(column.declared.description == row.text)
        #expect(row.text.hasPrefix(column.declared.name))
    }

    @Test("A CLR type has its own name, and every type has one")
    func names() {
        var type = ColumnType(.userDefined)
        type.names = ["db", "sys", "geography", "Microsoft.SqlServer.Types"]
        #expect(TDSColumn("c", type).declared.name == "geography")
        #expect(DataType.allCases.allSatisfy { !TDSColumn("c", ColumnType($0)).declared.name.isEmpty })
    }

    @Test("A value is given in the forms that it has, and in no other")
    func forms() throws {
        let price = TDSValue.decimal(TDSDecimal(isNegative: true, magnitude: 12_345, scale: 2))
        #expect(price.decimal?.description == "-123.45" && price.double == -123.45 && price.integer == nil && price.text == nil)
        #expect(TDSValue.integer(.min).decimal?.description == "-9223372036854775808" && TDSValue.integer(7).double == 7)
        #expect(TDSValue.double(1.5).double == 1.5 && TDSValue.double(1.5).decimal == nil)
        #expect(TDSValue.binary([1, 2]).bytes == [1, 2] && TDSValue.unread(TDSUnread(type: "geography", bytes: [3])).bytes == [3])
        let identifier = try #require(TDSIdentifier("00112233-4455-6677-8899-aabbccddeeff"))
        #expect(TDSValue.identifier(identifier).identifier == identifier && TDSValue.identifier(identifier).bytes == nil)
        for value in [TDSValue.null, "x", true] {
            #expect(value.decimal == nil && value.double == nil && value.bytes == nil && value.identifier == nil, "\(value)")
            #expect(value.date == nil && value.time == nil && value.timestamp == nil && value.offsetTimestamp == nil, "\(value)")
        }
    }

    @Test("Whatever has a day or a time of day gives it, a moment with its offset as the wall showed it")
    func moments() throws {
        let date = try #require(TDSDate(year: 2024, month: 2, day: 29))
        let time = TDSTime(hour: 3, minute: 4, second: 5, ticks: 1_234_567)
        let moment = TDSTimestamp(date: date, time: time)
        #expect(TDSValue.date(date).date == date && TDSValue.date(date).time == nil && TDSValue.time(time).time == time)
        #expect(TDSValue.timestamp(moment).date == date && TDSValue.timestamp(moment).time == time)
        #expect(TDSValue.timestamp(moment).offsetTimestamp == nil)
        let west = TDSOffsetTimestamp(utc: moment, offset: -480)
        let value = TDSValue.offsetTimestamp(west)
        #expect(value.offsetTimestamp == west && value.timestamp == west.local)
        #expect(value.date?.description == "2024-02-28" && value.time?.hour == 19)
        #expect((time.hour, time.minute, time.second, time.nanosecond) == (3, 4, 5, 123_456_700))
    }
}
