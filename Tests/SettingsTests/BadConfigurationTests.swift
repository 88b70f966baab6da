// Every way a file can be wrong, with the line that a person reads. Long, because it is a table: each way is a row, and rows stand together by section.
import Diagnosis
import Foundation
import Testing

@testable import Settings

/// A file and the lines that checking it gives.
struct BadFile: Sendable, CustomTestStringConvertible {
    var what: String
    var yaml: String
    /// **Shape**: the whole text of every issue, in the order of the file.
    var issues: [String]

    init(_ what: String, _ yaml: String, _ issues: String...) {
        self.what = what
        self.yaml = yaml
        self.issues = issues
    }

    var testDescription: String { what }
}

/// A valid file with one line of the target replaced or added.
private func target(_ lines: String...) -> String {
    var fields = [
        "name": "name: orders", "engine": "engine: postgresql", "host": "host: db.example", "database": "database: orders",
        "user": "user: app", "identities": "identities: [app]",
    ]
    var order = ["name", "engine", "host", "database", "user", "identities"]
    for line in lines {
        let key = String(line.prefix { $0 != ":" })
        if fields[key] == nil { order.append(key) }
        fields[key] = line
    }
    let body = order.compactMap { fields[$0] }.filter { !$0.hasSuffix("-") || $0.contains(" ") }
    return "identities:\n  app: {kind: managed_identity}\ntargets:\n  - " + body.joined(separator: "\n    ") + "\n"
}

/// The same for Azure SQL, which has no user.
private func azure(_ line: String) -> String {
    target("engine: azuresql", line).split(separator: "\n").filter { !$0.hasPrefix("    user: ") }.joined(separator: "\n") + "\n"
}

private func without(_ key: String) -> String {
    target().split(separator: "\n").filter { !$0.contains("\(key): ") || $0.contains("app: {") }.joined(separator: "\n")
}

private func top(_ yaml: String) -> String { target() + yaml + "\n" }

private func identity(_ yaml: String) -> String {
    "identities:\n  app: \(yaml)\n" + target().split(separator: "\n").dropFirst(2).joined(separator: "\n")
}

@Suite struct BadConfigurationTests {
    @Test("A wrong file gives exactly the errors that are in it", arguments: BadFile.all)
    func issues(row: BadFile) {
        let result = Configuration.parse(Array(row.yaml.utf8), file: "agent.yaml", environment: ["HOME": "/nonexistent"])
        #expect(result.issues.map(\.description) == row.issues)
        if case .success = result { #expect(row.issues.allSatisfy { $0.contains(": warning: ") }) }
    }

    struct Spoilt: Sendable {
        var text: String
        var socket: String?
        var listen: Endpoint?
    }

    @Test(
        "Where the agent is reached is read out of a file that is wrong elsewhere",
        arguments: [
            Spoilt(
                text: "server: {listen: [\"127.0.0.1:7\"], socket: /a.sock}\ntargets: [", socket: "/a.sock",
                listen: Endpoint(host: "127.0.0.1", port: 7)),
            Spoilt(text: "targets: [}\nhistory:\n  path: /h/history.db\n", socket: "/h/agent.sock"),
            Spoilt(text: "nonsense: 1\nserver: {socket: off}\n"),
            Spoilt(text: "{nonsense: 1, server: {socket: /a.sock}}", socket: "/a.sock"),
        ])
    func places(row: Spoilt) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("agent-\(UUID().uuidString).yaml").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try row.text.write(toFile: path, atomically: true, encoding: .utf8)
        guard case .failure = Configuration.load(path: path, environment: [:]) else {
            Issue.record("the file is good")
            return
        }
        let places = try #require(Configuration.places(path: path, environment: [:]))
        #expect(places.server.socket?.path == row.socket)
        if let listen = row.listen { #expect(places.server.listen == [listen]) }
    }
}

extension BadFile {
    static let all: [BadFile] =
        structure + names + targets + hosts + users + identities + durations + sections + rights + history + sockets + mysql + azuresql
        + later

