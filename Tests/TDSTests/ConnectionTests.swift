// Our client against the lab's server over real sockets, well behaved.

import Diagnosis
@testable import Lab
import NIOCore
import NIOPosix
import Testing

@testable import TDS

@Suite(.timeLimit(.minutes(1))) struct ConnectionTests {
    @Test(
        "A login over TDS 7.4 and over TDS 8.0 gives a session, its facts and its times",
        arguments: [TDSOptions.Encryption.mandatory, .strict])
    func login(encryption: TDSOptions.Encryption) async throws {
        let bench = try await Bench()
        let connection = try await bench.connect(bench.options { $0.encryption = encryption })
        #expect(connection.facts.database == "billing")
        #expect(connection.facts.version == "12.0.2000")
        #expect(connection.facts.preloginVersion == "12.0.2000")
        #expect(connection.facts.requiresToken == true)
        #expect(connection.facts.processID == 51)
        #expect(connection.facts.remoteAddress == "127.0.0.1:\(bench.server.port)")
        #expect(connection.facts.certificate?.isEmpty == false)
        #expect(connection.facts.tlsVersion == (encryption == .strict ? "tlsv13" : "tlsv12"))
        #expect(
            connection.timings.map(\.phase)
                == (encryption == .strict ? [.tcp, .tls, .negotiate, .login] : [.tcp, .negotiate, .tls, .login]))
        #expect(connection.timings.allSatisfy { $0.duration > .zero && $0.hop == 0 })
        let login = try #require(bench.server.logins.first)
        #expect(login.message.serverName == Bench.host)
        #expect(login.message.database == "billing")
        #expect(login.isStrict == (encryption == .strict))
        #expect(login.echo)
        #expect(login.token?.reveal { $0 } == "a.b.c")
        #expect(try await connection.query("select 1", until: .now + .seconds(10)).rows == [[1]])
        await connection.close()
        await bench.stop()
    }

    @Test("Every type comes through, whole and in packets of 512 bytes", arguments: [512, 4096])
    func types(packetSize: Int) async throws {
        var script = AzureSQLScript.standard()
        script.packetSize = packetSize
        let bench = try await Bench(script)
        let connection = try await bench.connect()
        #expect(connection.facts.packetSize == packetSize)
        let result = try await connection.query("lab types", until: .now + .seconds(10))
        let wanted: [TDSValue] = AzureSQLScript.standardAnswer("lab types", []).compactMap {
            if case .row(let row, false) = $0 { row } else { nil }
        }[0]
        #expect(result.rows == [wanted, wanted.map { _ in .null }, wanted.map { _ in .null }, wanted])
        #expect(result.counts == [4])
        #expect(result.sets[0][0, "guid"]?.description == "00112233-4455-6677-8899-aabbccddeeff")
        #expect(try await connection.query("lab wide", until: .now + .seconds(10)).rows[0][0].text?.count == 18_000)
        await connection.close()
        await bench.stop()
    }

    @Test("Parameters come back as they were sent, long ones over several packets too")
    func parameters() async throws {
        let bench = try await Bench()
        let connection = try await bench.connect()
        let values: [TDSValue] = [
            42, "O'Brien", true, nil, .double(0.1), .binary([1, 2]), .text(String(repeating: "\u{E4}", count: 9_000)),
        ]
        let parameters = values.enumerated().map { TDSParameter("p\($0.offset)", $0.element) }
        let result = try await connection.execute("select @p0", parameters, until: .now + .seconds(10))
        #expect(result.rows == [values])
        #expect(result.returnStatus == 0)
        let unusable: [TDSParameter] = [
            TDSParameter("a int, @b", 1), TDSParameter("", 1), TDSParameter("n", .double(.nan)), TDSParameter("n", .double(.infinity)),
            TDSParameter("n", .decimal(TDSDecimal(magnitude: 100_000_000_000_000_000_000_000_000_000_000_000_000, scale: 0))),
            TDSParameter("n", .decimal(TDSDecimal(magnitude: 1, scale: 39))),
        ]
        for parameter in unusable {
            let refused = try await failure { _ = try await connection.execute("x", [parameter], until: .now + .seconds(10)) }
            #expect(refused.cause == .misuse, "\(parameter)")
        }
        #expect(try await connection.query("select 1", until: .now + .seconds(10)).rows == [[1]])
        await connection.close()
        await bench.stop()
    }

    @Test("Several result sets, notices and errors are told apart, and an error leaves the connection open")
    func answers() async throws {
        let bench = try await Bench()
        let connection = try await bench.connect()
        let two = try await connection.query("lab two", until: .now + .seconds(10))
        #expect(two.sets.map(\.rows) == [[[1]], [["x"], ["y"]]])
        #expect(try await connection.query("lab print", until: .now + .seconds(10)).notices.map(\.text) == ["hello"])
        let seen = try await failure { _ = try await connection.query("lab error", until: .now + .seconds(10)) }
        #expect(seen.cause == .requestFailed)
        #expect(seen.message?.number == 229)
        #expect(seen.message?.state == 5)
        #expect(try await connection.query("select 1", until: .now + .seconds(10)).rows == [[1]])
        let fatal = try await failure { _ = try await connection.query("lab fatal", until: .now + .seconds(10)) }
        #expect(fatal.message?.class == 20)
        let closed = try await failure { _ = try await connection.query("select 1", until: .now + .seconds(10)) }
        #expect(closed.cause == .closed)
        #expect(closed.message?.number == 40197)
        await bench.stop()
    }

    @Test("A statement that is never answered ends at its deadline, and the connection goes on")
    func queryDeadline() async throws {
        let bench = try await Bench()
        let connection = try await bench.connect()
        let start = ContinuousClock.now
        let seen = try await failure { _ = try await connection.query("lab wait", until: .now + .milliseconds(200)) }
        #expect(seen.cause == .timedOut)
        #expect(.now - start < .seconds(5))
        #expect(try await connection.query("select 1", until: .now + .seconds(10)).rows == [[1]])
        await connection.close()
        await bench.stop()
    }

    @Test("A cancelled task ends its request at once, and the connection goes on")
    func cancellation() async throws {
        var script = AzureSQLScript.standard()
        let watch = Watch(&script)
        let bench = try await Bench(script)
        let connection = try await bench.connect()
        let task = Task { try await connection.query("lab wait", until: .now + .seconds(50)) }
        await watch.saw(.step(.query))
        let start = ContinuousClock.now
        task.cancel()
        let seen = try await failure { _ = try await task.value }
        #expect(seen.cause == .cancelled)
        #expect(.now - start < .seconds(10))
        await watch.saw(.attention)
        #expect(try await connection.query("select 1", until: .now + .seconds(10)).rows == [[1]])
        await connection.close()
        await bench.stop()
    }

    @Test("Rows without end stop at the limit")
    func endlessRows() async throws {
        var script = AzureSQLScript.standard()
        script.troubles[.query] = .endlessRows
        let bench = try await Bench(script)
        let connection = try await bench.connect(bench.options { $0.limits.rows = 500 })
        let result = try await connection.query("anything", until: .now + .seconds(20))
        #expect(result.rows.count == 500)
        #expect(result.isTruncated)
        await connection.close()
        let small = try await bench.connect(
            bench.options {
                $0.limits.reply = 10_000; $0.limits.rows = 1_000_000
            })
        let seen = try await failure { _ = try await small.query("anything", until: .now + .seconds(20)) }
        #expect(seen.cause == .tooLarge)
        await bench.stop()
    }

    @Test("A server that sends one byte a record is understood", arguments: [TDSOptions.Encryption.mandatory, .strict])
    func portions(encryption: TDSOptions.Encryption) async throws {
        var script = AzureSQLScript.standard()
        script.portion = 1
        let bench = try await Bench(script)
        let connection = try await bench.connect(bench.options { $0.encryption = encryption })
        #expect(try await connection.query("lab types", until: .now + .seconds(30)).rows.count == 4)
        await connection.close()
        await bench.stop()
    }

    @Test("Nothing stays open: after a close, a refusal, a deadline, a cancellation, and when the connection is forgotten")
    func nothingStaysOpen() async throws {
        let bench = try await Bench()
        await (try await bench.connect()).close()
        _ = try await bench.connect()
        _ = try await failure { _ = try await bench.connect(until: .now + .milliseconds(1)) }
        await bench.server.drained()
        await bench.stop()

        var script = AzureSQLScript.standard()
        script.troubles[.login] = .silent
        let watch = Watch(&script)
        let waiting = try await Bench(script)
        let task = Task { try await waiting.connect() }
        await watch.saw(.step(.login))
        task.cancel()
        #expect(try await failure { _ = try await task.value }.cause == .cancelled)
        await waiting.server.drained()
        await waiting.stop()

        for trouble in [AzureSQLScript.Trouble.silent, .reply([0x42])] {
            for step in AzureSQLScript.Step.allCases where step != .query {
                var script = AzureSQLScript.standard()
                script.troubles[step] = trouble
                let bad = try await Bench(script)
                _ = try await bad.refusal(within: .milliseconds(300))
                await bad.server.drained()
                await bad.stop()
            }
        }
    }
}
