// What servers written by others answer is read as python-tds read it.

import Testing

@testable import TDS

@Suite struct CaptureTests {
    static let replies = Capture.all.filter { !$0.isPrelogin }
    static let prelogins = Capture.all.filter(\.isPrelogin)

    @Test("All captured exchanges are there")
    func allAreThere() throws {
        #expect(try Capture.read().count == 73)
        #expect(Self.prelogins.count == 20)
        #expect(Set(Self.prelogins.map(\.name)) == Set(Self.greetings.keys))
        #expect(Capture.all.count == 73)
        #expect(Samples.all.count == 13 && Samples.all.values.allSatisfy { !$0.isEmpty })
    }

    @Test("The packets of a reply give its stream, in one piece and byte by byte", arguments: Capture.all)
    func packetsGiveTheStream(capture: Capture) throws {
        let bytes = capture.response.packets_hex.flatMap(Samples.bytes)
        for portion in [bytes.count, 1] {
            var reader = PacketReader(largest: PacketHeader.largestPacket)
            var packets: [Packet] = []
            for start in stride(from: 0, to: bytes.count, by: portion) {
                reader.append(bytes[start..<min(bytes.count, start + portion)])
                while let packet = try reader.next() { packets.append(packet) }
            }
            #expect(packets.flatMap(\.payload) == Samples.bytes(capture.response.stream_hex))
            #expect(packets.flatMap(\.bytes) == bytes)
            #expect(packets.dropLast().allSatisfy { !$0.isLast } && packets.last?.isLast == true)
            #expect(packets.allSatisfy { $0.header.type == .reply })
        }
    }

    @Test("Every PRELOGIN answer is read, and written back byte for byte", arguments: prelogins)
    func prelogin(capture: Capture) throws {
        let bytes = Samples.bytes(capture.response.stream_hex)
        let prelogin = try Prelogin(decoding: bytes)
        #expect(prelogin.encode() == bytes)
        let wanted = try #require(Self.greetings[capture.name])
        #expect(prelogin.version?.description == wanted.version)
        #expect(prelogin.encryption?.rawValue == wanted.encryption)
        #expect(prelogin.federatedAuthenticationRequired == wanted.required)
    }

    struct Greeting: Sendable {
        var version: String
        var encryption: UInt8
        var required: UInt8?
        init(_ version: String, _ encryption: UInt8, _ required: UInt8? = nil) {
            self.version = version
            self.encryption = encryption
            self.required = required
        }
    }

    /// What stands in the bytes, read by hand: VERSION, ENCRYPTION and, where it is there, FEDAUTHREQUIRED.
    static let greetings: [String: Greeting] = [
        "ms-login-sql-plain-prelogin": Greeting("11.0.2100", 2), "ms-login-fedauth-tls-prelogin": Greeting("11.0.2100", 1, 1),
        "ms-login-error-18456-prelogin": Greeting("11.0.2100", 1), "ms-login-denied-two-errors-prelogin": Greeting("11.0.2100", 1),
        "ms-login-error-40613-prelogin": Greeting("11.0.2100", 1, 1), "ms-login-packet512-prelogin": Greeting("11.0.2100", 1),
        "ms-login-failover-partner-prelogin": Greeting("11.0.2100", 2),
        "ms-fedneg-FedAuthMissingInFEATUREEXTACK-prelogin": Greeting("11.0.2100", 1, 1),
        "ms-fedneg-NonceMissingInFedAuthFEATUREXTACK-prelogin": Greeting("11.0.2100", 1, 1),
        "ms-fedneg-InvalidB_FEDAUTHREQUIREDResponse-prelogin": Greeting("11.0.2100", 1, 2),
        "rsmock-login-plain-prelogin": Greeting("16.0.0", 2, 1), "rsmock-login-redirect-prelogin": Greeting("16.0.0", 2, 1),
        "bbf-login-plain-prelogin": Greeting("12.0.2000", 2), "bbf-login-tls-prelogin": Greeting("12.0.2000", 1),
        "bbf-login-18456-prelogin": Greeting("12.0.2000", 1), "bbf-login-4060-prelogin": Greeting("12.0.2000", 1),
        "bbf-login-nouser-prelogin": Greeting("12.0.2000", 1), "bbf-login-packet512-prelogin": Greeting("12.0.2000", 1),
        "bbf-encrypt-required-prelogin": Greeting("12.0.2000", 1), "bbf-encrypt-required-plain-client-prelogin": Greeting("12.0.2000", 3),
    ]

