// What many probes of one check add up to, for years of history in little room.

/// The probes of one check in one hour or one day.
package struct Rollup: Sendable, Hashable, JSONRepresentable {
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

    package struct CauseCount: Sendable, Hashable, JSONRepresentable {
        package var cause: Cause
        package var count: Int

        package init(cause: Cause, count: Int) {
            self.cause = cause
            self.count = count
        }

        package var json: JSON { ["cause": cause, "count": count] }
    }

    package struct Durations: Sendable, Hashable, JSONRepresentable {
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

        package var json: JSON { ["sum": sum, "min": least, "max": most, "p95": percentile95] }
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

    package var json: JSON {
        [
            "check": check, "span": span, "start": start, "probes": probes, "failures": failures, "causes": causes,
            "duration_seconds": durations,
        ]
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
