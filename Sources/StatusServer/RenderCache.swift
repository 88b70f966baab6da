// Rendered answers are kept for a second: many readers cost one rendering.

/// Keeps one answer for a while. An actor, so that readers who come during a rendering wait for it without holding a thread, and then
/// find it done.
actor RenderCache {
    private var entry: (answer: Answer, made: ContinuousClock.Instant)?
    private let lifetime: Duration

    init(lifetime: Duration = .seconds(1)) { self.lifetime = lifetime }

    func value(_ render: @Sendable () -> Answer) -> Answer {
        if let entry, ContinuousClock.now - entry.made < lifetime { return entry.answer }
        let answer = render()
        entry = (answer, .now)
        return answer
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
