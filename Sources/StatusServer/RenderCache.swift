// Rendered answers are kept for a second: many readers cost one rendering.
import Synchronization

/// Keeps one answer for a while. Rendering happens inside the lock on purpose: a second reader then waits for the milliseconds of the
/// first one's rendering instead of doing the same work beside it.
final class RenderCache: Sendable {
    private struct Entry {
        var answer: Answer
        var made: ContinuousClock.Instant
    }

    private let entry = Mutex<Entry?>(nil)
    private let lifetime: Duration

    init(lifetime: Duration = .seconds(1)) { self.lifetime = lifetime }

    func value(_ render: () -> Answer) -> Answer {
        entry.withLock { entry in
            let now = ContinuousClock.now
            if let entry, now - entry.made < lifetime { return entry.answer }
            let answer = render()
            entry = Entry(answer: answer, made: .now)
            return answer
        }
    }
}

/// One cache for each answer that is expensive and the same for everybody.
struct RenderCaches: Sendable {
    let page: RenderCache
    let metrics: RenderCache
    let status: RenderCache

    init(lifetime: Duration) {
        page = RenderCache(lifetime: lifetime)
        metrics = RenderCache(lifetime: lifetime)
        status = RenderCache(lifetime: lifetime)
    }
}
