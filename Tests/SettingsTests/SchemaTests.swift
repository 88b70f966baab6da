// The effective configuration reads back as itself, and the JSON Schema says of a file what reading it says.
import Diagnosis
import Foundation
import Testing

@testable import Settings

private let everything = """
    cloud: usgovernment
    dns: {servers: ["10.0.0.4:5353", "[fd00::4]:53"]}
    defaults: {interval: 1h30m, timeout: 20s}
    identities:
      app:       {kind: managed_identity}
      reporting: {kind: managed_identity, client_id: 6F2C1F0E-0000-0000-0000-000000000000}
      object:    {kind: managed_identity, object_id: 6f2c1f0e-0000-0000-0000-000000000001}
      "on":
        kind: managed_identity
        resource_id: /subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n
    targets:
      - name: orders
        engine: postgresql
        host: orders.postgres.database.usgovcloudapi.net
        port: 6432
        database: "or\\"ders # 1"
        user: aad_orders
        identities: [app, reporting]
        interval: 30s
        timeout: 5s
        privileges:
          require:
            - connect
            - {on: "all tables in schema public", grants: [select, INSERT], name: app.writes}
            - {on: 'sequence public."Q r"', grants: [all]}
            - {on: "function sales.total(int, text)", grants: [execute]}
          deny: [superuser, {on: "table audit.log", grants: [update, delete]}]
      - {name: billing, engine: azuresql, host: billing.database.windows.net, database: billing, identities: [app], wake: {budget: 6 per day}}
      - {name: ledger, engine: azuresql, host: ledger.database.windows.net, database: ledger, identities: [app], wake: never}
      - {name: "12", engine: postgresql, host: 10.1.2.3, database: "2026-11-22", user: "o'brien@contoso.example", identities: ["on"]}
    server:  {listen: ["127.0.0.1:9745", "[::1]:0"], hosts: [Agent.Example], socket: off}
    history: {path: data/history.db, keep: {detail: 2d, failures: 30d, daily: 800d}, max_size: 512MiB}
    limits:  {concurrency: 8}
    log:     {level: debug, format: json}
    """

private func parse(_ text: String) throws -> Configuration {
    let result = Configuration.parse(Array(text.utf8), file: "/etc/x/agent.yaml", environment: ["HOME": "/home/x"])
    guard case .success(let configuration, _) = result else { throw SettingsIssue(file: nil, message: "\(result.issues)\n\(text)") }
    return configuration
}

extension YAMLValue {
    /// As a validator of JSON sees the file.
    fileprivate var asJSON: JSON {
        switch content {
        case .list(let items): return .array(items.map(\.asJSON))
        case .mapping(let entries): return .object(entries.map { JSON.Member(key: $0.key, value: $0.value.asJSON) })
        case .scalar(let scalar):
            switch scalar.kind {
            case .null: return .null
            case .boolean: return .bool(["true", "yes", "on"].contains(scalar.text.lowercased()))
            case .number: return Int64(scalar.text).map { .integer($0) } ?? .number(Double(scalar.text) ?? 0.5)
            case .text: return .string(scalar.text)
            }
        }
    }
}