    private static let structure = [
        BadFile(
            "unknown key of a target, with a guess", target("prt: 5432"),
            "agent.yaml:10:5: targets[0].prt: unknown key; did you mean \"port\"?"),
        BadFile(
            "unknown key at the top, with a guess", top("target: []"),
            "agent.yaml:10:1: target: unknown key; did you mean \"targets\"?"),
        BadFile("unknown key without a guess", top("zebra: 1"), "agent.yaml:10:1: zebra: unknown key"),
        BadFile(
            "camel case", identity("{kind: managed_identity, clientId: x}"),
            "agent.yaml:2:33: identities.app.clientId: unknown key; did you mean \"client_id\"?"),
        BadFile(
            "several errors at once are all reported", target("prt: 1", "port: 0", "host: a b"),
            "agent.yaml:6:11: targets[0].host: must not hold blanks",
            "agent.yaml:10:5: targets[0].prt: unknown key; did you mean \"port\"?",
            "agent.yaml:11:11: targets[0].port: 0 is outside 1 to 65535"),
        BadFile(
            "a key given twice, with the errors behind it",
            target("port: 1").replacing("port: 1", with: "port: 1\n    port: 2\n    prt: 3"),
            "agent.yaml:11:5: the key \"port\" is given twice (first on line 10); keep one of them",
            "agent.yaml:12:5: targets[0].prt: unknown key; did you mean \"port\"?"),
        BadFile(
            "two keys given twice in two mappings",
            "identities:\n  app: {kind: managed_identity, kind: managed_identity}\ncloud: public\ncloud: china\n",
            "agent.yaml:1:1: warning: \"targets\" is not given: only identities are watched",
            "agent.yaml:2:33: the key \"kind\" is given twice (first on line 2); keep one of them",
            "agent.yaml:4:1: the key \"cloud\" is given twice (first on line 3); keep one of them"),
        BadFile(
            "YAML that ends too early", "targets: [\n  {name: a",
            "agent.yaml:3:1: not valid YAML: did not find expected ',' or '}' (while parsing a flow mapping of line 2)"),
        BadFile(
            "a tab for indentation", "targets:\n\t- name: a\n",
            "agent.yaml:2:1: not valid YAML: found character that cannot start any token (while scanning for the next token of line 2)"),
        BadFile("an undefined alias", "targets: *none\n", "agent.yaml:1:10: not valid YAML: found undefined alias"),
        BadFile(
            "two documents", "cloud: public\n---\ncloud: china\n",
            "agent.yaml:2:1: not valid YAML: but found another document (expected a single document in the stream of line 1)"),
        BadFile("a list at the top", "- a\n", "agent.yaml:1:1: must be a mapping of keys and values, not a list"),
        BadFile("text at the top", "hello\n", "agent.yaml:1:1: must be a mapping of keys and values, not text"),
        BadFile(
            "a tag", "cloud: !!binary aGVsbG8=\n", "agent.yaml:1:8: the tag tag:yaml.org,2002:binary has no meaning here; leave it out"),
        BadFile("a list as a key", "? [a, b]\n: c\n", "agent.yaml:1:3: a key has to be a word, not a list or mapping"),
        BadFile(
            "nothing to do", "cloud: public\n", "agent.yaml:1:1: neither \"targets\" nor \"identities\" is given: there is nothing to do"),
        BadFile(
            "targets without identities", target().split(separator: "\n").dropFirst(2).joined(separator: "\n"),
            "agent.yaml:7:18: targets[0].identities[0]: no identity is called \"app\" under \"identities\""),
    ]

    private static let names = [
        BadFile(
            "a name with a blank", target("name: my db"),
            "agent.yaml:4:11: targets[0].name: the name may hold letters, digits, \".\", \"_\" and \"-\" only"),
        BadFile(
            "a name of 65 characters", target("name: " + String(repeating: "a", count: 65)),
            "agent.yaml:4:11: targets[0].name: the name is longer than 64 characters"),
        BadFile("an empty name", target("name: \"\""), "agent.yaml:4:11: targets[0].name: must not be empty"),
        BadFile(
            "a number for a name", target("name: 12"),
            "agent.yaml:4:11: targets[0].name: must be text, not the number 12; in quotes, \"12\" is text"),
        BadFile(
            "a truth value for a name", target("name: yes"),
            "agent.yaml:4:11: targets[0].name: must be text, not the truth value yes; in quotes, \"yes\" is text"),
        BadFile("a list for a name", target("name: [a]"), "agent.yaml:4:11: targets[0].name: must be text, not a list"),
        BadFile("a mapping for a name", target("name: {a: b}"), "agent.yaml:4:11: targets[0].name: must be text, not a mapping"),
        BadFile(
            "two targets of one name",
            target() + target().split(separator: "\n").dropFirst(3).joined(separator: "\n") + "\n",
            "agent.yaml:10:11: targets[1].name: the name \"orders\" is taken by the target on line 4"),
        BadFile(
            "an identity with a slash", identity("{kind: managed_identity}\n  a/b: {kind: managed_identity}"),
            "agent.yaml:3:3: identities.a/b: the name may hold letters, digits, \".\", \"_\" and \"-\" only"),
    ]

