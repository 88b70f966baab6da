// Rendered answers are kept for a second: many readers cost one rendering and one compression.

/// Keeps one answer for a while, plain and compressed. An actor, so that readers who come during a rendering wait for it without holding
/// a thread, and then find it done.
actor RenderCache {
    private struct Entry {
        var plain: Answer
        /// Nil until somebody asks for it.
        var packed: Answer?
        var made: ContinuousClock.Instant
    }

    private var entry: Entry?
    private let lifetime: Duration
    /// How many bodies were compressed.
    private(set) var compressions = 0

    init(lifetime: Duration = .seconds(1)) { self.lifetime = lifetime }

    func value(_ coding: ContentCoding = .identity, _ render: @Sendable () -> Answer) -> Answer {
        var entry = self.entry ?? Entry(plain: render(), made: .now)
        if ContinuousClock.now - entry.made >= lifetime { entry = Entry(plain: render(), made: .now) }
        defer { self.entry = entry }
        guard coding == .gzip else { return entry.plain }
        if let packed = entry.packed { return packed }
        let packed = entry.plain.coded(.gzip)
        entry.packed = packed
        compressions += 1
        return packed
    }
}

/// One cache for each answer that is expensive and the same for everybody.
struct RenderCaches: Sendable {
    let page: RenderCache
    let metrics: RenderCache
    let openMetrics: RenderCache
    let status: RenderCache
    let statusText: RenderCache

    init(lifetime: Duration) {
        page = RenderCache(lifetime: lifetime)
        metrics = RenderCache(lifetime: lifetime)
        openMetrics = RenderCache(lifetime: lifetime)
        status = RenderCache(lifetime: lifetime)
        statusText = RenderCache(lifetime: lifetime)
    }
}
