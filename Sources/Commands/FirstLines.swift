// The first bad line of a check waits until history has told since when it is so.
//
// At the start the first probe and the question to history run side by side. Whoever is told of a failure by its line alone should hear of
// the same beginning as on the page. The wait ends with the answer, or when history cannot give one: 15 seconds at most.
import Diagnosis
import Synchronization

/// Passes lines on; holds back those whose beginning is not known yet.
final class FirstLines: Sendable {
    private struct State {
        /// Whether history is still asked about everything.
        var awaitsAll = true
        /// What it is asked about apart from that.
        var awaited: Set<CheckID> = []
        /// In the order in which they came.
        var held: [StateLine] = []
    }

    private let state = Mutex(State())
    /// Called with the state locked, so that no line overtakes another: it neither waits nor comes back here.
    private let write: @Sendable (StateLine) -> Void

    init(_ write: @escaping @Sendable (StateLine) -> Void) { self.write = write }

    func tell(_ line: StateLine) {
        state.withLock { state in
            // What follows a held line must not overtake it.
            if let id = line.check, state.awaitsAll || state.awaited.contains(id),
                (line.from == .unknown && line.to == .down) || state.held.contains(where: { $0.check == id })
            {
                state.held.append(line)
            } else {
                write(line)
            }
        }
    }

    /// History is going to be asked about these as well.
    func expect(_ checks: Set<CheckID>) { state.withLock { $0.awaited.formUnion(checks) } }

    /// History has told what it knows of these, or cannot; nil for all there were at the start.
    func release(_ checks: Set<CheckID>?, _ board: Board) {
        state.withLock { state in
            if let checks { state.awaited.subtract(checks) } else { state.awaitsAll = false }
            let (stays, due) = state.held.split { state.awaitsAll || state.awaited.contains($0) }
            state.held = stays
            write(due, board)
        }
    }

    /// Nobody asks history any more: what is held back goes out, and nothing waits from now on.
    func finish(_ board: Board) {
        state.withLock { state in
            write(state.held, board)
            (state.awaitsAll, state.awaited, state.held) = (false, [], [])
        }
    }

    private func write(_ due: [StateLine], _ board: Board) {
        guard !due.isEmpty else { return }
        let snapshot = board.snapshot
        for line in due { write(line.begun(by: snapshot)) }
    }
}

extension [StateLine] {
    /// The lines whose check is such, and the others.
    fileprivate func split(_ isSuch: (CheckID) -> Bool) -> (such: [StateLine], others: [StateLine]) {
        (filter { $0.check.map(isSuch) ?? false }, filter { !($0.check.map(isSuch) ?? false) })
    }
}

extension StateLine {
    /// The check, or the watch over the identity, that the line is of.
    fileprivate var check: CheckID? {
        switch kind {
        case .check: CheckID(id)
        case .identity: CheckID(watching: id)
        case .store, .configuration: nil
        }
    }

    /// The line with the beginning that everybody else is shown, as long as they are shown the same.
    fileprivate func begun(by snapshot: Board.Snapshot) -> StateLine {
        var line = self
        let (state, cause, known): (CheckState?, String?, Timestamp?)
        if kind == .identity {
            let status = snapshot.identities.first { $0.name == id }
            (state, cause, known) = (status?.state, status?.cause?.rawValue, status?.since)
        } else {
            let status = snapshot.checks.first { $0.id.description == id }
            (state, cause, known) = (status?.state, status?.cause?.rawValue, status?.since)
        }
        if state == to, cause == self.cause, let known { line.since = min(since, known) }
        return line
    }
}
