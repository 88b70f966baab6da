// The list of faults for people and programs.
package import Diagnosis

/// All faults with what they do, what the agent should say, and where they are on.
package struct FaultTable: Sendable, JSONRepresentable {
    private var active: [FaultBoard.Entry]

    package init(_ active: [FaultBoard.Entry] = []) { self.active = active }

    /// One line per fault, grouped by part.
    package var text: String {
        var lines: [String] = []
        let width = Fault.allCases.map(\.name.count).max() ?? 0
        func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
        for part in Fault.Part.allCases {
            lines.append("\(part.rawValue):")
            for fault in Fault.allCases where fault.part == part {
                let row = fault.row
                let on = active.filter { $0.fault == fault }
                let mark = on.isEmpty ? " " : "*"
                var line = "\(mark) \(padded(fault.name, width))  \(padded(Self.expectation(row.expects), 38))  \(row.summary)"
                if let value = row.value { line += " [value: \(value.meaning), \(value.standard)]" }
                if !on.isEmpty { line += " — on for \(on.map { $0.target ?? "all" }.joined(separator: ", "))" }
                lines.append(line)
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func expectation(_ expects: Fault.Expectation) -> String {
        switch expects {
        case .failure(let cause, _, let exit): "\(cause.rawValue) (exit \(exit))"
        case .healthy: "healthy"
        case .varies: "varies"
        }
    }

    /// One line of JSON.
    package var line: String { json.compact + "\n" }

    package var json: JSON {
        let items = Fault.allCases.map { fault -> JSON in
            let row = fault.row
            var cause: String?
            var phase: Phase?
            var exit: Int?
            if case .failure(let code, let seen, let status) = row.expects { (cause, phase, exit) = (code.rawValue, seen, status) }
            if case .healthy = row.expects { exit = 0 }
            let on = active.filter { $0.fault == fault }.map { entry -> JSON in
                ["target": entry.target, "value": row.value == nil ? nil : entry.value]
            }
            return [
                "name": fault.name, "part": fault.part.rawValue, "summary": row.summary, "cause": cause, "phase": phase, "exit": exit,
                "value": row.value?.standard, "value_meaning": row.value?.meaning, "on": on,
            ]
        }
        return ["schema": 1, "items": items, "next": String?.none]
    }
}
