// The verdict on the store, and its line when it changes: up is only what lasts.
import Diagnosis
import Store
import Synchronization

/// Follows the store.
final class StoreVerdict: Sendable {
    private let path: String
    private let state = Mutex(CheckState.unknown)

    init(path: String) { self.path = path }

    /// - Returns: the line of a change; nil when the verdict stays.
    func change(_ status: StoreStatus, at time: Timestamp) -> StateLine? {
        let to: CheckState = status.isUp && status.mode == .file ? .up : .down
        let from = state.withLock { state in
            defer { state = to }
            return state
        }
        guard from != to else { return nil }
        return StateLine(
            time: time, kind: .store, id: path, from: from, to: to, cause: to == .up ? nil : FindingCode.storeNotPersistent.rawValue)
    }
}

extension StoreStatus {
    /// What a person who reads the report has to know of the history.
    var notices: [Notice] {
        switch mode {
        case .file where isUp: []
        case .file:
            [
                Notice(
                    .storeNotPersistent, during: .internal,
                    detail: """
                        The history cannot be written: \(message ?? "its file refuses"). What is new waits in memory; \
                        the oldest of it is lost when there is no room left.
                        """,
                    severity: .warning,
                    hint: "Make room on the disk of the history, or make its file writable again; what waits is written as soon as that works.")
            ]
        case .memory:
            [
                Notice(
                    .storeNotPersistent, during: .internal,
                    detail: "History is kept in memory only: \(message ?? "no file is configured").")
            ]
        }
    }
}
