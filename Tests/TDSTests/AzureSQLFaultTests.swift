// Every fault of the lab's Azure SQL as our client sees it, and a healthy database afterwards.

import Diagnosis
import NIOCore
import NIOPosix
import Testing

@testable import Lab
@testable import TDS

/// A lab with one Azure SQL database and nothing else, for the length of a test.
func withAzureSQL(_ body: (Lab, AzureSQLBench) async throws -> Void) async throws {
    var options = LabOptions()
    options.targets = LabTarget.standardAzureSQL
    let lab = try await Lab.start(options)
    do {
        try await body(lab, try AzureSQLBench(lab))
    } catch {
        await lab.stop()
        throw error
    }
    await lab.stop()
}

/// Our client in front of a lab.
struct AzureSQLBench: Sendable {
    let lab: Lab
    let trust: TDSTrust
    let target: LabTarget

    init(_ lab: Lab) throws {
        self.lab = lab
        trust = try TDSTrust(.files([lab.caFile]))
        target = lab.options.targets[0]
    }

    /// - Parameter host: another name that leads to the same address.
    func connect(
        host: String? = nil, database: String? = nil, token: String? = nil, strict: Bool = false, within time: Duration = .seconds(20)
    ) async throws -> TDSConnection {
        let endpoint = lab.endpoint(of: target)
        var options = TDSOptions(trust: trust)
        if strict { options.encryption = .strict }
        let worker = lab.block.azureSQLWorker
        options.lookUp = { (name, _) async throws(TDSFailure) in
            guard name == AzureSQLService.Worker.host else {
                throw TDSFailure(.nameNotFound, during: .name, "The name service does not know \(name).")
            }
            return [worker]
        }
        let bearer: String
        if let token { bearer = token } else { bearer = try await lab.token(audience: AzureSQLService.audience).reveal { $0 } }
        return try await TDSConnection.connect(
            to: TDSTarget(
                host: host ?? target.host, port: endpoint.port, database: database ?? target.database, addresses: [endpoint.host]),
            token: TDSAccessToken(bearer), options: options, until: .now + time)
    }

    /// A login and one statement, and what goes wrong on the way.
    func failure(within time: Duration, _ fault: Fault) async throws -> TDSFailure? {
        do {
            let connection = try await connect(within: time)
            let patience: Duration = fault == .querySilent ? .milliseconds(300) : .seconds(20)
            do {
                _ = try await connection.query("select 1", until: .now + patience)
            } catch {
                await connection.close()
                throw error
            }
            await connection.close()
            return nil
        } catch let failure as TDSFailure {
            return failure
        }
    }
}

/// What our client says of a fault; the phase is that of the table of faults.
struct SeenFault: Sendable {
    var fault: Fault
    var cause: TDSFailure.Cause
    var number: Int32?

    init(_ fault: Fault, _ cause: TDSFailure.Cause, _ number: Int32? = nil) {
        self.fault = fault
        self.cause = cause
        self.number = number
    }

