// Drivers written by others against the lab's server, and our client beside them in the same run.

import Diagnosis
import Foundation
import Subprocess
import Testing

@testable import Lab
@testable import TDS

/// A driver and how it is asked to encrypt.
struct Driver: Sendable, CustomTestStringConvertible {
    var name: String
    var mode = "mandatory"
    var testDescription: String { "\(name), \(mode)" }

    static let all = [Driver(name: "odbc"), Driver(name: "odbc", mode: "strict"), Driver(name: "tds")]
}

@Suite(.timeLimit(.minutes(1))) struct DriverTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    private static let python = folder.appending(path: "../../.build-drivers/bin/python").standardized.path

    struct Answer: Decodable {
        var failed: String?
        var one: [[Int]]?
        var types: [[Cell]]?
        var fixed: [[Cell]]?
        var old: [[Cell]]?
        var wide: [Int]?
        var many: Int?
        var parameters: [[Cell]]?
        var error: String?
        var issuer: [String]?
        var after: [[Int]]?
    }

    /// A value of JSON as text, null as nil.
    struct Cell: Decodable, Equatable {
        var text: String?
        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                text = nil
            } else if let flag = try? container.decode(Bool.self) {
                text = flag ? "1" : "0"
            } else if let number = try? container.decode(Int64.self) {
                text = String(number)
            } else {
                text = try container.decode(String.self)
            }
        }
    }

    private func drive(_ driver: Driver, _ bench: Bench, port: Int? = nil, token: String) async throws -> Answer {
        #expect(
            FileManager.default.isExecutableFile(atPath: Self.python),
            "the drivers are not installed: Tests/TDSTests/Drivers/install installs them")
        let result = try await run(
            .name("env"),
            arguments: [
                Self.python, Self.folder.appending(path: "Drivers/drive.py").path, driver.name, String(port ?? bench.server.port),
                bench.folder.path + "/ca.pem",
                driver.mode,
            ], input: .string(token), output: .string(limit: 1_000_000), error: .string(limit: 100_000))
        let output = result.standardOutput
        do {
            return try JSONDecoder().decode(Answer.self, from: Data(output.utf8))
        } catch {
            Issue.record("\(driver): \(output) \(result.standardError)")
            throw error
        }
    }

    /// A server that admits the lab's principals, and a token for one of them.
    private func bench(_ change: (inout AzureSQLScript) -> Void = { _ in }) async throws -> (Bench, String) {
        let issuer = try TokenIssuer()
        var script = AzureSQLScript.standard()
        script.admit = AzureSQLScript.gate(issuer, principals: Principal.standard)
        change(&script)
        let issued = try issuer.issue(to: Principal.standard[0], TokenIssuer.Request(audience: "https://database.windows.net/"))
        return (try await Bench(script), issued.token.reveal { $0 })
    }

    @Test("Drivers of others log in with a token, read every type, send parameters and get errors", arguments: Driver.all)
    func everything(driver: Driver) async throws {
        let (bench, token) = try await bench()
        let answer = try await drive(driver, bench, token: token)
        #expect(answer.failed == nil)
        #expect(answer.one == [[1]])
        #expect(answer.after == [[1]])
        #expect(answer.wide == [18_000])
        #expect(answer.many == 3_000)
        #expect(answer.parameters?.map { $0.map(\.text) } == [["42", "x"]])
        #expect(answer.error?.contains("The SELECT permission was denied on the object 'x'.") == true)
        #expect(bench.server.logins.map(\.isStrict) == [driver.mode == "strict"])
        #expect(bench.server.logins.first?.token?.reveal { $0 } == token)

        // Our client in the same run, against the same server: the same values.
        let connection = try await TDSConnection.connect(
            to: bench.target, token: TDSAccessToken(token),
            options: bench.options { $0.encryption = driver.mode == "strict" ? .strict : .mandatory },
            until: .now + .seconds(20))
        var seen: Set<DataType> = []
        for (statement, answers, count) in [("lab types", answer.types, 4), ("lab fixed", answer.fixed, 1), ("lab old", answer.old, 4)] {
            let ours = try await connection.query(statement, until: .now + .seconds(10))
            let theirs = try #require(answers)
            #expect(theirs.count == count && ours.rows.count == count)
            // Pairs beyond the shorter of two lists would not be compared.
            try #require(ours.sets.count == 1 && theirs.map(\.count) == ours.rows.map(\.count))
            try #require(ours.rows.allSatisfy { $0.count == ours.sets[0].columns.count && $0.count > 5 })
            for (row, values) in zip(theirs, ours.rows) {
                #expect(row.count == values.count)
                for (cell, (value, column)) in zip(row, zip(values, ours.sets[0].columns)) {
                    // A datetimeoffset within a sql_variant is given by ODBC as text.
                    let isText = column.name == "sql_variant of datetimeoffset" && driver.name == "odbc"
                    #expect(cell.text == (isText && !value.isNull ? value.description : Self.asPython(value)), "\(column.name)")
                    seen.insert(column.type.type)
                }
            }
        }
        // A type of its own for NULL alone is what servers of the last century sent for a bare NULL.
        // CLR types have no form that two clients would agree on: `ValueTests` reads them by the format's rules.
        #expect(seen == Set(DataType.allCases).subtracting([.null, .userDefined]))
        await connection.close()
        await bench.stop()
    }

    @Test(
        "Microsoft's Rust core logs in with a token, and by asking for the issuer first",
        arguments: [Driver(name: "core"), Driver(name: "entra")])
    func core(driver: Driver) async throws {
        let (bench, token) = try await bench()
        let answer = try await drive(driver, bench, token: token)
        #expect(answer.failed == nil)
        #expect(answer.one == [[1]])
        #expect(bench.server.logins.last?.token?.reveal { $0 } == token)
        if driver.name == "entra" {
            #expect(answer.issuer == ["https://database.windows.net/", "https://login.windows.net/\(Principal.tenant)"])
            #expect(bench.server.logins.map(\.asksForIssuer) == [true, true])
        }
        await bench.stop()
    }

    @Test("Drivers of others follow a redirect, and so does ours", arguments: [Driver(name: "odbc"), Driver(name: "tds")])
    func redirect(driver: Driver) async throws {
        let (worker, token) = try await bench()
        var script = AzureSQLScript.standard()
        script.route = Route(server: "localhost", port: UInt16(worker.server.port))
        let gateway = try await AzureSQLServer.start(script: script, certificate: worker.authority.issue(names: AzureSQLServer.names))
        let answer = try await drive(driver, worker, port: gateway.port, token: token)
        #expect(answer.failed == nil)
        #expect(answer.one == [[1]])
        #expect(gateway.logins.count == 1)
        #expect(worker.server.logins.count == 1)
        let target = TDSTarget(host: "localhost", port: gateway.port, database: "appdb")
        let connection = try await TDSConnection.connect(
            to: target, token: TDSAccessToken(token), options: worker.options(), until: .now + .seconds(20))
        #expect(try await connection.query("select 1", until: .now + .seconds(10)).rows == [[1]])
        #expect(connection.facts.redirectedTo == "localhost:\(worker.server.port)")
        await connection.close()
        await gateway.stop()
        await worker.stop()
    }

    @Test(
        "A token of nobody the server knows is refused, and everybody hears the number",
        arguments: [Driver(name: "odbc"), Driver(name: "tds")])
    func unknown(driver: Driver) async throws {
        let (bench, token) = try await bench { script in
            script.admit = { _ in
                [TDSServerMessage(number: 18456, state: 1, class: 14, text: "Login failed for user '<token-identified principal>'.")]
            }
        }
        let answer = try await drive(driver, bench, token: token)
        #expect(answer.failed?.contains("Login failed for user '<token-identified principal>'.") == true)
        #expect(try await bench.refusal().message?.number == 18456)
        await bench.stop()
    }

    /// As `drive.py` prints a value: ISO 8601, microseconds, no trailing fraction of nothing.
    private static func asPython(_ value: TDSValue) -> String? {
        func clock(_ time: TDSTime) -> String {
            let micro = time.ticks / 10 * 10
            return TDSTime(ticks: micro, scale: micro % TDSTime.ticksPerSecond == 0 ? 0 : 6).description
        }
        return switch value {
        case .null: nil
        case .time(let time): clock(time)
        case .timestamp(let moment): "\(moment.date)T\(clock(moment.time))"
        case .offsetTimestamp(let moment): "\(moment.local.date)T\(clock(moment.local.time))\(moment.description.suffix(6))"
        default: value.description
        }
    }
}
