// One question about what happened and its answer, wherever it is asked: the running agent over its socket or HTTP, or a command over the
// file. Whoever answers, the text and the JSON are the same.

/// What somebody wants to know of history.
package enum HistoryQuestion: Sendable, Hashable {
    case observations(HistoryQuery)
    case sums(RollupQuery)
    case incidents(IncidentQuery)
    case changes(CheckID)
    case facts(CheckID, limit: Int)

    package func answer(from history: some HistoryReading) async throws(Failure) -> HistoryAnswer {
        switch self {
        case .observations(let query): .observations(try await history.observations(query), limit: query.limit)
        case .sums(let query): .sums(try await history.rollups(query))
        case .incidents(let query):
            .incidents(try await history.incidents(query), limit: query.limit, onlyOpen: query.onlyOpen)
        case .changes(let check): .changes(try await history.changes(of: check))
        case .facts(let check, let limit): .facts(try await history.factChanges(of: check, limit: limit))
        }
    }

    /// The answer of a history that has nothing.
    package var emptyAnswer: HistoryAnswer {
        switch self {
        case .observations(let query): .observations([], limit: query.limit)
        case .sums: .sums([])
        case .incidents(let query): .incidents([], limit: query.limit, onlyOpen: query.onlyOpen)
        case .changes(let check): .changes(FactsComparison(check: check))
        case .facts: .facts([])
        }
    }

    /// The check or the target that it is about; neither when it is about everything.
    package var subject: (check: CheckID?, target: String?) {
        switch self {
        case .observations(let query): (query.check, query.target)
        case .sums(let query): (query.check, query.target)
        case .incidents(let query): (query.check, query.target)
        case .changes(let check), .facts(let check, _): (check, nil)
        }
    }

    /// Path and query by which a running agent is asked the same.
    package var uri: String {
        switch self {
        case .observations(let query):
            Self.uri(
                "history", check: query.check, target: query.target,
                [
                    ("since", query.since?.description), ("before", query.before?.description), ("limit", String(query.limit)),
                    ("failures", query.onlyFailures ? "true" : nil),
                ])
        case .sums(let query):
            Self.uri(
                "history", check: query.check, target: query.target,
                [("by", query.span.rawValue), ("since", query.since?.description), ("limit", String(query.limit))])
        case .incidents(let query):
            Self.uri(
                "incidents", check: query.check, target: query.target,
                [
                    ("since", query.since?.description), ("before", query.before?.description), ("limit", String(query.limit)),
                    ("open", query.onlyOpen ? "true" : nil),
                ])
        case .changes(let check): Self.uri("changes", check: check, target: nil, [])
        case .facts(let check, let limit):
            Self.uri("history", check: check, target: nil, [("facts", "true"), ("limit", String(limit))])
        }
    }

    private static func uri(_ path: String, check: CheckID?, target: String?, _ parameters: [(String, String?)]) -> String {
        let all = [("check", check?.description), ("target", target)] + parameters
        let pairs = all.compactMap { name, value in value.map { "\(name)=\(URIText.encoded($0))" } }
        return "/api/v1/\(path)" + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&"))
    }
}

/// What came of it.
package enum HistoryAnswer: Sendable, Hashable, JSONRepresentable {
    case observations([HistoryItem], limit: Int)
    case sums([Rollup])
    case incidents([Incident], limit: Int, onlyOpen: Bool)
    case changes(FactsComparison)
    case facts([FactChange])

    /// `next` is the value of `before` for the page that follows; null at the end.
    package var json: JSON {
        switch self {
        case .observations(let items, let limit):
            let next = items.count >= limit ? items.last.map { $0.time + $0.duration } : nil
            return Report.listJSON(items: items.map(\.json), next: next?.description)
        case .sums(let sums): return Report.listJSON(items: sums.map(\.json))
        case .incidents(let incidents, let limit, _): return Incident.listJSON(incidents, limit: limit)
        case .changes(let comparison): return comparison.json
        case .facts(let changes): return Report.listJSON(items: changes.map(\.json))
        }
    }

    /// - Parameter place: what was read: a file, or the running agent.
    package func text(place: String, now: Timestamp, style: TextStyle = .plain) -> String {
        switch self {
        case .observations([], _), .sums([]), .facts([]): "Nothing recorded in \(place).\n"
        case .observations(let items, _): StatusText.render(history: items, now: now, style: style)
        case .sums(let sums): StatusText.render(sums: sums, style: style)
        case .incidents([], _, let onlyOpen): "\(onlyOpen ? "No incident is open" : "No incidents") in \(place).\n"
        case .incidents(let incidents, _, _): IncidentText.render(incidents, now: now, style: style)
        case .changes(let comparison): IncidentText.render(comparison, path: place, style: style)
        case .facts(let changes): FactText.render(changes, style: style)
        }
    }
}

/// Text inside an address.
package enum URIText {
    /// **Source**: RFC 3986, 2.3: what is unreserved stays, everything else becomes `%XX`.
    package static func encoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default: encoded += "%" + (byte < 0x10 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return encoded
    }
}
