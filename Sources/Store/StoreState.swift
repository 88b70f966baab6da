// Between those who record and the one who writes.
import Diagnosis
import Synchronization

/// What the store and its engine share: the only state that callers on other threads touch.
final class StoreState: Sendable {
    let queue: Mutex<RecordQueue>
    let status: Mutex<StoreStatus>

    init(path: String?, queueLimit: Int) {
        queue = Mutex(RecordQueue(limit: queueLimit))
        status = Mutex(StoreStatus(path: path, queueLimit: queueLimit))
    }
}
