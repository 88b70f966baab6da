// The place that waits for descriptors: one epoll thread, one one-shot registration per wait.
// Way of waiting: readiness (style: first choice), for libraries that give a descriptor and a step function.
import CLinux
package import Diagnosis
import Glibc
import Synchronization

/// What a descriptor is waited for.
package enum Interest: Sendable, Hashable { case read, write }

/// Waits for descriptors on one thread of its own, so that nothing blocks the cooperative pool.
///
/// **Isolation**: safe from any task. A descriptor has at most one waiter at a time; its owner keeps it open while it waits.
package final class Reactor: Sendable {
    private let epoll: Int32
    private let wakeup: Int32
    private let state = Mutex(State())

    private struct State {
        var waiters: [UInt64: Waiter] = [:]
        var timers = TimerHeap()
        var nextToken: UInt64 = 1
        /// Until when the thread sleeps if nothing happens; nil while it is awake or sleeps for ever.
        var sleepsUntil: ContinuousClock.Instant?
        var isAsleep = false
        var isClosed = false
    }

    private enum Waiter {
        case task(CheckedContinuation<Result<Void, WaitFailure>, Never>, descriptor: Int32)
        /// Nobody waits; somebody is called.
        case alarm(@Sendable (WaitFailure) -> Void)

        /// Negative for none.
        var descriptor: Int32 {
            switch self {
            case .task(_, let descriptor): descriptor
            case .alarm: -1
            }
        }

        func end(_ result: Result<Void, WaitFailure>) {
            switch self {
            case .task(let continuation, _): continuation.resume(returning: result)
            case .alarm(let ring): if case .failure(let failure) = result { ring(failure) }
            }
        }

        /// Whether it ends with the task that set it.
        var isCancelled: Bool {
            guard case .task = self else { return false }
            return Task.isCancelled
        }
    }

    /// Something that is called at a time; see ``alarm(at:_:)``.
    package struct Alarm: Sendable { fileprivate let token: UInt64 }

    /// **Throws**: `probe_internal` when the system gives no descriptors or no thread.
    package init() throws(Failure) {
        epoll = clinux_epoll_create()
        wakeup = clinux_eventfd()
        guard epoll >= 0, wakeup >= 0, clinux_watch(epoll, wakeup, Self.readable, 0) == 0 else {
            throw Failure(.probeInternal, during: .internal, evidence: [Evidence(.errno, code: errno, text: "epoll_create1, eventfd")])
        }
        var thread = pthread_t()
        // The thread holds the reactor alive until `close()`; ended by `close()`.
        let context = unsafe Unmanaged.passRetained(self).toOpaque()
        let status = unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                clinux_name_thread()
                let reactor = unsafe Unmanaged<Reactor>.fromOpaque(context).takeRetainedValue()
                reactor.loop()
                return nil
            }, context)
        guard status == 0 else {
            unsafe Unmanaged<Reactor>.fromOpaque(context).release()
            throw Failure(.probeInternal, during: .internal, evidence: [Evidence(.errno, code: status, text: "pthread_create")])
        }
        pthread_detach(thread)
    }

    /// Ends the thread; every waiter gets `cancelled`, later calls too.
    package func close() {
        let waiters = state.withLock { state -> [Waiter] in
            guard !state.isClosed else { return [] }
            state.isClosed = true
            // Under the lock: the thread closes its descriptors only after it has seen `isClosed`.
            clinux_wake(wakeup)
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.end(.failure(.cancelled)) }
    }

    /// Waits until `descriptor` can be read or written, or has an error to report.
    ///
    /// **Throws**: `deadline`, `cancelled` (also after ``close()``), `system` when the descriptor cannot be waited for.
    package func wait(for interest: Interest, on descriptor: Int32, until deadline: Deadline) async throws(WaitFailure) {
        try await register(descriptor, interest == .read ? Self.readable : Self.writable, until: deadline)
    }

    /// Waits for nothing but time. **Throws**: `cancelled`.
    package func sleep(until deadline: Deadline) async throws(WaitFailure) {
        do {
            try await register(-1, 0, until: deadline)
        } catch .deadline {
            return
        }
    }

    /// Calls `ring` once: with `deadline` at that time, on the reactor's thread, which it must not hold up; with `cancelled` when the reactor
    /// is closed. Not after ``stop(_:)``. Cheaper than a task that sleeps.
    package func alarm(at deadline: Deadline, _ ring: @escaping @Sendable (WaitFailure) -> Void) -> Alarm {
        let token = nextToken()
        add(.alarm(ring), token, 0, deadline)
        return Alarm(token: token)
    }

    /// An alarm that is ringing already rings to its end.
    package func stop(_ alarm: Alarm) { state.withLock { _ = $0.waiters.removeValue(forKey: alarm.token) } }

    private func nextToken() -> UInt64 {
        state.withLock { state in
            defer { state.nextToken += 1 }
            return state.nextToken
        }
    }

    private func register(_ descriptor: Int32, _ events: UInt32, until deadline: Deadline) async throws(WaitFailure) {
        let token = nextToken()
        let result: Result<Void, WaitFailure> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                self.add(.task(continuation, descriptor: descriptor), token, events, deadline)
            }
        } onCancel: {
            self.finish(token, .failure(.cancelled))
        }
        try result.get()
    }

    private func add(_ waiter: Waiter, _ token: UInt64, _ events: UInt32, _ deadline: Deadline) {
        // Cancellation may have come before this registration: then `finish` found nothing, and the flag decides here.
        let refused: WaitFailure? = state.withLock { state in
            if state.isClosed || waiter.isCancelled { return .cancelled }
            state.waiters[token] = waiter
            state.timers.insert(token, at: deadline.instant)
            if state.timers.count > 256, state.timers.count > 4 * state.waiters.count {
                let waiters = state.waiters
                state.timers.keep { waiters[$0] != nil }
            }
            if waiter.descriptor >= 0 {
                let code = clinux_arm(epoll, waiter.descriptor, events, token)
                if code != 0 {
                    state.waiters[token] = nil
                    return .system(code)
                }
            }
            if state.isAsleep, state.sleepsUntil.map({ deadline.instant < $0 }) ?? true { clinux_wake(wakeup) }
            return nil
        }
        if let refused { waiter.end(.failure(refused)) }
    }

    /// Ends one wait, unless something else has ended it before.
    private func finish(_ token: UInt64, _ result: Result<Void, WaitFailure>) {
        let waiter = state.withLock { state -> Waiter? in
            guard let waiter = state.waiters.removeValue(forKey: token) else { return nil }
            // Still our registration: a new wait on this descriptor begins only after this one has returned.
            if case .failure = result, waiter.descriptor >= 0 { clinux_disarm(epoll, waiter.descriptor) }
            return waiter
        }
        waiter?.end(result)
    }

    private func loop() {
        var tokens = [UInt64](repeating: 0, count: 64)
        while true {
            let timeout: Int32? = state.withLock { state in
                guard !state.isClosed else { return nil }
                while let first = state.timers.first, state.waiters[first.token] == nil { state.timers.removeFirst() }
                state.isAsleep = true
                state.sleepsUntil = state.timers.first?.instant
                guard let until = state.sleepsUntil else { return -1 }
                return Int32(clamping: Deadline(until).remainingMilliseconds)
            }
            guard let timeout else { break }
            let count = unsafe tokens.withUnsafeMutableBufferPointer { buffer in
                unsafe clinux_wait(epoll, buffer.baseAddress, Int32(buffer.count), timeout)
            }
            let (ready, late) = collect(tokens.prefix(Int(max(count, 0))))
            for waiter in ready { waiter.end(.success(())) }
            for waiter in late { waiter.end(.failure(.deadline)) }
        }
        _ = Glibc.close(epoll)
        _ = Glibc.close(wakeup)
    }

    private func collect(_ tokens: ArraySlice<UInt64>) -> (ready: [Waiter], late: [Waiter]) {
        state.withLock { state in
            state.isAsleep = false
            var ready: [Waiter] = []
            var late: [Waiter] = []
            for token in tokens {
                if token == 0 {
                    clinux_drain(wakeup)
                } else if let waiter = state.waiters.removeValue(forKey: token) {
                    ready.append(waiter)
                }
            }
            let now = ContinuousClock.now
            while let first = state.timers.first, first.instant <= now {
                state.timers.removeFirst()
                guard let waiter = state.waiters.removeValue(forKey: first.token) else { continue }
                if waiter.descriptor >= 0 { clinux_disarm(epoll, waiter.descriptor) }
                late.append(waiter)
            }
            return (ready, late)
        }
    }

    private static let readable = UInt32(EPOLLIN.rawValue) | UInt32(EPOLLRDHUP.rawValue)
    private static let writable = UInt32(EPOLLOUT.rawValue)
}
