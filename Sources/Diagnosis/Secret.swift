// Secrets are a type: what must not leave the process cannot be printed by accident.

/// A value that must not leave the process by accident. Every textual form of it is `<redacted>`.
package struct Secret<Value: Sendable>: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let value: Value

    package init(_ value: Value) { self.value = value }

    /// Lends the value to the one call that needs it. Appears only in clients and `Identity`.
    package func reveal<R, E: Error>(_ body: (Value) throws(E) -> R) throws(E) -> R { try body(self.value) }

    package var description: String { "<redacted>" }
    package var debugDescription: String { "<redacted>" }
    package var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
