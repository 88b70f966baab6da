// The sums of one check in one hour or day, as they are kept.
import Diagnosis

/// What a row of `rollup` holds. Adding two gives the sum of both.
struct RollupSum: Sendable, Hashable {
    private(set) var probes: UInt64 = 0
    private(set) var failures: UInt64 = 0
    /// Of the probes that succeeded. **Unit**: ticks of 10 µs.
    private(set) var total: Int64 = 0
    private(set) var least: Int64 = .max
    private(set) var most: Int64 = 0
    private(set) var sketch = DurationSketch()
    /// By the code of the cause: a file may hold codes that a later version knows.
    private(set) var causes: [String: UInt64] = [:]

    /// Which row a probe that ended then belongs to.
    struct Key: Sendable, Hashable {
        var span: Int64
        var check: Int64
        var start: Int64

        init(_ span: Rollup.Span, check: Int64, ended: Int64) {
            let length = Int64(span.duration.seconds) * 1000
            let part = ended % length
            self.span = span.stored
            self.check = check
            start = ended - (part < 0 ? part + length : part)
        }
    }

    /// Counts a record; one that stopped on purpose says nothing.
    mutating func add(_ record: Record, cause: String?) {
        switch record.kind {
        case .loginPaused, .asleep: return
        case .failed:
            (probes, failures) = (probes + 1, failures + 1)
            causes[cause ?? Cause.unclassified.rawValue, default: 0] += 1
        case .succeeded:
            let ticks = max(0, RecordCoding.ticks(record.duration))
            probes += 1
            total = total &+ ticks
            (least, most) = (min(least, ticks), max(most, ticks))
            sketch.add(ticks)
        }
    }

    mutating func add(_ other: RollupSum) {
        probes &+= other.probes
        failures &+= other.failures
        total = total &+ other.total
        (least, most) = (min(least, other.least), max(most, other.most))
        sketch.add(other.sketch)
        causes.merge(other.causes, uniquingKeysWith: &+)
    }

    /// The first byte of every row; a later form gets another.
    private static let form: UInt8 = 1

    var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.form]
        for number in [probes, failures] { bytes.append(varint: number) }
        bytes.append(varint: UInt64(causes.count))
        for (cause, count) in causes.sorted(by: { $0.key < $1.key }) {
            let text = Array(cause.utf8.prefix(64))
            bytes.append(varint: UInt64(text.count))
            bytes += text
            bytes.append(varint: count)
        }
        guard probes > failures else { return bytes }
        for number in [total, least, most] { bytes.append(signed: number) }
        sketch.append(to: &bytes)
        return bytes
    }

    init() {}

    /// - Returns: nil when the bytes are not a row.
    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.byte() == Self.form, let probes = reader.varint(), let failures = reader.varint(), let kinds = reader.varint(),
            kinds <= 1024
        else { return nil }
        (self.probes, self.failures) = (probes, failures)
        for _ in 0..<kinds {
            guard let length = reader.varint(), length <= 64, let text = reader.bytes(Int(length)), let count = reader.varint() else {
                return nil
            }
            causes[String(decoding: text, as: UTF8.self)] = count
        }
        guard probes > failures else { return }
        guard let total = reader.signed(), let least = reader.signed(), let most = reader.signed(),
            let sketch = DurationSketch(&reader)
        else { return nil }
        (self.total, self.least, self.most, self.sketch) = (total, least, most, sketch)
    }

    func rollup(_ check: CheckID, _ span: Rollup.Span, start: Int64) -> Rollup {
        var counts: [Cause: Int] = [:]
        for (code, count) in causes { counts[Cause(rawValue: code) ?? .unclassified, default: 0] += Int(clamping: count) }
        let durations: Rollup.Durations? =
            probes > failures
            ? Rollup.Durations(
                sum: RecordCoding.duration(total), least: RecordCoding.duration(least), most: RecordCoding.duration(most),
                percentile95: RecordCoding.duration(min(max(sketch.quantile(0.95), least), most)))
            : nil
        return Rollup(
            check: check, span: span, start: Timestamp(milliseconds: start), probes: Int(clamping: probes),
            failures: Int(clamping: failures),
            causes: counts.map { Rollup.CauseCount(cause: $0.key, count: $0.value) }.sorted {
                ($0.count, $1.cause.rawValue) > ($1.count, $0.cause.rawValue)
            }, durations: durations)
    }
}

extension Rollup.Span {
    /// The code in the table. Stored: only add.
    var stored: Int64 { self == .hour ? 0 : 1 }
}