    private static let targets = [
        BadFile(
            "no name", without("name").replacing("    engine", with: "  - engine"),
            "agent.yaml:4:5: targets[0]: the key \"name\" is missing, as in name: orders"),
        BadFile("no engine", without("engine"), "agent.yaml:4:5: targets[0]: the key \"engine\" is missing, as in engine: postgresql"),
        BadFile(
            "no host", without("host"),
            "agent.yaml:4:5: targets[0]: the key \"host\" is missing, as in host: orders.postgres.database.azure.com"),
        BadFile("no database", without("database"), "agent.yaml:4:5: targets[0]: the key \"database\" is missing, as in database: orders"),
        BadFile("no user", without("user"), "agent.yaml:4:5: targets[0]: the key \"user\" is missing, as in user: aad_orders"),
        BadFile(
            "no identities", without("identities").replacing("app: {", with: "app: {"),
            "agent.yaml:4:5: targets[0]: the key \"identities\" is missing, as in identities: [app]; each makes one check"),
        BadFile(
            "an empty list of identities", target("identities: []"),
            "agent.yaml:9:17: targets[0].identities: must name at least one identity"),
        BadFile(
            "an unknown identity, with a guess", target("identities: [ap]"),
            "agent.yaml:9:18: targets[0].identities[0]: no identity is called \"ap\" under \"identities\"; did you mean \"app\"?"),
        BadFile(
            "an identity listed twice", target("identities: [app, app]"),
            "agent.yaml:9:23: targets[0].identities[1]: the identity \"app\" is listed twice"),
        BadFile("identities as text", target("identities: app"), "agent.yaml:9:17: targets[0].identities: must be a list, not text"),
        BadFile(
            "an engine that is none, with a guess", target("engine: postgres"),
            "agent.yaml:5:13: targets[0].engine: \"postgres\" is none of postgresql, mysql, azuresql; did you mean \"postgresql\"?"),
        BadFile("port 0", target("port: 0"), "agent.yaml:10:11: targets[0].port: 0 is outside 1 to 65535"),
        BadFile("port 65536", target("port: 65536"), "agent.yaml:10:11: targets[0].port: 65536 is outside 1 to 65535"),
        BadFile("a negative port", target("port: -1"), "agent.yaml:10:11: targets[0].port: -1 is outside 1 to 65535"),
        BadFile(
            "a port in quotes", target("port: \"5432\""), "agent.yaml:10:11: targets[0].port: must be a whole number, not text in quotes"),
        BadFile("a broken port", target("port: 54.32"), "agent.yaml:10:11: targets[0].port: must be a whole number, not the number 54.32"),
        BadFile("a database that is empty", target("database: \"\""), "agent.yaml:7:15: targets[0].database: must not be empty"),
        BadFile("a database without a value", target("database: ~"), "agent.yaml:7:15: targets[0].database: must be text, not empty"),
        BadFile(
            "a database with a zero byte", target("database: \"a\\0b\""),
            "agent.yaml:7:15: targets[0].database: must not hold control characters or line breaks"),
        BadFile(
            "a database of 64 bytes", target("database: " + String(repeating: "d", count: 64)),
            "agent.yaml:7:15: targets[0].database: is longer than the 63 bytes that PostgreSQL keeps of a name"),
        BadFile(
            "a trust file that is not there", target("tls: {ca_file: /nonexistent/ca.pem}"),
            "agent.yaml:10:20: targets[0].tls.ca_file: /nonexistent/ca.pem: there is no such file"),
        BadFile(
            "a trust file that is a directory", target("tls: {ca_file: /}"),
            "agent.yaml:10:20: targets[0].tls.ca_file: /: is a directory, not a file"),
        BadFile(
            "a trust file that is no certificate", target("tls: {ca_file: /etc/passwd}"),
            "agent.yaml:10:20: targets[0].tls.ca_file: /etc/passwd: holds no certificate in PEM form"),
        BadFile(
            "a switch that would turn verification off", target("tls: {verify: false}"),
            "agent.yaml:10:11: targets[0].tls.verify: a switch for verification: not in this version; remove the key"),
        BadFile(
            "a target that is text", "identities:\n  app: {kind: managed_identity}\ntargets: [orders]\n",
            "agent.yaml:3:11: targets[0]: must be a mapping of keys and values, not text"),
        BadFile(
            "targets as a mapping", "identities:\n  app: {kind: managed_identity}\ntargets: {orders: {}}\n",
            "agent.yaml:3:10: targets: must be a list, not a mapping"),
        BadFile(
            "no target in the list", "identities:\n  app: {kind: managed_identity}\ntargets: []\n",
            "agent.yaml:3:10: warning: targets: no target is given: only identities are watched"),
    ]

