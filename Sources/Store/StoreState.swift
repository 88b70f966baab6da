// Between those who record and the one who writes.
import Diagnosis
import Logging
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

extension StoreState {
    /// Remembers what is wrong, and tells it once.
    func note(_ trouble: StoreTrouble, _ message: String, isUp: Bool, _ logger: Logger) {
        let isNew = status.withLock { status in
            defer { (status.isUp, status.trouble, status.message) = (isUp, trouble, message) }
            return status.trouble != trouble
        }
        guard isNew else { return }
        logger.warning(
            "The history cannot be kept as configured; probes and metrics go on",
            metadata: ["failure.cause": "\(trouble.rawValue)", "error": "\(message)"])
    }

    /// Nothing is wrong any more, if something was.
    func noteWell(_ logger: Logger) {
        let before = status.withLock { status in
            defer { (status.isUp, status.trouble, status.message) = (true, nil, nil) }
            return status.trouble
        }
        if let before { logger.notice("The history is kept again", metadata: ["failure.cause": "\(before.rawValue)"]) }
    }
}
