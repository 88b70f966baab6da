// Objects whose members depend on circumstances.
import Diagnosis

extension JSON {
    /// One object with the members of several, in order.
    static func joining(_ objects: [JSON]) -> JSON { .object(objects.flatMap(\.members)) }

    /// The members of an object; none for anything else.
    var members: [Member] {
        guard case .object(let members) = self else { return [] }
        return members
    }
}
