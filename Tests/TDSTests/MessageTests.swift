// Whole messages as Microsoft's own drivers and the specification have them, and messages that are wrong on purpose.

import Testing

@testable import TDS

@Suite struct MessageTests {
    @Test(
        "The PRELOGIN messages of real programs are read and written back byte for byte",
        arguments: [
            ("prelogin-odbc", "18.6.2", 1, 1, true), ("prelogin-python-tds", "1.0.0", 1, 1, false),
            ("prelogin-mssql-core", "0.0.0", 3, 1, true),
            ("prelogin-server", "12.0.2000", 1, 1, false),
        ] as [(String, String, UInt8, UInt8, Bool)])
    func prelogin(name: String, version: String, encryption: UInt8, federated: UInt8, trace: Bool) throws {
        let message = try Prelogin(decoding: Samples[name])
        #expect(message.encode() == Samples[name])
        #expect(message.version?.description == version)
        #expect(message.encryption?.rawValue == encryption)
        #expect(message.federatedAuthenticationRequired == federated)
        #expect((message.trace?.count == 36) == trace)
    }

    @Test("Our PRELOGIN has the form that ODBC's has")
    func ownPrelogin() throws {
        let odbc = try Prelogin(decoding: Samples["prelogin-odbc"])
        let own = Prelogin(
            version: Prelogin.Version(major: 18, minor: 6, build: 2), encryption: .on, trace: try #require(odbc.trace))
        #expect(own.encode() == Samples["prelogin-odbc"])
    }

    @Test(
        "The login messages of real programs are read",
        arguments: [
            ("login-odbc", "vm", "localhost,35999", "MSSQL-Python", "ODBC", 0, [0x10, 1, 2, 9, 0x0A, 0x0B]),
            ("login-python-tds", "vm", "localhost", "probe", "Python TDS Library", 4096, [2]),
            ("login-mssql-core", "vm", "localhost,45467", "mssql-python", "mssql-python", 4096, [0x10, 2, 1, 0x0E, 0x0A, 0x0D]),
        ] as [(String, String, String, String, String, UInt32, [UInt8])])
    func login(name: String, host: String, server: String, application: String, library: String, size: UInt32, features: [UInt8]) throws {
        let login = try LoginMessage(decoding: Samples[name])
        #expect(login.tdsVersion == TDSVersion.v74)
        #expect(login.hostName == host)
        #expect(login.serverName == server)
        #expect(login.applicationName == application)
        #expect(login.libraryName.hasPrefix(library.prefix(4)))
        #expect(login.database == "appdb")
        #expect(login.userName.isEmpty)
        #expect(login.packetSize == size)
        #expect(login.features.map(\.id.rawValue) == features)
        let feature = try #require(login.features.first { $0.id == .federatedAuthentication })
        guard case .securityToken(let token, nil, true) = try FederatedLogin(decoding: feature) else {
            Issue.record("not a token with echo")
            return
        }
        #expect(token.reveal { decodeUTF16($0) } == "dummy-token")
    }

    @Test("Our encoder writes ODBC's login byte for byte")
    func sameAsODBC() throws {
        #expect(try LoginMessage(decoding: Samples["login-odbc"]).encode() == Samples["login-odbc"])
    }

    @Test("A login with a token of 60,000 characters fits, one beyond 128 KiB is refused before it is sent")
    func largeToken() throws {
        var login = LoginMessage()
        login.database = "appdb"
        login.features = [
            FederatedLogin.securityToken(SensitiveBytes(Array(repeating: 65, count: 120_000)), nonce: nil, echo: true).request()
        ]
        #expect(try LoginMessage(decoding: login.encode()) == login)
        login.features = [
            FederatedLogin.securityToken(SensitiveBytes(Array(repeating: 65, count: 131_000)), nonce: nil, echo: true).request()
        ]
        #expect(throws: WireError.self) { try login.encode() }
        login.features = []
        login.database = String(repeating: "x", count: 129)
        #expect(throws: WireError.self) { try login.encode() }
    }

    @Test("Asking for the issuer first has the bytes that Microsoft's driver sends")
    func askFirst() throws {
        let request = FederatedLogin.askFirst(workflow: 1, echo: true).request()
        #expect(request.data.reveal(\.self) == [0x05, 0x01])
        #expect(try FederatedLogin(decoding: request) == .askFirst(workflow: 1, echo: true))
        let token = FederatedTokenMessage(token: SensitiveBytes(Array("d.u.m.m.y.-.t.o.k.e.n.".utf8.map { $0 == 46 ? 0 : $0 })))
        let bytes = Samples.bytes("1a0000001600000064007500 6d006d0079002d0074006f006b0065006e00")
        #expect(token.encode() == bytes)
        #expect(try FederatedTokenMessage(decoding: bytes) == token)
    }

    @Test("A nonce of the server goes back behind the token")
    func nonce() throws {
        let nonce = Array(UInt8(0)..<32)
        let login = FederatedLogin.securityToken(SensitiveBytes([65, 0]), nonce: nonce, echo: false)
        #expect(try FederatedLogin(decoding: login.request()) == login)
        #expect(login.request().data.reveal(\.self) == [0x02, 2, 0, 0, 0, 65, 0] + nonce)
        let message = FederatedTokenMessage(token: SensitiveBytes([65, 0]), nonce: nonce)
        #expect(try FederatedTokenMessage(decoding: message.encode()) == message)
    }

    @Test("A password is hidden as the specification says, and no text form shows credentials")
    func secrets() {
        // Source: MS-TDS 2.2.6.4, Password; "ab" computed by hand: 61 -> 16 ^ a5 = b3, 62 -> 26 ^ a5 = 83.
        #expect(LoginMessage.obfuscate("ab").reveal(\.self) == [0xB3, 0xA5, 0x83, 0xA5])
        var login = LoginMessage()
        login.obfuscatedPassword = LoginMessage.obfuscate("hunter2")
        login.features = [FederatedLogin.securityToken(SensitiveBytes(Array("secret".utf8)), nonce: nil, echo: true).request()]
        var dumped = ""
        dump(login, to: &dumped)
        for text in ["\(login)", String(reflecting: login), dumped] {
            #expect(text.contains("<redacted>"))
            #expect(!text.contains("115, 101, 99, 114"))
        }
    }

    @Test("The reply that three real clients accept as a login is read whole and written back byte for byte")
    func loginReply() throws {
        let tokens = try decode(Samples["reply-login"])
        #expect(
            tokens == [
                .environmentChange(.database(new: "appdb", old: "master")),
                .info(
                    TDSServerMessage(
                        number: 5701, state: 2, class: 0, text: "Changed database context to 'appdb'.", server: "probe", line: 1)),
                .environmentChange(.collation(new: TDSCollation.default.bytes, old: [])),
                .environmentChange(.language(new: "us_english", old: "")),
                .info(
                    TDSServerMessage(
                        number: 5703, state: 1, class: 0, text: "Changed language setting to us_english.", server: "probe", line: 1)),
                .loginAcknowledgement(
                    LoginAcknowledgement(tdsVersion: TDSVersion.v74, program: "Microsoft SQL Server", major: 12, minor: 0, build: 2000)),
                .environmentChange(.packetSize(new: 4096, old: 4096)),
                .featureAcknowledgements([FeatureAcknowledgement(.federatedAuthentication), FeatureAcknowledgement(.utf8Support, [1])]),
                .done(Done()),
            ])
        #expect(try ReplyToken.encode(tokens) == Samples["reply-login"])
    }

