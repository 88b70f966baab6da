// What waits while nothing can be written: what goes when there is no place, and what never does.
import Diagnosis
import Foundation
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(1))) struct OverflowTests {
    private func observe(_ queue: inout RecordQueue, _ observation: Observation, address: String? = nil) {
        var observation = observation
        if let address { observation.facts.addresses = [address] }
        queue.add(observation, incidentsMayOpen: true)
    }

    private func counts(_ batch: [PendingRecord]) -> [String: Int] {
        batch.reduce(into: [:]) { counts, record in
            switch record {
            case .routine: counts["routine", default: 0] += 1
            case .failure: counts["failure", default: 0] += 1
            case .facts: counts["facts", default: 0] += 1
            case .token: counts["token", default: 0] += 1
            case .incident: counts["incident", default: 0] += 1
            case .good: counts["good", default: 0] += 1
            }
        }
    }

    private func incidents(_ batch: [PendingRecord]) -> [Incident] {
        batch.compactMap { if case .incident(let incident) = $0 { incident } else { nil } }
    }

    @Test("A thousand checks down for an hour: each failure costs one place, each incident waits once, as it is now")
    func fleetDown() {
        var queue = RecordQueue(limit: 8192)
        let checks = (0..<1000).map { CheckID(target: "db-\($0)", identity: "app") }
        for minute in 0..<60 {
            for check in checks { observe(&queue, Sample.failure(check, at: Double(minute) * 60)) }
            if minute == 7 { #expect(queue.takeDropped() == 0, "8,000 failures have a place each") }
        }
        #expect(queue.takeDropped() == 60_000 - 8192)
        let batch = queue.take(.max)
        #expect(counts(batch) == ["failure": 8192, "incident": 1000])
        #expect(incidents(batch).allSatisfy { $0.failures == 60 && $0.opened == Sample.time(0) && $0.isOpen })
        #expect(queue.count == 0)
    }

    @Test("Successes go first, then failures, then facts and requests; incidents never")
    func order() {
        var queue = RecordQueue(limit: 20)
        for second in 0..<5 { observe(&queue, Sample.success(at: Double(second)), address: "10.0.0.1") }
        for number in 0..<5 { queue.add(Sample.request(at: Double(number), .acquired(expires: Sample.time(60), isSameToken: false))) }
        for second in 10..<30 { observe(&queue, Sample.failure(Sample.billing, at: Double(second)), address: "10.0.0.2") }
        let batch = queue.take(.max)
        #expect(counts(batch) == ["failure": 13, "facts": 2, "token": 5, "incident": 1])
        #expect(incidents(batch).first?.failures == 20)
    }

    @Test("The end of an incident is written, however long the disk was full, and nothing is open that is not", .timeLimit(.minutes(2)))
    func closed() async throws {
        let scratch = try Scratch()
        let store = HistoryStore(path: scratch.path, queueLimit: 50, incidentsMayOpen: { true }, logger: quiet)
        for second in 0..<2 { store.record(Sample.failure(at: Double(second))) }
        await store.flush()
        #expect(try await store.incidents(IncidentQuery(onlyOpen: true)).map(\.check) == [Sample.orders])
        // Nobody writes from here on: the end of the first, then a check that comes and goes hundreds of times.
        for second in 2..<4 { store.record(Sample.success(at: Double(second))) }
        for round in 0..<500 {
            let begin = 100 + Double(round) * 10
            for second in 0..<2 { store.record(Sample.failure(Sample.billing, at: begin + Double(second))) }
            for second in 2..<4 { store.record(Sample.success(Sample.billing, at: begin + Double(second))) }
        }
        #expect(store.status.queue <= 50 + 4 * 50)
        await store.flush()
        #expect(try await store.incidents(IncidentQuery(onlyOpen: true)).isEmpty)
        #expect(try await store.incidents(IncidentQuery(check: Sample.orders)).first?.closed == Sample.time(2))
        let flapping = try await store.incidents(IncidentQuery(check: Sample.billing, limit: 1000))
        #expect(flapping.count >= 150 && flapping.count <= 200, "the newest of those that are over: \(flapping.count)")
        #expect(flapping.first?.opened == Sample.time(100 + 4990))
        #expect((store.status.failures[.overflow] ?? 0) > 300)
        await store.close()
    }

    @Test("An incident that the file knows from an earlier run is closed there too, whatever comes between")
    func adopted() {
        var queue = RecordQueue(limit: 1)
        let span = Incident.CauseSpan(cause: .tcpRefused, phase: .tcp, time: Sample.time(0))
        queue.adopt(
            [Incident(check: Sample.orders, opened: Sample.time(0), lastFailure: Sample.time(5), failures: 9, causes: [span])],
            at: Sample.time(10))
        for second in 11..<13 { observe(&queue, Sample.success(at: Double(second))) }
        for round in 0..<100 {
            for second in 0..<2 { observe(&queue, Sample.failure(Sample.billing, at: 100 + Double(round) * 10 + Double(second))) }
            for second in 2..<4 { observe(&queue, Sample.success(Sample.billing, at: 100 + Double(round) * 10 + Double(second))) }
        }
        let ends = incidents(queue.take(.max))
        #expect(ends.count <= 6)
        #expect(ends.first { $0.check == Sample.orders }?.closed == Sample.time(11))
    }

    @Test("Facts that found no place are told again when they are seen next")
    func factsAgain() async throws {
        let store = HistoryStore(path: nil, queueLimit: 5, incidentsMayOpen: { true }, logger: quiet)
        func observe(at seconds: Double) {
            var observation = Sample.success(at: seconds)
            (observation.facts.addresses, observation.facts.serverVersion) = (["10.0.0.1"], "16.3")
            store.record(observation)
        }
        observe(at: 0)
        for number in 0..<10 {
            store.record(Sample.request(at: 1 + Double(number), .acquired(expires: Sample.time(60), isSameToken: true)))
        }
        await store.flush()
        #expect(try await store.factChanges(of: Sample.orders).isEmpty)
        observe(at: 20)
        await store.flush()
        #expect(Set(try await store.factChanges(of: Sample.orders).map(\.fact.name)) == ["addresses", "server_version"])
    }
}
