// What the promises about silent, resetting and hostile servers (F9 to F12) are tried with on each engine: the same promises, other bytes.
package import Diagnosis
package import Lab

/// One engine's rows of the tables of `DeadlineTests`, `ResetTests` and `HostileServerTests`.
package struct EngineCase: Sendable, CustomStringConvertible {
    package var engine: Engine
    package var silences: [Silence]
    /// How many silent servers are asked at the same time: an engine whose library blocks has threads for a few.
    package var lanes: Int
    /// Causes that a connection which is torn down may have. Nothing else is known about it, so nothing else may be said.
    package var resets: Set<Cause>
    package var hostilities: [Hostility]

    /// Where a server falls silent, or nearly so.
    package struct Silence: Sendable {
        package var name: String
        package var fault: Fault
        /// Negative: so many bytes before the end of what the server sends.
        package var value: Int?
        package var phase: Phase

        init(_ name: String, _ fault: Fault, value: Int? = nil, _ phase: Phase) {
            self.name = name
            self.fault = fault
            self.value = value
            self.phase = phase
        }
    }

    /// A server that sends too much, too long or no text, and what that is called.
    package struct Hostility: Sendable {
        package var fault: Fault
        package var value: Int?
        package var cause: Cause

        init(_ fault: Fault, value: Int? = nil, _ cause: Cause) {
            self.fault = fault
            self.value = value
            self.cause = cause
        }
    }

    package var description: String { engine.rawValue }

    /// Servers of the lab, each with a proxy of its own.
    package func targets(_ count: Int) -> [LabTarget] {
        let pattern = LabTarget.standard(of: engine)[0]
        return (0..<count).map { LabTarget(name: "s\($0)", engine: engine, database: pattern.database, role: pattern.role) }
    }

    package static let all = [postgresql, mysql]

    static let postgresql = EngineCase(
        engine: .postgresql,
        silences: [
            Silence("packets dropped", .tcpDropped, .tcp), Silence("after the connection", .silentAfterAccept, .negotiate),
            Silence("in the handshake", .tlsHandshakeStalled, .tls), Silence("after TLS", .startupSilent, .login),
            Silence("after the token", .loginSilent, .login), Silence("after the statement", .querySilent, .query),
            Silence("a byte a second from the first", .dribbleAfter, value: 0, .tls),
            Silence("a byte a second in the hello", .dribbleAfter, value: 40, .tls),
            Silence("a byte a second in the certificate", .dribbleAfter, value: 600, .tls),
            Silence("a byte a millisecond in the handshake", .dribble, value: 1, .tls),
            // The login's own sizes vary by a few bytes between runs; from here on only a session is left of the conversation.
            Silence("a byte a second late in the login", .dribbleAfter, value: -400, .login),
            // Behind the answer there may be the 24 bytes of a goodbye, or not yet.
            Silence("a byte a second in the answer", .dribbleAfter, value: -40, .query),
        ], lanes: 12, resets: [.tcpReset, .tlsHandshakeAborted, .serverUnavailable, .connectionLost],
        hostilities: [
            Hostility(.garbageLength, value: 0, .protocolViolation), Hostility(.garbageLength, value: 1, .protocolViolation),
            Hostility(.garbageLength, value: 0x7FFF_FFFF, .protocolViolation),
            Hostility(.garbageLength, value: 0xFFFF_FFFF, .protocolViolation), Hostility(.garbageMessage, .protocolViolation),
            Hostility(.hugeMessage, .protocolViolation), Hostility(.badText, .loginPrincipalUnknown),
            Hostility(.endlessNotices, .protocolViolation), Hostility(.endlessRows, .protocolViolation),
            Hostility(.endlessColumns, .protocolViolation), Hostility(.stuffedBeforeTLS, .protocolViolation),
            Hostility(.notPostgres, .peerNotDatabase),
        ])

    static let mysql = EngineCase(
        engine: .mysql,
        silences: [
            Silence("packets dropped", .tcpDropped, .tcp), Silence("after the connection", .silentAfterAccept, .negotiate),
            Silence("in the handshake", .tlsHandshakeStalled, .tls), Silence("after TLS", .startupSilent, .login),
            Silence("after the token", .loginSilent, .login), Silence("after the statement", .querySilent, .query),
            Silence("a byte a second from the first", .dribbleAfter, value: 0, .negotiate),
            Silence("a byte a second in the greeting", .dribbleAfter, value: 40, .negotiate),
            Silence("a byte a second in the certificate", .dribbleAfter, value: 700, .tls),
            Silence("a byte a millisecond in the handshake", .dribble, value: 1, .tls),
            Silence("a byte a second late in the login", .dribbleAfter, value: -640, .login),
            // Behind the answer there may be the 24 bytes of a goodbye, or not yet.
            Silence("a byte a second in the answer", .dribbleAfter, value: -40, .query),
        ], lanes: 4, resets: [.tcpReset, .tlsHandshakeAborted, .serverUnavailable, .connectionLost],
        hostilities: [
            // A length has three bytes here.
            Hostility(.garbageLength, value: 0, .protocolViolation), Hostility(.garbageLength, value: 1, .protocolViolation),
            Hostility(.garbageLength, value: 0xFF_FFFF, .protocolViolation), Hostility(.garbageMessage, .protocolViolation),
            Hostility(.hugeMessage, .protocolViolation), Hostility(.badText, .loginPrincipalUnknown),
            Hostility(.endlessRows, .protocolViolation), Hostility(.endlessColumns, .protocolViolation),
            Hostility(.mysqlBigPackets, .protocolViolation), Hostility(.mysqlRowGarbage, .protocolViolation),
            Hostility(.stuffedBeforeTLS, .protocolViolation), Hostility(.mysqlGreetingEndless, .peerNotDatabase),
            Hostility(.notMySQL, .peerNotDatabase),
        ])
}
