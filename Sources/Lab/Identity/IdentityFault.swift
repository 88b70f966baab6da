// What the identity endpoints do while one of their faults is on: refusals with the platform's words, and replies that are
// no token replies.

/// One spoiled answer.
struct IdentityFault: Sendable {
    private enum Act: Sendable {
        case reply(HTTPReply)
        case silence
        case endless(HTTPReply, bytes: Int)
        case dribble(HTTPReply)
    }

    private var act: Act
    /// 0 when no status line is sent.
    var status: Int {
        switch act {
        case .reply(let reply), .endless(let reply, _), .dribble(let reply): reply.status
        case .silence: 0
        }
    }

    /// Nil for faults that are in the token and not in the reply.
    init?(_ entry: FaultBoard.Entry, flavor: IdentityFlavor, secret: String) {
        func ok(_ body: String, type: String = "application/json; charset=utf-8") -> HTTPReply {
            HTTPReply(status: 200, headers: flavor.headers, body: body, contentType: type)
        }
        // Not a token: three parts that decode to nothing, so that a reader finds no claims.
        let opaque = "opaque.value.withoutclaims"
        switch entry.fault {
        case .identityNotFound: act = .reply(flavor.refusal(.identityUnknown))
        case .identityMultiple: act = .reply(flavor.refusal(.identityAmbiguous))
        case .identityHeaderRefused: act = .reply(flavor.refusal(.headerWrong))
        case .identityGone: act = .reply(flavor.refusal(.gone))
        case .identityThrottled: act = .reply(flavor.refusal(.throttled))
        case .identityFailing: act = .reply(flavor.refusal(.failing))
        case .identityHTML:
            act = .reply(
                ok("<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>", type: "text/html"))
        case .identityTruncated: act = .reply(ok(#"{"access_token":"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczov"#))
        case .identityNoExpiry: act = .reply(ok(#"{"access_token":"\#(opaque)","token_type":"Bearer"}"#))
        case .identityWrongTypes: act = .reply(ok(#"{"access_token":["\#(opaque)"],"expires_on":{"at":"soon"},"token_type":7}"#))
        case .identitySilent: act = .silence
        case .identityRedirect:
            act = .reply(HTTPReply(status: 302, headers: flavor.headers + [("Location", "/elsewhere/msi/token")], body: ""))
        case .identityBigBody: act = .endless(ok(""), bytes: 10 << 20)
        case .identityDribble: act = .dribble(ok(#"{"access_token":"\#(opaque)","expires_on":"4102444800","token_type":"Bearer"}"#))
        default: return nil
        }
    }

    /// Plays the answer. Returns whether the connection can go on.
    func play(on connection: Connection) async throws -> Bool {
        switch act {
        case .reply(let reply):
            try await connection.write(reply.text())
            return true
        case .silence:
            try await connection.drain()
            return false
        case .endless(let reply, let bytes):
            try await connection.write(reply.text(announced: bytes))
            let piece = String(repeating: " ", count: 65_536)
            for _ in 0..<(bytes / 65_536) { try await connection.write(piece) }
            return true
        case .dribble(let reply):
            for byte in reply.text().utf8 {
                try await connection.write([byte])
                try await Task.sleep(for: .seconds(1))
            }
            return true
        }
    }
}