    static let all = [
        SeenFault(.tcpRefused, .refused), SeenFault(.tcpDropped, .timedOut), SeenFault(.tcpReset, .closed),
        SeenFault(.silentAfterAccept, .timedOut), SeenFault(.notPostgres, .notSQLServer), SeenFault(.notMySQL, .notSQLServer),
        SeenFault(.plaintextServer, .encryptionRefused), SeenFault(.stuffedBeforeTLS, .notSQLServer),
        SeenFault(.azurePreloginClosed, .closed), SeenFault(.azurePreloginGarbage, .notSQLServer),
        SeenFault(.azurePreloginOffset, .notSQLServer), SeenFault(.azurePreloginLength, .tooLarge),
        SeenFault(.azureEncryptionOff, .encryptionRefused), SeenFault(.azureEncryptionMissing, .encryptionRefused),
        SeenFault(.azureFederationUnknown, .protocolViolation), SeenFault(.tlsUnknownCA, .certificateUntrusted),
        SeenFault(.tlsWrongName, .certificateNameMismatch), SeenFault(.tlsExpired, .certificateExpired),
        SeenFault(.tlsNotYetValid, .certificateExpired), SeenFault(.tlsTooOld, .tlsFailed), SeenFault(.tlsHandshakeCut, .closed),
        SeenFault(.tlsHandshakeStalled, .timedOut), SeenFault(.azureTLSRefused, .tlsFailed),
        SeenFault(.azureTLSGarbage, .protocolViolation), SeenFault(.loginSilent, .timedOut), SeenFault(.loginCut, .closed),
        SeenFault(.roleUnknown, .loginRefused, 18456), SeenFault(.databaseWrong, .loginRefused, 4060),
        SeenFault(.noConnect, .loginRefused, 916), SeenFault(.hbaRefused, .loginRefused, 40615),
        SeenFault(.tooManyClients, .loginRefused, 10928), SeenFault(.badText, .loginRefused, 18456),
        SeenFault(.azureVNetRule, .loginRefused, 40914), SeenFault(.azurePublicAccess, .loginRefused, 47073),
        SeenFault(.azureTLSPolicy, .loginRefused, 47072), SeenFault(.azureServerName, .loginRefused, 40532),
        SeenFault(.azureBlocked, .loginRefused, 40635), SeenFault(.azureFreeLimit, .loginRefused, 42119),
        SeenFault(.azureUnavailable, .loginRefused, 40613), SeenFault(.azureFailover, .loginRefused, 40197),
        SeenFault(.azureGateway, .loginRefused, 40143), SeenFault(.azureSecondary, .loginRefused, 4221),
        SeenFault(.azureThrottled, .loginRefused, 40501), SeenFault(.azureWorkers, .loginRefused, 10928),
        SeenFault(.azureNoResources, .loginRefused, 49918), SeenFault(.azureTokenExpired, .loginRefused, 18456),
        SeenFault(.azureWrongTenant, .loginRefused, 18456), SeenFault(.azureNoAdmin, .loginRefused, 18456),
        SeenFault(.azureTokenInvalid, .loginRefused, 18456), SeenFault(.azureRefused, .loginRefused, 18456),
        SeenFault(.azureDisabled, .loginRefused, 18470), SeenFault(.garbageLength, .tooLarge),
        SeenFault(.garbageMessage, .protocolViolation), SeenFault(.hugeMessage, .tooLarge), SeenFault(.endlessNotices, .tooLarge),
        SeenFault(.azureNotAcknowledged, .protocolViolation), SeenFault(.azureWrongFeature, .protocolViolation),
        SeenFault(.azureNoLogin, .protocolViolation), SeenFault(.azureUnasked, .protocolViolation),
        SeenFault(.azureOldVersion, .protocolViolation), SeenFault(.azurePacketSize, .protocolViolation),
        SeenFault(.azureShortPacket, .protocolViolation), SeenFault(.azurePacketType, .protocolViolation),
        SeenFault(.azureTokenCut, .protocolViolation), SeenFault(.azureErrorLength, .protocolViolation),
        SeenFault(.azureEmptyReply, .protocolViolation), SeenFault(.azureRedirectClosed, .refused),
        SeenFault(.azureRedirectDropped, .timedOut), SeenFault(.azureRedirectLoop, .redirectRefused),
        SeenFault(.azureRedirectForeign, .redirectRefused), SeenFault(.azureRedirectAddress, .redirectRefused),
        SeenFault(.azureRedirectPort, .redirectRefused), SeenFault(.azureRedirectNoName, .redirectRefused),
        SeenFault(.azureRedirectTransport, .redirectRefused), SeenFault(.azureRedirectUnknown, .nameNotFound),
        SeenFault(.azureRedirectName, .certificateNameMismatch), SeenFault(.azureRedirectSilent, .timedOut),
        SeenFault(.azureQueryFailed, .requestFailed, 208), SeenFault(.azureQueryFailover, .requestFailed, 40197),
        SeenFault(.azureSessionExpired, .requestFailed, 37396), SeenFault(.azureRowGarbage, .protocolViolation),
        SeenFault(.azureTypeUnknown, .protocolViolation), SeenFault(.azureRowFirst, .protocolViolation),
        SeenFault(.endlessColumns, .tooLarge), SeenFault(.querySilent, .timedOut), SeenFault(.queryCut, .closed),
    ]

