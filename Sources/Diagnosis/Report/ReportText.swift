// The text of `agent diagnose`: dense enough for an incident, complete enough to act on.

/// Writes a report as text: one block per root finding, then the checks that are well.
package struct ReportText {
    private let report: Report
    private let style: TextStyle
    /// Those that were asked about, then the others.
    private let all: [CheckStatus]
    private let status: [CheckID: CheckStatus]

    /// **Shape**: lines with a final newline; blocks are parted by an empty line.
    package static func render(_ report: Report, style: TextStyle = .plain) -> String {
        ReportText(report: report, style: style).text
    }

    private init(report: Report, style: TextStyle) {
        self.report = report
        self.style = style
        all = report.checks.map(\.status) + report.others
        status = Dictionary(all.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    private var text: String {
        var blocks = report.findings.filter { $0.isRoot && $0.severity > .info }.map(block)
        let explained = Set(report.findings.filter { $0.severity == .error }.flatMap(\.affects))
        blocks += report.checks.map(\.status).filter { !explained.contains($0.id) }.map(block)
        let notes = report.findings.filter { $0.isRoot && $0.severity == .info }
        if !notes.isEmpty { blocks.append(notes.flatMap { style.paragraph("\(style.mark(.info)) ", "\($0.code): \($0.detail)") }) }
        let old = report.identities.map(\.status).filter { report.notAsked.contains($0.name) }
        if !old.isEmpty {
            blocks.append(
                old.map { identity in
                    let known = identity.asked.map {
                        "\(identity.state.rawValue) when asked last at \($0.near(report.time)), \(Span.long(report.time - $0)) ago"
                    }
                    let name = Redactor.scrub(identity.name)
                    return "\(style.mark(.info)) identity \(name) gave no answer yet; \(known ?? "it was never asked before")"
                })
        }
        if blocks.isEmpty { blocks = [["no checks"]] }
        blocks[0][0] += "   " + style.paint(origin, .faint)
        return blocks.map { $0.joined(separator: "\n") }.joined(separator: "\n\n") + "\n"
    }

    /// Who looked, when, and the number the command ends with.
    private var origin: String {
        let who = report.mode == .inside ? "inside agent" : "this shell"
        let (strict, lax) = (report.exit(failOn: .warning), report.exit)
        let aside = lax == .healthy && strict == .warnings ? " (1 with --fail-on warning)" : ""
        return "\(who), \(Redactor.scrub(report.host)), \(report.time.timeOfDay)   exit \(lax.rawValue)\(aside)"
    }

    // MARK: a root finding

    private func block(_ finding: Finding) -> [String] {
        let hit = finding.affects.compactMap { status[$0] }
        var lines = [style.paint(title(finding, hit), .strong), verdict(finding, hit)]
        // Whom something else fails shows nothing of this finding: the cached token of a dead endpoint may lead to a server that refuses.
        let sample = hit.first { $0.cause?.rawValue == finding.code }
        if let probe = sample?.last { lines += style.list("  ", PhaseLine.parts(probe), " · ") + norm(probe) }
        if let partial = sample?.lastPartial { lines += style.list("  now  ", PhaseLine.parts(partial), " · ") }
        lines += style.paragraph("  ", finding.detail)
        if finding.severity == .error, let sample = sample ?? hit.first { lines += changed(sample) }
        for evidence in finding.evidence.prefix(3) { lines += style.paragraph("  saw  ", Self.seen(evidence)) }
        for child in report.findings where child.parent == finding.id {
            lines += style.paragraph("  also ", "\(list(child.affects)): \(child.code), \(child.detail)")
        }
        lines += scope(finding, hit, sample)
        lines += style.paragraph("  hint ", finding.hint)
        lines += finding.remedies.map { "  mend [\($0.kind.rawValue)] \($0.text)" }
        if !finding.next.isEmpty { lines += style.list("  next ", finding.next, "; ") }
        return lines
    }

    private func title(_ finding: Finding, _ hit: [CheckStatus]) -> String {
        let identities = report.identities.filter { $0.findings.contains(finding.id) }.map { Redactor.scrub($0.status.name) }
        switch hit.count {
        case 0: return identities.isEmpty ? "agent" : "identity " + identities.joined(separator: ", ")
        case 1: return Self.title(hit[0])
        default:
            if !identities.isEmpty { return "\(hit.count) checks, identity \(identities.joined(separator: ", "))" }
            let servers = Set(hit.map(Self.server))
            return "\(hit.count) checks"
                + (servers.count == 1 ? "  \(hit[0].target.engine.rawValue) \(servers.first ?? "")" : ", \(servers.count) servers")
        }
    }

    private func verdict(_ finding: Finding, _ hit: [CheckStatus]) -> String {
        let tone: TextStyle.Tone = finding.severity == .error ? .bad : .warn
        var line = "\(style.mark(finding.severity)) \(finding.phase.rawValue)  \(style.paint(finding.code, tone))"
        if Cause(rawValue: finding.code) != nil { line += ", \(finding.certainty.rawValue)" }
        if let since = finding.since { line += "   since \(since.near(report.time)) (\(Span.long(report.time - since)))" }
        if finding.severity == .error, let good = hit.compactMap(\.lastGood).max() {
            line += "\(finding.since == nil ? "  " : ",") last good \(good.near(report.time))"
        }
        if finding.severity == .error, !hit.isEmpty, hit.allSatisfy({ $0.lastGood == nil }) {
            line += report.mode == .inside ? ", never good since the start" : "   since unknown: this shell keeps no history"
        }
        return line
    }

    /// Evidence without a code says by its kind what it is.
    private static func seen(_ evidence: Evidence) -> String {
        evidence.code == nil && [.address, .certificate, .claim, .bytes].contains(evidence.kind)
            ? "\(evidence.kind.rawValue) \(evidence.text)" : evidence.line
    }

    /// How long the phases of this probe usually take, under how long they took.
    private func norm(_ probe: Observation) -> [String] {
        guard let medians = report.medians[probe.check] else { return [] }
        let parts = PhaseLine.parts(medians, of: probe)
        guard !parts.isEmpty else { return [] }
        return style.list("  norm ", parts + ["median of \(PhaseMedians.days) d, \(medians.probes) probes"], " · ")
    }

    /// What differs from when it last worked, and when that was seen first.
    private func changed(_ status: CheckStatus) -> [String] {
        let times = Set(status.changes.map(\.time)).sorted()
        return times.flatMap { time in
            style.list(
                "  changed \(time.near(report.time))  ", status.changes.filter { $0.time == time }.flatMap(\.phrases), "; ")
        }
    }

    /// What it is not, who is hit, and what it means for others.
    private func scope(_ finding: Finding, _ hit: [CheckStatus], _ sample: CheckStatus?) -> [String] {
        var lines: [String] = []
        let others = ruledOut(finding, hit, sample)
        if !others.isEmpty { lines += style.list("  not: ", others, ", ") }
        guard !hit.isEmpty else { return lines }
        var parts = ["\(finding.severity == .error ? "hit" : "concerns"): " + list(finding.affects)]
        if finding.severity == .error, hit.contains(where: { $0.state == .down }), let cause = Cause(rawValue: finding.code),
            cause.group != .internal, cause.group != .config
        {
            parts.append("users: new connections fail")
        }
        return lines + style.list("  ", parts, "   ")
    }

    /// What the phases that went well rule out, and what works beside it.
    private func ruledOut(_ finding: Finding, _ hit: [CheckStatus], _ sample: CheckStatus?) -> [String] {
        guard let sample, let probe = sample.last, probe.failure != nil else { return [] }
        let well = all.filter { $0.state == .up && !finding.affects.contains($0.id) }
        let sameIdentity = well.first { $0.id.identity == sample.id.identity && $0.target.name != sample.target.name }
        let sameServer = well.first { $0.target.host == sample.target.host && $0.id.identity != sample.id.identity }
        func aside(_ status: CheckStatus?) -> String { status.map { " (\(Redactor.scrub($0.id.description)) is up)" } ?? "" }
        var words: [String] = []
        for (phase, word) in [(Phase.token, "identity"), (.dns, "DNS"), (.tcp, "network"), (.tls, "TLS"), (.login, "login")]
        where probe.phases.contains(where: { $0.phase == phase && $0.outcome == .ok }) {
            words.append(phase == .token ? word + aside(sameIdentity) : word)
        }
        if sameServer != nil { words.append("the server" + aside(sameServer)) }
        return words
    }

    private func list(_ checks: [CheckID], limit: Int = 6) -> String {
        let shown = checks.prefix(limit).map { Redactor.scrub($0.description) }.joined(separator: ", ")
        return checks.count > limit ? "\(shown) and \(checks.count - limit) more" : shown
    }

    // MARK: a check that is well, or not known

    private func block(_ status: CheckStatus) -> [String] {
        switch status.state {
        case .up:
            let since = status.since.map { "   up since \($0.near(report.time)) (\(Span.long(report.time - $0)))" } ?? ""
            var lines = ["\(style.mark(nil)) \(style.paint(Self.title(status), .strong))\(since)"]
            if let probe = status.last {
                lines += style.list("  ", PhaseLine.parts(probe) + ["total " + Span.short(probe.duration)], " · ") + norm(probe)
                let known = Self.known(probe.facts, now: report.time)
                if !known.isEmpty { lines += style.list("  ", known, " · ") }
            }
            return lines
        case .down, .asleep, .unknown, .disabled:
            var lines = ["\(style.mark(.info)) \(style.paint(Self.title(status), .strong))   \(status.state.rawValue)"]
            if let partial = status.lastPartial { lines += style.list("  ", PhaseLine.parts(partial), " · ") }
            if status.state == .asleep {
                lines += style.paragraph("  ", SleepText.sentence(status, now: report.time))
                lines += style.paragraph("  hint ", SleepText.hint(status))
            }
            return lines
        }
    }

    /// What a person compares at a glance.
    private static func known(_ facts: Facts, now: Timestamp) -> [String] {
        var parts: [String] = []
        if let address = facts.address { parts.append(address) }
        if let certificate = facts.certificate {
            parts.append("certificate ends \(certificate.notAfter.dateAndMinute) (in \(Span.long(certificate.notAfter - now)))")
        }
        if let version = facts.tlsVersion { parts.append(Redactor.scrub(version)) }
        if let version = facts.serverVersion { parts.append("server \(Redactor.scrub(version))") }
        if facts.isInRecovery == true { parts.append("replica") }
        if let end = facts.tokenExpires { parts.append("token ends \(end.near(now)) (in \(Span.long(end - now)))") }
        if let place = facts.redirectedTo { parts.append("redirected to \(Redactor.scrub(place))") }
        // Azure SQL: the server's word for the token is two ids, the database's is a name.
        if let user = facts.serviceObjective == nil ? facts.sessionUser : facts.currentUser ?? facts.sessionUser {
            parts.append("user \(Redactor.scrub(user))")
        }
        if let rights = facts.rights, rights.administrator == nil { parts.append(rights.sentence) }
        if let skew = facts.clockSkew, abs(skew) >= 1 {
            parts.append("clock \(skew > 0 ? "+" : "-")\(Span.short(.seconds(fraction: abs(skew))))")
        }
        return parts
    }

    private static func title(_ status: CheckStatus) -> String {
        let target = status.target
        return "\(Redactor.scrub(status.id.description))  \(target.engine.rawValue) \(server(status))/\(Redactor.scrub(target.database))"
    }

    /// Host, and the port where it is not the product's own.
    private static func server(_ status: CheckStatus) -> String {
        let target = status.target
        let host = Redactor.scrub(target.host)
        return target.port == target.engine.defaultPort ? host : Endpoint(host: host, port: target.port).description
    }
}
