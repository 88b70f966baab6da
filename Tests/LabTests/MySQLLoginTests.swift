// The real MariaDB lets a principal in with its valid token, and with nothing else.
import Diagnosis
import FoundationEssentials
import Lab
import Subprocess
import Testing

extension RealServer {
    @Suite struct MySQLLoginTests {
        static var mysqlOnly: LabOptions {
            var options = LabOptions()
            options.targets = LabTarget.standardMySQL
            return options
        }

        struct Refused: Sendable {
            var what: String
            var account = "aad_stock"
            var database = "stock"
            var principal = "app"
            var audience = Lab.audience
            /// **Unit**: seconds from now.
            var issued = 0
            /// What the client shows.
            var text: String
            /// What the gate noted; nil when it was not asked.
            var reason: String?
        }

        static let refused = [
            Refused(
                what: "wrong audience", audience: "https://database.windows.net/", text: "1045", reason: "its audience is another service"),
            Refused(what: "expired", issued: -90_000, text: "1045", reason: "it has expired"),
            Refused(what: "not yet valid", issued: 3_600, text: "1045", reason: "it is not yet valid"),
            Refused(
                what: "another principal", principal: "reporting", text: "1045",
                reason: "the token belongs to another principal than the role"),
            Refused(
                what: "group missing", account: "aad_readers", text: "1045",
                reason: "the token does not contain the group of the role"),
            Refused(
                what: "recreated", account: "aad_recreated", text: "1045", reason: "the token belongs to another principal than the role"),
            Refused(
                what: "made with the object id", account: "aad_object", text: "1045",
                reason: "the token belongs to another principal than the role"),
            Refused(what: "unknown account", account: "aad_nobody", text: "1045"),
            Refused(what: "no such database", database: "nowhere", text: "1044"),
            Refused(what: "no rights at all", account: "aad_bare", text: "1044"),
            Refused(what: "locked", account: "aad_closed", text: "4151"),
            Refused(what: "no connections left", account: "aad_full", text: "1226"),
            Refused(what: "local account", account: "local_app", text: "1045"),
        ]

        @Test("The server decides: a client gets in with the right token only", .timeLimit(.minutes(1)))
        func serverDecides() async throws {
            try await withLab(Self.mysqlOnly) { lab in
                let stock = try #require(lab.target("stock"))
                let gate = try #require(lab.mysql).gate
                let good = try await PyMySQL.run(
                    "select count(*), current_user(), @@version from items", on: stock, of: lab, token: try await lab.token())
                #expect(good.output.hasPrefix("20 aad_stock@% 10.") || good.output.hasPrefix("20 aad_stock@% 11."), "\(good.error)")
                let member = try await PyMySQL.run(
                    "select current_user()", on: stock, of: lab, token: try await lab.token(for: "reporting"), account: "aad_readers")
                #expect(member.output == "aad_readers@%\n", "\(member.error)")
                // The login of an account without rights works; only its database is closed to it.
                let bare = try await PyMySQL.run(
                    "select current_user()", on: stock, of: lab, token: try await lab.token(), account: "aad_bare", database: "")
                #expect(bare.output == "aad_bare@%\n", "\(bare.error)")

                for row in Self.refused {
                    let principal = try #require(lab.principal(row.principal))
                    let request = TokenIssuer.Request(audience: row.audience, issued: .now + .seconds(row.issued))
                    let token = try lab.issuer.issue(to: principal, request).token
                    let before = gate.decisions.count
                    let client = try await PyMySQL.run(on: stock, of: lab, token: token, account: row.account, database: row.database)
                    #expect(!client.isSuccess && client.error.contains("OperationalError \(row.text) "), "\(row.what): \(client.error)")
                    // MariaDB plays the login of an unknown account through, with the plugin of some other one.
                    if row.account != "aad_nobody" {
                        #expect(gate.decisions.dropFirst(before).last?.reason == row.reason, "\(row.what)")
                    }
                }

                let foreign = try TokenIssuer().issue(to: Principal.standard[0], .init(audience: Lab.audience)).token
                #expect(try await PyMySQL.run(on: stock, of: lab, token: foreign).error.contains("1045"))
                #expect(gate.decisions.last?.reason == "its signature is not of this tenant's key")
                // No TLS, no login: the server asks for it as Azure does.
                let plain = try await PyMySQL.run(on: stock, of: lab, token: try await lab.token(), usesTLS: false)
                #expect(!plain.isSuccess && plain.output.isEmpty, "\(plain.error)")
            }
        }

