// From the text of a file to values with places: the only file that knows Yams.
//
// Bounds: the parser nests at most 1,000 levels by itself; the conversion stops at `depthLimit` levels and `valueLimit` values,
// so an alias that multiplies is an error and not a full memory. Yams hashes keys, so keys built out of aliases are refused before it runs.
import Yams

enum YAMLDocument {
    /// Deepest nesting that a configuration may have; the contract needs six levels.
    static let depthLimit = 24
    /// Most values after aliases are followed.
    static let valueLimit = 100_000
    /// Most keys given twice that are reported one by one.
    private static let duplicateLimit = 50

    /// Why a text is no document.
    struct Problem: Error {
        var position: YAMLValue.Position?
        var message: String
    }

    /// A document and the keys that were given twice in it.
    struct Outcome {
        /// Nil when the document is empty.
        var root: YAMLValue?
        var problems: [Problem]
    }

    /// Reads one document. Problems that leave a usable document behind (keys given twice) are returned beside it.
    static func read(_ text: String) -> Outcome {
        if let problem = AliasRules.problem(in: text) { return Outcome(root: nil, problems: [problem]) }
        var text = text
        var renamed = 0
        while true {
            do {
                guard let node = try Parser(yaml: text, encoding: .utf8).singleRoot() else { return Outcome(root: nil, problems: []) }
                var conversion = Conversion()
                let root = try conversion.value(of: node, depth: 0)
                return Outcome(root: root, problems: conversion.problems)
            } catch YamlError.duplicatedKeysInMapping(let keys, let context) where renamed < duplicateLimit {
                // Yams stops at the first key given twice. It is given a mark that no file of people holds, and the reading goes
                // on, so that the other errors of the file are found as well. Columns stay as they are.
                renamed += 1
                guard let marked = marking(context.mark, in: text, number: renamed) else {
                    return Outcome(root: nil, problems: [duplicate(keys.first ?? "?", at: context.mark)])
                }
                text = marked
            } catch let problem as Problem {
                return Outcome(root: nil, problems: [problem])
            } catch let error as YamlError {
                return Outcome(root: nil, problems: [problem(of: error)])
            } catch {
                return Outcome(root: nil, problems: [Problem(position: nil, message: "not readable as YAML: \(error)")])
            }
        }
    }

    // MARK: Keys given twice

    /// First of the private-use characters that stand for the first character of a key given twice.
    private static let markBase: UInt32 = 0xE000

    private static func marking(_ mark: Mark, in text: String, number: Int) -> String? {
        guard let stamp = Unicode.Scalar(markBase + UInt32(number)) else { return nil }
        var scalars = Array(text.unicodeScalars)
        var line = 1
        var index = 0
        while line < mark.line {
            guard index < scalars.count else { return nil }
            if scalars[index] == "\n" { line += 1 }
            index += 1
        }
        index += mark.column - 1
        guard index < scalars.count else { return nil }
        if scalars[index] == "\"" || scalars[index] == "'" { index += 1 }
        guard index < scalars.count, scalars[index] != "\n", !isStamp(scalars[index]) else { return nil }
        scalars[index] = stamp
        return String(String.UnicodeScalarView(scalars))
    }

    fileprivate static func isStamp(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value > markBase && scalar.value <= markBase + UInt32(duplicateLimit)
    }

    private static func duplicate(_ key: String, at mark: Mark) -> Problem {
        Problem(
            position: .init(line: mark.line, column: mark.column), message: "the key \"\(key)\" is given twice; keep one of them")
    }

    // MARK: Errors of the parser

