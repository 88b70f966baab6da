// Threads for a library that blocks: few, made when they are needed, gone when they are not.
// Way of waiting: blocking pool. The transport waits no longer than the probe, so no thread outlives it by more than a step of OpenSSL.
package import Diagnosis
import Glibc
package import Readiness
import Synchronization

/// At most ``limit`` threads. Servers that do not answer wait for each other and for nobody else: ``stalledLimit`` threads work for checks whose
/// last probe stalled, and ``unprovenLimit`` for those and for checks that nothing is known of yet.
package final class MariaDBThreads: Sendable {
    package static let limit = 16
    package static let unprovenLimit = 12
    package static let stalledLimit = 4

    /// What is known of the server that a call waits for.
    package enum Standing: Sendable { case proven, unknown, stalled }
    /// How long a thread without work stays. **Unit**: seconds.
    private static let idleSeconds = 10

    private let state = Mutex(State())
    private let wakeups = Semaphore()

    private struct State {
        /// In the order of arrival.
        var proven: [Job] = []
        var unknown: [Job] = []
        var stalled: [Job] = []
        var threads = 0
        var idle = 0
        var runningUnproven = 0
        var runningStalled = 0
        /// Who waits for room, in the order of arrival.
        var turns: [(standing: Standing, call: Call<Void>)] = []

        /// Whether a job of this standing would begin at once. What has come and not yet begun counts as if it had.
        func hasRoom(for standing: Standing) -> Bool {
            guard standing == .proven || runningUnproven + unknown.count + stalled.count < MariaDBThreads.unprovenLimit else {
                return false
            }
            guard standing != .stalled || runningStalled + stalled.count < MariaDBThreads.stalledLimit else { return false }
            let waiting = proven.count + (standing == .proven ? 0 : unknown.count + stalled.count)
            return waiting < idle + MariaDBThreads.limit - threads
        }

        /// Whose turn it is, now that there is room.
        mutating func takeTurn() -> Call<Void>? {
            for standing in [Standing.proven, .unknown, .stalled] where hasRoom(for: standing) {
                if let place = turns.firstIndex(where: { $0.standing == standing }) { return turns.remove(at: place).call }
            }
            return nil
        }

        /// Whether a thread without work could take a job of this standing.
        func mayRun(_ standing: Standing) -> Bool {
            switch standing {
            case .proven: true
            case .unknown: runningUnproven < MariaDBThreads.unprovenLimit
            case .stalled: runningUnproven < MariaDBThreads.unprovenLimit && runningStalled < MariaDBThreads.stalledLimit
            }
        }

        mutating func begin() -> Job? {
            let job: Job? =
                if !proven.isEmpty {
                    proven.removeFirst()
                } else if !unknown.isEmpty, mayRun(.unknown) {
                    unknown.removeFirst()
                } else if !stalled.isEmpty, mayRun(.stalled) {
                    stalled.removeFirst()
                } else {
                    nil
                }
            if let job, job.standing != .proven { runningUnproven += 1 }
            if job?.standing == .stalled { runningStalled += 1 }
            return job
        }

        mutating func end(_ standing: Standing) {
            if standing != .proven { runningUnproven -= 1 }
            if standing == .stalled { runningStalled -= 1 }
        }
    }

    private struct Job {
        var standing: Standing
        var body: @Sendable () -> Void
    }

    package init() {}

    /// Threads there are now, working or idle.
    package var count: Int { state.withLock(\.threads) }

    /// Whether a job of this standing would begin at once.
    package func hasRoom(for standing: Standing) -> Bool { state.withLock { $0.hasRoom(for: standing) } }

    /// Waits until a job of this standing would begin at once. Nothing is reserved: who is told so may find a silent server and never come
    /// with a job, so those who still wait look for themselves now and then. **Throws**: `deadline`, `cancelled`.
    package func room(for standing: Standing, on reactor: Reactor, until deadline: Deadline) async throws(WaitFailure) {
        while true {
            let turn = Call<Void>()
            let isFree = state.withLock { state in
                if state.hasRoom(for: standing) { return true }
                state.turns.append((standing, turn))
                return false
            }
            if isFree { return }
            let result = await turn.outcome(on: reactor, until: deadline.capped(to: Self.look))
            state.withLock { $0.turns.removeAll { $0.call === turn } }
            switch result {
            case .success: continue
            case .failure(.deadline) where !deadline.isPassed: continue
            case .failure(let wait): throw wait
            }
        }
    }

    /// How long who waits for room relies on being told.
    private static let look = Duration.milliseconds(250)

    /// Runs `body` on a thread when one is free.
    func submit(_ standing: Standing, _ body: @escaping @Sendable () -> Void) {
        enum Step { case wake, spawn, wait }
        let step: Step = state.withLock { state in
            let job = Job(standing: standing, body: body)
            switch standing {
            case .proven: state.proven.append(job)
            case .unknown: state.unknown.append(job)
            case .stalled: state.stalled.append(job)
            }
            // A thread that ends a job looks for the next one by itself.
            guard state.mayRun(standing) else { return .wait }
            if state.idle > 0 {
                state.idle -= 1
                return .wake
            }
            guard state.threads < Self.limit else { return .wait }
            state.threads += 1
            return .spawn
        }
        switch step {
        case .wake: wakeups.post()
        case .spawn: spawn()
        case .wait: break
        }
    }

    private func spawn() {
        var thread = pthread_t()
        // The thread holds the pool alive and ends by itself after a time without work.
        let context = unsafe Unmanaged.passRetained(self).toOpaque()
        let status = unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<MariaDBThreads>.fromOpaque(context).takeRetainedValue().work()
                return nil
            }, context)
        guard status == 0 else {
            unsafe Unmanaged<MariaDBThreads>.fromOpaque(context).release()
            // Whoever waits for the job gives up at its deadline; the next job tries again.
            state.withLock { $0.threads -= 1 }
            return
        }
        pthread_detach(thread)
    }

    private func work() {
        while true {
            if let job = take() {
                job.body()
                state.withLock { $0.end(job.standing) }
                continue
            }
            guard rest() else { return }
        }
    }

    /// The next job, or a place among the idle.
    private func take() -> Job? {
        let (job, turn) = state.withLock { state in
            let job = state.begin()
            if job == nil { state.idle += 1 }
            return (job, state.takeTurn())
        }
        turn?.finish(.success(()))
        return job
    }

    /// - Returns: false when the thread should end.
    private func rest() -> Bool {
        if wakeups.wait(seconds: Self.idleSeconds) { return true }
        let isOver = state.withLock { state in
            // Without a place among the idle a wakeup is on its way to this thread.
            guard state.idle > 0 else { return false }
            state.idle -= 1
            state.threads -= 1
            return true
        }
        if isOver { return false }
        wakeups.wait()
        return true
    }
}

/// A counting semaphore of the system.
@safe private final class Semaphore: @unchecked Sendable {
    // Unchecked: the pointer never changes, and what it points to is made for many threads.
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { unsafe sem_init(semaphore, 0, 0) }

    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }

    func post() { unsafe sem_post(semaphore) }

    func wait() {
        while unsafe sem_wait(semaphore) != 0 && errno == EINTR {}
    }

    /// - Returns: false when the time passed.
    func wait(seconds: Int) -> Bool {
        var end = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &end)
        end.tv_sec += seconds
        while unsafe sem_timedwait(semaphore, &end) != 0 {
            if errno != EINTR { return false }
        }
        return true
    }
}
