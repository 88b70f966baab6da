// CPU per probe and probes per second, beside a client that makes a new connection for every round: pgbench, or libmariadb in a loop in C.
import Diagnosis
import FoundationEssentials
import Probes
import Store
import Telemetry

/// What the same number of connections cost and brought in the same time.
struct Load: Sendable {
    var count: Int
    var cpu: Double
    var elapsed: Double
    /// **Unit**: milliseconds.
    var cpuPerRound: Double { count == 0 ? .infinity : cpu / Double(count) * 1000 }
    var perSecond: Double { elapsed == 0 ? 0 : Double(count) / elapsed }
}

/// Alternates between the probe and its peer, so that what else the machine does meets both.
struct ProbeFigures {
    var lab: LabFacts
    var connections: Int
    /// Of each measurement; there are `rounds` of each kind.
    var seconds: Int
    var rounds = 3
    var scratch: String
    /// A file with the system's roots and the lab's, which `SSL_CERT_FILE` names; see `SystemStore`.
    var systemStore: SystemStore
    var sink: LogSink

    func measure() async throws -> [Figure] {
        try systemStore.add(caFile: lab.caFile)
        var probes: [Load] = []
        var peers: [Load] = []
        var stores: [Load] = []
        for round in 1...rounds {
            probes.append(try await probing("ca-\(round)", usesCAFile: true))
            peers.append(lab.engine == .mysql ? try await libmariadb() : try await pgbench())
            stores.append(try await probing("store-\(round)", usesCAFile: false))
        }
        let cpu = median(probes.map(\.cpuPerRound))
        let peerCPU = median(peers.map(\.cpuPerRound))
        let rate = median(probes.map(\.perSecond))
        let peerRate = median(peers.map(\.perSecond))
        let (engine, peer) = lab.engine == .mysql ? ("MySQL", "libmariadb in C") : ("PostgreSQL", "pgbench -C")
        return [
            Figure("CPU per \(engine) probe", cpu, "ms", peer: peerCPU, peerName: peer, bar: .atMost(1.25 * peerCPU)),
            Figure(
                "the same, system's trust store", median(stores.map(\.cpuPerRound)), "ms", peer: cpu, peerName: "with a CA file",
                bar: .atMost(1.2 * cpu)),
            Figure(
                "\(engine) probes, \(connections) at once", rate, "per s", peer: peerRate, peerName: peer,
                bar: .atLeast(0.95 * peerRate)),
        ]
    }

    private func probing(_ name: String, usesCAFile: Bool) async throws -> Load {
        let rig = try ProbeRig(
            lab, historyFile: "\(scratch)/probes-\(name).db", usesCAFile: usesCAFile, concurrency: connections, sink: sink)
        let load = try await rig.use {
            // The first probe acquires the token and, without a CA file, finds the anchor; both are cached in a service's life.
            let probe = rig.probes[0]
            for _ in 1...3 { await rig.probe(probe) }
            let (begin, cpu) = (ContinuousClock.now, Usage.own)
            let end = begin.advanced(by: .seconds(seconds))
            let count = await withTaskGroup(of: Int.self) { group in
                for _ in 1...connections {
                    group.addTask {
                        var count = 0
                        while ContinuousClock.now < end {
                            await rig.probe(probe)
                            count += 1
                        }
                        return count
                    }
                }
                return await group.reduce(0, +)
            }
            let elapsed = (ContinuousClock.now - begin).seconds
            // What the probes have recorded is part of their price.
            await rig.store.flush()
            return Load(count: count, cpu: Usage.own - cpu, elapsed: elapsed)
        }
        if let trouble = rig.firstTrouble { throw BenchError("a probe failed: \(trouble)") }
        return load
    }

    /// The same statements on as many connections, each of its own thread, with nothing around them.
    private func libmariadb() async throws -> Load {
        let target = lab.targets[0]
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

    private func pgbench() async throws -> Load {
        let target = lab.targets[0]
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
}

/// A trust store of the machine's own size, with the lab's root in it.
///
/// OpenSSL takes the place of its default file from `SSL_CERT_FILE`, so the machine's own file stays untouched.
struct SystemStore {
    let file: String
    private static let systemFile = "/etc/ssl/certs/ca-certificates.crt"

    func add(caFile: String) throws {
        guard let system = FileManager.default.contents(atPath: Self.systemFile), let own = FileManager.default.contents(atPath: caFile)
        else {
            throw BenchError("\(Self.systemFile) or \(caFile) cannot be read; install ca-certificates")
        }
        try (system + own).write(to: URL(filePath: file))
    }
}
