// Servers that break off, lie, ask for what they must not get, or never stop; and the token, which goes to none of them.
import Diagnosis
import MariaDB
import Probes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct HostileServerTests {
    /// One probe of a fake. - Returns: the observation, after the bytes that the fake got were searched for the token.
    private func observe(
        _ script: FakeScript, host: String = "127.0.0.1", timeout: Duration = .seconds(10), getsToken: Bool = false
    ) async throws -> Observation {
        var result: Observation?
        try await FakeMySQL.run(script) { fake in
            let bench = try Bench()
            defer { bench.close() }
            let authority = try await FakeCertificates.shared().caFile
            let probe = bench.probe(host: host, port: fake.port, caFile: authority)
            let stalls = Stalls()
            defer { stalls.end() }
            let begin = ContinuousClock.now
            let observation = try #require(await probe.observe(bench.run(timeout)))
            #expect((ContinuousClock.now - begin).seconds < timeout.seconds + 0.5 + stalls.seconds)
            #expect(!fake.log.clear.contains("canary"))
            #expect(fake.log.inside.contains("canary") == getsToken, "\(observation.outcome)")
            #expect(fake.log.connections == 1)
            #expect(!"\(observation)".contains("canary"))
            result = observation
        }
        return try #require(result)
    }

    private static let asksForToken = FakeScript.Payload.bytes(FakeScript.asks(for: "mysql_clear_password"))

    /// Lets the client in and answers what it asks then.
    private static func letsIn(_ answers: [FakeScript.Payload]...) -> FakeScript {
        var script = FakeScript()
        script.answers = [[asksForToken], [.bytes(FakeScript.ok)]] + answers
        return script
    }

    @Test func `a fake that plays by the rules is a healthy server`() async throws {
        let row = ["aad_shop@10.0.0.4", "aad_shop@%", "shop", "0", "1790000000.5", "1"]
        let result: [FakeScript.Payload] =
            [.bytes([6])] + (0..<6).map { .bytes(FakeScript.column("c\($0)")) } + [
                .bytes(FakeScript.end), .bytes(FakeScript.text(row)), .bytes(FakeScript.end),
            ]
        let observation = try await observe(Self.letsIn([.bytes(FakeScript.ok)], result), getsToken: true)
        #expect(observation.outcome == .succeeded, "\(observation.outcome)")
        #expect(observation.facts.serverVersion == "8.0.39-azure")
        #expect(observation.facts.currentUser == "aad_shop@%")
    }

    @Test func `a greeting that is cut at any byte is a connection that was torn down`() async throws {
        let whole = FakeScript.mysql8()
        for end in [0, 1, 3, 4, 5, 20, 40, whole.count - 1] {
            var script = FakeScript(greeting: Array(whole.prefix(end)))
            script.closesAfterGreeting = true
            let failure = try #require(try await observe(script).failure)
            #expect(failure.cause == .tcpReset, "cut at \(end): \(failure)")
            #expect(failure.phase == .negotiate)
        }
    }

    struct First: Sendable {
        var bytes: [UInt8]
        var cause: Cause
        var phase = Phase.negotiate
    }

    @Test(arguments: [
        First(bytes: Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8), cause: .peerNotDatabase),
        First(bytes: Array("SSH-2.0-OpenSSH_9.2\r\n".utf8), cause: .peerNotDatabase),
        First(bytes: FakeScript.packet([10, 0]), cause: .peerNotDatabase),
        First(bytes: [0xFF, 0xFF, 0xFF, 0] + [UInt8](repeating: 10, count: 4000), cause: .peerNotDatabase),
        First(bytes: FakeScript.mysql8(tls: false), cause: .tlsNotNegotiated),
        First(bytes: FakeScript.mysql8() + FakeScript.packet(FakeScript.ok, sequence: 2), cause: .protocolViolation),
        First(bytes: FakeScript.packet(FakeScript.refusal(1040, "Too many connections", sqlState: nil)), cause: .connectionLimit),
        First(
            bytes: FakeScript.packet(
                FakeScript.refusal(1129, "Host '10.0.0.4' is blocked because of many connection errors", sqlState: nil)),
            cause: .clientBlocked),
        First(
            bytes: FakeScript.packet(
                FakeScript.refusal(1130, "Host '10.0.0.4' is not allowed to connect to this MySQL server", sqlState: nil)),
            cause: .firewallDenied),
        First(
            bytes: FakeScript.packet(
                FakeScript.refusal(9000, "Client with IP address '20.1.2.3' is not allowed to connect to this MySQL server.")),
            cause: .firewallDenied),
    ])
    func `what comes first decides`(_ row: First) async throws {
        let failure = try #require(try await observe(FakeScript(greeting: row.bytes)).failure)
        #expect(failure.cause == row.cause, "\(failure)")
        #expect(failure.phase == row.phase)
    }

    @Test func `a silent server ends at the deadline and holds no thread`() async throws {
        let begin = ContinuousClock.now
        let observation = try await observe(FakeScript(greeting: []), timeout: .seconds(1))
        #expect(ContinuousClock.now - begin > .milliseconds(990))
        #expect(observation.failure?.cause == .probeDeadline)
        #expect(observation.failure?.phase == .negotiate)
    }

    @Test func `a server that stalls in the TLS handshake ends at the deadline`() async throws {
        var script = FakeScript()
        script.tls = .stall
        let stalls = Stalls()
        defer { stalls.end() }
        let observation = try await observe(script, timeout: .seconds(1))
        #expect(observation.failure?.cause == .tlsHandshakeAborted)
        #expect(observation.failure?.phase == .tls)
        let took = observation.duration.seconds
        #expect(took > 0.99 && took < 1.4 + stalls.seconds, "\(took)")
    }

    @Test func `a server that stalls in the login ends at the deadline, and the handshake has its own duration`() async throws {
        let observation = try await observe(FakeScript(), timeout: .seconds(1))
        #expect(observation.failure?.cause == .probeDeadline)
        #expect(observation.failure?.phase == .login)
        #expect(observation.phases.first { $0.phase == .tls }?.outcome == .ok)
        #expect(try #require(observation.phases.first { $0.phase == .login }?.duration) > .milliseconds(500))
    }

    struct Certificate: Sendable {
        var tls: FakeScript.TLS
        var cause: Cause
    }

    @Test(arguments: [
        Certificate(tls: .wrongName, cause: .tlsNameMismatch), Certificate(tls: .expired, cause: .tlsCertValidity),
        Certificate(tls: .otherAuthority, cause: .tlsUntrustedIssuer), Certificate(tls: .garbage, cause: .peerNotDatabase),
    ])
    func `a peer that cannot show who it is gets nothing, and what it showed is told`(_ row: Certificate) async throws {
        for host in ["127.0.0.1", "localhost"] {
            var script = FakeScript()
            script.tls = row.tls
            script.answers = [[Self.asksForToken]]
            let observation = try await observe(script, host: host)
            let failure = try #require(observation.failure)
            #expect(failure.cause == row.cause, "\(failure)")
            #expect(failure.phase == .tls)
            if row.tls != .garbage {
                #expect(failure.evidence.first?.kind == .verify)
                #expect(observation.facts.certificate?.issuer.contains("root") == true, "\(failure)")
            }
        }
    }

    @Test func `a good certificate for the name is enough when the address is another`() async throws {
        let observation = try await observe(
            Self.letsIn([.bytes(FakeScript.refusal(3032, "The server is currently in offline mode"))]), host: "localhost", getsToken: true)
        #expect(observation.failure?.cause == .serverUnavailable, "\(observation.outcome)")
        #expect(observation.failure?.phase == .query)
    }

    struct Other: Sendable {
        var plugin: String
        var answer: [UInt8]?
        var cause: Cause
    }

    @Test(arguments: [
        Other(
            plugin: "caching_sha2_password",
            answer: FakeScript.refusal(1045, "Access denied for user 'aad_shop'@'h' (using password: NO)", sqlState: "28000"),
            cause: .loginPrincipalUnknown),
        Other(
            plugin: "mysql_native_password",
            answer: FakeScript.refusal(1045, "Access denied for user 'aad_shop'@'h' (using password: NO)", sqlState: "28000"),
            cause: .loginPrincipalUnknown),
        Other(plugin: "caching_sha2_password", answer: FakeScript.ok, cause: .authMethodUnexpected),
        Other(plugin: "mysql_native_password", answer: nil, cause: .authMethodUnexpected),
        Other(plugin: "sha256_password", answer: nil, cause: .authMethodUnexpected),
        Other(plugin: "dialog", answer: nil, cause: .authMethodUnexpected),
        Other(plugin: "client_ed25519", answer: nil, cause: .authMethodUnexpected),
        Other(plugin: "../../../tmp/evil", answer: nil, cause: .authMethodUnexpected),
        Other(plugin: "", answer: nil, cause: .authMethodUnexpected),
    ])
    func `a server that asks for another plugin does not get the token`(_ row: Other) async throws {
        var script = FakeScript()
        script.answers = [[.bytes(FakeScript.asks(for: row.plugin))]] + (row.answer.map { [[.bytes($0)]] } ?? [])
        script.closesAfterAnswers = row.answer == nil
        let failure = try #require(try await observe(script).failure)
        #expect(failure.cause == row.cause, "\(failure)")
        #expect(failure.phase == .login)
    }

    private static let denied = FakeScript.Payload.bytes(
        FakeScript.refusal(1045, "Access denied for user 'aad_shop'@'h' (using password: NO)", sqlState: "28000"))
    private static func asks(_ plugin: String) -> FakeScript.Payload { .bytes(FakeScript.asks(for: plugin)) }

    struct Switch: Sendable {
        var name: String
        var answers: [[FakeScript.Payload]]
        var cause: Cause
        var phase = Phase.login
        var getsToken = true
        var evidence: String
        /// Whether the connection stays open behind the answers.
        var isSilent = false
    }

    @Test(arguments: [
        Switch(
            name: "the token, then native, then a refusal", answers: [[asksForToken], [asks("mysql_native_password")], [denied]],
            cause: .loginPrincipalUnknown, evidence: "got the token and then asked for mysql_native_password"),
        Switch(
            name: "the token, then sha2, then in, then cut",
            answers: [[asksForToken], [asks("caching_sha2_password")], [.bytes(FakeScript.ok)], []], cause: .authMethodUnexpected,
            evidence: "got the token and then asked for caching_sha2_password"),
        Switch(
            name: "native or the token, healthy, then cut",
            answers: [[asks("mysql_native_password")], [asksForToken], [.bytes(FakeScript.ok)], [.bytes(FakeScript.ok)], []],
            cause: .connectionLost, phase: .query, evidence: ""),
        Switch(
            name: "the token, then a plugin that nobody has", answers: [[asksForToken], [asks("dialog")], []],
            cause: .authMethodUnexpected, evidence: "got the token and then asked for"),
        Switch(
            name: "native, then silence", answers: [[asks("mysql_native_password")], []], cause: .authMethodUnexpected, getsToken: false,
            evidence: "mysql_native_password", isSilent: true),
        Switch(
            name: "the token twice", answers: [[asksForToken], [asksForToken], []], cause: .protocolViolation,
            evidence: "asked for the token twice"),
        Switch(
            name: "three plugins", answers: [[asks("mysql_native_password")], [asks("caching_sha2_password")], [asksForToken], []],
            cause: .protocolViolation, getsToken: false, evidence: "more than 2 plugins"),
        Switch(
            name: "a plugin that the server itself has not",
            answers: [[.bytes(FakeScript.refusal(1524, "Plugin 'aad_auth' is not loaded"))]],
            cause: .entraAuthDisabled, getsToken: false, evidence: "Plugin 'aad_auth' is not loaded"),
        Switch(
            name: "a server's own words that begin like the library's",
            answers: [[.bytes(FakeScript.refusal(1045, "Plugin mysql_native_password could not be loaded"))]],
            cause: .loginPrincipalUnknown, getsToken: false, evidence: "could not be loaded"),
    ])
    func `what a server asks for one after the other decides what its end means`(_ row: Switch) async throws {
        var script = FakeScript()
        script.answers = row.answers
        script.closesAfterAnswers = !row.isSilent
        let failure = try #require(
            try await observe(script, timeout: row.isSilent ? .seconds(1) : .seconds(10), getsToken: row.getsToken).failure, "\(row.name)")
        #expect(failure.cause == row.cause, "\(row.name): \(failure)")
        #expect(failure.phase == row.phase, "\(row.name): \(failure)")
        #expect(row.evidence.isEmpty || failure.evidence.contains { $0.text.contains(row.evidence) }, "\(row.name): \(failure)")
        // The library names plugins out of a buffer that it has written the token to.
        #expect(!"\(failure)".contains("signature"), "\(row.name): \(failure)")
        #expect(!row.getsToken || !failure.evidence.contains { $0.text.contains("not sent") }, "\(row.name): \(failure)")
    }

    @Test func `a server that lets everybody in was not asked about the token`() async throws {
        var script = FakeScript()
        script.answers = [[.bytes(FakeScript.ok)]]
        #expect(try await observe(script).failure?.cause == .authMethodUnexpected)
    }

    struct Refused: Sendable {
        var number: Int
        var text: String
        var cause: Cause
    }

    @Test(arguments: [
        Refused(number: 1045, text: "Access denied for user 'aad_shop'@'h' (using password: YES)", cause: .loginPrincipalUnknown),
        Refused(number: 1044, text: "Access denied for user 'aad_shop'@'%' to database 'shop'", cause: .databaseAccessDenied),
        Refused(number: 1049, text: "Unknown database 'shop'", cause: .databaseUnknown),
        Refused(number: 9107, text: "Only Microsoft Entra ID accounts are allowed to connect to server", cause: .nativeLoginDisabled),
        Refused(
            number: 9105, text: "An error occurred while validating access token. Please acquire a new token and retry.",
            cause: .loginRefused),
        Refused(number: 9106, text: "Azure AD access token is not valid for user 'aad_shop'.", cause: .loginIdentityRecreated),
        Refused(number: 1184, text: "Aborted connection 7 (init_connect command failed)", cause: .serverUnavailable),
    ])
    func `a refusal after the token has its cause`(_ row: Refused) async throws {
        var script = FakeScript()
        script.answers = [[Self.asksForToken], [.bytes(FakeScript.refusal(row.number, row.text))]]
        let failure = try #require(try await observe(script, getsToken: true).failure)
        #expect(failure.cause == row.cause, "\(failure)")
        #expect(failure.phase == .login)
    }

    @Test func `a server that asks for a file of this host gets none`() async throws {
        let observation = try await observe(Self.letsIn([.bytes([0xFB] + Array("/etc/hostname".utf8))]), getsToken: true)
        #expect(observation.failure?.cause == .protocolViolation, "\(observation.outcome)")
    }

    struct Flood: Sendable {
        var name: String
        var answers: [FakeScript.Payload]
    }

    @Test(arguments: [
        Flood(name: "a packet of 16 MB", answers: [.large(0xFF_FFFF), .large(0xFF_FFFF)]),
        Flood(name: "columns", answers: [.bytes([0xFD, 0xFF, 0xFF, 0xFF]), .endless(FakeScript.column("c"))]),
        Flood(
            name: "rows",
            answers: [
                .bytes([1]), .bytes(FakeScript.column("c")), .bytes(FakeScript.end),
                .endless(FakeScript.text([String(repeating: "x", count: 200)])),
            ]),
        Flood(
            name: "wide rows",
            answers: [
                .bytes([1]), .bytes(FakeScript.column("c")), .bytes(FakeScript.end),
                .endless([0xFD, 0x00, 0x00, 0x03] + [UInt8](repeating: 0x78, count: 0x30000)),
            ]),
        Flood(name: "nonsense", answers: [.bytes([0x05]), .bytes([0xFC]), .bytes([0xFD, 0xFF])]),
        Flood(
            name: "a length beyond the packet",
            answers: [
                .bytes([1]), .bytes(FakeScript.column("c")), .bytes(FakeScript.end), .bytes([0xFD, 0xFF, 0xFF, 0x0F, 0x41]),
                .bytes(FakeScript.end),
            ]),
    ])
    func `a server that floods or cuts its answer ends the probe`(_ row: Flood) async throws {
        let observation = try await observe(Self.letsIn([.bytes(FakeScript.ok)], row.answers), timeout: .seconds(3), getsToken: true)
        let failure = try #require(observation.failure, "\(row.name)")
        #expect([.protocolViolation, .connectionLost, .queryTimeout].contains(failure.cause), "\(row.name): \(failure)")
        if row.answers.count == 2 || row.name.hasSuffix("rows") { #expect(failure.cause == .protocolViolation, "\(row.name): \(failure)") }
    }

    @Test func `thirty servers that stall in the handshake do not delay a healthy check`() async throws {
        var script = FakeScript()
        script.tls = .stall
        try await FakeMySQL.run(script) { stalling in
            try await FakeMySQL.run(Self.letsIn([.bytes(FakeScript.refusal(3032, "The server is currently in offline mode"))])) { healthy in
                let bench = try Bench()
                defer { bench.close() }
                let authority = try await FakeCertificates.shared().caFile
                let stalled = (0..<30).map { _ in bench.probe(port: stalling.port, caFile: authority) }
                let probe = bench.probe(port: healthy.port, caFile: authority)
                // It answers, if not what one wishes to hear.
                #expect(await probe.observe(bench.run())?.failure?.cause == .serverUnavailable)
                // At first nothing is known of the thirty, then more and more that they stall.
                for _ in 0..<2 {
                    await withTaskGroup(of: Void.self) { group in
                        for stalled in stalled {
                            group.addTask {
                                // Nothing, where no thread was left to ask with.
                                let observation = await stalled.observe(bench.run(.seconds(5)))
                                #expect(observation == nil || observation?.failure?.cause == .tlsHandshakeAborted)
                            }
                        }
                        let stalls = Stalls()
                        for _ in 0..<10 {
                            let begin = ContinuousClock.now
                            #expect(await probe.observe(bench.run(.seconds(10)))?.failure?.cause == .serverUnavailable)
                            #expect((ContinuousClock.now - begin).seconds < 3.5 + stalls.seconds)
                        }
                        stalls.end()
                        await group.waitForAll()
                    }
                    #expect(bench.tools.threads.count <= MariaDBThreads.limit)
                }
            }
        }
    }

    @Test func `forty servers that take the token and never answer a question do not delay a healthy check`() async throws {
        try await FakeMySQL.run(Self.letsIn([])) { silent in
            try await FakeMySQL.run(Self.letsIn([.bytes(FakeScript.refusal(3032, "The server is currently in offline mode"))])) { healthy in
                let bench = try Bench()
                defer { bench.close() }
                let authority = try await FakeCertificates.shared().caFile
                let stalled = (0..<40).map { _ in bench.probe(port: silent.port, caFile: authority) }
                let probe = bench.probe(port: healthy.port, caFile: authority)
                #expect(await probe.observe(bench.run())?.failure?.cause == .serverUnavailable)
                for _ in 0..<2 {
                    // One deadline for all: a later one would get the thread of an earlier one.
                    let run = bench.run(.seconds(6))
                    await withTaskGroup(of: Cause?.self) { group in
                        for stalled in stalled {
                            group.addTask {
                                // Nothing, where no thread was left to ask with: then the server is not to blame.
                                let observation = await stalled.observe(run)
                                #expect(
                                    observation == nil || observation?.failure?.cause == .queryTimeout, "\(observation.debugDescription)")
                                return observation?.failure?.cause
                            }
                        }
                        let stalls = Stalls()
                        for _ in 0..<10 {
                            let begin = ContinuousClock.now
                            #expect(await probe.observe(bench.run(.seconds(10)))?.failure?.cause == .serverUnavailable)
                            #expect((ContinuousClock.now - begin).seconds < 4 + stalls.seconds)
                        }
                        stalls.end()
                        let seen = await group.reduce(into: 0) { $0 += $1 == .queryTimeout ? 1 : 0 }
                        #expect((1...MariaDBThreads.unprovenLimit).contains(seen))
                    }
                    #expect(bench.tools.threads.count <= MariaDBThreads.limit)
                }
            }
        }
    }

    @Test func `the wait for a thread is no time of the handshake`() async throws {
        var script = FakeScript()
        script.tls = .stall
        try await FakeMySQL.run(script) { stalling in
            try await FakeMySQL.run(Self.letsIn([.bytes(FakeScript.refusal(3032, "The server is currently in offline mode"))])) { healthy in
                let bench = try Bench()
                defer { bench.close() }
                let authority = try await FakeCertificates.shared().caFile
                let stalled = (0..<MariaDBThreads.unprovenLimit).map { _ in bench.probe(port: stalling.port, caFile: authority) }
                let probe = bench.probe(port: healthy.port, caFile: authority)
                await withTaskGroup(of: Void.self) { group in
                    for stalled in stalled { group.addTask { _ = await stalled.observe(bench.run(.seconds(3))) } }
                    while bench.tools.threads.count < MariaDBThreads.unprovenLimit { await Task.yield() }
                    // Nothing is known of it, so it waits for a place among the twelve.
                    let observation = await probe.observe(bench.run(.seconds(20)))
                    #expect(observation?.failure?.cause == .serverUnavailable)
                    let handshake = observation?.phases.first { $0.phase == .tls }?.duration
                    #expect(handshake.map { $0 < .milliseconds(1500) } == true, "\(handshake.debugDescription)")
                    #expect(observation.map { $0.duration > .milliseconds(1500) } == true)
                }
            }
        }
    }

    @Test func `a place is held from the handshake to the end of the probe`() async throws {
        var script = FakeScript()
        script.tls = .stall
        try await FakeMySQL.run(script) { fake in
            let bench = try Bench()
            defer { bench.close() }
            let gate = CountingGate()
            let probe = bench.probe(port: fake.port, caFile: try await FakeCertificates.shared().caFile)
            var run = bench.run(.seconds(2))
            run.gate = gate
            async let observation = probe.observe(run)
            // 32 bytes are the request for TLS.
            while !fake.log.clear.utf8.contains(0x20) { await Task.yield() }
            #expect(gate.inside == 1)
            #expect(await observation?.failure?.phase == .tls)
            #expect(gate.inside == 0)
            #expect(gate.entered == 2)
        }
    }

    @Test func `who finds no place does not hang up behind the greeting of a server`() async throws {
        var script = FakeScript()
        script.tls = .stall
        try await FakeMySQL.run(script) { stalling in
            try await FakeMySQL.run(FakeScript()) { healthy in
                let bench = try Bench()
                defer { bench.close() }
                let authority = try await FakeCertificates.shared().caFile
                let probe = bench.probe(port: healthy.port, caFile: authority)
                var run = bench.run()
                run.gate = ShutGate()
                #expect(await probe.observe(run) == nil)
                let stalled = (0..<MariaDBThreads.unprovenLimit).map { _ in bench.probe(port: stalling.port, caFile: authority) }
                await withTaskGroup(of: Void.self) { group in
                    for stalled in stalled { group.addTask { _ = await stalled.observe(bench.run(.seconds(30))) } }
                    // Each has asked for TLS, 36 bytes, and hangs in its handshake: none lets go of its thread between two steps any more.
                    while stalling.log.clearBytes < 36 * MariaDBThreads.unprovenLimit { await Task.yield() }
                    while bench.tools.threads.hasRoom(for: .unknown) { await Task.yield() }
                    #expect(await probe.observe(bench.run(.seconds(1))) == nil)
                    group.cancelAll()
                }
                #expect(healthy.log.connections == 0)
            }
        }
    }

    @Test func `a cancelled probe gives no observation, at once`() async throws {
        var script = FakeScript()
        script.tls = .stall
        try await FakeMySQL.run(script) { fake in
            let bench = try Bench()
            defer { bench.close() }
            let probe = bench.probe(port: fake.port, caFile: try await FakeCertificates.shared().caFile)
            let task = Task { await probe.observe(bench.run(.seconds(20))) }
            while !fake.log.clear.utf8.contains(0x20) && fake.log.connections == 0 { await Task.yield() }
            let begin = ContinuousClock.now
            task.cancel()
            #expect(await task.value == nil)
            #expect(ContinuousClock.now - begin < .seconds(5))
        }
    }

    @Test func `while logins rest only the token and the name are asked for`() async throws {
        try await FakeMySQL.run(FakeScript()) { fake in
            let bench = try Bench()
            defer { bench.close() }
            let observation = try #require(
                await bench.probe(host: "localhost", port: fake.port, caFile: nil).observe(bench.run(depth: .tls)))
            #expect(observation.outcome == .partial(.loginPaused))
            #expect(observation.phases.filter { $0.outcome == .ok }.map(\.phase) == [.token, .dns])
            #expect(fake.log.connections == 0)
        }
    }
}
