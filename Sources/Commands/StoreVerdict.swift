// The verdict on the store, and its line when it changes. Up is what is written to its file, as in the metrics; that a file does not outlive
// its container is a finding, and no news each time a sidecar starts.
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
        case .file where isUp: fleeting.map { [notice($0)] } ?? []
        case .file:
            [
                Notice(
                    .storeNotPersistent, during: .internal,
                    detail: """
                        The history cannot be written: \(message ?? "its file refuses"). What is new waits in memory; \
                        the oldest of it is lost when there is no room left.
                        """,
                    severity: .warning,
                    hint: "Make room on the disk of the history, or make its file writable again; what waits is written then.")
            ]
        case .memory:
            [
                Notice(
                    .storeNotPersistent, during: .internal,
                    detail: "History is kept in memory only: \(message ?? "no file is configured").")
            ]
        }
    }

    private func notice(_ fleeting: Fleeting) -> Notice {
        let path = path ?? "history"
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let hint =
            switch fleeting {
            case .containerLayer: "Mount a volume at \(folder), if what happened before the container was made anew matters."
            case .memory: "Name a path on a lasting disk in the configuration, or mount a volume at \(folder), if the past matters."
            }
        return Notice(.storeNotPersistent, during: .internal, detail: "The history in \(path) lies \(fleeting.text).", hint: hint)
    }
}
