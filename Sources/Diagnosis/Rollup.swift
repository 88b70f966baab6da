// What many probes of one check add up to, for years of history in little room.

/// The probes of one check in one hour or one day.
package struct Rollup: Sendable, Hashable, JSONTabled {
    /// How much time one row stands for. Both begin at full hours and days of UTC.
    package enum Span: String, Sendable, Hashable, CaseIterable, JSONRepresentable {
        case hour, day

        package var duration: Duration { self == .hour ? .seconds(3600) : .seconds(86_400) }
    }

    package var check: CheckID
    package var span: Span
    package var start: Timestamp
    /// Probes that ended in this time, those that stopped on purpose not counted.
    package var probes: Int
    package var failures: Int
    /// **Shape**: most frequent first.
    package var causes: [CauseCount]
    /// Of the probes that succeeded; nil when none did.
    package var durations: Durations?

    package struct CauseCount: Sendable, Hashable, JSONTabled {
        package var cause: Cause
        package var count: Int

        package init(cause: Cause, count: Int) {
            self.cause = cause
            self.count = count
        }

        package static let table = JSONTable<CauseCount>("cause_count", "How often a cause was met.") {
            JSONKey("cause", "The cause.") { $0.cause }
            JSONKey("count", "Failed probes.") { $0.count }
        }
    }

    package struct Durations: Sendable, Hashable, JSONTabled {
        package var sum: Duration
        package var least: Duration
        package var most: Duration
        /// The duration that 95 of 100 probes stayed within; to an eighth at worst.
        package var percentile95: Duration

        package init(sum: Duration, least: Duration, most: Duration, percentile95: Duration) {
            self.sum = sum
            self.least = least
            self.most = most
            self.percentile95 = percentile95
        }

        package static let table = JSONTable<Durations>("durations", "How long the probes took that succeeded.") {
            JSONKey("sum", "All of them together.") { $0.sum }
            JSONKey("min", "The shortest.") { $0.least }
            JSONKey("max", "The longest.") { $0.most }
            JSONKey("p95", "What 95 of 100 stayed within, to an eighth at worst.") { $0.percentile95 }
        }
    }

    package init(
        check: CheckID, span: Span, start: Timestamp, probes: Int, failures: Int, causes: [CauseCount], durations: Durations?
    ) {
        self.check = check
        self.span = span
        self.start = start
        self.probes = probes
        self.failures = failures
        self.causes = causes
        self.durations = durations
    }

    package static let table = JSONTable<Rollup>("sum", "The probes of one check in one hour or one day.") {
        JSONKey("check", "TARGET/IDENTITY, or /IDENTITY for requests for tokens.") { $0.check }
        JSONKey("span", "How much time it stands for.") { $0.span }
        JSONKey("start", "A full hour or day of UTC.") { $0.start }
        JSONKey("probes", "Probes, those not counted that stopped on purpose.") { $0.probes }
        JSONKey("failures", "How many of them failed.") { $0.failures }
        JSONKey("causes", "Of the failures, most frequent first.") { $0.causes }
        JSONKey("duration_seconds", "Null when none succeeded.") { $0.durations }
    }
}

/// Which sums are wanted.
package struct RollupQuery: Sendable, Hashable {
    package var span: Rollup.Span
    /// Nil for all checks; a target name stands for all its checks.
    package var check: CheckID?
    package var target: String?
    package var since: Timestamp?
    package var limit: Int

    package init(_ span: Rollup.Span, check: CheckID? = nil, target: String? = nil, since: Timestamp? = nil, limit: Int = 50) {
        self.span = span
        self.check = check
        self.target = target
        self.since = since
        self.limit = limit
    }
}
