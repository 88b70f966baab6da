import Testing

@testable import Diagnosis

@Suite struct RemedyTests {
    struct Attack: Sendable, CustomTestStringConvertible {
        var value: String
        var word: String
        var identifier: String
        var literal: String
        var testDescription: String { value }
    }

    @Test(
        "A value from outside cannot leave the place it is put in",
        arguments: [
            Attack(value: "plain-1.example", word: "plain-1.example", identifier: "\"plain-1.example\"", literal: "'plain-1.example'"),
            Attack(value: "a b", word: "'a b'", identifier: "\"a b\"", literal: "'a b'"),
            Attack(
                value: "x'; rm -rf /; '", word: #"'x'\''; rm -rf /; '\'''"#, identifier: #""x'; rm -rf /; '""#,
                literal: "'x''; rm -rf /; '''"),
            Attack(value: "$(id)`id`", word: "'$(id)`id`'", identifier: "\"$(id)`id`\"", literal: "'$(id)`id`'"),
            Attack(
                value: "r\"; DROP ROLE x; --", word: "'r\"; DROP ROLE x; --'", identifier: "\"r\"\"; DROP ROLE x; --\"",
                literal: "'r\"; DROP ROLE x; --'"),
            Attack(value: "two\nlines", word: "'two lines'", identifier: "\"two lines\"", literal: "'two lines'"),
            Attack(value: "--yes", word: "<host>", identifier: "\"--yes\"", literal: "'--yes'"),
            Attack(value: "~root", word: "'~root'", identifier: "\"~root\"", literal: "'~root'"),
            Attack(value: "a=b;c", word: "'a=b;c'", identifier: "\"a=b;c\"", literal: "'a=b;c'"),
            Attack(value: "", word: "<host>", identifier: "\"<host>\"", literal: "'<host>'"),
            Attack(value: "\u{1B}[31mred", word: "'[31mred'", identifier: "\"[31mred\"", literal: "'[31mred'"),
            Attack(value: "ad\u{202E}min", word: "admin", identifier: "\"admin\"", literal: "'admin'"),
        ])
    func quoting(attack: Attack) {
        #expect(Quoting.word.quote(attack.value, orGap: "<host>") == attack.word)
        #expect(Quoting.identifier.quote(attack.value, orGap: "<host>") == attack.identifier)
        #expect(Quoting.literal.quote(attack.value, orGap: "<host>") == attack.literal)
    }

