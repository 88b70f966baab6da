// A run of routine records of one check, packed: times as the change of their distance, which is nearly nothing.
import Diagnosis

/// Records of one check, oldest first.
///
/// **Shape** of `data`: per record the distance to the record before minus the distance before that, then the record itself. A probe
/// that runs every thirty seconds, give or take a few milliseconds, spends one or two bytes on its time.
struct Block: Sendable, Hashable {
    var check: Int64
    private(set) var first: Int64
    private(set) var last: Int64
    private(set) var count = 0
    private(set) var data: [UInt8] = []
    private var distance: Int64 = 0

    init(check: Int64, first: Int64) {
        self.check = check
        self.first = first
        last = first
    }

    /// Whether a record with this end still belongs here.
    func accepts(ended: Int64) -> Bool { data.count < Schema.blockBytes && ended &- first <= Schema.blockSpan }

    /// Adds a record; its end must not lie before that of the one before.
    mutating func append(ended: Int64, record: [UInt8]) {
        let next = ended &- last
        data.append(signed: next &- distance)
        data += record
        (distance, last) = (next, ended)
        count += 1
    }

    /// The records of a stored block, oldest first. A damaged tail is left out; what can be read is given.
    static func unpack(first: Int64, data: [UInt8]) -> [(ended: Int64, record: Record)] {
        var reader = ByteReader(data)
        var records: [(ended: Int64, record: Record)] = []
        var (ended, distance) = (first, Int64(0))
        while !reader.isAtEnd, let change = reader.signed(), let record = RecordCoding.decode(&reader) {
            distance &+= change
            ended &+= distance
            records.append((ended, record))
        }
        return records
    }
}
