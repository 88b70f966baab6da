// How long each phase of a check usually takes: medians over the successful probes of some days.
import Diagnosis
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum MedianTables {
    /// Most blocks that are read of one check; of more than that every second, third, … is. A block holds about fifty probes that follow
    /// each other, so some thousand probes, spread evenly, stand for a week of any interval, and the answer costs a few milliseconds.
    static let blockLimit = 96
    /// Most blocks that are read for one question: who asks about many checks gets medians of fewer probes of each.
    static let blocksAtOnce = 4096
    /// Fewer would be no sample.
    static let leastBlocks = 6

    /// **Shape**: without the checks of which no successful probe is kept since then.
    static func medians(_ db: Database, _ checks: Set<CheckID>, since: Timestamp) throws -> [CheckID: PhaseMedians] {
        let names: [Int64: CheckID]
        if checks.count == 1, let check = checks.first {
            names = try HistoryTables.checks(db, check: check, target: nil)
        } else {
            names = try HistoryTables.checks(db, check: nil, target: nil).filter { checks.contains($0.value) }
        }
        guard !names.isEmpty else { return [:] }
        let oldest = since.milliseconds
        let limit = min(blockLimit, max(leastBlocks, blocksAtOnce / names.count))
        var samples: [Int64: Sample] = [:]
        var isWhole: Set<Int64> = []
        for id in names.keys {
            var sample = Sample()
            if try addBlocks(db, id, oldest, limit, &sample) { isWhole.insert(id) }
            samples[id] = sample
        }
        // What is not packed yet is a small part of a week, and all there is of a young history. The log has no order by check, so it is
        // read once for all of them.
        if !isWhole.isEmpty {
            let one = names.count == 1 ? names.keys.first : nil
            let recent = try Row.fetchCursor(
                db, sql: "SELECT check_id, data FROM recent WHERE ended >= ?" + (one == nil ? "" : " AND check_id = ?"),
                arguments: one.map { [oldest, $0] } ?? [oldest])
            while let row = try recent.next() {
                let id: Int64 = row[0]
                guard isWhole.contains(id) else { continue }
                var reader = ByteReader([UInt8](row[1] as Data))
                if let record = RecordCoding.decode(&reader) { samples[id]?.add(record) }
            }
        }
        return Dictionary(
            samples.compactMap { id, sample in names[id].flatMap { name in sample.medians.map { (name, $0) } } },
            uniquingKeysWith: { first, _ in first })
    }

    /// - Returns: whether every block was read.
    private static func addBlocks(
        _ db: Database, _ id: Int64, _ oldest: Int64, _ limit: Int, _ sample: inout Sample
    ) throws -> Bool {
        // Out of the index alone; then only the chosen blocks are touched.
        let numbers = try Int64.fetchAll(
            db.cachedStatement(sql: "SELECT id FROM block WHERE check_id = ? AND last >= ? ORDER BY last"), arguments: [id, oldest])
        let step = max(1, (numbers.count + limit - 1) / limit)
        for number in stride(from: step - 1, to: numbers.count, by: step).map({ numbers[$0] }) {
            guard
                let row = try Row.fetchOne(
                    db.cachedStatement(sql: "SELECT first, data FROM block WHERE id = ?"), arguments: [number])
            else { continue }
            for (ended, record) in Block.unpack(first: row[0], data: [UInt8](row[1] as Data)) where ended >= oldest { sample.add(record) }
        }
        return numbers.count < limit
    }

    private struct Sample {
        var probes = 0
        var durations: [Phase: [Duration]] = [:]

        mutating func add(_ record: Record) {
            guard record.kind == .succeeded else { return }
            probes += 1
            for phase in record.phases where phase.outcome == .ok {
                if let duration = phase.duration { durations[phase.phase, default: []].append(duration) }
            }
        }

        var medians: PhaseMedians? {
            guard probes > 0 else { return nil }
            return PhaseMedians(probes: probes, durations: durations.mapValues(Self.median))
        }

        /// Of an even number the mean of the middle two.
        private static func median(_ values: [Duration]) -> Duration {
            let sorted = values.sorted()
            let middle = sorted.count / 2
            return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
        }
    }
}
