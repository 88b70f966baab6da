// Waiting for something that tells when it is over, and not for ever.

extension AsyncStream where Element: Sendable {
    /// The next element.
    /// - Returns: nil at `end`, at the stream's own end, or when the caller is cancelled.
    package func first(until end: ContinuousClock.Instant) async -> Element? {
        await withTaskGroup(of: Element?.self) { group in
            // Two ends of one wait: whichever comes first cancels the other, and neither outlives the group.
            group.addTask {  // The stream's end of it.
                for await element in self { return element }
                return nil
            }
            group.addTask {  // The clock's end of it.
                try? await Task.sleep(until: end)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }
}
