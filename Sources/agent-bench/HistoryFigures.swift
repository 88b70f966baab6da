// The history file: bytes of a routine success, and how long a day of one check takes to read.
import Diagnosis
import FoundationEssentials
import Logging
import Store

struct HistoryFigures {
    /// Observations written before the reading is timed.
    var rows: Int
    var checks = 100
    var scratch: String

    func measure() async throws -> [Figure] {
        let file = scratch + "/history.db"
        let quiet = Logger(label: "bench", factory: { _ in SwiftLogNoOpLogHandler() })
        // Nothing may be pruned because of its age: the rows reach from the past to now.
        let perCheck = rows / checks
        let end = Timestamp.now
        var retention = Retention()
        retention.successes = .seconds(perCheck * 60 + 86_400)
        retention.maximumSize = 64 << 30
        let store = HistoryStore(path: file, retention: retention, logger: quiet)
        let facts = Self.facts
        var noise = SystemRandomNumberGenerator()
        let ids = (1...checks).map { CheckID(target: "t\($0)", identity: "app") }
        let empty = try await size(of: file, store)
        for row in 0..<perCheck {
            let started = end + .seconds((row - perCheck) * 60)
            for id in ids { store.record(Self.success(id, started + .milliseconds(Int.random(in: 0...900, using: &noise)), facts, &noise)) }
            if row % 40 == 39 { await store.flush() }
        }
        await store.flush()
        guard store.status.isUp, store.status.mode == .file, store.status.failures.isEmpty else {
            throw BenchError("the store did not keep everything: \(store.status)")
        }
        let bytes = Double(try await size(of: file, store) - empty) / Double(perCheck * checks)
        var times: [Double] = []
        for id in ids.prefix(9) {
            let begin = ContinuousClock.now
            let items = try await HistoryFile(path: file).observations(
                HistoryQuery(check: id, since: end + .seconds(-86_400), limit: 10_000))
            times.append((ContinuousClock.now - begin).seconds * 1000)
            guard items.count >= min(perCheck, 1439) else { throw BenchError("only \(items.count) observations of a day came back") }
        }
        return [
            Figure("history, a routine success", bytes, "bytes", bar: .atMost(60)),
            Figure("history, a day of one check among \(rows)", median(times), "ms", bar: .atMost(50)),
        ]
    }

    /// Of the file after everything was written and the log was folded in.
    private func size(of file: String, _ store: HistoryStore) async throws -> Int64 {
        await store.flush()
        await store.close()
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        guard let size = attributes[.size] as? UInt64 ?? (attributes[.size] as? Int).map(UInt64.init) else {
            throw BenchError("\(file) has no size")
        }
        return Int64(size)
    }

    /// Facts of a server that does not change, so they are kept once.
    private static var facts: Facts {
        var facts = Facts()
        facts.addresses = ["10.20.4.7"]
        facts.address = "10.20.4.7"
        facts.serverVersion = "15.18"
        facts.tlsVersion = "TLSv1.3"
        facts.tlsCipher = "TLS_AES_256_GCM_SHA384"
        facts.sessionUser = "aad_orders"
        facts.currentUser = "aad_orders"
        facts.database = "orders"
        return facts
    }

    private static func success(_ id: CheckID, _ started: Timestamp, _ facts: Facts, _ noise: inout SystemRandomNumberGenerator)
        -> Observation
    {
        // Of phases on a network of a data centre, in microseconds; the sum is the duration.
        let ranges: [(Phase, ClosedRange<Int>)] = [
            (.token, 5...60), (.dns, 300...3_000), (.tcp, 500...2_500), (.negotiate, 500...2_500), (.tls, 3_000...9_000),
            (.login, 8_000...30_000),
            (.query, 700...3_000),
        ]
        let phases = ranges.map { phase, range in
            PhaseResult(phase, .ok, duration: .microseconds(Int.random(in: range, using: &noise)), isCached: phase == .token)
        }
        let total = phases.compactMap(\.duration).reduce(.zero, +)
        return Observation(check: id, started: started, duration: total, phases: phases, outcome: .succeeded, facts: facts, notices: [])
    }
}
