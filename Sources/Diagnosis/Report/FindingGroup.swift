// Findings that say the same of different servers, told together: a network that is cut is one block, not one for each server behind it.

/// Root findings with one code, met in one phase. Only the text groups them; each stays a finding of its own, with its own remedies.
struct FindingGroup {
    /// The one that began first.
    var lead: Finding
    /// **Shape**: oldest first.
    var rest: [Finding] = []

    /// How many servers' remedies are written out.
    static let remedyLimit = 3

    /// **Shape**: in the order of the findings.
    static func of(_ findings: [Finding]) -> [FindingGroup] {
        var members: [Key: [Finding]] = [:]
        var order: [Key] = []
        for finding in findings {
            // What concerns no check concerns the agent or one identity, and stands by itself.
            let key = Key(
                code: finding.code, phase: finding.phase, severity: finding.severity, alone: finding.affects.isEmpty ? finding.id : nil)
            if members[key] == nil { order.append(key) }
            members[key, default: []].append(finding)
        }
        return order.compactMap { key in
            let sorted = (members[key] ?? []).enumerated().sorted { a, b in
                let (x, y) = (a.element.since?.milliseconds ?? .max, b.element.since?.milliseconds ?? .max)
                return x != y ? x < y : a.offset < b.offset
            }.map(\.element)
            return sorted.first.map { FindingGroup(lead: $0, rest: Array(sorted.dropFirst())) }
        }
    }

    private struct Key: Hashable {
        var code: String
        var phase: Phase
        var severity: Severity
        var alone: String?
    }

    var findings: [Finding] { [lead] + rest }

    /// All of them as one: whom they hit together, and what mends the first few.
    var merged: Finding {
        guard !rest.isEmpty else { return lead }
        var merged = lead
        var seen = Set<CheckID>()
        merged.affects = findings.flatMap(\.affects).filter { seen.insert($0).inserted }
        let shown = findings.prefix(Self.remedyLimit).map(\.remedies)
        let length = shown.map(\.count).max() ?? 0
        var remedies: [Remedy] = []
        // What only looks comes first for every server.
        for place in 0..<length {
            for list in shown where place < list.count && !remedies.contains(list[place]) { remedies.append(list[place]) }
        }
        merged.remedies = remedies
        return merged
    }

    /// Checks whose remedies are not among those of ``merged``.
    var unmended: [CheckID] {
        let known = Set(merged.remedies)
        return rest.filter { !Set($0.remedies).isSubset(of: known) }.flatMap(\.affects)
    }
}
