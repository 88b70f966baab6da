// The verdict on the configuration and on what follows from it: the line when it changes, the failure while it lasts.
import Diagnosis
import Settings
import Synchronization

/// Follows one thing without which the agent cannot do what it was asked: the file, or the place to listen at.
final class ConfigurationVerdict: Sendable {
    private struct State {
        var verdict = CheckState.unknown
        var failure: Failure?
    }

    private let state = Mutex(State())

    /// What is wrong now; nil while all is well.
    var failure: Failure? { state.withLock(\.failure) }

    /// - Returns: the line of a change; nil when the verdict stays.
    func accepted(_ id: String, at time: Timestamp = .now) -> StateLine? { turn(id, nil, time) }

    /// - Returns: likewise. Another reason is no other state.
    func refused(_ id: String, because failure: Failure, at time: Timestamp = .now) -> StateLine? { turn(id, failure, time) }

    private func turn(_ id: String, _ failure: Failure?, _ time: Timestamp) -> StateLine? {
        let to: CheckState = failure == nil ? .up : .down
        let from = state.withLock { state in
            defer { state = State(verdict: to, failure: failure) }
            return state.verdict
        }
        guard from != to else { return nil }
        return StateLine(
            time: time, kind: .configuration, id: id, from: from, to: to, cause: failure?.cause.rawValue, phase: failure?.phase)
    }
}

extension Failure {
    /// A configuration that was refused.
    /// - Parameter consequence: what the agent does instead, as a sentence.
    init(refused issues: [SettingsIssue], consequence: String) {
        let errors = issues.filter { $0.severity == .error }
        let more = errors.count > 1 ? " (and \(errors.count - 1) more)" : ""
        self.init(
            .configInvalid, during: .config,
            detail: "The configuration was refused: \(errors.first?.oneLine ?? "it is wrong")\(more). \(consequence)",
            evidence: errors.dropFirst().prefix(4).map { Evidence(.agent, text: $0.oneLine) })
    }
}

extension SettingsIssue {
    /// The issue without the example that may follow it.
    var oneLine: String {
        let line = description.split(separator: "\n", maxSplits: 1).first.map(String.init) ?? description
        return line.hasSuffix(":") ? String(line.dropLast()) : line
    }
}