        @Test("Tokens of 1.5 to 9 kilobytes log in, each checked whole", .timeLimit(.minutes(1)), arguments: [1_500, 4_000, 9_000])
        func tokenSizes(size: Int) async throws {
            try await withLab(Self.mysqlOnly) { lab in
                let stock = try #require(lab.target("stock"))
                var request = TokenIssuer.Request(audience: Lab.audience)
                request.size = size
                let token = try lab.issuer.issue(to: Principal.standard[0], request).token
                #expect(abs(token.reveal { $0.utf8.count } - size) < 8)
                let client = try await PyMySQL.run(on: stock, of: lab, token: token)
                #expect(client.isSuccess, "\(client.error)")
                // One changed letter at the very end is seen.
                let changed = Secret(token.reveal { String($0.dropLast()) + ($0.hasSuffix("A") ? "Q" : "A") })
                #expect(try await PyMySQL.run(on: stock, of: lab, token: changed).error.contains("1045"))
            }
        }

        /// Root starts its labs as root. This one is started as somebody who may write nothing outside the lab's own folder.
        @Test("An ordinary user's MariaDB checks tokens in the same way", .timeLimit(.minutes(1)))
        func ordinaryUser() async throws {
            let folder = "/tmp/lab-test-" + String(UInt32.random(in: .min ... .max), radix: 36)
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            // The program and the module are read from a place that everybody may pass through.
            let module = folder + "/pam_agent_lab.so"
            let source = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../deploy/lab/build-pam").path
            let program = folder + "/agent-lab"
            try FileManager.default.copyItem(atPath: CommandTests.program, toPath: program)
            for command in [
                [source, module], ["chown", "-R", "nobody", folder], ["chmod", "755", folder, module, program],
            ] {
                let result = try await Subprocess.run(
                    .name("env"), arguments: Arguments(command), input: .none, output: .discarded, error: .string(limit: 1 << 16))
                #expect(result.terminationStatus.isSuccess, "\(command): \(result.standardError)")
            }
            let asNobody = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--"]
            let up =
                ["AGENT_LAB_PAM_MODULE=\(module)"] + asNobody + [
                    program, "up", "--engine", "mysql", "--json", "--directory", folder + "/lab",
                ]
            _ = try await Subprocess.run(.name("env"), arguments: Arguments(up), input: .none, output: .sequence, error: .discarded) {
                execution in
                var line = ""
                for try await text in execution.standardOutput.strings() {
                    line = text
                    break
                }
                #expect(line.contains("\"stock\""), "\(line)")
                do {
                    try await Self.tryTokens(ready: line, of: program, in: folder + "/lab")
                } catch {
                    Issue.record("\(error)")
                }
                try execution.send(signal: .interrupt)
            }
            #expect(Traces.processes(naming: folder) == 0)
        }

        /// Asks the endpoint of a running lab for tokens and uses them: the ordinary one, and those of the sizes that occur.
        private static func tryTokens(ready: String, of program: String, in folder: String) async throws {
            struct Ready: Decodable {
                var ca_file, identity_endpoint, environment: String
                var targets: [Target]
                struct Target: Decodable {
                    var host, address, database, user: String
                    var port: Int
                }
            }
            let facts = try JSONDecoder().decode(Ready.self, from: Data(ready.utf8))
            let target = try #require(facts.targets.first)
            let script = """
                set -eu
                . "\(facts.environment)"
                ask() { curl -fsS -H "X-IDENTITY-HEADER: $IDENTITY_HEADER" "$IDENTITY_ENDPOINT?api-version=2019-08-01&resource=$1" |
                    sed -E 's/.*"access_token":"([^"]+)".*/\\1/'; }
                try() { mariadb --no-defaults --host=\(target.address) --port=\(target.port) --user=\(target.user) --password="$1" \\
                    --ssl-ca=\(facts.ca_file) --skip-column-names --execute="select count(*) from items" \(target.database); }
                try "$(ask https://ossrdbms-aad.database.windows.net)"
                for size in 1500 4000 9000; do
                    \(program) fault on issued_large --value $size --directory \(folder) >&2
                    token="$(ask https://ossrdbms-aad.database.windows.net)"
                    echo "$((${#token} / 100)) hundred bytes"
                    try "$token"
                    case "$token" in *A) changed=Q ;; *) changed=A ;; esac
                    if try "${token%?}$changed" 2>&1; then echo "let in with a changed token of $size"; exit 1; fi
                    \(program) fault off issued_large --directory \(folder) >&2
                done
                if try "$(ask https://database.windows.net/)" 2>&1; then echo "let in with a token for another resource"; exit 1; fi
                """
            let result = try await Subprocess.run(
                .name("env"), arguments: ["sh", "-c", script], input: .none, output: .string(limit: 1 << 16), error: .string(limit: 1 << 16)
            )
            #expect(result.terminationStatus.isSuccess, "\(result.standardOutput)\(result.standardError)")
            let lines = result.standardOutput.split(separator: "\n").map { String($0.prefix(16)) }
            let expected = ["20"] + [15, 40, 90].flatMap { ["\($0) hundred bytes", "20", "ERROR 1045 (2800"] } + ["ERROR 1045 (2800"]
            #expect(lines == expected, "\(result.standardOutput)\(result.standardError)")
        }
    }
}
