// The course of one connection, from the first byte to the last: events in, actions out. It knows no channel, no clock and no token.

/// One connection to one server.
///
/// TDS 7.4: PRELOGIN in the clear, TLS within its packets, LOGIN7. TDS 8.0 (strict): TLS first, then the same inside it. Either way no login
/// action is given before TLS stands, and none at all when the server does not want everything encrypted.
package struct SessionState: Sendable, Hashable {
    package let isStrict: Bool
    package let method: LoginPlan.Method
    package let mostRows: Int
    package private(set) var step = Step.idle
    package private(set) var facts = TDSFacts()
    /// In which the next request runs: what the server said last about a transaction. **Source**: MS-TDS 2.2.5.3.2.
    package private(set) var transaction = RequestHeaders.noTransaction
    /// Why the session is over; nil while it is not, and when it ended as it should.
    private var ending: TDSFailure?
    private var prelogin: Prelogin?
    private var login = LoginProgress()

    package init(strict: Bool = false, method: LoginPlan.Method = .token, mostRows: Int = 1_000) {
        isStrict = strict
        self.method = method
        self.mostRows = mostRows
    }

    package enum Step: Sendable, Hashable {
        case idle
        case negotiating
        case securing
        case loggingIn
        case ready
        case requesting(RequestProgress)
        /// An ATTENTION is on its way; everything is passed over until the server confirms it. A request that came meanwhile waits.
        case draining(next: RequestID?, isConfirmed: Bool)
        case closed
    }

    /// The phase that a failure now would belong to.
    package var phase: TDSPhase {
        switch step {
        case .idle: .tcp
        case .negotiating: .negotiate
        case .securing: .tls
        case .loggingIn: .login
        case .ready, .requesting, .draining, .closed: .query
        }
    }

    /// Nobody waits for the rows that come now.
    package var isDraining: Bool { if case .draining = step { true } else { false } }

    // MARK: Up to the login

    package mutating func connected() -> [SessionAction] {
        guard case .idle = step else { return [] }
        if isStrict {
            step = .securing
            return [.startTLS(wrapped: false)]
        }
        step = .negotiating
        return [.sendPrelogin]
    }

    package mutating func preloginReceived(_ message: Prelogin) -> [SessionAction] {
        guard case .negotiating = step else { return fail(.protocolViolation, "The server sends PRELOGIN out of turn.") }
        prelogin = message
        facts.preloginVersion = message.version?.description
        facts.requiresToken = message.federatedAuthenticationRequired.map { $0 == 1 }
        if let required = message.federatedAuthenticationRequired, required > 1 {
            return fail(.protocolViolation, "PRELOGIN says FEDAUTHREQUIRED \(required); only 0 and 1 exist.")
        }
        if isStrict { return startLogin() }
        guard let encryption = message.encryption else {
            return fail(.encryptionRefused, "PRELOGIN does not say whether the server encrypts.")
        }
        // On and required only: with "off" just the login would be encrypted, and a server that says so to a client that asked for
        // everything has been tampered with. No byte of a token has left at this point.
        guard encryption.isWhole else {
            return fail(
                .encryptionRefused,
                "The server answers the wish for encryption with \(encryption.rawValue) (1 or 3 would be yes). No token was sent.")
        }
        step = .securing
        return [.startTLS(wrapped: true)]
    }

    /// **Shape**: the certificate chain and the name have been verified.
    package mutating func secured(tlsVersion: String?, certificate: [UInt8]?) -> [SessionAction] {
        guard case .securing = step else { return [] }
        facts.tlsVersion = tlsVersion
        facts.certificate = certificate
        if isStrict {
            step = .negotiating
            return [.sendPrelogin]
        }
        return startLogin()
    }

    private mutating func startLogin() -> [SessionAction] {
        if method == .hangUp {
            step = .closed
            return [.finishSecured(facts), .close]
        }
        step = .loggingIn
        login = LoginProgress()
        return [
            .sendLogin(
                LoginPlan(method, echo: prelogin?.federatedAuthenticationRequired == 1, nonce: method == .token ? prelogin?.nonce : nil))
        ]
    }

    // MARK: Replies

    package mutating func tokenReceived(_ token: ReplyToken) -> [SessionAction] {
        if case .environmentChange(let change) = token { note(change) }
        switch step {
        case .loggingIn:
            if let broken = login.take(token, method: method) { return fail(.protocolViolation, broken) }
            return []
        case .requesting(var progress):
            // Given up for the moment, so that its rows grow in place.
            step = .ready
            progress.take(token)
            guard progress.rowCount > mostRows else {
                step = .requesting(progress)
                return []
            }
            // What has come is the answer, whether or not the server confirms the end in time.
            progress.truncate()
            step = .draining(next: nil, isConfirmed: false)
            return [progress.outcome, .sendAttention]
        case .draining(let next, _):
            if case .done(let done) = token, done.status.contains(.attention) { step = .draining(next: next, isConfirmed: true) }
            return []
        case .idle, .negotiating, .securing, .ready:
            return fail(.protocolViolation, "The server sends a token that nobody asked for.")
        case .closed: return []
        }
    }

    /// The last packet of the server's message has been read.
    package mutating func messageEnded() -> [SessionAction] {
        switch step {
        case .loggingIn: return finishLogin()
        case .requesting(let progress):
            guard progress.isComplete else {
                return fail(.protocolViolation, "The server's answer ends without saying that it is complete.")
            }
            guard progress.isFatal else {
                step = .ready
                return [progress.outcome]
            }
            step = .closed
            ending = TDSFailure(.closed, during: .query, "The server ended the session with an earlier statement.", messages: progress.said)
            return [progress.outcome, .close]
        case .draining(let next, let isConfirmed):
            // The answer that was on its way may end first; the confirmation then comes in a message of its own.
            guard isConfirmed else { return [] }
            guard let next else {
                step = .ready
                return []
            }
            step = .requesting(RequestProgress(next))
            return [.sendRequest(next)]
        case .idle, .negotiating, .securing, .ready:
            return fail(.protocolViolation, "The server sends a message that nobody asked for.")
        case .closed: return []
        }
    }

    private mutating func note(_ change: EnvironmentChange) {
        switch change {
        case .database(let new, _): facts.database = new
        case .packetSize(let new, _): facts.packetSize = new
        case .transactionBegun(let descriptor), .transactionEnlisted(let descriptor): transaction = descriptor
        case .transactionCommitted, .transactionRolledBack, .transactionEnded: transaction = RequestHeaders.noTransaction
        default: break
        }
    }

    private mutating func finishLogin() -> [SessionAction] {
        facts.notices = login.notices
        if !login.errors.isEmpty {
            return fail(.loginRefused, "The server refuses the login.")
        }
        if login.hasFailed { return fail(.loginRefused, "The server refuses the login and does not say why.") }
        if let info = login.issuer {
            guard info.stsURL != nil || info.spn != nil else {
                return fail(.protocolViolation, "The server's answer to the question who issues tokens for it is empty.")
            }
            step = .closed
            return [.finishIssuer(info, facts), .close]
        }
        if method == .askIssuer { return fail(.protocolViolation, "The server does not say who issues tokens for it.") }
        guard login.isDone else { return fail(.protocolViolation, "The answer to the login ends without saying that it is complete.") }
        guard let acknowledgement = login.acknowledgement else {
            return fail(.protocolViolation, "The server neither accepts nor refuses the login.")
        }
        // A route comes after LOGINACK: it belongs to a login that was acknowledged. Source: MS-TDS 2.2.7.9, Routing.
        if let route = login.route {
            facts.redirectedTo = "\(printable(route.server)):\(route.port)"
            step = .closed
            return [.finishRedirect(route, facts), .close]
        }
        guard acknowledgement.tdsVersion == TDSVersion.v74 || acknowledgement.tdsVersion == TDSVersion.v80 else {
            return fail(.protocolViolation, "The server wants TDS version 0x\(String(acknowledgement.tdsVersion, radix: 16)).")
        }
        // A server that wanted the echo and says nothing has perhaps logged somebody else in.
        if prelogin?.federatedAuthenticationRequired == 1, !login.features.contains(where: { $0.id == .federatedAuthentication }) {
            return fail(.protocolViolation, "The server accepts the login without acknowledging the token.")
        }
        facts.program = acknowledgement.program
        facts.version = acknowledgement.version
        step = .ready
        return [facts.packetSize.map { .usePacketSize($0) }, .finishLogin(facts)].compactMap(\.self)
    }

    // MARK: Requests

    package mutating func requestMade(_ id: RequestID) -> [SessionAction] {
        switch step {
        case .ready:
            step = .requesting(RequestProgress(id))
            return [.sendRequest(id)]
        case .draining(nil, let isConfirmed):
            step = .draining(next: id, isConfirmed: isConfirmed)
            return []
        case .requesting, .draining:
            return [.failRequest(id, TDSFailure(.misuse, during: .query, "Another request is under way on this connection."))]
        case .idle, .negotiating, .securing, .loggingIn, .closed:
            return [.failRequest(id, ending ?? TDSFailure(.misuse, during: .query, "The connection is not open."))]
        }
    }

    /// The caller gave up, or its deadline has passed. It is answered at once; the server is told to stop.
    package mutating func requestAbandoned(_ id: RequestID, _ cause: TDSFailure.Cause) -> [SessionAction] {
        let failure = TDSFailure(
            cause, during: .query, cause == .cancelled ? "The request was cancelled." : "The server did not finish the request in time.")
        switch step {
        case .requesting(let progress) where progress.id == id:
            let told = told(failure)
            step = .draining(next: nil, isConfirmed: false)
            return [.failRequest(id, told), .sendAttention]
        case .draining(let next, let isConfirmed) where next == id:
            step = .draining(next: nil, isConfirmed: isConfirmed)
            return [.failRequest(id, failure)]
        default: return []
        }
    }

    /// The server did not confirm an ATTENTION in time: nobody can say what its next bytes belong to.
    package mutating func attentionUnanswered() -> [SessionAction] {
        guard case .draining = step else { return [] }
        // Not the deadline of whoever waits now: an earlier request ended the connection.
        return fail(.closed, "The connection was ended, because the server did not confirm the end of an earlier request.")
    }

    // MARK: The end

    package mutating func closeRequested() -> [SessionAction] {
        if case .closed = step { return [] }
        let actions = fail(.closed, "The connection was closed by this side while the request was under way.")
        // Who closes a connection and goes on using it has made a mistake, and should hear that.
        ending = nil
        return actions
    }

    package mutating func peerClosed() -> [SessionAction] {
        switch step {
        case .closed: return []
        case .idle: return fail(.closed, "The connection ended before it was used.")
        case .negotiating:
            return fail(
                .closed,
                "The server closes the connection instead of answering PRELOGIN: no SQL Server, or one that demands TDS 8.0 (strict).")
        case .securing: return fail(.closed, "The server closes the connection within the TLS handshake.")
        case .loggingIn: return fail(.closed, "The server closes the connection instead of answering the login.")
        case .ready, .requesting, .draining: return fail(.closed, "The server has closed the connection.")
        }
    }

    package mutating func wireFailed(_ error: WireError) -> [SessionAction] { fail(TDSFailure(error, during: phase)) }

    /// Ends the session with the failure; whoever waits hears of it.
    package mutating func fail(_ failure: TDSFailure) -> [SessionAction] {
        let before = step
        if case .closed = before { return [] }
        let failure = told(failure)
        step = .closed
        ending = failure
        if before != .ready {
            ending?.cause = .closed
            ending?.detail = "An earlier request ended the connection: \(failure.detail)"
        }
        switch before {
        case .closed, .ready: return [.close]
        case .idle, .negotiating, .securing, .loggingIn: return [.failLogin(failure), .close]
        case .requesting(let progress): return [.failRequest(progress.id, failure), .close]
        case .draining(let next, _): return (next.map { [.failRequest($0, failure)] } ?? []) + [.close]
        }
    }

    private mutating func fail(_ cause: TDSFailure.Cause, _ detail: String) -> [SessionAction] {
        fail(TDSFailure(cause, during: phase, detail))
    }

    /// The failure with everything the server has said until now, and called what that makes of it.
    package func told(_ failure: TDSFailure) -> TDSFailure {
        var failure = failure
        failure.facts = facts
        switch step {
        case .loggingIn:
            failure.facts?.notices = login.notices
            failure.messages = login.said
            // A server that says no and hangs up or falls silent before the end of its sentence has said no.
            guard !login.errors.isEmpty else { break }
            if failure.cause == .closed { (failure.cause, failure.detail) = (.loginRefused, "The server refuses the login and hangs up.") }
            if failure.cause == .timedOut {
                (failure.cause, failure.detail) = (.loginRefused, "The server refuses the login and does not finish its answer.")
            }
        case .requesting(let progress):
            failure.messages = progress.said
            if failure.cause == .closed, !progress.errors.isEmpty {
                (failure.cause, failure.detail) = (.requestFailed, "The server ended the session with the statement.")
            }
        case .idle, .negotiating, .securing, .ready, .draining, .closed: break
        }
        return failure
    }
}
