// One look at everything: the value behind `diagnose`, `status` and the API.

/// Where every check and identity stands, and what a person should know about it.
package struct Report: Sendable, Hashable {
    /// Who looked: the running agent, or a process of its own.
    package enum Mode: String, Sendable, Hashable, CaseIterable, JSONRepresentable { case inside, local }

    package var version: String
    package var time: Timestamp
    /// The machine that looked.
    package var host: String
    package var mode: Mode
    package var checks: [Check]
    package var identities: [Identity]
    /// **Shape**: roots by severity and number, each followed by the findings it explains; named `f1`, `f2`, … in this order.
    package var findings: [Finding]
    /// Checks that were not asked about, as they stand: for whom else the same hits, and what works.
    package var others: [CheckStatus] = []
    /// How long the phases of a check usually take, where that is known.
    package var medians: [CheckID: PhaseMedians] = [:]
    /// Identities that were to be asked for a new token and gave no answer in time: what is told of them is from before.
    package var notAsked: Set<String> = []
    /// Checks whose probe found no place under the cap on probes that talk to servers: they have no result.
    package var crowded: Set<CheckID> = []
    /// From which severity on the report ends with a number other than 0.
    package var failOn = Severity.error
    /// The number of a command that ended for a reason of its own: its deadline, an interruption.
    package var ending: ExitStatus?

    /// A check with the names of the findings that concern it.
    package struct Check: Sendable, Hashable {
        package var status: CheckStatus
        package var findings: [String]
    }

    package struct Identity: Sendable, Hashable {
        package var status: IdentityStatus
        package var findings: [String]
    }

    /// Draws up a report. Pure: everything it says is in its arguments.
    /// - Parameters:
    ///   - failures: of the agent itself, beside any check: a configuration that cannot be used.
    ///   - troubles: likewise, and everything works all the same: a configuration that was refused while an older one goes on.
    ///   - notices: likewise.
    package static func make(
        snapshot: Board.Snapshot, identities: [IdentityDefinition], mode: Mode, host: String, version: String, now: Timestamp,
        cloud: Cloud = .public, failures: [Failure] = [], troubles: [Failure] = [], notices: [Notice] = []
    ) -> Report {
        var builder = ReportBuilder(snapshot: snapshot, identities: identities, cloud: cloud, now: now)
        let result = builder.build(failures: failures, troubles: troubles, notices: notices)
        return Report(
            version: version, time: now, host: host, mode: mode,
            checks: zip(snapshot.checks, result.checks).map(Check.init),
            identities: zip(snapshot.identities, result.identities).map(Identity.init),
            findings: result.findings)
    }

    /// The same report for some of its checks: their identities, and the findings that concern them. The others stay in the background.
    package func narrowed(to chosen: Set<CheckID>) -> Report {
        var report = self
        report.checks = checks.filter { chosen.contains($0.status.id) }
        report.others = others + checks.map(\.status).filter { !chosen.contains($0.id) }
        let names = Set(report.checks.map(\.status.id.identity))
        report.identities = identities.filter { names.contains($0.status.name) }
        let named = Set(report.checks.flatMap(\.findings) + report.identities.flatMap(\.findings))
        // What concerns no check and no identity concerns everybody.
        let bound = Set(checks.flatMap(\.findings) + identities.flatMap(\.findings))
        report.findings = findings.filter { named.contains($0.id) || !bound.contains($0.id) }
        let ids = Dictionary(uniqueKeysWithValues: report.findings.enumerated().map { ($1.id, "f\($0 + 1)") })
        for index in report.findings.indices {
            report.findings[index].id = ids[report.findings[index].id] ?? report.findings[index].id
            report.findings[index].parent = report.findings[index].parent.flatMap { ids[$0] }
        }
        for index in report.checks.indices { report.checks[index].findings = report.checks[index].findings.compactMap { ids[$0] } }
        for index in report.identities.indices {
            report.identities[index].findings = report.identities[index].findings.compactMap { ids[$0] }
        }
        return report
    }

    /// The number a command ends with: that of the root with the lowest one; 1 for warnings when they are asked to count.
    package func exit(failOn: Severity) -> ExitStatus {
        let failing = findings.filter { $0.isRoot && $0.severity == .error }.map(\.exit).filter { $0 != .healthy }
        if let lowest = failing.min() { return lowest }
        return failOn <= .warning && findings.contains { $0.severity == .warning } ? .warnings : .healthy
    }

    package var exit: ExitStatus { ending ?? exit(failOn: failOn) }
}

extension Finding {
    /// The number this finding stands for when it is an error.
    package var exit: ExitStatus {
        if let cause = Cause(rawValue: code) { return ExitStatus(cause: cause, phase: phase) }
        return FindingCode(rawValue: code)?.row.exit ?? ExitStatus(phase: phase)
    }
}
