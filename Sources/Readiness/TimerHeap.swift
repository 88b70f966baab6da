// A binary heap of deadlines; entries of finished waits stay until they come up or `keep` sweeps them.

struct TimerHeap {
    typealias Entry = (instant: ContinuousClock.Instant, token: UInt64)
    private var entries: [Entry] = []

    var first: Entry? { entries.first }
    var count: Int { entries.count }

    mutating func insert(_ token: UInt64, at instant: ContinuousClock.Instant) {
        entries.append((instant, token))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child].instant < entries[parent].instant else { break }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    mutating func removeFirst() {
        guard let last = entries.popLast(), !entries.isEmpty else { return }
        entries[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count && entries[child].instant < entries[least].instant {
                least = child
            }
            guard least != parent else { return }
            entries.swapAt(parent, least)
            parent = least
        }
    }

    mutating func keep(_ isWanted: (UInt64) -> Bool) {
        let wanted = entries.filter { isWanted($0.token) }
        entries = []
        for entry in wanted { insert(entry.token, at: entry.instant) }
    }
}
