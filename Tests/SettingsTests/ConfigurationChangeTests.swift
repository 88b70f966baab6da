// What differs between two files, and the file that is read again.
import Diagnosis
import Foundation
import Testing

@testable import Settings

private let base = """
    identities:
      app: {kind: managed_identity}
      ops: {kind: managed_identity, client_id: 6f2c1f0e-0000-0000-0000-000000000000}
    targets:
      - {name: orders, engine: postgresql, host: orders.example, database: orders, user: o, identities: [app, ops]}
      - {name: billing, engine: postgresql, host: billing.example, database: billing, user: b, identities: [app]}
    server: {listen: ["127.0.0.1:9745"]}
    history: {path: /nonexistent/history.db}
    """

private func configuration(_ yaml: String) throws -> Configuration {
    let result = Configuration.parse(Array(yaml.utf8), file: "/etc/x/agent.yaml", environment: ["HOME": "/home/x"])
    guard case .success(let configuration, _) = result else { throw SettingsIssue(file: nil, message: "\(result.issues)") }
    return configuration
}

/// One edit of the file and what follows from it.
struct Edit: Sendable, CustomTestStringConvertible {
    var what: String
    /// Text of the file, and what stands there instead; a line of its own is added where the first is empty.
    var replacing: (String, String)
    var added: [String] = []
    var removed: [String] = []
    var changed: [String] = []
    var identities: [String] = []
    var live: [String] = []
    var restart: [String] = []

    var testDescription: String { what }

    static let all: [Edit] = [
        Edit(what: "nothing", replacing: ("", "")),
        Edit(what: "a comment", replacing: ("", "# nothing to see\n")),
        Edit(what: "a default that is written out", replacing: ("", "defaults: {interval: 60s}\n")),
        Edit(what: "a target taken out", replacing: ("  - {name: billing", "#"), removed: ["billing/app"]),
        Edit(
            what: "a target put in",
            replacing: ("server:", "  - {name: new, engine: postgresql, host: n, database: d, user: u, identities: [ops]}\nserver:"),
            added: ["new/ops"]),
        Edit(
            what: "a target renamed", replacing: ("name: billing", "name: invoices"), added: ["invoices/app"], removed: ["billing/app"]),
        Edit(what: "one identity less for a target", replacing: ("[app, ops]", "[app]"), removed: ["orders/ops"]),
        Edit(what: "another host", replacing: ("host: billing.example", "host: b2.example"), changed: ["billing/app"]),
        Edit(what: "another port", replacing: ("database: billing", "port: 6432, database: billing"), changed: ["billing/app"]),
        Edit(what: "another user", replacing: ("user: b", "user: c"), changed: ["billing/app"]),
        Edit(what: "another interval", replacing: ("user: b", "user: b, interval: 30s"), changed: ["billing/app"]),
        Edit(
            what: "another interval for all", replacing: ("", "defaults: {interval: 30s}\n"),
            changed: ["orders/app", "orders/ops", "billing/app"]),
        Edit(
            what: "rights to look at", replacing: ("user: b", "user: b, privileges: {require: [connect]}"), changed: ["billing/app"]),
        Edit(
            what: "another selector of an identity", replacing: ("6f2c1f0e", "7f2c1f0e"), changed: ["orders/ops"], identities: ["ops"]),
        Edit(
            what: "another cloud", replacing: ("", "cloud: china\n"), changed: ["orders/app", "orders/ops", "billing/app"],
            identities: ["app", "ops"], live: ["cloud"]),
        Edit(
            what: "other name servers", replacing: ("", "dns: {servers: [\"10.0.0.4\"]}\n"),
            changed: ["orders/app", "orders/ops", "billing/app"], live: ["dns.servers"]),
        Edit(what: "the cap", replacing: ("", "limits: {concurrency: 8}\n"), live: ["limits.concurrency"]),
        Edit(what: "the log", replacing: ("", "log: {level: debug, format: json}\n"), live: ["log.level", "log.format"]),
        Edit(what: "names of the web side", replacing: ("server: {", "server: {hosts: [a.example], "), live: ["server.hosts"]),
        Edit(what: "the port", replacing: ("127.0.0.1:9745", "127.0.0.1:9746"), restart: ["server.listen"]),
        Edit(
            what: "history", replacing: ("/nonexistent/history.db", "/nonexistent/other.db, keep: {detail: 2d}, max_size: 1GiB"),
            restart: ["history.path", "history.keep", "history.max_size"]),
    ]
}

