// What a starting agent and a diagnosis ask of history: medians of phases, and what is known from before.
import Diagnosis
import Foundation
import GRDB
import Logging
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(2))) struct PastTests {
    private func store(_ path: String?) -> HistoryStore { HistoryStore(path: path, incidentsMayOpen: { true }, logger: quiet) }

    private func success(_ check: CheckID = Sample.orders, at seconds: Double, tls: Duration, cached: Bool = true) -> Observation {
        var observation = Sample.success(check, at: seconds)
        observation.phases = Sample.phases(cached: cached).map { phase in
            phase.phase == .tls ? PhaseResult(.tls, .ok, duration: tls) : phase
        }
        return observation
    }

    struct Odd: Sendable {
        var values: [Int]
        var median: Double
    }

    @Test(
        "The median of a phase is that of the successful probes, whatever their order",
        arguments: [
            Odd(values: [9], median: 9), Odd(values: [30, 9, 10], median: 10), Odd(values: [400, 9, 11, 10], median: 10.5),
        ])
    func median(row: Odd) async throws {
        let store = store(nil)
        for (index, value) in row.values.enumerated() { store.record(success(at: Double(index), tls: .milliseconds(value))) }
        store.record(Sample.failure(at: 50, .tlsCertValidity, during: .tls))
        store.record(success(Sample.billing, at: 60, tls: .seconds(5)))
        await store.flush()
        let medians = try #require(try await store.medians(of: Sample.orders))
        #expect(medians.probes == row.values.count)
        #expect(medians.durations[.tls] == .microseconds(Int(row.median * 1000)))
        #expect(medians.durations[.token] == nil, "out of the cache it takes no time that could be compared")
        #expect(try await store.medians(of: CheckID(target: "new", identity: "app")) == nil)
        #expect(try await store.medians(of: Sample.orders, now: Sample.time(86_400 * 8)) == nil, "older than seven days")
    }

    @Test("Packed and not yet packed, in the service and out of the file: the same medians", .timeLimit(.minutes(2)))
    func packed() async throws {
        let scratch = try Scratch()
        let store = store(scratch.path)
        // A slow hour among quick ones: what is sampled has to be spread evenly, or it would be missed or be everything.
        for second in 0..<9000 {
            store.record(success(at: Double(second) * 9, tls: .milliseconds(second % 3 == 0 ? 90 : 8), cached: false))
        }
        await store.flush()
        await store.flush()
        let medians = try #require(try await store.medians(of: Sample.orders))
        #expect(medians.durations[.tls] == .milliseconds(8))
        #expect(medians.durations[.token] == .microseconds(370))
        #expect(medians.probes > 2000, "\(medians.probes)")
        #expect(try await HistoryFile(path: scratch.path).medians(of: Sample.orders) == medians)
        await store.close()
    }

    @Test("A week of one check is answered quickly, however often it was probed")
    func quick() async throws {
        let scratch = try Scratch()
        let store = store(scratch.path)
        for second in 0..<60_000 {
            store.record(success(at: Double(second), tls: .milliseconds(8)))
            if second % 6000 == 0 { await store.flush() }
        }
        await store.flush()
        let clock = ContinuousClock.now
        let medians = try #require(try await store.medians(of: Sample.orders))
        let took = ContinuousClock.now - clock
        #expect(medians.durations[.tls] == .milliseconds(8))
        print("Medians over 60,000 probes: \(medians.probes) read in \(took)")
        #expect(took < .seconds(5), "a scan of everything would be far slower than a sample, also in a debug build")
        await store.close()
    }

    @Test("Medians of a thousand checks are one question, whose cost does not grow with checks times records")
    func thousandChecks() async throws {
        let scratch = try Scratch()
        let store = store(scratch.path)
        let checks = (0..<1000).map { CheckID(target: "db-\($0)", identity: "app") }
        for round in 0..<60 {
            for (number, check) in checks.enumerated() {
                store.record(success(check, at: Double(round * 60) + Double(number) / 20, tls: .milliseconds(5 + number % 7)))
            }
            if round % 6 == 5 { await store.flush() }
        }
        await store.flush()
        var (medians, together): ([CheckID: PhaseMedians], Duration) = ([:], .seconds(3600))
        for _ in 0..<3 {
            let began = ContinuousClock.now
            medians = try await store.medians(of: Set(checks))
            together = min(together, ContinuousClock.now - began)
        }
        #expect(medians.count == 1000)
        for (number, check) in checks.enumerated() where number % 37 == 0 {
            #expect(medians[check]?.durations[.tls] == .milliseconds(5 + number % 7))
            #expect(try await store.medians(of: check) == medians[check])
        }
        let alone = ContinuousClock.now
        for check in checks.prefix(50) { _ = try await store.medians(of: check) }
        let each = (ContinuousClock.now - alone) / 50
        print("Medians of 1,000 checks with 60,000 records: together \(together), one at a time \(each * 1000)")
        #expect(together < each * 1000, "the log is read once, not a thousand times")
        #expect(try await HistoryFile(path: scratch.path).medians(of: Set(checks)) == medians)
        await store.close()
    }

    @Test("After a restart the refused login of a database that may sleep is known, and not one that worked since or of another kind")
    func failedLogin() async throws {
        let scratch = try Scratch()
        let first = store(scratch.path)
        let wake = WakeLedger(logins: [Sample.time(0)], limit: 4)
        func record(_ observation: Observation, wakes: Bool = true) {
            var observation = observation
            if wakes { observation.facts.wake = wake }
            first.record(observation)
        }
        for check in [Sample.orders, Sample.reports] {
            record(Sample.success(check, at: 0))
            record(Sample.failure(check, at: 10, .loginPrincipalUnknown, during: .login))
            record(Sample.failure(check, at: 20, .loginPrincipalUnknown, during: .login))
            record(Sample.failure(check, at: 30, .tcpTimeout, during: .tcp))
        }
        record(Sample.success(Sample.reports, at: 40))
        record(Sample.failure(Sample.billing, at: 10, .loginPrincipalUnknown, during: .login), wakes: false)
        await first.close()
        let pasts = try await HistoryFile(path: scratch.path).pasts()
        let login = try #require(pasts[Sample.orders]?.failedLogin)
        #expect(login.failure?.cause == .loginPrincipalUnknown && login.started == Sample.time(20) && login.check == Sample.orders)
        #expect(pasts[Sample.reports]?.failedLogin == nil)
        #expect(pasts[Sample.billing]?.failingSince.isEmpty == false && pasts[Sample.billing]?.failedLogin == nil)
    }

    @Test("After a restart it is known when a check last worked, what was seen then, since when it fails and what changed")
    func past() async throws {
        let scratch = try Scratch()
        let first = store(scratch.path)
        func record(_ observation: Observation, _ change: (inout Facts) -> Void) {
            var observation = observation
            change(&observation.facts)
            first.record(observation)
        }
        record(Sample.success(at: 0)) { ($0.serverVersion, $0.addresses) = ("16.2", ["10.0.0.4"]) }
        record(Sample.success(at: 10)) { ($0.serverVersion, $0.addresses, $0.principal) = ("16.3", ["10.0.0.4"], .userAssigned) }
        record(Sample.failure(at: 20)) { ($0.serverVersion, $0.addresses) = (nil, ["20.1.2.3"]) }
        record(Sample.failure(at: 30, .tcpTimeout, during: .tcp)) { $0.addresses = ["20.1.2.3"] }
        record(Sample.failure(at: 40)) { $0.addresses = ["20.1.2.3"] }
        first.record(Sample.success(Sample.billing, at: 5))
        await first.close()
        let second = store(scratch.path)
        let pasts = try await second.pasts()
        let orders = try #require(pasts[Sample.orders])
        #expect(orders.lastGood == Sample.time(10) + .milliseconds(31))
        #expect(
            orders.facts?.serverVersion == "16.3" && orders.facts?.addresses == ["10.0.0.4"] && orders.facts?.principal == .userAssigned)
        #expect(orders.failingSince == [.tcpRefused: Sample.time(20), .tcpTimeout: Sample.time(30)])
        #expect(orders.changes.map(\.name) == ["addresses"])
        #expect(orders.changes.first?.time == Sample.time(20) + .milliseconds(20))
        let billing = try #require(pasts[Sample.billing])
        #expect(billing.lastGood == Sample.time(5) + .milliseconds(31) && billing.failingSince.isEmpty && billing.changes.isEmpty)
        #expect(try await second.pasts(of: [Sample.billing]).keys.sorted() == [Sample.billing])
        #expect(try await HistoryFile(path: scratch.path).pasts() == pasts)
        await second.close()
    }

    @Test("Of a budget the newest word alone is kept, however many logins there were")
    func wake() async throws {
        let store = store(nil)
        var ledger = WakeLedger(limit: 1440)
        for minute in 0..<200 {
            var observation = success(at: Double(minute) * 60, tls: .milliseconds(9))
            ledger.begin(at: observation.started)
            ledger.end(.worked, at: observation.ended)
            observation.facts.wake = ledger.kept
            store.record(observation)
            if minute % 50 == 0 { await store.flush() }
        }
        await store.flush()
        let rows = try await store.answer(
            TableQuestion(ask: { try Int.fetchOne($0, sql: "SELECT count(*) FROM fact WHERE name = 'wake'") }))
        #expect(rows == 1)
        #expect(try await store.pasts()[Sample.orders]?.wake?.logins.count == 200)
    }

    @Test("The last success is found also when it left the log long ago")
    func longAgo() async throws {
        let store = store(nil)
        for second in 0..<3000 { store.record(Sample.success(at: Double(second))) }
        await store.flush()
        await store.flush()
        for second in 3000..<3005 { store.record(Sample.failure(at: Double(second))) }
        await store.flush()
        #expect(try await store.pasts()[Sample.orders]?.lastGood == Sample.time(2999) + .milliseconds(31))
    }

    @Test("A block of this client is known for a quarter of an hour, behind other failures too, until a probe works")
    func blocked() async throws {
        let store = store(nil)
        let now = Timestamp.now
        func seconds(_ ago: Double) -> Double { (now - Sample.time(0)).seconds - ago }
        store.record(Sample.failure(Sample.orders, at: seconds(120), .clientBlocked, during: .negotiate))
        store.record(Sample.failure(Sample.orders, at: seconds(60), .dnsNotFound, during: .dns))
        store.record(Sample.failure(Sample.billing, at: seconds(1000), .clientBlocked, during: .negotiate))
        store.record(Sample.failure(Sample.reports, at: seconds(120), .clientBlocked, during: .negotiate))
        store.record(Sample.success(Sample.reports, at: seconds(60)))
        await store.flush()
        let pasts = try await store.pasts()
        let block = try #require(pasts[Sample.orders]?.blocked)
        #expect(block.failure?.cause == .clientBlocked && block.failure?.phase == .negotiate)
        #expect(abs((now - block.ended).seconds - 120) < 5, "\(block.ended)")
        #expect(pasts[Sample.billing]?.blocked == nil, "too long ago")
        #expect(pasts[Sample.reports]?.blocked == nil, "a login has worked since")
    }
}