    /// The phase that the table of faults promises, in the client's words.
    var phase: TDSPhase? {
        guard case .failure(_, let phase, _) = fault.expects(on: .azuresql) else { return nil }
        // To the agent everything behind a redirect is part of the login.
        switch fault {
        case .azureRedirectClosed, .azureRedirectDropped: return .tcp
        case .azureRedirectUnknown: return .name
        case .azureRedirectName: return .tls
        case .azureRedirectSilent: return .negotiate
        default: break
        }
        return phase == .dns ? .name : TDSPhase(rawValue: phase.rawValue)
    }
}

@Suite struct AzureSQLFaultTests {
    @Test(
        "Each fault shows our client what it promises, gives no token away too early, and is gone when it is off", .timeLimit(.minutes(3)))
    func everyFault() async throws {
        try await withAzureSQL { lab, bench in
            let service = try #require(lab.azureSQL)
            for row in SeenFault.all {
                service.forgetLogins()
                try await lab.faults.turnOn(row.fault, target: "ledger")
                let seen = try await bench.failure(within: row.cause == .timedOut ? .seconds(3) : .seconds(20), row.fault)
                #expect(seen?.cause == row.cause, "\(row.fault.name): \(seen.map(\.description) ?? "it works")")
                // Whether a reset that follows the handshake at once is seen with it or behind it only the kernel knows.
                let phases: [TDSPhase?] = row.fault == .tcpReset ? [.tcp, .negotiate] : [row.phase]
                #expect(phases.contains(seen?.phase), "\(row.fault.name): \(seen.map(\.description) ?? "it works")")
                if let number = row.number { #expect(seen?.message?.number == number, "\(row.fault.name)") }
                // The certificate and the agreement on encryption come before the token.
                if let phase = row.phase, [.tcp, .negotiate, .tls].contains(phase), seen?.hop == 0 {
                    #expect(service.logins(of: "ledger").isEmpty, "\(row.fault.name)")
                }
                if row.cause == .redirectRefused, row.fault != .azureRedirectLoop {
                    #expect(service.redirectedLogins.isEmpty, "\(row.fault.name)")
                }
                try await lab.faults.turnOff(row.fault, target: "ledger")
            }
            #expect(lab.faults.active.isEmpty)
            let connection = try await bench.connect()
            #expect(try await connection.query("select 1", until: .now + .seconds(20)).rows == [[1]])
            await connection.close()
        }
    }

    @Test("Every fault that Azure SQL can have and that fails has its row above")
    func everyFaultHasARow() {
        let played = Fault.allCases.filter { fault in
            guard case .failure = fault.expects(on: .azuresql) else { return false }
            return fault.part == .proxy || fault.part == .server
        }
        // Rows without end are cut by the client at its limit, which is no failure of the client's.
        #expect(Set(played).subtracting(SeenFault.all.map(\.fault)) == [.endlessRows])
        #expect(Set(SeenFault.all.map(\.fault)).count == SeenFault.all.count)
        #expect(SeenFault.all.allSatisfy { $0.phase != nil })
        #expect(Fault.allCases.count { $0.expects(on: .azuresql) != nil } >= 40)
    }

    @Test("Every fault of Azure SQL is told in words, and its exit status is that of its cause and phase")
    func table() {
        for fault in Fault.allCases {
            guard let expects = fault.expects(on: .azuresql) else { continue }
            #expect(fault.row.summary.count > 10, "\(fault.name)")
            if fault.name.hasPrefix("azuresql_") { #expect(Set(fault.row.expects.keys) == [.azuresql], "\(fault.name)") }
            guard case .failure(let cause, let phase, let exit) = expects else { continue }
            #expect(ExitStatus(cause: cause, phase: phase).rawValue == Int32(exit), "\(fault.name)")
        }
        #expect(Set(Fault.allCases.map(\.row.summary)).count == Fault.allCases.count)
    }

    @Test("Unusual servers are healthy ones", .timeLimit(.minutes(1)), arguments: [Fault.azureNonce, .azureSmallPackets, .delay])
    func unusual(fault: Fault) async throws {
        try await withAzureSQL { lab, bench in
            try await lab.faults.turnOn(fault)
            for strict in [false, true] {
                let connection = try await bench.connect(strict: strict)
                #expect(try await connection.query("lab types", until: .now + .seconds(20)).rows.count == 4)
                await connection.close()
            }
        }
    }

    @Test(
        "A redirect leads to a worker on another port, whose name is verified and whose login is a login of its own",
        .timeLimit(.minutes(1)))
    func redirect() async throws {
        try await withAzureSQL { lab, bench in
            let service = try #require(lab.azureSQL)
            try await lab.faults.turnOn(.azureRedirect)
            let connection = try await bench.connect()
            let worker = try #require(connection.facts.redirectedTo)
            #expect(worker.hasPrefix(AzureSQLService.Worker.host + ":11"))
            #expect(connection.timings.filter { $0.hop == 1 }.map(\.phase) == [.name, .tcp, .negotiate, .tls, .login])
            #expect(try await connection.query("select 1", until: .now + .seconds(20)).rows == [[1]])
            await connection.close()
            #expect(service.logins(of: "ledger").map(\.serverName) == [bench.target.host])
            #expect(service.redirectedLogins.map(\.serverName) == [AzureSQLService.Worker.host])
        }
    }

    @Test("A session is told about itself, and a database that was put to sleep is a serverless one", .timeLimit(.minutes(1)))
    func sessionFacts() async throws {
        try await withAzureSQL { lab, bench in
            let app = try #require(lab.principal("app"))
            for (isAsleep, objective) in [(false, "GP_Gen5_2"), (true, "GP_S_Gen5_1")] {
                if isAsleep { try await lab.faults.turnOn(.azureAsleep, value: 0) }
                let connection = try await bench.connect()
                let facts = try await connection.query(
                    "SELECT SUSER_SNAME(), USER_NAME(), DB_NAME(), DATABASEPROPERTYEX(DB_NAME(), 'Updateability'),"
                        + " DATABASEPROPERTYEX(DB_NAME(), 'ServiceObjective'), DATEDIFF_BIG(millisecond, '1970-01-01', SYSUTCDATETIME());",
                    until: .now + .seconds(20))
                let row = try #require(facts.rows.first)
                #expect(row.prefix(5).map(\.text) == ["\(app.clientID)@\(Principal.tenant)", "app", "ledger", "READ_WRITE", objective])
                #expect(abs(Double(row[5].integer ?? 0) / 1000 - Timestamp.now.seconds) < 60)
                await connection.close()
            }
        }
    }

    @Test(
        "A serverless database refuses so many logins and is up then, and is asleep anew when it is put to sleep again",
        .timeLimit(.minutes(1)))
    func asleep() async throws {
        try await withAzureSQL { lab, bench in
            for count in [2, 1] {
                try await lab.faults.turnOn(.azureAsleep, value: count)
                for _ in 0..<count {
                    let seen = try await bench.failure(within: .seconds(20), .azureAsleep)
                    #expect(seen?.message?.number == 40613)
                }
                #expect(try await bench.failure(within: .seconds(20), .azureAsleep) == nil)
                try await lab.faults.turnOff(.azureAsleep)
            }
        }
    }

    @Test("Rows without end are cut by the client, and the connection goes on", .timeLimit(.minutes(1)))
    func endlessRows() async throws {
        try await withAzureSQL { lab, bench in
            try await lab.faults.turnOn(.endlessRows)
            let connection = try await bench.connect()
            #expect(try await connection.query("anything", until: .now + .seconds(20)).isTruncated)
            #expect(try await connection.query("anything", until: .now + .seconds(20)).isTruncated)
            await connection.close()
        }
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        var what: String
        var host: String?
        var database: String?
        var principal = "app"
        /// What is changed about the token, or the whole of it.
        var change: @Sendable (inout TokenIssuer.Request) -> Void = { _ in }
        var text: String?
        var number: Int32
        var state: UInt8
        var says: String
        var testDescription: String { what }
    }

    @Test(
        "The server checks name, token, user and database itself, with Azure's numbers and states", .timeLimit(.minutes(1)),
        arguments: [
            Refused(what: "audience", change: { $0.audience = Lab.audience }, number: 18456, state: 1, says: "Incorrect or invalid token"),
            Refused(
                what: "expired", change: { $0.issued = .now + .seconds(-90_000) }, number: 18456, state: 233, says: "Token is expired"),
            Refused(
                what: "not yet valid", change: { $0.issued = .now + .seconds(3_900) }, number: 18456, state: 1,
                says: "Incorrect or invalid token"),
            Refused(
                what: "tenant", change: { $0.tenant = Principal.foreignTenant }, number: 18456, state: 235,
                says: "not currently configured to accept this token"),
            Refused(what: "no token at all", text: "not.a.token", number: 18456, state: 1, says: "Incorrect or invalid token"),
            Refused(what: "a principal without user", principal: "batch", number: 18456, state: 1, says: "principal>'."),
            Refused(what: "master", database: "master", number: 18456, state: 1, says: "principal>'."),
            Refused(what: "a database that does not exist", database: "nowhere", number: 4060, state: 1, says: "\"nowhere\""),
            Refused(what: "another server's name", host: "other.database.windows.net", number: 40532, state: 1, says: "Cannot open server"),
        ])
    func refusals(row: Refused) async throws {
        try await withAzureSQL { lab, bench in
            let principal = try #require(lab.principal(row.principal))
            var request = TokenIssuer.Request(audience: AzureSQLService.audience + "/")
            row.change(&request)
            let token = try row.text ?? lab.issuer.issue(to: principal, request).token.reveal { $0 }
            let seen = try await failure { _ = try await bench.connect(host: row.host, database: row.database, token: token) }
            #expect(seen.cause == .loginRefused && seen.phase == .login)
            #expect(seen.message?.number == row.number && seen.message?.state == row.state, "\(seen)")
            #expect(seen.message?.text.contains(row.says) == true, "\(seen)")
        }
    }

    @Test(
        "A server of another tenant says so to whoever asks for its issuer", .timeLimit(.minutes(1)),
        arguments: [Fault.azureWrongTenant, .azureNoAdmin])
    func issuer(fault: Fault) async throws {
        try await withAzureSQL { lab, bench in
            try await lab.faults.turnOn(fault)
            let endpoint = lab.endpoint(of: bench.target)
            let issuer = try await TDSConnection.issuer(
                of: TDSTarget(host: bench.target.host, port: endpoint.port, database: "ledger", addresses: [endpoint.host]),
                options: TDSOptions(trust: bench.trust), until: .now + .seconds(20))
            #expect(issuer.tenant == (fault == .azureWrongTenant ? Principal.foreignTenant : Principal.tenant))
        }
    }

    @Test("A client that goes on in the clear gives its token away, and the lab sees it; ours does not", .timeLimit(.minutes(1)))
    func careless() async throws {
        try await withAzureSQL { lab, bench in
            try await lab.faults.turnOn(.plaintextServer)
            let service = try #require(lab.azureSQL)
            let token = try await lab.token(audience: AzureSQLService.audience)
            #expect(try await bench.failure(within: .seconds(20), .plaintextServer)?.cause == .encryptionRefused)
            #expect(lab.recorder.records(of: "ledger").count == 1)
            #expect(!lab.recorder.records().contains { $0.contains(token) })
            #expect(service.logins(of: "ledger").isEmpty)

            let endpoint = lab.endpoint(of: bench.target)
            let stream = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: endpoint.host, port: endpoint.port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
            var login = LoginMessage()
            login.serverName = bench.target.host
            login.database = "ledger"
            let bearer = token.reveal { TDSAccessToken($0) }
            login.features = [FederatedLogin.securityToken(bearer.bytes, nonce: nil, echo: true).request()]
            let hello = Prelogin(
                version: Prelogin.Version(major: 1, minor: 0, build: 0), encryption: .notSupported, trace: [UInt8](repeating: 0, count: 36))
            let messages = [
                Packet.split(hello.encode(), as: .prelogin, size: 4_096), Packet.split(try login.encode(), as: .login, size: 4_096),
            ]
            try await stream.executeThenClose { inbound, outbound in
                var answers = inbound.makeAsyncIterator()
                for message in messages {
                    try await outbound.write(ByteBuffer(bytes: message.flatMap(\.bytes)))
                    let answer = try await answers.next()
                    #expect(answer != nil)
                }
            }
            #expect(lab.recorder.records().contains { $0.contains(token) })
            #expect(service.logins(of: "ledger").count == 1)
        }
    }
}
