// What a client asks once it is logged in: a batch of SQL, a call of a procedure, a word about a transaction.

/// The block before every request. **Source**: MS-TDS 2.2.5.3, ALL_HEADERS; 2.2.5.3.2, transaction descriptor header.
package struct RequestHeaders: Sendable, Hashable {
    /// The transaction in which the request runs; zeros for none.
    package var transaction: [UInt8]

    package init(transaction: [UInt8] = RequestHeaders.noTransaction) { self.transaction = transaction }

    package static let noTransaction: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0]
    /// Where the descriptor stands in a request that was encoded here: behind two lengths and a type. **Unit**: bytes.
    private static let place = 10..<18

    /// Writes the transaction into a request, which may have waited while one began or ended.
    package static func place(_ transaction: [UInt8], in message: inout [UInt8]) {
        guard message.count >= Int(size), transaction.count == place.count else { return }
        message.replaceSubrange(place, with: transaction)
    }

    private static let size: UInt32 = 22
    private static let headerSize: UInt32 = 18
    private static let transactionType: UInt16 = 2

    func encode(into writer: inout ByteWriter) {
        writer.uint32(Self.size)
        writer.uint32(Self.headerSize)
        writer.uint16(Self.transactionType)
        writer.append((transaction + Self.noTransaction).prefix(8))
        writer.uint32(1)
    }

    /// Headers other than that of the transaction are passed over.
    init(from reader: inout ByteReader) throws(WireError) {
        transaction = Self.noTransaction
        let length = Int(try reader.uint32())
        guard length >= 4 else { throw .malformed("the headers of a request say they are \(length) bytes long") }
        var body = try reader.part(length - 4)
        while !body.isAtEnd {
            let size = Int(try body.uint32())
            guard size >= 6 else { throw .malformed("a header of a request says it is \(size) bytes long") }
            let type = try body.uint16()
            let data = try body.take(size - 6)
            if type == Self.transactionType, data.count >= 8 { transaction = Array(data.prefix(8)) }
        }
    }
}

/// SQL text. **Source**: MS-TDS 2.2.6.7, SQLBatch.
package struct SQLBatch: Sendable, Hashable {
    package var headers: RequestHeaders
    package var text: String

    package init(_ text: String, headers: RequestHeaders = RequestHeaders()) {
        self.headers = headers
        self.text = text
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter()
        headers.encode(into: &writer)
        writer.text(text)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes)
        headers = try RequestHeaders(from: &reader)
        guard reader.remaining.isMultiple(of: 2) else { throw .malformed("a batch has an odd number of bytes") }
        text = decodeUTF16(reader.rest())
    }
}

/// A call of a procedure. **Source**: MS-TDS 2.2.6.6, RPC Request.
package struct ProcedureCall: Sendable, Hashable {
    package var headers: RequestHeaders
    package var procedure: Procedure
    package var options: UInt16 = 0
    package var parameters: [Parameter]

    package init(_ procedure: Procedure, _ parameters: [Parameter], headers: RequestHeaders = RequestHeaders()) {
        self.procedure = procedure
        self.parameters = parameters
        self.headers = headers
    }

    package enum Procedure: Sendable, Hashable {
        case number(UInt16)
        case name(String)
        /// **Source**: MS-TDS 2.2.6.6, ProcID.
        package static let executeSQL = Procedure.number(10)
        package static let prepareAndExecute = Procedure.number(13)
    }

    package struct Parameter: Sendable, Hashable {
        package var name: String
        /// 1 for an output parameter.
        package var status: UInt8 = 0
        package var type: ColumnType
        package var value: TDSValue

        package init(_ name: String, _ type: ColumnType, _ value: TDSValue, status: UInt8 = 0) {
            self.name = name
            self.type = type
            self.value = value
            self.status = status
        }
    }

    /// In place of the length of a name: a number follows. **Source**: MS-TDS 2.2.6.6, ProcIDSwitch.
    private static let numbered: UInt16 = 0xFFFF
    private static let mostParameters = 2_100
    private static let longestValue = 1024 * 1024

    package func encode() throws(WireError) -> [UInt8] {
        var writer = ByteWriter()
        headers.encode(into: &writer)
        switch procedure {
        case .number(let number):
            writer.uint16(Self.numbered)
            writer.uint16(number)
        case .name(let name): writer.longText(name, limit: 1_024)
        }
        writer.uint16(options)
        for parameter in parameters {
            writer.shortText(parameter.name)
            writer.byte(parameter.status)
            parameter.type.encode(into: &writer)
            try parameter.type.encodeValue(parameter.value, into: &writer)
        }
        return writer.bytes
    }

    /// Reads the first call of a message; further ones behind a separator are not taken.
    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes)
        headers = try RequestHeaders(from: &reader)
        let length = try reader.uint16()
        procedure = length == Self.numbered ? .number(try reader.uint16()) : .name(try reader.text(units: Int(length)))
        options = try reader.uint16()
        parameters = []
        while !reader.isAtEnd {
            guard parameters.count < Self.mostParameters else { throw .beyondLimit("the number of parameters", Self.mostParameters) }
            let name = try reader.shortText()
            let status = try reader.byte()
            let type = try ColumnType(from: &reader)
            parameters.append(Parameter(name, type, try Self.value(type, &reader), status: status))
        }
    }

    private static func value(_ type: ColumnType, _ reader: inout ByteReader) throws(WireError) -> TDSValue {
        guard type.isChunked else { return try type.decodeValue(from: &reader) }
        guard var chunks = try ChunkedValue(total: try reader.uint64(), limit: longestValue) else { return .null }
        guard try chunks.take(from: &reader, limit: longestValue) else { throw .malformed("the message ends within a parameter") }
        return try type.decodeBody(chunks.bytes)
    }

    /// `sp_executesql` with a statement, its declarations and its values, nothing of it pasted into text.
    package static func executeSQL(_ statement: String, _ parameters: [TDSParameter], collation: TDSCollation) -> ProcedureCall {
        let max = ColumnType(.nVarChar, size: ColumnType.chunked, collation: collation)
        var list = [Parameter("", max, .text(statement))]
        if !parameters.isEmpty {
            list.append(Parameter("", max, .text(parameters.map(\.declaration).joined(separator: ", "))))
            list += parameters.map { Parameter($0.name, $0.type(collation), $0.value) }
        }
        return ProcedureCall(.executeSQL, list)
    }
}

