// Observations to record, and folders to record them in.
import Diagnosis
import Foundation
import Logging
import Store
import Synchronization

/// A folder of one test, removed with it.
final class Scratch: Sendable {
    let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "agent-store-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    }

    var path: String { folder + "/history.db" }
    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted() }
    func mode(_ path: String) throws -> Int {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int ?? -1
    }
    func bytes(_ path: String) throws -> [UInt8] { try [UInt8](Data(contentsOf: URL(fileURLWithPath: path))) }
    func write(_ bytes: [UInt8], to path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
    func size(_ path: String) -> Int { ((try? FileManager.default.attributesOfItem(atPath: path)[.size]) as? Int) ?? 0 }

    deinit { try? FileManager.default.removeItem(atPath: folder) }
}

/// Counts what was logged at each level.
final class LogCount: Sendable {
    private let counts = Mutex<[Logger.Level: Int]>([:])
    private let lines = Mutex("")
    /// Everything that was said.
    var text: String { lines.withLock { $0 } }
    func count(_ level: Logger.Level) -> Int { counts.withLock { $0[level] ?? 0 } }

    var logger: Logger { Logger(label: "test") { _ in Handler(counter: self) } }

    private struct Handler: LogHandler {
        let counter: LogCount
        var metadata: Logger.Metadata = [:]
        var logLevel: Logger.Level = .trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            counter.counts.withLock { $0[event.level, default: 0] += 1 }
            counter.lines.withLock { $0 += "\(event.message)\n" }
        }
    }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

enum Sample {
    static let orders = CheckID(target: "orders", identity: "app")
    static let reports = CheckID(target: "orders", identity: "reporting")
    static let billing = CheckID(target: "billing", identity: "app")
    /// A recent time, so that nothing is deleted for its age.
    static let epoch = Timestamp(milliseconds: Timestamp.now.milliseconds / 1000 * 1000 - 86_400_000)

    static func time(_ seconds: Double) -> Timestamp { epoch + .seconds(fraction: seconds) }

    /// What a probe from inside Azure looks like.
    static func phases(cached: Bool = true) -> [PhaseResult] {
        Phase.probed.enumerated().map { index, phase in
            cached && phase == .token
                ? PhaseResult(.token, .ok, isCached: true)
                : PhaseResult(phase, .ok, duration: .microseconds(10 * (37 + index * 211)))
        }
    }

    static func success(_ check: CheckID = orders, at seconds: Double) -> Observation {
        Observation(check: check, started: time(seconds), duration: .milliseconds(31), phases: phases(), outcome: .succeeded)
    }

    static func failure(
        _ check: CheckID = orders, at seconds: Double, _ cause: Cause = .tcpRefused, during phase: Phase = .tcp, text: String = "refused"
    ) -> Observation {
        let reached = Phase.probed.firstIndex(of: phase) ?? 0
        let phases = Phase.probed.enumerated().map { index, phase in
            index < reached
                ? PhaseResult(phase, .ok, duration: .milliseconds(2))
                : index == reached ? PhaseResult(phase, .failed, duration: .milliseconds(7)) : PhaseResult(phase, .skipped("not reached"))
        }
        return Observation(
            check: check, started: time(seconds), duration: .milliseconds(20), phases: phases,
            outcome: .failed(
                Failure(
                    cause, during: phase, certainty: .likely, detail: "detail of \(cause.rawValue)",
                    evidence: [Evidence(.errno, code: 111, text: text), Evidence(.address, text: "10.0.0.1:5432")],
                    values: ["client_ip": "10.1.2.3"])))
    }

    static func partial(_ check: CheckID = orders, at seconds: Double) -> Observation {
        var phases = phases()
        phases[5] = PhaseResult(.login, .skipped("login paused"))
        phases[6] = PhaseResult(.query, .skipped("a reason of its own: \u{1F512}"))
        return Observation(
            check: check, started: time(seconds), duration: .milliseconds(12), phases: phases, outcome: .partial(.loginPaused))
    }

    static func request(at seconds: Double, _ outcome: TokenRequestResult.Outcome) -> TokenRequestResult {
        TokenRequestResult(
            identity: "app", resource: .ossrdbms, source: .appService, time: time(seconds), duration: .milliseconds(45),
            outcome: outcome)
    }
}