    private static func host(_ host: String, _ message: String) -> BadFile {
        BadFile("host \(host)", target("host: \"\(host)\""), "agent.yaml:6:11: targets[0].host: \(message)")
    }

    private static let hosts = [
        host("a b", "must not hold blanks"),
        host("postgres://db.example", "must be a host name alone, without a scheme such as \"postgres://\""),
        host("app@db.example", "must be a host name alone; a user goes into \"user\", and passwords are not used"),
        host("db.example:5432", "must not hold a port; write \"port: 5432\""),
        host("db.example/orders", "must be a host name alone, without a path or options"),
        host("[::1]", "an IPv6 address is written without brackets here"),
        host("a,b", "must be one host, not several"),
        host("db.example.", "must not end with a dot; the certificate has none"),
        host("db..example", "holds an empty part between dots"),
        host("-db.example", "holds a part that begins or ends with \"-\""),
        host("dätabase.example", "holds characters that DNS does not carry; write the punycode form (xn--…)"),
        host("300.1.1.1", "is no valid IPv4 address"),
        host("db!.example", "is no host name"),
        host("a\\tb", "must not hold control characters or line breaks"),
        host(String(repeating: "a", count: 64) + ".example", "holds a part longer than 63 characters"),
        host("db.example:x", "is neither a host name nor an address"),
        BadFile(
            "a server of another product", target("host: orders.mysql.database.azure.com"),
            "agent.yaml:6:11: warning: targets[0].host: servers called ….mysql.database.azure.com speak mysql, not postgresql"),
        BadFile(
            "a server of another cloud", target("host: orders.postgres.database.chinacloudapi.cn"),
            "agent.yaml:6:11: warning: targets[0].host: the server is in the cloud china, the tokens are for public; set \"cloud: china\""),
        BadFile(
            "a privatelink name", target("host: orders.privatelink.postgres.database.azure.com"),
            "agent.yaml:6:11: warning: targets[0].host: the certificate does not cover privatelink names; use the server's public name;"
                + " did you mean \"orders.postgres.database.azure.com\"?"),
    ]

    private static let users = [
        BadFile("an empty user", target("user: \"\""), "agent.yaml:8:11: targets[0].user: must not be empty"),
        BadFile(
            "a user of 64 bytes", target("user: " + String(repeating: "u", count: 64)),
            "agent.yaml:8:11: targets[0].user: is 64 bytes long; PostgreSQL keeps 63 bytes of a name (login_name_invalid)"),
        BadFile(
            "a user with a blank behind", target("user: \"app \""),
            "agent.yaml:8:11: targets[0].user: begins or ends with a blank (login_name_invalid)"),
        BadFile(
            "a user with a line break", target("user: \"a\\nb\""),
            "agent.yaml:8:11: targets[0].user: must not hold control characters or line breaks"),
        BadFile(
            "a user as the retired single server wanted it", target("user: app@db"),
            "agent.yaml:8:11: warning: targets[0].user: the form user@server belongs to the retired single server; flexible server takes it"
                + " for the whole name (login_name_invalid); did you mean \"app\"?"),
        BadFile(
            "a number for a user", target("user: 0o17"),
            "agent.yaml:8:11: targets[0].user: must be text, not the number 0o17; in quotes, \"0o17\" is text"),
    ]