    @Test("Every reply has the tokens and rows that python-tds found", arguments: replies)
    func tokensAndRows(capture: Capture) throws {
        let tokens = try decode(Samples.bytes(capture.response.stream_hex))
        let expected = try #require(capture.expected)
        let wanted = (expected.tokens ?? []).filter { $0.token != "LOGINACK" }.map(Self.line)
        // python-tds stops reading where it refuses the missing acknowledgement of the token login.
        let stopsEarly = capture.name == "ms-fedneg-FedAuthMissingInFEATUREEXTACK"
        let lines = tokens.compactMap(Self.line)
        #expect(stopsEarly ? Array(lines.prefix(wanted.count)) == wanted : lines == wanted)
        if let acknowledged = expected.tokens?.first(where: { $0.token == "LOGINACK" }) {
            #expect(tokens.compactMap(Self.acknowledgement) == [Self.acknowledgement(acknowledged)])
        }
        let sets = expected.result_sets?.map(\.rows) ?? expected.rows.map { [$0] } ?? []
        let rows = tokens.compactMap { if case .row(let values, _) = $0 { values } else { nil } }
        let wantedRows = sets.flatMap(\.self)
        #expect(rows.map(\.count) == wantedRows.map(\.count))
        for (value, cell) in zip(rows.flatMap(\.self), wantedRows.flatMap(\.self)) {
            if let length = cell.length {
                let text = try #require(value.text)
                #expect(text.count == length && text.hasPrefix(cell.prefix ?? "?") && text.hasSuffix(cell.suffix ?? "?"))
            } else {
                #expect(Self.text(value) == Self.text(cell))
            }
        }
        let names = expected.result_sets?.map(\.columns) ?? expected.columns.map { [$0] } ?? []
        #expect(Self.columnNames(tokens) == names.filter { !$0.isEmpty }.map { $0.map(\.name) })
    }

