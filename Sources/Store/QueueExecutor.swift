// The thread of the store: SQLite's calls wait for the disk, so they run on a queue of their own and never on the cooperative pool.
import Diagnosis
import Dispatch

/// Runs the jobs of one actor on one serial queue.
final class QueueExecutor: SerialExecutor {
    private let queue: DispatchQueue

    init(label: String) { queue = DispatchQueue(label: label, qos: .utility) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { unsafe job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    /// Runs one blocking call on the queue.
    func run<R: Sendable>(_ call: @escaping @Sendable () -> R) async -> R {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: call()) }
        }
    }
}

/// Calls once after a while, unless cancelled before.
struct Alarm {
    private let item: DispatchWorkItem

    init(after delay: Duration, _ call: @escaping @Sendable () -> Void) {
        item = DispatchWorkItem(block: call)
        DispatchQueue.global().asyncAfter(deadline: .now() + delay.seconds, execute: item)
    }

    func cancel() { item.cancel() }
}
