// One look at everything: the value behind `diagnose`, `status` and the API.

/// Where every check and identity stands, and what a person should know about it.
package struct Report: Sendable, Hashable {
    /// Who looked: the running agent, or a process of its own.
    package enum Mode: String, Sendable, Hashable, JSONRepresentable { case inside, local }

    package var version: String
    package var time: Timestamp
    /// The machine that looked.
    package var host: String
    package var mode: Mode
    package var checks: [Check]
    package var identities: [Identity]
    /// **Shape**: roots by severity and number, each followed by the findings it explains; named `f1`, `f2`, … in this order.
    package var findings: [Finding]
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
