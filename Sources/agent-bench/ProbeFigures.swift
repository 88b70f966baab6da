// CPU per probe and probes per second, beside clients that make a new connection for every round.
import Diagnosis
import FoundationEssentials
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
    /// Where the peers of Azure SQL are; nil for other engines.
    var drivers: Drivers?

    func measure() async throws -> [Figure] {
        try systemStore.add(caFile: lab.caFile)
        let run = PeerRun(lab: lab, connections: connections, seconds: seconds, scratch: scratch, drivers: drivers)
        let peers = ProbePeer.all(of: lab.engine)
        var probes: [Load] = []
        var stores: [Load] = []
        var theirs: [ProbePeer: [Load]] = [:]
        for round in 1...rounds {
            probes.append(try await probing("ca-\(round)", usesCAFile: true))
            for peer in peers { theirs[peer, default: []].append(try await run.load(of: peer)) }
            stores.append(try await probing("store-\(round)", usesCAFile: false))
        }
        let cpu = median(probes.map(\.cpuPerRound))
        let rate = median(probes.map(\.perSecond))
        let (engine, isPromised) = (Self.title(lab.engine), lab.engine == .postgresql)
        let costs = peers.map { peer in
            let cost = median((theirs[peer] ?? []).map(\.cpuPerRound))
            return Figure(
                "CPU per \(engine) probe", cpu, "ms", peer: cost, peerName: peer.rawValue, bar: isPromised ? .atMost(1.25 * cost) : .none)
        }
        let rates = peers.map { peer in
            let theirs = median((theirs[peer] ?? []).map(\.perSecond))
            return Figure(
                "\(engine) probes, \(connections) at once", rate, "per s", peer: theirs, peerName: peer.rawValue,
                bar: isPromised ? .atLeast(0.95 * theirs) : .none)
        }
        let store = Figure(
            "the same, system's trust store", median(stores.map(\.cpuPerRound)), "ms", peer: cpu, peerName: "with a CA file",
            bar: .atMost(1.2 * cpu))
        return costs + [store] + rates
    }

    private static func title(_ engine: Engine) -> String {
        switch engine {
        case .postgresql: "PostgreSQL"
        case .mysql: "MySQL"
        case .azuresql: "Azure SQL"
        }
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
