// The course of a connection as a table of events and actions; no socket, no clock.

import Testing

@testable import TDS

@Suite struct SessionStateTests {
    @Test("TDS 7.4: PRELOGIN, TLS in packets, login")
    func ordinaryOrder() {
        var state = SessionState()
        #expect(state.connected() == [.sendPrelogin])
        #expect(state.preloginReceived(Course.prelogin()) == [.startTLS(wrapped: true)])
        #expect(state.secured(tlsVersion: nil, certificate: nil) == [.sendLogin(LoginPlan(.token, echo: true))])
    }

    @Test("TDS 8.0: TLS, PRELOGIN, login, whatever PRELOGIN says about encryption", arguments: [0, 1, 2, 3, nil] as [UInt8?])
    func strictOrder(encryption: UInt8?) {
        var state = SessionState(strict: true)
        #expect(state.connected() == [.startTLS(wrapped: false)])
        #expect(state.secured(tlsVersion: nil, certificate: nil) == [.sendPrelogin])
        #expect(state.preloginReceived(Course.prelogin(encryption: encryption)) == [.sendLogin(LoginPlan(.token, echo: true))])
    }

    @Test(
        "Only full encryption lets a token leave",
        arguments: [0: false, 1: true, 2: false, 3: true, 0x81: true, 0x80: false, 4: false, 0x20: false])
    func encryption(value: UInt8, isTaken: Bool) {
        var state = SessionState()
        _ = state.connected()
        let actions = state.preloginReceived(Course.prelogin(encryption: value))
        #expect(isTaken == (actions == [.startTLS(wrapped: true)]))
        #expect(isTaken || Course.failure(actions)?.cause == .encryptionRefused)
        #expect(isTaken || actions.last == .close)
        #expect(isTaken || state.secured(tlsVersion: nil, certificate: nil).isEmpty)
    }

    @Test("Without a word about encryption no token leaves")
    func noEncryption() {
        var state = SessionState()
        _ = state.connected()
        #expect(Course.failure(state.preloginReceived(Course.prelogin(encryption: nil)))?.cause == .encryptionRefused)
    }

    @Test("Echo and nonce of the login are those of PRELOGIN", arguments: [(1, true), (0, false), (nil, false)] as [(UInt8?, Bool)])
    func echo(required: UInt8?, echo: Bool) {
        var state = SessionState()
        _ = state.connected()
        let nonce = Array(repeating: UInt8(7), count: 32)
        _ = state.preloginReceived(Course.prelogin(required: required, nonce: nonce))
        #expect(state.secured(tlsVersion: nil, certificate: nil) == [.sendLogin(LoginPlan(.token, echo: echo, nonce: nonce))])
    }

    @Test("FEDAUTHREQUIRED knows 0 and 1 only")
    func badRequired() {
        var state = SessionState()
        _ = state.connected()
        #expect(Course.failure(state.preloginReceived(Course.prelogin(required: 2)))?.cause == .protocolViolation)
    }

    @Test("A whole answer logs in, and its packet size is used from then on")
    func loginAccepted() {
        let actions = Course.login([
            .environmentChange(.database(new: "billing", old: "master")), Course.acknowledgement,
            .environmentChange(.packetSize(new: 8000, old: 4096)),
            Course.feature, Course.done,
        ])
        #expect(actions.first == .usePacketSize(8000))
        guard case .finishLogin(let facts) = actions.last else {
            Issue.record("\(actions)")
            return
        }
        #expect(facts.database == "billing")
        #expect(facts.version == "12.0.2000")
        #expect(facts.requiresToken == true)
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        var name: String
        var tokens: [ReplyToken]
        var required: UInt8? = 1
        var cause: TDSFailure.Cause
        var testDescription: String { name }
    }

    @Test(
        "Answers that are no login",
        arguments: [
            Refusal(name: "an error", tokens: [Course.error(18456), .done(Done([.error]))], cause: .loginRefused),
            Refusal(
                name: "an error after an acknowledgement", tokens: [Course.acknowledgement, Course.error(4060), Course.done],
                cause: .loginRefused),
            Refusal(name: "nothing but an end", tokens: [Course.done], cause: .protocolViolation),
            Refusal(name: "no end", tokens: [Course.acknowledgement, Course.feature], cause: .protocolViolation),
            Refusal(
                name: "more to come, and no more", tokens: [Course.acknowledgement, Course.feature, .done(Done([.more]))],
                cause: .protocolViolation),
            Refusal(name: "no acknowledgement of the token", tokens: [Course.acknowledgement, Course.done], cause: .protocolViolation),
            Refusal(
                name: "a feature nobody asked for",
                tokens: [Course.acknowledgement, .featureAcknowledgements([FeatureAcknowledgement(.utf8Support, [1])]), Course.done],
                cause: .protocolViolation),
            Refusal(
                name: "TDS 7.1",
                tokens: [
                    .loginAcknowledgement(LoginAcknowledgement(tdsVersion: 0x7100_0001, program: "x", major: 8, minor: 0, build: 0)),
                    Course.feature, Course.done,
                ],
                cause: .protocolViolation),
            Refusal(name: "columns", tokens: [.columns([TDSColumn("a", ColumnType(.int))])], cause: .protocolViolation),
            Refusal(
                name: "a route without an acknowledgement",
                tokens: [.environmentChange(.routing(Route(server: "a.database.windows.net", port: 1))), Course.feature, Course.done],
                cause: .protocolViolation),
            Refusal(
                name: "enhanced routing",
                tokens: [
                    Course.acknowledgement, .environmentChange(.routing(Route(server: "a.database.windows.net", port: 1, database: "b"))),
                    Course.feature,
                    Course.done,
                ], cause: .protocolViolation),
            Refusal(
                name: "FEDAUTHINFO", tokens: [.federatedAuthenticationInfo(FederatedAuthenticationInfo(stsURL: "a", spn: "b"))],
                cause: .protocolViolation),
        ])
    func refusals(row: Refusal) {
        let actions = Course.login(row.tokens, required: row.required)
        #expect(Course.failure(actions)?.cause == row.cause)
        #expect(Course.failure(actions)?.phase == .login)
        #expect(actions.last == .close)
    }

