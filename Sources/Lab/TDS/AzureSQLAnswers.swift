// Statements that the lab's Azure SQL server answers on its own: one for each thing a client must be able to read.
import Diagnosis
package import TDS

extension AzureSQLScript {
    /// A server with answers for the statements below, that admits everybody unless told otherwise.
    package static func standard() -> AzureSQLScript {
        var script = AzureSQLScript()
        script.answer = standardAnswer
        return script
    }

    /// `select 1`, `lab types`, `lab fixed`, `lab old`, `lab wide`, `lab rows N`, `lab print`, `lab error`, `lab two`, `lab fatal`, `lab wait` (which is
    /// never answered), `lab failed` (which fails without an error), `lab begin`, `lab enlist`, `lab commit`, `lab rollback`, `lab end`, and a row
    /// of its parameters for any statement that has some.
    package static func standardAnswer(_ sql: String, _ parameters: [ProcedureCall.Parameter]) -> [ReplyToken] {
        if !parameters.isEmpty {
            return rows(
                parameters.enumerated().map { TDSColumn("p\($0.offset + 1)", $0.element.type) }, [parameters.map(\.value)])
        }
        let words = sql.lowercased().split { $0 == " " || $0 == ";" }
        let one = [TDSColumn("n", ColumnType(.int), flags: 0x0008)]
        switch words.joined(separator: " ") {
        case "select 1": return rows(one, [[1]])
        case "lab types": return types
        case "lab fixed": return fixedTypes
        case "lab old": return oldTypes
        case "lab wide":
            return rows(
                [TDSColumn("wide", ColumnType(.nVarChar, size: ColumnType.chunked))], [[.text(String(repeating: "w\u{F6}", count: 9_000))]])
        case "lab print":
            return [.info(TDSServerMessage(number: 0, state: 1, class: 0, text: "hello", server: serverName, line: 1))] + rows(one, [[1]])
        case "lab error":
            return [
                .error(
                    TDSServerMessage(
                        number: 229, state: 5, class: 14, text: "The SELECT permission was denied on the object 'x'.", server: serverName,
                        line: 1)),
                .done(Done([.error])),
            ]
        case "lab fatal":
            return [
                .error(
                    TDSServerMessage(
                        number: 40197, state: 1, class: 20, text: "The service has encountered an error.", server: serverName, line: 1)),
                .done(Done([.error, .serverError])),
            ]
        case "lab two":
            var first = rows(one, [[1]])
            first[first.count - 1] = .done(Done([.count, .more], command: Done.selectCommand, rowCount: 1))
            return first + rows([TDSColumn("t", ColumnType(.nVarChar, size: 20))], [["x"], ["y"]], compressed: true)
        case "lab wait": return []
        case "lab failed": return [.done(Done([.error]))]
        case "lab begin":
            return [.environmentChange(.transactionBegun(descriptor: [7, 0, 0, 0, 9, 0, 0, 1])), .done(Done([.inTransaction]))]
        case "lab enlist":
            return [.environmentChange(.transactionEnlisted(descriptor: [8, 0, 0, 0, 9, 0, 0, 1])), .done(Done([.inTransaction]))]
        case "lab commit":
            return [.environmentChange(.transactionCommitted(descriptor: [7, 0, 0, 0, 9, 0, 0, 1])), .done(Done())]
        case "lab rollback":
            return [.environmentChange(.transactionRolledBack(descriptor: [7, 0, 0, 0, 9, 0, 0, 1])), .done(Done())]
        case "lab end":
            return [.environmentChange(.transactionEnded(type: 17, payload: [0, 8, 8, 0, 0, 0, 9, 0, 0, 1])), .done(Done())]
        case let text where text.hasPrefix("lab rows "):
            let count = min(100_000, Int(text.dropFirst(9)) ?? 0)
            return rows(one, (0..<count).map { [.integer(Int64($0))] })
        default: return unknownStatement(sql)
        }
    }

