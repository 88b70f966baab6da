// The place of one run under the cap on probes that talk TLS and SQL.
import Diagnosis
import Synchronization

/// At most one place, whoever asks for it how often: taken when the server is about to shake hands, kept until the run is over.
final class GatePlace: Sendable {
    private enum State {
        case outside, waiting, inside, over
        /// The wait for it ended without it.
        case missed
    }
    private let gate: (any ProbeGate)?
    private let deadline: Deadline
    private let state = Mutex(State.outside)
    private let wait = Mutex(Duration.zero)

    init(_ run: ProbeRun) {
        gate = run.gate
        deadline = run.deadline
    }

    /// Whether the run waits for its place, or has waited in vain, so that a time that passed was not the server's.
    var isAwaited: Bool { state.withLock { $0 == .waiting || $0 == .missed } }
    /// How long the run waited before it got its place: no step's time.
    var waited: Duration { wait.withLock(\.self) }

    /// Waits for the place, unless the run has it.
    /// - Returns: whether it was taken by this call. **Throws**: when none came free in time, or when the run was over first.
    func take() async throws(WaitFailure) -> Bool {
        let isNew = state.withLock { state in
            guard state == .outside else { return false }
            state = .waiting
            return true
        }
        guard isNew else { return false }
        let begin = ContinuousClock.now
        do {
            try await gate?.enter(until: deadline)
        } catch {
            state.withLock { if $0 == .waiting { $0 = .missed } }
            throw error
        }
        wait.withLock { $0 = ContinuousClock.now - begin }
        let isOver = state.withLock { state in
            guard state == .waiting else { return true }
            state = .inside
            return false
        }
        guard !isOver else {
            gate?.leave()
            throw .cancelled
        }
        return true
    }

    /// Waits until there is a place and lets others have it: for who must not wait later, and holds none yet.
    func look() async throws(WaitFailure) {
        try await gate?.enter(until: deadline)
        gate?.leave()
    }

    /// Gives the place back. Nothing is taken afterwards.
    func leave() {
        let wasInside = state.withLock { state in
            defer { state = .over }
            return state == .inside
        }
        if wasInside { gate?.leave() }
    }
}
