// The tokens of a reply, as values; what a server of ours writes and a client reads.

/// **Source**: MS-TDS 2.2.4, packet data token stream definition; 2.2.7, the tokens.
package enum TokenType: UInt8, Sendable, Hashable, CaseIterable {
    case returnStatus = 0x79
    case columns = 0x81
    case tableNames = 0xA4
    case columnInfo = 0xA5
    case order = 0xA9
    case error = 0xAA
    case info = 0xAB
    case returnValue = 0xAC
    case loginAcknowledgement = 0xAD
    case featureAcknowledgement = 0xAE
    case row = 0xD1
    case compressedRow = 0xD2
    case environmentChange = 0xE3
    case sessionState = 0xE4
    case sspi = 0xED
    case federatedAuthenticationInfo = 0xEE
    case done = 0xFD
    case doneProcedure = 0xFE
    case doneInProcedure = 0xFF
}

/// One token of a reply.
package enum ReplyToken: Sendable, Hashable {
    case environmentChange(EnvironmentChange)
    case error(TDSServerMessage)
    case info(TDSServerMessage)
    case loginAcknowledgement(LoginAcknowledgement)
    case featureAcknowledgements([FeatureAcknowledgement])
    case federatedAuthenticationInfo(FederatedAuthenticationInfo)
    case columns([TDSColumn])
    /// `compressed`: sent as NBCROW, where a bitmap says which values are NULL.
    case row([TDSValue], compressed: Bool)
    case returnStatus(Int32)
    case returnValue(ReturnValue)
    /// Ordinals of the columns by which rows are sorted.
    case order([UInt16])
    case done(Done)
    case doneProcedure(Done)
    case doneInProcedure(Done)
    /// Known and skipped: TABNAME, COLINFO, SSPI, SESSIONSTATE.
    case skipped(TokenType, [UInt8])

    /// An output parameter. **Source**: MS-TDS 2.2.7.19, RETURNVALUE.
    package struct ReturnValue: Sendable, Hashable {
        package var ordinal: UInt16
        package var name: String
        package var status: UInt8
        package var userType: UInt32
        package var flags: UInt16
        package var type: ColumnType
        package var value: TDSValue

        package init(
            ordinal: UInt16 = 0, name: String, status: UInt8 = 1, userType: UInt32 = 0, flags: UInt16 = 0, type: ColumnType, value: TDSValue
        ) {
            self.ordinal = ordinal
            self.name = name
            self.status = status
            self.userType = userType
            self.flags = flags
            self.type = type
            self.value = value
        }
    }

    /// Writes the token. A row needs the columns that were announced before it.
    ///
    /// **Throws** when a value does not fit its column.
    package func encode(into writer: inout ByteWriter, columns: [TDSColumn] = []) throws(WireError) {
        switch self {
        case .environmentChange(let change): sized(.environmentChange, &writer) { change.encode(into: &$0) }
        case .error(let message): sized(.error, &writer) { message.encode(into: &$0) }
        case .info(let message): sized(.info, &writer) { message.encode(into: &$0) }
        case .loginAcknowledgement(let acknowledgement):
            sized(.loginAcknowledgement, &writer) { acknowledgement.encode(into: &$0) }
        case .featureAcknowledgements(let list):
            writer.byte(TokenType.featureAcknowledgement.rawValue)
            for entry in list {
                writer.byte(entry.id.rawValue)
                writer.uint32(UInt32(truncatingIfNeeded: entry.data.count))
                writer.append(entry.data)
            }
            writer.byte(FeatureID.terminator)
        case .federatedAuthenticationInfo(let info):
            writer.byte(TokenType.federatedAuthenticationInfo.rawValue)
            let body = info.encodeBody()
            writer.uint32(UInt32(truncatingIfNeeded: body.count))
            writer.append(body)
        case .columns(let columns):
            writer.byte(TokenType.columns.rawValue)
            // No columns are announced as 0xFFFF. **Source**: MS-TDS 2.2.7.4, NoMetaData.
            writer.uint16(columns.isEmpty ? Self.noColumns : UInt16(truncatingIfNeeded: columns.count))
            for column in columns { column.encode(into: &writer) }
        case .row(let values, let compressed): try Self.encodeRow(values, compressed, columns, &writer)
        case .returnStatus(let status):
            writer.byte(TokenType.returnStatus.rawValue)
            writer.int32(status)
        case .returnValue(let output):
            writer.byte(TokenType.returnValue.rawValue)
            writer.uint16(output.ordinal)
            writer.shortText(output.name)
            writer.byte(output.status)
            writer.uint32(output.userType)
            writer.uint16(output.flags)
            output.type.encode(into: &writer)
            try output.type.encodeValue(output.value, into: &writer)
        case .order(let ordinals): sized(.order, &writer) { body in for ordinal in ordinals { body.uint16(ordinal) } }
        case .done(let done): Self.encode(done, .done, &writer)
        case .doneProcedure(let done): Self.encode(done, .doneProcedure, &writer)
        case .doneInProcedure(let done): Self.encode(done, .doneInProcedure, &writer)
        case .skipped(.sessionState, let bytes):
            writer.byte(TokenType.sessionState.rawValue)
            writer.uint32(UInt32(truncatingIfNeeded: bytes.count))
            writer.append(bytes)
        case .skipped(let type, let bytes): sized(type, &writer) { $0.append(bytes) }
        }
    }

    /// **Source**: MS-TDS 2.2.7.4, NoMetaData.
    static let noColumns: UInt16 = 0xFFFF

    private func sized(_ type: TokenType, _ writer: inout ByteWriter, _ body: (inout ByteWriter) -> Void) {
        writer.byte(type.rawValue)
        writer.sized16(body)
    }

    private static func encode(_ done: Done, _ type: TokenType, _ writer: inout ByteWriter) {
        writer.byte(type.rawValue)
        done.encode(into: &writer)
    }

    private static func encodeRow(_ values: [TDSValue], _ compressed: Bool, _ columns: [TDSColumn], _ writer: inout ByteWriter)
        throws(WireError)
    {
        guard values.count == columns.count else { throw .malformed("a row of \(values.count) values for \(columns.count) columns") }
        writer.byte((compressed ? TokenType.compressedRow : .row).rawValue)
        if compressed {
            // Bit i % 8 of byte i / 8 stands for column i. **Source**: MS-TDS 2.2.7.15, NBCROW.
            var bitmap = [UInt8](repeating: 0, count: (columns.count + 7) / 8)
            for (index, value) in values.enumerated() where value.isNull { bitmap[index / 8] |= 1 << UInt8(index % 8) }
            writer.append(bitmap)
        }
        for (value, column) in zip(values, columns) where !(compressed && value.isNull) {
            try column.type.encodeValue(value, into: &writer)
        }
    }

    /// A whole reply: columns announced within it are used for the rows that follow.
    package static func encode(_ tokens: [ReplyToken]) throws(WireError) -> [UInt8] {
        var writer = ByteWriter()
        var columns: [TDSColumn] = []
        for token in tokens {
            if case .columns(let announced) = token { columns = announced }
            try token.encode(into: &writer, columns: columns)
        }
        return writer.bytes
    }
}
