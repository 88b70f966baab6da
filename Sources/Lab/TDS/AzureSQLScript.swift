// How the lab's Azure SQL server behaves: what it says in the handshake, whom it admits, what it answers, and where it misbehaves.
package import Diagnosis
package import TDS

/// A login as the server saw it.
package struct AzureSQLLogin: Sendable {
    package var message: LoginMessage
    /// What came in the FEDAUTH feature or, after FEDAUTHINFO, in the message for it.
    package var token: Secret<String>?
    package var nonce: [UInt8]?
    package var echo: Bool
    /// The client only asked for the issuer so far.
    package var asksForIssuer: Bool
    package var isStrict: Bool
    package var serverName: String { message.serverName }
}

/// What a server does; a value, so that a test writes down exactly the server it wants.
package struct AzureSQLScript: Sendable {
    package typealias Answer = @Sendable (_ sql: String, _ parameters: [ProcedureCall.Parameter]) -> [ReplyToken]

    /// ENCRYPTION in the answer to PRELOGIN; nil leaves the option out.
    package var encryption: UInt8? = 1
    /// FEDAUTHREQUIRED in the answer to PRELOGIN; nil leaves the option out.
    package var tokenRequired: UInt8? = 1
    package var nonce: [UInt8]?
    /// Packets of replies have at most this size. **Unit**: bytes.
    package var packetSize = 4_096
    /// Writes are cut into pieces of this size, so that a packet comes in many TLS records. **Unit**: bytes.
    package var portion: Int?
    /// Nil admits; otherwise the errors that refuse.
    package var admit: @Sendable (AzureSQLLogin) -> [TDSServerMessage]? = { _ in nil }
    /// Sends everybody elsewhere after the login.
    package var route: TDS.Route?
    /// What FEDAUTHINFO says.
    package var issuer = FederatedAuthenticationInfo(
        stsURL: "https://login.windows.net/\(Principal.tenant)", spn: "https://database.windows.net/")
    package var answer: Answer = { sql, _ in AzureSQLScript.unknownStatement(sql) }
    /// Asked first, with the login that the session began with; nil leaves the statement to `answer`.
    package var answerAbout: @Sendable (_ login: AzureSQLLogin, _ sql: String, _ parameters: [ProcedureCall.Parameter]) -> [ReplyToken]? = {
        _, _, _ in nil
    }
    /// What comes right behind the answer to PRELOGIN, in the clear and in the same piece.
    package var stuffing: [UInt8] = []
    /// Passes over what gives a request up, so that the end is never confirmed.
    package var ignoresAttention = false
    /// So many statements of a session are answered before the trouble with queries begins.
    package var soundStatements = 0
    /// Hears of every ATTENTION.
    package var noteAttention: @Sendable () -> Void = {}
    /// Hears of every step that begins: what the client sends for it has come.
    package var noteStep: @Sendable (Step) -> Void = { _ in }
    /// Hears of every session that begins, and of its end.
    package var noteSession: @Sendable (_ isOpen: Bool) -> Void = { _ in }
    /// Changes what a login that is admitted is answered with.
    package var welcome: @Sendable ([ReplyToken]) -> [ReplyToken] = { $0 }
    /// What goes wrong, by step.
    package var troubles: [Step: Trouble] = [:]
    /// What goes wrong with whoever begins in strict mode.
    package var strictTrouble: Trouble?

    package init() {}

    package enum Step: Sendable, Hashable, CaseIterable { case prelogin, tls, login, query }

    package enum Trouble: Sendable, Hashable {
        /// Takes what comes and says nothing.
        case silent
        /// The same, and reads nothing any more either, so that not even a goodbye is answered: to the client the path is dead.
        case deaf
        case close
        /// Ends the connection with a reset.
        case reset
        /// Says this instead, as it is.
        case bytes([UInt8])
        /// Says this as the payload of a reply.
        case reply([UInt8])
        /// The same as a part of a message that does not go on.
        case part([UInt8])
        /// The same, and then the end of the connection.
        case partAndClose([UInt8])
        /// Rows until somebody hangs up or asks for an end.
        case endlessRows
        /// The same with this part of a reply, again and again.
        case endless([UInt8])
    }

    /// **Source**: Microsoft Learn, Database engine errors, 2812 and 208.
    package static func unknownStatement(_ sql: String) -> [ReplyToken] {
        [
            .error(
                TDSServerMessage(
                    number: 208, state: 1, class: 16, text: "Invalid object name in '\(sql.prefix(200))'.", server: serverName, line: 1)),
            .done(Done([.error])),
        ]
    }

    package static let serverName = "lab"

    /// One result set.
    package static func rows(_ columns: [TDSColumn], _ rows: [[TDSValue]], compressed: Bool = false) -> [ReplyToken] {
        [.columns(columns)] + rows.map { .row($0, compressed: compressed) }
            + [.done(Done([.count], command: Done.selectCommand, rowCount: UInt64(rows.count)))]
    }

    /// Admits whoever has a valid token of this tenant for the given principal, with the numbers and states that Azure SQL uses.
    /// **Source**: Microsoft Learn, MSSQLSERVER_18456; of the states of Entra logins, reports in public issues.
    package static func gate(_ issuer: TokenIssuer, principals: [Principal], audience: String = "https://database.windows.net")
        -> @Sendable (AzureSQLLogin) -> [TDSServerMessage]?
    {
        { login in
            guard let token = login.token else {
                return [refusal(state: 1, "Login failed for user ''.")]
            }
            return token.reveal { text in
                do throws(TokenIssuer.Refusal) {
                    let claims = try issuer.verify(text, audience: audience)
                    if principals.contains(where: { $0.objectID == claims.oid }) { return nil }
                    return [refusal(state: 1, "Login failed for user '<token-identified principal>'.")]
                } catch {
                    return switch error {
                    case .expired: [refusal(state: 233, "Login failed for user '<token-identified principal>'. Token is expired.")]
                    case .tenant:
                        [
                            refusal(
                                state: 235,
                                "Login failed for user '<token-identified principal>'. The server is not currently configured to accept this token."
                            )
                        ]
                    case .malformed, .signature, .audience, .notYetValid:
                        [refusal(state: 1, "Login failed for user '<token-identified principal>'. Incorrect or invalid token.")]
                    }
                }
            }
        }
    }

    private static func refusal(state: UInt8, _ text: String) -> TDSServerMessage {
        TDSServerMessage(number: 18456, state: state, class: 14, text: text, server: serverName, line: 1)
    }
}
