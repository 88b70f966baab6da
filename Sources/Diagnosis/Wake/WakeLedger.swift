// The logins of one check in the last day, and whether one more may be made. A value with a JSON form, so that it outlives a restart.

/// What the budget of a check has been spent on.
package struct WakeLedger: Sendable, Hashable, JSONRepresentable {
    /// When a login was begun, oldest first; only those of the last day count.
    package private(set) var logins: [Timestamp]
    /// The first of an unbroken row of answers that the database is not available: it is waking up.
    package private(set) var resumingSince: Timestamp?

    package init(logins: [Timestamp] = [], resumingSince: Timestamp? = nil) {
        self.logins = logins.sorted().suffix(Self.most)
        self.resumingSince = resumingSince
    }

    package static let day = Duration.seconds(86400)
    /// Most times that are kept.
    private static let most = 1440

    package enum Decision: Sendable, Hashable {
        case login
        /// Stop after TLS; a login may be made again then, nil for never.
        case sleep(until: Timestamp?)
    }

    /// Whether a login may be made now.
    ///
    /// The logins of a day are spread over it, so that what is known is never older than it has to be. A database that is waking because of us
    /// is asked again until it is awake: it is billed already.
    /// - Parameter limit: logins a day; nil for no limit.
    package func decide(limit: Int?, now: Timestamp) -> Decision {
        guard let limit else { return .login }
        guard limit > 0 else { return .sleep(until: nil) }
        if let resumingSince, now >= resumingSince, now - resumingSince < AzureSQLContext.longestResume + .seconds(60) { return .login }
        // A time in the future is a clock that was set back: it must not lock the check out.
        let recent = logins.filter { now >= $0 && now - $0 < Self.day }
        guard let last = recent.last else { return .login }
        let spread = last + .seconds(fraction: Self.day.seconds / Double(limit))
        let full = recent.count >= limit ? recent[recent.count - limit] + Self.day : last
        let next = max(spread, full)
        return next <= now ? .login : .sleep(until: next)
    }

    /// A login begins. Asking again while the database wakes costs nothing of the budget.
    package mutating func begin(at now: Timestamp) {
        if let resumingSince, now >= resumingSince, now - resumingSince < AzureSQLContext.longestResume + .seconds(60) { return }
        logins.removeAll { now >= $0 && now - $0 >= Self.day }
        logins.append(now)
        if logins.count > Self.most { logins.removeFirst(logins.count - Self.most) }
    }

    /// What the login gave: whether the server said that the database is not available now.
    package mutating func end(isUnavailable: Bool, at now: Timestamp) {
        resumingSince = isUnavailable ? resumingSince ?? now : nil
    }

    /// How long the database has been said to be unavailable.
    package func resumingFor(now: Timestamp) -> Duration? { resumingSince.map { now >= $0 ? now - $0 : .zero } }

    /// Takes in what an earlier process, or a record of history, knows.
    package mutating func merge(_ other: WakeLedger) {
        let all = Set(logins).union(other.logins).sorted()
        logins = all.suffix(Self.most)
        resumingSince = resumingSince ?? other.resumingSince.flatMap { since in logins.last.map { $0 > since } == true ? nil : since }
    }

    package var json: JSON { ["logins": logins, "resuming_since": resumingSince] }

    /// Reads what `json` writes; nil when it is not that.
    package init?(_ json: JSON) {
        guard let items = json["logins"]?.items else { return nil }
        self.init(
            logins: items.compactMap { $0.text.flatMap(Timestamp.init(rfc3339:)) },
            resumingSince: json["resuming_since"]?.text.flatMap(Timestamp.init(rfc3339:)))
    }
}
