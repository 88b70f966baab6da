// The text of `agent incidents` and `agent changes`.

/// Tables over incidents, and over what changed.
package enum IncidentText {
    /// **Shape**: newest first, one line each and one more for every further cause.
    package static func render(_ incidents: [Incident], now: Timestamp, style: TextStyle = .plain) -> String {
        var rows: [[String]] = []
        for incident in incidents {
            let first = incident.causes.first
            rows.append([
                style.mark(incident.isOpen ? .error : nil) + " " + incident.opened.description,
                Redactor.scrub(incident.check.description), length(of: incident, now: now),
                "\(incident.failures) failure\(incident.failures == 1 ? "" : "s")", first.map(words) ?? "",
            ])
            for cause in incident.causes.dropFirst() { rows.append(["", "", "", "", "\(words(cause)) from \(cause.time.timeOfDay)"]) }
        }
        return style.table(rows).map(TextStyle.withoutFinalBlanks).joined(separator: "\n") + "\n"
    }

    private static func words(_ cause: Incident.CauseSpan) -> String { "\(cause.cause.rawValue) in \(cause.phase.rawValue)" }

    private static func length(of incident: Incident, now: Timestamp) -> String {
        guard let closed = incident.closed else { return "open, \(Span.long(now - incident.opened))" }
        return "lasted \(Span.long(closed - incident.opened))"
    }

    /// - Parameter path: the file that was read.
    package static func render(_ comparison: FactsComparison, path: String, style: TextStyle = .plain) -> String {
        let check = Redactor.scrub(comparison.check.description)
        guard let bad = comparison.firstBad else { return "No failure of \(check) is recorded in \(path).\n" }
        let cause = comparison.cause.map { "\($0.rawValue)\(comparison.phase.map { " in \($0.rawValue)" } ?? "")" } ?? ""
        guard let good = comparison.lastGood else {
            return "\(check) fails since \(bad) at least (\(cause)); no earlier success is kept to compare with.\n"
        }
        var lines = ["\(check): last good \(good), first bad \(bad), \(cause)"]
        if comparison.changes.isEmpty {
            lines.append("  Nothing that both probes saw differs.")
        } else {
            lines += comparison.phrases.map { "  " + $0 }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension Incident {
    /// A page of incidents; `next` is the value of `before` for the page that follows.
    package static func listJSON(_ incidents: [Incident], limit: Int) -> JSON {
        Report.listJSON(items: incidents.map(\.json), next: incidents.count >= limit ? incidents.last?.opened.description : nil)
    }
}
