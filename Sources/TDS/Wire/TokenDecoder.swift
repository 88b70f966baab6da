// A reply is a stream of tokens that may be cut at any byte. This decoder keeps what has arrived and gives tokens as they become whole.

/// How much a peer may send before it is refused. Nothing is ever allocated from an announced size alone.
package struct DecodingLimits: Sendable, Hashable {
    /// One reply, all tokens. **Unit**: bytes.
    package var reply = 4 * 1024 * 1024
    /// One value. **Unit**: bytes.
    package var value = 1024 * 1024
    /// FEDAUTHINFO, SESSIONSTATE and one acknowledgement of a feature. **Unit**: bytes.
    package var token = 64 * 1024
    package var columns = 1_024
    /// Result sets of one reply, those without rows included.
    package var sets = 1_000
    /// Values of all rows of one reply: a NULL costs the peer an eighth of a byte and this side the place of a value.
    package var cells = 250_000
    /// ERROR and INFO in one reply.
    package var messages = 100

    package init() {}
}

/// Decodes one reply after the other.
///
/// Rows, columns, acknowledgements and chunked values are taken piece by piece: a piece that has been read is never read again, so the work stays
/// proportional to the bytes however small the portions are. An error is final: whoever calls on gets the same error.
package struct TokenDecoder: Sendable {
    private let limits: DecodingLimits
    private var buffer: [UInt8] = []
    private var start = 0
    /// Below this many waiting bytes the present piece cannot be complete.
    private var wanted = 1
    private var received = 0
    private var messages = 0
    private var sets = 0
    private var cells = 0
    /// Rows are read over: no value is made of them and no token is given for them. For an answer that nobody waits for any more.
    package var passesRowsOver = false
    private var stage = Stage.token
    /// Of the result that is being read; in force until the next COLMETADATA or the end of the reply.
    private var columns: [TDSColumn] = []
    private var failure: WireError?

    // What has been read of the token in hand.
    private var announced: [TDSColumn] = []
    private var columnsLeft = 0
    private var values: [TDSValue] = []
    /// The column whose value comes next.
    private var column = 0
    private var nulls: [UInt8]?
    private var chunks: ChunkedValue?
    private var output: ReplyToken.ReturnValue?
    private var features: [FeatureAcknowledgement] = []

    package init(limits: DecodingLimits = DecodingLimits()) { self.limits = limits }

    /// Where in a token the decoder is.
    private enum Stage: Sendable { case token, columns, row, output, features }

    private enum Step {
        case token(ReplyToken)
        /// A piece was taken, and the token goes on.
        case piece
        /// What has arrived is used up.
        case starved
    }

    /// Adds what has arrived, without packet headers.
    package mutating func append(_ bytes: some Collection<UInt8>) {
        received += bytes.count
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        // What exceeds the limit is not kept; `next` says so.
        if received <= limits.reply { buffer.append(contentsOf: bytes) }
    }

    /// The next whole token, or nil when more bytes are needed.
    package mutating func next() throws(WireError) -> ReplyToken? {
        if let failure { throw failure }
        do throws(WireError) {
            guard received <= limits.reply else { throw .beyondLimit("the reply", limits.reply) }
            while buffer.count - start >= wanted {
                var reader = ByteReader(buffer, from: start, open: true)
                do throws(WireError) {
                    let outcome = try step(&reader)
                    start = reader.position
                    // A value that is NULL by bitmap or by type needs no byte, so a token may end without one.
                    wanted = stage == .token ? 1 : 0
                    switch outcome {
                    case .token(let token): return token
                    case .piece: continue
                    case .starved: wanted = buffer.count - start + 1
                    }
                } catch {
                    guard case .incomplete(let missing) = error.reason else {
                        throw WireError(error.reason, evidence: reader.evidence(from: start))
                    }
                    wanted = buffer.count - start + missing
                }
            }
            return nil
        } catch {
            failure = error
            buffer = []
            start = 0
            throw error
        }
    }

    /// Called after the last packet of a message: nothing may be left over. The next bytes begin a new reply.
    package mutating func endMessage() throws(WireError) {
        if let failure { throw failure }
        guard case .token = stage, buffer.count == start else {
            let error = WireError(
                .malformed("the message ends within a token"), evidence: Array(buffer[start...].prefix(WireError.evidenceLength)))
            failure = error
            throw error
        }
        received = 0
        messages = 0
        sets = 0
        cells = 0
        // A reply that begins with a row must not be read by the columns of the one before.
        columns = []
    }

    /// Reads one piece of the token in hand.
    private mutating func step(_ reader: inout ByteReader) throws(WireError) -> Step {
        switch stage {
        case .token: try beginToken(&reader)
        case .columns: try stepColumns(&reader)
        case .row: try stepRow(&reader)
        case .output: try stepOutput(&reader)
        case .features: try stepFeature(&reader)
        }
    }

    private mutating func beginToken(_ reader: inout ByteReader) throws(WireError) -> Step {
        let raw = try reader.byte()
        guard let type = TokenType(rawValue: raw) else { throw WireError(.unknownToken(raw)) }
        switch type {
        case .returnStatus: return .token(.returnStatus(try reader.int32()))
        case .columns:
            let count = try reader.uint16()
            guard count != ReplyToken.noColumns, count != 0 else {
                columns = []
                return .token(.columns([]))
            }
            guard Int(count) <= limits.columns else { throw .beyondLimit("the number of columns", limits.columns) }
            sets += 1
            guard sets <= limits.sets else { throw .beyondLimit("the number of result sets", limits.sets) }
            columnsLeft = Int(count)
            announced = []
            stage = .columns
        case .row, .compressedRow:
            guard !columns.isEmpty else { throw .malformed("a row comes before its columns") }
            nulls = type == .row ? nil : Array(try reader.take((columns.count + 7) / 8))
            values = []
            column = 0
            if !passesRowsOver {
                cells += columns.count
                guard cells <= limits.cells else { throw .beyondLimit("the number of values", limits.cells) }
                values.reserveCapacity(columns.count)
            }
            stage = .row
        case .returnValue:
            output = ReplyToken.ReturnValue(
                ordinal: try reader.uint16(), name: try reader.shortText(), status: try reader.byte(), userType: try reader.uint32(),
                flags: try reader.uint16(), type: try ColumnType(from: &reader, ofServer: true), value: .null)
            stage = .output
        case .featureAcknowledgement:
            features = []
            stage = .features
        case .done: return .token(.done(try Done(body: &reader)))
        case .doneProcedure: return .token(.doneProcedure(try Done(body: &reader)))
        case .doneInProcedure: return .token(.doneInProcedure(try Done(body: &reader)))
        case .federatedAuthenticationInfo:
            return .token(.federatedAuthenticationInfo(try FederatedAuthenticationInfo(body: try long(&reader))))
        case .sessionState: return .token(.skipped(type, try long(&reader)))
        case .tableNames, .columnInfo, .sspi, .order, .error, .info, .loginAcknowledgement, .environmentChange:
            let length = try reader.length16()
            var body = try reader.part(length)
            return .token(try sizedToken(type, &body))
        }
        return .piece
    }

    /// Tokens behind a length of two bytes. What a newer server adds at their end is passed over.
    private mutating func sizedToken(_ type: TokenType, _ body: inout ByteReader) throws(WireError) -> ReplyToken {
        switch type {
        case .error, .info:
            messages += 1
            guard messages <= limits.messages else { throw .beyondLimit("the number of messages in a reply", limits.messages) }
            let message = try TDSServerMessage(body: &body)
            return type == .error ? .error(message) : .info(message)
        case .loginAcknowledgement: return .loginAcknowledgement(try LoginAcknowledgement(body: &body))
        case .environmentChange: return .environmentChange(try EnvironmentChange(body: &body))
        case .order:
            guard body.remaining.isMultiple(of: 2) else { throw .malformed("ORDER has an odd number of bytes") }
            var ordinals: [UInt16] = []
            while !body.isAtEnd { ordinals.append(try body.uint16()) }
            return .order(ordinals)
        default: return .skipped(type, Array(body.rest()))
        }
    }

    /// The bytes behind a length of four bytes.
    private func long(_ reader: inout ByteReader) throws(WireError) -> [UInt8] {
        let length = Int(try reader.uint32())
        guard length <= limits.token else { throw .beyondLimit("a token of \(length) bytes", limits.token) }
        return Array(try reader.take(length))
    }

    private mutating func stepColumns(_ reader: inout ByteReader) throws(WireError) -> Step {
        announced.append(try TDSColumn(from: &reader))
        columnsLeft -= 1
        guard columnsLeft == 0 else { return .piece }
        columns = announced
        stage = .token
        return .token(.columns(columns))
    }

    private mutating func stepRow(_ reader: inout ByteReader) throws(WireError) -> Step {
        if let nulls, nulls[column / 8] & (1 << UInt8(column % 8)) != 0 {
            if !passesRowsOver { values.append(.null) }
        } else if passesRowsOver {
            guard try passValue(columns[column].type, &reader) else { return .starved }
        } else {
            guard let value = try stepValue(columns[column].type, &reader) else { return .starved }
            values.append(value)
        }
        column += 1
        guard column == columns.count else { return .piece }
        stage = .token
        defer { values = [] }
        // A row of which a part was passed over is none.
        return values.count == columns.count ? .token(.row(values, compressed: nulls != nil)) : .piece
    }

    private mutating func stepOutput(_ reader: inout ByteReader) throws(WireError) -> Step {
        guard var output else { throw .malformed("no output parameter is being read") }
        guard let value = try stepValue(output.type, &reader) else { return .starved }
        output.value = value
        self.output = nil
        stage = .token
        return .token(.returnValue(output))
    }

    /// The value, or nil while chunks of it are still to come.
    private mutating func stepValue(_ type: ColumnType, _ reader: inout ByteReader) throws(WireError) -> TDSValue? {
        guard type.isChunked else { return try type.decodeValue(from: &reader, limit: limits.value) }
        if chunks == nil {
            chunks = try ChunkedValue(total: try reader.uint64(), limit: limits.value)
            if chunks == nil { return .null }
        }
        guard try chunks?.take(from: &reader, limit: limits.value) == true else { return nil }
        defer { chunks = nil }
        return try type.decodeBody(chunks?.bytes ?? [])
    }

    /// Reads over a value by its lengths; false while chunks of it are still to come.
    private mutating func passValue(_ type: ColumnType, _ reader: inout ByteReader) throws(WireError) -> Bool {
        guard type.isChunked else {
            try type.passValue(in: &reader, limit: limits.value)
            return true
        }
        if chunks == nil {
            chunks = try ChunkedValue(total: try reader.uint64(), limit: limits.value)
            if chunks == nil { return true }
        }
        guard try chunks?.take(from: &reader, limit: limits.value, keeping: false) == true else { return false }
        chunks = nil
        return true
    }

    private mutating func stepFeature(_ reader: inout ByteReader) throws(WireError) -> Step {
        let id = try reader.byte()
        guard id != FeatureID.terminator else {
            stage = .token
            return .token(.featureAcknowledgements(features))
        }
        guard features.count < FeatureID.mostInList else { throw .beyondLimit("the number of acknowledged features", FeatureID.mostInList) }
        let length = Int(try reader.uint32())
        guard length <= limits.token else { throw .beyondLimit("the acknowledgement of a feature", limits.token) }
        features.append(FeatureAcknowledgement(FeatureID(rawValue: id), Array(try reader.take(length))))
        return .piece
    }
}
