// What each surface has to say of one fault.
import Diagnosis
import Foundation
import Lab
import Testing

extension EngineFaultTable {
    private func checks(_ document: String) throws -> [[String: Any]] { try jsonObject(document)["checks"] as? [[String: Any]] ?? [] }

    /// Whether a phase is the one, or one of those, in which the fault is seen; null of a check that is up.
    private func fits(_ row: Case, _ phase: Any?) -> Bool {
        row.cause == nil ? phase is NSNull : row.phases.contains { phase as? String == $0 }
    }

    /// Whether a document has a root finding with the cause that names the check.
    private func hasFinding(_ document: [String: Any], _ cause: String, _ id: String) -> Bool {
        let findings = document["findings"] as? [[String: Any]] ?? []
        return findings.contains {
            $0["code"] as? String == cause && $0["severity"] as? String == "error" && $0["root"] as? Bool == true
                && ($0["affects"] as? [String])?.contains(id) == true
        }
    }

    func check(_ row: Case, status: String, of surface: String) throws {
        let document = try jsonObject(status)
        let seen = try checks(status).first { $0["id"] as? String == row.id } ?? [:]
        #expect(seen["state"] as? String == row.state, "\(row.name): state in \(surface), \(seen["cause"] ?? "-")")
        #expect(seen["cause"] as? String == row.causeOfService, "\(row.name): cause in \(surface)")
        #expect(fits(row, seen["phase"]), "\(row.name): phase in \(surface), \(seen["phase"] ?? "-")")
        #expect(document["mode"] as? String == "inside")
        guard let cause = row.causeOfService else { return }
        #expect(hasFinding(document, cause, row.id), "\(row.name): finding in \(surface)")
    }

    func check(_ row: Case, metrics: String) {
        let labels = "target=\"\(row.target.name)\",identity=\"app\""
        let isSo = metrics.contains("dbprobe_up{\(labels)} \(row.cause == nil ? 1 : 0)\n")
        #expect(isSo, "\(row.name): dbprobe_up")
        let series = metrics.split(separator: "\n").filter { $0.hasPrefix("dbprobe_failure_cause{\(labels),") }
        guard let cause = row.causeOfService else {
            #expect(series.isEmpty, "\(row.name): dbprobe_failure_cause \(series)")
            return
        }
        let hasCause = row.phases.contains { phase in series.contains { $0.hasSuffix("phase=\"\(phase)\",cause=\"\(cause)\"} 1") } }
        #expect(hasCause && series.count == 1, "\(row.name): dbprobe_failure_cause \(series)")
    }