@Suite(.timeLimit(.minutes(1))) struct ConfigurationChangeTests {
    @Test("Every edit changes exactly what it says", arguments: Edit.all)
    func edits(row: Edit) throws {
        let old = try configuration(base)
        let text = row.replacing.0.isEmpty ? base + "\n" + row.replacing.1 : base.replacing(row.replacing.0, with: row.replacing.1)
        let new = try configuration(text)
        let change = ConfigurationChange(from: old, to: new)
        #expect(change.checks.added.map(\.description) == row.added)
        #expect(change.checks.removed.map(\.description) == row.removed)
        #expect(change.checks.changed.map(\.description) == row.changed)
        #expect(change.identities.changed == row.identities)
        #expect(change.live == row.live)
        #expect(change.needsRestart == row.restart)
        let all = Set(new.targets.flatMap(\.checks).map(\.description))
        #expect(Set(change.checks.unchanged.map(\.description)) == all.subtracting(row.added + row.changed))
        #expect(change.isEmpty == (row.added + row.removed + row.changed + row.live + row.restart).isEmpty)
        let running = Configuration.running(after: old, adopting: new)
        #expect(running.server.listen == old.server.listen && running.history == old.history)
        #expect(running.targets == new.targets && running.log == new.log && running.limits == new.limits)
        #expect(ConfigurationChange(from: running, to: new).needsRestart == row.restart, "what waits for a restart goes on waiting")
    }

    // MARK: The file

    private func folder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("settings-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    private func isGood(_ result: ConfigurationResult?) -> Bool? {
        result.map { if case .success = $0 { true } else { false } }
    }

    @Test("A file is read again when its content is another one, and only then")
    func readsAgain() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("agent.yaml").path
        try base.write(toFile: path, atomically: true, encoding: .utf8)
        let file = ConfigurationFile(path: path, environment: ["HOME": "/home/x"])
        #expect(isGood(file.read()) == true)
        #expect(isGood(await file.look()) == nil)
        try base.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(isGood(await file.look()) == nil, "another file with the same content")
        #expect(isGood(await file.look(isForced: true)) == true, "unless somebody insists")
        try (base + "\nlog: {level: debug}\n").write(toFile: path, atomically: true, encoding: .utf8)
        #expect(isGood(await file.look()) == true)
    }

    /// One way in which a file becomes useless.
    struct Damage: Sendable, CustomTestStringConvertible {
        var what: String
        var says: String
        var make: @Sendable (String) throws -> Void
        var testDescription: String { what }

        init(_ what: String, says: String, _ make: @escaping @Sendable (String) throws -> Void) {
            (self.what, self.says, self.make) = (what, says, make)
        }

        init(_ what: String, says: String, bytes: [UInt8]) {
            self.init(what, says: says) { try Data(bytes).write(to: URL(fileURLWithPath: $0)) }
        }

        static let all: [Damage] = [
            Damage("empty", says: "agent.yaml: the file is empty", bytes: []),
            Damage("blank", says: "agent.yaml: the file is empty", bytes: Array("\n\n# nothing\n".utf8)),
            Damage("cut in the middle", says: "agent.yaml:6:1: not valid YAML", bytes: Array(base.utf8.prefix(200))),
            Damage("binary", says: "agent.yaml:2:1: the file is not text", bytes: Array("cloud: public\n\u{0}\u{1}".utf8)),
            Damage("no UTF-8", says: "agent.yaml:1:1: the file is not UTF-8", bytes: [0x61, 0x3A, 0x20, 0xC3, 0x28, 0x0A]),
            Damage("huge", says: "at most 1048576 are read", bytes: Array(repeating: 0x23, count: (1 << 20) + 1)),
            Damage(
                "wrongly typed", says: "agent.yaml:1:10: targets: must be a list",
                bytes: Array("targets: {a: b}\nidentities: {app: {kind: managed_identity}}".utf8)),
            Damage("gone", says: "there is no such file") { try FileManager.default.removeItem(atPath: $0) },
            Damage("a folder", says: "is a directory") {
                try FileManager.default.removeItem(atPath: $0)
                try FileManager.default.createDirectory(atPath: $0, withIntermediateDirectories: true)
            },
            Damage("a link to nowhere", says: "there is no such file") {
                try FileManager.default.removeItem(atPath: $0)
                try FileManager.default.createSymbolicLink(atPath: $0, withDestinationPath: "/nonexistent/file")
            },
            Damage("a pipe", says: "is no regular file") {
                try FileManager.default.removeItem(atPath: $0)
                _ = unsafe mkfifo($0, 0o600)
            },
        ]
    }

    @Test("A file that becomes useless is found, said with its place, and found again when it is right", arguments: Damage.all)
    func damage(row: Damage) async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("agent.yaml").path
        try base.write(toFile: path, atomically: true, encoding: .utf8)
        let file = ConfigurationFile(path: path, environment: ["HOME": "/home/x"])
        #expect(isGood(file.read()) == true)
        try row.make(path)
        let result = await file.look()
        #expect(isGood(result) == false)
        #expect(result?.issues.first.map { "\($0)".contains(row.says) } == true, "\(result?.issues.map(\.description) ?? [])")
        #expect(isGood(await file.look()) == nil, "told once")
        try? FileManager.default.removeItem(atPath: path)
        try base.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(isGood(await file.look()) == true)
    }

    @Test("A refused file is read again although it stays the same, and speaks up only when there is something new to say")
    func namedFileComes() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let (path, authority) = (folder.appendingPathComponent("agent.yaml").path, folder.appendingPathComponent("ca.pem").path)
        try base.replacing("user: b", with: "user: b, tls: {ca_file: \"\(authority)\"}").write(
            toFile: path, atomically: true, encoding: .utf8)
        let file = ConfigurationFile(path: path, environment: ["HOME": "/home/x"], retry: .zero)
        #expect(isGood(file.read()) == false)
        for _ in 1...3 { #expect(isGood(await file.look()) == nil, "the same refusal is no news") }
        #expect(isGood(await file.look(isForced: true)) == false, "unless somebody asks")
        try "no certificate".write(toFile: authority, atomically: true, encoding: .utf8)
        let other = await file.look()
        #expect(other?.issues.contains { $0.message.contains("holds no certificate") } == true, "another reason is news")
        #expect(isGood(await file.look()) == nil)
        try "-----BEGIN CERTIFICATE-----".write(toFile: authority, atomically: true, encoding: .utf8)
        #expect(isGood(await file.look()) == true, "the file itself has not changed")
        #expect(isGood(await file.look()) == nil, "good, and told")
        #expect(isGood(await file.look(isForced: true)) == true)
    }

    @Test("A ConfigMap that swaps its link is found")
    func linkSwap() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        for (version, text) in [("v1", base), ("v2", base + "\nlog: {level: debug}\n")] {
            let data = folder.appendingPathComponent(version)
            try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
            try text.write(to: data.appendingPathComponent("agent.yaml"), atomically: true, encoding: .utf8)
        }
        func link(_ name: String, to target: String) throws {
            try FileManager.default.createSymbolicLink(
                atPath: folder.appendingPathComponent(name).path, withDestinationPath: target)
        }
        try link("..data", to: "v1")
        try link("agent.yaml", to: "..data/agent.yaml")
        let file = ConfigurationFile(path: folder.appendingPathComponent("agent.yaml").path, environment: ["HOME": "/home/x"])
        #expect(isGood(file.read()) == true)
        try link("..new", to: "v2")
        #expect(unsafe rename(folder.appendingPathComponent("..new").path, folder.appendingPathComponent("..data").path) == 0)
        guard case .success(let configuration, _)? = await file.look() else {
            Issue.record("the swap was not found")
            return
        }
        #expect(configuration.log.level == .debug)
    }

    @Test("A file that another one was found before is not looked for elsewhere, and none at all is looked for everywhere")
    func search() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let system = folder.appendingPathComponent("system.yaml").path
        let local = folder.appendingPathComponent("agent.yaml").path
        let file = ConfigurationFile(path: nil, environment: ["HOME": "/home/x"], directory: folder.path, systemFile: system)
        #expect(isGood(file.read()) == false)
        try base.write(toFile: system, atomically: true, encoding: .utf8)
        #expect(isGood(await file.look()) == true)
        try base.write(toFile: local, atomically: true, encoding: .utf8)
        try (base + "\ncloud: china\n").write(toFile: local, atomically: true, encoding: .utf8)
        #expect(isGood(await file.look()) == nil, "the file that was found first is the one")
        #expect(file.path == system)
    }
}
