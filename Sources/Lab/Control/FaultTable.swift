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
                var line = "\(mark) \(padded(fault.name, width))  \(padded(Self.expectations(row), 38))  \(row.summary)"
                if let value = row.value { line += " [value: \(value.meaning), \(value.standard)]" }
                if !on.isEmpty { line += " — on for \(on.map { $0.target ?? "all" }.joined(separator: ", "))" }
                lines.append(line)
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// What the agent says, said once where it is the same for every engine.
    private static func expectations(_ row: Fault.Row) -> String {
        let texts = Engine.allCases.compactMap { engine in row.expects[engine].map { (engine.rawValue, expectation($0)) } }
        guard Set(texts.map(\.1)).count > 1 else { return texts.first?.1 ?? "" }
        return texts.map { "\($0): \($1)" }.joined(separator: ", ")
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
            let engines = Engine.allCases.compactMap { engine -> JSON? in
                guard let expects = row.expects[engine] else { return nil }
                return .joining([["engine": engine.rawValue], Self.json(expects)])
            }
            let first = Engine.allCases.compactMap { row.expects[$0] }.first ?? .varies
            let on = active.filter { $0.fault == fault }.map { entry -> JSON in
                ["target": entry.target, "value": row.value == nil ? nil : entry.value]
            }
            // `cause`, `phase` and `exit` are those of the first engine that has the fault; `engines` has all.
            return .joining([
                ["name": fault.name, "part": fault.part.rawValue, "summary": row.summary], Self.json(first),
                ["value": row.value?.standard, "value_meaning": row.value?.meaning, "on": on, "engines": engines],
            ])
        }
        return ["schema": 1, "items": items, "next": String?.none]
    }

    private static func json(_ expects: Fault.Expectation) -> JSON {
        switch expects {
        case .failure(let cause, let phase, let exit): ["cause": cause.rawValue, "phase": phase, "exit": exit]
        case .healthy: ["cause": String?.none, "phase": Phase?.none, "exit": 0]
        case .varies: ["cause": String?.none, "phase": Phase?.none, "exit": Int?.none]
        }
    }
}
