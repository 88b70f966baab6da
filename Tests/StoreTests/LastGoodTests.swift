// When a check last worked is known for as long as there is a file, although the successes that said so go after days.
import Diagnosis
import Foundation
import Synchronization
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(1))) struct LastGoodTests {
    /// A store whose wall clock is turned by hand and which looks for old records at every turn.
    private final class Turned: Sendable {
        let store: HistoryStore
        private let hands: Hands

        init(_ path: String?, at seconds: Double = 0, _ change: (inout Retention) -> Void = { _ in }) {
            let hands = Hands(seconds)
            self.hands = hands
            var retention = Retention()
            retention.pause = .zero
            change(&retention)
            store = HistoryStore(
                path: path, retention: retention, now: { hands.now.withLock { $0 } }, incidentsMayOpen: { true }, logger: quiet)
        }

        /// Lets the store do what is due at that time. The first turn begins to count how old the log is.
        func turn(to seconds: Double) async {
            for _ in 0..<2 { await store.flush() }
            hands.now.withLock { $0 = Sample.time(seconds) }
            for _ in 0..<4 { await store.flush() }
        }

        func record(_ observation: Observation, address: String) {
            var observation = observation
            observation.facts.addresses = [address]
            store.record(observation)
        }
    }

    private final class Hands: Sendable {
        let now: Mutex<Timestamp>
        init(_ seconds: Double) { now = Mutex(Sample.time(seconds)) }
    }

    private static let day = 86_400.0
    private let good = Sample.time(60) + .milliseconds(31)

    @Test("An outage older than every kept success: after a restart the last good and what differs from it are known")
    func longOutage() async throws {
        let scratch = try Scratch()
        let first = Turned(scratch.path)
        for second in 0...60 { first.record(Sample.success(at: Double(second)), address: "10.0.0.4") }
        for hour in 0..<(9 * 24) {
            first.record(Sample.failure(at: 120 + Double(hour) * 3600), address: "20.1.2.3")
            if hour % 12 == 0 { await first.turn(to: 120 + Double(hour) * 3600) }
        }
        await first.turn(to: 9 * Self.day)
        #expect(try await first.store.observations(HistoryQuery(limit: 10_000)).allSatisfy { $0.state == .down }, "no success is kept")
        await first.store.close()

        let second = Turned(scratch.path, at: 9 * Self.day)
        let past = try #require(try await second.store.pasts()[Sample.orders])
        #expect(past.lastGood == good)
        #expect(past.facts?.addresses == ["10.0.0.4"])
        #expect(past.changes.map(\.name) == ["addresses"])
        let comparison = try await second.store.changes(of: Sample.orders)
        #expect(comparison.lastGood == good && comparison.firstBad == Sample.time(120) + .milliseconds(20))
        #expect(comparison.changes.map(\.after) == [["20.1.2.3"]])
        #expect(try await HistoryFile(path: scratch.path).changes(of: Sample.orders) == comparison)
        await second.store.close()
    }

    @Test("A check that has worked again for longer than successes are kept is still compared with when it last worked before")
    func recovered() async throws {
        let store = Turned(nil)
        for second in 0...60 { store.record(Sample.success(at: Double(second)), address: "10.0.0.4") }
        store.record(Sample.failure(at: 70), address: "20.1.2.3")
        store.record(Sample.success(at: 80), address: "20.1.2.3")
        for day in 1...9 {
            store.record(Sample.success(at: Double(day) * Self.day), address: "20.1.2.3")
            await store.turn(to: Double(day) * Self.day)
        }
        await store.turn(to: 17 * Self.day)
        #expect(try await store.store.observations(HistoryQuery(limit: 10_000)).allSatisfy { $0.state == .down })
        let comparison = try await store.store.changes(of: Sample.orders)
        #expect(comparison.lastGood == good)
        #expect(comparison.changes.map(\.before) == [["10.0.0.4"]])
        #expect(try await store.store.pasts()[Sample.orders]?.lastGood == Sample.time(9 * Self.day) + .milliseconds(31))
    }

    @Test("Two outages in one stretch of the log: the last good is that before the newer one")
    func twoOutages() async throws {
        let store = Turned(nil)
        for (second, isGood) in [true, false, true, true, false, true].enumerated() {
            store.store.record(isGood ? Sample.success(at: Double(second)) : Sample.failure(at: Double(second)))
        }
        let before = try await store.store.changes(of: Sample.orders)
        await store.turn(to: 8 * Self.day)
        let after = try await store.store.changes(of: Sample.orders)
        #expect(after.lastGood == Sample.time(3) + .milliseconds(31))
        #expect(before.lastGood == nil || before == after)
        store.store.record(Sample.failure(at: 6))
        await store.store.flush()
        #expect(try await store.store.changes(of: Sample.orders).lastGood == Sample.time(5) + .milliseconds(31))
    }

    @Test("Under the largest size the successes of a check that fails go, but not when the last one was")
    func smallFile() async throws {
        let scratch = try Scratch()
        let store = Turned(scratch.path) { $0.maximumSize = 512 << 10 }
        for second in 0...60 { store.record(Sample.success(at: Double(second)), address: "10.0.0.4") }
        store.record(Sample.failure(at: 61), address: "20.1.2.3")
        for second in 0..<40_000 {
            store.store.record(Sample.success(Sample.billing, at: 100 + Double(second)))
            if second % 4000 == 3999 { await store.store.flush() }
        }
        for _ in 0..<5 { await store.store.flush() }
        #expect(try await store.store.observations(HistoryQuery(check: Sample.orders, limit: 100)).allSatisfy { $0.state == .down })
        #expect(try await store.store.pasts()[Sample.orders]?.lastGood == good)
        await store.store.close()
    }

    @Test("What memory knew of the last success moves to the file with the rest")
    func outOfMemory() async throws {
        let scratch = try Scratch()
        let path = scratch.folder + "/later/history.db"
        let now = Mutex(Sample.time(0))
        var (pace, retention) = (StorePace(), Retention())
        (pace.reopen, retention.pause) = (.zero, .zero)
        let store = HistoryStore(
            path: path, retention: retention, pace: pace, now: { now.withLock { $0 } }, incidentsMayOpen: { true }, logger: quiet)
        for second in 0...60 { store.record(Sample.success(at: Double(second))) }
        store.record(Sample.failure(at: 61))
        store.record(Sample.success(at: 62))
        await store.flush()
        await store.flush()
        now.withLock { $0 = Sample.time(8 * Self.day) }
        for _ in 0..<4 { await store.flush() }
        #expect(store.status.mode == .memory && store.status.pruned == 62)
        try FileManager.default.createDirectory(atPath: scratch.folder + "/later", withIntermediateDirectories: false)
        for _ in 0..<2 { await store.flush() }
        #expect(store.status.mode == .file)
        #expect(try await store.changes(of: Sample.orders).lastGood == good)
        #expect(try await store.pasts()[Sample.orders]?.lastGood == Sample.time(62) + .milliseconds(31))
        await store.close()
    }
}
