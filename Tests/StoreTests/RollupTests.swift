// Sums by hour and day, and what goes when: the years of history.
import Diagnosis
import Foundation
import Synchronization
import Testing

@testable import Store

/// A wall clock that a test moves.
private final class WallClock: Sendable {
    private let time: Mutex<Timestamp>
    init(_ start: Timestamp) { time = Mutex(start) }
    var now: Timestamp { time.withLock { $0 } }
    func move(to moment: Timestamp) { time.withLock { $0 = moment } }
}

/// Midnight, so that hours and days are easily named.
private let midnight = Timestamp(rfc3339: "2026-01-01T00:00:00Z") ?? .now

private func probe(_ check: CheckID = Sample.orders, at time: Timestamp, milliseconds: Int = 31, _ cause: Cause? = nil) -> Observation {
    var observation = cause.map { Sample.failure(check, at: 0, $0) } ?? Sample.success(check, at: 0)
    observation.started = time
    observation.duration = .milliseconds(milliseconds)
    return observation
}

@Suite(.timeLimit(.minutes(3))) struct RollupTests {
    /// What the raw rows add up to.
    private func sums(of items: [HistoryItem], _ span: Rollup.Span) -> [String: [Int64]] {
        var sums: [String: [Int64]] = [:]
        for item in items where !item.isPartial {
            let ended = (item.time + item.duration).milliseconds
            let length = Int64(span.duration.components.seconds) * 1000
            let micro = item.duration.components.seconds * 1_000_000 + item.duration.components.attoseconds / 1_000_000_000_000
            let key = "\(item.check) \(ended / length * length)"
            var sum = sums[key] ?? [0, 0, 0, .max, 0]
            sum[0] += 1
            if item.cause != nil {
                sum[1] += 1
            } else {
                sum[2] += micro
                (sum[3], sum[4]) = (min(sum[3], micro), max(sum[4], micro))
            }
            sums[key] = sum
        }
        return sums
    }

    private func figures(_ rollups: [Rollup]) -> [String: [Int64]] {
        func micro(_ duration: Duration) -> Int64 {
            duration.components.seconds * 1_000_000 + duration.components.attoseconds / 1_000_000_000_000
        }
        return Dictionary(
            uniqueKeysWithValues: rollups.map { rollup in
                (
                    "\(rollup.check) \(rollup.start.milliseconds)",
                    [
                        Int64(rollup.probes), Int64(rollup.failures), rollup.durations.map { micro($0.sum) } ?? 0,
                        rollup.durations.map { micro($0.least) } ?? .max, rollup.durations.map { micro($0.most) } ?? 0,
                    ]
                )
            })
    }

    @Test("Sums are those of the raw rows at every moment: in the log, half cut, restarted", arguments: [Rollup.Span.hour, .day])
    func arithmetic(span: Rollup.Span) async throws {
        let scratch = try Scratch()
        let clock = WallClock(midnight)
        let checks = [Sample.orders, Sample.reports, Sample.billing]
        var retention = Retention()
        retention.successes = .seconds(400 * 86_400)
        var generator = SystemRandomNumberGenerator()
        for part in 0..<4 {
            let store = HistoryStore(path: scratch.path, retention: retention, now: { clock.now }, logger: quiet)
            for step in 0..<1500 {
                let time = midnight + .seconds(part * 30_000 + step * 20)
                clock.move(to: time)
                let check = checks[step % 3]
                switch step % 50 {
                case 7: store.record(probe(check, at: time, milliseconds: 12, .tcpRefused))
                case 8: store.record(probe(check, at: time, milliseconds: 9, .tcpTimeout))
                case 9:
                    var partial = Sample.partial(check, at: 0)
                    partial.started = time
                    store.record(partial)
                default: store.record(probe(check, at: time, milliseconds: Int.random(in: 1..<500, using: &generator)))
                }
                if step % 400 == 399 { await store.flush() }
            }
            await store.flush()
            let raw = try await store.observations(HistoryQuery(limit: 10_000))
            let rollups = try await store.rollups(RollupQuery(span, limit: 10_000))
            #expect(figures(rollups) == sums(of: raw, span), "after part \(part)")
            await store.close()
            #expect(try await HistoryFile(path: scratch.path).rollups(RollupQuery(span, limit: 10_000)) == rollups)
        }
        let one = try await HistoryFile(path: scratch.path).rollups(RollupQuery(span, check: Sample.orders, limit: 2))
        #expect(one.count == 2 && one.allSatisfy { $0.check == Sample.orders } && one[0].start > one[1].start)
        #expect(Set(one.flatMap(\.causes).map(\.cause)).isSubset(of: [.tcpRefused, .tcpTimeout]))
    }

    @Test(
        "The percentile is within a sixteenth of the true one, however sketches were added up",
        arguments: [3, 40, 900, 25_000, 3_000_000] as [Int64])
    func sketch(scale: Int64) {
        var (whole, parts) = (DurationSketch(), [DurationSketch(), DurationSketch(), DurationSketch()])
        let values = (0..<5000).map { index in (Int64(index) * 7919 % 5000) * scale / 500 + 1 }
        for (index, value) in values.enumerated() {
            whole.add(value)
            parts[index % 3].add(value)
        }
        var sum = DurationSketch()
        for part in parts {
            var bytes: [UInt8] = []
            part.append(to: &bytes)
            var reader = ByteReader(bytes)
            let read = DurationSketch(&reader)
            #expect(read == part && reader.isAtEnd)
            if let read { sum.add(read) }
        }
        #expect(sum == whole)
        for share in [0.5, 0.95, 0.99, 1.0] {
            let exact = values.sorted()[Int((Double(values.count) * share).rounded(.up)) - 1]
            #expect(abs(whole.quantile(share) - exact) <= max(1, exact / 16), "\(share): \(whole.quantile(share)) for \(exact)")
        }
    }

    @Test("A damaged row is no row")
    func damagedRow() {
        var sum = RollupSum()
        sum.add(Record(kind: .succeeded, duration: .milliseconds(3), phases: []), cause: nil)
        sum.add(Record(kind: .failed, duration: .milliseconds(3), phases: []), cause: "tcp_refused")
        let bytes = sum.encoded
        #expect(RollupSum(bytes) == sum)
        for length in 0..<bytes.count { #expect(RollupSum(Array(bytes.prefix(length))) == nil) }
        #expect(RollupSum([99] + bytes.dropFirst()) == nil)
    }

    @Test("Over 120 days detail stays seven days, failures and hours ninety, days four hundred")
    func retention() async throws {
        let scratch = try Scratch()
        let clock = WallClock(midnight)
        var retention = Retention()
        retention.pause = .zero
        let store = HistoryStore(path: scratch.path, retention: retention, now: { clock.now }, incidentsMayOpen: { true }, logger: quiet)
        let (days, perDay) = (120, 288)
        for day in 0..<days {
            for step in 0..<perDay {
                let time = midnight + .seconds(day * 86_400 + step * 300)
                clock.move(to: time)
                // Two failures a day, which are an incident.
                store.record(probe(at: time, (100...101).contains(step) ? .tcpRefused : nil))
                if step % 36 == 35 { await store.flush() }
            }
        }
        let end = midnight + .seconds(days * 86_400)
        clock.move(to: end)
        for _ in 0..<30 { await store.flush() }
        func age(_ time: Timestamp) -> Double { (end - time).seconds / 86_400 }

        let up = try await store.observations(HistoryQuery(limit: 10_000)).filter { $0.state == .up }
        #expect(up.count >= 7 * (perDay - 2) && up.count <= Int(7.6 * Double(perDay)), "\(up.count)")
        let failures = try await store.observations(HistoryQuery(limit: 10_000, onlyFailures: true))
        #expect(failures.count == 180)
        let hours = try await store.rollups(RollupQuery(.hour, limit: 100_000))
        #expect(hours.count == 90 * 24)
        #expect(hours.allSatisfy { $0.probes == 12 })
        #expect(hours.allSatisfy { age($0.start) <= 90 })
        let daily = try await store.rollups(RollupQuery(.day, limit: 100_000))
        #expect(daily.count == days)
        #expect(daily.allSatisfy { $0.probes == perDay && $0.failures == 2 && $0.causes == [.init(cause: .tcpRefused, count: 2)] })
        let incidents = try await store.incidents(IncidentQuery(limit: 1000))
        #expect(incidents.count == days)
        #expect(incidents.allSatisfy { $0.closed == $0.opened + .seconds(600) })

        // Two years later only the days of the last 400 are left of it, and then nothing.
        clock.move(to: midnight + .seconds(450 * 86_400))
        for _ in 0..<30 { await store.flush() }
        #expect(try await store.observations(HistoryQuery()).isEmpty)
        #expect(try await store.rollups(RollupQuery(.hour)).isEmpty)
        #expect(try await store.rollups(RollupQuery(.day, limit: 1000)).count == days - 50)
        #expect(try await store.incidents(IncidentQuery(limit: 1000)).count == days - 50)
        // Numbers begin again when all failures are gone; the next ones are counted nevertheless.
        store.record(probe(at: clock.now, .tcpRefused))
        await store.flush()
        #expect(try await store.rollups(RollupQuery(.day, limit: 1)).first?.failures == 1)
        clock.move(to: clock.now + .seconds(7 * 3600))
        await store.flush()
        #expect(try await store.rollups(RollupQuery(.day, limit: 1)).first?.failures == 1)
        await store.close()
    }

    @Test("The size is a hard limit, also for failures and sums; the newest of everything stays")
    func sizeCap() async throws {
        let scratch = try Scratch()
        let clock = WallClock(midnight)
        var (retention, pace) = (Retention(), StorePace())
        retention.maximumSize = 768 << 10
        retention.pause = .zero
        pace.retry = .milliseconds(1)
        let store = HistoryStore(
            path: scratch.path, retention: retention, pace: pace, now: { clock.now }, incidentsMayOpen: { true }, logger: quiet)
        let checks = (0..<40).map { CheckID(target: "t\($0)", identity: "app") }
        for round in 0..<700 {
            let time = midnight + .seconds(round * 900)
            clock.move(to: time)
            for (index, check) in checks.enumerated() {
                store.record(probe(check, at: time, milliseconds: 20 + index, (round + index) % 9 < 2 ? .tcpRefused : nil))
            }
            if round % 20 == 19 {
                await store.flush()
                #expect(scratch.size(scratch.path) <= 768 << 10)
            }
        }
        for _ in 0..<200 where store.status.queue > 0 { await store.flush() }
        #expect(store.status.queue == 0)
        #expect(store.status.failures.isEmpty, "\(store.status.failures)")
        #expect(store.status.pruned > 0)
        #expect(try await store.observations(HistoryQuery(limit: 1)).first?.time == clock.now)
        #expect(try await store.rollups(RollupQuery(.day, limit: 1000)).count >= 40 * 7)
        #expect(try await !store.incidents(IncidentQuery(limit: 1)).isEmpty)
        await store.close()
        #expect(scratch.size(scratch.path) <= 768 << 10)
    }
}
