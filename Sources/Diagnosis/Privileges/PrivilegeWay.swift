// Through what a role has a right, as PostgreSQL's answer tells it: read back, so that a REVOKE can be made of it.

/// One way in which a right was obtained.
enum PrivilegeWay: Sendable, Hashable {
    case grant
    case everybody
    /// Roles that the role was given, each of which brings the right with it.
    case roles([String])
    /// Ownership, columns: nothing that a REVOKE of this right ends.
    case other

    /// - Parameter text: what ``PrivilegeStatement`` writes: ways joined by `, `, names quoted where SQL needs it.
    static func read(_ text: String) -> [PrivilegeWay] {
        var rest = tokens(text)[...]
        var ways: [PrivilegeWay] = []
        while !rest.isEmpty {
            let part = rest.prefix { $0 != .comma }
            rest = rest.dropFirst(part.count).drop { $0 == .comma }
            if !part.isEmpty { ways.append(way(Array(part))) }
        }
        return ways
    }

    private static func way(_ part: [Token]) -> PrivilegeWay {
        switch part {
        case [.word("direct"), .word("grant")]: return .grant
        case [.word("PUBLIC")]: return .everybody
        case let part where part.first == .word("role") || part.starts(with: [.word("SET"), .word("ROLE")]):
            let names = part.dropFirst(part[0] == .word("role") ? 1 : 2)
            guard let marker = names.indices.first(where: { names[$0...].starts(with: [.word("by"), .word("way"), .word("of")]) }) else {
                return .roles(names.map(\.text))
            }
            return .roles(names[(marker + 3)...].filter { $0 != .word("and") }.map(\.text))
        default: return .other
        }
    }

    private enum Token: Hashable {
        case word(String)
        case quoted(String)
        case comma

        var text: String {
            switch self {
            case .word(let text), .quoted(let text): text
            case .comma: ","
            }
        }
    }

    private static func tokens(_ text: String) -> [Token] {
        var tokens: [Token] = []
        var rest = text[...]
        while let first = rest.first {
            switch first {
            case " ": rest.removeFirst()
            case ",":
                rest.removeFirst()
                tokens.append(.comma)
            case "\"":
                var name = ""
                rest.removeFirst()
                while let character = rest.popFirst() {
                    if character == "\"" {
                        guard rest.first == "\"" else { break }
                        rest.removeFirst()
                    }
                    name.append(character)
                }
                tokens.append(.quoted(name))
            default:
                let word = rest.prefix { $0 != " " && $0 != "," }
                rest = rest.dropFirst(word.count)
                tokens.append(.word(String(word)))
            }
        }
        return tokens
    }
}
