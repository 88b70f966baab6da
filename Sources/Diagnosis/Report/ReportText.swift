// The text of `agent diagnose`: dense enough for an incident, complete enough to act on.

/// Writes a report as text: one block per root finding, then the checks that are well.
package struct ReportText {
    private let report: Report
    private let style: TextStyle
    // Looked up once for all findings: ten thousand checks may fail at the same time, each for a reason of its own.
    private let status: [CheckID: CheckStatus]
    /// Checks that are up, those that were asked about before the others.
    private let wellOfIdentity: [String: [CheckStatus]]
    private let wellOfHost: [String: [CheckStatus]]
    /// Names of identities by the finding that concerns them.
    private let identitiesOfFinding: [String: [String]]
    private let childrenOfFinding: [String: [Finding]]

    /// **Shape**: lines with a final newline; blocks are parted by an empty line.
    package static func render(_ report: Report, style: TextStyle = .plain) -> String {
        ReportText(report: report, style: style).text
    }

    private init(report: Report, style: TextStyle) {
        self.report = report
        self.style = style
        let all = report.checks.map(\.status) + report.others
        status = Dictionary(all.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let well = all.filter { $0.state == .up }
        wellOfIdentity = Dictionary(grouping: well, by: \.id.identity)
        wellOfHost = Dictionary(grouping: well, by: \.target.host)
        identitiesOfFinding = report.identities.reduce(into: [:]) { names, identity in
            for finding in identity.findings { names[finding, default: []].append(Redactor.scrub(identity.status.name)) }
        }
        childrenOfFinding = Dictionary(grouping: report.findings.filter { $0.parent != nil }) { $0.parent ?? "" }
    }

    private var text: String {
        let groups = FindingGroup.of(report.findings.filter { $0.isRoot && $0.severity > .info })
        var blocks = groups.map(block)
        if groups.count > 1 { blocks.insert(summary(groups), at: 0) }
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

    /// What there is in the blocks below, a line each.
    private func summary(_ groups: [FindingGroup]) -> [String] {
        let down = report.checks.count { $0.status.state == .down }
        let lines = groups.prefix(Self.summaryLimit).map { group in
            let finding = group.merged
            let tone: TextStyle.Tone = finding.severity == .error ? .bad : .warn
            let names = identities(group.findings)
            let who =
                finding.affects.isEmpty
                ? (names.isEmpty ? "agent" : "identity " + names.joined(separator: ", ")) : list(finding.affects, limit: 3)
            return "\(style.mark(finding.severity)) \(finding.phase.rawValue)  \(style.paint(finding.code, tone))   \(who)"
        }
        let more = groups.count > Self.summaryLimit ? ["  and \(groups.count - Self.summaryLimit) more, below"] : []
        let checks = report.checks.count == 1 ? "1 check" : "\(report.checks.count) checks"
        return [style.paint("\(checks), \(down) down", .strong)] + lines + more
    }

    /// Most lines of the summary.
    private static let summaryLimit = 12

    // MARK: a root finding

    private func block(_ group: FindingGroup) -> [String] {
        let finding = group.merged
        let hit = finding.affects.compactMap { status[$0] }
        let leading = group.lead.affects.compactMap { status[$0] }
        var lines = [style.paint(title(group.findings, hit), .strong), verdict(finding, leading)]
        // Whom something else fails shows nothing of this finding: the cached token of a dead endpoint may lead to a server that refuses.
        let sample = leading.first { $0.cause?.rawValue == finding.code }
        if let probe = sample?.last { lines += style.list("  ", PhaseLine.parts(probe), " · ") + norm(probe) }
        if let partial = sample?.lastPartial { lines += style.list("  now  ", PhaseLine.parts(partial), " · ") }
        lines += style.paragraph("  ", finding.detail)
        if finding.severity == .error, let sample = sample ?? leading.first { lines += changed(sample) }
        // Warnings leave the check a block of its own, which tells it.
        if finding.severity == .error, finding.phase == .privileges, let check = leading.first { lines += view(check) }
        for evidence in finding.evidence.prefix(3) { lines += style.paragraph("  saw  ", Self.seen(evidence)) }
        for other in group.rest.prefix(Self.otherLimit) { lines += same(other, as: group.lead) }
        if group.rest.count > Self.otherLimit { lines.append("  same and \(group.rest.count - Self.otherLimit) more") }
        for child in group.findings.flatMap({ childrenOfFinding[$0.id] ?? [] }) {
            lines += style.paragraph("  also ", "\(list(child.affects)): \(child.code), \(child.detail)")
        }
        lines += scope(finding, identities(group.findings), hit, sample)
        lines += style.paragraph("  hint ", finding.hint)
        lines += finding.remedies.map { "  mend [\($0.kind.rawValue)] \($0.text)" }
        let unmended = Set(group.unmended.map { Redactor.scrub($0.target) }).sorted()
        if !unmended.isEmpty {
            let names = unmended.prefix(Self.otherLimit).joined(separator: " ") + (unmended.count > Self.otherLimit ? " …" : "")
            lines.append("  mend the others likewise; their commands: agent diagnose \(names)")
        }
        if !finding.next.isEmpty { lines += style.list("  next ", finding.next, "; ") }
        return lines
    }

    /// How many findings of a group are told beside the first.
    private static let otherLimit = 8

    /// Another one of the same kind: who, since when, and what is said of it in other words.
    private func same(_ finding: Finding, as lead: Finding) -> [String] {
        let hit = finding.affects.compactMap { status[$0] }
        let since = finding.since.map { ["since \($0.near(report.time)) (\(Span.long(report.time - $0)))"] } ?? []
        var lines = style.list("  same ", [title([finding], hit)] + since, "   ")
        if finding.detail != lead.detail { lines += style.paragraph("       ", finding.detail) }
        if finding.severity == .error, let sample = hit.first { lines += changed(sample).map { "     " + $0 } }
        return lines
    }

    /// Whose trouble these are.
    private func identities(_ findings: [Finding]) -> [String] {
        var seen = Set<String>()
        return findings.flatMap { identitiesOfFinding[$0.id] ?? [] }.filter { seen.insert($0).inserted }
    }

    private func title(_ findings: [Finding], _ hit: [CheckStatus]) -> String {
        let identities = identities(findings)
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
    private func scope(_ finding: Finding, _ identities: [String], _ hit: [CheckStatus], _ sample: CheckStatus?) -> [String] {
        var lines: [String] = []
        let others = ruledOut(finding, hit, sample)
        if !others.isEmpty { lines += style.list("  not: ", others, ", ") }
        if ReportBuilder.isOfHost(finding.code) {
            if let first = identities.first, identities.count > 1 {
                let rest = (identities.count == 2 ? "identity " : "identities ") + identities.dropFirst().joined(separator: ", ")
                lines += style.paragraph("  also fails: ", "\(rest), so it is the source on this host, not the identity \(first)")
            } else if let since = finding.since, let well = report.identities.map(\.status).first(where: { $0.gotToken(after: since) }) {
                lines += style.paragraph("  not: ", "the source on this host, identity \(Redactor.scrub(well.name)) gets tokens")
            }
        }
        guard !hit.isEmpty else { return lines }
        var parts = ["\(finding.severity == .error ? "hit" : "concerns"): " + list(finding.affects)]
        if finding.severity == .error, hit.contains(where: { $0.state == .down }), let cause = Cause(rawValue: finding.code),
            cause.group != .internal, cause.group != .config
        {
            let phase = sample?.phase ?? finding.phase
            parts.append(phase == .query || phase == .privileges ? "users: they log in, statements fail" : "users: new connections fail")
        }
        return lines + style.list("  ", parts, "   ")
    }

    /// What the phases that went well rule out, and what works beside it.
    private func ruledOut(_ finding: Finding, _ hit: [CheckStatus], _ sample: CheckStatus?) -> [String] {
        guard let sample, let probe = sample.last, probe.failure != nil else {
            // Where a token is held, logging in proves all the rest.
            let isProven = !hit.isEmpty && finding.phase == .token && hit.allSatisfy { $0.state == .up }
            return isProven ? ["databases", "network"] : []
        }
        let affected = Set(finding.affects)
        let sameIdentity = wellOfIdentity[sample.id.identity]?.first {
            $0.target.name != sample.target.name && !affected.contains($0.id)
        }
        let sameServer = wellOfHost[sample.target.host]?.first { $0.id.identity != sample.id.identity && !affected.contains($0.id) }
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
                lines += view(status)
            }
            return lines
        case .down, .asleep, .unknown, .disabled:
            var lines = ["\(style.mark(.info)) \(style.paint(Self.title(status), .strong))   \(status.state.rawValue)"]
            if let partial = status.lastPartial { lines += style.list("  ", PhaseLine.parts(partial), " · ") }
            if report.crowded.contains(status.id) {
                lines += style.paragraph(
                    "  ", "not probed: as many probes talk to servers as limits.concurrency lets, and no place came free in time")
            }
            if status.state == .asleep {
                lines += style.paragraph("  ", SleepText.sentence(status, now: report.time))
                lines += style.paragraph("  hint ", SleepText.hint(status))
            }
            return lines
        }
    }

    /// Where the view that tutorials ask says something else than what the role can do.
    private func view(_ status: CheckStatus) -> [String] {
        guard let sentence = status.last?.facts.privileges?.listing?.sentence else { return [] }
        return style.paragraph("  view ", Redactor.scrub(sentence))
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

extension IdentityStatus {
    /// Whether it was asked after that moment, not just at it, and with success.
    fileprivate func gotToken(after time: Timestamp) -> Bool { state == .up && (asked.map { $0 - time >= .seconds(1) } ?? false) }
}
