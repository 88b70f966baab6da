// The text of `agent status` and `agent history`: one line per thing.

/// Tables over checks, identities and what was recorded.
package enum StatusText {
    /// Where everything stands, worst first.
    package static func render(_ report: Report, style: TextStyle = .plain) -> String {
        let order: [CheckState] = [.down, .unknown, .asleep, .disabled, .up]
        let checks = report.checks.map(\.status).enumerated().sorted { a, b in
            let (x, y) = (order.firstIndex(of: a.element.state) ?? 0, order.firstIndex(of: b.element.state) ?? 0)
            return x != y ? x < y : a.offset < b.offset
        }.map(\.element)
        var lines = ["\(Redactor.scrub(report.host)), agent \(report.version), \(report.time.timeOfDay): \(count(checks))"]
        lines += style.table(
            checks.map { status in
                [
                    style.mark(mark(status.state)) + " " + Redactor.scrub(status.id.description), status.state.rawValue,
                    SleepText.next(status, now: report.time) ?? cause(status.cause, status.phase), since(status.since, report.time),
                    status.newest.map { Span.short($0.duration) } ?? "",
                ]
            })
        lines += style.table(
            report.identities.map(\.status).map { status in
                [
                    style.mark(mark(status.state)) + " identity " + Redactor.scrub(status.name), status.state.rawValue,
                    status.cause?.rawValue ?? status.source?.rawValue ?? "", since(status.since, report.time),
                    status.expires.map { "token ends \($0.near(report.time))" } ?? "",
                ]
            })
        for group in FindingGroup.of(report.findings.filter { $0.isRoot && $0.severity > .info }) {
            let finding = group.lead
            lines += style.paragraph("\(style.mark(finding.severity)) ", "\(finding.code): \(finding.detail)")
            if !group.rest.isEmpty {
                let others = Set(group.rest.flatMap(\.affects)).subtracting(finding.affects).map { Redactor.scrub($0.description) }.sorted()
                let more = others.count > 6 ? ["and \(others.count - 6) more"] : []
                lines += style.list("  same ", others.prefix(6) + more, ", ")
            }
            // What concerns no check concerns the agent itself, and nothing else here says what to do.
            if finding.affects.isEmpty { lines += style.paragraph("  hint ", finding.hint) }
        }
        return lines.map(TextStyle.withoutFinalBlanks).joined(separator: "\n") + "\n"
    }

    /// What was recorded, newest first.
    package static func render(history items: [HistoryItem], now: Timestamp, style: TextStyle = .plain) -> String {
        guard !items.isEmpty else { return "nothing recorded\n" }
        let rows = items.map { item in
            [
                style.mark(mark(item.state)) + " " + item.time.description, Redactor.scrub(item.check.description),
                item.isPartial && item.state != .asleep ? "partial" : item.state.rawValue, Span.short(item.duration),
                cause(item.cause, item.phase),
                item.evidence.first?.line ?? "",
            ]
        }
        return style.table(rows).map(TextStyle.withoutFinalBlanks).joined(separator: "\n") + "\n"
    }

    /// Sums by hour or day, newest first.
    package static func render(sums: [Rollup], style: TextStyle = .plain) -> String {
        let rows = sums.map { sum in
            [
                style.mark(sum.failures > 0 ? .error : nil) + " " + sum.start.dateAndMinute, Redactor.scrub(sum.check.description),
                "\(sum.probes) probes", sum.failures == 0 ? "no failures" : "\(sum.failures) failed",
                sum.durations.map { "\(Span.short($0.least)) to \(Span.short($0.most)), 95 % within \(Span.short($0.percentile95))" } ?? "",
                sum.causes.prefix(3).map { "\($0.count) \($0.cause.rawValue)" }.joined(separator: ", "),
            ]
        }
        return style.table(rows).map(TextStyle.withoutFinalBlanks).joined(separator: "\n") + "\n"
    }

    private static func mark(_ state: CheckState) -> Severity? {
        switch state {
        case .up: nil
        case .down: .error
        case .asleep, .unknown, .disabled: .info
        }
    }

    private static func count(_ checks: [CheckStatus]) -> String {
        let parts = CheckState.allCases.compactMap { state -> String? in
            let number = checks.count { $0.state == state }
            return number == 0 ? nil : "\(number) \(state.rawValue)"
        }
        return parts.isEmpty ? "no checks" : parts.joined(separator: ", ")
    }

    private static func cause(_ cause: Cause?, _ phase: Phase?) -> String {
        guard let cause else { return "" }
        return phase.map { "\(cause.rawValue) in \($0.rawValue)" } ?? cause.rawValue
    }

    private static func since(_ time: Timestamp?, _ now: Timestamp) -> String {
        time.map { "since \($0.near(now)) (\(Span.long(now - $0)))" } ?? ""
    }
}
