// One measured number, what it is compared with, and how it is printed.
import Diagnosis

/// A row of the table of figures.
struct Figure: Sendable, JSONRepresentable {
    /// What the value may be.
    enum Bar: Sendable {
        case atMost(Double)
        case atLeast(Double)
        /// Printed for comparison; nothing is promised.
        case none
    }

    var name: String
    var value: Double
    var unit: String
    /// The same figure of the program it is compared with.
    var peer: Double?
    var peerName: String?
    var bar: Bar

    init(_ name: String, _ value: Double, _ unit: String, peer: Double? = nil, peerName: String? = nil, bar: Bar) {
        self.name = name
        self.value = value
        self.unit = unit
        self.peer = peer
        self.peerName = peerName
        self.bar = bar
    }

    /// Nil when nothing is promised.
    var isMet: Bool? {
        switch bar {
        case .atMost(let limit): value <= limit
        case .atLeast(let limit): value >= limit
        case .none: nil
        }
    }

    /// `bar` is the limit in the unit of the value; `met` says whether it holds, `peer_name` what the peer was.
    var json: JSON {
        let limit: Double? =
            switch bar {
            case .atMost(let limit), .atLeast(let limit): limit
            case .none: nil
            }
        return [
            "figure": name, "value": rounded(value), "unit": unit, "peer": peer.map(rounded), "bar": limit.map(rounded),
            "peer_name": peerName, "met": isMet,
        ]
    }

    private func rounded(_ number: Double) -> Double { (number * 10_000).rounded() / 10_000 }

    private var cells: [String] {
        let bar =
            switch bar {
            case .atMost(let limit): "≤ \(Self.text(limit))"
            case .atLeast(let limit): "≥ \(Self.text(limit))"
            case .none: "–"
            }
        let beside = peer.map { "\(Self.text($0))\(peerName.map { " (\($0))" } ?? "")" } ?? "–"
        return [name, "\(Self.text(value)) \(unit)", beside, bar, isMet.map { $0 ? "yes" : "NO" } ?? "–"]
    }

    /// Three figures are enough for a person.
    static func text(_ number: Double) -> String {
        let digits = abs(number) >= 100 ? 0 : abs(number) >= 10 ? 1 : abs(number) >= 1 ? 2 : 3
        let scale = [1.0, 10, 100, 1000][digits]
        let whole = Int64((abs(number) * scale).rounded())
        let fraction = digits == 0 ? "" : "." + String(String(whole % Int64(scale) + Int64(scale)).dropFirst())
        return (number < 0 ? "-" : "") + "\(whole / Int64(scale))" + fraction
    }

    /// **Shape**: a Markdown table with aligned columns, so that it can be pasted and read.
    static func table(_ figures: [Figure]) -> String {
        let rows = [["figure", "measured", "beside it", "bar", "met"]] + figures.map(\.cells)
        let widths = (0..<5).map { column in rows.map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            "| " + zip(cells, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: " | ") + " |"
        }
        let rule = "| " + widths.map { String(repeating: "-", count: $0) }.joined(separator: " | ") + " |"
        return ([line(rows[0]), rule] + rows.dropFirst().map(line)).joined(separator: "\n")
    }
}

/// Why a figure could not be taken. Never a reason to leave it out silently.
struct BenchError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// The value below which `share` of the numbers lie; 0 for none.
func percentile(_ numbers: [Double], _ share: Double) -> Double {
    guard !numbers.isEmpty else { return 0 }
    let sorted = numbers.sorted()
    return sorted[min(sorted.count - 1, max(0, Int((Double(sorted.count) * share).rounded(.up)) - 1))]
}

func median(_ numbers: [Double]) -> Double { percentile(numbers, 0.5) }
