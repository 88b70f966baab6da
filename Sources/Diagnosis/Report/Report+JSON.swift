// The JSON contract of reports, schema 1. Keys are only ever added; what is not known is null, never missing.

extension Report: JSONRepresentable {
    /// The schema of every document this version writes.
    package static let schema: Int = 1

    package var json: JSON {
        [
            "schema": Self.schema, "version": version, "time": time, "host": host, "mode": mode, "exit": Int(exit.rawValue),
            "checks": checks.map { Self.checkJSON($0.status, findings: $0.findings, medians: medians[$0.status.id]) },
            "identities": identities.map { Self.identityJSON($0.status, findings: $0.findings) }, "findings": findings,
        ]
    }

    /// One check, the same everywhere: `diagnose`, `status`, the API, one line of ndjson.
    /// - Parameter medians: how long its phases usually take, where somebody looked.
    package static func checkJSON(_ status: CheckStatus, findings: [String] = [], medians: PhaseMedians? = nil) -> JSON {
        let target = status.target
        // While it sleeps, what is looked at is the way to the server.
        let seen = status.state == .asleep ? status.newest : status.last ?? status.lastPartial
        return [
            "id": status.id, "target": target.name, "identity": status.id.identity, "engine": target.engine, "host": target.host,
            "port": target.port, "database": target.database, "user": target.user, "state": status.state, "cause": status.cause,
            "phase": status.phase, "since": status.since, "last_good": status.lastGood, "started": seen?.started,
            "duration_seconds": seen?.duration, "phases": (seen?.phases ?? unprobed).map { phase($0, medians) },
            "facts": seen?.facts ?? Facts(), "changes": status.changes, "findings": findings,
        ]
    }

    private static func phase(_ result: PhaseResult, _ medians: PhaseMedians?) -> JSON {
        guard case .object(let members) = result.json else { return result.json }
        return .object(members + [JSON.Member(key: "median_seconds", value: medians?.durations[result.phase].json ?? .null)])
    }

    package static func identityJSON(_ status: IdentityStatus, findings: [String] = []) -> JSON {
        [
            "identity": status.name, "state": status.state, "cause": status.cause, "source": status.source, "expires": status.expires,
            "same_token": status.tokens.isEmpty ? nil : status.tokens.values.contains(where: \.isSameToken) as Bool?,
            "findings": findings,
        ]
    }

    /// A page of a list.
    /// - Parameter next: what to ask for the following page; nil on the last one.
    package static func listJSON(items: [JSON], next: String? = nil) -> JSON {
        ["schema": schema, "items": items, "next": next]
    }

    /// The phases of a check that was never probed.
    private static let unprobed = Phase.probed.map { PhaseResult($0, .skipped("not probed yet")) }
}
