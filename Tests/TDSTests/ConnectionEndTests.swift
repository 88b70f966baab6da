// How connections end, and what is told then: unconfirmed stops, limits, refusals that are broken off, transactions, packet sizes.

import Diagnosis
@testable import Lab
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import TDS

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

@Suite(.timeLimit(.minutes(1))) struct ConnectionEndTests {
    private static func encoded(_ tokens: ReplyToken...) -> [UInt8] { (try? ReplyToken.encode(tokens)) ?? [] }

    private static func error(_ number: Int32, class severity: UInt8 = 14, _ text: String = "no") -> ReplyToken {
        .error(TDSServerMessage(number: number, state: 1, class: severity, text: text))
    }

    private func bench(_ change: (inout AzureSQLScript) -> Void) async throws -> Bench {
        var script = AzureSQLScript.standard()
        change(&script)
        return try await Bench(script)
    }

    @Test("A stop that is never confirmed ends the connection, and whoever waits or asks later is told so", arguments: [false, true])
    func unconfirmed(isWaiting: Bool) async throws {
        let bench = try await bench { $0.ignoresAttention = true }
        let connection = try await bench.connect(bench.options { $0.attentionTimeout = .milliseconds(400) })
        let first = try await failure { _ = try await connection.query("lab wait", until: .now + .milliseconds(200)) }
        #expect(first.cause == .timedOut)
        #expect(first.address == "127.0.0.1:\(bench.server.port)")
        #expect(first.facts?.database == "billing")
        if !isWaiting { await bench.server.drained() }
        let next = try await failure { _ = try await connection.query("select 1", until: .now + .seconds(30)) }
        #expect(next.cause == .closed)
        #expect(next.detail.contains("did not confirm the end of an earlier request"))
        await bench.server.drained()
        await bench.stop()
    }

    @Test("Rows that were cut at the limit are given at once, though the server never confirms the stop")
    func cutRows() async throws {
        let bench = try await bench {
            $0.ignoresAttention = true
            $0.troubles[.query] = .endlessRows
        }
        let connection = try await bench.connect(
            bench.options {
                $0.limits.rows = 100; $0.attentionTimeout = .seconds(50)
            })
        let result = try await connection.query("anything", until: .now + .seconds(20))
        #expect(result.rows.count == 100)
        #expect(result.isTruncated)
        await connection.close()
        await bench.stop()
    }

    @Test("More bytes than a session may have end it")
    func sessionLimit() async throws {
        let bench = try await bench { _ in }
        let connection = try await bench.connect(
            bench.options {
                $0.limits.session = 20_000; $0.limits.rows = 1_000_000
            })
        let seen = try await failure { _ = try await connection.query("lab rows 100000", until: .now + .seconds(20)) }
        #expect(seen.cause == .tooLarge)
        #expect(try await failure { _ = try await connection.query("select 1", until: .now + .seconds(20)) }.cause == .closed)
        await bench.server.drained()
        await bench.stop()
    }

    @Test("A reply that begins with a row breaks the rules in every request")
    func rowFirst() async throws {
        let bench = try await bench {
            $0.soundStatements = 1
            $0.troubles[.query] = .reply([TokenType.row.rawValue, 1, 0, 0, 0] + Self.encoded(.done(Done())))
        }
        let connection = try await bench.connect()
        #expect(try await connection.query("select 1", until: .now + .seconds(20)).rows == [[1]])
        let seen = try await failure { _ = try await connection.query("select 1", until: .now + .seconds(20)) }
        #expect(seen.cause == .protocolViolation)
        await bench.stop()
    }

    struct BrokenOff: Sendable, CustomTestStringConvertible {
        var what: String
        var step: AzureSQLScript.Step
        var trouble: AzureSQLScript.Trouble
        var cause: TDSFailure.Cause
        var numbers: [Int32]
        var testDescription: String { what }
    }

    @Test(
        "What was said before an answer broke off is told",
        arguments: [
            BrokenOff(
                what: "a refusal, then silence", step: .login, trouble: .part(encoded(error(40613, class: 17))), cause: .loginRefused,
                numbers: [40613]),
            BrokenOff(
                what: "a tracing id, then the end", step: .login,
                trouble: .partAndClose(encoded(.info(TDSServerMessage(number: 40608, state: 1, class: 0, text: "tracing ID of 'x'")))),
                cause: .closed, numbers: [40608]),
            BrokenOff(
                what: "a refusal, then rubbish", step: .login, trouble: .reply(encoded(error(18456)) + [0x42]), cause: .protocolViolation,
                numbers: [18456]),
            BrokenOff(
                what: "a fatal error, then the end", step: .query, trouble: .partAndClose(encoded(error(40197, class: 20))),
                cause: .requestFailed, numbers: [40197]),
            BrokenOff(
                what: "an error, then silence", step: .query, trouble: .part(encoded(error(1205))), cause: .timedOut, numbers: [1205]),
            BrokenOff(
                what: "an error, then rubbish", step: .query, trouble: .reply(encoded(error(1205)) + [0x42]), cause: .protocolViolation,
                numbers: [1205]),
        ])
    func brokenOff(row: BrokenOff) async throws {
        let bench = try await bench { $0.troubles[row.step] = row.trouble }
        let isSilent = if case .part = row.trouble { true } else { false }
        let patience: Duration = isSilent ? .seconds(4) : .seconds(20)
        let seen = try await failure {
            let connection = try await bench.connect(until: .now + (row.step == .login ? patience : .seconds(20)))
            _ = try await connection.query("select 1", until: .now + patience)
        }
        #expect(seen.cause == row.cause, "\(seen)")
        #expect(seen.messages.map(\.number) == row.numbers)
        #expect(seen.phase == (row.step == .login ? .login : .query))
        #expect(seen.address == "127.0.0.1:\(bench.server.port)")
        await bench.stop()
    }

    @Test("A statement that fails without a word has failed, and the connection goes on")
    func failedWithoutError() async throws {
        let bench = try await bench { _ in }
        let connection = try await bench.connect()
        #expect(try await failure { _ = try await connection.query("lab failed", until: .now + .seconds(20)) }.cause == .requestFailed)
        #expect(try await connection.query("select 1", until: .now + .seconds(20)).rows == [[1]])
        await connection.close()
        await bench.stop()
    }

    @Test("Requests say in which transaction they run; the server refuses one that says another")
    func transactions() async throws {
        let bench = try await bench { _ in }
        let connection = try await bench.connect()
        for statement in [
            "lab begin", "select 1", "lab commit", "select 1", "lab begin", "lab rollback", "lab enlist", "lab end", "select 1",
        ] {
            _ = try await connection.query(statement, until: .now + .seconds(20))
        }
        _ = try await connection.query("lab begin", until: .now + .seconds(20))
        _ = try await connection.execute("x", [TDSParameter("a", 1)], until: .now + .seconds(20))
        await connection.close()
        await bench.stop()
    }

    @Test("A server may agree upon larger packets; none is written that is larger than a record of TLS", arguments: [8_000, 32_767])
    func largePackets(size: Int) async throws {
        let bench = try await bench { $0.packetSize = size }
        let connection = try await bench.connect()
        #expect(connection.facts.packetSize == size)
        let long = TDSValue.text(String(repeating: "x", count: 40_000))
        let result = try await connection.execute("x", [TDSParameter("a", long)], until: .now + .seconds(20))
        #expect(result.rows == [[long]])
        await connection.close()
        await bench.stop()
    }

    @Test("A value that is not read here fails nothing, and the connection goes on")
    func unread() async throws {
        let japanese = TDSCollation(info: 0x00D0_0411, sortID: 0)
        let columns = [
            TDSColumn("v", ColumnType(.variant, size: 8_009)), TDSColumn("t", ColumnType(.varChar, size: 10, collation: japanese)),
            TDSColumn("g", ColumnType(.varChar, size: 10, collation: TDSCollation(info: 0x00D0_0408, sortID: 0))),
        ]
        let row: [TDSValue] = [
            .unread(TDSUnread(type: "", bytes: [0x38, 0, 7, 0, 0, 0])), .unread(TDSUnread(type: "", bytes: [0x83, 0x65])), "\u{3B1}",
        ]
        let bench = try await bench { script in
            script.answerAbout = { _, sql, _ in sql == "select 1" ? nil : AzureSQLScript.rows(columns, [row]) }
        }
        let connection = try await bench.connect()
        let result = try await connection.query("anything", until: .now + .seconds(20))
        #expect(result.rows == [[7, .unread(TDSUnread(type: "text in code page 932", bytes: [0x83, 0x65])), "\u{3B1}"]])
        #expect(try await connection.query("select 1", until: .now + .seconds(20)).rows == [[1]])
        await connection.close()
        await bench.stop()
    }

    @Test("A redirect by a way that was not asked for is no redirect")
    func enhancedRouting() async throws {
        let bench = try await bench { $0.route = Route(server: "w1.database.windows.net", port: 11_001, database: "other") }
        #expect(try await bench.refusal().cause == .protocolViolation)
        await bench.stop()
    }

    @Test("A token that the server quotes is in no failure")
    func quotedToken() async throws {
        let token = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL2RhdGFiYXNlIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
        let bench = try await bench { script in
            script.admit = { _ in
                [
                    TDSServerMessage(number: 40608, state: 1, class: 0, text: "You sent \(token.dropFirst(30)) and more."),
                    TDSServerMessage(
                        number: 18456, state: 1, class: 14, text: "The token '\(token)' is refused; it begins with \(token.prefix(40))."),
                ]
            }
        }
        let seen = try await failure {
            _ = try await TDSConnection.connect(
                to: bench.target, token: TDSAccessToken(token), options: bench.options(), until: .now + .seconds(20))
        }
        #expect(
            seen.messages.map(\.text) == ["You sent <redacted> and more.", "The token '<redacted>' is refused; it begins with <redacted>."])
        var dumped = ""
        dump(seen, to: &dumped)
        for start in stride(from: 0, to: token.count - 12, by: 4) { #expect(!dumped.contains(token.dropFirst(start).prefix(12))) }
        await bench.stop()
    }

    @Test("What no login has room for is refused before a name is looked up")
    func unsendable() async throws {
        let bench = try await bench { _ in }
        let long = String(repeating: "x", count: 129)
        let asked = Mutex(0)
        var options = bench.options { options in
            options.lookUp = { (_, _) async throws(TDSFailure) in
                asked.withLock { $0 += 1 }
                return ["127.0.0.1"]
            }
        }
        var target = bench.target
        target.addresses = []
        for database in ["", long] {
            target.database = database
            let seen = try await failure {
                _ = try await TDSConnection.connect(
                    to: target, token: TDSAccessToken("a.b.c"), options: options, until: .now + .seconds(20))
            }
            #expect(seen.cause == .misuse && seen.phase == .name, "\(seen)")
        }
        target.database = "billing"
        options.applicationName = long
        let seen = try await failure {
            _ = try await TDSConnection.issuer(of: target, options: options, until: .now + .seconds(20))
        }
        #expect(seen.cause == .misuse && seen.phase == .name, "\(seen)")
        #expect(asked.withLock { $0 } == 0)
        await bench.stop()
    }

    @Test("A statement whose deadline has passed is not sent, and neither is one of a cancelled task")
    func pastDeadline() async throws {
        let seen = Mutex<[AzureSQLScript.Step]>([])
        let bench = try await bench { $0.noteStep = { step in seen.withLock { $0.append(step) } } }
        let connection = try await bench.connect()
        #expect(try await failure { _ = try await connection.query("select 1", until: .now - .seconds(1)) }.cause == .timedOut)
        let task = Task {
            unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
            _ = try await connection.query("select 1", until: .now + .seconds(20))
        }
        #expect(try await failure { try await task.value }.cause == .cancelled)
        #expect(seen.withLock { $0.filter { $0 == .query }.isEmpty })
        #expect(try await connection.query("select 1", until: .now + .seconds(20)).rows == [[1]])
        #expect(seen.withLock { $0.filter { $0 == .query }.count } == 1)
        await connection.close()
        await bench.stop()
    }

    @Test("A lookup of the caller's that keeps to no deadline is not waited for")
    func deafLookup() async throws {
        let bench = try await bench { _ in }
        let (hold, release) = AsyncStream<Void>.makeStream()
        var target = bench.target
        target.addresses = []
        let options = bench.options { options in
            options.lookUp = { (_, _) async throws(TDSFailure) in
                // Deaf to cancellation too: only `release` ends it.
                await Task.detached { for await _ in hold {} }.value
                return []
            }
        }
        let seen = try await failure {
            _ = try await TDSConnection.connect(
                to: target, token: TDSAccessToken("a.b.c"), options: options, until: .now + .milliseconds(300))
        }
        #expect(seen.cause == .timedOut && seen.phase == .name)
        release.finish()
        await bench.stop()
    }

    @Test("A group that was shut down answers by the deadline")
    func deadLoop() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        try await group.shutdownGracefully()
        let waiter = OneAnswer<Int>()
        let loop = group.any()
        let timedOut = TDSFailure(.timedOut, during: .query, "x")
        let seen = try await failure {
            _ = try await waiter.wait(until: .now + .milliseconds(200), timedOut: timedOut, cancelled: timedOut) {
                loop.execute { waiter.answer(.success(1)) }
            }
        }
        #expect(seen.cause == .timedOut)
    }

    @Test("A name that does not exist is told from a name service that does not answer", arguments: [EAI_NONAME, EAI_AGAIN, EAI_SYSTEM])
    func nameService(code: CInt) async throws {
        let seen = SystemLookup.failure(of: code, 5, "a.example")
        #expect(seen.cause == (code == EAI_NONAME ? .nameNotFound : .unreachable))
        #expect(seen.errno == (code == EAI_SYSTEM ? 5 : nil))
        #expect(seen.phase == .name)
    }

    @Test("The system's lookup gives every address of a name, and says that a name does not exist")
    func systemLookup() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        #expect(try await SystemLookup.addresses(of: "localhost", on: loop, until: .now + .seconds(20)).contains("127.0.0.1"))
    }
}
