// How much of a test that has no natural end is played.
import Foundation

/// The ordinary run shows that a promise holds; the deep one (`Tests/run --deep`) plays the same code for longer and takes the figure.
/// Nothing is left out in either: a scale only chooses how often.
package enum Scale: Sendable {
    case quick, deep

    /// Of the environment: `AGENT_TEST_SCALE=deep`.
    package static let current: Scale = ProcessInfo.processInfo.environment["AGENT_TEST_SCALE"] == "deep" ? .deep : .quick

    /// The number for the scale of this run.
    package static func pick<Value>(_ quick: Value, deep: Value) -> Value { current == .deep ? deep : quick }
}

/// Tells the figure of a promise, as `Tests/README.md` quotes it.
package func promise(_ name: String, _ figure: String) { print("promise \(name): \(figure)") }

/// The value below which `share` of the numbers lie; 0 for none.
package func percentile(_ numbers: [Double], _ share: Double) -> Double {
    guard !numbers.isEmpty else { return 0 }
    let sorted = numbers.sorted()
    return sorted[min(sorted.count - 1, max(0, Int((Double(sorted.count) * share).rounded(.up)) - 1))]
}

/// A figure as a person reads it: three digits are enough.
package func rounded(_ number: Double) -> String {
    let scale = abs(number) >= 100 ? 1.0 : abs(number) >= 10 ? 10 : abs(number) >= 1 ? 100 : 1000
    let value = (number * scale).rounded() / scale
    return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
}
