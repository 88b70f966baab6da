// Single values: type by type, at the ends of their ranges, and outside of them.

import Testing

@testable import TDS

/// A type as declared, a value as sent, and how it reads.
struct ValueSample: Sendable, CustomTestStringConvertible {
    var type: String
    var value: String
    var text: String
    var source: String
    /// Written by an encoder in another form: only reading is compared.
    var readOnly = false

    var testDescription: String { "\(type) \(value)" }

    static let all: [ValueSample] = [
        ValueSample(type: "30", value: "ff", text: "255", source: "MS-TDS 2.2.5.4.1, INT1TYPE is unsigned"),
        ValueSample(type: "32", value: "01", text: "1", source: "MS-TDS 2.2.5.4.1, BITTYPE"),
        ValueSample(type: "34", value: "0080", text: "-32768", source: "MS-TDS 2.2.5.4.1, INT2TYPE"),
        ValueSample(type: "38", value: "ffffffff", text: "-1", source: "MS-TDS 2.2.5.4.1, INT4TYPE"),
        ValueSample(type: "7f", value: "ffffffffffffff7f", text: "9223372036854775807", source: "MS-TDS 2.2.5.4.1, INT8TYPE"),
        ValueSample(type: "2601", value: "01ff", text: "255", source: "MS-TDS 2.2.5.4.2, INTNTYPE of one byte is unsigned"),
        ValueSample(type: "2602", value: "02ffff", text: "-1", source: "MS-TDS 2.2.5.4.2, INTNTYPE"),
        ValueSample(type: "2604", value: "0400000080", text: "-2147483648", source: "MS-TDS 2.2.5.4.2, INTNTYPE"),
        ValueSample(type: "2608", value: "080000000000000080", text: "-9223372036854775808", source: "MS-TDS 2.2.5.4.2, INTNTYPE"),
        ValueSample(type: "2608", value: "00", text: "NULL", source: "MS-TDS 2.2.5.2.1, GEN_NULL"),
        ValueSample(type: "6801", value: "0100", text: "0", source: "MS-TDS 2.2.5.4.2, BITNTYPE"),
        ValueSample(type: "6801", value: "00", text: "NULL", source: "MS-TDS 2.2.5.2.1, GEN_NULL"),
        ValueSample(type: "3b", value: "0000c03f", text: "1.5", source: "MS-TDS 2.2.5.4.1, FLT4TYPE; IEEE 754"),
        ValueSample(type: "3e", value: "00000000000002c0", text: "-2.25", source: "MS-TDS 2.2.5.4.1, FLT8TYPE; IEEE 754"),
        ValueSample(type: "6d08", value: "08000000000000f83f", text: "1.5", source: "MS-TDS 2.2.5.4.2, FLTNTYPE"),
        ValueSample(type: "6d04", value: "0400000040", text: "2.0", source: "MS-TDS 2.2.5.4.2, FLTNTYPE"),
        ValueSample(type: "3c", value: "0000000010270000", text: "1.0000", source: "MS-TDS 2.2.5.5.1.2, money: high half first"),
        ValueSample(
            type: "6e08", value: "080000008000000000", text: "-922337203685477.5808", source: "MS-TDS 2.2.5.5.1.2, money: smallest"),
        ValueSample(type: "7a", value: "f0d8ffff", text: "-1.0000", source: "MS-TDS 2.2.5.5.1.2, smallmoney"),
        ValueSample(type: "6a050502", value: "0501393000 00", text: "123.45", source: "MS-TDS 2.2.5.5.1.6, DECIMALNTYPE"),
        ValueSample(type: "6c050503", value: "05000500 0000", text: "-0.005", source: "MS-TDS 2.2.5.5.1.6, NUMERICNTYPE, sign byte 0"),
        ValueSample(
            type: "6a112600", value: "1101ffffffff3f228a097ac4865aa84c3b4b",
            text: "99999999999999999999999999999999999999", source: "MS-TDS 2.2.5.5.1.6, 38 digits"),
        ValueSample(
            type: "2410", value: "1033221100554477668899aabbccddeeff", text: "00112233-4455-6677-8899-aabbccddeeff",
            source: "MS-DTYP 2.3.4, first three groups low byte first"),
        ValueSample(type: "2410", value: "00", text: "NULL", source: "MS-TDS 2.2.5.2.1, GEN_NULL"),
        ValueSample(type: "28", value: "03000000", text: "0001-01-01", source: "MS-TDS 2.2.5.5.1.8, date counts from 0001-01-01"),
        ValueSample(type: "28", value: "03dab937", text: "9999-12-31", source: "MS-TDS 2.2.5.5.1.8, last date"),
        ValueSample(type: "2900", value: "03000000", text: "00:00:00", source: "MS-TDS 2.2.5.5.1.9, time(0)"),
        ValueSample(type: "2900", value: "037f5101", text: "23:59:59", source: "MS-TDS 2.2.5.5.1.9, time(0), 86399 s"),
        ValueSample(type: "2903", value: "04ff5b2605", text: "23:59:59.999", source: "MS-TDS 2.2.5.5.1.9, time(3) has four bytes"),
        ValueSample(type: "2907", value: "05ffbf692ac9", text: "23:59:59.9999999", source: "MS-TDS 2.2.5.5.1.9, time(7) has five bytes"),
        ValueSample(
            type: "2a07", value: "0887ee9776695b490b", text: "2026-03-01 12:34:56.1234567",
            source: "decoded alike by ODBC driver 18, python-tds and mssql_py_core"),
        ValueSample(type: "2a00", value: "06f0d20012450b", text: "2023-02-28 15:00:00", source: "MS-TDS 2.2.5.5.1.10, datetime2(0)"),
        ValueSample(
            type: "2b07", value: "0a87ee9776695b490b3c00", text: "2026-03-01 13:34:56.1234567 +01:00",
            source: "decoded alike by ODBC driver 18, python-tds and mssql_py_core: UTC on the wire"),
        ValueSample(
            type: "2b00", value: "0800000001000020fe", text: "0001-01-01 16:00:00 -08:00",
            source: "MS-TDS 2.2.5.5.1.11, the clock on the wall is on the day before"),
        ValueSample(type: "3d", value: "0000000000000000", text: "1900-01-01 00:00:00.000", source: "MS-TDS 2.2.5.5.1.7, datetime"),
        ValueSample(
            type: "3d", value: "462effff01000000", text: "1753-01-01 00:00:00.003", source: "MS-TDS 2.2.5.5.1.7, first datetime; 1/300 s"),
        ValueSample(
            type: "6f08", value: "087f242d00ff818b01", text: "9999-12-31 23:59:59.997", source: "MS-TDS 2.2.5.5.1.7, last datetime"),
        ValueSample(type: "3a", value: "00000100", text: "1900-01-01 00:01:00", source: "MS-TDS 2.2.5.5.1.7, smalldatetime"),
        ValueSample(type: "6f04", value: "04ffff9f05", text: "2079-06-06 23:59:00", source: "MS-TDS 2.2.5.5.1.7, last smalldatetime"),
        ValueSample(type: "6f04", value: "00", text: "NULL", source: "MS-TDS 2.2.5.2.1, GEN_NULL"),
        ValueSample(type: "e700010904d00034", value: "0600640062006f00", text: "dbo", source: "MS-TDS 2.2.5.4.3, NVARCHARTYPE"),
        ValueSample(type: "e700010904d00034", value: "0000", text: "", source: "MS-TDS 2.2.5.2.1, empty is not NULL"),
        ValueSample(type: "e700010904d00034", value: "ffff", text: "NULL", source: "MS-TDS 2.2.5.2.1, CHARBIN_NULL"),
        ValueSample(type: "ef04000904d00034", value: "040041002000", text: "A ", source: "MS-TDS 2.2.5.4.3, NCHARTYPE"),
        ValueSample(type: "a70a000904d00034", value: "050061e9622080", text: "a\u{E9}b \u{20AC}", source: "WHATWG Encoding, windows-1252"),
        ValueSample(type: "a70a000904d00434", value: "0300e282ac", text: "\u{20AC}", source: "MS-TDS 2.2.5.1.2, collation with fUTF8"),
        ValueSample(type: "af03000904d00034", value: "0300782020", text: "x  ", source: "MS-TDS 2.2.5.4.3, BIGCHARTYPE"),
        ValueSample(type: "a50800", value: "04000102feff", text: "0x0102feff", source: "MS-TDS 2.2.5.4.3, BIGVARBINTYPE"),
        ValueSample(type: "ad0200", value: "02000001", text: "0x0001", source: "MS-TDS 2.2.5.4.3, BIGBINARYTYPE"),
        ValueSample(
            type: "e7ffff0904d00034", value: "feffffffffffffff02000000410002000000420000000000", text: "AB",
            source: "MS-TDS 2.2.5.2.3, PARTLENTYPE of unknown length in two chunks", readOnly: true),
        ValueSample(
            type: "e7ffff0904d00034", value: "0400000000000000030000003dd8000100000 0de00000000", text: "\u{1F600}",
            source: "MS-TDS 2.2.5.2.3, a pair of units cut by a chunk", readOnly: true),
        ValueSample(
            type: "e7ffff0904d00034", value: "000000000000000000000000", text: "", source: "MS-TDS 2.2.5.2.3, empty", readOnly: true),
        ValueSample(type: "a5ffff", value: "ffffffffffffffff", text: "NULL", source: "MS-TDS 2.2.5.2.3, PLP_NULL"),
        ValueSample(
            type: "a5ffff", value: "feffffffffffffff01000000aa00000000", text: "0xaa", source: "MS-TDS 2.2.5.2.3, varbinary(max)"),
        ValueSample(
            type: "a7ffff0904d00034", value: "feffffffffffffff0100000078 00000000", text: "x", source: "MS-TDS 2.2.5.2.3, varchar(max)"),
    ]
}

