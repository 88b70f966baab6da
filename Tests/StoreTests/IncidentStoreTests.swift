// Incidents and changes of facts, from what is recorded to what is read.
import Diagnosis
import Foundation
import Store
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct IncidentStoreTests {
    private func store(_ path: String?, mayOpen: @escaping @Sendable () -> Bool = { true }) -> HistoryStore {
        HistoryStore(path: path, incidentsMayOpen: mayOpen, logger: quiet)
    }

    @Test("What fails twice is an incident for every reader, and closed after two successes", arguments: Kind.allCases)
    func roundTrip(kind: Kind) async throws {
        let scratch = try Scratch()
        let store = store(kind == .memory ? nil : scratch.path)
        for second in 0..<2 { store.record(Sample.failure(at: Double(second))) }
        store.record(Sample.failure(at: 2, .loginRefused, during: .login))
        for second in 3..<5 { store.record(Sample.success(at: Double(second))) }
        store.record(Sample.failure(Sample.billing, at: 5, .loginPrincipalUnknown, during: .login))
        store.record(Sample.failure(Sample.reports, at: 6))
        await store.flush()
        if kind == .after { await store.close() }
        let reader: any HistoryReading = kind == .memory || kind == .file ? store : HistoryFile(path: scratch.path)
        let all = try await reader.incidents(IncidentQuery())
        #expect(all.map(\.check) == [Sample.billing, Sample.orders], "reports failed once, with a cause that may pass")
        let closed = try #require(all.last)
        #expect(closed.opened == Sample.time(0) && closed.closed == Sample.time(3) && closed.lastFailure == Sample.time(2))
        #expect(closed.failures == 3)
        #expect(closed.causes.map(\.cause) == [.tcpRefused, .loginRefused])
        #expect(closed.causes.map(\.time) == [Sample.time(0), Sample.time(2)])
        #expect(closed.worstPhase == .tcp)
        #expect(try await reader.incidents(IncidentQuery(onlyOpen: true)).map(\.check) == [Sample.billing])
        #expect(try await reader.incidents(IncidentQuery(check: Sample.orders)).count == 1)
        #expect(try await reader.incidents(IncidentQuery(target: "billing")).count == 1)
        #expect(try await reader.incidents(IncidentQuery(target: "crm")).isEmpty)
        #expect(try await reader.incidents(IncidentQuery(since: Sample.time(4))).map(\.check) == [Sample.billing])
        #expect(try await reader.incidents(IncidentQuery(before: Sample.time(5), limit: 1)).map(\.check) == [Sample.orders])
        if kind != .after { await store.close() }
    }

    @Test("An identity that gets no tokens has incidents, history and sums by itself, for every reader", arguments: Kind.allCases)
    func identities(kind: Kind) async throws {
        let scratch = try Scratch()
        let store = store(kind == .memory ? nil : scratch.path)
        let watch = CheckID(watching: "app")
        let refused = TokenRequestResult.Outcome.failed(Failure(.entraUnavailable, during: .token))
        let given = TokenRequestResult.Outcome.acquired(expires: Sample.time(3600), isSameToken: false)
        for (second, outcome) in [refused, refused, given, refused, given, given].enumerated() {
            let request = Sample.request(at: Double(second), outcome)
            store.record(request, watch: request.observation)
        }
        store.record(Sample.success(at: 6))
        await store.flush()
        if kind == .after { await store.close() }
        let reader: any HistoryReading = kind == .memory || kind == .file ? store : HistoryFile(path: scratch.path)
        let incident = try #require(try await reader.incidents(IncidentQuery(check: watch)).first)
        #expect(incident.check == watch && incident.failures == 3 && incident.worstPhase == .token)
        #expect(incident.causes.map(\.cause) == [.entraUnavailable])
        let length = Sample.request(at: 0, given).duration
        #expect(incident.opened == Sample.time(0) + (.zero - length), "when the first request began")
        #expect(incident.closed == Sample.time(4) + (.zero - length))
        let items = try await reader.observations(HistoryQuery(check: watch))
        #expect(items.map(\.state) == [.up, .up, .down, .up, .down, .down])
        #expect(items.allSatisfy { $0.phases.map(\.phase) == [.token] })
        #expect(try await reader.observations(HistoryQuery(target: "orders")).map(\.check) == [Sample.orders], "no target has them")
        if kind != .after { await store.close() }
    }

    @Test("Nothing opens in the first minute, which counts from the start of the store and cannot be configured")
    func quietTime() async throws {
        let isOver = Mutex(false)
        let store = HistoryStore(path: nil, logger: quiet)
        let injected = self.store(nil) { isOver.withLock { $0 } }
        for store in [store, injected] {
            for second in 0..<5 { store.record(Sample.failure(at: Double(second), .loginRefused, during: .login)) }
            await store.flush()
            #expect(try await store.incidents(IncidentQuery()).isEmpty)
        }
        isOver.withLock { $0 = true }
        injected.record(Sample.failure(at: 5, .loginRefused, during: .login))
        await injected.flush()
        let incident = try #require(try await injected.incidents(IncidentQuery()).first)
        #expect(incident.opened == Sample.time(0) && incident.failures == 6)
        #expect(HistoryStore.quietTime == .seconds(60))
    }

    @Test("An incident ends when its check leaves the configuration, while the agent runs and over a restart")
    func checkGoes() async throws {
        let scratch = try Scratch()
        let store = store(scratch.path)
        for check in [Sample.orders, Sample.billing, Sample.reports] {
            store.record(Sample.failure(check, at: 0, .loginPrincipalUnknown, during: .login))
        }
        await store.flush()
        #expect(try await store.incidents(IncidentQuery(onlyOpen: true)).count == 3)
        store.follow([Sample.orders, Sample.billing])
        await store.flush()
        #expect(Set(try await store.incidents(IncidentQuery(onlyOpen: true)).map(\.check)) == [Sample.orders, Sample.billing])
        let ended = try #require(try await store.incidents(IncidentQuery(check: Sample.reports)).first)
        #expect(try #require(ended.closed) >= ended.lastFailure)
        await store.close()

        let later = self.store(scratch.path)
        later.follow([Sample.orders])
        await later.flush()
        await later.flush()
        #expect(try await later.incidents(IncidentQuery(onlyOpen: true)).map(\.check) == [Sample.orders])
        await later.close()
    }

    @Test("A restart goes on with the open incident instead of opening a second one")
    func restart() async throws {
        let scratch = try Scratch()
        let first = store(scratch.path)
        for second in 0..<2 { first.record(Sample.failure(at: Double(second))) }
        await first.close()

        // In its own first minute.
        let second = store(scratch.path) { false }
        await second.flush()
        second.record(Sample.failure(at: 100, .tcpTimeout, during: .tcp))
        await second.close()
        let going = try await HistoryFile(path: scratch.path).incidents(IncidentQuery())
        #expect(going.count == 1)
        #expect(going.first?.isOpen == true && going.first?.opened == Sample.time(0) && going.first?.failures == 3)
        #expect(going.first?.causes.map(\.cause) == [.tcpRefused, .tcpTimeout])

        // Observations that come before the file was read.
        let third = store(scratch.path) { false }
        for second in 200..<202 { third.record(Sample.success(at: Double(second))) }
        await third.close()
        let closed = try await HistoryFile(path: scratch.path).incidents(IncidentQuery())
        #expect(closed.count == 1)
        #expect(closed.first?.closed == Sample.time(200))
    }

    @Test("While memory stands in for the file an incident goes on, and it is one when the file is back")
    func memoryStandsIn() async throws {
        let scratch = try Scratch()
        let first = store(scratch.path)
        for second in 0..<2 { first.record(Sample.failure(at: Double(second))) }
        await first.close()
        let away = scratch.folder + "-away"
        try FileManager.default.moveItem(atPath: scratch.folder, toPath: away)
        defer { try? FileManager.default.removeItem(atPath: away) }

        var pace = StorePace()
        pace.reopen = .zero
        let second = HistoryStore(path: scratch.path, pace: pace, incidentsMayOpen: { true }, logger: quiet)
        await second.flush()
        #expect(second.status.mode == .memory)
        for time in 10..<12 { second.record(Sample.failure(at: Double(time), .tcpTimeout, during: .tcp)) }
        await second.flush()
        #expect(try await second.incidents(IncidentQuery()).count == 1)
        try FileManager.default.moveItem(atPath: away, toPath: scratch.folder)
        for _ in 0..<3 { await second.flush() }
        #expect(second.status.mode == .file)
        let incidents = try await second.incidents(IncidentQuery())
        #expect(incidents.map(\.opened) == [Sample.time(0)])
        #expect(incidents.first?.failures == 4)
        #expect(incidents.first?.causes.map(\.cause) == [.tcpRefused, .tcpTimeout])
        await second.close()
    }

    @Test("What differs between the last good and the first bad observation is told, and nothing else", arguments: [Kind.file, .after])
    func changes(kind: Kind) async throws {
        let scratch = try Scratch()
        let store = store(scratch.path)
        func record(_ observation: Observation, _ change: (inout Facts) -> Void) {
            var observation = observation
            change(&observation.facts)
            store.record(observation)
        }
        record(Sample.success(at: 0)) { ($0.serverVersion, $0.addresses) = ("16.2", ["10.0.0.4"]) }
        record(Sample.success(at: 10)) { ($0.serverVersion, $0.addresses, $0.tlsVersion) = ("16.3", ["10.0.0.4"], "TLSv1.3") }
        // What logins have cost is the agent's own book-keeping.
        record(Sample.failure(at: 20)) {
            ($0.addresses, $0.tenant, $0.wake) = (["20.1.2.3"], "t1", WakeLedger(logins: [Sample.time(20)]))
        }
        record(Sample.failure(at: 30)) { $0.addresses = ["20.9.9.9"] }
        await store.flush()
        if kind == .after { await store.close() }
        let file = HistoryFile(path: scratch.path)
        let comparison = kind == .after ? try await file.changes(of: Sample.orders) : try await store.changes(of: Sample.orders)
        #expect(comparison.lastGood == Sample.time(10) + .milliseconds(31))
        #expect(comparison.firstBad == Sample.time(20) + .milliseconds(20))
        #expect(comparison.cause == .tcpRefused && comparison.phase == .tcp)
        #expect(comparison.changes.map(\.name) == ["addresses", "tenant_id"])
        #expect(comparison.changes.first?.before == ["10.0.0.4"] && comparison.changes.first?.after == ["20.1.2.3"])
        #expect(comparison.phrases == ["address 10.0.0.4 (private) → 20.1.2.3 (public)", "tenant id t1, not known before"])
        if kind == .file { await store.close() }
    }

    @Test("Without a failure, and without a success, there is nothing to compare")
    func nothingToCompare() async throws {
        let store = store(nil)
        #expect(try await store.changes(of: Sample.orders) == FactsComparison(check: Sample.orders))
        store.record(Sample.success(at: 0))
        store.record(Sample.failure(Sample.billing, at: 1))
        await store.flush()
        #expect(try await store.changes(of: Sample.orders).firstBad == nil)
        let bad = try await store.changes(of: Sample.billing)
        #expect(bad.firstBad != nil && bad.lastGood == nil && bad.changes.isEmpty)
    }

    @Test("The last success is found in the log, in blocks, and across both")
    func lastGoodInBlocks() async throws {
        let store = store(nil)
        for second in 0..<3000 { store.record(Sample.success(at: Double(second))) }
        await store.flush()
        await store.flush()
        store.record(Sample.failure(at: 3000))
        await store.flush()
        #expect(try await store.changes(of: Sample.orders).lastGood == Sample.time(2999) + .milliseconds(31))
        store.record(Sample.success(at: 3001))
        store.record(Sample.failure(at: 3002))
        await store.flush()
        #expect(try await store.changes(of: Sample.orders).lastGood == Sample.time(3001) + .milliseconds(31))
    }
}