    /// What a user is told who asks about the session itself and about rights: those of `AzureSQLRights`.
    ///
    /// No SQL is understood here: the questions of the agent are known by the functions they call. Nil for other statements.
    static func sessionAnswer(
        _ sql: String, _ parameters: [ProcedureCall.Parameter], user: Principal, database: String, objective: String
    ) -> [ReplyToken]? {
        let text = ColumnType(.nVarChar, size: 256)
        let number = ColumnType(.intN, size: 8)
        func row(_ values: [(ColumnType, TDSValue)]) -> [ReplyToken] {
            rows(values.enumerated().map { TDSColumn("c\($0.offset)", $0.element.0, flags: 0x0009) }, [values.map(\.1)])
        }
        if sql.contains("'ServiceObjective'") {
            return row([
                (text, .text("\(user.clientID)@\(Principal.tenant)")), (text, .text(user.name)), (text, .text(database)),
                (text, "READ_WRITE"), (text, .text(objective)), (number, .integer(Int64(Timestamp.now.seconds * 1000))),
            ])
        }
        // A summary of rights: two of the fixed roles, three tables that can be read and written.
        if sql.contains("sys.fn_my_permissions") {
            let words: [(ColumnType, TDSValue)] = [
                (text, .text(user.name)), (text, .null), (text, .null), (text, "[\"db_datareader\",\"db_datawriter\"]"), (text, .null),
                (text, "f"),
            ]
            let counts: [Int64] = [0, 3, 3, 3, 0, 0]
            return row(words + counts.map { (number, .integer($0)) })
        }
        // A list of rights: who asks, and then what is wrong, in as many result sets as there are statements.
        if sql.hasPrefix("SELECT -1, N'self'") {
            let values = parameters.compactMap { parameter in parameter.value.text.map { (parameter.name, $0) } }
            let rights = AzureSQLRights(user: user.name, parameters: Dictionary(values) { $1 })
            guard let sets = rights.answer(sql) else { return nil }
            let types = [number] + Array(repeating: text, count: 7) + [number, number]
            let columns = types.enumerated().map { TDSColumn("c\($0.offset)", $0.element, flags: 0x0009) }
            return sets.enumerated().flatMap { index, found -> [ReplyToken] in
                var set = rows(columns, found)
                let status: Done.Status = index + 1 < sets.count ? [.count, .more] : [.count]
                set[set.count - 1] = .done(Done(status, command: Done.selectCommand, rowCount: UInt64(found.count)))
                return set
            }
        }
        return nil
    }

