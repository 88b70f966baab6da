// What the scripted MySQL 8 answers to `SELECT` of session facts: enough for a client to find its feet.
import Diagnosis

/// What a statement is answered with.
enum MySQLAnswer: Sendable {
    case rows([String], [[String?]])
    case error(Int, String, String)
}

/// Values of the expressions that a client asks for.
struct MySQLAnswers: Sendable {
    var login: MySQLLogin
    var version: String

    /// One row, of the expressions of a statement in its order; null for what is not known here.
    func answer(to statement: String) -> MySQLAnswer {
        let text = statement.drop { $0.isWhitespace }
        guard text.lowercased().hasPrefix("select") else { return .rows(["answer"], [[nil]]) }
        let expressions = Self.expressions(String(text.dropFirst("select".count)))
        let names = expressions.map { expression in
            String(expression.split(separator: " ", maxSplits: 1).last ?? "?")
        }
        let values = expressions.map { expression in
            let asked = expression.lowercased().firstRange(of: " as ").map { String(expression[..<$0.lowerBound]) } ?? expression
            return value(of: asked.lowercased().filter { !$0.isWhitespace })
        }
        return .rows(names, [values])
    }

    private func value(of expression: String) -> String? {
        switch expression {
        case "current_user()", "current_user": "\(login.user)@%"
        case "user()", "session_user()": "\(login.user)@10.0.0.9"
        case "database()", "schema()": login.database
        case "version()", "@@version": version
        case "@@version_comment": "Source distribution"
        case "@@hostname": "stock"
        case "connection_id()": "4242"
        case "current_role()": MySQLRights.activeRole
        case "@@global.partial_revokes": "1"
        case "unix_timestamp(now(6))": "\(Timestamp.now.seconds)"
        case let name where name.contains("read_only") || name.contains("offline_mode"): "0"
        case let name where name.contains("lower_case_table_names"): "1"
        case let number where Int(number) != nil: number
        default: nil
        }
    }

    /// Splits at commas outside brackets, up to the first `from` of the statement itself.
    private static func expressions(_ text: String) -> [String] {
        var parts: [String] = []
        var current = ""
        var depth = 0
        for character in text {
            switch character {
            case "(": depth += 1
            case ")": depth -= 1
            default: break
            }
            if character == ",", depth == 0 {
                parts.append(current)
                current = ""
            } else {
                current.append(character)
            }
        }
        return (parts + [current]).map { $0.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
    }
}
