// The one error of the lab: a sentence for the person who started it.

/// Why the lab, or a part of it, could not do what it was asked.
package struct LabError: Error, Sendable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}
