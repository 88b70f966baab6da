// Our client against the lab's server over real sockets, badly behaved.

import Diagnosis
@testable import Lab
import NIOCore
import NIOPosix
import Testing

@testable import TDS

@Suite(.timeLimit(.minutes(1))) struct ConnectionTroubleTests {
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
        let failure = try await bench.refusal(within: row.cause == .timedOut ? .seconds(2) : .seconds(20))
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
