// How long each phase of a check usually takes: medians over the successful probes of some days.
import Diagnosis
import GRDB

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum MedianTables {
    /// Most blocks that are read; of more than that every second, third, … is. A block holds about fifty probes that follow each other,
    /// so some thousand probes, spread evenly, stand for a week of any interval, and the answer costs a few milliseconds.
    static let blockLimit = 96

    /// - Returns: nil when no successful probe is kept since then.
    static func medians(_ db: Database, _ check: CheckID, since: Timestamp) throws -> PhaseMedians? {
        guard
            let id = try Int64.fetchOne(
                db, sql: "SELECT id FROM checks WHERE target = ? AND identity = ?", arguments: [check.target, check.identity])
        else { return nil }
        var sample = Sample()
        let oldest = since.milliseconds
        // Out of the index alone; then only the chosen blocks are touched.
        let numbers = try Int64.fetchAll(
            db, sql: "SELECT id FROM block WHERE check_id = ? AND last >= ? ORDER BY last", arguments: [id, oldest])
        let step = max(1, (numbers.count + blockLimit - 1) / blockLimit)
        for number in stride(from: step - 1, to: numbers.count, by: step).map({ numbers[$0] }) {
            guard
                let row = try Row.fetchOne(
                    db.cachedStatement(sql: "SELECT first, data FROM block WHERE id = ?"), arguments: [number])
            else { continue }
            for (ended, record) in Block.unpack(first: row[0], data: [UInt8](row[1] as Data)) where ended >= oldest { sample.add(record) }
        }
        // What is not packed yet is a small part of a week, and all there is of a young history.
        if numbers.count < blockLimit {
            let recent = try Row.fetchCursor(
                db, sql: "SELECT data FROM recent WHERE check_id = ? AND ended >= ?", arguments: [id, oldest])
            while let row = try recent.next() {
                var reader = ByteReader([UInt8](row[0] as Data))
                if let record = RecordCoding.decode(&reader) { sample.add(record) }
            }
        }
        return sample.medians
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
