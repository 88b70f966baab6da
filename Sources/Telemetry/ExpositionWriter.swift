// Writes expositions byte by byte, in either format: no string is built for a sample.
import Diagnosis

/// The bytes of an exposition under way.
///
/// Families are named as their samples are (`…_total`, `…_info`); what a format wants otherwise is done here.
struct ExpositionWriter {
    private(set) var bytes: [UInt8] = []
    private let format: ExpositionFormat

    init(_ format: ExpositionFormat = .text, capacity: Int) {
        self.format = format
        bytes.reserveCapacity(capacity)
    }

    enum Kind: String { case counter, gauge, histogram, info }

    /// Begins a family; its samples follow before the next family begins.
    /// Source: Prometheus exposition formats, text format details; OpenMetrics 1.0, "ABNF" and "Text format".
    mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        switch format {
        case .text:
            line("# HELP ", name[...], help)
            // The format knows no info: there it is a gauge that is 1.
            line("# TYPE ", name[...], kind == .info ? "gauge" : kind.rawValue)
        case .openMetrics:
            var family = name[...]
            if kind == .counter, name.hasSuffix("_total") { family = name.dropLast(6) }
            if kind == .info, name.hasSuffix("_info") { family = name.dropLast(5) }
            line("# TYPE ", family, kind.rawValue)
            for unit in ["seconds", "bytes"] where kind != .info && family.hasSuffix("_" + unit) { line("# UNIT ", family, unit) }
            line("# HELP ", family, help)
        }
    }

    /// Ends the exposition; nothing may follow.
    mutating func end() {
        if format == .openMetrics { text("# EOF\n") }
    }

    private mutating func line(_ start: StaticString, _ family: Substring, _ end: String) {
        bytes += start.description.utf8
        bytes += family.utf8
        byte(0x20)
        text(end)
        byte(0x0A)
    }

    /// A sample with labels that were escaped before.
    mutating func sample(_ name: String, labels: [UInt8], _ value: Int64) {
        head(name, labels)
        integer(value)
        byte(0x0A)
    }

    mutating func sample(_ name: String, labels: [UInt8] = [], _ value: UInt64) {
        sample(name, labels: labels, Int64(clamping: value))
    }

    mutating func sample(_ name: String, labels: [UInt8] = [], _ value: Int) { sample(name, labels: labels, Int64(value)) }
    mutating func sample(_ name: String, labels: [UInt8] = [], _ value: Bool) { sample(name, labels: labels, Int64(value ? 1 : 0)) }

    /// **Unit**: written in seconds.
    mutating func sample(_ name: String, labels: [UInt8] = [], _ value: Duration) {
        head(name, labels)
        seconds(nanoseconds: value.nanoseconds)
        byte(0x0A)
    }

    /// Seconds since the epoch, 0 for nil.
    mutating func sample(_ name: String, labels: [UInt8] = [], _ value: Timestamp?) {
        head(name, labels)
        fixed(value?.milliseconds ?? 0, places: 3, scale: 1000)
        byte(0x0A)
    }

    mutating func histogram(_ name: String, labels: [UInt8] = [], _ histogram: Histogram) {
        var cumulative: UInt64 = 0
        for (index, count) in histogram.counts.enumerated() {
            cumulative += count
            text(name)
            text("_bucket{")
            if !labels.isEmpty {
                bytes += labels
                byte(0x2C)
            }
            text("le=\"")
            text(Histogram.labels[index])
            text("\"} ")
            integer(Int64(clamping: cumulative))
            byte(0x0A)
        }
        text(name)
        text("_sum")
        braces(labels)
        seconds(nanoseconds: histogram.sum)
        byte(0x0A)
        text(name)
        text("_count")
        braces(labels)
        integer(Int64(clamping: cumulative))
        byte(0x0A)
    }

    // MARK: Labels

    /// `a="x",b="y"`, values escaped: backslash, quote and line break.
    static func labels(_ pairs: KeyValuePairs<String, String>) -> [UInt8] {
        var bytes: [UInt8] = []
        for (key, value) in pairs {
            if !bytes.isEmpty { bytes.append(0x2C) }
            bytes += key.utf8
            bytes += [0x3D, 0x22]
            for byte in value.utf8 {
                switch byte {
                case 0x5C: bytes += [0x5C, 0x5C]
                case 0x22: bytes += [0x5C, 0x22]
                case 0x0A: bytes += [0x5C, 0x6E]
                default: bytes.append(byte)
                }
            }
            bytes.append(0x22)
        }
        return bytes
    }

    // MARK: Parts

    private mutating func head(_ name: String, _ labels: [UInt8]) {
        text(name)
        braces(labels)
    }

    private mutating func braces(_ labels: [UInt8]) {
        if labels.isEmpty {
            byte(0x20)
        } else {
            byte(0x7B)
            bytes += labels
            byte(0x7D)
            byte(0x20)
        }
    }

    private mutating func text(_ text: String) { bytes += text.utf8 }
    private mutating func byte(_ byte: UInt8) { bytes.append(byte) }

    private mutating func seconds(nanoseconds: Int64) { fixed(nanoseconds, places: 9, scale: 1_000_000_000) }

    /// A decimal number without trailing zeros.
    private mutating func fixed(_ value: Int64, places: Int, scale: Int64) {
        if value < 0 { byte(0x2D) }
        let magnitude = value.magnitude
        integer(Int64(clamping: magnitude / UInt64(scale)))
        var fraction = magnitude % UInt64(scale)
        guard fraction != 0 else { return }
        byte(0x2E)
        var divisor = UInt64(scale) / 10
        for _ in 0..<places where fraction != 0 {
            byte(0x30 + UInt8(fraction / divisor))
            fraction %= divisor
            divisor = max(1, divisor / 10)
        }
    }

    private mutating func integer(_ value: Int64) {
        if value < 0 { byte(0x2D) }
        var rest = value.magnitude
        guard rest >= 10 else {
            byte(0x30 + UInt8(rest))
            return
        }
        let start = bytes.count
        while rest > 0 {
            byte(0x30 + UInt8(rest % 10))
            rest /= 10
        }
        var (low, high) = (start, bytes.count - 1)
        while low < high {
            bytes.swapAt(low, high)
            (low, high) = (low + 1, high - 1)
        }
    }
}
