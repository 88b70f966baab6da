// The course of a connection as a table of events and actions; no socket, no clock.

import Testing

@testable import TDS

@Suite struct SessionStateTests {
    private static func prelogin(encryption: UInt8? = 1, required: UInt8? = 1, nonce: [UInt8]? = nil) -> Prelogin {
        var options = [Prelogin.Option(.version, [12, 0, 7, 208, 0, 0])]
        if let encryption { options.append(Prelogin.Option(.encryption, [encryption])) }
        if let required { options.append(Prelogin.Option(.federatedAuthenticationRequired, [required])) }
        if let nonce { options.append(Prelogin.Option(.nonce, nonce)) }
        return Prelogin(options: options)
    }

    private static let acknowledgement = ReplyToken.loginAcknowledgement(
        LoginAcknowledgement(tdsVersion: TDSVersion.v74, program: "Microsoft SQL Server", major: 12, minor: 0, build: 2000))
    private static let feature = ReplyToken.featureAcknowledgements([FeatureAcknowledgement(.federatedAuthentication)])
    private static let done = ReplyToken.done(Done())

    /// A session whose login message has been sent.
    private static func loggingIn(required: UInt8? = 1, method: LoginPlan.Method = .token) -> SessionState {
        var state = SessionState(method: method)
        _ = state.connected()
        _ = state.preloginReceived(prelogin(required: required))
        _ = state.secured(tlsVersion: "tlsv12", certificate: nil)
        return state
    }

    private static func ready(mostRows: Int = 10) -> SessionState {
        var state = SessionState(mostRows: mostRows)
        _ = state.connected()
        _ = state.preloginReceived(prelogin())
        _ = state.secured(tlsVersion: nil, certificate: nil)
        for token in [acknowledgement, feature, done] { _ = state.tokenReceived(token) }
        _ = state.messageEnded()
        return state
    }

    private static func login(_ tokens: [ReplyToken], required: UInt8? = 1, method: LoginPlan.Method = .token) -> [SessionAction] {
        var state = loggingIn(required: required, method: method)
        var actions = tokens.flatMap { state.tokenReceived($0) }
        if actions.isEmpty { actions = state.messageEnded() }
        return actions
    }

    private static func failure(_ actions: [SessionAction]) -> TDSFailure? {
        for case .failLogin(let failure) in actions { return failure }
        for case .failRequest(_, let failure) in actions { return failure }
        return nil
    }

    @Test("TDS 7.4: PRELOGIN, TLS in packets, login")
    func ordinaryOrder() {
        var state = SessionState()
        #expect(state.connected() == [.sendPrelogin])
        #expect(state.preloginReceived(Self.prelogin()) == [.startTLS(wrapped: true)])
        #expect(state.secured(tlsVersion: nil, certificate: nil) == [.sendLogin(LoginPlan(.token, echo: true))])
    }

    @Test("TDS 8.0: TLS, PRELOGIN, login, whatever PRELOGIN says about encryption", arguments: [0, 1, 2, 3, nil] as [UInt8?])
    func strictOrder(encryption: UInt8?) {
        var state = SessionState(strict: true)
        #expect(state.connected() == [.startTLS(wrapped: false)])
        #expect(state.secured(tlsVersion: nil, certificate: nil) == [.sendPrelogin])
        #expect(state.preloginReceived(Self.prelogin(encryption: encryption)) == [.sendLogin(LoginPlan(.token, echo: true))])
    }

    @Test(
        "Only full encryption lets a token leave",
        arguments: [0: false, 1: true, 2: false, 3: true, 0x81: true, 0x80: false, 4: false, 0x20: false])
    func encryption(value: UInt8, isTaken: Bool) {
        var state = SessionState()
        _ = state.connected()
        let actions = state.preloginReceived(Self.prelogin(encryption: value))
        #expect(isTaken == (actions == [.startTLS(wrapped: true)]))
        #expect(isTaken || Self.failure(actions)?.cause == .encryptionRefused)
        #expect(isTaken || actions.last == .close)
        #expect(isTaken || state.secured(tlsVersion: nil, certificate: nil).isEmpty)
    }

