// A database of the lab that pauses when nobody is logged in, and resumes when somebody tries.
import Synchronization

/// The naps of one serverless database: paused, resuming after a login, awake until it has been idle for long enough.
///
/// **Source**: Microsoft Learn, "Serverless compute tier": a login resumes a paused database and is refused with 40613 meanwhile; sessions keep it
/// awake. There the delay is 15 minutes at least and resuming takes about one; here both are what a test has patience for.
package final class ServerlessDatabase: Sendable {
    /// After how long without a session it pauses.
    let pausesAfter: Duration
    /// How long it takes to resume.
    let resumesIn: Duration
    private let state: Mutex<State>

    private struct State {
        var phase = Phase.paused
        /// Sessions that are open now.
        var sessions = 0
        var resumes = 0
        var pauses = 0
    }

    private enum Phase {
        case paused
        case resuming(until: ContinuousClock.Instant)
        /// Since then nobody has been logged in; of no account while somebody is.
        case awake(idleSince: ContinuousClock.Instant)
    }

    /// It begins paused, as one that nobody has used for a while.
    init(pausesAfter: Duration, resumesIn: Duration) {
        self.pausesAfter = pausesAfter
        self.resumesIn = resumesIn
        state = Mutex(State())
    }

    package var isPaused: Bool { now { if case .paused = $0.phase { true } else { false } } }
    /// How often somebody woke it, which is what is billed.
    package var resumes: Int { now(\.resumes) }
    /// How often it fell asleep by itself.
    package var pauses: Int { now(\.pauses) }

    /// Somebody tries to log in, which wakes it. False while it is not available.
    func isAvailable() -> Bool {
        now { state in
            switch state.phase {
            case .awake: return true
            case .resuming: return false
            case .paused:
                state.phase = .resuming(until: .now + resumesIn)
                state.resumes += 1
                return false
            }
        }
    }

    func sessionBegan() { now { $0.sessions += 1 } }

    func sessionEnded() {
        now { state in
            state.sessions -= 1
            if state.sessions == 0, case .awake = state.phase { state.phase = .awake(idleSince: .now) }
        }
    }

    /// With the state as time has made it: nothing happens by itself in here.
    private func now<Value: Sendable>(_ body: (inout State) -> Value) -> Value {
        state.withLock { state in
            let now = ContinuousClock.now
            if case .resuming(let end) = state.phase, end <= now { state.phase = .awake(idleSince: end) }
            if case .awake(let since) = state.phase, state.sessions == 0, now - since >= pausesAfter {
                state.phase = .paused
                state.pauses += 1
            }
            return body(&state)
        }
    }
}
