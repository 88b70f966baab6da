// The ledgers of all databases that may sleep: one for each database, whoever asks it, and longer-lived than any probe.
import Synchronization

/// Who may log in to what, in one process.
///
/// Asking and entering are one step, so that the schedule and a request over HTTP never spend the same login twice. Until history has told what
/// an earlier process spent, nobody logs in who has a budget, but not for longer than ``recall(_:within:)`` says.
package final class WakeBook: Sendable {
    private struct Page: Sendable {
        var ledger = WakeLedger()
        /// The tier, once it was seen.
        var objective: String?
        var settled: [CheckID: Timestamp] = [:]
        var followUps: [CheckID: Int] = [:]
        var underWay: Set<CheckID> = []
        /// When a login last reached the server, of whatever check.
        var reachedAt: Timestamp?

        /// The ledger as this check sees it.
        func view(_ check: CheckID, _ target: Target) -> WakeLedger {
            var view = ledger
            view.settledAt = settled[check]
            view.limit = target.wake.loginsPerDay(isServerless: objective.map(ServiceObjective.isServerless))
            view.place = WakeBook.place(of: target)
            return view
        }
    }

    private struct State: Sendable {
        var pages: [String: Page] = [:]
        /// Checks of which history has not told yet, and until when that holds them.
        var recalled: [CheckID: ContinuousClock.Instant] = [:]
        var waiters: [AsyncStream<Never>.Continuation] = []
    }

    /// A login that was let go. It is ended once, by ``end(_:_:at:)``.
    package struct Login: Sendable, Hashable {
        var check: CheckID
        var place: String
        /// When it was entered in the ledger; nil for one that costs nothing.
        var charged: Timestamp?
        var isFollowUp: Bool
        var isAlone: Bool
    }

    package enum Decision: Sendable, Hashable {
        case login(Login)
        /// Stop after TLS.
        case sleep
    }

    private let state = Mutex(State())

    package init() {}

    /// Name, port and database, as two checks of one database share them.
    static func place(of target: Target) -> String { "\(target.host.lowercased()):\(target.port)/\(target.database.lowercased())" }

    // MARK: what history knows

    /// History is being asked what it knows of these checks.
    package func recall(_ checks: [CheckID], within limit: Duration) {
        let end = ContinuousClock.now + limit
        state.withLock { state in for check in checks { state.recalled[check] = end } }
    }

    /// What it knows of one of them.
    package func adopt(_ past: CheckPast, of check: CheckID, on target: Target, now: Timestamp = .now) {
        let place = Self.place(of: target)
        state.withLock { state in
            var page = state.pages[place] ?? Page()
            page.objective = page.objective ?? past.facts?.serviceObjective
            if let wake = past.wake, wake.place.map({ $0 == place }) ?? true {
                page.ledger.merge(wake, now: now)
                page.settled[check] = [page.settled[check], wake.settledAt].compactMap(\.self).max()
            }
            state.pages[place] = page
        }
    }

    /// It has told everything it knows of them, or cannot.
    package func finishRecall(_ checks: [CheckID]) {
        let waiters = state.withLock { state -> [AsyncStream<Never>.Continuation] in
            for check in checks { state.recalled[check] = nil }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.finish() }
    }

    /// Waits until history has told of the check, but not for long: the probe has little time.
    package func awaitRecall(of check: CheckID, atMost limit: Duration) async {
        let last = ContinuousClock.now + limit
        while let end = state.withLock({ $0.recalled[check] }), case let end = min(end, last), ContinuousClock.now < end {
            let (told, waiter) = AsyncStream<Never>.makeStream()
            state.withLock { state in
                // It may have been told meanwhile.
                if state.recalled[check] == nil { waiter.finish() } else { state.waiters.append(waiter) }
            }
            _ = await told.first(until: end)
            guard !Task.isCancelled else { return }
        }
    }

    // MARK: logins

    /// Lets one login go and enters it, or says that the database is to sleep on.
    /// - Parameters:
    ///   - wakes: a person has said that it may be woken, whatever that costs.
    ///   - isLook: a person only looks: where the database may sleep, nobody logs in for that.
    package func reserve(_ check: CheckID, on target: Target, wakes: Bool = false, isLook: Bool = false, now: Timestamp = .now) -> Decision
    {
        let place = Self.place(of: target)
        return state.withLock { state in
            var page = state.pages[place] ?? Page()
            defer { state.pages[place] = page }
            page.ledger.forgetOldResume(now)
            let view = page.view(check, target)
            let isServerless = page.objective.map(ServiceObjective.isServerless)
            let followUps = page.followUps[check] ?? 0
            if !wakes, target.wake != .always {
                if let end = state.recalled[check], ContinuousClock.now < end { return .sleep }
                if isLook, target.wake.expectsSleep(isServerless: isServerless) { return .sleep }
                guard view.limit == nil || !page.underWay.contains(check) else { return .sleep }
                guard view.decide(limit: view.limit, interval: target.interval, followUps: followUps, now: now) == .login else {
                    return .sleep
                }
            }
            let isFree = view.isFree(interval: target.interval, followUps: followUps, now: now)
            var login = Login(
                check: check, place: place, charged: nil, isFollowUp: isFree, isAlone: page.underWay.insert(check).inserted)
            if isFree {
                // While it wakes, asking again is what is wanted.
                if page.ledger.resumingSince == nil { page.followUps[check] = followUps + 1 }
            } else if view.limit != nil || isServerless != false {
                page.ledger.begin(at: now)
                page.followUps = [:]
                login.charged = now
            }
            return .login(login)
        }
    }

    /// Says what came of a login.
    package func end(_ login: Login, _ answer: WakeLedger.Answer, at now: Timestamp = .now) {
        state.withLock { state in
            guard var page = state.pages[login.place] else { return }
            if login.isAlone { page.underWay.remove(login.check) }
            if answer == .notReached {
                // Whoever went along at no cost may have woken it: then somebody has to pay.
                if let charged = login.charged, page.underWay.isEmpty, page.reachedAt.map({ $0 < charged }) ?? true {
                    page.ledger.refund(charged)
                }
                if login.isFollowUp, let count = page.followUps[login.check] { page.followUps[login.check] = max(0, count - 1) }
            } else {
                page.reachedAt = now
                page.ledger.settledAt = page.settled[login.check]
                page.ledger.end(answer, at: now)
                page.settled[login.check] = page.ledger.settledAt
            }
            state.pages[login.place] = page
        }
    }

    /// The tier that a session saw.
    package func note(objective: String, on target: Target) {
        state.withLock { $0.pages[Self.place(of: target), default: Page()].objective = objective }
    }

    /// The tier, as far as anybody has seen it.
    package func objective(on target: Target) -> String? { state.withLock { $0.pages[Self.place(of: target)]?.objective } }

    /// The ledger of the check's database.
    package func ledger(of check: CheckID, on target: Target) -> WakeLedger {
        state.withLock { ($0.pages[Self.place(of: target)] ?? Page()).view(check, target) }
    }
}
