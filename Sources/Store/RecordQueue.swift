// What was recorded and is not written yet: bounded, the least important goes first.
import Diagnosis

/// One thing to be written.
enum PendingRecord: Sendable {
    case routine(CheckID, ended: Int64, data: [UInt8])
    case failure(CheckID, ended: Int64, data: [UInt8], Failure)
    case facts(CheckID, time: Int64, [FactValue])
    case token(TokenRequestResult)
    case incident(Incident)
}

/// Waiting records in order of arrival. When it is full the oldest success makes room; changes and failures only when nothing else is left.
struct RecordQueue: Sendable {
    let limit: Int
    private var routine = Line()
    private var kept = Line()
    private var arrivals: UInt64 = 0
    /// The facts that were handed on last, so that only changes take a place.
    private var facts: [CheckID: Facts] = [:]
    private var trackers: [CheckID: IncidentTracker] = [:]
    /// The checks there are; nil while nobody has said.
    private var followed: Set<CheckID>?
    /// Records that were dropped for want of a place and not reported yet.
    private var dropped: UInt64 = 0

    init(limit: Int) { self.limit = limit }

    var count: Int { routine.count + kept.count }

    /// - Parameter incidentsMayOpen: false in the first minute of the service.
    mutating func add(_ observation: Observation, incidentsMayOpen: Bool) {
        // The end follows from the duration as it is stored, so that the start read back is the start that was recorded.
        let duration = RecordCoding.rounded(observation.duration)
        let ended = (observation.started + duration).milliseconds
        var record = Record(kind: .succeeded, duration: duration, phases: observation.phases)
        switch observation.outcome {
        case .succeeded:
            add(.routine(observation.check, ended: ended, data: RecordCoding.encode(record)), to: \.routine)
        case .partial(let reason):
            record.kind = reason == .asleep ? .asleep : .loginPaused
            add(.routine(observation.check, ended: ended, data: RecordCoding.encode(record)), to: \.routine)
        case .failed(let failure):
            record.kind = .failed
            add(.failure(observation.check, ended: ended, data: RecordCoding.encode(record), failure), to: \.kept)
        }
        // Here, and not where records are written, because here every observation passes, in order, whatever becomes of the file.
        let step = trackers[observation.check, default: IncidentTracker(observation.check)].apply(observation, mayOpen: incidentsMayOpen)
        if let step { add(.incident(step.incident), to: \.kept) }
        let known = facts[observation.check]
        let steady = observation.facts.steady(over: known)
        guard steady != known else { return }
        facts[observation.check] = steady
        let before = known?.lasting ?? []
        let changes = steady.lasting.filter { !before.contains($0) }
        if !changes.isEmpty { add(.facts(observation.check, time: ended, changes), to: \.kept) }
    }

    /// Follows these checks and no others: nobody will see the end of an incident of a check that is gone, so it ends now.
    mutating func follow(_ checks: Set<CheckID>, at time: Timestamp) {
        followed = checks
        for (check, tracker) in trackers where !checks.contains(check) {
            if let incident = tracker.open { end(incident, at: time) }
            trackers[check] = nil
        }
        facts = facts.filter { checks.contains($0.key) }
    }

    private mutating func end(_ incident: Incident, at time: Timestamp) {
        var incident = incident
        incident.closed = max(time, incident.lastFailure)
        add(.incident(incident), to: \.kept)
    }

    /// Takes up incidents that an earlier run of the service left open.
    mutating func adopt(_ incidents: [Incident], at time: Timestamp) {
        for incident in incidents {
            guard followed?.contains(incident.check) ?? true else {
                end(incident, at: time)
                continue
            }
            let step = trackers[incident.check, default: IncidentTracker(incident.check)].adopt(incident)
            if let step { add(.incident(step.incident), to: \.kept) }
        }
    }

    mutating func add(_ request: TokenRequestResult) { add(.token(request), to: \.kept) }

    /// Takes the oldest records out.
    mutating func take(_ most: Int) -> [PendingRecord] {
        var batch: [PendingRecord] = []
        while batch.count < most {
            guard let next = [routine.first, kept.first].compactMap({ $0 }).min() else { return batch }
            batch.append(next == routine.first ? routine.removeFirst() : kept.removeFirst())
        }
        return batch
    }

    /// How many records were dropped since this was asked last.
    mutating func takeDropped() -> UInt64 {
        defer { dropped = 0 }
        return dropped
    }

    private mutating func add(_ record: PendingRecord, to line: WritableKeyPath<Self, Line>) {
        if count >= limit {
            if routine.count > 0 { _ = routine.removeFirst() } else { _ = kept.removeFirst() }
            dropped += 1
        }
        arrivals += 1
        self[keyPath: line].append(record, arrivals)
    }

    /// First in, first out; taken places are given back in lumps.
    private struct Line: Sendable {
        private var records: [(arrival: UInt64, record: PendingRecord)] = []
        private var head = 0

        var count: Int { records.count - head }
        var first: UInt64? { head < records.count ? records[head].arrival : nil }

        mutating func append(_ record: PendingRecord, _ arrival: UInt64) { records.append((arrival, record)) }

        mutating func removeFirst() -> PendingRecord {
            let record = records[head].record
            head += 1
            if head == records.count {
                records.removeAll(keepingCapacity: head <= 1024)
                head = 0
            } else if head >= 1024 {
                records.removeFirst(head)
                head = 0
            }
            return record
        }
    }
}
