// The examples in the documentation of the client, as the compiler reads them.

import Foundation
import TDS
import Testing

@Suite struct DocumentationTests {
    // MARK: Never called: they stand here to be compiled.

    private static func login(jwt: String) async throws {
        let trust = try await TDSTrust.load(.system)  // once
        let target = TDSTarget(host: "billing.database.windows.net", database: "billing")
        let connection = try await TDSConnection.connect(
            to: target, token: TDSAccessToken(jwt), options: TDSOptions(trust: trust), until: .now + .seconds(15))
        let result = try await connection.query("SELECT name FROM sys.schemas", until: .now + .seconds(5))
        for row in result.rows { print(row[0]) }
        await connection.close()
    }

    private static func parameters(_ connection: TDSConnection, name: String, deadline: ContinuousClock.Instant) async throws {
        let found = try await connection.execute(
            "SELECT HAS_PERMS_BY_NAME(@object, 'OBJECT', 'SELECT') AS may", [TDSParameter("object", .text(name))], until: deadline)
        if found.sets.first?[0, "may"]?.boolean == true { print("may read \(name)") }
    }

    private static func connecting(_ target: TDSTarget) async throws {
        let trust = try await TDSTrust.load(.systemAnd(files: ["/etc/ssl/corp.pem"]))
        var options = TDSOptions(trust: trust)
        options.applicationName = "orders-import"
        options.limits.rows = 100_000
        options.limits.value = 16 * 1024 * 1024
        options.limits.reply = 64 * 1024 * 1024
        let greeting = try await TDSConnection.greet(target, options: options, until: .now + .seconds(10))
        print(greeting.facts.preloginVersion ?? "unknown", greeting.facts.tlsVersion ?? "unknown")
        let issuer = try await TDSConnection.issuer(of: target, options: options, until: .now + .seconds(10))
        print("tokens of \(issuer.tenant ?? "nobody") for \(issuer.resource ?? "nothing")")
    }

    private static func redirected(_ connection: TDSConnection) {
        if let place = connection.facts.redirectedTo { print("the gateway sent us to \(place)") }
        for step in connection.timings where step.hop == 1 { print("\(step.phase.rawValue): \(step.duration)") }
    }

    private static func failures(_ target: TDSTarget, _ token: TDSAccessToken, _ options: TDSOptions) async {
        do {
            let connection = try await TDSConnection.connect(to: target, token: token, options: options, until: .now + .seconds(15))
            await connection.close()
        } catch {
            switch error.cause {
            case .loginRefused: print("the server says no: \(error.message?.number ?? 0), state \(error.message?.state ?? 0)")
            case .certificateUntrusted, .certificateExpired, .certificateNameMismatch: print("not trusted, and no token was sent")
            case .timedOut: print("no answer in \(error.phase.rawValue)")
            default: print(error)
            }
            for step in error.timings { print("\(step.phase.rawValue) took \(step.duration)") }
        }
    }

    private static func failedStatement(_ connection: TDSConnection) async throws {
        do {
            _ = try await connection.query("SELECT 1 FROM dbo.gone", until: .now + .seconds(5))
        } catch {
            guard error.cause == .requestFailed else { throw error }
            print(error.messages.map { "\($0.number): \($0.text)" })
        }
    }

    private static func givingUp(_ connection: TDSConnection) async throws -> TDSResult {
        // A task of its own, so that somebody else can give it up; `cancel` ends it.
        let work = Task { try await connection.query("SELECT COUNT_BIG(*) FROM dbo.huge", until: .now + .seconds(600)) }
        work.cancel()
        _ = await work.result
        let next = try await connection.query("SELECT 1", until: .now + .seconds(5))
        return next
    }

    private static func values(_ result: TDSResult) {
        for column in result.sets[0].columns { print(column.name, column.declared, column.isNullable) }
        for row in result.rows {
            let price = row[0].decimal?.description ?? "none"
            let day = row[1].date?.parts
            let minute = row[1].time.map { $0.hour * 60 + $0.minute }
            let picture = row[2].bytes ?? []
            print(price, day?.year ?? 0, minute ?? 0, picture.count, row[3].identifier?.description ?? "none", row[4].double ?? 0)
        }
    }

    // MARK: The comparison

    private static func words(_ line: some StringProtocol) -> String { line.split(separator: " ").joined(separator: " ") }

    /// The lines of the examples of a text; those of a comment without its slashes.
    private static func examples(of text: String, inComments: Bool) -> [String] {
        var lines: [String] = []
        var isWithin = false
        for line in text.split(separator: "\n") {
            guard !inComments || line.hasPrefix("///") else { continue }
            let text = words(inComments ? line.dropFirst(3) : line[...])
            if text.hasPrefix("```") { isWithin.toggle() } else if isWithin { lines.append(text) }
        }
        #expect(!isWithin)
        return lines
    }

    @Test("Every example of the client is one of those above, line by line")
    func examples() throws {
        let here = URL(filePath: #filePath)
        let sources = here.deletingLastPathComponent().appending(path: "../../Sources/TDS").standardized
        // A comment at the end of a line is the example's own.
        let written = try String(contentsOf: here, encoding: .utf8).split(separator: "\n").map(Self.words)
        let compiled = Set(written + written.map { $0.replacing(#/ \/\/ .*/#, with: "") })
        var pages = [("TDSConnection.swift", 10)]
        for page in try FileManager.default.contentsOfDirectory(atPath: sources.appending(path: "TDS.docc").path) {
            pages.append(("TDS.docc/\(page)", 7))
        }
        #expect(pages.count == 5)
        for (page, least) in pages {
            let text = try String(contentsOf: sources.appending(path: page), encoding: .utf8)
            let lines = Self.examples(of: text, inComments: page.hasSuffix(".swift"))
            for line in lines { #expect(compiled.contains(line), "\(page): \(line)") }
            #expect(lines.count >= least, "\(page)")
        }
    }
}
