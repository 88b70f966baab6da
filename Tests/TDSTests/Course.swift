// The usual events in the course of a connection, for the tests of its states.

@testable import TDS

enum Course {
    static func prelogin(encryption: UInt8? = 1, required: UInt8? = 1, nonce: [UInt8]? = nil) -> Prelogin {
        var options = [Prelogin.Option(.version, [12, 0, 7, 208, 0, 0])]
        if let encryption { options.append(Prelogin.Option(.encryption, [encryption])) }
        if let required { options.append(Prelogin.Option(.federatedAuthenticationRequired, [required])) }
        if let nonce { options.append(Prelogin.Option(.nonce, nonce)) }
        return Prelogin(options: options)
    }

    static let acknowledgement = ReplyToken.loginAcknowledgement(
        LoginAcknowledgement(tdsVersion: TDSVersion.v74, program: "Microsoft SQL Server", major: 12, minor: 0, build: 2000))
    static let feature = ReplyToken.featureAcknowledgements([FeatureAcknowledgement(.federatedAuthentication)])
    static let done = ReplyToken.done(Done())

    /// A session whose login message has been sent.
    static func loggingIn(required: UInt8? = 1, method: LoginPlan.Method = .token) -> SessionState {
        var state = SessionState(method: method)
        _ = state.connected()
        _ = state.preloginReceived(prelogin(required: required))
        _ = state.secured(tlsVersion: "tlsv12", certificate: nil)
        return state
    }

    static func ready(mostRows: Int = 10) -> SessionState {
        var state = SessionState(mostRows: mostRows)
        _ = state.connected()
        _ = state.preloginReceived(prelogin())
        _ = state.secured(tlsVersion: nil, certificate: nil)
        for token in [acknowledgement, feature, done] { _ = state.tokenReceived(token) }
        _ = state.messageEnded()
        return state
    }

    static func login(_ tokens: [ReplyToken], required: UInt8? = 1, method: LoginPlan.Method = .token) -> [SessionAction] {
        var state = loggingIn(required: required, method: method)
        var actions = tokens.flatMap { state.tokenReceived($0) }
        if actions.isEmpty { actions = state.messageEnded() }
        return actions
    }

    static func failure(_ actions: [SessionAction]) -> TDSFailure? {
        for case .failLogin(let failure) in actions { return failure }
        for case .failRequest(_, let failure) in actions { return failure }
        return nil
    }

    static func error(_ number: Int32, _ state: UInt8 = 1, class severity: UInt8 = 14) -> ReplyToken {
        .error(TDSServerMessage(number: number, state: state, class: severity, text: "x"))
    }
}