    /// The row of the check says what, where and why, and leads to a finding that names the cause.
    func check(_ row: Case, page: String) {
        let rows = page.components(separatedBy: "<tr><th scope=row>")
        guard let shown = rows.first(where: { $0.hasPrefix("\(row.id)<td>") }) else {
            Issue.record("\(row.name): the page has no row of \(row.id)")
            return
        }
        #expect(shown.contains(row.target.host) && shown.contains("/\(row.target.database)"), "\(row.name): target on the page")
        #expect(shown.contains(row.cause == nil ? "✓ up</b>" : "✗ down</b>"), "\(row.name): state on the page")
        guard let cause = row.causeOfService else {
            #expect(!shown.contains("<code>"), "\(row.name): a cause on the page of what is up")
            return
        }
        #expect(row.phases.contains { shown.contains("<code>\(cause)</code> in \($0)") }, "\(row.name): cause on the page\n\(shown)")
        #expect(shown.contains("<a href=\"#f"), "\(row.name): no way to the finding\n\(shown)")
        // The findings of many servers may not fit; those that do are checked, and of few all do.
        let articles = page.components(separatedBy: "<article ").dropFirst()
        let isWhole = !page.contains(" more findings: see ")
        #expect(
            !isWhole || articles.contains { $0.contains("<code>\(cause)</code>") && $0.contains(row.id) },
            "\(row.name): finding on the page")
    }

    func check(_ row: Case, diagnosis result: ProgramResult, mode: String) throws {
        let report = try jsonObject(result.output)
        let check = try checks(result.output).first ?? [:]
        #expect(report["mode"] as? String == mode, "\(row.name): mode\n\(result.errors.suffix(500))")
        #expect(result.status == row.exit, "\(row.name): exit status \(mode)\n\(result.output)\n\(result.errors.suffix(2000))")
        #expect((report["exit"] as? Int).map(Int32.init) == row.exit, "\(row.name): exit in the report \(mode)")
        #expect(check["id"] as? String == row.id)
        #expect(check["state"] as? String == row.state, "\(row.name): state \(mode)\n\(result.output)")
        #expect(check["cause"] as? String == row.cause, "\(row.name): cause \(mode)\n\(result.output)")
        #expect(fits(row, check["phase"]), "\(row.name): phase \(mode), \(check["phase"] ?? "-")")
        guard let cause = row.cause else { return }
        #expect(hasFinding(report, cause, row.id), "\(row.name): finding \(mode)\n\(result.output)")
    }

    func check(_ row: Case, incidents: [[String: Any]]) {
        guard row.opensIncident, let cause = row.causeOfService else {
            #expect(incidents.isEmpty, "\(row.name): \(incidents)")
            return
        }
        #expect(incidents.count == 1, "\(row.name): \(incidents.count) incidents")
        // Others beside it may be of a machine that is busy, or of a person who asked on the spot and was told more.
        let causes = incidents.first?["causes"] as? [[String: Any]] ?? []
        #expect(causes.contains { $0["cause"] as? String == cause && fits(row, $0["phase"]) }, "\(row.name): causes \(causes)")
        #expect(incidents.first?["closed"] is NSNull, "\(row.name): the incident is closed")
    }

    func check(_ row: Case, lines: [[String: Any]]) {
        #expect(!lines.isEmpty && lines.contains { isVerdict(row, $0, state: "to") }, "\(row.name): state lines \(lines)")
    }

    func check(_ row: Case, history: [[String: Any]]) {
        // The probe of the schedule and the one that a person asked for.
        let whole = history.filter { $0["partial"] as? Bool == false }
        #expect(whole.count >= (row.isTriedAgain ? 2 : 1), "\(row.name): \(whole.count) whole probes in history")
        #expect(whole.contains { isVerdict(row, $0, state: "state") }, "\(row.name): history\n\(whole.prefix(3))")
    }

    private func isVerdict(_ row: Case, _ document: [String: Any], state key: String) -> Bool {
        document[key] as? String == row.state && document["cause"] as? String == row.causeOfService && fits(row, document["phase"])
    }

    /// The faults that make the token wrong, or its source, one by one: told from servers that refuse a good one.
    static func playWrongTokens(on target: LabTarget) async throws {
        var options = LabOptions()
        options.targets = [target]
        try await withAgentBench(options) { bench in
            for fault in [Fault.issuedWrongAudience, .issuedExpired, .issuedNotYetValid, .issuedLarge, .identityNotFound, .identityRefused]
            {
                let expects = try #require(fault.expects(on: target.engine))
                try await bench.lab.faults.turnOn(fault)
                let result = try await bench.diagnose([target.name, "--output", "json"])
                let check = (try jsonObject(result.output)["checks"] as? [[String: Any]])?.first ?? [:]
                if case .failure(let cause, let phase, let exit) = expects {
                    #expect(check["cause"] as? String == cause.rawValue, "\(fault.name)\n\(result.output)")
                    #expect(check["phase"] as? String == phase.rawValue, "\(fault.name)")
                    #expect(result.status == Int32(exit), "\(fault.name)")
                } else {
                    #expect(check["state"] as? String == "up" && result.status == 0, "\(fault.name)\n\(result.output)")
                }
                try await bench.lab.faults.turnOffAll()
            }
        }
    }
}
