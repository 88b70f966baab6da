// How often the store does what: every such constant beside those of `Retention`.

/// How often the store does what.
package struct StorePace: Sendable, Hashable {
    /// One transaction in this time.
    package var write: Duration = .seconds(1)
    /// The pause after a refused write; it doubles up to the limit.
    package var retry: Duration = .seconds(1)
    package var retryLimit: Duration = .seconds(15)
    /// How often a file that could not be opened is tried again while memory stands in for it.
    package var reopen: Duration = .seconds(15)
    /// How old changes in the write-ahead log may get.
    package var checkpoint: Duration = .seconds(300)

    package init() {}
}
