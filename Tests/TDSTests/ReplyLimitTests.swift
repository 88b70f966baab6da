// What a reply may cost: values, result sets, and rows that nobody wants any more.

import Testing

@testable import TDS

@Suite struct ReplyLimitTests {
    private static func column(_ type: UInt8, _ more: [UInt8] = []) -> [UInt8] { [0, 0, 0, 0, 9, 0, type] + more + [1, 0x63, 0] }

    private static func columns(_ count: Int, _ column: [UInt8]) -> [UInt8] {
        [TokenType.columns.rawValue, UInt8(count & 0xFF), UInt8(count >> 8)] + (0..<count).flatMap { _ in column }
    }

    private static func reason(_ bytes: [UInt8], _ change: (inout DecodingLimits) -> Void = { _ in }) -> WireError.Reason? {
        var limits = DecodingLimits()
        change(&limits)
        do throws(WireError) {
            _ = try decode(bytes, limits: limits)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test("A column that takes no byte of a row is refused, as a parameter it is read")
    func nullType() throws {
        #expect(Self.reason(Self.columns(1_000, Self.column(0x1F)) + [UInt8](repeating: 0xD1, count: 4_000)) == .unsupportedType(0x1F))
        #expect(Self.reason([TokenType.returnValue.rawValue, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x1F]) == .unsupportedType(0x1F))
        let call = ProcedureCall(.executeSQL, [ProcedureCall.Parameter("@a", ColumnType(.null), .null)])
        #expect(try ProcedureCall(decoding: call.encode()) == call)
    }

    @Test("A row of NULLs costs its sender an eighth of a byte a value; the values of a reply are counted")
    func cells() {
        let row = [TokenType.compressedRow.rawValue] + [UInt8](repeating: 0xFF, count: 125)
        let rows = Self.columns(1_000, Self.column(0x26, [4])) + (0..<251).flatMap { _ in row }
        #expect(Self.reason(rows) == .beyondLimit("the number of values", limit: 250_000))
        #expect(Self.reason(rows) { $0.cells = 251_000 } == nil)
    }

    @Test("Result sets of a reply are counted, and begin anew with the next reply")
    func sets() throws {
        let set = Self.columns(1, Self.column(0x38))
        #expect(Self.reason((0..<1_001).flatMap { _ in set }) == .beyondLimit("the number of result sets", limit: 1_000))
        var decoder = TokenDecoder()
        for _ in 0..<3 {
            decoder.append((0..<1_000).flatMap { _ in set })
            while try decoder.next() != nil {}
            try decoder.endMessage()
        }
    }

    @Test("Rows that are passed over give no tokens, and what comes after them is read", arguments: Capture.all.filter { !$0.isPrelogin })
    func passedOver(capture: Capture) throws {
        let stream = Samples.bytes(capture.response.stream_hex)
        let wanted = try decode(stream).filter { if case .row = $0 { false } else { true } }
        for portion in [stream.count, 1, 7] {
            var decoder = TokenDecoder(limits: DecodingLimits())
            decoder.passesRowsOver = true
            var tokens: [ReplyToken] = []
            for start in stride(from: 0, to: stream.count, by: portion) {
                decoder.append(stream[start..<min(stream.count, start + portion)])
                while let token = try decoder.next() { tokens.append(token) }
            }
            #expect(tokens == wanted)
            try decoder.endMessage()
        }
    }

    @Test("Of a row that is given up in its middle nothing is left, and the rest of the reply is read")
    func givenUpInTheMiddle() throws {
        let columns = (0..<3).map { TDSColumn("c\($0)", ColumnType(.nVarChar, size: $0 == 1 ? ColumnType.chunked : 20)) }
        let tokens: [ReplyToken] = [.columns(columns), .row(["a", "bb", "c"], compressed: false), .done(Done())]
        let stream = try ReplyToken.encode(tokens)
        for cut in 0..<stream.count {
            var decoder = TokenDecoder()
            decoder.append(stream[..<cut])
            var seen: [ReplyToken] = []
            while let token = try decoder.next() { seen.append(token) }
            decoder.passesRowsOver = true
            decoder.append(stream[cut...])
            while let token = try decoder.next() { seen.append(token) }
            try decoder.endMessage()
            #expect(seen == tokens || seen == [tokens[0], tokens[2]])
        }
    }

    @Test("A reply that begins with a row has no columns, whatever the reply before it had")
    func staleColumns() throws {
        var decoder = TokenDecoder()
        decoder.append(try ReplyToken.encode([.columns([TDSColumn("a", ColumnType(.int))]), .row([1], compressed: false), .done(Done())]))
        while try decoder.next() != nil {}
        try decoder.endMessage()
        decoder.append([TokenType.row.rawValue, 1, 0, 0, 0])
        #expect(throws: WireError.malformed("a row comes before its columns", [TokenType.row.rawValue, 1, 0, 0, 0])) { try decoder.next() }
    }
}

extension WireError {
    fileprivate static func malformed(_ what: String, _ evidence: [UInt8]) -> WireError { WireError(.malformed(what), evidence: evidence) }
}
