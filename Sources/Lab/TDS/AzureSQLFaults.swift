// What Azure SQL does for each fault: the numbers, states and sentences of refusals, and streams that break the rules.
import Diagnosis
import TDS

/// Turns a healthy script into one that plays a fault.
///
/// **Source** of numbers and sentences: Microsoft Learn, "Troubleshoot common connection issues to Azure SQL Database" and "Database Engine
/// events and errors"; of formats: MS-TDS, at each place.
enum AzureSQLFaults {
    /// An address for documents. Source: RFC 5737.
    static let clientAddress = "203.0.113.7"

    static func play(_ fault: Fault, value: Int, in script: inout AzureSQLScript, route: (AzureSQLService.Worker) -> TDS.Route) {
        if let errors = refusals[fault] {
            script.admit = { _ in errors }
        } else if let trouble = trouble(for: fault, value: value) {
            script.troubles[trouble.step] = trouble.what
        } else if let target = redirect(for: fault, route) {
            script.route = target
        }
        switch fault {
        case .azureStrictOnly, .azureStrictClosed:
            let healthy = script.admit
            script.admit = { $0.isStrict ? healthy($0) : refusals[.azureTLSPolicy] }
            if fault == .azureStrictClosed { script.strictTrouble = .close }
        case .databaseWrong: script.admit = { databaseUnknown($0.message.database) }
        case .azureWrongTenant:
            script.issuer.stsURL = "https://login.windows.net/\(Principal.foreignTenant)"
        case .plaintextServer: script.encryption = Prelogin.Encryption.notSupported.rawValue
        case .azureEncryptionOff: script.encryption = Prelogin.Encryption.off.rawValue
        case .azureEncryptionMissing: script.encryption = nil
        case .stuffedBeforeTLS: script.stuffing = packet((try? ReplyToken.encode([.done(Done())])) ?? [])
        case .azureFederationUnknown: script.tokenRequired = 2
        case .azureNonce: script.nonce = Array(repeating: 0x5A, count: 32)
        case .azureSmallPackets:
            script.packetSize = PacketHeader.smallestPacket
            script.portion = 7
        case .azureNotAcknowledged: script.welcome = { $0.filter { !$0.isFeatureAcknowledgement } }
        case .azureWrongFeature:
            script.welcome = { tokens in
                tokens.map { token in
                    guard case .featureAcknowledgements(let list) = token else { return token }
                    return .featureAcknowledgements(list + [FeatureAcknowledgement(.sessionRecovery)])
                }
            }
        case .azureNoLogin: script.welcome = { $0.filter { !$0.isLoginAcknowledgement } }
        case .azureUnasked: script.welcome = { [issuer = script.issuer] in [.federatedAuthenticationInfo(issuer)] + $0 }
        case .azureOldVersion:
            script.welcome = { tokens in
                tokens.map { token in
                    guard case .loginAcknowledgement(var it) = token else { return token }
                    // TDS 7.1, of SQL Server 2000. Source: MS-TDS 2.2.7.14.
                    it.tdsVersion = 0x7100_0001
                    return .loginAcknowledgement(it)
                }
            }
        case .azurePacketSize:
            script.welcome = {
                $0.map { if case .environmentChange(.packetSize) = $0 { .environmentChange(.packetSize(new: 64, old: 4_096)) } else { $0 } }
            }
        case .azureQueryFailed:
            script.answerAbout = { _, _, _ in nil }
            script.answer = { sql, _ in AzureSQLScript.unknownStatement(sql) }
        case .azureQueryFailover:
            script.answerAbout = { _, _, _ in nil }
            script.answer = { _, _ in [.error(message(40197, 1, 20, failover)), .done(Done([.error, .serverError]))] }
        case .azureSessionExpired:
            script.answerAbout = { _, _, _ in nil }
            script.answer = { _, _ in
                [
                    .error(message(37396, 1, 16, "The access token of this session has expired and the session cannot be continued.")),
                    .done(Done([.error])),
                ]
            }
        default: break
        }
    }