    @Test("Without FEDAUTHREQUIRED the acknowledgement of the token may be missing")
    func noAcknowledgementNeeded() {
        guard case .finishLogin = Course.login([Course.acknowledgement, Course.done], required: 0).last else {
            Issue.record("no login")
            return
        }
    }

    @Test(
        "Of several errors the most telling one is named",
        arguments: [
            ([4060, 18456], 4060), ([18456, 40615], 40615), ([18456], 18456), ([33155, 18456], 33155), ([40613, 47073], 47073),
            ([50001, 18456], 50001),
        ] as [([Int32], Int32)])
    func mostTelling(numbers: [Int32], wanted: Int32) {
        let actions = Course.login(numbers.map { Course.error($0) } + [.done(Done([.error]))])
        #expect(Course.failure(actions)?.message?.number == wanted)
        #expect(Course.failure(actions)?.messages.map(\.number) == numbers)
    }

    @Test("A route after the acknowledgement is no login")
    func routed() {
        let route = Route(server: "w1.worker.database.windows.net", port: 11001)
        let actions = Course.login([Course.acknowledgement, .environmentChange(.routing(route)), Course.feature, Course.done])
        guard case .finishRedirect(route, let facts) = actions.first else {
            Issue.record("\(actions)")
            return
        }
        #expect(facts.redirectedTo == "w1.worker.database.windows.net:11001")
        #expect(actions.last == .close)
    }

