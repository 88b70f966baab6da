// Connections that broke off between a server's greeting and the end of the login: MySQL counts them, and blocks a host for too many.
import Diagnosis

/// What one server may hold against this host, and who may knock next.
///
/// **Source**: MySQL documentation, `max_connect_errors` (100 unless told otherwise) and `host_cache`, column `SUM_CONNECT_ERRORS`: handshakes
/// that break off are counted until a login works; refusals of a name, a password or by a limit are not.
struct ServerStrikes: Sendable {
    /// So many in a day cost nothing; behind them connections become rare.
    static let limit = 20
    /// The time between two connections behind the limit. With it a day has at most 20 + 48, whatever happens, and no block.
    static let rest: Duration = .seconds(30 * 60)
    /// How long others are let go first who waited longer.
    private static let turn: Duration = .seconds(5 * 60)
    private static let day: Duration = .seconds(24 * 3600)

    private var slots: [ContinuousClock.Instant] = []
    /// When each check last broke off.
    private var attempts: [CheckID: ContinuousClock.Instant] = [:]
    /// Checks that wait for their turn.
    private var held: Set<CheckID> = []
    /// Who knocks now; what becomes of it is not known yet.
    private var knock: (check: CheckID, until: ContinuousClock.Instant)?

    /// Whether the error that ended a connection was the server's own word on a login that it had understood.
    ///
    /// **Source**: MySQL error reference: 1043 is said of a handshake that broke off, 1158 to 1161 of a connection that did.
    static func isCounted(_ failure: Failure) -> Bool {
        let words = failure.evidence.filter { $0.kind == .mysql }.compactMap { $0.code.flatMap(Int.init) }
        return words.isEmpty || words.contains { $0 == 1043 || (1158...1161).contains($0) }
    }

    func isFull(at slot: ContinuousClock.Instant) -> Bool { slots.count { $0.advanced(by: Self.day) > slot } >= Self.limit }

    /// Until when the check is to let the server alone; nil when it may connect.
    func rest(of check: CheckID, at slot: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        guard isFull(at: slot), let newest = slots.last else { return nil }
        let end = newest.advanced(by: Self.rest)
        if slot < end { return end }
        if let knock, knock.check != check, slot < knock.until { return knock.until }
        let turn = end.advanced(by: Self.turn)
        return slot < turn && held.contains { $0 != check && hasWaited($0, longerThan: check) } ? turn : nil
    }

    private func hasWaited(_ other: CheckID, longerThan check: CheckID) -> Bool {
        guard let own = attempts[check] else { return false }
        return attempts[other].map { $0 < own } ?? true
    }

    /// The check connects now, and is answered until then.
    mutating func begin(_ check: CheckID, until: ContinuousClock.Instant) { knock = (check, until) }

    /// Its connection broke off.
    mutating func add(_ check: CheckID, at slot: ContinuousClock.Instant) {
        slots = slots.suffix(Self.limit - 1) + [slot]
        attempts[check] = slot
        end(check)
    }

    /// Its connection ended otherwise, or there was none.
    mutating func end(_ check: CheckID) {
        held.remove(check)
        if knock?.check == check { knock = nil }
    }

    mutating func hold(_ check: CheckID) { held.insert(check) }

    /// Lets so many more connections go than the limit would.
    mutating func allow(_ count: Int) {
        slots = Array(slots.suffix(Self.limit - count))
        knock = nil
    }

    mutating func keep(_ checks: Set<CheckID>) {
        held.formIntersection(checks)
        attempts = attempts.filter { checks.contains($0.key) }
    }
}
