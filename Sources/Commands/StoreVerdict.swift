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