    @Test("The rows that three real clients read alike are read so here")
    func rows() throws {
        let tokens = try decode(Samples["reply-rows"])
        let rows = tokens.compactMap { if case .row(let values, _) = $0 { values.map(\.description) } else { nil } }
        #expect(
            rows == [
                [
                    "42", "-7", "1099511627776", "-1", "1", "dbo", "hello max", "2026-03-01 12:34:56.1234567",
                    "2026-03-01 13:34:56.1234567 +01:00", "NULL",
                ],
                ["43", "NULL", "5", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL"],
                ["44", "NULL", "1", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL"],
                ["45", "NULL", "1", "NULL", "NULL", "", "abc", "NULL", "NULL", "NULL"],
            ])
        #expect(tokens.last == .done(Done([.count], command: Done.selectCommand, rowCount: 4)))
        #expect(try decode(ReplyToken.encode(tokens)) == tokens)
    }

    @Test("An error reply is read and written back byte for byte")
    func errorReply() throws {
        let tokens = try decode(Samples["reply-error"])
        let message = TDSServerMessage(
            number: 229, state: 5, class: 14, text: "The SELECT permission was denied on the object 'x'.", server: "probe", line: 1)
        #expect(tokens == [.error(message), .done(Done([.error]))])
        #expect(try ReplyToken.encode(tokens) == Samples["reply-error"])
    }

    @Test("FEDAUTHINFO names issuer and resource, and is written back byte for byte")
    func federatedInfo() throws {
        let tokens = try decode(Samples["reply-fedauthinfo"])
        guard case .federatedAuthenticationInfo(let info) = tokens.first else {
            Issue.record("no FEDAUTHINFO: \(tokens)")
            return
        }
        #expect(info.stsURL == "https://login.windows.net/11111111-2222-3333-4444-555555555555")
        #expect(info.spn == "https://database.windows.net/")
        #expect(info.tenant == "11111111-2222-3333-4444-555555555555")
        #expect(try ReplyToken.encode(tokens) == Samples["reply-fedauthinfo"])
    }

    @Test(
        "The tenant is the first segment of the issuer's path, whatever follows it",
        arguments: [
            ("https://login.microsoftonline.com/T", "T"), ("https://login.microsoftonline.com/T/", "T"),
            ("https://login.microsoftonline.com/T/oauth2/authorize", "T"),
            ("https://login.microsoftonline.us/T/oauth2/v2.0/token?a=b", "T"),
            ("https://login.partner.microsoftonline.cn/common?x", "common"), ("https://login.windows.net", nil),
            ("https://login.windows.net/", nil),
            ("nonsense", nil),
        ] as [(String, String?)])
    func tenants(url: String, tenant: String?) {
        #expect(FederatedAuthenticationInfo(stsURL: url, spn: nil).tenant == tenant)
    }

    @Test("A route is read and written back byte for byte")
    func route() throws {
        let tokens = try decode(Samples["routing-reply"])
        #expect(tokens == [.environmentChange(.routing(Route(server: "ab12.tr1.eastus1-a.worker.database.windows.net", port: 11003)))])
        #expect(try ReplyToken.encode(tokens) == Samples["routing-reply"])
    }

    @Test("The call that python-tds sends is written byte for byte")
    func procedureCall() throws {
        let max = ColumnType(.nVarChar, size: ColumnType.chunked)
        let call = ProcedureCall(
            .executeSQL,
            [
                ProcedureCall.Parameter("", max, "select @P1 as a"), ProcedureCall.Parameter("", max, "@P1 NVARCHAR(MAX)"),
                ProcedureCall.Parameter("@P1", max, "x"),
            ])
        #expect(try call.encode() == Samples["rpc-python-tds"])
        #expect(try ProcedureCall(decoding: Samples["rpc-python-tds"]) == call)
    }

    @Test(
        "Small replies of the specification's kind are read and written back byte for byte",
        arguments: [
            // Source: MS-TDS 2.2.7.6 to 2.2.7.8 and section 4: a batch, a procedure, an acknowledged cancel.
            ("fd1000c1000100000000000000", [.done(Done([.count], command: 0xC1, rowCount: 1))]),
            ("fd2000fd000000000000000000", [.done(Done([.attention], command: 0xFD))]),
            (
                "ff1100c10001000000000000007900000000fe0000e0000000000000000000",
                [
                    .doneInProcedure(Done([.more, .count], command: 0xC1, rowCount: 1)), .returnStatus(0),
                    .doneProcedure(Done([], command: 0xE0)),
                ]
            ),
            // Source: MS-TDS 2.2.7.17 ORDER, 2.2.7.9 ENVCHANGE types 8, 10 and 13, 2.2.7.11 FEATUREEXTACK with a nonce, 2.2.7.21 SESSIONSTATE.
            ("a9040001000200", [.order([1, 2])]),
            ("e30b00080801020304050607 0800", [.environmentChange(.transactionBegun(descriptor: [1, 2, 3, 4, 5, 6, 7, 8]))]),
            ("e30b000a000801020304050607 08", [.environmentChange(.transactionRolledBack(descriptor: [1, 2, 3, 4, 5, 6, 7, 8]))]),
            ("e305000d01410000", [.environmentChange(.other(type: 13, payload: [1, 0x41, 0, 0]))]),
            ("ae0202000000aabbff", [.featureAcknowledgements([FeatureAcknowledgement(.federatedAuthentication, [0xAA, 0xBB])])]),
            ("aeff", [.featureAcknowledgements([])]),
            ("e403000000010203", [.skipped(.sessionState, [1, 2, 3])]),
            ("ed0200aabb", [.skipped(.sspi, [0xAA, 0xBB])]),
            ("a5010001", [.skipped(.columnInfo, [1])]),
            ("81ffff", [.columns([])]),
        ] as [(String, [ReplyToken])])
    func smallReplies(digits: String, tokens: [ReplyToken]) throws {
        let bytes = Samples.bytes(digits)
        for portion in [0, 1] { #expect(try decode(bytes, portion: portion) == tokens) }
        #expect(try ReplyToken.encode(tokens) == bytes)
    }

    @Test("The attention that ODBC sends is a packet without payload")
    func attention() throws {
        #expect(Packet.split([], as: .attention, size: 4096).flatMap(\.bytes) == Samples.bytes("0601000800000100"))
    }

    @Test(
        "A message is cut at the packet size, only its last packet is marked, and it comes together again",
        arguments: [0, 1, 503, 504, 505, 1008, 5000])
    func packets(count: Int) throws {
        let message = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let packets = Packet.split(message, as: .login, size: 512)
        #expect(packets.count == max(1, (count + 503) / 504))
        var reader = PacketReader()
        reader.append(packets.flatMap(\.bytes))
        var read: [Packet] = []
        while let packet = try reader.next() { read.append(packet) }
        #expect(read == packets)
        #expect(read.flatMap(\.payload) == message)
        #expect(read.map(\.isLast) == Array(repeating: false, count: read.count - 1) + [true])
    }

    @Test(
        "A packet header that breaks the rules is refused as soon as it can be",
        arguments: [
            "485454502f", "ff", "00", "0401000700000100", "0401000000000100", "0401100100000100", "1603010200",
        ])
    func badHeaders(digits: String) {
        var reader = PacketReader()
        reader.append(Samples.bytes(digits))
        #expect(throws: WireError.self) { try reader.next() }
    }

    @Test(
        "A PRELOGIN that breaks the rules is refused",
        arguments: [
            ("", "nothing"), ("00000b000601", "no end of the table"), ("ff", "no VERSION"), ("01000600 01ff01", "VERSION is not first"),
            ("00000b0006ff0c0007d000", "VERSION is cut"), ("00ffff0006ff0c0007d00000", "an offset outside"),
            ("0000060005ff0c0007d000", "VERSION of five bytes"),
            ("00000b000601ffffffffff0c0007d00000", "offset and length wrap in 16 bits"),
            ("00000b0006070011001fff0c0007d00000" + String(repeating: "00", count: 31), "a nonce of 31 bytes"),
            ("00000b00060100110002ff0c0007d000000101", "ENCRYPTION of two bytes"),
            (String(repeating: "0000000000", count: 33) + "ff", "33 options"),
        ])
    func badPrelogin(digits: String, why: String) {
        #expect(throws: WireError.self) { try Prelogin(decoding: Samples.bytes(digits)) }
    }

    @Test(
        "A reply that breaks the rules is refused with its bytes",
        arguments: [
            ("00", "token 0"), ("d1", "a row before its columns"), ("d2", "a compressed row before its columns"),
            ("81ff7f", "32767 columns"),
            ("aa0000", "an empty error"), ("aa0a00e500000005 0eff000000", "a text beyond its token"),
            ("ad0400 01740000", "a login acknowledgement cut"),
            ("e3000000", "an environment change without type"), ("e307000402340030 00 00", "packets of 40 bytes"),
            ("e30d00040533003200370036003800 00", "packets of 32768 bytes"),
            ("e30f0004067800790078007900780079 0000", "packet size in letters"),
            ("e30600140200 00 01 00", "a route of two bytes"),
            ("e3 0a00 14 0700 00 fb2a ffff 0000", "a route with a name of 65535 characters"),
            ("ae02ffffffff", "an acknowledgement of four gigabytes"), ("eeffffffff", "FEDAUTHINFO of four gigabytes"),
            ("ee04000000ffffffff", "FEDAUTHINFO of four billion entries"),
            ("ee0d0000000100000001ffffffff00000000", "an entry outside FEDAUTHINFO"),
            ("ee0d00000001000000010000000000000000", "an entry over the table of FEDAUTHINFO"),
            ("e4ffffffff", "session state of four gigabytes"),
            ("a9010001", "ORDER of one byte"), ("ac00000000000000000000000062", "an output parameter of type sql_variant"),
        ])
    func badReplies(digits: String, why: String) {
        let bytes = Samples.bytes(digits)
        for portion in [0, 1] {
            let error = #expect(throws: WireError.self) { try decode(bytes, portion: portion) }
            #expect(error?.evidence.isEmpty == false, "\(why)")
        }
    }

    @Test("An unknown token names itself and keeps its bytes")
    func unknownToken() {
        let error = #expect(throws: WireError.self) { try decode(Samples.bytes("fd0000000000000000000000 00 42 010203")) }
        #expect(error?.reason == .unknownToken(0x42))
        #expect(error?.evidence == [0x42, 1, 2, 3])
    }

    @Test("Limits end a reply: bytes, messages, columns, values")
    func limits() throws {
        var limits = DecodingLimits()
        limits.reply = 100
        limits.messages = 3
        limits.columns = 2
        limits.value = 4
        let done = Samples.bytes("fd0000000000000000000000 00")
        #expect(try decode(Array(repeating: done, count: 7).flatMap(\.self), limits: limits).count == 7)
        #expect(throws: WireError.self) { try decode(Array(repeating: done, count: 8).flatMap(\.self), portion: 1, limits: limits) }
        let info = ReplyToken.info(TDSServerMessage(number: 1, state: 1, class: 1, text: ""))
        #expect(throws: WireError.self) { try decode(ReplyToken.encode([info, info, info, info]), limits: limits) }
        let column = TDSColumn("c", ColumnType(.varBinary, size: ColumnType.chunked))
        #expect(throws: WireError.self) { try decode(ReplyToken.encode([.columns([column, column, column])]), limits: limits) }
        #expect(throws: WireError.self) {
            try decode(ReplyToken.encode([.columns([column]), .row([.binary([1, 2, 3, 4, 5])], compressed: false)]), limits: limits)
        }
        #expect(
            try decode(ReplyToken.encode([.columns([column]), .row([.binary([1, 2, 3, 4])], compressed: false)]), limits: limits).count == 2
        )
    }

