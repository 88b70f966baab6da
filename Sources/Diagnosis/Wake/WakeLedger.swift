// The logins to one database in the last day, and whether one more may be made. A value with a JSON form, so that it outlives a restart.

/// What the budget of a database has been spent on, as one check sees it.
///
/// What costs is the waking, so that is what the budget counts. A login that was let go has company for a moment: until it is settled, whoever
/// had no lasting answer yet (the same check while the database wakes, or another identity of the same database) may log in at no further cost.
package struct WakeLedger: Sendable, Hashable, JSONRepresentable {
    /// When a login was begun that counts, oldest first; only those of the last day.
    package private(set) var logins: [Timestamp]
    /// The first of an unbroken row of answers that the database is not available: it is waking up.
    package private(set) var resumingSince: Timestamp?
    /// The last of that row.
    package private(set) var unavailableAt: Timestamp?
    /// When a login last worked, of whatever check: the database was awake then.
    package private(set) var awakeAt: Timestamp?
    /// When this check last had an answer that doing it again would not change.
    package var settledAt: Timestamp?
    /// Logins a day; nil for no limit.
    package var limit: Int?
    /// Which database it is of; a check may be configured for another one meanwhile.
    package var place: String?

    package init(
        logins: [Timestamp] = [], resumingSince: Timestamp? = nil, unavailableAt: Timestamp? = nil, awakeAt: Timestamp? = nil,
        settledAt: Timestamp? = nil, limit: Int? = nil, place: String? = nil
    ) {
        self.logins = logins.sorted().suffix(Self.most)
        self.resumingSince = resumingSince
        self.unavailableAt = unavailableAt ?? resumingSince
        self.awakeAt = awakeAt
        self.settledAt = settledAt
        self.limit = limit
        self.place = place
    }

    package static let day = Duration.seconds(86400)
    /// Most times that are kept.
    private static let most = 1440
    /// Logins beside the budget that a check may make after one that gave no lasting answer; a database that is waking does not count.
    package static let mostFollowUps = 3
    /// A time that is no further ahead than this is of a moment ago: the clock was set back a little.
    private static let slip = Duration.seconds(3600)

    /// How long a login has company. At long intervals the next slot still belongs to it.
    package static func window(_ interval: Duration) -> Duration { max(.seconds(300), interval * 2) }

    package enum Decision: Sendable, Hashable {
        case login
        /// Stop after TLS; a login may be made again then, nil for never.
        case sleep(until: Timestamp?)
    }

    /// Whether a login may be made now.
    ///
    /// The logins of a day are spread over it, so that what is known is never older than it has to be.
    /// - Parameters:
    ///   - limit: logins a day; nil for no limit.
    ///   - interval: of the check.
    ///   - followUps: logins of the check beside the budget since the last one that counted.
    package func decide(limit: Int?, interval: Duration = .seconds(60), followUps: Int = 0, now: Timestamp) -> Decision {
        guard let limit else { return .login }
        guard limit > 0 else { return .sleep(until: nil) }
        if isFree(interval: interval, followUps: followUps, now: now) { return .login }
        let recent = recent(now)
        guard let last = recent.last else { return .login }
        let spread = last + .seconds(fraction: Self.day.seconds / Double(limit))
        let full = recent.count >= limit ? recent[recent.count - limit] + Self.day : last
        let next = max(spread, full)
        return next <= now ? .login : .sleep(until: next)
    }

    /// Whether a login of this check would cost nothing of the budget.
    package func isFree(interval: Duration, followUps: Int, now: Timestamp) -> Bool {
        guard let last = recent(now).last, now - last < Self.window(interval), settledAt.map({ $0 < last }) ?? true else { return false }
        return resumingSince != nil || followUps < Self.mostFollowUps
    }

    /// The logins that count now. A time far in the future is of a clock that was wrong: it must not lock anybody out.
    package func recent(_ now: Timestamp) -> [Timestamp] { logins.filter { now - $0 < Self.day && $0 - now <= Self.slip } }

    /// A login begins that counts.
    package mutating func begin(at now: Timestamp) {
        forgetOldResume(now)
        logins.removeAll { now - $0 >= Self.day }
        logins.append(now)
        // A clock that was set back leaves them in disorder.
        logins.sort()
        if logins.count > Self.most { logins.removeFirst(logins.count - Self.most) }
    }

    /// It never came to that login.
    package mutating func refund(_ time: Timestamp) {
        if let index = logins.lastIndex(of: time) { logins.remove(at: index) }
    }

    /// Long enough for the database to have woken and paused again since: what is said now is the first word of another row.
    package mutating func forgetOldResume(_ now: Timestamp) {
        guard let last = unavailableAt, now < last || now - last >= AzureSQLContext.shortestPauseDelay else { return }
        (resumingSince, unavailableAt) = (nil, nil)
    }

    /// What a login gave.
    package mutating func end(_ answer: Answer, at now: Timestamp) {
        switch answer {
        case .worked:
            (resumingSince, unavailableAt) = (nil, nil)
            (awakeAt, settledAt) = (now, now)
        case .unavailable:
            forgetOldResume(now)
            resumingSince = resumingSince ?? now
            unavailableAt = now
        case .lasting(let isServersWord):
            if isServersWord { (resumingSince, unavailableAt) = (nil, nil) }
            settledAt = now
        case .passing(let isServersWord): if isServersWord { (resumingSince, unavailableAt) = (nil, nil) }
        case .notReached: break
        }
    }

    package enum Answer: Sendable, Hashable {
        case worked
        /// The database is not available now: it is waking, or in trouble.
        case unavailable
        /// A failure that the same login would meet again.
        case lasting(isServersWord: Bool)
        /// One that it would perhaps not.
        case passing(isServersWord: Bool)
        /// The way to the server broke before anything was said of the login.
        case notReached
    }

    /// How long the database has been said to be unavailable.
    package func resumingFor(now: Timestamp) -> Duration? { resumingSince.map { now >= $0 ? now - $0 : .zero } }

    /// For how long nobody has seen it awake; nil when nobody ever has.
    package func idleFor(now: Timestamp) -> Duration? { awakeAt.map { now >= $0 ? now - $0 : .zero } }

    /// Takes in what an earlier process, or a record of history, knows. A waking of long ago is over.
    package mutating func merge(_ other: WakeLedger, now: Timestamp) {
        logins = Set(logins).union(other.logins).sorted().suffix(Self.most)
        awakeAt = [awakeAt, other.awakeAt].compactMap(\.self).max()
        settledAt = [settledAt, other.settledAt].compactMap(\.self).max()
        var other = other
        other.forgetOldResume(now)
        if let last = other.unavailableAt, resumingSince == nil, awakeAt.map({ $0 < last }) ?? true {
            (resumingSince, unavailableAt) = (other.resumingSince, last)
        }
    }

    /// What history keeps: no more logins than decide over the next one.
    package var kept: WakeLedger {
        var kept = self
        kept.logins = logins.suffix(limit ?? WakeMode.autoBudget)
        return kept
    }

    package var json: JSON {
        [
            "logins": logins, "resuming_since": resumingSince, "unavailable_at": unavailableAt, "awake_at": awakeAt,
            "settled_at": settledAt, "limit": limit, "place": place,
        ]
    }

    /// Reads what `json` writes; nil when it is not that.
    package init?(_ json: JSON) {
        guard let items = json["logins"]?.items else { return nil }
        func time(_ name: String) -> Timestamp? { json[name]?.text.flatMap(Timestamp.init(rfc3339:)) }
        self.init(
            logins: items.compactMap { $0.text.flatMap(Timestamp.init(rfc3339:)) }, resumingSince: time("resuming_since"),
            unavailableAt: time("unavailable_at"), awakeAt: time("awake_at"), settledAt: time("settled_at"),
            limit: json["limit"]?.number.map { Int($0) }, place: json["place"]?.text)
        // Earlier versions did not say; what they began is taken for over.
        if json["settled_at"] == nil { settledAt = logins.last }
    }
}
