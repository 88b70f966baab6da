import Diagnosis
import Store
import Testing

/// Every way to read history, to hold them to the same behaviour.
enum Kind: String, Sendable, CaseIterable {
    /// The service without a file.
    case memory
    /// The service with a file.
    case file
    /// Another process, while the service goes on.
    case beside
    /// Another process, after the service ended.
    case after
}

/// A history of one kind with observations in it.
struct History {
    let scratch: Scratch
    let store: HistoryStore
    let reader: any HistoryReading

    init(_ kind: Kind, _ observations: [Observation]) async throws {
        scratch = try Scratch()
        store = HistoryStore(path: kind == .memory ? nil : scratch.path, logger: quiet)
        for observation in observations { store.record(observation) }
        await store.flush()
        switch kind {
        case .memory, .file: reader = store
        case .beside: reader = HistoryFile(path: scratch.path)
        case .after:
            await store.close()
            reader = HistoryFile(path: scratch.path)
        }
    }

    func items(_ query: HistoryQuery) async throws -> [HistoryItem] { try await reader.observations(query) }
}

@Suite("Reading history", .timeLimit(.minutes(1))) struct HistoryReadingTests {
    @Test("What was recorded comes back, newest first", arguments: Kind.allCases)
    func roundTrip(kind: Kind) async throws {
        let recorded = [
            Sample.success(at: 0), Sample.failure(at: 1), Sample.partial(at: 2), Sample.success(Sample.billing, at: 3),
            Sample.failure(at: 4, .loginPrincipalUnknown, during: .login),
        ]
        let items = try await History(kind, recorded).items(HistoryQuery())
        #expect(items.map(\.time) == recorded.reversed().map(\.started))
        #expect(items.map(\.check) == recorded.reversed().map(\.check))
        #expect(items.map(\.duration) == recorded.reversed().map(\.duration))
        #expect(items.map(\.phases) == recorded.reversed().map(\.phases))
        #expect(items.map(\.isPartial) == [false, false, true, false, false])
        #expect(items.map(\.state) == [.down, .up, .unknown, .down, .up])
        #expect(items.map(\.cause) == [.loginPrincipalUnknown, nil, nil, .tcpRefused, nil])
        #expect(items.map(\.phase) == [.login, nil, nil, .tcp, nil])
        #expect(items.map(\.evidence) == recorded.reversed().map { $0.failure?.evidence ?? [] })
    }

    @Test("Every cause, phase and kind of evidence comes back", arguments: Kind.allCases)
    func everyWord(kind: Kind) async throws {
        let recorded = Cause.allCases.enumerated().map { index, cause in
            var observation = Sample.failure(at: Double(index), cause, during: Phase.allCases[index % Phase.allCases.count])
            let evidence = Evidence(
                Evidence.Kind.allCases[index % Evidence.Kind.allCases.count], code: index, text: "said \"\(index)\"\u{E9}")
            observation.outcome = .failed(
                Failure(cause, during: Phase.allCases[index % Phase.allCases.count], evidence: [evidence]))
            return observation
        }
        let items = try await History(kind, recorded).items(HistoryQuery(limit: 1000))
        #expect(items.reversed().map(\.cause) == recorded.map { $0.failure?.cause })
        #expect(items.reversed().map(\.phase) == recorded.map { $0.failure?.phase })
        #expect(items.reversed().map(\.evidence) == recorded.map { $0.failure?.evidence })
    }

    @Test("Nothing recorded, nothing found", arguments: [Kind.memory, .file, .beside, .after])
    func empty(kind: Kind) async throws {
        #expect(try await History(kind, []).items(HistoryQuery()) == [])
    }

    struct Filter: Sendable, CustomTestStringConvertible {
        var name: String
        var query: HistoryQuery
        /// The seconds at which the expected observations started.
        var seconds: [Int]
        var testDescription: String { name }
    }

    static let filters = [
        Filter(name: "all", query: HistoryQuery(), seconds: [6, 5, 4, 3, 2, 1, 0]),
        Filter(name: "a check", query: HistoryQuery(check: Sample.orders), seconds: [4, 3, 1, 0]),
        Filter(name: "a target", query: HistoryQuery(target: "orders"), seconds: [5, 4, 3, 1, 0]),
        Filter(name: "a check nobody knows", query: HistoryQuery(check: CheckID(target: "x", identity: "y")), seconds: []),
        Filter(name: "a target nobody knows", query: HistoryQuery(target: "x"), seconds: []),
        Filter(name: "a check of another target", query: HistoryQuery(check: Sample.billing, target: "orders"), seconds: []),
        Filter(name: "only failures", query: HistoryQuery(onlyFailures: true), seconds: [6, 1]),
        Filter(name: "failures of a check", query: HistoryQuery(check: Sample.orders, onlyFailures: true), seconds: [1]),
        Filter(name: "since", query: HistoryQuery(since: Sample.time(3)), seconds: [6, 5, 4, 3]),
        Filter(name: "before", query: HistoryQuery(before: Sample.time(3)), seconds: [2, 1, 0]),
        Filter(name: "since and before", query: HistoryQuery(since: Sample.time(1), before: Sample.time(3)), seconds: [2, 1]),
        Filter(name: "a limit", query: HistoryQuery(limit: 2), seconds: [6, 5]),
        Filter(name: "a limit on a check", query: HistoryQuery(check: Sample.orders, limit: 2), seconds: [4, 3]),
        Filter(name: "no items at all", query: HistoryQuery(limit: 0), seconds: []),
    ]

    @Test("Filters", arguments: Kind.allCases, filters)
    func filter(kind: Kind, row: Filter) async throws {
        let history = try await History(
            kind,
            [
                Sample.success(at: 0), Sample.failure(at: 1), Sample.success(Sample.billing, at: 2), Sample.partial(at: 3),
                Sample.success(at: 4), Sample.success(Sample.reports, at: 5), Sample.failure(Sample.billing, at: 6),
            ])
        let items = try await history.items(row.query)
        #expect(items.map { Int(($0.time - Sample.epoch).seconds) } == row.seconds)
    }

    @Test("Pages leave nothing out and give nothing twice, also where ends are equal and rows lie in blocks", arguments: Kind.allCases)
    func paging(kind: Kind) async throws {
        // Enough for the log to be cut into blocks, in part; many end in the same millisecond.
        var recorded: [Observation] = []
        for round in 0..<500 {
            for check in [Sample.orders, Sample.reports, Sample.billing] { recorded.append(Sample.success(check, at: Double(round) * 30)) }
            for number in 0..<2 {
                recorded.append(Sample.success(CheckID(target: "t\(number)", identity: "app"), at: Double(round) * 30 + 3))
            }
            if round % 50 == 0 { recorded.append(Sample.failure(at: Double(round) * 30)) }
        }
        let history = try await History(kind, recorded)
        var seen: [HistoryItem] = []
        var query = HistoryQuery(limit: 100)
        while true {
            let page = try await history.items(query)
            guard let last = page.last else { break }
            #expect(page.count >= 100 || seen.count + page.count == recorded.count)
            #expect(page.count < 110)
            seen += page
            query.before = last.time + last.duration
        }
        #expect(seen.count == recorded.count)
        #expect(zip(seen, seen.dropFirst()).allSatisfy { $0.time + $0.duration >= $1.time + $1.duration })
        struct Key: Hashable {
            var check: CheckID
            var time: Timestamp
            var cause: Cause?
        }
        #expect(Set(seen.map { Key(check: $0.check, time: $0.time, cause: $0.cause) }).count == recorded.count)
    }

    @Test("Observations that come late or out of order are found in their place", arguments: Kind.allCases)
    func outOfOrder(kind: Kind) async throws {
        let seconds = (0..<3000).map { Double(($0 * 1237) % 3000) }
        let history = try await History(kind, seconds.map { Sample.success(at: $0) })
        let items = try await history.items(HistoryQuery(check: Sample.orders, limit: 5000))
        #expect(items.map { Int(($0.time - Sample.epoch).seconds) } == Array((0..<3000).reversed()))
    }

    @Test("A history file that does not exist is a mistake of configuration, named by its path")
    func missingFile() async throws {
        let scratch = try Scratch()
        do {
            _ = try await HistoryFile(path: scratch.path).observations(HistoryQuery())
            Issue.record("no failure")
        } catch {
            #expect(error.cause == .configInvalid)
            #expect(error.detail?.contains(scratch.path) == true)
        }
        #expect(scratch.names == [])
    }

    @Test("Reading beside a service leaves its files alone")
    func readingWritesNothing() async throws {
        let history = try await History(.beside, [Sample.success(at: 0)])
        let (names, bytes) = (history.scratch.names, try history.scratch.bytes(history.scratch.path))
        for _ in 0..<3 { _ = try await history.items(HistoryQuery()) }
        #expect(history.scratch.names == names)
        #expect(try history.scratch.bytes(history.scratch.path) == bytes)
        history.store.record(Sample.success(at: 1))
        await history.store.flush()
        #expect(try await history.items(HistoryQuery()).count == 2)
    }
}