@Suite(.timeLimit(.minutes(2))) struct SchemaTests {
    @Test(
        "What config show prints reads back as the same configuration",
        arguments: [everything, Configuration.minimalFile, "identities: {app: {kind: managed_identity}}\ntargets: []\n"])
    func readsBack(text: String) throws {
        let configuration = try parse(text)
        let effective = EffectiveConfiguration(configuration, text: Array(text.utf8))
        for shown in [effective.yaml, effective.json.pretty] {
            let again = try parse(shown)
            #expect(again.targets == configuration.targets)
            #expect(again.identities == configuration.identities)
            #expect(again.nameServers == configuration.nameServers)
            #expect(again.cloud == configuration.cloud)
            #expect(again.defaults == configuration.defaults)
            #expect(again.server.listen == configuration.server.listen && again.server.hosts == configuration.server.hosts)
            #expect(again.server.socket?.path == configuration.server.socket?.path)
            #expect(again.history.path == configuration.history.path && again.history.keep == configuration.history.keep)
            #expect(again.history.maximumSize == configuration.history.maximumSize)
            #expect(again.limits == configuration.limits && again.log == configuration.log)
            #expect(ConfigurationChange(from: configuration, to: again).isEmpty)
            #expect(EffectiveConfiguration(again).yaml == EffectiveConfiguration(configuration).yaml)
        }
    }

    @Test("What the file does not give is marked, and only that")
    func origins() throws {
        let text = "defaults: {interval: 30s}\n" + Configuration.minimalFile
        let lines = EffectiveConfiguration(try parse(text), text: Array(text.utf8)).yaml.split(separator: "\n").map(String.init)
        #expect(lines.contains("cloud: public  # default"))
        #expect(lines.contains("  interval: 30s"))
        #expect(lines.contains("  timeout: 15s  # default"))
        #expect(lines.contains("    port: 5432  # default"))
        #expect(lines.contains("    host: orders.postgres.database.azure.com"))
        #expect(lines.contains("    interval: 30s  # of defaults"))
        #expect(lines.contains("    identities: [app]"))
        #expect(lines.contains { $0.hasPrefix("  path: /") && $0.hasSuffix("  # default, by what is writable here") })
    }

    /// What Debian's validator says of each document. **Throws**: when it cannot be run or calls the schema itself wrong.
    private func validate(_ documents: [JSON]) throws -> [Bool] {
        let program = [
            "import json, sys", "from jsonschema import Draft202012Validator as Validator", "given = json.load(sys.stdin)",
            "Validator.check_schema(given['schema'])", "validator = Validator(given['schema'])",
            "print(json.dumps([validator.is_valid(document) for document in given['documents']]))",
        ].joined(separator: "\n")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        process.arguments = ["-c", program]
        let (input, output) = (Pipe(), Pipe())
        (process.standardInput, process.standardOutput) = (input, output)
        try process.run()
        let document: JSON = ["schema": ConfigurationSchema.json, "documents": JSON.array(documents)]
        try input.fileHandleForWriting.write(contentsOf: Data(document.compact.utf8))
        try input.fileHandleForWriting.close()
        let answer = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "python3-jsonschema is needed")
        return try JSONDecoder().decode([Bool].self, from: answer)
    }

    @Test("The schema accepts good files, also as config show prints them")
    func good() throws {
        let texts = [everything, Configuration.minimalFile, "identities: {app: {kind: managed_identity}}\ntargets: []\n"]
        var documents = try texts.map { try #require(YAMLDocument.read($0).root).asJSON }
        documents += try texts.map { EffectiveConfiguration(try parse($0)).json }
        #expect(try validate(documents) == Array(repeating: true, count: documents.count))
    }

    /// Mistakes that take more than the shape of a file to see: what belongs together, what exists, what a text means.
    static let beyondShapes: Set<String> = [
        "no user", "azuresql user", "wake elsewhere", "azuresql createdb", "azuresql maintain",
        "mysql bypassrls", "mysql maintain", "mysql name", "mysql sequence", "server.socket, a directory", "server.socket, the history",
        "server.socket, too long",
        "a bare IPv6 listener", "a database of 64 bytes", "a database with a zero byte", "a host rule with a port", "a listener by name",
        "a listener twice", "a listener without a port", "a listener without an address", "a name server at a port too high",
        "a name server at port 0", "a name server by name", "a timeout of half a second", "a timeout of three minutes",
        "a trust file that is a directory", "a trust file that is no certificate", "a trust file that is not there", "a user of 64 bytes",
        "a user with a blank behind", "a user with a line break", "an IPv6 name server without its bracket", "an identity listed twice",
        "an unknown identity, with a guess", "history in a directory", "history.keep, too long", "history.keep, too short",
        "history.max_size, too large", "history.max_size, too small", "host -db.example", "host 300.1.1.1", "host [::1]",
        "host aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example", "host db!.example", "host db..example",
        "host db.example.", "host db.example:5432", "host db.example:x", "host dätabase.example", "interval 25h", "interval 500ms",
        "rights: a misspelt word", "rights: a name twice", "rights: a right of another kind", "rights: a right twice",
        "rights: a right without an object", "rights: a table without a schema", "rights: too many", "targets without identities",
        "two targets of one name",
    ]

    @Test("The schema refuses every bad file whose mistake is one of shape")
    func bad() throws {
        let rows = BadFile.all.filter { row in row.issues.contains { !$0.contains(": warning: ") } }
        let read = rows.compactMap { row -> (String, JSON)? in
            let outcome = YAMLDocument.read(row.yaml)
            guard outcome.problems.isEmpty, let root = outcome.root else { return nil }
            return (row.what, root.asJSON)
        }
        let verdicts = try validate(read.map(\.1))
        #expect(read.count > 60, "the table was read")
        let accepted = Set(zip(read.map(\.0), verdicts).filter(\.1).map(\.0))
        #expect(accepted == Self.beyondShapes, "\(accepted.symmetricDifference(Self.beyondShapes).sorted())")
    }

    /// A span as a number, because it can be written in several ways.
    private static func meaning(_ value: JSON?) -> JSON? {
        if case .string(let text)? = value, let duration = Durations.read(text) { duration.json } else { value }
    }

    @Test("Every default of the table is the one that reading a file without the key gives")
    func defaults() throws {
        let shown = EffectiveConfiguration(try parse(Configuration.minimalFile)).json
        func value(_ path: String) -> JSON? {
            path.split(separator: ".").reduce(shown as JSON?) { json, key in
                guard case .object(let members)? = json else { return nil }
                return members.first { $0.key == key }?.value
            }
        }
        var count = 0
        func visit(_ keys: [ShapeKey], _ path: String) {
            for key in keys {
                let inner = path.isEmpty ? key.name : "\(path).\(key.name)"
                if let fallback = key.fallback {
                    count += 1
                    #expect(Self.meaning(value(inner)) == Self.meaning(fallback), "\(inner)")
                }
                if case .mapping(let inside, _, _) = key.shape { visit(inside, inner) }
            }
        }
        visit(ConfigurationShape.root, "")
        #expect(count >= 13)
    }
}
