// Our client against the lab's server over real sockets, well and badly behaved.

import Diagnosis
@testable import Lab
import NIOCore
import NIOPosix
import Testing

@testable import TDS

/// A server, its trust, and a target that leads to it.
struct Bench: Sendable {
    let server: AzureSQLServer
    let trust: TDSTrust
    let authority: CertificateAuthority
    let folder: Folder

    static let host = "shop.database.windows.net"

    init(_ script: AzureSQLScript = .standard(), names: [String] = AzureSQLServer.names) async throws {
        authority = try CertificateAuthority(commonName: "Test Root")
        folder = try Folder()
        let file = try folder.write(authority.certificate, to: "ca.pem")
        server = try await AzureSQLServer.start(script: script, certificate: authority.issue(names: names))
        trust = try TDSTrust(.files([file]))
    }

    func stop() async {
        await server.stop()
        folder.remove()
    }

    var target: TDSTarget { TDSTarget(host: Self.host, port: server.port, database: "billing", addresses: ["127.0.0.1"]) }

    func options(_ change: (inout TDSOptions) -> Void = { _ in }) -> TDSOptions {
        var options = TDSOptions(trust: trust)
        options.lookUp = { (_, _) async throws(TDSFailure) in ["127.0.0.1"] }
        change(&options)
        return options
    }

    func connect(_ options: TDSOptions? = nil, until deadline: ContinuousClock.Instant = .now + .seconds(20)) async throws -> TDSConnection
    {
        try await TDSConnection.connect(to: target, token: TDSAccessToken("a.b.c"), options: options ?? self.options(), until: deadline)
    }

    /// The failure of a login that must not work.
    func refusal(_ options: TDSOptions? = nil, within time: Duration = .seconds(20), sourceLocation: SourceLocation = #_sourceLocation)
        async throws
        -> TDSFailure
    {
        try await failure(sourceLocation) { _ = try await connect(options, until: .now + time) }
    }
}

/// The failure of something that must not work.
func failure(_ sourceLocation: SourceLocation = #_sourceLocation, of work: () async throws -> Void) async throws -> TDSFailure {
    do {
        try await work()
    } catch let failure as TDSFailure {
        return failure
    }
    Issue.record("this should have failed", sourceLocation: sourceLocation)
    throw NoFailure()
}

struct NoFailure: Error {}

/// What a server of the lab tells of a test's course.
struct Watch: Sendable {
    enum Event: Sendable, Equatable { case step(AzureSQLScript.Step), attention }

    private let events: AsyncStream<Event>
    private let source: AsyncStream<Event>.Continuation

    init(_ script: inout AzureSQLScript) {
        (events, source) = AsyncStream.makeStream()
        script.noteStep = { [source] in source.yield(.step($0)) }
        script.noteAttention = { [source] in source.yield(.attention) }
    }

    /// Returns once the server has seen it.
    func saw(_ wanted: Event) async {
        for await event in events where event == wanted { return }
    }
}

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

    @Test("An empty token is never sent")
    func emptyToken() async throws {
        let bench = try await Bench()
        let seen = try await failure {
            _ = try await TDSConnection.connect(
                to: bench.target, token: TDSAccessToken(""), options: bench.options(), until: .now + .seconds(20))
        }
        #expect(seen.cause == .misuse)
        #expect(bench.server.logins.isEmpty)
        await bench.stop()
    }

    struct Trouble: Sendable, CustomTestStringConvertible {
        var step: AzureSQLScript.Step
        var what: AzureSQLScript.Trouble
        var cause: TDSFailure.Cause
        var phase: TDSPhase
        var testDescription: String { "\(what) in \(step)" }
    }

