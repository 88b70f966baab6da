// The page for people: what is wrong, what to do, and where everything stands. One document, no script, nothing loaded.
import Diagnosis
import NIOCore

/// Renders a report as HTML of bounded size.
///
/// End tags that HTML lets be omitted are omitted, and rows stop when the budget is used up: the page stays below 300 kB at 1,000 checks.
struct StatusPage {
    /// **Unit**: bytes. Findings come first and may use the first part; the worst checks come before the healthy ones.
    static let findingsBudget = 90_000
    static let checksBudget = 285_000
    static let identitiesBudget = 295_000

    private let report: Report
    private var page = Markup()

    static func answer(_ report: Report) -> Answer {
        Answer(type: "text/html; charset=utf-8", body: ByteBuffer(bytes: render(report)), headers: headers)
    }

    static func render(_ report: Report) -> [UInt8] {
        var page = StatusPage(report: report)
        page.write()
        return page.page.bytes
    }

    private init(report: Report) { self.report = report }

    private mutating func write() {
        page.raw("<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n")
        page.raw("<meta name=viewport content=\"width=device-width,initial-scale=1\">\n<meta http-equiv=refresh content=30>\n<title>")
        page.text(title)
        page.raw("</title>\n<style>")
        page.raw(Self.style)
        page.raw("</style>\n")
        header()
        page.raw("<main>\n")
        findings()
        checks()
        identities()
        page.raw("</main>\n<footer><p>This page renews itself every 30 seconds. Times are UTC.</footer>\n</html>\n")
    }

    // MARK: Head of the page

    private var counts: [(state: CheckState, count: Int)] {
        CheckState.allCases.map { state in (state, report.checks.count { $0.status.state == state }) }.filter { $0.count > 0 }
    }

    private var title: String {
        let down = report.checks.count { $0.status.state == .down }
        return down > 0 ? "\(down) down - agent on \(report.host)" : "agent on \(report.host)"
    }

    private mutating func header() {
        page.raw("<header>\n<h1>agent on ")
        page.text(report.host)
        page.raw("</h1>\n<p>")
        if report.checks.isEmpty { page.raw("No checks are configured.") }
        for (index, item) in counts.enumerated() {
            if index > 0 { page.raw(" · ") }
            state(item.state, count: item.count)
        }
        page.raw(" <span class=m>at ")
        page.text(report.time.dateAndMinute.dropLast(6).description + report.time.timeOfDay)
        page.raw(", version ")
        page.text(report.version)
        page.raw("</span>\n<nav aria-label=Interfaces><a href=\"/metrics\">metrics</a><a href=\"/api/v1/status\">status as JSON</a>")
        page.raw("<a href=\"/api/v1/history\">history as JSON</a><a href=\"/readyz?verbose\">readiness</a></nav>\n</header>\n")
    }

    /// The state in words, so that colour is never the only sign.
    private mutating func state(_ state: CheckState, count: Int? = nil) {
        switch state {
        case .up: page.raw("<b class=g>✓ ")
        case .down: page.raw("<b class=r>✗ ")
        case .asleep, .disabled: page.raw("<b class=m>– ")
        case .unknown: page.raw("<b class=y>? ")
        }
        if let count {
            page.number(count)
            page.raw(" ")
        }
        page.text(state.rawValue)
        page.raw("</b>")
    }

    // MARK: Findings

    private mutating func findings() {
        guard !report.findings.isEmpty else { return }
        page.raw("<section aria-labelledby=hf>\n<h2 id=hf>Findings</h2>\n")
        for (index, finding) in report.findings.enumerated() {
            guard page.bytes.count < Self.findingsBudget else {
                page.raw("<p>")
                page.number(report.findings.count - index)
                page.raw(" more findings: see <a href=\"/api/v1/status\">status as JSON</a>.\n")
                break
            }
            self.finding(finding)
        }
        page.raw("</section>\n")
    }

    /// What differs from when the first check that the finding concerns last worked.
    private mutating func changes(_ finding: Finding) {
        guard finding.severity == .error, let check = finding.affects.first,
            let status = report.checks.first(where: { $0.status.id == check })?.status, !status.changes.isEmpty
        else { return }
        page.raw("\n<p>Changed since it last worked: ")
        page.text(status.changes.flatMap(\.phrases).prefix(6).joined(separator: "; "))
        page.raw(".")
    }

