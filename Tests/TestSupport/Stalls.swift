// How long the machine itself stood still while a test looked at the clock.
import Diagnosis
import Dispatch
import Synchronization

/// A clock of its own beside a test of times: it sleeps a little again and again and writes down when it slept far too long. What a program
/// missed in such a moment the machine took from it, and where there was none nothing is forgiven.
package final class Stalls: Sendable {
    private let found = Mutex<[Double]>([])
    private let isOver = Atomic(false)
    /// **Unit**: seconds. Shorter ones make nobody miss a slot of a second.
    private static let shortest = 0.15
    private static let step = 0.01

    package init() {
        // A queue has a thread of its own for a block that never ends by itself; ``end()`` ends it.
        DispatchQueue(label: "stalls", qos: .userInteractive).async { [self] in
            while !isOver.load(ordering: .relaxed) {
                let begun = ContinuousClock.now
                // Nobody signals it: this is a sleep that a queue may make.
                _ = DispatchSemaphore(value: 0).wait(timeout: .now() + Self.step)
                let over = (ContinuousClock.now - begun).seconds - Self.step
                if over > Self.shortest { found.withLock { $0.append(over) } }
            }
        }
    }

    /// Ends the watch.
    package func end() { isOver.store(true, ordering: .relaxed) }

    /// All of them together. **Unit**: seconds.
    package var seconds: Double { found.withLock { $0.reduce(0, +) } }

    /// The longest. **Unit**: seconds.
    package var longest: Double { found.withLock { $0.max() ?? 0 } }

    /// The slots that so many checks may have missed in them: 0 when there was none.
    package func slots(of checks: Int, every interval: Double) -> Double {
        found.withLock { $0.map { Double(checks) * (($0 / interval).rounded(.down) + 1) }.reduce(0, +) }
    }
}
