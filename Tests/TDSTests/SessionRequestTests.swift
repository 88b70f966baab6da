// Requests on a connection that is logged in, as a table of events and actions; no socket, no clock.

import Testing

@testable import TDS

@Suite struct SessionRequestTests {
    @Test("A request gets its rows, and the connection is ready for the next")
    func request() {
        var state = Course.ready()
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
        var state = Course.ready()
        _ = state.requestMade(RequestID(1))
        _ = state.tokenReceived(Course.error(229, class: severity))
        _ = state.tokenReceived(.done(Done([.error])))
        let actions = state.messageEnded()
        #expect(Course.failure(actions)?.cause == .requestFailed)
        #expect((actions.last == .close) == isFatal)
        #expect((state.step == .ready) == !isFatal)
    }

    @Test("A second request at the same time and one on a closed connection are misuse")
    func misuse() {
        var state = Course.ready()
        _ = state.requestMade(RequestID(1))
        #expect(Course.failure(state.requestMade(RequestID(2)))?.cause == .misuse)
        _ = state.closeRequested()
        #expect(Course.failure(state.requestMade(RequestID(3)))?.cause == .misuse)
    }

    @Test("A cancelled request is answered at once; the next one waits until the server has confirmed")
    func cancel() {
        var state = Course.ready()
        _ = state.requestMade(RequestID(1))
        let actions = state.requestAbandoned(RequestID(1), .timedOut)
        #expect(Course.failure(actions)?.cause == .timedOut)
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
        var state = Course.ready()
        _ = state.requestMade(RequestID(1))
        _ = state.requestAbandoned(RequestID(1), .cancelled)
        _ = state.requestMade(RequestID(2))
        let actions = state.attentionUnanswered()
        // The second request has waited for nothing of its own.
        #expect(Course.failure(actions)?.cause == .closed)
        #expect(Course.failure(actions)?.detail.contains("earlier request") == true)
        #expect(actions.last == .close)
        #expect(Course.failure(state.requestMade(RequestID(3)))?.cause == .closed)
    }

    @Test("A server that closes while nothing is asked is told to whoever asks next; this side's own close is misuse")
    func idleEnd() {
        var state = Course.ready()
        #expect(state.peerClosed() == [.close])
        let failure = Course.failure(state.requestMade(RequestID(1)))
        #expect(failure?.cause == .closed)
        #expect(failure?.detail == "The server has closed the connection.")
        var closed = Course.ready()
        _ = closed.requestMade(RequestID(1))
        #expect(Course.failure(closed.closeRequested())?.cause == .closed)
        #expect(Course.failure(closed.requestMade(RequestID(2)))?.cause == .misuse)
    }

    @Test("A DONE that says it failed is a failure, with and without an ERROR before it", arguments: [Done.Status.error, .serverError])
    func failureWithoutError(status: Done.Status) {
        let login = Course.failure(Course.login([Course.acknowledgement, Course.feature, .done(Done(status))]))
        #expect(login?.cause == .loginRefused)
        for token in [ReplyToken.done(Done(status)), .doneProcedure(Done(status))] {
            var state = Course.ready()
            _ = state.requestMade(RequestID(1))
            _ = state.tokenReceived(token)
            let actions = state.messageEnded()
            #expect(Course.failure(actions)?.cause == .requestFailed)
            #expect((actions.last == .close) == (status == .serverError))
        }
        var state = Course.ready()
        _ = state.requestMade(RequestID(1))
        for token in [ReplyToken.doneInProcedure(Done([status, .more])), .doneProcedure(Done())] { _ = state.tokenReceived(token) }
        #expect(Course.failure(state.messageEnded())?.cause == .requestFailed)
    }

    @Test("What the server said before the end comes with every failure")
    func wordsBeforeTheEnd() {
        let tracing = ReplyToken.info(TDSServerMessage(number: 40608, state: 1, class: 0, text: "tracing ID"))
        var silent = Course.loggingIn()
        for token in [tracing, Course.error(40613)] { _ = silent.tokenReceived(token) }
        let refused = silent.told(TDSFailure(.timedOut, during: .login, "x"))
        #expect(refused.cause == .loginRefused)
        #expect(refused.messages.map(\.number) == [40608, 40613])
        #expect(refused.message?.number == 40613)
        var dropped = Course.loggingIn()
        _ = dropped.tokenReceived(tracing)
        let closed = Course.failure(dropped.peerClosed())
        #expect(closed?.cause == .closed)
        #expect(closed?.messages.map(\.number) == [40608])
        #expect(closed?.facts?.notices.map(\.number) == [40608])

        let ends: [(TDSFailure.Cause, (inout SessionState) -> [SessionAction])] = [
            (.requestFailed, { $0.peerClosed() }), (.protocolViolation, { $0.wireFailed(.malformed("x")) }),
            (.timedOut, { $0.requestAbandoned(RequestID(1), .timedOut) }), (.cancelled, { $0.requestAbandoned(RequestID(1), .cancelled) }),
        ]
        for (cause, end) in ends {
            var state = Course.ready()
            _ = state.requestMade(RequestID(1))
            for token in [Course.error(40197, class: 20), tracing] { _ = state.tokenReceived(token) }
            let failure = Course.failure(end(&state))
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
        var state = Course.ready()
        for (number, (change, wanted)) in steps.enumerated() {
            _ = state.requestMade(RequestID(UInt64(number)))
            for token in [.environmentChange(change), Course.done] { _ = state.tokenReceived(token) }
            _ = state.messageEnded()
            #expect(state.transaction == wanted, "\(change)")
        }
    }

    @Test("At the limit of rows the rest is not read, and the result says so")
    func rowLimit() {
        var state = Course.ready(mostRows: 2)
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
        var state = Course.ready()
        #expect(state.tokenReceived(.row([1], compressed: false)) == [.close])
        var early = SessionState()
        _ = early.connected()
        #expect(Course.failure(early.tokenReceived(Course.done))?.cause == .protocolViolation)
        var twice = Course.loggingIn()
        #expect(Course.failure(twice.preloginReceived(Course.prelogin()))?.cause == .protocolViolation)
    }
}
