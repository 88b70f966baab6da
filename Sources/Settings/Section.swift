// Reading one mapping of the file: every key is asked for by name, and whoever asks says which keys there are.
import Diagnosis

/// Collects what is wrong, in the order in which it is found. Lives as long as one reading of one file.
final class IssueList {
    /// More than this many tell nobody anything new.
    static let limit = 200
    let file: String
    private(set) var issues: [SettingsIssue] = []

    init(file: String) { self.file = file }

    func error(_ path: String, at position: YAMLValue.Position?, _ message: String, suggestion: String? = nil) {
        add(.error, path, position, message, suggestion)
    }

    func warning(_ path: String, at position: YAMLValue.Position?, _ message: String, suggestion: String? = nil) {
        add(.warning, path, position, message, suggestion)
    }

    private func add(_ severity: Severity, _ path: String, _ position: YAMLValue.Position?, _ message: String, _ suggestion: String?) {
        guard issues.count < Self.limit else { return }
        issues.append(
            SettingsIssue(
                severity, file: file, line: position?.line, column: position?.column, path: path, message: message,
                suggestion: suggestion))
    }

    var hasErrors: Bool { issues.contains { $0.severity == .error } }

    /// Errors and warnings by their place in the file.
    var sorted: [SettingsIssue] {
        issues.enumerated().sorted { a, b in
            (a.element.line ?? 0, a.element.column ?? 0, a.offset) < (b.element.line ?? 0, b.element.column ?? 0, b.offset)
        }.map(\.element)
    }
}

/// A value together with its place, for rules that look at more than the type.
struct Placed<Value> {
    var value: Value
    var path: String
    var position: YAMLValue.Position
}

/// One mapping of the file.
struct Section {
    let path: String
    let position: YAMLValue.Position
    let entries: [YAMLValue.Entry]
    let issues: IssueList

    /// - Returns: nil, with an error, when the value is no mapping.
    init?(_ value: YAMLValue, path: String, issues: IssueList) {
        guard case .mapping(let entries) = value.content else {
            issues.error(path, at: value.position, "must be a mapping of keys and values, not \(value.noun)")
            return nil
        }
        self.path = path
        self.position = value.position
        self.entries = entries
        self.issues = issues
    }

    /// Reports every key that is neither in `known` nor in `later` as unknown, and those in `later` as not in this version.
    func allow(_ known: [String], later: [String: String] = [:]) {
        for entry in entries where !known.contains(entry.key) {
            if let what = later[entry.key] {
                issues.error(path(entry.key), at: entry.keyPosition, "\(what): not in this version; remove the key")
            } else {
                issues.error(
                    path(printable(entry.key)), at: entry.keyPosition, "unknown key",
                    suggestion: Guess.nearest(to: entry.key, among: known + later.keys.sorted()))
            }
        }
    }