    private static let identities = [
        BadFile(
            "no kind", identity("{}"), "agent.yaml:2:8: identities.app: the key \"kind\" is missing; this version has managed_identity"),
        BadFile(
            "a kind that is none", identity("{kind: managed_identiy}"),
            "agent.yaml:2:15: identities.app.kind: \"managed_identiy\" is no kind of identity; did you mean \"managed_identity\"?"),
        BadFile(
            "a client id that is no GUID", identity("{kind: managed_identity, client_id: abc}"),
            "agent.yaml:2:44: identities.app.client_id: \"abc\" is no GUID (8-4-4-4-12 hexadecimal digits)"),
        BadFile(
            "an object id with a letter too many", identity("{kind: managed_identity, object_id: 6f2c1f0e-0000-0000-0000-00000000000g}"),
            "agent.yaml:2:44: identities.app.object_id: \"6f2c1f0e-0000-0000-0000-00000000000g\" is no GUID (8-4-4-4-12 hexadecimal digits)"
        ),
        BadFile(
            "a resource id of something else", identity("{kind: managed_identity, resource_id: /subscriptions/x}"),
            "agent.yaml:2:46: identities.app.resource_id: is no id of a user-assigned identity: /subscriptions/<id>/resourceGroups/<group>"
                + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/<name>"),
        BadFile(
            "two selectors",
            identity(
                "{kind: managed_identity, client_id: 6f2c1f0e-0000-0000-0000-000000000000, object_id: 6f2c1f0e-0000-0000-0000-000000000000}"
            ),
            "agent.yaml:2:82: identities.app.object_id: client_id and object_id are given together; one of them selects the identity"),
        BadFile(
            "identities as a list", "identities: [app]\n", "agent.yaml:1:1: warning: \"targets\" is not given: only identities are watched",
            "agent.yaml:1:13: identities: must be a mapping of keys and values, not a list"),
        BadFile(
            "no identity at all", "identities: {}\n", "agent.yaml:1:1: warning: \"targets\" is not given: only identities are watched",
            "agent.yaml:1:13: identities: must name at least one identity"),
    ]

    private static func interval(_ text: String, _ message: String) -> BadFile {
        BadFile("interval \(text)", target("interval: \(text)"), "agent.yaml:10:15: \(message)")
    }

    private static let durations = [
        interval("60", "targets[0].interval: 60 has no unit (ms, s, m, h, d); did you mean \"60s\"?"),
        interval("fast", "targets[0].interval: \"fast\" is no duration such as 500ms, 60s, 5m or 1h30m"),
        interval("500ms", "targets[0].interval: 500ms is below the least, 1s"),
        interval("25h", "targets[0].interval: 25h is above the most, 1d"),
        interval("30m1h", "targets[0].interval: \"30m1h\" is no duration such as 500ms, 60s, 5m or 1h30m"),
        interval("-5s", "targets[0].interval: \"-5s\" is no duration such as 500ms, 60s, 5m or 1h30m"),
        interval("9999999999s", "targets[0].interval: \"9999999999s\" is no duration such as 500ms, 60s, 5m or 1h30m"),
        interval("[60s]", "targets[0].interval: must be a duration such as 60s, 5m or 1h30m, not a list"),
        BadFile(
            "an interval below ten seconds", target("interval: 5s", "timeout: 2s"),
            "agent.yaml:10:15: warning: targets[0].interval: 5s is below 10s: every probe is a login that the server has to serve"),
        BadFile(
            "an interval shorter than the timeout", target("interval: 12s"),
            "agent.yaml:10:15: warning: targets[0].interval: the interval 12s is shorter than the timeout 15s: probes that hang will be missed ones"
        ),
        BadFile("a timeout of three minutes", target("timeout: 3m"), "agent.yaml:10:14: targets[0].timeout: 3m is above the most, 2m"),
        BadFile(
            "a timeout of half a second", top("defaults: {timeout: 500ms}"),
            "agent.yaml:10:21: defaults.timeout: 500ms is below the least, 1s"),
        BadFile(
            "defaults that do not fit", top("defaults: {interval: 30s, timeout: 60s}"),
            "agent.yaml:10:22: warning: defaults.interval: the interval 30s is shorter than the timeout 1m: probes that hang will be missed ones"
        ),
    ]

    private static let sections = [
        BadFile(
            "a cloud that is none", top("cloud: germany"), "agent.yaml:10:8: cloud: \"germany\" is none of public, usgovernment, china"),
        BadFile(
            "a name server by name", top("dns: {servers: [\"dns.example\"]}"),
            "agent.yaml:10:17: dns.servers[0]: \"dns.example\" is no address; a name server cannot be a name"),
        BadFile(
            "a name server at port 0", top("dns: {servers: [\"10.0.0.4:0\"]}"), "agent.yaml:10:17: dns.servers[0]: 0 is no port to ask at"),
        BadFile(
            "a name server at a port too high", top("dns: {servers: [\"10.0.0.4:99999\"]}"),
            "agent.yaml:10:17: dns.servers[0]: \"99999\" is no port (0 to 65535)"),
        BadFile(
            "an IPv6 name server without its bracket", top("dns: {servers: [\"[::1:53\"]}"),
            "agent.yaml:10:17: dns.servers[0]: the closing bracket is missing"),
        BadFile(
            "a listener without a port", top("server: {listen: [\"127.0.0.1\"]}"),
            "agent.yaml:10:19: server.listen[0]: the port is missing, as in 127.0.0.1:9745"),
        BadFile(
            "a listener without an address", top("server: {listen: [\":9745\"]}"),
            "agent.yaml:10:19: server.listen[0]: the address before the port is missing; 0.0.0.0 stands for every one"),
        BadFile(
            "a listener by name", top("server: {listen: [\"web.example:80\"]}"),
            "agent.yaml:10:19: server.listen[0]: \"web.example\" is no address of this machine; write its address"),
        BadFile(
            "a listener twice", top("server: {listen: [\"[::1]:80\", \"[::1]:80\"]}"),
            "agent.yaml:10:31: server.listen[1]: [::1]:80 is listed twice"),
        BadFile("no listener", top("server: {listen: []}"), "agent.yaml:10:18: server.listen: must hold at least one address and port"),
        BadFile(
            "a bare IPv6 listener", top("server: {listen: [\"::1\"]}"),
            "agent.yaml:10:19: server.listen[0]: an IPv6 address with a port is written [::1]:port"),
        BadFile(
            "a host rule with a port", top("server: {hosts: [\"agent.example:80\"]}"),
            "agent.yaml:10:18: server.hosts[0]: must not hold a port; write \"port: 80\""),
        BadFile(
            "history in a directory", top("history: {path: /tmp}"), "agent.yaml:10:17: history.path: /tmp is a directory; name a file in it"
        ),
        BadFile("concurrency 0", top("limits: {concurrency: 0}"), "agent.yaml:10:23: limits.concurrency: 0 is outside 1 to 1024"),
        BadFile(
            "a level that is none", top("log: {level: warn}"),
            "agent.yaml:10:14: log.level: \"warn\" is none of trace, debug, info, notice, warning, error, critical"),
        BadFile(
            "a format that is none", top("log: {format: jsn}"),
            "agent.yaml:10:15: log.format: \"jsn\" is none of text, json; did you mean \"json\"?"),
        BadFile("a section that is a list", top("log: []"), "agent.yaml:10:6: log: must be a mapping of keys and values, not a list"),
    ]

    private static func rights(_ what: String, _ yaml: String, _ issues: String...) -> BadFile {
        var file = BadFile("rights: \(what)", target("privileges: \(yaml)"))
        file.issues = issues
        return file
    }

    private static let rights = [
        rights("a word", "connect", "agent.yaml:10:17: targets[0].privileges: must be a mapping of keys and values, not text"),
        rights(
            "nothing in it", "{}",
            "agent.yaml:10:17: targets[0].privileges: says nothing: it has \"require\" and \"deny\", as in require: [connect]"),
        rights("an empty list", "{require: []}", "agent.yaml:10:27: targets[0].privileges.require: must have at least one entry"),
        rights(
            "an unknown key", "{requires: [connect]}",
            "agent.yaml:10:18: targets[0].privileges.requires: unknown key; did you mean \"require\"?"),
        rights(
            "a misspelt word", "{deny: [superuesr]}",
            """
            agent.yaml:10:25: targets[0].privileges.deny[0]: "superuesr": is no right that stands alone; those are connect, create, \
            temporary, superuser, createdb, createrole, replication, bypassrls; did you mean "superuser"?
            """),
        rights(
            "a right without an object", "{require: [select]}",
            """
            agent.yaml:10:28: targets[0].privileges.require[0]: "select": "select" needs an object, as in \
            {on: "table sales.orders", grants: [select]}
            """),
        rights(
            "a table without a schema", "{require: [{on: table orders, grants: [select]}]}",
            "agent.yaml:10:33: targets[0].privileges.require[0].on: \"table orders\": the schema is missing, as in table public.orders"),
        rights(
            "a right of another kind", "{require: [{on: schema sales, grants: [select]}]}",
            """
            agent.yaml:10:56: targets[0].privileges.require[0].grants[0]: "select": is no right on a schema; a schema has usage, create
            """),
        rights(
            "a right twice", "{require: [{on: table a.b, grants: [select, all]}]}",
            "agent.yaml:10:61: targets[0].privileges.require[0].grants[1]: the right select is listed twice"),
        rights(
            "no grants", "{require: [{on: table a.b}]}",
            """
            agent.yaml:10:28: targets[0].privileges.require[0]: the key "grants" is missing, as in \
            {on: "table sales.orders", grants: [select]}
            """),
        rights(
            "a name that is no label", "{require: [{on: table a.b, grants: [select], name: \"a b\"}]}",
            """
            agent.yaml:10:68: targets[0].privileges.require[0].name: the name may hold letters, digits, ".", "_" and "-" only
            """),
        rights(
            "a name twice", "{require: [{on: database, grants: [connect], name: a}], deny: [{on: role, grants: [createdb], name: a}]}",
            "agent.yaml:10:117: targets[0].privileges.deny[0].name: the name \"a\" is taken by the entry on line 10"),
        rights(
            "too many", "{require: [\(Array(repeating: "connect", count: 21).joined(separator: ", "))]}",
            "agent.yaml:10:17: targets[0].privileges: has 21 entries, at most 20 are possible; one entry may list several grants"),
    ]

    private static func later(_ what: String, _ yaml: String, _ issue: String) -> BadFile { BadFile("not yet: \(what)", yaml, issue) }

    private static let history = [
        BadFile(
            "history.keep, too short", top("history: {path: /nonexistent/h.db, keep: {detail: 1h}}"),
            "agent.yaml:10:51: history.keep.detail: 1h is below the least, 1d"),
        BadFile(
            "history.keep, too long", top("history: {path: /nonexistent/h.db, keep: {daily: 9999d}}"),
            "agent.yaml:10:50: history.keep.daily: 9999d is above the most, 3650d"),
        BadFile(
            "history.keep, unknown", top("history: {path: /nonexistent/h.db, keep: {hourl: 7d}}"),
            "agent.yaml:10:43: history.keep.hourl: unknown key; did you mean \"hourly\"?"),
        BadFile(
            "history.keep, no mapping", top("history: {path: /nonexistent/h.db, keep: 7d}"),
            "agent.yaml:10:42: history.keep: must be a mapping of keys and values, not text"),
        BadFile(
            "history.max_size, no unit", top("history: {path: /nonexistent/h.db, max_size: 4096}"),
            "agent.yaml:10:46: history.max_size: 4096 has no unit; write it as 512MiB or 4GiB (KiB, MiB, GiB, TiB)"),
        BadFile(
            "history.max_size, other unit", top("history: {path: /nonexistent/h.db, max_size: 4GB}"),
            "agent.yaml:10:46: history.max_size: \"4GB\" is no size; write it as 512MiB or 4GiB (KiB, MiB, GiB, TiB)"),
        BadFile(
            "history.max_size, too small", top("history: {path: /nonexistent/h.db, max_size: 64KiB}"),
            "agent.yaml:10:46: history.max_size: 64KiB is below the least, 16MiB"),
        BadFile(
            "history.max_size, too large", top("history: {path: /nonexistent/h.db, max_size: 999999999TiB}"),
            "agent.yaml:10:46: history.max_size: \"999999999TiB\" is no size; write it as 512MiB or 4GiB (KiB, MiB, GiB, TiB)"),
    ]

    private static let sockets = [
        BadFile(
            "server.socket, switched on", top("server: {socket: on}"),
            "agent.yaml:10:18: server.socket: must be a path, or off; without the key the socket is beside the history"),
        BadFile(
            "server.socket, a number", top("server: {socket: 7}"),
            "agent.yaml:10:18: server.socket: must be text, not the number 7; in quotes, \"7\" is text"),
        BadFile(
            "server.socket, a directory", top("server: {socket: /tmp}"),
            "agent.yaml:10:18: server.socket: /tmp is a directory; name a file in it"),
        BadFile(
            "server.socket, the history", top("server: {socket: /nonexistent/h.db}\nhistory: {path: /nonexistent/h.db}"),
            "agent.yaml:10:18: server.socket: this is the path of the history file"),
        BadFile(
            "server.socket, too long", top("server: {socket: /\(String(repeating: "s", count: 103))}"),
            "agent.yaml:10:18: server.socket: the path is 104 bytes long; that of a socket has 103 at most"),
    ]

    private static let mysql = [
        BadFile("mysql", target("engine: mysql", "user: aad_shop")),
        BadFile(
            "mysql name", target("engine: mysql", "user: \(String(repeating: "é", count: 33))"),
            "agent.yaml:8:11: targets[0].user: is 33 characters long; MySQL takes 32, so the account needs an alias (login_name_invalid)"),
        BadFile(
            "mysql maintain", target("engine: mysql", "privileges: {require: [{on: \"table s.t\", grants: [maintain]}]}"),
            "agent.yaml:10:55: targets[0].privileges.require[0].grants[0]: \"maintain\": MySQL has no right of that name"),
        BadFile(
            "mysql sequence", target("engine: mysql", "privileges: {require: [{on: \"sequence s.q\", grants: [usage]}]}"),
            "agent.yaml:10:33: targets[0].privileges.require[0].on: \"sequence s.q\": MySQL has no sequences"),
        BadFile(
            "mysql bypassrls", target("engine: mysql", "privileges: {deny: [bypassrls]}"),
            "agent.yaml:10:25: targets[0].privileges.deny[0]: \"bypassrls\": MySQL has no row-level security to bypass"),
    ]

    private static let azuresql = [
        BadFile(
            "azuresql user", target("engine: azuresql"),
            "agent.yaml:8:11: targets[0].user: Azure SQL finds the user by the token alone; remove the key"),
        BadFile(
            "wake elsewhere", target("wake: auto"),
            "agent.yaml:10:11: targets[0].wake: only Azure SQL has databases that sleep; remove the key"),
        BadFile(
            "a wake word", azure("wake: allways"),
            "agent.yaml:9:11: targets[0].wake: \"allways\" is none of auto, always, never, {budget: 6 per day}; did you mean \"always\"?"),
        BadFile(
            "a wake budget of hours", azure("wake: {budget: 6 per hour}"),
            "agent.yaml:9:20: targets[0].wake.budget: \"6 per hour\" is no budget; it reads as 6 per day, 1 to 1440 of them"),
        BadFile(
            "a wake budget of none", azure("wake: {budget: 0 per day}"),
            "agent.yaml:9:20: targets[0].wake.budget: \"0 per day\" is no budget; it reads as 6 per day, 1 to 1440 of them"),
        BadFile(
            "azuresql createdb", azure("privileges: {deny: [createdb]}"),
            "agent.yaml:9:25: targets[0].privileges.deny[0]: \"createdb\": Azure SQL has no right that createdb could stand for"),
        BadFile(
            "azuresql maintain", azure("privileges: {require: [{on: \"table s.t\", grants: [maintain]}]}"),
            "agent.yaml:9:55: targets[0].privileges.require[0].grants[0]: \"maintain\": Azure SQL has no right that maintain could stand for"
        ),
        BadFile(
            "azuresql master", azure("database: master"),
            "agent.yaml:7:15: warning: targets[0].database: master holds no users of an application, and logins to it are reported to wake the server's other databases"
        ),
    ]

    private static let later = [
        later("discover", top("discover: true"), "agent.yaml:10:1: discover: discovery: not in this version; remove the key"),
        later(
            "server.web_config", top("server: {web_config: web.yaml}"),
            "agent.yaml:10:10: server.web_config: TLS and passwords for the web side: not in this version; remove the key"),
        later(
            "service_principal", identity("{kind: service_principal, tenant_id: contoso.example}"),
            "agent.yaml:2:15: identities.app.kind: the kind service_principal: not in this version, which has managed_identity only"),
        later(
            "workload_identity", identity("{kind: workload_identity}"),
            "agent.yaml:2:15: identities.app.kind: the kind workload_identity: not in this version, which has managed_identity only"),
        later(
            "default", identity("{kind: default}"),
            "agent.yaml:2:15: identities.app.kind: the kind default: not in this version, which has managed_identity only"),
    ]
}