    @Test("After an error the decoder gives the same error, whatever comes")
    func errorIsFinal() throws {
        var decoder = TokenDecoder()
        decoder.append([0])
        let first = #expect(throws: WireError.self) { try decoder.next() }
        decoder.append(Samples["reply-login"])
        #expect(throws: try #require(first)) { try decoder.next() }
        #expect(throws: try #require(first)) { try decoder.endMessage() }
    }

    @Test("A reply of thousands of empty chunks and packets of one byte costs no more than its bytes", .timeLimit(.minutes(1)))
    func smallPieces() throws {
        let column = TDSColumn("c", ColumnType(.varBinary, size: ColumnType.chunked))
        var stream = try ReplyToken.encode([.columns([column])]) + [TokenType.row.rawValue] + Array(repeating: 0xFF, count: 8)
        stream[stream.count - 8] = 0xFE
        for _ in 0..<40_000 { stream += [1, 0, 0, 0, 0xAB] }
        stream += [0, 0, 0, 0]
        let tokens = try decode(stream, portion: 1)
        #expect(tokens.count == 2)
    }

    @Test(
        "A flight of the handshake is wrapped and unwrapped, in any portions, and both packet types are taken",
        arguments: [0, 1, 400, 4088, 9000])
    func handshake(count: Int) throws {
        let flight = Array(repeating: UInt8(0x16), count: count)
        var framing = HandshakeFraming()
        let wrapped = framing.wrap(flight)
        #expect(wrapped.first == PacketType.prelogin.rawValue)
        var records: [UInt8] = []
        for byte in wrapped { records += try framing.unwrap([byte]) }
        #expect(records == flight)
        if count > 0 {
            let asReply = Packet.split(flight, as: .reply, size: 4096).flatMap(\.bytes)
            #expect(try framing.unwrap(asReply) == flight)
        }
        #expect(framing.pass().isEmpty)
        #expect(framing.wrap(flight) == flight)
        #expect(try framing.unwrap(flight) == flight)
    }

    @Test("Bare TLS records end the wrapping, but cannot begin the handshake")
    func bareRecords() throws {
        var framing = HandshakeFraming()
        #expect(throws: WireError.self) { try framing.unwrap([0x16, 3, 1]) }
        framing = HandshakeFraming()
        _ = try framing.unwrap(framing.wrap([0x16, 3, 1]))
        #expect(try framing.unwrap([0x14, 3, 3]) == [0x14, 3, 3])
        #expect(framing.isPassing)
        framing = HandshakeFraming()
        #expect(throws: WireError.self) { try framing.unwrap(Packet.split([1], as: .login, size: 512).flatMap(\.bytes)) }
    }

    @Test("A handshake without end is refused")
    func endlessHandshake() throws {
        var framing = HandshakeFraming()
        let packet = Packet.split(Array(repeating: 0x16, count: 4_000), as: .prelogin, size: 4096).flatMap(\.bytes)
        #expect(throws: WireError.self) { for _ in 0..<20 { _ = try framing.unwrap(packet) } }
    }
}
