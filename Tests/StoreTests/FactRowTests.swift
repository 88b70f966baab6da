// Facts in the file: how many rows they may take, and which of them go.
import Diagnosis
import Foundation
import GRDB
import Synchronization
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(1))) struct FactRowTests {
    private func success(_ check: CheckID = Sample.orders, at seconds: Double, address: String) -> Observation {
        var observation = Sample.success(check, at: seconds)
        (observation.facts.addresses, observation.facts.serverVersion) = ([address], "16.3")
        return observation
    }

    private func rows(_ store: HistoryStore, _ condition: String = "true") async throws -> Int {
        try await store.answer(TableQuestion(ask: { try Int.fetchOne($0, sql: "SELECT count(*) FROM fact WHERE \(condition)") ?? 0 }))
    }

    @Test("A name that alternates with every probe costs six rows an hour, and its newest value is known")
    func alternates() async throws {
        let scratch = try Scratch()
        var store = HistoryStore(path: scratch.path, logger: quiet)
        for probe in 0..<(24 * 120) {
            store.record(success(at: Double(probe) * 30, address: "10.0.0.\(probe % 2)"))
            if probe % 1000 == 999 { await store.flush() }
        }
        await store.flush()
        #expect(try await rows(store, "name = 'server_version'") == 1)
        let addresses = try await rows(store, "name = 'addresses'")
        #expect(addresses >= 24 * 3 && addresses <= 24 * 6 + 6, "\(addresses)")
        #expect(try await rows(store, "name = 'addresses' AND replaced IS NULL") == 1)
        let newest = try #require(try await store.factChanges(of: Sample.orders).first)
        #expect(newest.fact == FactValue(name: "addresses", value: #"["10.0.0.1"]"#))
        #expect(newest.time == Sample.time(Double(24 * 120 - 1) * 30) + .milliseconds(31))
        await store.close()
        // A restart knows what was written last and writes nothing twice.
        store = HistoryStore(path: scratch.path, logger: quiet)
        store.record(success(at: 24 * 3600, address: "10.0.0.1"))
        await store.flush()
        #expect(try await rows(store, "name = 'addresses'") == addresses)
        await store.close()
    }

    @Test("What a fact was is kept as long as its change, however long ago it was seen first; then it goes")
    func replacedLately() async throws {
        let hands = Mutex(Sample.time(0))
        var retention = Retention()
        retention.pause = .zero
        let store = HistoryStore(path: nil, retention: retention, now: { hands.withLock { $0 } }, logger: quiet)
        let day = 86_400.0
        store.record(success(at: 0, address: "10.0.0.1"))
        store.record(success(at: 200 * day, address: "10.0.0.2"))
        hands.withLock { $0 = Sample.time(201 * day) }
        for _ in 0..<3 { await store.flush() }
        #expect(try await store.factChanges(of: Sample.orders).count { $0.fact.name == "addresses" } == 2)
        hands.withLock { $0 = Sample.time(291 * day) }
        for _ in 0..<3 { await store.flush() }
        #expect(try await store.factChanges(of: Sample.orders).map(\.fact.name).sorted() == ["addresses", "server_version"])
    }

    @Test("When alternating facts fill the file they go before everything else, and the newest value of each stays")
    func crowd() async throws {
        let scratch = try Scratch()
        var retention = Retention()
        (retention.maximumSize, retention.pause) = (1 << 20, .zero)
        var pace = StorePace()
        (pace.retry, pace.retryLimit) = (.milliseconds(1), .milliseconds(1))
        let store = HistoryStore(path: scratch.path, retention: retention, pace: pace, incidentsMayOpen: { true }, logger: quiet)
        let checks = (0..<100).map { CheckID(target: "db-\($0)", identity: "app") }
        for check in checks.prefix(20) { for second in 0..<5 { store.record(Sample.failure(check, at: Double(second))) } }
        // Ten minutes apart, so that every change is written: 12,000 rows where 4,500 would fill the file.
        for round in 0..<120 {
            for check in checks { store.record(success(check, at: 1000 + Double(round) * 601, address: "10.0.0.\(round % 2)")) }
            if round % 20 == 19 { await store.flush() }
        }
        for _ in 0..<20 { await store.flush() }
        // What is written next finds room.
        store.record(Sample.success(at: 100_000))
        await store.flush()
        #expect(store.status.queue == 0 && store.status.isUp, "\(store.status)")
        #expect(try await store.observations(HistoryQuery(limit: 1000, onlyFailures: true)).count == 100, "no failure went")
        #expect(try await store.observations(HistoryQuery(limit: 10_000)).count > 2000, "most successes are there")
        #expect(try await rows(store, "name = 'addresses' AND replaced IS NULL AND value LIKE '%10.0.0.1%'") == 100)
        #expect(try await rows(store, "name = 'server_version'") == 100)
        #expect(try await rows(store, "replaced IS NOT NULL") < 6000)
        await store.close()
        #expect(scratch.size(scratch.path) <= 1 << 20)
    }

    @Test("What the minute's look for old records asks is answered by an index")
    func plans() async throws {
        let store = HistoryStore(path: nil, logger: quiet)
        store.record(success(at: 0, address: "10.0.0.1"))
        for query in [Pruning.replacedFacts(10), Pruning.reports(10)] {
            let plan = try await store.answer(
                TableQuestion(ask: {
                    try Row.fetchAll($0, sql: "EXPLAIN QUERY PLAN \(query)", arguments: [0]).map { $0["detail"] as String }
                }))
            #expect(plan.allSatisfy { $0.hasPrefix("SEARCH") }, "\(query): \(plan)")
        }
        let newest = try await store.answer(
            TableQuestion(ask: {
                try Row.fetchAll(
                    $0, sql: "EXPLAIN QUERY PLAN UPDATE fact SET replaced = 1 WHERE \(FactTables.newestRow)", arguments: [1, "addresses"]
                ).map { $0["detail"] as String }
            }))
        #expect(newest.allSatisfy { $0.contains("fact_newest") }, "not all the values it ever had: \(newest)")
        await store.close()
    }
}