    private mutating func finding(_ finding: Finding) {
        switch finding.severity {
        case .error: page.raw("<article class=error id=")
        case .warning: page.raw("<article class=warning id=")
        case .info: page.raw("<article id=")
        }
        page.text(finding.id)
        page.raw("><h3>")
        switch finding.severity {
        case .error: page.raw("<span class=r>error</span> ")
        case .warning: page.raw("<span class=y>warning</span> ")
        case .info: page.raw("<span class=m>info</span> ")
        }
        page.text(finding.id)
        page.raw(" <code>")
        page.text(finding.code)
        page.raw("</code> in ")
        page.text(finding.phase.rawValue)
        if finding.certainty == .likely { page.raw(", likely") }
        if let parent = finding.parent {
            page.raw(", explained by <a href=\"#")
            page.text(parent)
            page.raw("\">")
            page.text(parent)
            page.raw("</a>")
        }
        page.raw("</h3>\n<p>")
        page.text(finding.detail)
        page.raw("\n<p class=m>")
        if let since = finding.since {
            page.raw("Since ")
            page.text(moment(since))
            page.raw(". ")
        }
        affects(finding.affects)
        changes(finding)
        if !finding.evidence.isEmpty {
            page.raw("\n<ul>")
            for evidence in finding.evidence.prefix(6) {
                page.raw("<li><code>")
                page.text(evidence.line)
                page.raw("</code>")
            }
            page.raw("</ul>")
        }
        page.raw("\n<p>")
        page.text(finding.hint)
        var kind: Remedy.Kind?
        for remedy in finding.remedies.prefix(6) {
            if remedy.kind != kind {
                switch remedy.kind {
                case .look: page.raw("\n<p class=m>look (changes nothing)")
                case .repair: page.raw("\n<p class=m>repair")
                case .widens: page.raw("\n<p class=y>widens: opens access")
                case .destroys: page.raw("\n<p class=r>destroys: loses grants or settings")
                }
                kind = remedy.kind
            }
            page.raw("<pre>")
            page.text(remedy.text)
            page.raw("</pre>")
        }
        if !finding.next.isEmpty {
            page.raw("\n<p class=m>If it was not this: ")
            page.text(finding.next.prefix(4).joined(separator: " · "))
        }
        page.raw("\n</article>\n")
    }

    private mutating func affects(_ checks: [CheckID]) {
        guard !checks.isEmpty else { return }
        page.raw("Hit: ")
        page.text(checks.prefix(8).map(\.description).joined(separator: ", "))
        if checks.count > 8 {
            page.raw(" and ")
            page.number(checks.count - 8)
            page.raw(" more")
        }
        page.raw(".")
    }

    // MARK: Checks

    /// Whether healthy rows leave out what nobody looks for among hundreds.
    private var isCrowded: Bool { report.checks.count > 400 }