    // MARK: Refusals

    static let refusals: [Fault: [TDSServerMessage]] = [
        .roleUnknown: [login(1, "")],
        .noConnect: [
            message(
                916, 2, 14,
                "The server principal \"app\" is not able to access the database \"ledger\" under the current security context.")
        ],
        .hbaRefused: [
            message(
                40615, 1, 14,
                "\(cannotOpen) Client with IP address '\(clientAddress)' is not allowed to access the server. To enable access, use the Azure"
                    + " Management Portal or run sp_set_firewall_rule on the master database to create a firewall rule for this IP address or"
                    + " address range. It may take up to five minutes for this change to take effect.")
        ],
        .tooManyClients: [resource(10928, 2, "session")],
        .azureVNetRule: [message(40914, 1, 14, "\(cannotOpen) Client is not allowed to access the server.")],
        .azurePublicAccess: [
            message(
                47073, 172, 14,
                "An instance-specific error occurred while establishing a connection to SQL Server. The public network interface on this server"
                    + " is not accessible. To connect to this server, use the Private Endpoint from inside your virtual network.")
        ],
        .azureTLSPolicy: [message(47072, 1, 14, "Login failed with invalid TLS version.")],
        .azureServerName: [
            message(40532, 1, 11, "Cannot open server \"ledger\" requested by the login. The login failed."), login(1, ""),
        ],
        .azureBlocked: [message(40635, 1, 16, "Client with IP address \"\(clientAddress)\" is temporarily blocked.")],
        .azureFreeLimit: [
            message(
                42119, 1, 16,
                "This database has reached the monthly free amount allowance for the month of November 2026 and is paused for the remainder of the"
                    + " month. The free amount will renew at 12:00 AM (UTC) on December 01, 2026.")
        ],
        .azureUnavailable: [
            message(
                40613, 1, 17,
                "Database 'ledger' on server 'ledger' is not currently available. Please retry the connection later. If the problem persists,"
                    + " contact customer support, and provide them the session tracing ID of '\(tracing)'.")
        ],
        .azureFailover: [message(40197, 1, 17, failover)],
        .azureSecondary: [
            message(
                4221, 1, 16,
                "Login to read-secondary failed due to long wait on 'HADR_DATABASE_WAIT_FOR_TRANSITION_TO_VERSIONING'. The replica is not"
                    + " available for login because row versions are missing for transactions that were in-flight when the replica was recycled."
            )
        ],
        .azureThrottled: [
            message(
                40501, 1, 20,
                "The service is currently busy. Retry the request after 10 seconds. Incident ID: {\(tracing)}. Code: 131075.")
        ],
        .azureWorkers: [resource(10928, 1, "request")],
        .azureNoResources: [
            message(49918, 1, 16, "Cannot process request. Not enough resources to process request. Please retry your request later.")
        ],
        .azureTokenExpired: [login(233, " Token is expired.")],
        .azureWrongTenant: [login(235, " The server is not currently configured to accept this token.")],
        .azureNoAdmin: [login(235, " The server is not currently configured to accept this token.")],
        .azureTokenInvalid: [login(1, " Incorrect or invalid token.")],
        .azureRefused: [login(105, "")],
        .azureDisabled: [
            message(18470, 1, 14, "Login failed for user '<token-identified principal>'. Reason: The account is disabled.")
        ],
        .azureGateway: [
            message(
                40608, 0, 10,
                "This session has been assigned a tracing ID of '\(tracing)'. Provide this tracing ID to customer support when you need assistance."
            ),
            message(40143, 1, 17, failover),
        ],
    ]

    /// A database that cannot be opened is told with two errors. **Source**: python-tds.
    static func databaseUnknown(_ name: String) -> [TDSServerMessage] {
        [message(4060, 1, 11, "Cannot open database \"\(name)\" requested by the login. The login failed."), login(1, "")]
    }

