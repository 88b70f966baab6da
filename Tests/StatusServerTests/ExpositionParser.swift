// A parser of the text format 0.0.4, written from its description and not from our writer.

/// One sample of an exposition.
struct Sample: Hashable {
    var name: String
    var labels: [String: String]
    var value: Double
}

/// What an exposition says, with the rules of the format checked on the way.
struct ParsedExposition {
    var samples: [Sample] = []
    var types: [String: String] = [:]

    struct Problem: Error { var text: String }

    init(_ bytes: [UInt8]) throws {
        guard let text = String(validating: bytes, as: UTF8.self), text.hasSuffix("\n") else {
            throw Problem(text: "no text with a last line end")
        }
        var helps: Set<String> = []
        var current: String?
        var closed: Set<String> = []
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("# HELP ") {
                let name = String(line.dropFirst(7).prefix { $0 != " " })
                guard helps.insert(name).inserted else { throw Problem(text: "HELP twice: \(name)") }
                if let current { closed.insert(current) }
                guard !closed.contains(name) else { throw Problem(text: "family in two places: \(name)") }
                current = name
            } else if line.hasPrefix("# TYPE ") {
                let parts = line.dropFirst(7).split(separator: " ")
                guard parts.count == 2, String(parts[0]) == current else { throw Problem(text: "TYPE out of place: \(line)") }
                types[String(parts[0])] = String(parts[1])
            } else {
                let sample = try Self.sample(String(line))
                let family =
                    types[current ?? ""] == "histogram" ? ["_bucket", "_sum", "_count"].map { (current ?? "") + $0 } : [current ?? ""]
                guard family.contains(sample.name) else { throw Problem(text: "sample outside its family: \(line)") }
                samples.append(sample)
            }
        }
        var seen: Set<String> = []
        for sample in samples {
            let key = sample.name + sample.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: "\u{1}")
            guard seen.insert(key).inserted else { throw Problem(text: "sample twice: \(key)") }
        }
    }

    private static func sample(_ line: String) throws -> Sample {
        var rest = Substring(line)
        let name = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
        rest = rest.dropFirst(name.count)
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest = rest.dropFirst()
            while rest.first != "}" {
                let key = rest.prefix { $0 != "=" }
                rest = rest.dropFirst(key.count)
                guard rest.hasPrefix("=\"") else { throw Problem(text: "label without a value: \(line)") }
                rest = rest.dropFirst(2)
                var value = String.UnicodeScalarView()
                var scalars = rest.unicodeScalars
                while let scalar = scalars.popFirst(), scalar != "\"" {
                    guard scalar == "\\" else {
                        value.append(scalar)
                        continue
                    }
                    switch scalars.popFirst() {
                    case "n": value.append("\n")
                    case "\\": value.append("\\")
                    case "\"": value.append("\"")
                    default: throw Problem(text: "unknown escape: \(line)")
                    }
                }
                rest = Substring(scalars)
                guard labels.updateValue(String(value), forKey: String(key)) == nil else { throw Problem(text: "label twice: \(line)") }
                if rest.first == "," { rest = rest.dropFirst() }
                guard !rest.isEmpty else { throw Problem(text: "labels without an end: \(line)") }
            }
            rest = rest.dropFirst()
        }
        guard rest.first == " ", let value = Double(rest.dropFirst()) else { throw Problem(text: "no value: \(line)") }
        return Sample(name: String(name), labels: labels, value: value)
    }

    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        samples.first { $0.name == name && $0.labels == labels }?.value
    }

    func samples(_ name: String) -> [Sample] { samples.filter { $0.name == name } }
}
