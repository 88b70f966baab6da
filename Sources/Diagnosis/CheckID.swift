// The cell of the identity × target matrix.

/// Names one check: one identity against one target. Stable across restarts: the key of history rows and metric labels.
///
/// An identity is watched by itself, too; what is recorded of that has no target and is written `/identity`.
package struct CheckID: Sendable, Hashable, Comparable, Codable, CustomStringConvertible, JSONRepresentable {
    package var target: String
    package var identity: String

    package init(target: String, identity: String) {
        self.target = target
        self.identity = identity
    }

    /// The watch over one identity.
    package init(watching identity: String) { self.init(target: "", identity: identity) }

    /// Reads `target/identity` or `/identity`; nil when there is not exactly one slash with text behind it.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[1].isEmpty else { return nil }
        self.init(target: String(parts[0]), identity: String(parts[1]))
    }

    /// Whether this is the watch over an identity and no check of a target.
    package var isWatch: Bool { target.isEmpty }

    package var description: String { "\(target)/\(identity)" }
    package var json: JSON { .string(description) }

    package static func < (a: CheckID, b: CheckID) -> Bool { (a.target, a.identity) < (b.target, b.identity) }

    /// FNV-1a, 64 bits: the same in every process and version, so that a check keeps its slot over restarts.
    package var stableHash: UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in description.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return hash
    }
}