    private static func login(_ state: UInt8, _ reason: String) -> TDSServerMessage {
        message(18456, state, 14, "Login failed for user '<token-identified principal>'.\(reason)")
    }

    private static func resource(_ number: Int32, _ id: Int, _ what: String) -> TDSServerMessage {
        message(
            number, 1, 20,
            "Resource ID: \(id). The \(what) limit for the database is 30 and has been reached. See 'http://go.microsoft.com/fwlink/?LinkId=267637'"
                + " for assistance.")
    }

    private static func message(_ number: Int32, _ state: UInt8, _ severity: UInt8, _ text: String) -> TDSServerMessage {
        TDSServerMessage(number: number, state: state, class: severity, text: text, server: AzureSQLScript.serverName, line: 1)
    }

    private static let cannotOpen = "Cannot open server 'ledger' requested by the login."
    private static let failover = "The service has encountered an error processing your request. Please try again. Error code 40020."
    private static let tracing = "7a1f0c52-3b9e-4d5a-8e06-1c2d3e4f5a6b"

    // MARK: Redirects

    private static func redirect(for fault: Fault, _ route: (AzureSQLService.Worker) -> TDS.Route) -> TDS.Route? {
        var found = route(.sound)
        switch fault {
        case .azureRedirect: break
        case .azureRedirectClosed: found = route(.refusing)
        case .azureRedirectDropped: found = route(.dropping)
        case .azureRedirectLoop: found = route(.looping)
        case .azureRedirectName: found = route(.misnamed)
        case .azureRedirectSilent: found = route(.silent)
        case .azureRedirectUnknown: found.server = "gone.tr1.lab1-a.worker.database.windows.net"
        // Close enough to deceive an eye, and a suffix check without the dot. Source: RFC 2606, names for examples.
        case .azureRedirectForeign: found.server = "w1.evildatabase.windows.net.example.com"
        case .azureRedirectAddress: found.server = "192.0.2.1"
        case .azureRedirectPort: found.port = 0
        case .azureRedirectNoName: found.server = ""
        case .azureRedirectTransport: found.transport = 1
        default: return nil
        }
        return found
    }

    // MARK: Trouble

