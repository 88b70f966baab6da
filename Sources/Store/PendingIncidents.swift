// Incidents on their way to the file: each waits once, as it is now, however often it changed meanwhile.
import Diagnosis

/// Incidents in the order in which they began to wait.
///
/// They take no places of the queue: a check has one that is open. Of those that are over already only so many wait; but the end of one
/// that the file knows as open is never dropped, or it would stay open there.
struct PendingIncidents: Sendable {
    /// How many may wait while some of them can be dropped.
    let limit: Int
    private var waiting: [Key: Entry] = [:]
    private var line = Line<Key>()
    /// The incident of each check that the file knows as open.
    private var openInFile: [CheckID: Timestamp] = [:]
    private var thinAt: Int

    private struct Key: Sendable, Hashable {
        var check: CheckID
        var opened: Timestamp
    }

    private struct Entry: Sendable {
        let arrival: UInt64
        var incident: Incident
    }

    init(limit: Int) {
        self.limit = limit
        thinAt = limit
    }

    var count: Int { waiting.count }
    /// The number under which the oldest arrived.
    var first: UInt64? { line.first }

    /// Takes the place of an earlier word about the same incident.
    /// - Returns: how many others were dropped.
    mutating func add(_ incident: Incident, _ arrival: UInt64) -> Int {
        let key = Key(check: incident.check, opened: incident.opened)
        if waiting[key] != nil {
            waiting[key]?.incident = incident
            return 0
        }
        waiting[key] = Entry(arrival: arrival, incident: incident)
        line.append(key, arrival)
        return waiting.count > thinAt ? thin() : 0
    }

    /// Must not be asked of none.
    mutating func removeFirst() -> Incident? {
        guard let incident = waiting.removeValue(forKey: line.removeFirst())?.incident else { return nil }
        if incident.isOpen { noteOpen(incident) } else if isOpenInFile(incident) { openInFile[incident.check] = nil }
        return incident
    }

    /// The file knows this one as open.
    mutating func noteOpen(_ incident: Incident) { openInFile[incident.check] = incident.opened }

    private func isOpenInFile(_ incident: Incident) -> Bool { openInFile[incident.check] == incident.opened }

    /// Drops the oldest of those that nobody would miss in a list of open ones, a quarter of all at once.
    private mutating func thin() -> Int {
        let spare = waiting.filter { !$0.value.incident.isOpen && !isOpenInFile($0.value.incident) }
            .sorted { $0.value.arrival < $1.value.arrival }.prefix(max(1, waiting.count - limit / 4 * 3))
        for (key, _) in spare { waiting[key] = nil }
        line = Line()
        for (key, entry) in waiting.sorted(by: { $0.value.arrival < $1.value.arrival }) { line.append(key, entry.arrival) }
        thinAt = max(limit, waiting.count + limit / 4)
        return spare.count
    }
}
