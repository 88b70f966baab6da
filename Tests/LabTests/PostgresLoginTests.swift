// The real server lets a principal in with its valid token, and with nothing else.
import Diagnosis
import Lab
import Testing

extension RealServer {
    @Suite struct PostgresLoginTests {
        struct Refused: Sendable {
            var what: String
            var role = "aad_orders"
            var database = "orders"
            var principal = "app"
            var audience = Lab.audience
            /// **Unit**: seconds from now.
            var issued = 0
            /// What psql shows.
            var text: String
            /// What the gate noted; nil when it was not asked.
            var reason: String?
        }

        static let refused = [
            Refused(
                what: "wrong audience", audience: "https://database.windows.net/",
                text: #"PAM authentication failed for user "aad_orders""#,
                reason: "its audience is another service"),
            Refused(what: "expired", issued: -90_000, text: "PAM authentication failed", reason: "it has expired"),
            Refused(what: "not yet valid", issued: 3_600, text: "PAM authentication failed", reason: "it is not yet valid"),
            Refused(
                what: "another principal", principal: "reporting", text: "PAM authentication failed",
                reason: "the token belongs to another principal than the role"),
            Refused(
                what: "group missing", role: "aad_readers", text: "PAM authentication failed",
                reason: "the token does not contain the group of the role"),
            Refused(
                what: "recreated", role: "aad_recreated", text: "PAM authentication failed",
                reason: "the token belongs to another principal than the role"),
            Refused(what: "unknown role", role: "aad_nobody", text: #"password authentication failed for user "aad_nobody""#),
            Refused(what: "no such database", database: "nowhere", text: #"database "nowhere" does not exist"#),
            Refused(what: "closed database", database: "closed", text: #"permission denied for database "closed""#),
            Refused(what: "fenced database", database: "fenced", text: "pg_hba.conf rejects connection for host"),
            Refused(what: "role without login", role: "aad_closed", text: #"role "aad_closed" is not permitted to log in"#),
            Refused(what: "role without connections", role: "aad_full", text: #"too many connections for role "aad_full""#),
            Refused(what: "local account", role: "local_app", text: #"password authentication failed for user "local_app""#),
        ]

        @Test("The server decides: psql gets in with the right token only", .timeLimit(.minutes(1)))
        func serverDecides() async throws {
            try await withLab { lab in
                let orders = try #require(lab.target("orders"))
                let good = try await Psql.run("select count(*) from orders", on: orders, of: lab, token: try await lab.token())
                #expect(good.output == "20\n", "\(good.error)")
                let member = try await Psql.run(
                    "select current_user", on: orders, of: lab, token: try await lab.token(for: "reporting"), role: "aad_readers")
                #expect(member.output == "aad_readers\n", "\(member.error)")

                for row in Self.refused {
                    let principal = try #require(lab.principal(row.principal))
                    let request = TokenIssuer.Request(audience: row.audience, issued: .now + .seconds(row.issued))
                    let token = try lab.issuer.issue(to: principal, request).token
                    let before = lab.gate.decisions.count
                    let psql = try await Psql.run(on: orders, of: lab, token: token, role: row.role, database: row.database)
                    #expect(psql.error.contains(row.text), "\(row.what): \(psql.error)")
                    #expect(lab.gate.decisions.dropFirst(before).last?.reason == row.reason, "\(row.what)")
                }

                let foreign = try TokenIssuer().issue(to: Principal.standard[0], .init(audience: Lab.audience)).token
                #expect(try await Psql.run(on: orders, of: lab, token: foreign).error.contains("PAM authentication failed"))
                #expect(lab.gate.decisions.last?.reason == "its signature is not of this tenant's key")
            }
        }

        @Test("Tokens of nine kilobytes log in", .timeLimit(.minutes(1)))
        func largeToken() async throws {
            try await withLab { lab in
                let orders = try #require(lab.target("orders"))
                var request = TokenIssuer.Request(audience: Lab.audience)
                request.size = 9_000
                let token = try lab.issuer.issue(to: Principal.standard[0], request).token
                #expect(abs(token.reveal { $0.utf8.count } - 9_000) < 8)
                #expect(try await Psql.run(on: orders, of: lab, token: token).isSuccess)
            }
        }

        @Test("Without root the password of a role is the token issued last", .timeLimit(.minutes(1)))
        func passwordMode() async throws {
            var options = LabOptions()
            options.tokenCheck = .password
            try await withLab(options) { lab in
                #expect(lab.postgres?.tokenCheck == .password)
                let orders = try #require(lab.target("orders"))
                let token = try await lab.token()
                #expect(try await Psql.run(on: orders, of: lab, token: token).isSuccess)
                let other = try lab.issuer.issue(to: Principal.standard[0], .init(audience: Lab.audience)).token
                #expect(try await Psql.run(on: orders, of: lab, token: other).error.contains("password authentication failed"))
                #expect(
                    try await Psql.run(on: orders, of: lab, token: try await lab.token(for: "reporting")).error.contains(
                        "password authentication failed"))
                // A role that was away has its password again.
                try await lab.faults.turnOn(.roleUnknown, target: "orders")
                #expect(try await Psql.run(on: orders, of: lab, token: token).error.contains("password authentication failed"))
                try await lab.faults.turnOff(.roleUnknown)
                #expect(try await Psql.run(on: orders, of: lab, token: token).isSuccess)
            }
        }
    }
}
