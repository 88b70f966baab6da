// The reactor against descriptors that become ready, stay silent, are cancelled or come too late.
import Diagnosis
import Glibc
import Readiness
import Testing
import TestSupport

/// Two connected descriptors that close themselves.
final class Pipe: Sendable {
    let reading: Int32
    let writing: Int32

    init() {
        var ends: [Int32] = [0, 0]
        let status = unsafe ends.withUnsafeMutableBufferPointer { unsafe Glibc.pipe($0.baseAddress) }
        precondition(status == 0, "pipe: errno \(errno)")
        (reading, writing) = (ends[0], ends[1])
    }

    deinit {
        _ = close(reading)
        _ = close(writing)
    }

    func put(_ byte: UInt8 = 1) {
        var byte = byte
        _ = unsafe write(writing, &byte, 1)
    }

    func take() {
        var byte: UInt8 = 0
        _ = unsafe read(reading, &byte, 1)
    }
}

@Suite(.timeLimit(.minutes(1))) struct ReactorTests {
    @Test("A descriptor that is ready ends the wait at once")
    func readyDescriptor() async throws {
        let reactor = try Reactor()
        defer { reactor.close() }
        let pipe = Pipe()
        try await reactor.wait(for: .write, on: pipe.writing, until: .in(.seconds(5)))
        pipe.put()
        try await reactor.wait(for: .read, on: pipe.reading, until: .in(.seconds(5)))
    }

    @Test("A wait is renewed as often as wanted, and a byte that comes later ends it")
    func laterByte() async throws {
        let reactor = try Reactor()
        defer { reactor.close() }
        let pipe = Pipe()
        for _ in 0..<100 {
            async let waited: Void = reactor.wait(for: .read, on: pipe.reading, until: .in(.seconds(10)))
            pipe.put()
            try await waited
            pipe.take()
        }
    }

    @Test("A silent descriptor ends at the deadline, not before and not much later")
    func silence() async throws {
        let reactor = try Reactor()
        defer { reactor.close() }
        let pipe = Pipe()
        let deadline = Deadline.in(.milliseconds(120))
        await #expect(throws: WaitFailure.deadline) { try await reactor.wait(for: .read, on: pipe.reading, until: deadline) }
        #expect(deadline.remaining <= .zero)
        #expect(deadline.remaining > .seconds(-5))
    }

    @Test("A deadline in the past ends the wait without an event")
    func pastDeadline() async throws {
        let reactor = try Reactor()
        defer { reactor.close() }
        let pipe = Pipe()
        await #expect(throws: WaitFailure.deadline) {
            try await reactor.wait(for: .read, on: pipe.reading, until: .in(.seconds(-1)))
        }
    }

    @Test("A nearer deadline wakes the thread that sleeps for a farther one")
    func nearerDeadline() async throws {
        let reactor = try Reactor()
        defer { reactor.close() }
        let (far, near) = (Pipe(), Pipe())
        let farther = Task { try await reactor.wait(for: .read, on: far.reading, until: .in(.seconds(60))) }
        let clock = ContinuousClock.now
        await #expect(throws: WaitFailure.deadline) {
            try await reactor.wait(for: .read, on: near.reading, until: .in(.milliseconds(50)))
        }
        #expect(ContinuousClock.now - clock < .seconds(5))
        farther.cancel()
        await #expect(throws: WaitFailure.cancelled) { try await farther.value }
    }

    @Test("Cancellation ends a wait, also one that begins cancelled")
    func cancellation() async throws {
        let reactor = try Reactor()
        defer { reactor.close() }
        let pipe = Pipe()
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            try await reactor.wait(for: .read, on: pipe.reading, until: .in(.seconds(60)))
        }
        task.cancel()
        await #expect(throws: WaitFailure.cancelled) { try await task.value }
        let waiting = Task { try await reactor.wait(for: .read, on: pipe.reading, until: .in(.seconds(60))) }
        await Task.yield()
        waiting.cancel()
        await #expect(throws: WaitFailure.cancelled) { try await waiting.value }
        // The descriptor is free again.
        pipe.put()
        try await reactor.wait(for: .read, on: pipe.reading, until: .in(.seconds(5)))
    }

    @Test("Closing the reactor ends every wait, and later ones at once")
    func closing() async throws {
        let reactor = try Reactor()
        let pipe = Pipe()
        let waiting = Task { try await reactor.wait(for: .read, on: pipe.reading, until: .in(.seconds(60))) }
        await Task.yield()
        reactor.close()
        await #expect(throws: WaitFailure.cancelled) { try await waiting.value }
        await #expect(throws: WaitFailure.cancelled) {
            try await reactor.wait(for: .read, on: pipe.reading, until: .in(.seconds(60)))
        }
    }

    @Test("An alarm rings at its time and once; one that is stopped does not, and closing rings the rest")
    func alarms() async throws {
        let reactor = try Reactor()
        let begin = ContinuousClock.now
        let (rings, ring) = AsyncStream<(name: String, why: WaitFailure)>.makeStream()
        let stopped = reactor.alarm(at: .in(.milliseconds(20))) { ring.yield(("stopped", $0)) }
        reactor.stop(stopped)
        _ = reactor.alarm(at: .in(.milliseconds(60))) { ring.yield(("second", $0)) }
        _ = reactor.alarm(at: .in(.milliseconds(40))) { ring.yield(("first", $0)) }
        _ = reactor.alarm(at: .in(.seconds(600))) { ring.yield(("never", $0)) }
        var heard = rings.makeAsyncIterator()
        let first = await heard.next()
        #expect(first?.name == "first" && first?.why == .deadline && ContinuousClock.now - begin >= .milliseconds(40))
        let second = await heard.next()
        #expect(second?.name == "second" && second?.why == .deadline)
        reactor.close()
        let last = await heard.next()
        #expect(last?.name == "never" && last?.why == .cancelled)
        _ = reactor.alarm(at: .in(.seconds(600))) { ring.yield(("late", $0)) }
        let late = await heard.next()
        #expect(late?.name == "late" && late?.why == .cancelled, "a closed reactor rings at once")
    }

    @Test("A descriptor that cannot be waited for is an error with its errno")
    func unsuitableDescriptor() async throws {
        let reactor = try Reactor()
        defer { reactor.close() }
        await #expect(throws: WaitFailure.system(EBADF)) {
            try await reactor.wait(for: .read, on: 100_000, until: .in(.seconds(5)))
        }
    }

    @Test("A thousand waits at once end at their own deadlines, in order")
    func manyWaits() async throws {
        let reactor = try Reactor()
        defer { reactor.close() }
        let pipes = (0..<300).map { _ in Pipe() }
        let stalls = Stalls()
        defer { stalls.end() }
        let worst = await withTaskGroup(of: Duration.self) { group in
            for (index, pipe) in pipes.enumerated() {
                group.addTask {
                    let deadline = Deadline.in(.milliseconds(50 + index))
                    _ = try? await reactor.wait(for: .read, on: pipe.reading, until: deadline)
                    return .zero - deadline.remaining
                }
            }
            return await group.reduce(.zero, max)
        }
        #expect(worst.seconds < 1 + stalls.seconds)
    }
}