    /// Every type that the client reads, once with a value and once NULL where that is possible.
    private static var types: [ReplyToken] {
        let date = TDSDate(year: 2024, month: 2, day: 29) ?? TDSDate(dayNumber: 0)
        let exact = TDSTimestamp(date: date, time: TDSTime(hour: 12, minute: 34, second: 56, ticks: 1_234_567))
        let coarse = TDSTimestamp(date: date, time: TDSTime(hour: 12, minute: 34, second: 56, ticks: 9_970_000, scale: 3))
        let minute = TDSTimestamp(date: date, time: TDSTime(hour: 12, minute: 34, second: 0, scale: 0))
        let columns: [(String, ColumnType, TDSValue)] = [
            ("tinyint", ColumnType(.intN, size: 1), 255), ("smallint", ColumnType(.intN, size: 2), -32768),
            ("int", ColumnType(.intN, size: 4), -7), ("bigint", ColumnType(.intN, size: 8), .integer(1 << 40)),
            ("bit", ColumnType(.bitN, size: 1), true), ("real", ColumnType(.floatN, size: 4), .double(-2.25)),
            ("float", ColumnType(.floatN, size: 8), .double(1.5)),
            (
                "decimal", ColumnType(.decimal, size: 17, precision: 38, scale: 4),
                .decimal(TDSDecimal(magnitude: 123_456_789_012_345_678, scale: 4))
            ),
            (
                "numeric", ColumnType(.numeric, size: 5, precision: 9, scale: 2),
                .decimal(TDSDecimal(isNegative: true, magnitude: 5, scale: 2))
            ),
            ("money", ColumnType(.moneyN, size: 8), .decimal(TDSDecimal(isNegative: true, magnitude: 12_345, scale: 4))),
            ("smallmoney", ColumnType(.moneyN, size: 4), .decimal(TDSDecimal(magnitude: 99, scale: 4))),
            ("guid", ColumnType(.guid, size: 16), TDSIdentifier("00112233-4455-6677-8899-aabbccddeeff").map(TDSValue.identifier) ?? nil),
            ("date", ColumnType(.date), .date(date)), ("time7", ColumnType(.time, scale: 7), .time(exact.time)),
            ("datetime2", ColumnType(.dateTime2, scale: 7), .timestamp(exact)),
            ("datetime", ColumnType(.dateTimeN, size: 8), .timestamp(coarse)),
            ("smalldatetime", ColumnType(.dateTimeN, size: 4), .timestamp(minute)),
            ("datetimeoffset", ColumnType(.dateTimeOffset, scale: 7), .offsetTimestamp(TDSOffsetTimestamp(utc: exact, offset: -480))),
            ("nvarchar", ColumnType(.nVarChar, size: 80), "h\u{E9}llo \u{20AC} \u{1F600}"), ("nchar", ColumnType(.nChar, size: 6), "ab "),
            ("varchar", ColumnType(.varChar, size: 50), "caf\u{E9}"), ("char", ColumnType(.char, size: 3), "x  "),
            ("nvarcharmax", ColumnType(.nVarChar, size: ColumnType.chunked), "max"),
            ("varcharmax", ColumnType(.varChar, size: ColumnType.chunked), "d\u{E9}"),
            ("binary", ColumnType(.binary, size: 2), .binary([0, 1])),
            ("varbinary", ColumnType(.varBinary, size: 8), .binary([1, 2, 0xFE, 0xFF])),
            ("varbinarymax", ColumnType(.varBinary, size: ColumnType.chunked), .binary([0, 0xFF])),
            ("empty", ColumnType(.nVarChar, size: 20), ""),
        ]
        let names = columns.map { TDSColumn($0.0, $0.1) }
        let values = columns.map(\.2)
        let nulls = columns.map { _ in TDSValue.null }
        return [
            .columns(names), .row(values, compressed: false), .row(nulls, compressed: true), .row(nulls, compressed: false),
            .row(values, compressed: true),
        ]
            + [.done(Done([.count], command: Done.selectCommand, rowCount: 4))]
    }

    /// The types of columns that cannot be NULL, which have no length on the wire.
    private static var fixedTypes: [ReplyToken] {
        let date = TDSDate(year: 1999, month: 12, day: 31) ?? TDSDate(dayNumber: 0)
        let coarse = TDSTimestamp(date: date, time: TDSTime(hour: 23, minute: 59, second: 59, ticks: 9_970_000, scale: 3))
        let minute = TDSTimestamp(date: date, time: TDSTime(hour: 23, minute: 59, second: 0, scale: 0))
        let columns: [(String, DataType, TDSValue)] = [
            ("tinyint", .tinyInt, 255), ("bit", .bit, true), ("smallint", .smallInt, -32768), ("int", .int, -7),
            ("bigint", .bigInt, .integer(1 << 40)), ("real", .real, .double(-2.25)), ("float", .float, .double(1.5)),
            ("money", .money, .decimal(TDSDecimal(isNegative: true, magnitude: 12_345, scale: 4))),
            ("smallmoney", .smallMoney, .decimal(TDSDecimal(magnitude: 99, scale: 4))), ("datetime", .dateTime, .timestamp(coarse)),
            ("smalldatetime", .smallDateTime, .timestamp(minute)),
        ]
        return rows(columns.map { TDSColumn($0.0, ColumnType($0.1), flags: 0x0008) }, [columns.map(\.2)])
    }
}