    @Test("Only a GUID fits where a GUID belongs", arguments: ["x,admin", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeee'", "", "aaaaaaaa"])
    func guid(value: String) {
        #expect(Quoting.guid.quote(value, orGap: "<oid>") == "<oid>")
        #expect(Quoting.guid.quote(Fixture.objectID, orGap: "<oid>") == Fixture.objectID)
    }

    @Test("Names come from the target, the facts and the failure; what nobody knows stands in angle brackets")
    func filling() {
        let failure = Failure(.firewallDenied, during: .login, values: ["client_ip": "203.0.113.9"])
        let values = RemedyValues(
            target: Fixture.target(), identity: IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned)),
            facts: Fixture.facts(), failure: failure)
        let remedies = Cause.firewallDenied.row.remedies.filter { $0.applies(to: .postgresql, source: nil) }.map { $0.filled(from: values) }
        #expect(remedies.map(\.kind) == [.look, .widens])
        #expect(
            remedies.last?.text
                == "az postgres flexible-server firewall-rule create -g <resource group> --server-name orders --name allow-agent --start-ip-address 203.0.113.9 --end-ip-address 203.0.113.9"
        )
        #expect(values[.zone] == "privatelink.postgres.database.azure.com")
        #expect(values[.check] == "orders/app")
        #expect(values[.tenant] == nil)
    }

    @Test("The SID that SQL Server makes of a GUID has the bytes of its first three groups in reverse; anything else stays unknown")
    func sid() {
        // Source: Microsoft Learn, uniqueidentifier; the server's own CONVERT gives the same.
        #expect(Quoting.sid.quote("6F2C1F0E-0001-0203-0405-060708090a0b", orGap: "<id>") == "0x0E1F2C6F010003020405060708090A0B")
        for value in [
            "", "6f2c1f0e", "6f2c1f0e-0001-0203-0405-060708090a0b'", "6f2c1f0ez-001-0203-0405-060708090a0b",
            "gf2c1f0e-0001-0203-0405-060708090a0b",
        ] {
            #expect(Quoting.sid.quote(value, orGap: "<id>") == "<id>", "\(value)")
        }
        #expect(Quoting.bracket.quote("a]b", orGap: "<n>") == "[a]]b]" && Quoting.bracket.quote("", orGap: "<n>") == "[<n>]")
    }

    private static func azureSQL(_ failure: Failure, user: String? = "vm-orders-2") -> [String] {
        let target = Target(
            name: "billing", engine: .azuresql, host: "billing.database.windows.net", port: 1433, database: "billing", user: user,
            identities: ["app"])
        var facts = Facts()
        facts.appID = "6f2c1f0e-0001-0203-0405-060708090a0b"
        let values = RemedyValues(target: target, facts: facts, failure: failure)
        return failure.cause.row.remedies.filter { $0.applies(to: .azuresql, source: nil, values: values) }.map {
            $0.filled(from: values).text
        }
    }

    @Test("A user is made in the database that refused, by name and, where the directory cannot be read, by the identity's id")
    func createUser() {
        let texts = Self.azureSQL(Failure(.loginPrincipalUnknown, during: .login))
        #expect(texts.contains("CREATE USER [vm-orders-2] FROM EXTERNAL PROVIDER;  -- in database billing, as Entra admin"), "\(texts)")
        #expect(
            texts.contains { $0.hasPrefix("CREATE USER [vm-orders-2] WITH SID = 0x0E1F2C6F010003020405060708090A0B, TYPE = E;") },
            "\(texts)")
        let unnamed = Self.azureSQL(Failure(.loginPrincipalUnknown, during: .login), user: nil)
        #expect(unnamed.contains { $0.hasPrefix("CREATE USER [<identity name>] FROM EXTERNAL PROVIDER;") }, "\(unnamed)")
    }

    @Test("A firewall that names an address wants a rule for it, one that names none a rule for the subnet")
    func firewall() {
        let address = Self.azureSQL(Failure(.firewallDenied, during: .login, values: ["client_ip": "203.0.113.9"]))
        #expect(address.contains { $0.contains("firewall-rule create") && $0.contains("203.0.113.9") })
        #expect(!address.contains { $0.contains("vnet-rule") })
        let subnet = Self.azureSQL(Failure(.firewallDenied, during: .login))
        #expect(subnet.contains { $0.contains("vnet-rule create -g <resource group> -s billing") && $0.contains("--subnet <subnet>") })
        #expect(!subnet.contains { $0.contains("firewall-rule create") })
    }

    @Test("The tenant that the server asks for wins over the token's")
    func requiredTenant() {
        var facts = Facts()
        facts.tenant = "token-tenant"
        let failure = Failure(.tokenWrongTenant, during: .login, values: ["required_tenant": Fixture.tenant])
        #expect(RemedyValues(target: Fixture.target(), facts: facts, failure: failure)[.tenant] == Fixture.tenant)
    }

    @Test("A role is mapped anew with the token's object id and the role's quoted name")
    func relabel() {
        var target = Fixture.target()
        target.user = "we\"ird role"
        let values = RemedyValues(target: target, facts: Fixture.facts())
        let repair = Cause.loginIdentityRecreated.row.remedies.first { $0.kind == .repair && $0.engine == .postgresql }
        #expect(
            repair?.filled(from: values).text
                == "SECURITY LABEL FOR \"pgaadauth\" ON ROLE \"we\"\"ird role\" IS 'aadauth,oid=\(Fixture.objectID),type=service';  -- as Entra administrator"
        )
    }

    @Test("No remedy replaces an administrator or prints a token", arguments: Cause.allCases)
    func harmless(cause: Cause) {
        for template in cause.row.remedies {
            let text = template.filled(from: RemedyValues()).text
            #expect(!text.contains("admin create"))
            #expect(!text.contains("isAdmin"))
            if text.contains("get-access-token") { #expect(text.contains("--query")) }
        }
    }
}
