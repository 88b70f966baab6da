// Durations counted into buckets that grow with the duration: quantiles of any number of sketches added up, in a few dozen bytes.

/// Counts of durations.
///
/// A bucket is an eighth of a power of two wide, so its middle is at most a sixteenth off.
struct DurationSketch: Sendable, Hashable {
    /// By the number of the bucket.
    private(set) var counts: [Int: UInt64] = [:]

    /// - Parameter ticks: of 10 µs.
    mutating func add(_ ticks: Int64) { counts[Self.bucket(ticks), default: 0] += 1 }

    mutating func add(_ other: DurationSketch) { counts.merge(other.counts, uniquingKeysWith: &+) }

    /// The middle of the bucket in which the share of all values ends; 0 for an empty sketch. **Unit**: ticks.
    func quantile(_ share: Double) -> Int64 {
        let total = counts.values.reduce(0, &+)
        let rank = max(1, UInt64((Double(total) * share).rounded(.up)))
        var seen: UInt64 = 0
        for (bucket, count) in counts.sorted(by: { $0.key < $1.key }) {
            seen &+= count
            if seen >= rank { return Self.middle(bucket) }
        }
        return 0
    }

    /// Below sixteen a tick is a bucket; above, the highest four bits of the number choose it.
    private static func bucket(_ ticks: Int64) -> Int {
        let value = max(0, ticks)
        guard value >= 16 else { return Int(value) }
        let shift = 63 - value.leadingZeroBitCount - 3
        return shift * 8 + Int(value >> Int64(shift))
    }

    private static func middle(_ bucket: Int) -> Int64 {
        guard bucket >= 16 else { return Int64(bucket) }
        let shift = bucket / 8 - 1
        guard shift < 60 else { return .max }
        let low = Int64(bucket % 8 + 8) << Int64(shift)
        return low + (1 << Int64(shift)) / 2
    }

    /// **Shape**: the number of buckets, then of each the distance to the one before and its count.
    func append(to bytes: inout [UInt8]) {
        bytes.append(varint: UInt64(counts.count))
        var last = 0
        for (bucket, count) in counts.sorted(by: { $0.key < $1.key }) {
            bytes.append(varint: UInt64(bucket - last))
            bytes.append(varint: count)
            last = bucket
        }
    }

    init() {}

    /// - Returns: nil when the bytes are not a sketch.
    init?(_ reader: inout ByteReader) {
        guard let count = reader.varint(), count <= 1024 else { return nil }
        var last = 0
        for _ in 0..<count {
            guard let distance = reader.varint(), distance <= 1024, let number = reader.varint() else { return nil }
            last += Int(distance)
            counts[last] = number
        }
    }
}
