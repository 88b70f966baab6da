// The examples in the documentation of the client, as the compiler reads them.

import Foundation
import TDS
import Testing

@Suite struct DocumentationTests {
    /// Never called: it stands here to be compiled.
    private static func login(jwt: String) async throws {
        let trust = try await TDSTrust.load(.system)  // once
        let target = TDSTarget(host: "billing.database.windows.net", database: "billing")
        let connection = try await TDSConnection.connect(
            to: target, token: TDSAccessToken(jwt), options: TDSOptions(trust: trust), until: .now + .seconds(15))
        let result = try await connection.query("SELECT name FROM sys.schemas", until: .now + .seconds(5))
        for row in result.rows { print(row[0]) }
        await connection.close()
    }

    /// Never called either.
    private static func parameters(_ connection: TDSConnection, name: String, deadline: ContinuousClock.Instant) async throws {
        let found = try await connection.execute(
            "SELECT HAS_PERMS_BY_NAME(@object, 'OBJECT', 'SELECT') AS may", [TDSParameter("object", .text(name))], until: deadline)
        if found.sets.first?[0, "may"]?.boolean == true { print("may read \(name)") }
    }

    private static func words(_ line: some StringProtocol) -> String { line.split(separator: " ").joined(separator: " ") }

    @Test("Every example of the client is one of those above, line by line")
    func examples() throws {
        let here = URL(filePath: #filePath)
        let source = here.deletingLastPathComponent().appending(path: "../../Sources/TDS/TDSConnection.swift")
        let compiled = Set(try String(contentsOf: here, encoding: .utf8).split(separator: "\n").map(Self.words))
        var isWithin = false
        var count = 0
        for line in try String(contentsOf: source, encoding: .utf8).split(separator: "\n") where line.hasPrefix("///") {
            let text = Self.words(line.dropFirst(3))
            if text.hasPrefix("```") {
                isWithin.toggle()
                continue
            }
            guard isWithin else { continue }
            #expect(compiled.contains(text), "\(text)")
            count += 1
        }
        #expect(count >= 10)
        #expect(!isWithin)
    }
}