    private static func problem(of error: YamlError) -> Problem {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let circumstance = context.map { " (\($0.text) of line \($0.mark.line))" } ?? ""
            return Problem(
                position: .init(line: mark.line, column: mark.column), message: "not valid YAML: \(problem)\(circumstance)")
        case .reader(let problem, let offset, _, let yaml):
            let line = offset.map { yaml.prefix($0).count { $0 == "\n" } + 1 }
            return Problem(position: line.map { .init(line: $0, column: 1) }, message: "not valid YAML: \(problem)")
        case .duplicatedKeysInMapping(let keys, let context): return duplicate(keys.first ?? "?", at: context.mark)
        default: return Problem(position: nil, message: "not valid YAML: \(error)")
        }
    }

    // MARK: Values

    private struct Conversion {
        var count = 0
        var problems: [Problem] = []

        mutating func value(of node: Node, depth: Int) throws(Problem) -> YAMLValue {
            let mark = node.mark
            let position = YAMLValue.Position(line: mark?.line ?? 1, column: mark?.column ?? 1)
            count += 1
            guard count <= valueLimit else {
                throw Problem(position: position, message: "more than \(valueLimit) values; aliases may be multiplying each other")
            }
            guard depth <= depthLimit else {
                throw Problem(position: position, message: "nested more than \(depthLimit) levels deep")
            }
            switch node {
            case .scalar(let scalar): return YAMLValue(position: position, content: .scalar(try self.scalar(scalar, position)))
            case .sequence(let sequence):
                var items: [YAMLValue] = []
                for item in sequence { items.append(try value(of: item, depth: depth + 1)) }
                return YAMLValue(position: position, content: .list(items))
            case .mapping(let mapping): return YAMLValue(position: position, content: try self.mapping(mapping, depth))
            case .alias: throw Problem(position: position, message: "an alias that leads nowhere")
            }
        }

        private func scalar(_ scalar: Node.Scalar, _ position: YAMLValue.Position) throws(Problem) -> YAMLValue.Scalar {
            let tag = scalar.tag.description
            switch tag {
            case "", "!": return YAMLValue.Scalar(text: scalar.string, isPlain: scalar.style == .plain && tag.isEmpty)
            case Tag.Name.str.rawValue: return YAMLValue.Scalar(text: scalar.string, isPlain: false)
            default: throw Problem(position: position, message: "the tag \(tag) has no meaning here; leave it out")
            }
        }

        private mutating func mapping(_ mapping: Node.Mapping, _ depth: Int) throws(Problem) -> YAMLValue.Content {
            var entries: [YAMLValue.Entry] = []
            var marked: [YAMLValue.Entry] = []
            for (key, value) in mapping {
                let position = key.mark.map { YAMLValue.Position(line: $0.line, column: $0.column) } ?? .init(line: 1, column: 1)
                guard case .scalar(let name) = key else {
                    throw Problem(position: position, message: "a key has to be a word, not a list or mapping")
                }
                let entry = YAMLValue.Entry(key: name.string, keyPosition: position, value: try self.value(of: value, depth: depth + 1))
                if name.string.unicodeScalars.contains(where: isStamp) { marked.append(entry) } else { entries.append(entry) }
            }
            for earlier in marked {
                let tail = earlier.key.unicodeScalars.dropFirst()
                let later = entries.first { $0.key.unicodeScalars.dropFirst().elementsEqual(tail) }
                problems.append(
                    Problem(
                        position: later?.keyPosition ?? earlier.keyPosition,
                        message: "the key \"\(later?.key ?? String(String.UnicodeScalarView(tail)))\" is given twice"
                            + " (first on line \(earlier.keyPosition.line)); keep one of them"))
            }
            return .mapping(entries)
        }
    }
}

/// Bounds on aliases that have to hold before Yams sees the text, because it hashes keys and a key made of aliases can take for ever.
private enum AliasRules {
    private static let limit = 1_000

    static func problem(in text: String) -> YAMLDocument.Problem? {
        guard text.utf8.contains(0x2A) else { return nil }
        var aliases = 0
        var complexKey: Int?
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let bytes = Array(line.utf8)
            aliases += count(in: bytes)
            if complexKey == nil, hasComplexKey(bytes) { complexKey = index + 1 }
        }
        guard aliases > 0 else { return nil }
        if aliases > limit { return .init(position: nil, message: "more than \(limit) aliases") }
        if let complexKey {
            return .init(
                position: .init(line: complexKey, column: 1), message: "a key made of a list, a mapping or an alias has no meaning here")
        }
        return nil
    }

    /// Counts what may be an alias; too many rather than too few, because quotes and comments are not looked at.
    private static func count(in bytes: [UInt8]) -> Int {
        var found = 0
        for index in bytes.indices where bytes[index] == 0x2A && index + 1 < bytes.count && isNameByte(bytes[index + 1]) {
            let before = index == 0 ? 0x20 : bytes[index - 1]
            if [0x20, 0x09, 0x5B, 0x7B, 0x2C, 0x3A].contains(before) { found += 1 }
        }
        return found
    }

    /// Whether the line may hold a key that is no word: `? `, `]:`, `}:`, `*name :`. An address such as `[::1]:53` in quotes is none.
    private static func hasComplexKey(_ bytes: [UInt8]) -> Bool {
        for index in bytes.indices {
            let next = index + 1 < bytes.count ? bytes[index + 1] : 0x20
            switch bytes[index] {
            case 0x3F where next == 0x20 || next == 0x09 || next == 0x0D:
                let before = bytes[..<index].last { $0 != 0x20 && $0 != 0x09 }
                if before == nil || [0x2D, 0x3A, 0x5B, 0x7B, 0x2C].contains(before) { return true }
            case 0x5D, 0x7D:
                let rest = bytes[(index + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
                guard rest.first == 0x3A else { continue }
                let digits = rest.dropFirst().prefix { (0x30...0x39).contains($0) }
                let after = rest.dropFirst(1 + digits.count).first
                if digits.isEmpty || !(after == 0x22 || after == 0x27) { return true }
            case 0x2A where isNameByte(next):
                let rest = bytes[(index + 1)...].drop { isNameByte($0) }
                if rest.drop(while: { $0 == 0x20 || $0 == 0x09 }).first == 0x3A { return true }
            default: continue
            }
        }
        return false
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: true
        default: false
        }
    }
}
