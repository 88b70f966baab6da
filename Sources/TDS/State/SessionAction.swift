// What a session wants done. Values without promises or channels, so that tests compare them.

package enum SessionAction: Sendable, Hashable {
    case sendPrelogin
    case startTLS(wrapped: Bool)
    case sendLogin(LoginPlan)
    /// From the next message on. **Unit**: bytes.
    case usePacketSize(Int)
    /// The login is complete; requests may come.
    case finishLogin(TDSFacts)
    /// Only when no login was wanted. The session is over.
    case finishSecured(TDSFacts)
    /// Only when the issuer was asked for: who it is. The session is over.
    case finishIssuer(FederatedAuthenticationInfo, TDSFacts)
    /// The gateway sends the client elsewhere. The session is over.
    case finishRedirect(Route, TDSFacts)
    case failLogin(TDSFailure)
    case sendRequest(RequestID)
    case finishRequest(RequestID, TDSResult)
    case failRequest(RequestID, TDSFailure)
    case sendAttention
    /// Close politely if the peer still listens.
    case close
}

package struct RequestID: Sendable, Hashable {
    package var number: UInt64
    package init(_ number: UInt64) { self.number = number }
}

/// How the login message is to be made; the token itself stays with whoever performs this.
package struct LoginPlan: Sendable, Hashable {
    package enum Method: Sendable, Hashable {
        case token
        /// Ask who issues tokens, and stop there.
        case askIssuer
        /// No login at all: TLS stands, that is enough.
        case hangUp
    }
    package var method: Method
    /// The server said in PRELOGIN that it wants token logins, and wants to hear that we heard it. **Source**: MS-TDS 3.3.5.
    package var echo: Bool
    /// 32 bytes of the server's to send back.
    package var nonce: [UInt8]?

    package init(_ method: Method, echo: Bool, nonce: [UInt8]? = nil) {
        self.method = method
        self.echo = echo
        self.nonce = nonce
    }
}
