// What a page of metrics says, and the history of a file, as numbers.
import Diagnosis
import Foundation
import Store
import Testing

/// The samples of one scrape.
struct Scrape: Sendable {
    private let samples: [(series: String, value: Double)]

    init(_ text: String) {
        samples = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { line in
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else { return nil }
            return (String(line[..<space]), value)
        }
    }

    /// The sum over the series of a metric whose labels hold `part`; nil when there is none.
    func sum(_ metric: String, _ part: String = "") -> Double? {
        let found = samples.filter {
            ($0.series == metric || $0.series.hasPrefix(metric + "{")) && (part.isEmpty || $0.series.contains(part))
        }
        return found.isEmpty ? nil : found.map(\.value).reduce(0, +)
    }
}

extension RunningProgram {
    /// The lines of state of one kind that it has told until now.
    func lines(of kind: String) -> [String] {
        output.split(separator: "\n").filter { $0.contains("\"kind\":\"\(kind)\"") }.map(String.init)
    }
}

extension AgentBench.Service {
    func scrape() async throws -> Scrape { Scrape(try await get("/metrics").body) }
}

extension AgentBench {
    /// Changes the configuration before a service starts.
    func configure(_ changes: [(String, String)], adding lines: String = "") throws {
        var text = try String(contentsOfFile: configurationPath, encoding: .utf8)
        for (old, new) in changes {
            guard text.contains(old) else { throw BenchError("the configuration has no '\(old)'") }
            text = text.replacingOccurrences(of: old, with: new)
        }
        try (text + lines).write(toFile: configurationPath, atomically: true, encoding: .utf8)
    }

    /// Every recorded probe, oldest first; not the looks at identities, which history keeps beside them.
    func recorded() async throws -> [HistoryItem] {
        var items: [HistoryItem] = []
        var query = HistoryQuery(limit: 5000)
        while true {
            let page = try await HistoryFile(path: historyPath).observations(query)
            items += page.filter { !$0.check.isWatch }
            guard let last = page.last, page.count == 5000 else { return items.reversed() }
            query.before = last.time + last.duration
        }
    }

    /// Starts of the recorded probes, in seconds since the first of them, in order.
    func starts() async throws -> [Double] {
        let times = try await recorded().map(\.time.seconds).sorted()
        return times.map { $0 - (times.first ?? 0) }
    }
}

/// One promise with a lab of its own.
typealias Part = (name: String, play: @Sendable () async throws -> Void)

/// Plays promises beside each other: most of their time is waiting, for a slot, a deadline or the next look of the store.
func sideBySide(_ parts: [Part]) async {
    await withTaskGroup(of: Void.self) { group in
        for part in parts {
            group.addTask {
                do { try await part.play() } catch { Issue.record("\(part.name): \(error)") }
            }
        }
    }
}

/// The most events in any window of `seconds`, of times in order.
func peak(_ times: [Double], within seconds: Double = 1) -> Int {
    var first = 0
    var most = 0
    for last in times.indices {
        while times[last] - times[first] >= seconds { first += 1 }
        most = max(most, last - first + 1)
    }
    return most
}
