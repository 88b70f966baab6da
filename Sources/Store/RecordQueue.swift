// What was recorded and is not written yet: bounded, the least important goes first.
import Diagnosis

/// One thing to be written.
enum PendingRecord: Sendable {
    case routine(CheckID, ended: Int64, data: [UInt8])
    case failure(CheckID, ended: Int64, data: [UInt8], Failure)
    case facts(CheckID, time: Int64, [FactValue])
    case token(TokenRequestResult)
    case incident(Incident)
    /// When a check last worked; only out of a store in memory.
    case good(CheckID, ended: Int64)
}

/// Waiting records in order of arrival. When it is full the oldest success makes room, then the oldest failure, then the oldest change of
/// facts or request for a token. Incidents wait outside of the limit.
struct RecordQueue: Sendable {
    let limit: Int
    private var routine = Line<PendingRecord>()
    private var failures = Line<PendingRecord>()
    private var changes = Line<PendingRecord>()
    private var incidents: PendingIncidents
    private var arrivals: UInt64 = 0
    /// The facts that were handed on last, so that only changes take a place.
    private var facts: [CheckID: Facts] = [:]
    private var trackers: [CheckID: IncidentTracker] = [:]
    /// The checks there are; nil while nobody has said.
    private var followed: Set<CheckID>?
    /// Records that were dropped for want of a place and not reported yet.
    private var dropped: UInt64 = 0

    /// How many times `limit` incidents that are over may wait.
    private static let incidentShare = 4

    init(limit: Int) {
        self.limit = limit
        incidents = PendingIncidents(limit: limit * Self.incidentShare)
    }

    /// Everything that waits, incidents as well.
    var count: Int { limited + incidents.count }
    private var limited: Int { routine.count + failures.count + changes.count }

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
            add(.failure(observation.check, ended: ended, data: RecordCoding.encode(record), failure), to: \.failures)
        }
        // Here, and not where records are written, because here every observation passes, in order, whatever becomes of the file.
        let step = trackers[observation.check, default: IncidentTracker(observation.check)].apply(observation, mayOpen: incidentsMayOpen)
        if let step { add(step.incident) }
        let known = facts[observation.check]
        let steady = observation.facts.steady(over: known)
        guard steady != known else { return }
        facts[observation.check] = steady
        let before = known?.lasting ?? []
        let changes = steady.lasting.filter { !before.contains($0) }
        if !changes.isEmpty { add(.facts(observation.check, time: ended, changes), to: \.changes) }
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
        add(incident)
    }

    /// Takes up incidents that an earlier run of the service left open.
    mutating func adopt(_ found: [Incident], at time: Timestamp) {
        for incident in found {
            incidents.noteOpen(incident)
            guard followed?.contains(incident.check) ?? true else {
                end(incident, at: time)
                continue
            }
            let step = trackers[incident.check, default: IncidentTracker(incident.check)].adopt(incident)
            if let step { add(step.incident) }
        }
    }

    mutating func add(_ request: TokenRequestResult) { add(.token(request), to: \.changes) }

    /// Takes the oldest records out.
    mutating func take(_ most: Int) -> [PendingRecord] {
        var batch: [PendingRecord] = []
        while batch.count < most {
            switch [routine.first, failures.first, changes.first, incidents.first].compactMap({ $0 }).min() {
            case nil: return batch
            case routine.first: batch.append(routine.removeFirst())
            case failures.first: batch.append(failures.removeFirst())
            case changes.first: batch.append(changes.removeFirst())
            default: if let incident = incidents.removeFirst() { batch.append(.incident(incident)) }
            }
        }
        return batch
    }

    /// How many records were dropped since this was asked last.
    mutating func takeDropped() -> UInt64 {
        defer { dropped = 0 }
        return dropped
    }

    private mutating func add(_ record: PendingRecord, to line: WritableKeyPath<Self, Line<PendingRecord>>) {
        if limited >= limit { dropOne() }
        arrivals += 1
        self[keyPath: line].append(record, arrivals)
    }

    private mutating func add(_ incident: Incident) {
        arrivals += 1
        dropped += UInt64(incidents.add(incident, arrivals))
    }

    private mutating func dropOne() {
        dropped += 1
        if routine.count > 0 {
            _ = routine.removeFirst()
        } else if failures.count > 0 {
            _ = failures.removeFirst()
        } else if changes.count > 0, case .facts(let check, _, _) = changes.removeFirst() {
            // Told again when they are seen next, as if they were new.
            facts[check] = nil
        }
    }
}
