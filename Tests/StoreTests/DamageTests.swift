import Diagnosis
import Foundation
import Logging
import Store
import Synchronization
import Testing
import TestSupport

@Suite("What may happen to the file", .timeLimit(.minutes(Scale.pick(10, deep: 40)))) struct DamageTests {
    /// A closed history with enough in it to be worth damaging.
    private func filled(_ scratch: Scratch, _ count: Int = 6000) async {
        let store = HistoryStore(path: scratch.path, logger: quiet)
        for second in 0..<count {
            store.record(Sample.success(second % 3 == 0 ? Sample.billing : Sample.orders, at: Double(second)))
            if second % 100 == 0 { store.record(Sample.failure(at: Double(second))) }
        }
        await store.close()
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        var name: String
        var apply: @Sendable ([UInt8]) -> [UInt8]
        var testDescription: String { name }
    }

    static let damages = [
        Damage(name: "zeroed header") { Array(repeating: 0, count: 100) + $0.dropFirst(100) },
        Damage(name: "truncated in the middle of a page") { Array($0.prefix($0.count / 2 + 100)) },
        Damage(name: "truncated to less than a page") { Array($0.prefix(1000)) },
        Damage(name: "a page of noise") { bytes in
            bytes.prefix(4096) + (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) } + bytes.dropFirst(8192)
        },
        Damage(name: "noise at the end") { bytes in
            bytes.dropLast(20_480) + (0..<20_480).map { UInt8(truncatingIfNeeded: $0 &* 91 &+ 7) }
        },
        Damage(name: "a text file") { _ in Array("interval: 30s\ntargets: []\n".utf8) },
        Damage(name: "a long text file") { _ in Array(String(repeating: "not a database\n", count: 2000).utf8) },
    ]

    @Test("A damaged file is renamed, a new one begun, and it is counted", arguments: damages)
    func damaged(row: Damage) async throws {
        let scratch = try Scratch()
        await filled(scratch)
        let damaged = row.apply(try scratch.bytes(scratch.path))
        try scratch.write(damaged, to: scratch.path)
        let store = HistoryStore(path: scratch.path, logger: quiet)
        store.record(Sample.success(at: 0))
        await store.flush()
        #expect(store.status.mode == .file)
        #expect(store.status.isUp)
        #expect(store.status.recoveries == [.corrupt: 1])
        #expect(try await store.observations(HistoryQuery()).count == 1)
        let kept = try #require(scratch.names.first { $0.hasPrefix("history.db.corrupt-") })
        #expect(try scratch.bytes(scratch.folder + "/" + kept) == damaged)
        await store.close()
        #expect(try await HistoryFile(path: scratch.path).integrity() == [])
    }

    @Test("A random page of noise never stops recording, wherever it lies", arguments: 0..<12)
    func randomPage(round: Int) async throws {
        let scratch = try Scratch()
        await filled(scratch, 3000)
        var bytes = try scratch.bytes(scratch.path)
        let page = (round * 37 + 1) % (bytes.count / 4096)
        for index in 0..<4096 { bytes[page * 4096 + index] = UInt8(truncatingIfNeeded: index &* (round &+ 3)) }
        try scratch.write(bytes, to: scratch.path)
        let store = HistoryStore(path: scratch.path, logger: quiet)
        for second in 0..<4000 { store.record(Sample.success(at: Double(10_000 + second))) }
        await store.flush()
        _ = try? await store.observations(HistoryQuery(limit: 10_000))
        store.record(Sample.success(at: 20_000))
        await store.flush()
        #expect(try await store.observations(HistoryQuery(limit: 1)).first?.time == Sample.time(20_000))
        await store.close()
        #expect(try await HistoryFile(path: scratch.path).integrity() == [])
    }

    @Test("Only the three newest damaged files are kept")
    func threeKept() async throws {
        let scratch = try Scratch()
        let hour = Mutex(0)
        for _ in 0..<5 {
            try scratch.write(Array("no database".utf8), to: scratch.path)
            hour.withLock { $0 += 1 }
            let now = Timestamp.now + .seconds(3600 * hour.withLock { $0 })
            let store = HistoryStore(path: scratch.path, now: { now }, logger: quiet)
            await store.close()
        }
        #expect(scratch.names.count { $0.contains(".corrupt-") } == 3)
    }

    /// Where the header keeps its numbers, big-endian. Source: SQLite, "Database File Format", 1.3.
    enum Header: Int { case userVersion = 60, applicationID = 68 }

    @Test("The file of a later version is refused and left as it is; history goes on in memory, and it is said once")
    func newerSchema() async throws {
        let scratch = try Scratch()
        await filled(scratch, 10)
        var bytes = try scratch.bytes(scratch.path)
        bytes[Header.userVersion.rawValue + 3] = 99
        try scratch.write(bytes, to: scratch.path)
        let log = LogCount()
        let store = HistoryStore(path: scratch.path, logger: log.logger)
        store.record(Sample.success(at: 0))
        for _ in 0..<3 { await store.flush() }
        #expect(store.status.mode == .memory)
        #expect(!store.status.isUp)
        #expect(store.status.trouble == .newerSchema)
        #expect(store.status.message?.contains("schema 99") == true)
        #expect(log.count(.warning) == 1)
        #expect(try await store.observations(HistoryQuery()).count == 1)
        await store.close()
        #expect(try scratch.bytes(scratch.path) == bytes)
        await #expect(throws: Failure.self) { try await HistoryFile(path: scratch.path).observations(HistoryQuery()) }
        do {
            _ = try await HistoryFile(path: scratch.path).observations(HistoryQuery())
        } catch {
            #expect(error.cause == .configInvalid)
            #expect(error.detail?.contains("later version") == true)
        }
    }

    @Test("The database of another program is refused and left as it is")
    func foreign() async throws {
        let scratch = try Scratch()
        await filled(scratch, 10)
        var bytes = try scratch.bytes(scratch.path)
        bytes[Header.applicationID.rawValue] = 1
        try scratch.write(bytes, to: scratch.path)
        let store = HistoryStore(path: scratch.path, logger: quiet)
        await store.flush()
        #expect(store.status.mode == .memory)
        #expect(store.status.trouble == .foreign)
        await store.close()
        #expect(try scratch.bytes(scratch.path) == bytes)
    }

    struct Place: Sendable, CustomTestStringConvertible {
        var name: String
        var trouble: StoreTrouble
        /// Prepares the folder and names the file.
        var path: @Sendable (Scratch) throws -> String
        var testDescription: String { name }
    }

    static let places = [
        Place(name: "a directory that does not exist", trouble: .missing) { $0.folder + "/nowhere/history.db" },
        Place(name: "a file where a directory should be", trouble: .missing) { scratch in
            try scratch.write([1], to: scratch.folder + "/file")
            return scratch.folder + "/file/history.db"
        },
        Place(name: "a file system that cannot be written", trouble: .readOnly) { _ in "/proc/history.db" },
        Place(name: "a directory in place of the file", trouble: .io) { scratch in
            try FileManager.default.createDirectory(atPath: scratch.path, withIntermediateDirectories: false)
            return scratch.path
        },
    ]

    @Test("A place that cannot be used is said once; history goes on in memory", arguments: places)
    func unusablePlace(row: Place) async throws {
        let scratch = try Scratch()
        let path = try row.path(scratch)
        let log = LogCount()
        var pace = StorePace()
        pace.reopen = .zero
        let store = HistoryStore(path: path, pace: pace, logger: log.logger)
        store.record(Sample.success(at: 0))
        for _ in 0..<3 { await store.flush() }
        #expect(store.status.mode == .memory)
        #expect(!store.status.isUp)
        #expect(store.status.trouble == row.trouble)
        #expect(store.status.message?.contains(path) == true)
        #expect(store.status.records == 1)
        #expect(try await store.observations(HistoryQuery()).count == 1)
        #expect(log.count(.warning) == 1)
        await store.close()
    }

    @Test("When the place becomes usable, what was kept in memory moves to the file")
    func becomesUsable() async throws {
        let scratch = try Scratch()
        var pace = StorePace()
        pace.reopen = .zero
        let states = Mutex<[Bool]>([])
        let path = scratch.folder + "/later/history.db"
        let store = HistoryStore(path: path, pace: pace, logger: quiet, onChange: { status in states.withLock { $0.append(status.isUp) } })
        for second in 0..<3000 { store.record(Sample.success(at: Double(second))) }
        store.record(Sample.failure(at: 3000))
        store.record(Sample.request(at: 0, .acquired(expires: Sample.time(60), isSameToken: false)))
        await store.flush()
        #expect(store.status.mode == .memory)
        try FileManager.default.createDirectory(atPath: scratch.folder + "/later", withIntermediateDirectories: false)
        await store.flush()
        #expect(store.status.mode == .file)
        #expect(store.status.isUp)
        #expect(store.status.trouble == nil)
        store.record(Sample.success(at: 3001))
        await store.close()
        let items = try await HistoryFile(path: path).observations(HistoryQuery(limit: 5000))
        // A request for a token is a probe of its identity as well.
        #expect(items.count == 3003)
        #expect(items[1].evidence.count == 2)
        #expect(try await HistoryFile(path: path).tokenRequests().count == 1)
        #expect(states.withLock { $0 } == [false, true])
    }

    @Test("A file that somebody removes is begun anew, and what comes after is in it")
    func removed() async throws {
        let scratch = try Scratch()
        let store = HistoryStore(path: scratch.path, logger: quiet)
        store.record(Sample.success(at: 0))
        await store.flush()
        for name in scratch.names where name != "history.db.lock" {
            try FileManager.default.removeItem(atPath: scratch.folder + "/" + name)
        }
        await store.flush()
        store.record(Sample.success(at: 1))
        await store.close()
        #expect(try await HistoryFile(path: scratch.path).observations(HistoryQuery()).map(\.time) == [Sample.time(1)])
        #expect(store.status.recoveries == [.missing: 1])
    }

    @Test("A full store keeps what waits, says so, and recovers by itself when there is room")
    func full() async throws {
        let scratch = try Scratch()
        await filled(scratch, 3000)
        var retention = Retention()
        // The file has reached its limit already, and nothing in it is old enough to go.
        retention.maximumSize = Int64(scratch.size(scratch.path))
        retention.successes = .seconds(1 << 40)
        retention.step = 0
        var pace = StorePace()
        pace.retry = .milliseconds(1)
        pace.retryLimit = .milliseconds(1)
        let log = LogCount()
        let store = HistoryStore(path: scratch.path, retention: retention, pace: pace, logger: log.logger)
        for second in 0..<8000 { store.record(Sample.success(at: Double(10_000 + second))) }
        for _ in 0..<5 { await store.flush() }
        #expect(store.status.mode == .file)
        #expect(!store.status.isUp)
        #expect(store.status.trouble == .diskFull)
        #expect((store.status.refusedWrites[.diskFull] ?? 0) >= 1)
        #expect(store.status.queue > 0)
        #expect(log.count(.warning) == 1)
        // What was written before can be read while the disk is full.
        #expect(try await store.observations(HistoryQuery(limit: 1)).count == 1)
        await store.close()
        #expect((store.status.failures[.diskFull] ?? 0) > 0)
        #expect(try await HistoryFile(path: scratch.path).integrity() == [])
    }

    @Test("A second process on the same file is refused, is told by whom, and takes over when the first has ended")
    func secondProcess() async throws {
        let scratch = try Scratch()
        var pace = StorePace()
        pace.reopen = .zero
        let second = HistoryStore(path: scratch.path, pace: pace, logger: quiet)
        try await writing(to: scratch.path) { process, lines in
            _ = try await lines.next()
            await second.flush()
            #expect(second.status.mode == .memory)
            #expect(second.status.trouble == .locked)
            #expect(second.status.message?.contains("process \(process)") == true)
        }
        await second.flush()
        #expect(second.status.mode == .file)
        await second.close()
    }

    @Test("Two stores of one process do not share a file either")
    func secondStore() async throws {
        let scratch = try Scratch()
        let (first, second) = (HistoryStore(path: scratch.path, logger: quiet), HistoryStore(path: scratch.path, logger: quiet))
        await first.flush()
        await second.flush()
        #expect(first.status.mode == .file)
        #expect(second.status.trouble == .locked)
        await first.close()
        await second.close()
    }

    @Test("Killed again and again in the middle of writing: the file is whole, and nothing committed is missing")
    func killed() async throws {
        let scratch = try Scratch()
        var committed: Int64 = 0
        let rounds = Scale.pick(50, deep: 1000)
        for round in 0..<rounds {
            try await writing(to: scratch.path, from: committed + 1) { _, lines in
                // Another moment each round: at once, or after some transactions, in the middle of the next one.
                for _ in 0...(round % 10) {
                    guard let line = try await lines.next() else { break }
                    if let number = Int64(line) { committed = number }
                }
            } rest: { line in
                if let number = Int64(line) { committed = number }
            }
            if round % 10 == 9 || round == rounds - 1 {
                #expect(try await HistoryFile(path: scratch.path).integrity() == [])
            }
            let newest = try await HistoryFile(path: scratch.path).observations(HistoryQuery(limit: 1)).first
            #expect((newest?.time.milliseconds ?? 0) / 1000 >= committed, "round \(round)")
            committed = (newest?.time.milliseconds ?? 0) / 1000
        }
        #expect(committed > 500)
        // Every number up to the last is there.
        var numbers: Set<Int64> = []
        var query = HistoryQuery(limit: 5000)
        while let last = try await HistoryFile(path: scratch.path).observations(query).reduce(
            into: HistoryItem?.none,
            { last, item in
                numbers.insert(item.time.milliseconds / 1000)
                last = item
            })
        {
            query.before = last.time + last.duration
        }
        #expect(numbers == Set(1...committed))
        promise("F1", "\(rounds) kills in the middle of writing: 0 corruptions, 0 of \(committed) committed records lost")
    }

    /// Runs the writer, lends its lines of output, and kills it without a warning.
    private func writing(
        to path: String, from first: Int64 = 1, _ body: @escaping (pid_t, inout LineReader) async throws -> Void,
        rest: @escaping (String) -> Void = { _ in }
    ) async throws {
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let helper = URL(fileURLWithPath: program).deletingLastPathComponent().appendingPathComponent("agent-store-writer").path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: helper)
        process.arguments = [path, "\(first)"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        var lines = LineReader(pipe.fileHandleForReading)
        do {
            try await body(process.processIdentifier, &lines)
        } catch {
            kill(process.processIdentifier, SIGKILL)
            throw error
        }
        kill(process.processIdentifier, SIGKILL)
        while let line = try await lines.next() { rest(line) }
        process.waitUntilExit()
    }
}

/// Lines of a pipe, read on a thread of its own so that no thread of the pool waits.
struct LineReader {
    private let handle: FileHandle
    private var buffer: [UInt8] = []

    init(_ handle: FileHandle) { self.handle = handle }

    mutating func next() async throws -> String? {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                defer { buffer.removeSubrange(...end) }
                return String(decoding: buffer[..<end], as: UTF8.self)
            }
            let handle = handle
            let data = await withCheckedContinuation { continuation in
                DispatchQueue.global().async { continuation.resume(returning: handle.availableData) }
            }
            guard !data.isEmpty else { return nil }
            buffer += data
        }
    }
}
