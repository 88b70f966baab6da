import Diagnosis
import Foundation
import Synchronization
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(5))) struct HistoryStoreTests {
    @Test("The file belongs to its owner alone, whatever the umask")
    func rights() async throws {
        let scratch = try Scratch()
        let store = HistoryStore(path: scratch.path, logger: quiet)
        store.record(Sample.success(at: 0))
        await store.flush()
        for name in scratch.names { #expect(try scratch.mode(scratch.folder + "/" + name) == 0o600, "\(name)") }
        #expect(scratch.names.contains("history.db-wal"))
        await store.close()
    }

    @Test("A file with wider rights is narrowed")
    func narrowed() async throws {
        let scratch = try Scratch()
        try scratch.write([], to: scratch.path)
        try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: scratch.path)
        let store = HistoryStore(path: scratch.path, logger: quiet)
        await store.flush()
        #expect(try scratch.mode(scratch.path) == 0o600)
        await store.close()
    }

    @Test("The loop writes what waits and, when it is stopped, what is left; the file is complete in itself")
    func loop() async throws {
        let scratch = try Scratch()
        let (commits, told) = AsyncStream<StoreCommit>.makeStream()
        let store = HistoryStore(path: scratch.path, logger: quiet, onCommit: { told.yield($0) })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await store.run() }
            store.record(Sample.success(at: 0))
            var iterator = commits.makeAsyncIterator()
            let first = try #require(await iterator.next())
            #expect(first.records == 1)
            for second in 1...1200 { store.record(Sample.success(at: Double(second))) }
            group.cancelAll()
        }
        #expect(store.status.records == 1201)
        #expect(!scratch.names.contains("history.db-wal"))
        #expect(try await HistoryFile(path: scratch.path).observations(HistoryQuery(limit: 5000)).count == 1201)
    }

    @Test("History outlives the service, and the next one goes on where it ended")
    func reopened() async throws {
        let scratch = try Scratch()
        for round in 0..<3 {
            let store = HistoryStore(path: scratch.path, logger: quiet)
            store.record(Sample.success(at: Double(round)))
            store.record(Sample.failure(at: Double(round) + 0.5))
            await store.close()
        }
        let items = try await HistoryFile(path: scratch.path).observations(HistoryQuery())
        #expect(items.count == 6)
        #expect(items.filter { $0.cause == .tcpRefused }.allSatisfy { $0.evidence.count == 2 })
    }

    @Test("When more is recorded than fits, the oldest successes go, failures stay, and the loss is counted")
    func overflow() async throws {
        let store = HistoryStore(path: nil, queueLimit: 10, logger: quiet)
        for second in 0..<5 { store.record(Sample.failure(at: Double(second))) }
        for second in 5..<30 { store.record(Sample.success(at: Double(second))) }
        #expect(store.status.queue == 10)
        await store.flush()
        let items = try await store.observations(HistoryQuery())
        #expect(items.map { Int(($0.time - Sample.epoch).seconds) } == [29, 28, 27, 26, 25, 4, 3, 2, 1, 0])
        #expect(store.status.failures == [.overflow: 20])
        #expect(store.status.records == 10)
    }

    @Test("Facts are written when they change, once, also over a restart; what was not seen is no change")
    func facts() async throws {
        let scratch = try Scratch()
        func observe(_ store: HistoryStore, at seconds: Double, _ change: (inout Facts) -> Void) {
            var observation = Sample.success(at: seconds)
            change(&observation.facts)
            store.record(observation)
        }
        var store = HistoryStore(path: scratch.path, logger: quiet)
        observe(store, at: 0) { ($0.addresses, $0.serverVersion, $0.clockSkew) = (["10.0.0.2", "10.0.0.1"], "15.4", 0.1) }
        observe(store, at: 1) { ($0.addresses, $0.serverVersion, $0.clockSkew) = (["10.0.0.1", "10.0.0.2"], "15.4", 0.2) }
        await store.flush()
        observe(store, at: 2) { $0.addresses = ["10.0.0.1", "10.0.0.2"] }
        await store.close()
        store = HistoryStore(path: scratch.path, logger: quiet)
        observe(store, at: 3) { ($0.addresses, $0.serverVersion) = (["10.0.0.1", "10.0.0.2"], "15.4") }
        observe(store, at: 4) { ($0.addresses, $0.serverVersion) = (["10.0.0.9"], "15.4") }
        await store.flush()
        let changes = try await store.factChanges(of: Sample.orders)
        #expect(
            changes.map(\.fact) == [
                FactValue(name: "addresses", value: #"["10.0.0.9"]"#), FactValue(name: "server_version", value: #""15.4""#),
                FactValue(name: "addresses", value: #"["10.0.0.1","10.0.0.2"]"#),
            ])
        await store.close()
    }

    @Test("Requests for tokens are kept with their result")
    func tokens() async throws {
        let scratch = try Scratch()
        let store = HistoryStore(path: scratch.path, logger: quiet)
        let requests = [
            Sample.request(at: 0, .acquired(expires: Sample.time(3600), isSameToken: false)),
            Sample.request(
                at: 1, .failed(Failure(.identityNotAssigned, during: .token, evidence: [Evidence(.http, code: 400, text: "no")]))),
            Sample.request(at: 2, .acquired(expires: Sample.time(3600), isSameToken: true)),
        ]
        for request in requests { store.record(request) }
        await store.flush()
        #expect(try await store.tokenRequests() == requests.reversed())
        #expect(try await HistoryFile(path: scratch.path).tokenRequests() == requests.reversed())
        await store.close()
    }

    @Test("No token gets into the file, wherever it is hidden")
    func secrets() async throws {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL29zc3JkYm1zIn0.c2lnbmF0dXJl-c2lnbmF0dXJl"
        let scratch = try Scratch()
        let store = HistoryStore(path: scratch.path, logger: quiet)
        var observation = Sample.failure(at: 0, text: "password authentication failed for \(token)")
        observation.facts.certificate = CertificateFacts(
            subject: "CN=\(token)", issuer: "CN=\(token)", names: [token], notBefore: Sample.epoch, notAfter: Sample.epoch,
            chainNotAfter: Sample.epoch, sha256: "00")
        store.record(observation)
        store.record(
            Sample.request(
                at: 0, .failed(Failure(.identityReplyInvalid, during: .token, detail: "said \(token)", values: ["x": "password=\(token)"])))
        )
        await store.flush()
        for name in scratch.names {
            let text = String(decoding: try scratch.bytes(scratch.folder + "/" + name), as: UTF8.self)
            #expect(!text.contains("eyJ"), "\(name)")
            #expect(!text.contains("c2lnbmF0dXJl"), "\(name)")
        }
        await store.close()
    }

    @Test("Successes go after seven days, failures after ninety")
    func retention() async throws {
        let scratch = try Scratch()
        let day = 86_400.0
        var retention = Retention()
        retention.pause = .zero
        let ages: [Double] = [0, 6.5, 7.5, 30, 89, 91]
        let store = HistoryStore(path: scratch.path, retention: retention, logger: quiet)
        let now = (Timestamp.now - Sample.epoch).seconds
        for age in ages {
            // A block each: the log is cut when it holds a few thousand.
            for number in 0..<500 { store.record(Sample.success(at: now - age * day - Double(number) * 0.001)) }
            store.record(Sample.failure(at: now - age * day))
        }
        await store.flush()
        for _ in 0..<10 { await store.flush() }
        let items = try await store.observations(HistoryQuery(limit: 10_000))
        #expect(items.count { $0.state == .up } == 1000)
        #expect(items.count { $0.state == .down } == 5)
        #expect(store.status.pruned == 2001)
        await store.close()
    }

    @Test("The file does not outgrow its limit: old records make room, new ones are kept")
    func largestSize() async throws {
        let scratch = try Scratch()
        var retention = Retention()
        retention.maximumSize = 512 << 10
        retention.pause = .zero
        var pace = StorePace()
        pace.retry = .milliseconds(1)
        let store = HistoryStore(path: scratch.path, retention: retention, pace: pace, logger: quiet)
        for second in 0..<40_000 {
            store.record(Sample.success(at: Double(second)))
            if second % 4000 == 3999 { await store.flush() }
        }
        while store.status.queue > 0 { await store.flush() }
        let newest = try await store.observations(HistoryQuery(limit: 1))
        #expect(newest.first?.time == Sample.time(39_999))
        #expect(store.status.pruned > 0)
        await store.close()
        #expect(scratch.size(scratch.path) <= 512 << 10)
    }

    @Test("The write-ahead log is copied back before it grows large, also within one turn")
    func logIsLimited() async throws {
        let scratch = try Scratch()
        let store = HistoryStore(path: scratch.path, queueLimit: 20_000, logger: quiet)
        for second in 0..<20_000 { store.record(Sample.success(CheckID(target: "t\(second % 97)", identity: "app"), at: Double(second))) }
        await store.flush()
        #expect(store.status.walSize <= 2 << 20)
        #expect(store.status.lastCheckpoint != nil)
        #expect(store.status.size > 0)
        await store.close()
    }

    @Test("A routine success costs at most 60 bytes of file, a thousand checks in turn")
    func bytesPerSuccess() async throws {
        let scratch = try Scratch()
        let store = HistoryStore(path: scratch.path, queueLimit: 20_000, logger: quiet)
        let (checks, rounds) = (1000, 200)
        let names = (0..<checks).map { CheckID(target: "target-\($0)", identity: "app") }
        var random = SystemRandomNumberGenerator()
        for round in 0..<rounds {
            for (index, check) in names.enumerated() {
                let jitter = Double(Int.random(in: 0..<4000, using: &random)) / 1000
                let phases = Phase.probed.map { phase in
                    phase == .token
                        ? PhaseResult(.token, .ok, isCached: true)
                        : PhaseResult(phase, .ok, duration: .microseconds(Int.random(in: 300..<12_000, using: &random)))
                }
                store.record(
                    Observation(
                        check: check, started: Sample.time(Double(round) * 30 + Double(index) * 0.03 + jitter),
                        duration: .microseconds(Int.random(in: 20_000..<60_000, using: &random)), phases: phases, outcome: .succeeded))
            }
            if round % 5 == 4 { await store.flush() }
        }
        await store.close()
        let bytes = Double(scratch.size(scratch.path)) / Double(checks * rounds)
        print("bytes per success: \(bytes)")
        #expect(bytes <= 60)
        #expect(store.status.records == UInt64(checks * rounds))
    }

    @Test(
        "A library with the fault of the write-ahead log is known by its version",
        arguments: [("3.6.23", false), ("3.7.0", true), ("3.40.1", true), ("3.51.2", true), ("3.51.3", false), ("3.53.0", false)])
    func faultyVersion(version: String, isFaulty: Bool) { #expect(Connection.mayDamageFiles(version) == isFaulty) }
}