    @Test("Without a word about encryption no token leaves")
    func noEncryption() {
        var state = SessionState()
        _ = state.connected()
        #expect(Self.failure(state.preloginReceived(Self.prelogin(encryption: nil)))?.cause == .encryptionRefused)
    }

    @Test("Echo and nonce of the login are those of PRELOGIN", arguments: [(1, true), (0, false), (nil, false)] as [(UInt8?, Bool)])
    func echo(required: UInt8?, echo: Bool) {
        var state = SessionState()
        _ = state.connected()
        let nonce = Array(repeating: UInt8(7), count: 32)
        _ = state.preloginReceived(Self.prelogin(required: required, nonce: nonce))
        #expect(state.secured(tlsVersion: nil, certificate: nil) == [.sendLogin(LoginPlan(.token, echo: echo, nonce: nonce))])
    }

    @Test("FEDAUTHREQUIRED knows 0 and 1 only")
    func badRequired() {
        var state = SessionState()
        _ = state.connected()
        #expect(Self.failure(state.preloginReceived(Self.prelogin(required: 2)))?.cause == .protocolViolation)
    }

    @Test("A whole answer logs in, and its packet size is used from then on")
    func loginAccepted() {
        let actions = Self.login([
            .environmentChange(.database(new: "billing", old: "master")), Self.acknowledgement,
            .environmentChange(.packetSize(new: 8000, old: 4096)),
            Self.feature, Self.done,
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

    private static func error(_ number: Int32, _ state: UInt8 = 1, class severity: UInt8 = 14) -> ReplyToken {
        .error(TDSServerMessage(number: number, state: state, class: severity, text: "x"))
    }

    @Test(
        "Answers that are no login",
        arguments: [
            Refusal(name: "an error", tokens: [error(18456), .done(Done([.error]))], cause: .loginRefused),
            Refusal(name: "an error after an acknowledgement", tokens: [acknowledgement, error(4060), done], cause: .loginRefused),
            Refusal(name: "nothing but an end", tokens: [done], cause: .protocolViolation),
            Refusal(name: "no end", tokens: [acknowledgement, feature], cause: .protocolViolation),
            Refusal(
                name: "more to come, and no more", tokens: [acknowledgement, feature, .done(Done([.more]))], cause: .protocolViolation),
            Refusal(name: "no acknowledgement of the token", tokens: [acknowledgement, done], cause: .protocolViolation),
            Refusal(
                name: "a feature nobody asked for",
                tokens: [acknowledgement, .featureAcknowledgements([FeatureAcknowledgement(.utf8Support, [1])]), done],
                cause: .protocolViolation),
            Refusal(
                name: "TDS 7.1",
                tokens: [
                    .loginAcknowledgement(LoginAcknowledgement(tdsVersion: 0x7100_0001, program: "x", major: 8, minor: 0, build: 0)),
                    feature, done,
                ],
                cause: .protocolViolation),
            Refusal(name: "columns", tokens: [.columns([TDSColumn("a", ColumnType(.int))])], cause: .protocolViolation),
            Refusal(
                name: "a route without an acknowledgement",
                tokens: [.environmentChange(.routing(Route(server: "a.database.windows.net", port: 1))), feature, done],
                cause: .protocolViolation),
            Refusal(
                name: "enhanced routing",
                tokens: [
                    acknowledgement, .environmentChange(.routing(Route(server: "a.database.windows.net", port: 1, database: "b"))), feature,
                    done,
                ], cause: .protocolViolation),
            Refusal(
                name: "FEDAUTHINFO", tokens: [.federatedAuthenticationInfo(FederatedAuthenticationInfo(stsURL: "a", spn: "b"))],
                cause: .protocolViolation),
        ])
    func refusals(row: Refusal) {
        let actions = Self.login(row.tokens, required: row.required)
        #expect(Self.failure(actions)?.cause == row.cause)
        #expect(Self.failure(actions)?.phase == .login)
        #expect(actions.last == .close)
    }

    @Test("Without FEDAUTHREQUIRED the acknowledgement of the token may be missing")
    func noAcknowledgementNeeded() {
        guard case .finishLogin = Self.login([Self.acknowledgement, Self.done], required: 0).last else {
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
        let actions = Self.login(numbers.map { Self.error($0) } + [.done(Done([.error]))])
        #expect(Self.failure(actions)?.message?.number == wanted)
        #expect(Self.failure(actions)?.messages.map(\.number) == numbers)
    }

    @Test("A route after the acknowledgement is no login")
    func routed() {
        let route = Route(server: "w1.worker.database.windows.net", port: 11001)
        let actions = Self.login([Self.acknowledgement, .environmentChange(.routing(route)), Self.feature, Self.done])
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
        _ = state.preloginReceived(Self.prelogin(nonce: Array(repeating: 1, count: 32)))
        #expect(state.secured(tlsVersion: nil, certificate: nil) == [.sendLogin(LoginPlan(.askIssuer, echo: true))])
        let info = FederatedAuthenticationInfo(stsURL: "https://login.windows.net/t", spn: "s")
        #expect(state.tokenReceived(.federatedAuthenticationInfo(info)).isEmpty)
        let actions = state.messageEnded()
        guard case .finishIssuer(info, _) = actions.first else {
            Issue.record("\(actions)")
            return
        }
        #expect(actions.last == .close)
        #expect(Self.failure(Self.login([Self.acknowledgement, Self.feature, Self.done], method: .askIssuer))?.cause == .protocolViolation)
        let nobody = ReplyToken.federatedAuthenticationInfo(FederatedAuthenticationInfo(stsURL: nil, spn: nil))
        #expect(Self.failure(Self.login([nobody], method: .askIssuer))?.cause == .protocolViolation)
    }

    @Test("A server that closes is described by the step in which it did", arguments: [0, 1, 2, 3])
    func closes(step: Int) {
        var state = SessionState()
        if step > 0 { _ = state.connected() }
        if step > 1 { _ = state.preloginReceived(Self.prelogin()) }
        if step > 2 { _ = state.secured(tlsVersion: nil, certificate: nil) }
        let failure = Self.failure(state.peerClosed())
        #expect(failure?.cause == .closed)
        #expect(failure?.phase == [.tcp, .negotiate, .tls, .login][step])
        #expect(state.peerClosed().isEmpty)
    }

    @Test("A server that says no and hangs up has said no")
    func refusesAndCloses() {
        var state = Self.loggingIn()
        _ = state.tokenReceived(Self.error(40615))
        let failure = Self.failure(state.peerClosed())
        #expect(failure?.cause == .loginRefused)
        #expect(failure?.message?.number == 40615)
    }

    @Test("Whatever happens in whatever order, one end is told, and nothing after it", arguments: 0..<40)
    func anyOrder(seed: Int) {
        var dice = MutationTests.Dice(state: UInt64(seed))
        let tokens: [ReplyToken] = [
            Self.acknowledgement, Self.feature, Self.done, .done(Done([.more])), .done(Done([.attention])), .done(Done([.error])),
            Self.error(18456), Self.error(40197, class: 20), .columns([TDSColumn("a", ColumnType(.int))]), .row([1], compressed: false),
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
                ? Self.ready(mostRows: 2)
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
                    case 1: state.preloginReceived(Self.prelogin(encryption: UInt8.random(in: 0...3, using: &dice)))
                    case 2: state.secured(tlsVersion: nil, certificate: nil)
                    case 3: state.messageEnded()
                    case 4: ask()
                    case 5: state.requestAbandoned(open.randomElement(using: &dice) ?? id, .cancelled)
                    case 6: Int.random(in: 0..<30, using: &dice) == 0 ? state.peerClosed() : []
                    case 7: Int.random(in: 0..<30, using: &dice) == 0 ? state.attentionUnanswered() : []
                    case 8: Int.random(in: 0..<30, using: &dice) == 0 ? state.closeRequested() : []
                    default: state.tokenReceived(tokens.randomElement(using: &dice) ?? Self.done)
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
            actions += state.preloginReceived(Self.prelogin(encryption: 1))
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
        #expect(Self.failure(state.wireFailed(.malformed("x")))?.cause == .notSQLServer)
        var later = Self.loggingIn()
        #expect(Self.failure(later.wireFailed(WireError(.unknownToken(0x42), evidence: [0x42])))?.cause == .protocolViolation)
        var large = Self.loggingIn()
        #expect(Self.failure(large.wireFailed(.beyondLimit("x", 1)))?.cause == .tooLarge)
    }

    @Test("A request gets its rows, and the connection is ready for the next")
    func request() {
        var state = Self.ready()
        let id = RequestID(1)
        #expect(state.requestMade(id) == [.sendRequest(id)])
        let columns = [TDSColumn("a", ColumnType(.int))]
        for token in [
            ReplyToken.columns(columns), .row([1], compressed: false), .row([2], compressed: true), .done(Done([.count], rowCount: 2)),
        ] {
            #expect(state.tokenReceived(token).isEmpty)
        }
        var result = TDSResult()
        result.sets = [TDSResultSet(columns: columns, rows: [[1], [2]])]
        result.counts = [2]
        #expect(state.messageEnded() == [.finishRequest(id, result)])
        #expect(state.requestMade(RequestID(2)) == [.sendRequest(RequestID(2))])
    }

    @Test("A failed statement leaves the connection open, a fatal one does not", arguments: [(14, false), (20, true)] as [(UInt8, Bool)])
    func failedStatement(severity: UInt8, isFatal: Bool) {
        var state = Self.ready()
        _ = state.requestMade(RequestID(1))
        _ = state.tokenReceived(Self.error(229, class: severity))
        _ = state.tokenReceived(.done(Done([.error])))
        let actions = state.messageEnded()
        #expect(Self.failure(actions)?.cause == .requestFailed)
        #expect((actions.last == .close) == isFatal)
        #expect((state.step == .ready) == !isFatal)
    }

    @Test("A second request at the same time and one on a closed connection are misuse")
    func misuse() {
        var state = Self.ready()
        _ = state.requestMade(RequestID(1))
        #expect(Self.failure(state.requestMade(RequestID(2)))?.cause == .misuse)
        _ = state.closeRequested()
        #expect(Self.failure(state.requestMade(RequestID(3)))?.cause == .misuse)
    }

    @Test("A cancelled request is answered at once; the next one waits until the server has confirmed")
    func cancel() {
        var state = Self.ready()
        _ = state.requestMade(RequestID(1))
        let actions = state.requestAbandoned(RequestID(1), .timedOut)
        #expect(Self.failure(actions)?.cause == .timedOut)
        #expect(actions.last == .sendAttention)
        #expect(state.requestMade(RequestID(2)).isEmpty)
        // The answer that was on its way, then the confirmation in a message of its own.
        #expect(state.tokenReceived(.done(Done())).isEmpty)
        #expect(state.messageEnded().isEmpty)
        #expect(state.tokenReceived(.done(Done([.attention]))).isEmpty)
        #expect(state.messageEnded() == [.sendRequest(RequestID(2))])
        #expect(state.requestAbandoned(RequestID(1), .timedOut).isEmpty)
    }

    @Test("A server that does not confirm a cancel loses the connection")
    func unconfirmed() {
        var state = Self.ready()
        _ = state.requestMade(RequestID(1))
        _ = state.requestAbandoned(RequestID(1), .cancelled)
        _ = state.requestMade(RequestID(2))
        let actions = state.attentionUnanswered()
        // The second request has waited for nothing of its own.
        #expect(Self.failure(actions)?.cause == .closed)
        #expect(Self.failure(actions)?.detail.contains("earlier request") == true)
        #expect(actions.last == .close)
        #expect(Self.failure(state.requestMade(RequestID(3)))?.cause == .closed)
    }

    @Test("A server that closes while nothing is asked is told to whoever asks next; this side's own close is misuse")
    func idleEnd() {
        var state = Self.ready()
        #expect(state.peerClosed() == [.close])
        let failure = Self.failure(state.requestMade(RequestID(1)))
        #expect(failure?.cause == .closed)
        #expect(failure?.detail == "The server has closed the connection.")
        var closed = Self.ready()
        _ = closed.requestMade(RequestID(1))
        #expect(Self.failure(closed.closeRequested())?.cause == .closed)
        #expect(Self.failure(closed.requestMade(RequestID(2)))?.cause == .misuse)
    }

    @Test("A DONE that says it failed is a failure, with and without an ERROR before it", arguments: [Done.Status.error, .serverError])
    func failureWithoutError(status: Done.Status) {
        let login = Self.failure(Self.login([Self.acknowledgement, Self.feature, .done(Done(status))]))
        #expect(login?.cause == .loginRefused)
        for token in [ReplyToken.done(Done(status)), .doneProcedure(Done(status))] {
            var state = Self.ready()
            _ = state.requestMade(RequestID(1))
            _ = state.tokenReceived(token)
            let actions = state.messageEnded()
            #expect(Self.failure(actions)?.cause == .requestFailed)
            #expect((actions.last == .close) == (status == .serverError))
        }
        var state = Self.ready()
        _ = state.requestMade(RequestID(1))
        for token in [ReplyToken.doneInProcedure(Done([status, .more])), .doneProcedure(Done())] { _ = state.tokenReceived(token) }
        #expect(Self.failure(state.messageEnded())?.cause == .requestFailed)
    }

    @Test("What the server said before the end comes with every failure")
    func wordsBeforeTheEnd() {
        let tracing = ReplyToken.info(TDSServerMessage(number: 40608, state: 1, class: 0, text: "tracing ID"))
        var silent = Self.loggingIn()
        for token in [tracing, Self.error(40613)] { _ = silent.tokenReceived(token) }
        let refused = silent.told(TDSFailure(.timedOut, during: .login, "x"))
        #expect(refused.cause == .loginRefused)
        #expect(refused.messages.map(\.number) == [40608, 40613])
        #expect(refused.message?.number == 40613)
        var dropped = Self.loggingIn()
        _ = dropped.tokenReceived(tracing)
        let closed = Self.failure(dropped.peerClosed())
        #expect(closed?.cause == .closed)
        #expect(closed?.messages.map(\.number) == [40608])
        #expect(closed?.facts?.notices.map(\.number) == [40608])

        let ends: [(TDSFailure.Cause, (inout SessionState) -> [SessionAction])] = [
            (.requestFailed, { $0.peerClosed() }), (.protocolViolation, { $0.wireFailed(.malformed("x")) }),
            (.timedOut, { $0.requestAbandoned(RequestID(1), .timedOut) }), (.cancelled, { $0.requestAbandoned(RequestID(1), .cancelled) }),
        ]
        for (cause, end) in ends {
            var state = Self.ready()
            _ = state.requestMade(RequestID(1))
            for token in [Self.error(40197, class: 20), tracing] { _ = state.tokenReceived(token) }
            let failure = Self.failure(end(&state))
            #expect(failure?.cause == cause)
            #expect(failure?.messages.map(\.number) == [40197, 40608], "\(cause)")
        }
    }

    @Test("A transaction is named in requests from its beginning to its end")
    func transaction() {
        let first: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
        let steps: [(EnvironmentChange, [UInt8])] = [
            (.transactionBegun(descriptor: first), first), (.transactionCommitted(descriptor: first), RequestHeaders.noTransaction),
            (.transactionEnlisted(descriptor: first), first), (.transactionEnded(type: 17, payload: []), RequestHeaders.noTransaction),
            (.transactionBegun(descriptor: first), first), (.transactionRolledBack(descriptor: first), RequestHeaders.noTransaction),
        ]
        var state = Self.ready()
        for (number, (change, wanted)) in steps.enumerated() {
            _ = state.requestMade(RequestID(UInt64(number)))
            for token in [.environmentChange(change), Self.done] { _ = state.tokenReceived(token) }
            _ = state.messageEnded()
            #expect(state.transaction == wanted, "\(change)")
        }
    }

    @Test("At the limit of rows the rest is not read, and the result says so")
    func rowLimit() {
        var state = Self.ready(mostRows: 2)
        _ = state.requestMade(RequestID(1))
        _ = state.tokenReceived(.columns([TDSColumn("a", ColumnType(.int))]))
        _ = state.tokenReceived(.row([1], compressed: false))
        _ = state.tokenReceived(.row([2], compressed: false))
        let actions = state.tokenReceived(.row([3], compressed: false))
        guard case .finishRequest(RequestID(1), let result) = actions.first, actions.last == .sendAttention else {
            Issue.record("no result, or the server is not told: \(actions)")
            return
        }
        #expect(result.rows == [[1], [2]])
        #expect(result.isTruncated)
        #expect(state.isDraining)
        #expect(state.tokenReceived(.row([4], compressed: false)).isEmpty)
        _ = state.tokenReceived(.done(Done([.attention])))
        #expect(state.messageEnded().isEmpty)
        #expect(state.step == .ready)
    }

    @Test("What nobody asked for ends the session")
    func unasked() {
        var state = Self.ready()
        #expect(state.tokenReceived(.row([1], compressed: false)) == [.close])
        var early = SessionState()
        _ = early.connected()
        #expect(Self.failure(early.tokenReceived(Self.done))?.cause == .protocolViolation)
        var twice = Self.loggingIn()
        #expect(Self.failure(twice.preloginReceived(Self.prelogin()))?.cause == .protocolViolation)
    }
}

@Suite struct RedirectRuleTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var from = "shop.database.windows.net"
        var to: String
        var port: UInt16 = 11001
        var transport: UInt8 = 0
        var hop = 0
        var follows: String?
        var testDescription: String { "\(from) -> \(to):\(port)" }
    }

    @Test(
        "A redirect stays within its service, goes one hop, and leads to a name",
        arguments: [
            Row(to: "ab12.tr1.eastus1-a.worker.database.windows.net", follows: "ab12.tr1.eastus1-a.worker.database.windows.net"),
            Row(to: "AB12.Worker.Database.Windows.NET.", follows: "ab12.worker.database.windows.net"),
            Row(to: "w.database.windows.net\\instance", follows: "w.database.windows.net"),
            Row(to: "shop.database.windows.net", follows: "shop.database.windows.net"),
            Row(
                from: "shop.privatelink.database.windows.net", to: "w.worker.database.windows.net", follows: "w.worker.database.windows.net"
            ),
            Row(from: "s.database.usgovcloudapi.net", to: "w.database.usgovcloudapi.net", follows: "w.database.usgovcloudapi.net"),
            Row(from: "s.database.usgovcloudapi.net", to: "w.database.windows.net"), Row(to: "w.database.windows.net", hop: 1),
            Row(to: "w.database.windows.net.evil.example"), Row(to: "evil-database.windows.net"), Row(to: "evil.example"),
            Row(to: ".database.windows.net"),
            Row(to: "10.0.0.4"), Row(to: "::1"), Row(to: ""), Row(to: "a b.database.windows.net"),
            Row(to: "w.database.windows.net", port: 0),
            Row(to: "w.database.windows.net", transport: 1), Row(to: "w.database.windows.net\u{0}.evil.example"),
            Row(from: "own.example", to: "other.example"),
            Row(from: "own.example", to: "own.example", follows: "own.example"), Row(from: "a.db.lab", to: "b.db.lab", follows: "b.db.lab"),
        ])
    func rule(row: Row) {
        decide(row, [".db.lab"])
    }

    @Test(
        "An own ending counts with and without its dot, and from two labels on",
        arguments: [
            ("db.lab", "b.db.lab", true), (".db.lab", "b.db.lab", true), ("DB.Lab.", "b.db.lab", true), ("db.lab", "b.evildb.lab", false),
            ("db.lab", "evildb.lab", false), (".", "evil.example", false), ("", "evil.example", false), ("lab", "b.evil.lab", false),
            (".lab", "b.evil.lab", false), ("..", "evil.example", false), ("*.lab", "b.evil.lab", false),
        ])
    func ownEnding(suffix: String, to: String, isFollowed: Bool) {
        decide(Row(from: "a.db.lab", to: to, follows: isFollowed ? to : nil), [suffix])
    }

    @Test("A redirect to a name that no login has room for is refused before anybody is called")
    func longName() {
        let label = String(repeating: "a", count: 60)
        decide(Row(to: "\(label).\(label).database.windows.net"), [])
    }

    private func decide(_ row: Row, _ suffixes: [String]) {
        let decision = RedirectRule(extraSuffixes: suffixes).decide(
            Route(server: row.to, port: row.port, transport: row.transport), from: row.from, hop: row.hop)
        if let name = row.follows {
            #expect(decision == .follow(host: name, port: Int(row.port)))
        } else if case .follow = decision {
            Issue.record("\(decision)")
        }
    }
}