    @Test(
        "Trouble in each step has its cause and phase",
        arguments: [
            Trouble(step: .prelogin, what: .silent, cause: .timedOut, phase: .negotiate),
            Trouble(step: .prelogin, what: .close, cause: .closed, phase: .negotiate),
            Trouble(step: .prelogin, what: .bytes(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8)), cause: .notSQLServer, phase: .negotiate),
            Trouble(step: .prelogin, what: .bytes([0x16, 3, 3, 0, 1]), cause: .notSQLServer, phase: .negotiate),
            Trouble(step: .prelogin, what: .bytes([4, 1, 0xFF, 0xFF, 0, 0, 1, 0]), cause: .tooLarge, phase: .negotiate),
            Trouble(step: .prelogin, what: .reply([0xFF]), cause: .notSQLServer, phase: .negotiate),
            Trouble(step: .tls, what: .silent, cause: .timedOut, phase: .tls),
            Trouble(step: .tls, what: .close, cause: .closed, phase: .tls),
            Trouble(step: .tls, what: .bytes([0x12, 1, 0, 10, 0, 0, 0, 0, 0x15, 0x03]), cause: .timedOut, phase: .tls),
            Trouble(step: .tls, what: .bytes([0x12, 1, 0, 15, 0, 0, 0, 0, 0x15, 3, 3, 0, 2, 2, 40]), cause: .tlsFailed, phase: .tls),
            Trouble(step: .tls, what: .bytes(Array("garbage, and more of it".utf8)), cause: .protocolViolation, phase: .tls),
            Trouble(step: .login, what: .silent, cause: .timedOut, phase: .login),
            Trouble(step: .login, what: .close, cause: .closed, phase: .login),
            Trouble(step: .prelogin, what: .reset, cause: .closed, phase: .negotiate),
            Trouble(step: .login, what: .reset, cause: .closed, phase: .login),
            Trouble(step: .login, what: .reply([0x42, 1, 2, 3]), cause: .protocolViolation, phase: .login),
            Trouble(step: .login, what: .reply([0xFD, 0]), cause: .protocolViolation, phase: .login),
            Trouble(step: .login, what: .bytes([4, 0, 0xFF, 0xFF, 0, 0, 1, 0]), cause: .tooLarge, phase: .login),
            Trouble(step: .login, what: .endlessRows, cause: .protocolViolation, phase: .login),
        ])
    func troubles(row: Trouble) async throws {
        var script = AzureSQLScript.standard()
        script.troubles[row.step] = row.what
        let bench = try await Bench(script)
        let failure = try await bench.refusal(within: row.cause == .timedOut ? .milliseconds(800) : .seconds(20))
        #expect(failure.cause == row.cause, "\(failure)")
        #expect(failure.phase == row.phase, "\(failure)")
        #expect(failure.timings.last?.phase == row.phase)
        #expect(failure.address == "127.0.0.1:\(bench.server.port)")
        if row.step != .login { #expect(bench.server.logins.isEmpty) }
        await bench.stop()
    }

    @Test("A server that does not encrypt everything never sees a login", arguments: [0, 2, nil] as [UInt8?])
    func downgrade(encryption: UInt8?) async throws {
        var script = AzureSQLScript.standard()
        script.encryption = encryption
        let bench = try await Bench(script)
        #expect(try await bench.refusal().cause == .encryptionRefused)
        #expect(bench.server.logins.isEmpty)
        await bench.stop()
    }

    @Test("A certificate that cannot be trusted keeps the token here, and is shown", arguments: [TDSOptions.Encryption.mandatory, .strict])
    func certificates(encryption: TDSOptions.Encryption) async throws {
        let bench = try await Bench()
        let other = try TDSTrust(.files([bench.folder.write(CertificateAuthority(commonName: "Other").certificate, to: "other.pem")]))
        var options = bench.options { $0.encryption = encryption }
        options.trust = other
        let untrusted = try await bench.refusal(options)
        #expect(untrusted.cause == .certificateUntrusted, "\(untrusted)")
        #expect(untrusted.phase == .tls)
        #expect(untrusted.certificate?.isEmpty == false)
        #expect(bench.server.logins.isEmpty)
        await bench.stop()
        let wrong = try await Bench(names: ["other.example.net"])
        let mismatch = try await wrong.refusal(wrong.options { $0.encryption = encryption })
        #expect(mismatch.cause == .certificateNameMismatch, "\(mismatch)")
        #expect(mismatch.certificate?.isEmpty == false)
        #expect(wrong.server.logins.isEmpty)
        await wrong.stop()
    }

    @Test("A certificate past its time is told from an unknown one")
    func expired() async throws {
        let bench = try await Bench()
        let server = try await AzureSQLServer.start(
            script: .standard(),
            certificate: bench.authority.issue(names: AzureSQLServer.names, from: .now + .seconds(-86_400), until: .now + .seconds(-3_600)))
        var target = bench.target
        target.port = server.port
        let seen = try await failure {
            _ = try await TDSConnection.connect(
                to: target, token: TDSAccessToken("a.b.c"), options: bench.options(), until: .now + .seconds(20))
        }
        #expect(seen.cause == .certificateExpired)
        await server.stop()
        await bench.stop()
    }

    @Test("A refused login carries number, state, class and text of every message, and no part of the token")
    func refused() async throws {
        var script = AzureSQLScript.standard()
        script.admit = { _ in
            [
                TDSServerMessage(
                    number: 4060, state: 1, class: 11, text: "Cannot open database \"billing\" requested by the login. The login failed."),
                TDSServerMessage(number: 18456, state: 1, class: 14, text: "Login failed for user '<token-identified principal>'."),
            ]
        }
        let bench = try await Bench(script)
        let failure = try await bench.refusal()
        #expect(failure.cause == .loginRefused)
        #expect(failure.messages.map(\.number) == [4060, 18456])
        #expect(failure.message?.number == 4060)
        #expect(failure.timings.map(\.phase) == [.tcp, .negotiate, .tls, .login])
        var dumped = ""
        dump(failure, to: &dumped)
        #expect(!dumped.contains("a.b.c"))
        await bench.stop()
    }

    @Test("A nonce of the server comes back behind the token")
    func nonce() async throws {
        var script = AzureSQLScript.standard()
        script.nonce = Array(1...32)
        script.tokenRequired = 0
        let bench = try await Bench(script)
        let connection = try await bench.connect()
        #expect(bench.server.logins.first?.nonce == Array(1...32))
        #expect(bench.server.logins.first?.echo == false)
        await connection.close()
        await bench.stop()
    }

    @Test("The issuer is revealed without a token")
    func issuer() async throws {
        let bench = try await Bench()
        let issuer = try await TDSConnection.issuer(of: bench.target, options: bench.options(), until: .now + .seconds(20))
        #expect(issuer.tenant == Principal.tenant)
        #expect(issuer.resource == "https://database.windows.net/")
        #expect(bench.server.logins.map(\.asksForIssuer) == [true])
        #expect(bench.server.logins.first?.token == nil)
        await bench.stop()
    }

    @Test("A redirect is followed once, verified anew, and timed apart")
    func redirect() async throws {
        let worker = try await Bench()
        var script = AzureSQLScript.standard()
        let name = "w1.tr1.lab1-a.worker.database.windows.net"
        script.route = Route(server: name, port: UInt16(worker.server.port))
        let gateway = try await AzureSQLServer.start(script: script, certificate: worker.authority.issue(names: AzureSQLServer.names))
        var target = worker.target
        target.port = gateway.port
        let connection = try await TDSConnection.connect(
            to: target, token: TDSAccessToken("a.b.c"), options: worker.options(), until: .now + .seconds(20))
        #expect(connection.facts.redirectedTo == "\(name):\(worker.server.port)")
        #expect(
            connection.timings.map { "\($0.hop) \($0.phase)" } == [
                "0 tcp", "0 negotiate", "0 tls", "0 login", "1 name", "1 tcp", "1 negotiate", "1 tls", "1 login",
            ])
        #expect(gateway.logins.map(\.serverName) == [Bench.host])
        #expect(worker.server.logins.map(\.serverName) == [name])
        #expect(try await connection.query("select 1", until: .now + .seconds(10)).rows == [[1]])
        // A statement that fails is no matter of the way there.
        let seen = try await failure { _ = try await connection.query("lab error", until: .now + .seconds(10)) }
        #expect(seen.hop == 0 && seen.phase == .query && seen.address == "127.0.0.1:\(worker.server.port)")
        await connection.close()
        await gateway.stop()
        await worker.stop()
    }

    @Test(
        "A redirect out of the service, to a name without certificate, and a loop are refused",
        arguments: [
            ("evil.example.net", TDSFailure.Cause.redirectRefused, 0), ("127.0.0.1", .redirectRefused, 0),
            ("shop.database.windows.net", .redirectRefused, 1),
            ("a.b.database.windows.net", .certificateNameMismatch, 1),
        ])
    func badRedirect(name: String, cause: TDSFailure.Cause, hop: Int) async throws {
        let bench = try await Bench()
        // Port 1 of the first redirect is replaced below by the gateway's own, so that a loop is possible.
        let port = try await freePort()
        var script = AzureSQLScript.standard()
        script.route = Route(server: name, port: UInt16(port))
        let gateway = try await AzureSQLServer.start(
            port: port, script: script, certificate: bench.authority.issue(names: AzureSQLServer.names))
        var target = bench.target
        target.port = port
        let seen = try await failure {
            _ = try await TDSConnection.connect(
                to: target, token: TDSAccessToken("a.b.c"), options: bench.options(), until: .now + .seconds(20))
        }
        #expect(seen.cause == cause, "\(seen)")
        #expect(seen.hop == hop)
        #expect(gateway.logins.count == (cause == .redirectRefused ? hop + 1 : 1))
        await gateway.stop()
        await bench.stop()
    }

    @Test("A dead address is passed over, and a refused port is told from silence")
    func addresses() async throws {
        let bench = try await Bench()
        var target = bench.target
        target.addresses = ["127.0.0.2", "127.0.0.1"]
        let connection = try await TDSConnection.connect(
            to: target, token: TDSAccessToken("a.b.c"), options: bench.options(), until: .now + .seconds(20))
        await connection.close()
        target.addresses = ["127.0.0.2"]
        let seen = try await failure {
            _ = try await TDSConnection.connect(
                to: target, token: TDSAccessToken("a.b.c"), options: bench.options(), until: .now + .seconds(20))
        }
        #expect(seen.cause == .refused)
        #expect(seen.phase == .tcp)
        #expect(seen.errno == 111)
        target.host = "127.0.0.1"
        let literal = try await failure {
            _ = try await TDSConnection.connect(
                to: target, token: TDSAccessToken("a.b.c"), options: bench.options(), until: .now + .seconds(20))
        }
        #expect(literal.cause == .misuse)
        await bench.stop()
    }

    @Test("A cancelled attempt to connect ends at once in every step", arguments: [AzureSQLScript.Step.prelogin, .tls, .login])
    func cancelConnect(step: AzureSQLScript.Step) async throws {
        var script = AzureSQLScript.standard()
        script.troubles[step] = .silent
        let watch = Watch(&script)
        let bench = try await Bench(script)
        let task = Task { try await bench.connect(until: .now + .seconds(50)) }
        await watch.saw(.step(step))
        let start = ContinuousClock.now
        task.cancel()
        let seen = try await failure { _ = try await task.value }
        #expect(seen.cause == .cancelled)
        #expect(seen.phase == [.prelogin: .negotiate, .tls: .tls, .login: .login][step])
        #expect(.now - start < .seconds(10))
        await bench.server.drained()
        await bench.stop()
    }

    private func freePort() async throws -> Int {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
        let port = channel.localAddress?.port ?? 0
        try await channel.close().get()
        return port
    }
}
