// Good files, and what is not about their content: finding, reading, bounds.
import Diagnosis
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@testable import Settings

private let full = """
    cloud: usgovernment
    dns: {servers: ["10.0.0.4:5353", "10.0.0.5", "[fd00::4]:53", "fd00::5"]}
    defaults: {interval: 1h30m, timeout: 20s}
    identities:
      app:       {kind: managed_identity}
      reporting: {kind: managed_identity, client_id: 6F2C1F0E-0000-0000-0000-000000000000}
      object:    {kind: managed_identity, object_id: 6f2c1f0e-0000-0000-0000-000000000001}
      spare:
        kind: managed_identity
        resource_id: /subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n
    targets:
      - name: orders
        engine: postgresql
        host: orders.postgres.database.usgovcloudapi.net
        port: 6432
        database: orders
        user: aad_orders
        identities: [app, reporting]
        interval: 30s
        timeout: 5s
      - {name: "12", engine: postgresql, host: 10.1.2.3, database: "12", user: "o'brien@contoso.example", identities: [object]}
    server:  {listen: ["127.0.0.1:9745", "[::1]:0"], hosts: [Agent.Example]}
    history: {path: data/history.db, keep: {detail: 2d, failures: 30d, daily: 800d}, max_size: 512MiB}
    limits:  {concurrency: 8}
    log:     {level: debug, format: json}
    """

private func parse(_ text: String, file: String = "/etc/x/agent.yaml", _ environment: [String: String] = ["HOME": "/home/x"])
    -> ConfigurationResult
{
    Configuration.parse(Array(text.utf8), file: file, environment: environment)
}

private func accepted(_ result: ConfigurationResult) throws -> Configuration {
    guard case .success(let configuration, _) = result else { throw Unexpected(text: "\(result.issues.map(\.description))") }
    return configuration
}

private struct Unexpected: Error { var text: String }

/// A folder of one test's own.
private struct Folder: ~Copyable {
    let path: String

