// Which faults are on. Read by every part at each request or connection, so switching needs no restart.
import Synchronization

/// The faults that are on, in the order in which they were switched on. Of several that concern the same part, the latest counts.
package final class FaultBoard: Sendable {
    private let entries = Mutex<[Entry]>([])

    /// A fault that is on.
    package struct Entry: Sendable, Hashable {
        package var fault: Fault
        /// The name of the target it concerns; all of them when nil.
        package var target: String?
        package var value: Int
    }

    package var active: [Entry] { entries.withLock { $0 } }

    func add(_ entry: Entry) {
        entries.withLock { entries in
            entries.removeAll { $0.fault == entry.fault && $0.target == entry.target }
            entries.append(entry)
        }
    }

    /// Takes a fault off: for one target, or wherever it is on when `target` is nil. Returns what was taken off.
    func remove(_ fault: Fault, target: String?) -> [Entry] {
        entries.withLock { entries in
            let removed = entries.filter { $0.fault == fault && (target == nil || $0.target == target) }
            entries.removeAll(where: removed.contains)
            return removed
        }
    }

    /// The fault that a part has to play for `target`. The identity endpoints know no targets and pass nil.
    func playing(_ part: Fault.Part, for target: String? = nil) -> Entry? {
        entries.withLock { entries in
            entries.last { $0.fault.part == part && ($0.target == nil || $0.target == target) }
        }
    }
}