    private mutating func checks() {
        guard !report.checks.isEmpty else { return }
        page.raw(
            "<section aria-labelledby=hc>\n<h2 id=hc>Checks</h2>\n<table class=c><caption>One identity against one target each, worst first"
        )
        page.raw(
            "</caption>\n<thead><tr><th scope=col>check<th scope=col>state<th scope=col>server<th scope=col>steps, ms<th scope=col>cause")
        page.raw("<th scope=col>since<th scope=col>last good<th scope=col>certificate<th scope=col>token ends\n<tbody>\n")
        let order: [CheckState] = [.down, .unknown, .asleep, .disabled, .up]
        let sorted = report.checks.enumerated().sorted { a, b in
            let (x, y) = (order.firstIndex(of: a.element.status.state) ?? 0, order.firstIndex(of: b.element.status.state) ?? 0)
            return x != y ? x < y : a.offset < b.offset
        }.map(\.element)
        let findings = Dictionary(report.findings.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        var hinted = 0
        for (index, check) in sorted.enumerated() {
            guard page.bytes.count < Self.checksBudget else {
                page.raw("<tr><th scope=row>…<td colspan=8>")
                page.number(sorted.count - index)
                page.raw(" more checks: see <a href=\"/api/v1/status\">status as JSON</a>.\n")
                break
            }
            // The hint is repeated beside the first failures; the rest point at the finding, which has it.
            var hint: String?
            if check.status.state == .down, hinted < 20 {
                let own = check.findings.compactMap { findings[$0] }
                hint = (own.first { $0.code == check.status.cause?.rawValue } ?? own.first)?.hint
                hinted += 1
            }
            row(check, hint: hint)
        }
        page.raw("</table>\n</section>\n")
    }

    private mutating func row(_ check: Report.Check, hint: String?) {
        let status = check.status
        let target = status.target
        page.raw("<tr><th scope=row>")
        page.text(status.id.description)
        page.raw("<td>")
        state(status.state)
        page.raw("<td>")
        let place = target.port == target.engine.defaultPort ? target.host : Endpoint(host: target.host, port: target.port).description
        page.text("\(target.engine.rawValue) \(place)/\(target.database)")
        let isBrief = isCrowded && status.state == .up
        if let user = target.user, !isBrief { page.text(" as \(user)") }
        if let version = status.last?.facts.serverVersion, !isBrief {
            page.raw(" <small>")
            page.text(String(version.prefix(40)))
            page.raw("</small>")
        }
        page.raw("<td>")
        if let observation = status.newest { steps(observation) }
        page.raw("<td>")
        cause(check, hint: hint)
        if let next = SleepText.next(status, now: report.time) { page.text(next) }
        page.raw("<td>")
        if let since = status.since { page.text(moment(since)) }
        page.raw("<td>")
        // Of a check that is up this is seconds ago and says nothing.
        if status.state != .up, let lastGood = status.lastGood { page.text(moment(lastGood)) }
        page.raw("<td>")
        certificate(status.newest?.facts.certificate ?? status.last?.facts.certificate)
        page.raw("<td>")
        // No line break behind it: a cell that is empty is left out on narrow screens.
        if let end = status.newest?.facts.tokenExpires ?? status.last?.facts.tokenExpires { page.text(end.near(report.time)) }
    }

    private mutating func steps(_ observation: Observation) {
        var isFirst = true
        for result in observation.phases {
            guard result.duration != nil || result.isCached || result.outcome == .failed else { continue }
            if !isFirst { page.raw(", ") }
            isFirst = false
            page.text(result.phase.rawValue)
            if result.isCached { page.raw(" cached") }
            if let duration = result.duration { page.text(" " + Span.milliseconds(duration)) }
            if result.outcome == .failed { page.raw(" <b class=r>✗</b>") }
        }
        switch observation.outcome {
        case .partial(.loginPaused) where observation.notices.contains { $0.code == .loginsRest }:
            page.raw(" <small>logins to this server rest; the finding says why and until when</small>")
        case .partial(.loginPaused): page.raw(" <small>logins pause after a lasting refusal</small>")
        case .partial(.asleep): page.raw(" <small>nobody logs in, so that the database may sleep</small>")
        case .succeeded, .failed: break
        }
    }

    private mutating func cause(_ check: Report.Check, hint: String?) {
        if let cause = check.status.cause {
            page.raw("<code>")
            page.text(cause.rawValue)
            page.raw("</code>")
            if let phase = check.status.phase { page.text(" in \(phase.rawValue)") }
        }
        for id in check.findings.prefix(3) {
            page.raw(" <a href=\"#")
            page.text(id)
            page.raw("\">")
            page.text(id)
            page.raw("</a>")
        }
        if let hint {
            page.raw("<br><small>")
            page.text(hint)
            page.raw("</small>")
        }
    }

    private mutating func certificate(_ certificate: CertificateFacts?) {
        guard let certificate else { return }
        let days = Int(((certificate.chainNotAfter - report.time).seconds / 86400).rounded(.down))
        if days < 0 {
            page.raw("<b class=r>expired</b>")
        } else if days < 21 {
            page.raw("<b class=y>")
            page.text("\(days) d")
            page.raw("</b>")
        } else {
            page.text("\(days) d")
        }
        // The subject is the server's word; it is shown where it matters only.
        if days < 21 {
            page.raw(" <small>")
            page.text(certificate.subject)
            page.raw("</small>")
        }
    }

    // MARK: Identities

    private mutating func identities() {
        guard !report.identities.isEmpty else { return }
        page.raw(
            "<section aria-labelledby=hi>\n<h2 id=hi>Identities</h2>\n<table class=i><caption>Every identity, watched by itself</caption>\n"
        )
        page.raw("<thead><tr><th scope=col>identity<th scope=col>state<th scope=col>source<th scope=col>cause<th scope=col>since")
        page.raw("<th scope=col>token ends\n<tbody>\n")
        for (index, identity) in report.identities.enumerated() {
            guard page.bytes.count < Self.identitiesBudget else {
                page.raw("<tr><th scope=row>…<td colspan=5>")
                page.number(report.identities.count - index)
                page.raw(" more identities\n")
                break
            }
            let status = identity.status
            page.raw("<tr><th scope=row>")
            page.text(status.name)
            page.raw("<td>")
            state(status.state)
            page.raw("<td>")
            if let source = status.source { page.text(source.rawValue) }
            page.raw("<td>")
            if let cause = status.cause {
                page.raw("<code>")
                page.text(cause.rawValue)
                page.raw("</code>")
            }
            for id in identity.findings.prefix(3) {
                page.raw(" <a href=\"#")
                page.text(id)
                page.raw("\">")
                page.text(id)
                page.raw("</a>")
            }
            page.raw("<td>")
            if let since = status.since { page.text(moment(since)) }
            page.raw("<td>")
            if let end = status.expires {
                page.text(moment(end, isFuture: true))
                if status.tokens.values.contains(where: \.isSameToken) { page.raw(" <small>same token again</small>") }
            }
        }
        page.raw("</table>\n</section>\n")
    }

    /// `02:31:40Z (33 min)`.
    private func moment(_ time: Timestamp, isFuture: Bool = false) -> String {
        let span = isFuture ? time - report.time : report.time - time
        return "\(time.near(report.time)) (\(Span.long(span)))"
    }
}