/// A value for a place in a statement.
///
/// It travels as the largest type of its kind: `bigint`, `float`, `decimal(38)`, `nvarchar`, `varbinary`. NULL has no kind and travels as
/// `nvarchar(4000)`; where that does not convert, as to `varbinary`, the statement says `CAST(@name AS …)`.
public struct TDSParameter: Sendable, Hashable {
    /// With its sign: `@name`.
    public var name: String
    public var value: TDSValue

    /// The sign before the name is added when it is missing.
    public init(_ name: String, _ value: TDSValue) {
        self.name = name.hasPrefix("@") ? name : "@" + name
        self.value = value
    }

    /// Whether the name is one that a declaration can carry: letters, digits and `_`, at most 128.
    package var hasUsableName: Bool {
        let body = name.dropFirst()
        return !body.isEmpty && name.utf16.count <= 128 && body.allSatisfy { ($0.isLetter || $0.isNumber || $0 == "_") && $0.isASCII }
    }

    /// What fits one piece; longer values are sent as max types. **Unit**: bytes.
    private static let onePiece = 8_000

    private var typeName: String {
        switch value {
        case .null: "nvarchar(4000)"
        case .boolean: "bit"
        case .integer: "bigint"
        case .double: "float"
        case .decimal(let number): "decimal(38, \(number.scale))"
        case .text(let text): text.utf16.count * 2 > Self.onePiece ? "nvarchar(max)" : "nvarchar(4000)"
        case .binary(let bytes): bytes.count > Self.onePiece ? "varbinary(max)" : "varbinary(8000)"
        case .identifier: "uniqueidentifier"
        case .date: "date"
        case .time: "time(7)"
        case .timestamp: "datetime2(7)"
        case .offsetTimestamp: "datetimeoffset(7)"
        // Its bytes are all there is of it.
        case .unread: "varbinary(max)"
        }
    }

    var declaration: String { "\(name) \(typeName)" }

    func type(_ collation: TDSCollation) -> ColumnType {
        switch value {
        case .null: ColumnType(.nVarChar, size: Self.onePiece, collation: collation)
        case .boolean: ColumnType(.bitN, size: 1)
        case .integer: ColumnType(.intN, size: 8)
        case .double: ColumnType(.floatN, size: 8)
        case .decimal(let number): ColumnType(.decimal, size: 17, precision: 38, scale: UInt8(min(38, max(0, number.scale))))
        case .text(let text):
            ColumnType(.nVarChar, size: text.utf16.count * 2 > Self.onePiece ? ColumnType.chunked : Self.onePiece, collation: collation)
        case .binary(let bytes): ColumnType(.varBinary, size: bytes.count > Self.onePiece ? ColumnType.chunked : Self.onePiece)
        case .identifier: ColumnType(.guid, size: 16)
        case .date: ColumnType(.date)
        case .time: ColumnType(.time, scale: 7)
        case .timestamp: ColumnType(.dateTime2, scale: 7)
        case .offsetTimestamp: ColumnType(.dateTimeOffset, scale: 7)
        case .unread: ColumnType(.varBinary, size: ColumnType.chunked)
        }
    }
}

/// What a client says about a transaction. **Source**: MS-TDS 2.2.6.9, Transaction Manager Request.
package struct TransactionRequest: Sendable, Hashable {
    package var headers: RequestHeaders
    /// 5 begins, 7 commits, 8 rolls back.
    package var type: UInt16
    package var payload: [UInt8]

    package static let begin: UInt16 = 5
    package static let commit: UInt16 = 7
    package static let rollback: UInt16 = 8

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes)
        headers = try RequestHeaders(from: &reader)
        type = try reader.uint16()
        payload = Array(reader.rest())
    }
}