    func path(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    func value(_ key: String) -> YAMLValue? { entries.first { $0.key == key }?.value }

    /// - Returns: nil when the key is absent, or, with an error, when its value is no mapping.
    func section(_ key: String) -> Section? {
        value(key).flatMap { Section($0, path: path(key), issues: issues) }
    }

    /// **Shape**: the items with their paths (`targets[0]`); nil when the key is absent or, with an error, no list.
    func list(_ key: String) -> [Placed<YAMLValue>]? {
        guard let value = value(key) else { return nil }
        guard case .list(let items) = value.content else {
            issues.error(path(key), at: value.position, "must be a list, not \(value.noun)")
            return nil
        }
        return items.enumerated().map { Placed(value: $1, path: "\(path(key))[\($0)]", position: $1.position) }
    }

    /// Text that is not empty and holds no control character.
    func text(_ key: String) -> Placed<String>? {
        value(key).flatMap { Self.text(Placed(value: $0, path: path(key), position: $0.position), issues) }
    }

    /// Every item of a list of texts that is one.
    func texts(_ key: String) -> [Placed<String>]? {
        list(key)?.compactMap { Self.text($0, issues) }
    }

    static func text(_ item: Placed<YAMLValue>, _ issues: IssueList) -> Placed<String>? {
        guard case .scalar(let scalar) = item.value.content, scalar.kind == .text else {
            if case .scalar(let scalar) = item.value.content, scalar.kind == .number || scalar.kind == .boolean {
                issues.error(item.path, at: item.position, "must be text, not \(item.value.noun); in quotes, \"\(scalar.text)\" is text")
            } else {
                issues.error(item.path, at: item.position, "must be text, not \(item.value.noun)")
            }
            return nil
        }
        guard !scalar.text.isEmpty else {
            issues.error(item.path, at: item.position, "must not be empty")
            return nil
        }
        guard !scalar.text.unicodeScalars.contains(where: isControl) else {
            issues.error(item.path, at: item.position, "must not hold control characters or line breaks")
            return nil
        }
        return Placed(value: scalar.text, path: item.path, position: item.position)
    }

    func integer(_ key: String, in range: ClosedRange<Int>) -> Placed<Int>? {
        guard let value = value(key) else { return nil }
        guard case .scalar(let scalar) = value.content, scalar.kind == .number, let number = Int(scalar.text) else {
            let quoted = if case .scalar(let scalar) = value.content, !scalar.isPlain, Int(scalar.text) != nil { " in quotes" } else { "" }
            issues.error(path(key), at: value.position, "must be a whole number, not \(value.noun)\(quoted)")
            return nil
        }
        guard range.contains(number) else {
            issues.error(path(key), at: value.position, "\(number) is outside \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return Placed(value: number, path: path(key), position: value.position)
    }

    /// One of the raw values of an enum; anything else is an error that lists them.
    func choice<Value: RawRepresentable & CaseIterable>(_ key: String, of type: Value.Type = Value.self) -> Placed<Value>?
    where Value.RawValue == String {
        guard let text = text(key) else { return nil }
        guard let value = Value(rawValue: text.value) else {
            let names = Value.allCases.map(\.rawValue)
            issues.error(
                text.path, at: text.position, "\"\(printable(text.value))\" is none of \(names.joined(separator: ", "))",
                suggestion: Guess.nearest(to: text.value, among: names))
            return nil
        }
        return Placed(value: value, path: text.path, position: text.position)
    }

    func duration(_ key: String, in range: ClosedRange<Duration>) -> Placed<Duration>? {
        guard let value = value(key) else { return nil }
        guard case .scalar(let scalar) = value.content, scalar.kind == .text || scalar.kind == .number else {
            issues.error(path(key), at: value.position, "must be a duration such as 60s, 5m or 1h30m, not \(value.noun)")
            return nil
        }
        guard scalar.kind == .text else {
            issues.error(
                path(key), at: value.position, "\(scalar.text) has no unit (ms, s, m, h, d)",
                suggestion: Int(scalar.text).map { $0 > 0 ? "\($0)s" : nil } ?? nil)
            return nil
        }
        guard let duration = Durations.read(scalar.text) else {
            issues.error(
                path(key), at: value.position, "\"\(printable(scalar.text))\" is no duration such as 500ms, 60s, 5m or 1h30m")
            return nil
        }
        guard range.contains(duration) else {
            let bound =
                duration < range.lowerBound
                ? "below the least, \(Durations.text(range.lowerBound))"
                : "above the most, \(Durations.text(range.upperBound))"
            issues.error(path(key), at: value.position, "\(printable(scalar.text)) is \(bound)")
            return nil
        }
        return Placed(value: duration, path: path(key), position: value.position)
    }
}

func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029: true
    default: false
    }
}

/// Text of the file inside a message: bounded and without control characters.
func printable(_ text: String) -> String {
    let clean = Redactor.scrub(text)
    return clean.count <= 80 ? clean : clean.prefix(79) + "…"
}
