// Objects whose members depend on circumstances.
import Diagnosis

extension JSON {
    /// One object with the members of several, in order.
    static func joining(_ objects: [JSON]) -> JSON {
        .object(
            objects.flatMap { part in
                guard case .object(let members) = part else { return [Member]() }
                return members
            })
    }
}
