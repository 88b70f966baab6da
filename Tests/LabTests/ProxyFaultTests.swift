// Every fault on the way to the server as PostgreSQL's own client sees it, and a healthy lab afterwards.
import Diagnosis
import Lab
import Testing

extension RealServer {
    @Suite struct ProxyFaultTests {
        struct Seen: Sendable {
            var fault: Fault
            var value: Int?
            /// What psql says.
            var text: String
            /// What it says when the reset comes before it has looked whether it is connected.
            var early: String?
        }

        static let seen = [
            Seen(fault: .tcpRefused, text: "Connection refused"),
            Seen(fault: .tcpDropped, text: "timeout expired"),
            Seen(fault: .tcpReset, text: "server closed the connection unexpectedly", early: "Connection reset by peer"),
            Seen(fault: .silentAfterAccept, text: "timeout expired"),
            Seen(fault: .plaintextServer, text: "server does not support SSL, but SSL was required"),
            Seen(fault: .notPostgres, text: "received invalid response to SSL negotiation: H"),
            Seen(fault: .stuffedBeforeTLS, text: "received unencrypted data after SSL response"),
            Seen(fault: .cutAt, value: 0, text: "server closed the connection unexpectedly"),
            Seen(fault: .cutAt, value: 1, text: "SSL SYSCALL error: EOF detected"),
            // A reset is told to whichever comes first, the write or the read; the other one sees an end.
            Seen(fault: .resetAt, value: 1, text: "SSL SYSCALL error: "),
            Seen(fault: .tlsUnknownCA, text: "certificate verify failed"),
            Seen(fault: .tlsWrongName, text: #"server certificate for "other.example.net" (and 1 other name) does not match host name"#),
            Seen(fault: .tlsExpired, text: "certificate verify failed"),
            Seen(fault: .tlsNotYetValid, text: "certificate verify failed"),
            Seen(fault: .tlsTooOld, text: "This may indicate that the server does not support any SSL protocol version between TLSv1.2"),
            Seen(fault: .tlsHandshakeCut, text: "SSL SYSCALL error: EOF detected"),
            Seen(fault: .tlsHandshakeStalled, text: "timeout expired"),
            Seen(fault: .tokenWrongAudience, text: "The access token does not have a valid audience claim"),
            Seen(fault: .tokenExpired, text: "The access token has expired"),
            Seen(fault: .tokenWrongTenant, text: "Acquire a new token for tenant \(Principal.foreignTenant)"),
            Seen(fault: .tokenGroupMissing, text: "(does not contain group ID \(Principal.readersGroup))"),
            Seen(fault: .tokenType, text: #"user token for role "aad_orders" is neither an AAD_AUTH_TOKENTYPE_APP_USER"#),
            Seen(fault: .identityRecreated, text: "access token not valid for role aad_orders (object ID does not match)"),
            Seen(fault: .serverStarting, text: "the database system is starting up"),
            Seen(fault: .tooManyClients, text: "sorry, too many clients already"),
            Seen(fault: .startupSilent, text: "timeout expired"),
            Seen(fault: .loginSilent, text: "timeout expired"),
            Seen(fault: .loginCut, text: "SSL connection has been closed unexpectedly"),
            Seen(fault: .gssAsked, text: "GSSAPI"),
            Seen(fault: .unknownAuthAsked, text: "authentication method 77 not supported"),
            Seen(fault: .garbageMessage, text: "expected authentication request from server, but received ~"),
            Seen(fault: .queryCut, text: "terminating connection due to administrator command"),
            Seen(fault: .hbaRefused, text: "no pg_hba.conf entry for host"),
            Seen(fault: .scramAsked, text: #"password authentication failed for user "aad_orders""#),
            Seen(fault: .roleUnknown, text: #"password authentication failed for user "aad_orders""#),
            Seen(fault: .databaseWrong, text: #"database "orders" does not exist"#),
            Seen(fault: .roleNoLogin, text: #"role "aad_orders" is not permitted to log in"#),
            Seen(fault: .connectionLimit, text: #"too many connections for role "aad_orders""#),
            Seen(fault: .noConnect, text: #"permission denied for database "orders""#),
        ]

        @Test("Each fault shows psql what it promises, spares other targets, and is gone when it is off", .timeLimit(.minutes(2)))
        func everyFault() async throws {
            try await withLab { lab in
                let orders = try #require(lab.target("orders"))
                let billing = try #require(lab.target("billing"))
                let token = try await lab.token()
                for row in Self.seen {
                    try await lab.faults.turnOn(row.fault, target: "orders", value: row.value)
                    let broken = try await Psql.run(on: orders, of: lab, token: token, patience: row.text == "timeout expired" ? 2 : 20)
                    let isTold = broken.error.contains(row.text) || row.early.map(broken.error.contains) ?? false
                    #expect(!broken.isSuccess && isTold, "\(row.fault.name): \(broken.output)\(broken.error)")
                    try await lab.faults.turnOff(row.fault, target: "orders")
                }
                #expect(lab.faults.active.isEmpty)
                #expect(try await Psql.run(on: orders, of: lab, token: token).isSuccess)
                #expect(try await Psql.run(on: billing, of: lab, token: token).isSuccess)
            }
        }
    }
}
