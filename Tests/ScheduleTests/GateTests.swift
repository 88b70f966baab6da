import Diagnosis
import Schedule
import Synchronization
import Testing

/// A value that tasks of a test share.
private final class Tally<Value: Sendable>: Sendable {
    private let value: Mutex<Value>
    init(_ value: Value) { self.value = Mutex(value) }
    func withLock<R: Sendable>(_ body: (inout Value) -> R) -> R {
        value.withLock { value in
            var copy = value
            defer { value = copy }
            return body(&copy)
        }
    }
}

private struct Crowd: Sendable {
    var (now, most, total) = (0, 0, 0)
    mutating func enter() {
        now += 1
        most = max(most, now)
        total += 1
    }
}

@Suite(.timeLimit(.minutes(1))) struct GateTests {
    /// Returns when `count` callers wait at the gate.
    private func waiting(_ gate: Gate, _ count: Int) async {
        while gate.waiting != count { await Task.yield() }
    }

    @Test("Who waits is let in by the order of arrival")
    func fairness() async throws {
        let gate = Gate(limit: 1)
        try await gate.enter(until: .in(.seconds(30)))
        let order = Tally<[Int]>([])
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                group.addTask {
                    guard (try? await gate.enter(until: .in(.seconds(30)))) != nil else { return }
                    order.withLock { $0.append(number) }
                    gate.leave()
                }
                await waiting(gate, number + 1)
            }
            gate.leave()
        }
        #expect(order.withLock { $0 } == Array(0..<20))
        #expect(gate.inside == 0)
        #expect(gate.waiting == 0)
    }

    @Test("Never more inside than the limit, and everybody gets in")
    func limit() async {
        let gate = Gate(limit: 3)
        let most = Tally<Crowd>(Crowd())
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    guard (try? await gate.enter(until: .in(.seconds(30)))) != nil else { return }
                    most.withLock { $0.enter() }
                    await Task.yield()
                    most.withLock { $0.now -= 1 }
                    gate.leave()
                }
            }
        }
        let seen = most.withLock { $0 }
        #expect(seen.most <= 3)
        #expect(seen.total == 200)
        #expect(gate.inside == 0)
    }

    @Test("The deadline ends the wait")
    func deadline() async throws {
        let gate = Gate(limit: 1)
        try await gate.enter(until: .in(.seconds(30)))
        await #expect(throws: WaitFailure.deadline) { try await gate.enter(until: .in(.milliseconds(20))) }
        #expect(gate.waiting == 0)
        gate.leave()
        try await gate.enter(until: .in(.seconds(30)))
        #expect(gate.inside == 1)
    }

    @Test("Cancellation ends the wait, and the place goes to the next in line")
    func cancellation() async throws {
        let gate = Gate(limit: 1)
        try await gate.enter(until: .in(.seconds(30)))
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await withTaskGroup(of: Void.self) { inner in
                    inner.addTask {
                        await #expect(throws: WaitFailure.cancelled) { try await gate.enter(until: .in(.seconds(30))) }
                    }
                    await waiting(gate, 1)
                    inner.cancelAll()
                }
            }
            await group.next()
            #expect(gate.waiting == 0)
            group.addTask { await #expect(throws: Never.self) { try await gate.enter(until: .in(.seconds(30))) } }
            await waiting(gate, 1)
            gate.leave()
        }
        #expect(gate.inside == 1)
    }

    @Test("A caller that was cancelled before does not take a place")
    func cancelledBefore() async {
        let gate = Gate(limit: 1)
        await withTaskGroup(of: Void.self) { group in
            group.cancelAll()
            group.addTask { await #expect(throws: WaitFailure.cancelled) { try await gate.enter(until: .in(.seconds(30))) } }
        }
        #expect(gate.inside == 0)
    }

    @Test("Cancellation and a free place at the same moment never lose the place", arguments: 0..<20)
    func race(round: Int) async throws {
        let gate = Gate(limit: 1)
        try await gate.enter(until: .in(.seconds(30)))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    if (try? await gate.enter(until: .in(.seconds(30)))) != nil { gate.leave() }
                }
            }
            await Task.yield()
            group.addTask { gate.leave() }
            group.cancelAll()
        }
        #expect(gate.inside == 0)
        #expect(gate.waiting == 0)
    }
}
