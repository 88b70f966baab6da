// How long each phase of a check usually takes: the measure for how long it took now.

/// Medians of the phases of one check, over its successful probes of some days.
package struct PhaseMedians: Sendable, Hashable {
    /// Over how much time they are taken. **Unit**: days.
    package static let days = 7

    /// How many successful probes were looked at.
    package var probes: Int
    /// A token out of the cache and a phase that did not run have no duration and do not count.
    package var durations: [Phase: Duration]

    package init(probes: Int, durations: [Phase: Duration]) {
        self.probes = probes
        self.durations = durations
    }
}