    init() {
        var template = Array("/tmp/settings-XXXXXX".utf8CString)
        unsafe template.withUnsafeMutableBufferPointer { buffer in
            if let start = buffer.baseAddress { _ = unsafe mkdtemp(start) }
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func write(_ name: String, _ text: String, mode: mode_t = 0o644) {
        let file = unsafe open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, mode)
        let bytes = Array(text.utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
        close(file)
    }

    deinit {
        for name in ["agent.yaml", "other.yaml", "pipe", "link"] { _ = unsafe unlink("\(path)/\(name)") }
        _ = unsafe rmdir(path)
    }
}

@Suite struct ConfigurationTests {
    @Test("Rights are read in the order of the file, with names, and cost is said beside logins")
    func privileges() throws {
        let text = """
            identities: {app: {kind: managed_identity}}
            targets:
              - name: orders
                engine: postgresql
                host: orders.postgres.database.azure.com
                database: orders
                user: aad_orders
                identities: [app]
                privileges:
                  require:
                    - connect
                    - {on: "schema public", grants: [usage]}
                    - {on: "all tables in schema public", grants: [select, INSERT], name: app.writes}
                    - {on: sequence public."Q", grants: [all]}
                  deny:
                    - superuser
                    - {on: "table audit.log", grants: [update, delete]}
            """
        let configuration = try accepted(parse(text))
        let rules = try #require(configuration.targets.first).privileges
        #expect(
            rules
                == PrivilegeRules(
                    require: [
                        PrivilegeRule(object: .database, rights: [.connect]), PrivilegeRule(object: .schema("public"), rights: [.usage]),
                        PrivilegeRule(name: "app.writes", object: .allTables(schema: "public"), rights: [.select, .insert]),
                        PrivilegeRule(object: .sequence(schema: "public", name: "Q"), rights: [.usage, .select, .update]),
                    ],
                    deny: [
                        PrivilegeRule(object: .role, rights: [.superuser]),
                        PrivilegeRule(object: .table(schema: "audit", name: "log"), rights: [.update, .delete]),
                    ]))
        #expect(ConfigurationSummary(configuration).text.contains("rights compared with 6 entries"))
    }

    @Test("A file with everything in it becomes the value it describes")
    func fullFile() throws {
        let configuration = try accepted(parse(full))
        #expect(configuration.cloud == .usgovernment)
        #expect(configuration.nameServers.map(\.description) == ["10.0.0.4:5353", "10.0.0.5:53", "[fd00::4]:53", "[fd00::5]:53"])
        #expect(configuration.identities.map(\.name) == ["app", "reporting", "object", "spare"])
        #expect(
            configuration.identities.map(\.kind) == [
                .managedIdentity(.systemAssigned), .managedIdentity(.clientID("6f2c1f0e-0000-0000-0000-000000000000")),
                .managedIdentity(.objectID("6f2c1f0e-0000-0000-0000-000000000001")),
                .managedIdentity(
                    .resourceID("/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n")),
            ])
        #expect(
            configuration.targets == [
                Target(
                    name: "orders", engine: .postgresql, host: "orders.postgres.database.usgovcloudapi.net", port: 6432,
                    database: "orders", user: "aad_orders", identities: ["app", "reporting"], interval: .seconds(30),
                    timeout: .seconds(5)),
                Target(
                    name: "12", engine: .postgresql, host: "10.1.2.3", port: 5432, database: "12", user: "o'brien@contoso.example",
                    identities: ["object"], interval: .seconds(5400), timeout: .seconds(20)),
            ])
        #expect(configuration.server.listen.map(\.description) == ["127.0.0.1:9745", "[::1]:0"])
        #expect(configuration.server.hosts == ["agent.example"])
        #expect(configuration.history.path == "/etc/x/data/history.db" && !configuration.history.isDefault)
        let day = Duration.seconds(86_400)
        #expect(configuration.history.keep == .init(detail: day * 2, failures: day * 30, daily: day * 800))
        #expect(configuration.history.maximumSize == 512 << 20)
        #expect(configuration.limits.concurrency == 8)
        #expect(configuration.log == .init(level: .debug, format: .json))
    }

    @Test("The minimal file that errors show is valid, without a warning")
    func minimalFile() throws {
        let result = parse(Configuration.minimalFile)
        #expect(result.issues == [])
        let configuration = try accepted(result)
        #expect(configuration.targets.first?.checks == [CheckID(target: "orders", identity: "app")])
        #expect(configuration.server.listen == [Endpoint(host: "127.0.0.1", port: 9745)])
        #expect(configuration.limits.concurrency == 64)
    }

    private static let sockets: [(yaml: String, path: String?, isDefault: Bool)] = [
        ("history: {path: /data/h.db}", "/data/agent.sock", true), ("history: {path: data/h.db}", "/etc/x/data/agent.sock", true),
        ("server: {socket: /run/agent/a.sock}", "/run/agent/a.sock", false), ("server: {socket: a.sock}", "/etc/x/a.sock", false),
        ("server: {socket: off}", nil, false), ("server: {socket: null}", nil, false), ("server: {socket: false}", nil, false),
        ("server: {socket: }", nil, false), ("server: {hosts: [a.example]}\nhistory: {path: /data/h.db}", "/data/agent.sock", true),
    ]

    @Test("The local socket is beside the database, where the file says, or nowhere", arguments: sockets)
    func socket(row: (yaml: String, path: String?, isDefault: Bool)) throws {
        let result = parse(Configuration.minimalFile + "\n" + row.yaml + "\n")
        #expect(result.issues == [])
        let socket = try accepted(result).server.socket
        #expect(socket?.path == row.path)
        #expect(socket?.isDefault ?? false == row.isDefault)
    }

    @Test("Without a readable file the socket is looked for where the usual history would be")
    func usualSocket() {
        #expect(Configuration.defaultSocket(["XDG_STATE_HOME": "/state"]).path.hasSuffix("/agent.sock"))
    }

    @Test("Anchors may be used for values")
    func anchors() throws {
        let text =
            Configuration.minimalFile.replacing("[app]", with: "&ids [app]")
            + "\n  - {name: b, engine: postgresql, host: \"fd00::1\", database: b, user: b, identities: *ids}\n"
        #expect(try accepted(parse(text)).targets.map(\.identities) == [["app"], ["app"]])
    }

    @Test("A byte order mark and Windows line ends change nothing")
    func windowsText() throws {
        let text = "\u{FEFF}" + Configuration.minimalFile.replacing("\n", with: "\r\n")
        #expect(try accepted(parse(text)).targets.count == 1)
    }

    @Test("The identity's header is a secret and the endpoints come from the environment")
    func identityEnvironment() throws {
        let environment = try accepted(
            parse(
                Configuration.minimalFile,
                [
                    "IDENTITY_ENDPOINT": "http://127.0.0.1:1/token", "IDENTITY_HEADER": "hunter2", "AZURE_POD_IDENTITY_AUTHORITY_HOST": "",
                ])
        ).environment
        #expect(environment.identityEndpoint == "http://127.0.0.1:1/token")
        #expect(environment.imdsAuthority == nil)
        #expect(!"\(environment)".contains("hunter2"))
        #expect(environment.identityHeader?.reveal { $0 } == "hunter2")
    }

    // MARK: Finding and reading

    @Test("The file is looked for in the promised order")
    func lookupOrder() {
        let folder = Folder()
        folder.write("other.yaml", "")
        let system = "\(folder.path)/other.yaml"
        func find(_ path: String?, _ environment: [String: String]) -> String? {
            Configuration.find(path: path, environment: environment, directory: folder.path, systemFile: system)
        }
        #expect(find(nil, [:]) == system)
        folder.write("agent.yaml", "")
        #expect(find(nil, [:]) == "\(folder.path)/agent.yaml")
        #expect(find(nil, ["AGENT_CONFIG": "/a"]) == "/a")
        #expect(find(nil, ["AGENT_CONFIG": ""]) == "\(folder.path)/agent.yaml")
        #expect(find("/b", ["AGENT_CONFIG": "/a"]) == "/b")
        #expect(Configuration.find(path: nil, environment: [:], directory: "/nonexistent", systemFile: "/nonexistent/x") == nil)
    }

    @Test("Without a file the error says that discovery is missing and shows a file that works")
    func noFile() {
        let result = Configuration.load(path: nil, environment: [:], directory: "/nonexistent", systemFile: "/nonexistent/agent.yaml")
        let text = result.issues.map(\.description).joined()
        #expect(text.contains("not in this version"))
        #expect(text.contains(Configuration.minimalFile))
    }

    struct Unreadable: Sendable {
        var path: String
        var issue: String
    }

    @Test(
        "A file that cannot be read is one error with the reason",
        arguments: [
            Unreadable(path: "/nonexistent/agent.yaml", issue: "/nonexistent/agent.yaml: there is no such file"),
            Unreadable(path: "/etc/passwd/agent.yaml", issue: "/etc/passwd/agent.yaml: there is no such file"),
            Unreadable(path: "/tmp", issue: "/tmp: is a directory, not a file"),
            Unreadable(path: "/dev/null", issue: "/dev/null: is no regular file"),
        ])
    func unreadable(row: Unreadable) {
        #expect(Configuration.load(path: row.path, environment: [:]).issues.map(\.description) == [row.issue])
    }

    @Test("A pipe is refused at once instead of being waited for", .timeLimit(.minutes(1)))
    func pipe() {
        let folder = Folder()
        _ = unsafe mkfifo("\(folder.path)/pipe", 0o600)
        let issues = Configuration.load(path: "\(folder.path)/pipe", environment: [:]).issues
        #expect(issues.map(\.message) == ["is no regular file"])
    }

    @Test("A link that leads to itself is named as one")
    func linkLoop() {
        let folder = Folder()
        _ = unsafe symlink("\(folder.path)/link", "\(folder.path)/link")
        #expect(
            Configuration.load(path: "\(folder.path)/link", environment: [:]).issues.map(\.message) == ["is a link that leads to itself"])
    }

    struct NoText: Sendable {
        var bytes: [UInt8]
        var issue: String
    }

    @Test(
        "What is no text is named as such, with the line",
        arguments: [
            NoText(bytes: [0x61, 0x0A, 0x00], issue: "f:2:1: the file is not text: it holds the byte 0"),
            NoText(bytes: [0x7F, 0x45, 0x4C, 0x46, 0x02], issue: "f:1:1: the file is not text: it holds the byte 2"),
            NoText(bytes: [0x61, 0x0A, 0x0A, 0xC3, 0x28], issue: "f:3:1: the file is not UTF-8 on this line"),
            NoText(bytes: [0xFF, 0xFE, 0x61, 0x00], issue: "f: the file is UTF-16; save it as UTF-8"),
        ])
    func noText(row: NoText) {
        #expect(Configuration.parse(row.bytes, file: "f", environment: [:]).issues.map(\.description) == [row.issue])
    }

    @Test("An empty file, or one of comments only, shows what a file looks like", arguments: ["", "\n\n", "# nothing\n", "---\n"])
    func emptyFile(text: String) {
        let issues = parse(text).issues
        #expect(issues.count == 1)
        #expect(issues.first?.message.hasPrefix("the file is empty; a minimal one:") == true)
    }

    @Test("A file of more than one mebibyte is not read")
    func tooLarge() {
        let folder = Folder()
        folder.write("agent.yaml", String(repeating: "#", count: Configuration.sizeLimit + 1))
        let issues = Configuration.load(path: "\(folder.path)/agent.yaml", environment: [:]).issues
        #expect(issues.map(\.message) == ["is 1048577 bytes long; at most 1048576 are read"])
    }

    // MARK: Bounds

    @Test("Aliases that multiply are refused and cost no time", .timeLimit(.minutes(1)))
    func aliasBomb() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            let items = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(items)]\n"
        }
        let issues = parse(text).issues
        #expect(issues.contains { $0.message.contains("more than 100000 values") })
    }

    @Test(
        "Aliases inside keys are refused before anything hashes them", .timeLimit(.minutes(1)),
        arguments: ["? *a\n: b\n", "? [*a, *a]\n: b\n", "{[*a, *a]: b}\n", "x: {*a : b}\n", "[*a]: c\n"])
    func aliasKeys(text: String) {
        #expect(parse("a: &a [x]\n" + text).issues.map(\.message) == ["a key made of a list, a mapping or an alias has no meaning here"])
    }

    @Test(
        "Deep nesting is an error and no crash", .timeLimit(.minutes(1)),
        arguments: [
            String(repeating: "[", count: 100_000), String(repeating: "{a: ", count: 100_000), String(repeating: "- ", count: 100_000),
            "a: " + String(repeating: "[", count: 30) + String(repeating: "]", count: 30),
            String(repeating: "[", count: 900) + String(repeating: "]", count: 900),
        ])
    func deepNesting(text: String) {
        let issues = parse(text).issues
        #expect(issues.count == 1)
        #expect(issues.first?.severity == .error)
    }

    @Test("A file with thousands of errors reports a bounded number", .timeLimit(.minutes(1)))
    func manyErrors() {
        let text = (0..<5000).map { "key\($0): 1" }.joined(separator: "\n")
        #expect(parse(text).issues.count == IssueList.limit)
    }

    // MARK: Small parts

    @Test("Durations are written as they are read", arguments: ["500ms", "1s", "1m", "1h30m", "1d", "1d1ms", "2m5s"])
    func durations(text: String) {
        #expect(Durations.read(text).map(Durations.text) == text)
    }

    @Test("History goes to the machine's folder, else the user's, else a temporary one with a warning")
    func historyPath() {
        let folder = Folder()
        #expect(Surroundings.historyPath([:], machineFolder: folder.path).path == "\(folder.path)/history.db")
        func path(_ environment: [String: String]) -> (path: String, warning: String?) {
            Surroundings.historyPath(environment, machineFolder: "/nonexistent")
        }
        #expect(path(["XDG_STATE_HOME": "/s", "HOME": "/h"]).path == "/s/agent/history.db")
        #expect(path(["XDG_STATE_HOME": "relative", "HOME": "/h"]).path == "/h/.local/state/agent/history.db")
        #expect(path(["HOME": "/"]).path == "/.local/state/agent/history.db")
        #expect(path(["TMPDIR": "/t/"]).path == "/t/agent/history.db")
        #expect(path([:]).warning != nil)
    }

    @Test(
        "Each of the platform's variables tells a container",
        arguments: ["KUBERNETES_SERVICE_HOST", "WEBSITE_INSTANCE_ID", "CONTAINER_APP_NAME"])
    func container(variable: String) {
        #expect(Surroundings.isContainer([variable: "x"]))
    }

    @Test("The summary tells what a database that turns out to be serverless gets, of all checks and instances")
    func serverlessSummary() throws {
        let text = """
            identities: {app: {kind: managed_identity}, batch: {kind: managed_identity, client_id: 11111111-2222-3333-4444-555555555555}}
            targets:
              - {name: ledger, engine: azuresql, host: ledger.database.windows.net, database: ledger, identities: [app, batch]}
              - {name: billing, engine: azuresql, host: billing.database.windows.net, database: billing, identities: [app], wake: always}
            """
        let summary = ConfigurationSummary(try accepted(parse(text)), instances: 3)
        #expect(summary.targets.map(\.loginsPerDay) == [8640, 4320])
        #expect(summary.targets.map(\.serverlessLoginsPerDay) == [24, nil])
        #expect(summary.text.contains(" (if the database is serverless, 24 logins a day)"))
        #expect(summary.text.contains(" (wake: always)"))
    }

    @Test("The summary counts logins, probes and connections, for several instances too")
    func summary() throws {
        let configuration = try accepted(parse(full))
        let one = ConfigurationSummary(configuration)
        #expect(one.checks == 3)
        #expect(one.targets.map(\.loginsPerDay) == [5760, 16])
        #expect(one.peakConnections == 3)
        #expect(abs(one.probesPerMinute - (4 + 1.0 / 90)) < 1e-9)
        #expect(one.unusedIdentities == ["spare"])
        let three = ConfigurationSummary(configuration, instances: 3)
        #expect(three.targets.map(\.loginsPerDay) == [17280, 48])
        #expect(three.peakConnections == 9)
        #expect(three.text.hasSuffix("3 checks, 12 probes a minute, at most 9 connections, all for 3 instances together"))
    }
}