/// A type and a value that no honest server sends.
struct BrokenValue: Sendable, CustomTestStringConvertible {
    var type: String
    var value: String
    var why: String
    var testDescription: String { why }

    static let all: [BrokenValue] = [
        BrokenValue(type: "2603", value: "03010203", why: "INTN of three bytes"),
        BrokenValue(type: "2604", value: "0500000000 00", why: "a value longer than its column"),
        BrokenValue(type: "2604", value: "03000000", why: "an int of three bytes"),
        BrokenValue(type: "2410", value: "0f000102030405060708090a0b0c0d0e", why: "a uniqueidentifier of 15 bytes"),
        BrokenValue(type: "2908", value: "050000000000", why: "time with scale 8"),
        BrokenValue(type: "2907", value: "0500c0692ac9", why: "a time at midnight of the next day"),
        BrokenValue(type: "2907", value: "0400000000", why: "time(7) in four bytes"),
        BrokenValue(type: "28", value: "03dbb937", why: "a date after the year 9999"),
        BrokenValue(type: "28", value: "0400000000", why: "a date of four bytes"),
        BrokenValue(type: "2b00", value: "08000000000000490 3", why: "an offset of 841 minutes"),
        BrokenValue(type: "3d", value: "0000000000828b01", why: "a datetime past midnight"),
        BrokenValue(type: "3d", value: "0000008000000000", why: "a datetime millions of years ago"),
        BrokenValue(type: "6f04", value: "040000a005", why: "a smalldatetime of 1440 minutes"),
        BrokenValue(type: "6a052700", value: "050100000000", why: "decimal of 39 digits"),
        BrokenValue(type: "6a050506", value: "050100000000", why: "more digits behind the point than digits"),
        BrokenValue(type: "6a050502", value: "050200000000", why: "a decimal with sign byte 2"),
        BrokenValue(type: "e700010904d00034", value: "0300410042", why: "two-byte characters in three bytes"),
        BrokenValue(type: "e700010904d00034", value: "0201" + String(repeating: "00", count: 258), why: "a text longer than its column"),
        BrokenValue(type: "e701010904d00034", value: "0000", why: "an odd size for two-byte characters"),
        BrokenValue(type: "e7421f0904d00034", value: "0000", why: "nvarchar of 8002 bytes"),
        BrokenValue(type: "e7ffff0904d00034", value: "02000000000000000400000041004200 00000000", why: "chunks beyond the announced size"),
        BrokenValue(type: "e7ffff0904d00034", value: "040000000000000002000000410000000000", why: "chunks below the announced size"),
        BrokenValue(type: "e7ffff0904d00034", value: "ffffffffffffff7f", why: "a value announced as eight exabytes"),
        BrokenValue(type: "e7ffff0904d00034", value: "feffffffffffffffffffffff", why: "a chunk of four gigabytes"),
        BrokenValue(type: "62401f0000", value: "ffffffff", why: "a sql_variant of four gigabytes"),
        BrokenValue(type: "62401f0000", value: "040000002a010801", why: "a sql_variant with scale 8"),
        BrokenValue(type: "62401f0000", value: "020000003805", why: "a sql_variant whose properties lie behind its end"),
        BrokenValue(type: "1f", value: "", why: "NULLTYPE, which only clients send"),
        BrokenValue(type: "36", value: "", why: "a type of servers before 7.0"),
        BrokenValue(type: "00", value: "", why: "a type that does not exist"),
    ]
}

