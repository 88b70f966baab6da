// The clients that a probe is compared with: each makes a new connection for every round, with the probe's own statement, token and trust.
import Diagnosis
import FoundationEssentials
import Probes

/// A program of others that connects, asks and closes in a loop.
enum ProbePeer: String, Sendable {
    case pgbench = "pgbench -C"
    case libmariadb = "libmariadb in C"
    /// Microsoft's ODBC driver 18 for SQL Server, within its package for Python.
    case microsoft = "mssql-python"
    case pythonTDS = "python-tds"

    /// Those of an engine, the one that a bar is set by first.
    static func all(of engine: Engine) -> [ProbePeer] {
        switch engine {
        case .postgresql: [.pgbench]
        case .mysql: [.libmariadb]
        case .azuresql: [.microsoft, .pythonTDS]
        }
    }
}

/// Runs peers against the server of a lab.
struct PeerRun: Sendable {
    var lab: LabFacts
    var connections: Int
    var seconds: Int
    var scratch: String
    var drivers: Drivers?

    private var target: LabFacts.Entry { lab.targets[0] }

    func load(of peer: ProbePeer) async throws -> Load {
        switch peer {
        case .pgbench: try await pgbench()
        case .libmariadb: try await libmariadb()
        case .microsoft: try await python("odbc")
        case .pythonTDS: try await python("tds")
        }
    }

    private func pgbench() async throws -> Load {
        let script = scratch + "/question.sql"
        try Data("\(PostgresProbe.question);\n".utf8).write(to: URL(filePath: script))
        let place = "host=\(target.host) hostaddr=\(lab.address) port=\(target.port) dbname=\(target.database) user=\(target.user)"
        let before = Usage.children
        let output = try await Program.run(
            [
                "pgbench", "--no-vacuum", "--connect", "--client=\(connections)", "--jobs=\(connections)", "--time=\(seconds)",
                "--file=\(script)",
                "\(place) sslmode=verify-full sslrootcert=\(lab.caFile)",
            ], environment: ["PGPASSWORD": lab.token])
        let cpu = Usage.children - before
        var count: Int?
        var rate: Double?
        for line in output.split(separator: "\n") {
            if line.hasPrefix("number of transactions actually processed:") { count = line.split(separator: " ").last.flatMap { Int($0) } }
            if line.hasPrefix("tps = ") { rate = line.split(separator: " ").dropFirst(2).first.flatMap { Double($0) } }
        }
        guard let count, let rate, count > 0, rate > 0 else { throw BenchError("pgbench printed no result: \(output)") }
        return Load(count: count, cpu: cpu, elapsed: Double(count) / rate)
    }

    /// Each connection is a thread, with nothing around the library.
    private func libmariadb() async throws -> Load {
        let before = Usage.children
        let output = try await Program.run(
            [
                try Program.sibling("agent-bench-mysql"), target.host, "\(target.port)", lab.nameServer, lab.caFile, target.user,
                target.database,
                "\(connections)", "\(seconds)", MySQLStatement.session(isMariaDB: true, milliseconds: 5_000), MySQLStatement.question,
            ], environment: ["MYSQL_PWD": lab.token])
        let cpu = Usage.children - before
        let words = output.split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let count = Int(words[0]), let elapsed = Double(words[1]), count > 0 else {
            throw BenchError("agent-bench-mysql printed no result: \(output)")
        }
        return Load(count: count, cpu: cpu, elapsed: elapsed)
    }

    /// Each connection is a process. It counts its own CPU, so that the start of Python, which is many times what a round costs, stays outside.
    private func python(_ driver: String) async throws -> Load {
        guard let drivers else { throw BenchError("the drivers of others were not looked for") }
        let output = try await Program.run(
            [
                drivers.python, "-c", Drivers.script, driver, target.host, lab.address, "\(target.port)", lab.caFile, target.database,
                "\(connections)", "\(seconds)", AzureSQLStatement.question(milliseconds: 5_000),
            ], environment: ["TDS_TOKEN": lab.token])
        let words = output.split(whereSeparator: \.isWhitespace)
        guard words.count == 3, let count = Int(words[0]), let cpu = Double(words[1]), let elapsed = Double(words[2]), count > 0 else {
            throw BenchError("the driver \(driver) printed no result: \(output)")
        }
        return Load(count: count, cpu: cpu, elapsed: elapsed)
    }
}

/// Where python-tds and Microsoft's driver are installed. They are no part of this package: `Tests/TDSTests/Drivers/install` gets them.
struct Drivers: Sendable {
    let python: String

    /// `Peers/azuresql.py`, which is carried inside this program.
    static var script: String { String(decoding: PackageResources.azuresql_py, as: UTF8.self) }

    private static let folder = ".build-drivers"

    /// - Parameter given: the folder to take; nil looks in the current one and in the package that this program was built in.
    /// **Throws**: with what to do, when they are not there.
    init(in given: String?) throws {
        let files = FileManager.default
        var places = [given ?? files.currentDirectoryPath + "/" + Self.folder]
        if given == nil {
            var parts = try files.destinationOfSymbolicLink(atPath: Program.own).split(separator: "/").dropLast()
            while !parts.isEmpty {
                places.append(parts.map { "/" + $0 }.joined() + "/" + Self.folder)
                parts.removeLast()
            }
        }
        guard let place = places.first(where: { files.isExecutableFile(atPath: $0 + "/bin/python") }) else {
            throw BenchError(
                """
                python-tds and Microsoft's driver, which the Azure SQL figures are compared with, are not in \(places[0]). In the package's \
                folder Tests/TDSTests/Drivers/install gets them from PyPI; --drivers names another folder; --only leaves the group azuresql out
                """)
        }
        python = place + "/bin/python"
    }
}