    private static func trouble(for fault: Fault, value: Int) -> (step: AzureSQLScript.Step, what: AzureSQLScript.Trouble)? {
        switch fault {
        case .silentAfterAccept: (.prelogin, .silent)
        case .azurePreloginClosed: (.prelogin, .close)
        case .notPostgres: (.prelogin, .bytes(Array("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)))
        case .notMySQL: (.prelogin, .bytes(Array("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n".utf8)))
        case .azurePreloginGarbage: (.prelogin, .reply([0xFF]))
        // An option whose data would lie behind the end of the message. Source: MS-TDS 2.2.6.5.
        case .azurePreloginOffset: (.prelogin, .reply([0, 0xFF, 0xF0, 0, 6, 0xFF, 12, 0, 7, 0xD0, 0, 0]))
        case .azurePreloginLength: (.prelogin, .bytes([4, 1, 0xFF, 0xFF, 0, 0, 1, 0]))
        case .tlsHandshakeCut: (.tls, .close)
        case .tlsHandshakeStalled: (.tls, .silent)
        // An alert in a packet of the handshake: internal_error. Source: RFC 8446 section 6.
        case .azureTLSRefused: (.tls, .bytes([0x12, 1, 0, 15, 0, 0, 0, 0, 0x15, 3, 3, 0, 2, 2, 80]))
        case .azureTLSGarbage: (.tls, .bytes(Array("this is no packet of any handshake".utf8)))
        case .loginSilent: (.login, .silent)
        case .loginCut: (.login, .close)
        case .garbageLength: (.login, .bytes([4, 1, UInt8(min(value, 0xFFFF) >> 8), UInt8(min(value, 0xFFFF) & 0xFF), 0, 0, 1, 0]))
        case .azureShortPacket: (.login, .bytes([4, 1, 0, 7, 0, 0, 1, 0]))
        case .azurePacketType: (.login, .bytes([0x42, 1, 0, 9, 0, 0, 1, 0, 0]))
        case .garbageMessage: (.login, .reply([0x42, 1, 2, 3]))
        case .azureTokenCut: (.login, .reply([TokenType.loginAcknowledgement.rawValue, 0x36, 0, 1, 0x74]))
        case .azureErrorLength: (.login, .reply([TokenType.error.rawValue, 4, 0, 0x18, 0x48, 0, 0] + done))
        case .azureEmptyReply: (.login, .reply([]))
        case .hugeMessage:
            // An acknowledgement that announces so many bytes. Source: MS-TDS 2.2.7.11, FeatureAckDataLen.
            (
                .login,
                .reply(
                    [TokenType.featureAcknowledgement.rawValue, 2] + little(UInt32(clamping: value))
                        + [UInt8](repeating: 0x41, count: min(value, 1 << 20)))
            )
        case .endlessNotices:
            (.login, .endless((try? ReplyToken.encode([.info(message(5701, 2, 0, "Changed database context to 'ledger'."))])) ?? []))
        // Control characters, an escape, a change of direction and half a pair of surrogates, which no text can hold.
        case .badText:
            (
                .login,
                .reply(
                    replacing(
                        (try? ReplyToken.encode([.error(login(1, "\u{1B}[31m \u{0}\u{7}\u{202E}\r\n\u{FFFD}")), .done(Done([.error]))]))
                            ?? []))
            )
        case .querySilent: (.query, .silent)
        case .azureQueryDead: (.query, .deaf)
        case .queryCut: (.query, .close)
        case .endlessRows: (.query, .endlessRows)
        // Columns named by one letter each; 0xFFFE is the most that can be announced. Source: MS-TDS 2.2.7.4.
        case .endlessColumns:
            (
                .query,
                .reply(
                    [TokenType.columns.rawValue, 0xFE, 0xFF]
                        + (0..<4_000).flatMap { _ in [0, 0, 0, 0, 0, 0, 0x38, 1, 0x63, 0] as [UInt8] })
            )
        // An nvarchar(10) of 65,000 bytes in a packet of a few. Source: MS-TDS 2.2.5.5.2.
        case .azureRowGarbage:
            (
                .query,
                .reply(
                    [
                        TokenType.columns.rawValue, 1, 0, 0, 0, 0, 0, 9, 0, 0xE7, 20, 0, 9, 4, 0xD0, 0, 0x34, 1, 0x63, 0,
                        TokenType.row.rawValue, 0xE8, 0xFD, 0x41,
                    ]
                        + done)
            )
        case .azureTypeUnknown: (.query, .reply([TokenType.columns.rawValue, 1, 0, 0, 0, 0, 0, 9, 0, 0x99, 1, 0x63, 0] + done))
        case .azureRowFirst: (.query, .reply([TokenType.row.rawValue, 1, 0, 0, 0] + done))
        default: nil
        }
    }

    /// The sign for what is no text as half a pair of surrogates. Source: RFC 2781 section 2.1.
    private static func replacing(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        if let place = bytes.firstRange(of: [0xFD, 0xFF]) { bytes.replaceSubrange(place, with: [0x00, 0xD8]) }
        return bytes
    }

    private static let done: [UInt8] = (try? ReplyToken.encode([.done(Done())])) ?? []

    private static func packet(_ payload: [UInt8]) -> [UInt8] { Packet.split(payload, as: .reply, size: 4_096, spid: 51).flatMap(\.bytes) }

    private static func little(_ number: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
}

extension ReplyToken {
    fileprivate var isFeatureAcknowledgement: Bool { if case .featureAcknowledgements = self { true } else { false } }
    fileprivate var isLoginAcknowledgement: Bool { if case .loginAcknowledgement = self { true } else { false } }
}