    @Test("A reply cut into any portions has the same tokens", arguments: replies)
    func cuts(capture: Capture) throws {
        let stream = Samples.bytes(capture.response.stream_hex)
        let whole = try decode(stream)
        for portion in [1, 2, 3, 7, 64, 504] { #expect(try decode(stream, portion: portion) == whole) }
    }

    @Test("A reply that ends at any byte is an error or a whole reply, and gives no token that was not in it", arguments: replies)
    func ends(capture: Capture) throws {
        let stream = Samples.bytes(capture.response.stream_hex)
        let whole = try decode(stream)
        let step = max(1, stream.count / 600)
        // Fed byte by byte, a token comes with its last byte.
        var boundaries: Set<Int> = [0]
        var slow = TokenDecoder()
        for (place, byte) in stream.enumerated() {
            slow.append([byte])
            while try slow.next() != nil { boundaries.insert(place + 1) }
        }
        #expect(boundaries.count > 1 && boundaries.contains(stream.count))
        for end in stride(from: 0, to: stream.count, by: step) {
            var decoder = TokenDecoder()
            decoder.append(stream[..<end])
            var tokens: [ReplyToken] = []
            while let token = try decoder.next() { tokens.append(token) }
            #expect(tokens == Array(whole.prefix(tokens.count)))
            // Between two tokens a message may end; within one it must not.
            if boundaries.contains(end) {
                #expect(throws: Never.self) { try decoder.endMessage() }
            } else {
                #expect(throws: WireError.self) { try decoder.endMessage() }
            }
        }
    }

    @Test("What was read can be written, and reads the same", arguments: replies)
    func roundTrip(capture: Capture) throws {
        let tokens = try decode(Samples.bytes(capture.response.stream_hex))
        #expect(try decode(ReplyToken.encode(tokens)) == tokens)
    }

    @Test("What python-tds asked is read, and reads the same after writing", arguments: Capture.all)
    func requests(capture: Capture) throws {
        for message in capture.request.messages {
            let bytes = Samples.bytes(message.stream_hex)
            switch PacketType(rawValue: message.packet_type) {
            case .prelogin: #expect(try Prelogin(decoding: bytes).encode() == bytes)
            case .login:
                let login = try LoginMessage(decoding: bytes)
                #expect(try LoginMessage(decoding: login.encode()) == login)
            case .sqlBatch: #expect(try SQLBatch(decoding: bytes).encode() == bytes)
            case .rpc:
                let call = try ProcedureCall(decoding: bytes)
                #expect(call.procedure == .executeSQL)
                #expect(try ProcedureCall(decoding: call.encode()) == call)
            case let other: Issue.record("packet type \(String(describing: other)) is not expected")
            }
        }
    }

    // MARK: Both sides as lines of text

    private static func line(_ token: Capture.Token) -> String {
        switch token.token {
        case "ENVCHANGE": "ENVCHANGE \(token.type ?? 0) \(token.new?.line ?? "")"
        case "INFO", "ERROR":
            "\(token.token) \(token.number ?? 0) \(token.state ?? 0) \(token.class ?? 0) \(token.message ?? "")|\(token.server ?? "")|"
                + "\(token.procedure ?? "")|\(token.line ?? 0)"
        case "COLMETADATA": "COLMETADATA \(token.columns ?? [])"
        case "RETURNSTATUS": "RETURNSTATUS \(token.value?.line ?? "")"
        case "DONE", "DONEPROC", "DONEINPROC": "\(token.token) \(token.status ?? 0) \(token.rowcount.map(String.init) ?? "-")"
        default: token.token
        }
    }

    private static func line(_ token: ReplyToken) -> String? {
        switch token {
        case .environmentChange(let change): "ENVCHANGE \(text(change))"
        case .error(let message): "ERROR \(text(message))"
        case .info(let message): "INFO \(text(message))"
        case .columns(let columns): "COLMETADATA \(columns.map(\.name))"
        case .returnStatus(let status): "RETURNSTATUS \(status)"
        case .featureAcknowledgements: "FEATUREEXTACK"
        case .federatedAuthenticationInfo: "FEDAUTHINFO"
        case .done(let done): "DONE \(text(done))"
        case .doneProcedure(let done): "DONEPROC \(text(done))"
        case .doneInProcedure(let done): "DONEINPROC \(text(done))"
        case .loginAcknowledgement, .row, .order, .skipped: nil
        case .returnValue(let output): "RETURNVALUE \(output.name)"
        }
    }

    private static func text(_ done: Done) -> String {
        "\(done.status.rawValue) \(done.status.contains(.count) ? String(done.rowCount) : "-")"
    }

    private static func text(_ message: TDSServerMessage) -> String {
        "\(message.number) \(message.state) \(message.class) \(message.text)|\(message.server)|\(message.procedure)|\(message.line)"
    }

    private static func text(_ change: EnvironmentChange) -> String {
        switch change {
        case .database(let new, _): "1 \(new)"
        case .language(let new, _): "2 \(new)"
        case .packetSize(let new, _): "4 \(new)"
        case .collation(let new, _):
            TDSCollation(bytes: new).map { "7 lcid=\($0.locale),sort_id=\($0.sortID)" } ?? "7 "
        case .transactionBegun: "8 "
        case .transactionCommitted: "9 "
        case .transactionRolledBack: "10 "
        case .transactionEnlisted: "11 "
        case .transactionEnded(let type, _): "\(type) "
        case .routing(let route): route.database == nil ? "20 port=\(route.port),server=\(route.server)" : "21 "
        case .other(let type, _): "\(type) "
        }
    }

    private static func acknowledgement(_ token: Capture.Token) -> String {
        "\(token.tds_version ?? "") \(token.product_name ?? "") \(token.product_version ?? "")"
    }

    private static func acknowledgement(_ token: ReplyToken) -> String? {
        guard case .loginAcknowledgement(let it) = token else { return nil }
        let version = UInt32(it.major) << 24 | UInt32(it.minor) << 16 | UInt32(it.build)
        return "0x\(String(it.tdsVersion, radix: 16)) \(it.program) 0x\(String(version, radix: 16))"
    }

    private static func columnNames(_ tokens: [ReplyToken]) -> [[String]] {
        tokens.compactMap { if case .columns(let columns) = $0 { columns.map(\.name) } else { nil } }
    }

    private static func text(_ cell: Capture.Cell) -> String { "\(cell.type) \(cell.value?.line ?? "")" }

    /// As Python prints it: microseconds, and no fraction when there is none.
    private static func text(_ value: TDSValue) -> String {
        switch value {
        case .null: "null "
        case .boolean(let flag): "bool \(flag)"
        case .integer(let number): "int \(number)"
        case .double(let number): "float \(number)"
        case .decimal(let number): "decimal \(number)"
        case .text(let text): "str \(text)"
        case .binary(let bytes): "bytes \(hexadecimal(bytes))"
        case .identifier(let identifier): "uuid \(identifier)"
        case .date(let date): "date \(date)"
        case .time(let time): "time \(text(time))"
        case .timestamp(let moment): "datetime \(moment.date)T\(text(moment.time))"
        case .unread(let value): "unread \(value)"
        case .offsetTimestamp(let moment):
            "datetimeoffset \(moment.local.date)T\(text(moment.local.time))\(moment.description.suffix(6))"
        }
    }

    private static func text(_ time: TDSTime) -> String {
        time.ticks % 10_000_000 == 0 ? TDSTime(ticks: time.ticks, scale: 0).description : TDSTime(ticks: time.ticks, scale: 6).description
    }
}