    @Test("The issuer is asked for without a token, and the session ends with the answer")
    func issuer() {
        var state = SessionState(method: .askIssuer)
        _ = state.connected()
        _ = state.preloginReceived(Course.prelogin(nonce: Array(repeating: 1, count: 32)))
        #expect(state.secured(tlsVersion: nil, certificate: nil) == [.sendLogin(LoginPlan(.askIssuer, echo: true))])
        let info = FederatedAuthenticationInfo(stsURL: "https://login.windows.net/t", spn: "s")
        #expect(state.tokenReceived(.federatedAuthenticationInfo(info)).isEmpty)
        let actions = state.messageEnded()
        guard case .finishIssuer(info, _) = actions.first else {
            Issue.record("\(actions)")
            return
        }
        #expect(actions.last == .close)
        #expect(
            Course.failure(Course.login([Course.acknowledgement, Course.feature, Course.done], method: .askIssuer))?.cause
                == .protocolViolation)
        let nobody = ReplyToken.federatedAuthenticationInfo(FederatedAuthenticationInfo(stsURL: nil, spn: nil))
        #expect(Course.failure(Course.login([nobody], method: .askIssuer))?.cause == .protocolViolation)
    }

    @Test("A server that closes is described by the step in which it did", arguments: [0, 1, 2, 3])
    func closes(step: Int) {
        var state = SessionState()
        if step > 0 { _ = state.connected() }
        if step > 1 { _ = state.preloginReceived(Course.prelogin()) }
        if step > 2 { _ = state.secured(tlsVersion: nil, certificate: nil) }
        let failure = Course.failure(state.peerClosed())
        #expect(failure?.cause == .closed)
        #expect(failure?.phase == [.tcp, .negotiate, .tls, .login][step])
        #expect(state.peerClosed().isEmpty)
    }

    @Test("A server that says no and hangs up has said no")
    func refusesAndCloses() {
        var state = Course.loggingIn()
        _ = state.tokenReceived(Course.error(40615))
        let failure = Course.failure(state.peerClosed())
        #expect(failure?.cause == .loginRefused)
        #expect(failure?.message?.number == 40615)
    }

    @Test("Whatever happens in whatever order, one end is told, and nothing after it", arguments: 0..<40)
    func anyOrder(seed: Int) {
        var dice = MutationTests.Dice(state: UInt64(seed))
        let tokens: [ReplyToken] = [
            Course.acknowledgement, Course.feature, Course.done, .done(Done([.more])), .done(Done([.attention])), .done(Done([.error])),
            Course.error(18456), Course.error(40197, class: 20), .columns([TDSColumn("a", ColumnType(.int))]), .row([1], compressed: false),
            .environmentChange(.routing(Route(server: "a.database.windows.net", port: 1))), .returnStatus(0), .order([1]),
            .environmentChange(.packetSize(new: 512, old: 4096)),
            .federatedAuthenticationInfo(FederatedAuthenticationInfo(stsURL: nil, spn: nil)),
        ]
        var seen = (sent: 0, finished: 0, failed: 0, attentions: 0)
        for round in 0..<500 {
            // Half of the rounds begin behind the login, which chance alone never passes.
            let isIn = round % 2 == 1
            var state =
                isIn
                ? Course.ready(mostRows: 2)
                : SessionState(
                    strict: round % 4 == 0, method: round % 7 == 0 ? .askIssuer : round % 11 == 0 ? .hangUp : .token, mostRows: 2)
            var ends = isIn ? 1 : 0
            // Who asked and has not been answered.
            var open: Set<RequestID> = []
            var isClosed = false
            for step in 0..<60 {
                let id = RequestID(UInt64(step))
                func ask() -> [SessionAction] {
                    open.insert(id)
                    return state.requestMade(id)
                }
                let actions: [SessionAction] =
                    switch Int.random(in: 0..<14, using: &dice) {
                    case 0: state.connected()
                    case 1 where isIn, 2 where isIn: state.step == .ready ? ask() : []
                    case 1: state.preloginReceived(Course.prelogin(encryption: UInt8.random(in: 0...3, using: &dice)))
                    case 2: state.secured(tlsVersion: nil, certificate: nil)
                    case 3: state.messageEnded()
                    case 4: ask()
                    case 5: state.requestAbandoned(open.randomElement(using: &dice) ?? id, .cancelled)
                    case 6: Int.random(in: 0..<30, using: &dice) == 0 ? state.peerClosed() : []
                    case 7: Int.random(in: 0..<30, using: &dice) == 0 ? state.attentionUnanswered() : []
                    case 8: Int.random(in: 0..<30, using: &dice) == 0 ? state.closeRequested() : []
                    default: state.tokenReceived(tokens.randomElement(using: &dice) ?? Course.done)
                    }
                for action in actions {
                    switch action {
                    case .finishLogin, .failLogin, .finishIssuer, .finishRedirect, .finishSecured: ends += 1
                    case .sendRequest(let id):
                        #expect(!isClosed && open.contains(id))
                        seen.sent += 1
                    case .finishRequest(let id, _):
                        #expect(open.remove(id) != nil)
                        seen.finished += 1
                    case .failRequest(let id, let failure):
                        #expect(open.remove(id) != nil)
                        if failure.cause != .misuse { seen.failed += 1 }
                    case .close: isClosed = true
                    case .sendAttention:
                        #expect(!isClosed)
                        seen.attentions += 1
                    case .sendPrelogin, .startTLS, .sendLogin: #expect(!isClosed)
                    case .usePacketSize: break
                    }
                }
            }
            let isBeforeTheEnd = [.idle, .negotiating, .securing, .loggingIn].contains(state.step)
            #expect(ends == (isBeforeTheEnd ? 0 : 1))
            #expect(isClosed == (state.step == .closed))
            // Everybody who asked has been answered once, or still waits.
            if isClosed { #expect(open.isEmpty) }
        }
        #expect(seen.sent > 0 && seen.finished > 0 && seen.failed > 0 && seen.attentions > 0, "\(seen)")
    }

    @Test("Whoever wants no login gets none: the session ends once TLS stands")
    func hangUp() {
        for strict in [false, true] {
            var state = SessionState(strict: strict, method: .hangUp)
            var actions = state.connected()
            if strict { actions += state.secured(tlsVersion: nil, certificate: nil) }
            actions += state.preloginReceived(Course.prelogin(encryption: 1))
            if !strict { actions += state.secured(tlsVersion: nil, certificate: nil) }
            #expect(actions.suffix(2) == [.finishSecured(state.facts), .close])
            #expect(!actions.contains { if case .sendLogin = $0 { true } else { false } })
            #expect(state.step == .closed)
        }
    }

    @Test("Rubbish before the login says that no SQL Server is there, later that it breaks the rules")
    func rubbish() {
        var state = SessionState()
        _ = state.connected()
        #expect(Course.failure(state.wireFailed(.malformed("x")))?.cause == .notSQLServer)
        var later = Course.loggingIn()
        #expect(Course.failure(later.wireFailed(WireError(.unknownToken(0x42), evidence: [0x42])))?.cause == .protocolViolation)
        var large = Course.loggingIn()
        #expect(Course.failure(large.wireFailed(.beyondLimit("x", 1)))?.cause == .tooLarge)
    }
}
