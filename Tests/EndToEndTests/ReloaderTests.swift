// Taking up a configuration, look by look: what is counted and told, and what is tried again.
import Diagnosis
import Foundation
import Logging
import Settings
import Synchronization
import Telemetry
import TestSupport
import Testing

@testable import Commands

@Suite(.timeLimit(.minutes(1))) struct ReloaderTests {
    private static let good = """
        identities: {app: {kind: managed_identity}}
        targets: [{name: orders, engine: postgresql, host: h, database: d, user: u, identities: [app]}]

        """

    /// A reloader over a file of its own, and everybody whom it tells.
    private final class Desk: Sendable {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("reloader-\(UUID().uuidString)")
        let bell = Doorbell()
        let metrics = Metrics()
        let verdict = ConfigurationVerdict()
        let manager: DatagramSocket
        let heard = Mutex<[String]>([])
        let lines = Mutex<[StateLine]>([])
        /// What the system answers to every attempt to put a configuration in force; the last answer stays.
        let answers: Mutex<[Failure?]>
        let attempts = Mutex(0)

        init(answers: [Failure?] = [nil]) throws {
            self.answers = Mutex(answers)
            manager = try DatagramSocket("@agent-reloader-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try write(ReloaderTests.good)
        }

        deinit { try? FileManager.default.removeItem(at: folder) }

        var path: String { folder.appendingPathComponent("agent.yaml").path }

        func write(_ text: String) throws { try text.write(toFile: path, atomically: true, encoding: .utf8) }

        /// Reads the file as at a start, then watches it while `body` runs.
        func watch(_ body: () async throws -> Void) async throws {
            let file = ConfigurationFile(path: path, environment: ["HOME": folder.path], retry: .zero)
            guard case .success(let configuration, _) = file.read() else { throw BenchError("the file is refused") }
            _ = verdict.accepted(configuration.file)
            let reloader = Reloader(
                file: file, bell: bell, verdict: verdict, metrics: metrics,
                adopt: { [self] next throws(Failure) in
                    attempts.withLock { $0 += 1 }
                    let answer = answers.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
                    if let answer { throw answer }
                    return ConfigurationChange(from: configuration, to: next)
                }, tell: { [self] line in lines.withLock { $0.append(line) } },
                manager: ServiceManager(["NOTIFY_SOCKET": manager.name]), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            // Beside the test; ended with it, in the next line.
            let running = Task { await reloader.run() }
            defer { running.cancel() }
            try await body()
        }

        /// How often the manager has been told of a reload.
        var reloads: Int {
            let new = manager.readAll()
            return heard.withLock { heard in
                heard += new
                return heard.count { $0.hasPrefix("RELOADING=1") }
            }
        }

        var counts: [UInt64] {
            let schedule = metrics.snapshot.schedule
            return [schedule.reloads, schedule.reloadFailures]
        }
    }

    @Test("A bad file that stays as it is counts and is told once, however often it is read; who rings is answered every time")
    func badFileOnce() async throws {
        let desk = try Desk()
        try await desk.watch {
            try desk.write("targets: [")
            _ = try await eventually("it is refused") { desk.verdict.failure }
            // Due at every look. Another name for the file is no other content, and shows that there were looks since.
            for _ in 1...3 {
                try desk.write("targets: [")
                try await Task.sleep(for: Reloader.pause)
            }
            #expect(desk.counts == [1, 1] && desk.reloads == 1)
            desk.bell.ring()
            _ = try await eventually("the ring is answered") { desk.counts == [2, 2] ? true : nil }
            #expect(desk.lines.withLock { $0.map(\.to) } == [.down], "told once")
            // Another mistake is another reason.
            try desk.write("targets: {")
            _ = try await eventually("the other mistake is counted") { desk.counts == [3, 3] ? true : nil }
            try desk.write(Self.good)
            _ = try await eventually("the good file is taken") { desk.verdict.failure == nil ? true : nil }
            #expect(desk.counts == [4, 3] && desk.reloads == 4)
        }
    }

    @Test("A good file for which the system had no room is tried again at every look, told once, and taken when there is room")
    func roomLater() async throws {
        let lack = Failure(.probeInternal, during: .internal, detail: "no resolver")
        let desk = try Desk(answers: [lack, lack, lack, nil])
        try await desk.watch {
            try desk.write(Self.good + "log: {level: debug}\n")
            _ = try await eventually("it is refused") { desk.verdict.failure == lack ? true : nil }
            _ = try await eventually("it is tried again") { desk.attempts.withLock { $0 } >= 3 ? true : nil }
            #expect(desk.counts == [1, 1] && desk.reloads == 1, "no news")
            _ = try await eventually("it is in force") { desk.verdict.failure == nil ? true : nil }
            #expect(desk.attempts.withLock { $0 } == 4)
            #expect(desk.counts == [2, 1] && desk.reloads == 2)
            #expect(desk.lines.withLock { $0.map(\.to) } == [.down, .up])
        }
    }

    @Test("A file that is mended after it had to wait is the one that counts")
    func mendedMeanwhile() async throws {
        let lack = Failure(.probeInternal, during: .internal, detail: "no resolver")
        let desk = try Desk(answers: [lack])
        try await desk.watch {
            try desk.write(Self.good + "log: {level: debug}\n")
            _ = try await eventually("it waits") { desk.verdict.failure == lack ? true : nil }
            try desk.write("targets: [")
            _ = try await eventually("the bad one is told") { desk.verdict.failure?.cause == .configInvalid ? true : nil }
            let attempts = desk.attempts.withLock { $0 }
            desk.answers.withLock { $0 = [nil] }
            desk.bell.ring()
            _ = try await eventually("a look") { desk.counts == [3, 3] ? true : nil }
            #expect(desk.attempts.withLock { $0 } == attempts && desk.verdict.failure != nil, "what waited is gone")
        }
    }
}