@Suite struct ValueTests {
    private static func stream(_ type: String, _ value: String) -> [UInt8] {
        // COLMETADATA with one nullable column named "c", then ROW, then DONE.
        Samples.bytes("8101000000000001 00" + type + "016300" + "d1" + value + "fd00000000000000000000000 0")
    }

    @Test("A value reads as it was meant", arguments: ValueSample.all)
    func reads(sample: ValueSample) throws {
        let stream = Self.stream(sample.type, sample.value)
        for portion in [0, 1, 3] {
            let tokens = try decode(stream, portion: portion)
            #expect(tokens.count == 3)
            guard case .row(let values, _) = tokens[1] else {
                Issue.record("no row: \(tokens)")
                return
            }
            #expect(values.map(\.description) == [sample.text])
        }
    }

    struct Read: Sendable, CustomTestStringConvertible {
        var type: String
        var value: String
        var text: String
        init(_ type: String, _ value: String, _ text: String) { (self.type, self.value, self.text) = (type, value, text) }
        var testDescription: String { "\(type) \(value)" }
    }

    private static let pointer = "10" + String(repeating: "aa", count: 24)
    private static let table = "02" + "010064" + "00" + "010074" + "00"

    @Test(
        "Values of old and of unusual types read, and what has no form here keeps its bytes",
        arguments: [
            Read("23ffffff7f0904d00034" + table, pointer + "03000000616263", "abc"),
            Read("23ffffff7f1904d00000" + table, pointer + "01000000cf", "\u{41F}"), Read("23ffffff7f0904d00034" + table, "00", "NULL"),
            Read("63feffff7f0904d00034" + table, pointer + "0400000061006200", "ab"),
            Read("22ffffff7f" + table, pointer + "0200000001ff", "0x01ff"),
            Read("f100", "feffffffffffffff08000000fffe3c0061002f0000000000", "<a/"),
            Read("f101" + "016400" + "017300" + "0100" + "6300", "ffffffffffffffff", "NULL"),
            Read("f100", "010000000000000001000000aa00000000", "<xml, 1 bytes: CAST it to nvarchar>"),
            Read(
                "f0ffff" + "016400" + "017300" + "03" + "670065006f00" + "0100" + "7800",
                "feffffffffffffff02000000010200000000", "<geo, 2 bytes: CAST it to nvarchar>"),
            Read("62491f0000", "00000000", "NULL"), Read("62491f0000", "06000000380007000000", "7"),
            Read("62491f0000", "0d000000" + "e707" + "0904d00034" + "401f" + "61006200", "ab"),
            Read("62491f0000", "0a000000" + "a707" + "0504d00000" + "401f" + "9a", "\u{161}"),
            Read("62491f0000", "09000000" + "6a02" + "1202" + "01" + "39300000", "123.45"),
            Read("62491f0000", "05000000" + "2800" + "eb3a0b", TDSDate(dayNumber: 0x0B3AEB).description),
            Read("62491f0000", "03000000" + "f100" + "00", "<sql_variant of type 0xf1, 3 bytes: CAST it to nvarchar>"),
        ])
    func unusual(row: Read) throws {
        for portion in [0, 1, 3] {
            let tokens = try decode(Self.stream(row.type, row.value), portion: portion)
            guard case .row(let values, _) = tokens[1] else {
                Issue.record("no row: \(tokens)")
                return
            }
            #expect(values.map(\.description) == [row.text])
            if values[0].isNull || !row.type.hasPrefix("62") { #expect(try decode(ReplyToken.encode(tokens)) == tokens) }
        }
        var decoder = TokenDecoder()
        decoder.passesRowsOver = true
        decoder.append(Self.stream(row.type, row.value))
        var count = 0
        while try decoder.next() != nil { count += 1 }
        #expect(count == 2)
        try decoder.endMessage()
    }

    @Test(
        "Text of a varchar is read in the code page of its collation",
        arguments: [
            Read("0904d00034", "e980", "\u{E9}\u{20AC}"), Read("0904d00000", "80", "\u{20AC}"), Read("0704d00000", "fc", "\u{FC}"),
            Read("0504d00000", "9aec", "\u{161}\u{11B}"), Read("0904d00052", "9a", "\u{161}"), Read("1904d00000", "cff0", "\u{41F}\u{440}"),
            Read("0904d0006a", "cf", "\u{41F}"), Read("0804d00000", "e1", "\u{3B1}"), Read("1f04d00000", "fe", "\u{15F}"),
            Read("0d04d00000", "e0", "\u{5D0}"), Read("0104d00000", "c7", "\u{627}"), Read("2504d00000", "f0", "\u{161}"),
            Read("2a04d00000", "fe", "\u{20AB}"), Read("1e04d00000", "a1", "\u{E01}"), Read("0904d00020", "84", "\u{E4}"),
            Read("0904d0002a", "9d", "\u{D8}"), Read("0704d10000", "fc", "\u{FC}"), Read("0904d00434", "c3a9", "\u{E9}"),
            Read("1104d00000", "83", "<text in code page 932, 1 bytes: CAST it to nvarchar>"),
            Read("0404d00000", "a4", "<text in code page 950, 1 bytes: CAST it to nvarchar>"),
            Read("3904d00000", "a4", "<text in the code page of locale 0x439, 1 bytes: CAST it to nvarchar>"),
            Read("1104d00000", "61", "a"), Read("3904d00000", "61", "a"),
        ])
    func codePages(row: Read) throws {
        let length = row.value.count / 2
        let tokens = try decode(Self.stream("a76400" + row.type, "0\(length)00" + row.value))
        guard case .row(let values, _) = tokens[1] else {
            Issue.record("no row: \(tokens)")
            return
        }
        #expect(values.map(\.description) == [row.text])
        #expect(try decode(ReplyToken.encode(tokens)) == tokens)
    }

    @Test("A code page has one character for each byte, and knows it again")
    func tables() throws {
        for number in [437, 850, 874] + Array(1250...1258) {
            let page = try #require(CodePage(number))
            var known = 0
            for byte in UInt8.min...UInt8.max {
                let text = page.decode([byte])
                #expect(text.unicodeScalars.count == 1)
                if text == "\u{FFFD}" { continue }
                #expect(page.encode(text) == [byte])
                known += 1
            }
            #expect(known > 220, "\(number)")
        }
        #expect(CodePage(932) == nil)
        #expect(TDSCollation.default.codePage == 1252)
    }

    @Test("An identifier is read in its own form only")
    func identifiers() {
        let sound = "00112233-4455-6677-8899-aabbccddeeff"
        #expect(TDSIdentifier(sound)?.description == sound)
        #expect(TDSIdentifier(sound.uppercased())?.description == sound)
        for broken in [
            "0011223-34455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddee+f", "+0112233-4455-6677-8899-aabbccddeeff",
            "00112233445566778899aabbccddeeff----", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeegg", "",
        ] { #expect(TDSIdentifier(broken) == nil, "\(broken)") }
    }

    @Test("A value is written as it was read", arguments: ValueSample.all.filter { !$0.readOnly })
    func writes(sample: ValueSample) throws {
        let stream = Self.stream(sample.type, sample.value)
        #expect(try ReplyToken.encode(decode(stream)) == stream)
    }

    @Test("A value as a parameter of a call is read as it was written", arguments: ValueSample.all)
    func parameters(sample: ValueSample) throws {
        let tokens = try decode(Self.stream(sample.type, sample.value))
        guard case .columns(let columns) = tokens[0], case .row(let values, _) = tokens[1] else {
            Issue.record("no row: \(tokens)")
            return
        }
        let call = ProcedureCall(.name("p"), [ProcedureCall.Parameter("@a", columns[0].type, values[0], status: 1)])
        #expect(try ProcedureCall(decoding: call.encode()) == call)
        let output = ReplyToken.returnValue(ReplyToken.ReturnValue(name: "@a", type: columns[0].type, value: values[0]))
        #expect(try decode(ReplyToken.encode([output]), portion: 1) == [output])
    }

    @Test("A row with a bitmap of NULLs is written and read", arguments: [1, 7, 8, 9, 17])
    func compressedRows(count: Int) throws {
        let columns = (0..<count).map { TDSColumn("c\($0)", ColumnType(.intN, size: 4)) }
        let values = (0..<count).map { $0 % 3 == 0 ? TDSValue.null : .integer(Int64($0)) }
        let tokens: [ReplyToken] = [
            .columns(columns), .row(values, compressed: true), .row(values, compressed: false),
            .row(Array(repeating: .null, count: count), compressed: true), .done(Done()),
        ]
        for portion in [0, 1] { #expect(try decode(ReplyToken.encode(tokens), portion: portion) == tokens) }
    }

    @Test("A value that breaks the rules of its type is an error, not a guess", arguments: BrokenValue.all)
    func broken(sample: BrokenValue) {
        for portion in [0, 1] {
            #expect(throws: WireError.self) { try decode(Self.stream(sample.type, sample.value), portion: portion) }
        }
    }

    @Test("Parameters of every kind survive the way to sp_executesql and back")
    func executeSQL() throws {
        let moment = TDSTimestamp(
            date: try #require(TDSDate(year: 2024, month: 2, day: 29)), time: TDSTime(hour: 23, minute: 59, second: 59, ticks: 9_999_999))
        let parameters = [
            TDSParameter("n", nil), TDSParameter("@t", "O'Brien; DROP TABLE x --"), TDSParameter("i", -5), TDSParameter("b", true),
            TDSParameter("d", .double(0.1)), TDSParameter("m", .decimal(TDSDecimal(isNegative: true, magnitude: 12345, scale: 2))),
            TDSParameter("x", .binary([0, 255])),
            TDSParameter("g", .identifier(try #require(TDSIdentifier("00112233-4455-6677-8899-aabbccddeeff")))),
            TDSParameter("day", .date(moment.date)), TDSParameter("time", .time(moment.time)), TDSParameter("ts", .timestamp(moment)),
            TDSParameter("off", .offsetTimestamp(TDSOffsetTimestamp(utc: moment, offset: -480))),
            TDSParameter("long", .text(String(repeating: "ä", count: 4_001))),
            TDSParameter("bytes", .binary(Array(repeating: 7, count: 8_001))),
        ]
        let call = ProcedureCall.executeSQL("select @t", parameters, collation: .default)
        let read = try ProcedureCall(decoding: call.encode())
        #expect(read == call)
        #expect(read.parameters.dropFirst(2).map(\.value) == parameters.map(\.value))
        #expect(
            read.parameters[1].value.text == "@n nvarchar(4000), @t nvarchar(4000), @i bigint, @b bit, @d float, @m decimal(38, 2), "
                + "@x varbinary(8000), @g uniqueidentifier, @day date, @time time(7), @ts datetime2(7), @off datetimeoffset(7), "
                + "@long nvarchar(max), @bytes varbinary(max)")
    }

    @Test("Every day from year 1 to 9999 has one date, and every date its day")
    func calendar() {
        for day in stride(from: 0, through: TDSDate.last, by: 13) {
            let (year, month, date) = TDSDate(dayNumber: day).parts
            #expect(TDSDate(year: year, month: month, day: date)?.dayNumber == day)
        }
        #expect(TDSDate(year: 2023, month: 2, day: 29) == nil)
        #expect(TDSDate(year: 1900, month: 1, day: 1)?.dayNumber == TDSDate.year1900)
        #expect(TDSDate(year: 9999, month: 12, day: 31)?.dayNumber == TDSDate.last)
    }

    @Test("Text of an unknown code page out of a sql_variant is not written as a sql_variant of another type")
    func variantText() throws {
        let type = ColumnType(.variant, size: 8009)
        #expect(throws: WireError.self) {
            var writer = ByteWriter()
            try type.encodeValue(.unread(TDSUnread(type: "text in code page 932", bytes: [0x83, 0x65])), into: &writer)
        }
        var writer = ByteWriter()
        try type.encodeValue(.unread(TDSUnread(type: "sql_variant of type 0xf1", bytes: [0xF1, 0, 0])), into: &writer)
        #expect(writer.bytes == [3, 0, 0, 0, 0xF1, 0, 0])
    }
}
