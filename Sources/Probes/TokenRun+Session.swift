// What the runs of all engines do with a session once it stands: facts of its own, rights.
import Diagnosis
import Synchronization

/// What a session says of itself.
struct SessionAnswer {
    var sessionUser: String?
    var currentUser: String?
    var database: String?
    var isReadOnly: Bool?
    /// The server's clock. **Unit**: seconds since 1970.
    var clock: Double?
}

/// One question and its answer, by our clock.
struct RoundTrip {
    private let sent: ContinuousClock.Instant

    init(sent: ContinuousClock.Instant = .now) { self.sent = sent }

    /// When the server looked at its clock, as far as can be told from here. Called when the answer has come. **Unit**: seconds since 1970.
    func middle() -> Double {
        let duration = ContinuousClock.now - sent
        return Timestamp.now.seconds - duration.seconds / 2
    }
}

/// What a check remembers of rights that it is not told to watch: they change rarely, and looking at them reads whole catalogs.
final class RightsMemory<Seen: Sendable>: Sendable {
    private static var interval: Duration { .seconds(3600) }
    private struct State {
        var seen: Seen?
        var due: ContinuousClock.Instant?
        /// How many look now.
        var looking = 0
    }
    private let state = Mutex(State())

    var seen: Seen? { state.withLock(\.seen) }

    /// Whether it is time to look: at first, and then once an hour. Two that come first at once both look, so that neither goes without.
    /// Who is told so has the turn, until ``endTurn(_:)``.
    /// - Parameter sooner: whether what is known is known to be out of date.
    func takeTurn(sooner: Bool = false, now: ContinuousClock.Instant = .now) -> Bool {
        state.withLock { state in
            let isDue = sooner || (state.due.map { $0 <= now } ?? true)
            guard isDue || (state.seen == nil && state.looking > 0) else { return false }
            state.due = now + Self.interval
            state.looking += 1
            return true
        }
    }

    /// - Parameter seen: nil when nothing could be seen; then what was known stays.
    func endTurn(_ seen: Seen?) {
        state.withLock { state in
            state.looking -= 1
            if let seen { state.seen = seen }
        }
    }
}

extension TokenRun {
    /// - Parameter middle: of the question's round trip.
    mutating func note(_ answer: SessionAnswer, middle: Double) {
        record.facts.sessionUser = answer.sessionUser
        record.facts.currentUser = answer.currentUser
        record.facts.database = answer.database ?? record.facts.database
        record.facts.isInRecovery = answer.isReadOnly
        if let clock = answer.clock { record.facts.clockSkew = ((clock - middle) * 1000).rounded() / 1000 }
    }

    /// The server answered something else than what it was asked.
    static func misshapen(during phase: Phase, count: Int, of what: String) -> ProbeEnd {
        let question = phase == .privileges ? "question for rights" : "probe's question"
        return .failed(
            Failure(
                .protocolViolation, during: phase, detail: "The answer to the \(question) has not the shape that was asked for.",
                evidence: [Evidence(.agent, code: count, text: what)]))
    }

    /// The server sent more than is read of it.
    static func excess(of count: Int, limit: Int, during phase: Phase) -> ProbeEnd {
        .failed(
            Failure(
                .protocolViolation, during: phase, detail: "The server sent more than a probe reads.",
                evidence: [Evidence(.agent, code: count, text: "bytes read after the TLS handshake; the limit is \(limit)")]))
    }

    // MARK: privileges

    /// Asks for the configured rights. Whatever comes of it, the probe has succeeded: up means from token to query, and a question that
    /// found no answer is a fact of its own. **Throws**: only when the caller was cancelled.
    mutating func askPrivileges(_ session: Session) async throws(ProbeEnd) {
        guard !target.privileges.isEmpty else { return try await surveyRights(session) }
        record.enter(.privileges)
        do {
            record.facts.privileges = try await rights(session)
            record.leave()
        } catch {
            guard case .failed(let failure) = error else { throw error }
            record.leaveFailed()
            record.facts.privileges = PrivilegeReport(
                role: record.facts.currentUser ?? target.user ?? "", problem: failure, engine: target.engine)
        }
    }

    /// Where nothing is configured: what can be done, at the first success and then once an hour. Not worth a failure, nor much time.
    private mutating func surveyRights(_ session: Session) async throws(ProbeEnd) {
        if probe.rights.takeTurn() {
            record.enter(.privileges)
            do {
                let seen = try await survey(session, until: run.deadline.capped(to: .seconds(2)))
                record.leave()
                probe.rights.endTurn(seen)
            } catch {
                record.leave()
                probe.rights.endTurn(nil)
                record.skip(.privileges, "rights could not be looked at")
                if case .cancelled = error { throw error }
            }
        }
        record.facts.rights = probe.rights.seen
    }
}
