// Where a server may send its client, and where not.

import Testing

@testable import TDS

@Suite struct RedirectRuleTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var from = "shop.database.windows.net"
        var to: String
        var port: UInt16 = 11001
        var transport: UInt8 = 0
        var hop = 0
        var follows: String?
        var testDescription: String { "\(from) -> \(to):\(port)" }
    }

    @Test(
        "A redirect stays within its service, goes one hop, and leads to a name",
        arguments: [
            Row(to: "ab12.tr1.eastus1-a.worker.database.windows.net", follows: "ab12.tr1.eastus1-a.worker.database.windows.net"),
            Row(to: "AB12.Worker.Database.Windows.NET.", follows: "ab12.worker.database.windows.net"),
            Row(to: "w.database.windows.net\\instance", follows: "w.database.windows.net"),
            Row(to: "shop.database.windows.net", follows: "shop.database.windows.net"),
            Row(
                from: "shop.privatelink.database.windows.net", to: "w.worker.database.windows.net", follows: "w.worker.database.windows.net"
            ),
            Row(from: "s.database.usgovcloudapi.net", to: "w.database.usgovcloudapi.net", follows: "w.database.usgovcloudapi.net"),
            Row(from: "s.database.usgovcloudapi.net", to: "w.database.windows.net"), Row(to: "w.database.windows.net", hop: 1),
            Row(to: "w.database.windows.net.evil.example"), Row(to: "evil-database.windows.net"), Row(to: "evil.example"),
            Row(to: ".database.windows.net"),
            Row(to: "10.0.0.4"), Row(to: "::1"), Row(to: ""), Row(to: "a b.database.windows.net"),
            Row(to: "w.database.windows.net", port: 0),
            Row(to: "w.database.windows.net", transport: 1), Row(to: "w.database.windows.net\u{0}.evil.example"),
            Row(from: "own.example", to: "other.example"),
            Row(from: "own.example", to: "own.example", follows: "own.example"), Row(from: "a.db.lab", to: "b.db.lab", follows: "b.db.lab"),
        ])
    func rule(row: Row) {
        decide(row, [".db.lab"])
    }

    @Test(
        "An own ending counts with and without its dot, and from two labels on",
        arguments: [
            ("db.lab", "b.db.lab", true), (".db.lab", "b.db.lab", true), ("DB.Lab.", "b.db.lab", true), ("db.lab", "b.evildb.lab", false),
            ("db.lab", "evildb.lab", false), (".", "evil.example", false), ("", "evil.example", false), ("lab", "b.evil.lab", false),
            (".lab", "b.evil.lab", false), ("..", "evil.example", false), ("*.lab", "b.evil.lab", false),
        ])
    func ownEnding(suffix: String, to: String, isFollowed: Bool) {
        decide(Row(from: "a.db.lab", to: to, follows: isFollowed ? to : nil), [suffix])
    }

    @Test("A redirect to a name that no login has room for is refused before anybody is called")
    func longName() {
        let label = String(repeating: "a", count: 60)
        decide(Row(to: "\(label).\(label).database.windows.net"), [])
    }

    private func decide(_ row: Row, _ suffixes: [String]) {
        let decision = RedirectRule(extraSuffixes: suffixes).decide(
            Route(server: row.to, port: row.port, transport: row.transport), from: row.from, hop: row.hop)
        if let name = row.follows {
            #expect(decision == .follow(host: name, port: Int(row.port)))
        } else if case .follow = decision {
            Issue.record("\(decision)")
        }
    }
}
