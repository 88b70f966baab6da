// The JSON contract of reports, schema 1. Keys are only ever added; what is not known is null, never missing.

extension Report: JSONTabled {
    /// The schema of every document this version writes.
    package static let schema: Int = 1

    package static let table = JSONTable<Report>("report", "Where every check and identity stands, and what a person should know about it.")
    {
        JSONKey("schema", "The number of the contract.") { _ in SchemaNumber() }
        JSONKey("version", "Of the agent.") { $0.version }
        JSONKey("time", "Of this answer.") { $0.time }
        JSONKey("host", "The machine that looked.") { $0.host }
        JSONKey("mode", "Who looked: the running agent, or a process of its own.") { $0.mode }
        JSONKey("exit", "What agent diagnose ends with.") { $0.exit }
        JSONKey("checks", "In the order of the configuration.") { report in
            report.checks.map { CheckForm(status: $0.status, findings: $0.findings, medians: report.medians[$0.status.id]) }
        }
        JSONKey("identities", "Those of the checks, and those that no target uses.") { report in
            report.identities.map { IdentityForm(status: $0.status, findings: $0.findings) }
        }
        JSONKey("findings", "Roots by severity, each followed by what it explains.") { $0.findings }
    }

    /// A page of a list.
    /// - Parameter next: what to ask for the following page; nil on the last one.
    package static func listJSON(items: [JSON], next: String? = nil) -> JSON {
        ["schema": schema, "items": items, "next": next]
    }

    /// The shape of such a page.
    /// - Parameter name: of the shape, under `$defs`.
    package static func listShape(_ name: String, of item: JSONShape) -> JSONShape {
        let keys: [JSONObjectShape.Key] = [
            .init(name: "schema", means: "The number of the contract.", shape: SchemaNumber.shape, isAlways: true),
            .init(name: "items", means: "Newest first.", shape: .list(item), isAlways: true),
            .init(
                name: "next", means: "The before of the next page; null on the last one.", shape: .orNull(.time), isAlways: true),
        ]
        return .named(JSONDefinition(name, "A page of a list.", .object(JSONObjectShape(keys: keys))))
    }
}

/// One check, the same everywhere: `diagnose`, `status`, the API, one line of ndjson.
struct CheckForm: Sendable, JSONTabled {
    var status: CheckStatus
    var findings: [String]
    /// How long its phases usually take, where somebody looked.
    var medians: PhaseMedians?

    /// While it sleeps, what is looked at is the way to the server.
    private var seen: Observation? { status.state == .asleep ? status.newest : status.last ?? status.lastPartial }

    private var phases: [PhaseForm] {
        (seen?.phases ?? Self.unprobed).map { PhaseForm(result: $0, median: medians?.durations[$0.phase]) }
    }

    /// The phases of a check that was never probed.
    private static let unprobed = Phase.probed.map { PhaseResult($0, .skipped("not probed yet")) }

    static let table = JSONTable<CheckForm>(
        "check", "One identity against one target.",
        rules: [
            .init(
                when: "state", is: "down", then: [("cause", Cause.shape), ("phase", Phase.shape)],
                otherwise: [("cause", .null), ("phase", .null)])
        ]
    ) {
        JSONKey("id", "TARGET/IDENTITY.") { $0.status.id }
        JSONKey("target", "Its name in the configuration.") { $0.status.target.name }
        JSONKey("identity", "Its name in the configuration.") { $0.status.id.identity }
        JSONKey("engine", "What the server is.") { $0.status.target.engine }
        JSONKey("host", "The server's name.") { $0.status.target.host }
        JSONKey("port", "Where the server listens.", .whole(1...65535)) { $0.status.target.port }
        JSONKey("database", "The database.") { $0.status.target.database }
        JSONKey("user", "The role; null where the token names it.") { $0.status.target.user }
        JSONKey("state", "The verdict.") { $0.status.state }
        JSONKey("cause", "Why it is down.") { $0.status.cause }
        JSONKey("phase", "Where it fails.") { $0.status.phase }
        JSONKey("since", "Since when state and cause are so; only a running agent knows.") { $0.status.since }
        JSONKey("last_good", "When the last good probe ended.") { $0.status.lastGood }
        JSONKey("started", "When the probe started that this shows.") { $0.seen?.started }
        JSONKey("duration_seconds", "How long that probe took.") { $0.seen?.duration }
        JSONKey("phases", "Its steps in order.") { $0.phases }
        JSONKey("facts", "What it learnt.") { $0.seen?.facts ?? Facts() }
        JSONKey("changes", "What differs from the last good probe.") { $0.status.changes }
        JSONKey("findings", "Those that concern it.", .list(Finding.idShape)) { $0.findings }
    }
}

/// One step of a check, beside how long it usually takes.
struct PhaseForm: Sendable, JSONTabled {
    var result: PhaseResult
    var median: Duration?

    static let table = JSONTable<PhaseForm>(
        "check_step", "One timed step of a probe, beside how long it usually takes.", rules: PhaseResult.rules
    ) {
        JSONKey("name", "The phase.") { $0.result.phase }
        JSONKey("outcome", "Whether it worked, failed or did not run.", PhaseResult.outcomes) { $0.result.outcome.name }
        JSONKey("duration_seconds", "How long it took; null for a cached token too.") { $0.result.duration }
        JSONKey("cached", "Whether the token came out of the cache.") { $0.result.isCached }
        JSONKey("reason", "Why it did not run.") { $0.result.outcome.reason }
        JSONKey("median_seconds", "Over the good probes of seven days; only a running agent knows.") { $0.median }
    }
}

/// One identity, by itself.
struct IdentityForm: Sendable, JSONTabled {
    var status: IdentityStatus
    var findings: [String]

    static let table = JSONTable<IdentityForm>(
        "identity", "One identity, watched by itself.",
        rules: [.init(when: "state", is: "down", then: [("cause", Cause.shape)], otherwise: [("cause", .null)])]
    ) {
        JSONKey("identity", "Its name in the configuration.") { $0.status.name }
        JSONKey("state", "Whether its source gave a token when it was asked last.") { $0.status.state }
        JSONKey("cause", "Why not.") { $0.status.cause }
        JSONKey("source", "Where its tokens come from.") { $0.status.source }
        JSONKey("expires", "The earliest end of a token that is held.") { $0.status.expires }
        JSONKey("same_token", "Whether the source gave the token again that it gave before; null without one.") { form in
            form.status.tokens.isEmpty ? nil : form.status.tokens.values.contains(where: \.isSameToken) as Bool?
        }
        JSONKey("findings", "Those that concern it.", .list(Finding.idShape)) { $0.findings }
    }
}
