// The metrics page: one pure function from what is known to text, in either format. Long because it is the catalogue.
package import Diagnosis

/// Everything the metrics page shows.
package struct ExpositionInput: Sendable {
    package var board: Board.Snapshot
    package var metrics: Metrics.Snapshot
    package var build: BuildInfo
    /// Nil when no history is kept.
    package var store: StoreGauges?
    /// Nil where the kernel says nothing.
    package var process: ProcessStats?
    /// Nil when another log handler is used.
    package var log: LogSink.Counts?
    /// Where the tokens of each identity come from, as far as that is known before the first request.
    package var sources: [String: TokenSourceKind]
    /// What is wrong with the agent itself, beside any check.
    package var troubles: [Failure]

    package init(
        board: Board.Snapshot, metrics: Metrics.Snapshot, build: BuildInfo, store: StoreGauges? = nil, process: ProcessStats? = nil,
        log: LogSink.Counts? = nil, sources: [String: TokenSourceKind] = [:], troubles: [Failure] = []
    ) {
        self.board = board
        self.metrics = metrics
        self.build = build
        self.store = store
        self.process = process
        self.log = log
        self.sources = sources
        self.troubles = troubles
    }
}

/// Renders the metrics page.
package enum Exposition {
    /// **Shape**: families in a fixed order, none in two places; samples in the order of the configuration.
    package static func render(_ input: ExpositionInput, as format: ExpositionFormat = .text) -> [UInt8] {
        var writer = ExpositionWriter(format, capacity: 40_000 + input.board.checks.count * 2600)
        let rows = input.board.checks.map(Row.init)
        checks(rows, &writer)
        engines(input, rows, &writer)
        identities(input, &writer)
        schedule(input, rows, &writer)
        if let store = input.store { self.store(store, input.metrics, &writer) }
        http(input.metrics.http, &writer)
        if let log = input.log { self.log(log, &writer) }
        if let process = input.process { self.process(process, &writer) }
        writer.end()
        return writer.bytes
    }

    /// One check with its labels, escaped once for all of its samples, and what its samples need of what was seen: an observation is large,
    /// and a copy of it for each sample of a thousand checks costs milliseconds. A class for the same reason.
    private final class Row {
        let status: CheckStatus
        let labels: [UInt8]
        let last: Seen?
        /// Seen as well where nobody logs in.
        let certificateEnd: Timestamp?
        let isSeen: Bool
        /// When the newest probe ended, however far it was to go.
        let tried: Timestamp?
        /// Of a database that may sleep.
        let wake: WakeLedger?

        /// What the last completed probe left.
        struct Seen {
            var duration: Duration
            var ended: Timestamp
            var phases: [PhaseResult]
            var verdicts: [(label: String, isPassed: Bool)]
        }

        init(_ status: CheckStatus) {
            self.status = status
            labels = ExpositionWriter.labels(["target": status.id.target, "identity": status.id.identity])
            let partial = status.lastPartial
            if let last = status.last {
                self.last = Seen(
                    duration: last.duration, ended: last.ended, phases: last.phases, verdicts: last.facts.privileges?.verdicts ?? [])
                certificateEnd = partial?.facts.certificate?.chainNotAfter ?? last.facts.certificate?.chainNotAfter
            } else {
                last = nil
                certificateEnd = partial?.facts.certificate?.chainNotAfter
            }
            isSeen = last != nil || partial != nil
            tried = status.newest?.ended
            wake = status.newest?.facts.wake
        }
    }

    private static func plus(_ labels: [UInt8], _ pairs: KeyValuePairs<String, String>) -> [UInt8] {
        labels + [0x2C] + ExpositionWriter.labels(pairs)
    }

    // MARK: Checks

    private static func checks(_ rows: [Row], _ writer: inout ExpositionWriter) {
        guard !rows.isEmpty else { return }
        // Gauges of the last probe appear with it: a 0 before it would page at every restart.
        let probed = rows.filter { $0.last != nil }
        let now = Timestamp.now
        func each(
            _ name: String, _ kind: ExpositionWriter.Kind, _ help: String, _ rows: [Row],
            _ body: (inout ExpositionWriter, String, Row) -> Void
        ) {
            guard !rows.isEmpty else { return }
            writer.family(name, kind, help)
            for row in rows { body(&writer, name, row) }
        }
        each(
            "dbprobe_up", .gauge,
            "Whether the last completed probe went from token to query (1) or not (0); absent while the database sleeps.",
            probed.filter { $0.status.state == .up || $0.status.state == .down }
        ) { $0.sample($1, labels: $2.labels, $2.status.state == .up) }
        let sleepers = rows.filter { $0.wake != nil }
        each(
            "dbprobe_wake_logins", .gauge,
            "Logins of the last day that woke a database which may sleep, or might have; those that the budget counts.", sleepers
        ) { $0.sample($1, labels: $2.labels, UInt64($2.wake?.recent(now).count ?? 0)) }
        each(
            "dbprobe_wake_next_login_timestamp_seconds", .gauge,
            "Unix time from which on the budget allows the next login to a database that may sleep, 0 if never.", sleepers
        ) { $0.sample($1, labels: $2.labels, $2.status.nextLogin(now: now)) }
        each("dbprobe_probes_total", .counter, "Completed probes of the target.", rows) {
            $0.sample($1, labels: $2.labels, $2.status.probes)
        }
        each("dbprobe_probe_failures_total", .counter, "Completed probes of the target that failed.", rows) {
            $0.sample($1, labels: $2.labels, $2.status.failures)
        }
        each("dbprobe_last_duration_seconds", .gauge, "Duration of the last completed probe of the target.", probed) {
            $0.sample($1, labels: $2.labels, $2.last?.duration ?? .zero)
        }
        phases(probed, &writer)
        each("dbprobe_last_probe_timestamp_seconds", .gauge, "Unix time at which the last completed probe ended.", probed) {
            $0.sample($1, labels: $2.labels, $2.last?.ended)
        }
        each(
            "dbprobe_last_attempt_timestamp_seconds", .gauge,
            "Unix time at which the last probe ended, also one that stopped before its login on purpose.", rows.filter { $0.tried != nil }
        ) { $0.sample($1, labels: $2.labels, $2.tried) }
        each("dbprobe_last_success_timestamp_seconds", .gauge, "Unix time of the last successful probe, 0 if none.", probed) {
            $0.sample($1, labels: $2.labels, $2.status.lastGood)
        }
        each("dbprobe_interval_seconds", .gauge, "Configured interval between probes.", rows) {
            $0.sample($1, labels: $2.labels, $2.status.target.interval)
        }
        each(
            "dbprobe_tls_cert_expiry_timestamp_seconds", .gauge,
            "Earliest expiry in the certificate chain the server presented, 0 if unknown.",
            rows.filter(\.isSeen)
        ) { $0.sample($1, labels: $2.labels, $2.certificateEnd) }
        each(
            "dbprobe_failure_cause", .gauge, "1 for the cause of the last probe's failure; no series while the target is up.",
            probed.filter { $0.status.state == .down && $0.status.cause != nil }
        ) { writer, name, row in
            let failure = ["phase": row.status.phase?.rawValue ?? "internal", "cause": row.status.cause?.rawValue ?? ""] as KeyValuePairs
            writer.sample(name, labels: plus(row.labels, failure), 1)
        }
        privileges(probed, &writer)
        each("dbprobe_consecutive_failures", .gauge, "Failed probes in a row, 0 while up.", probed) {
            $0.sample($1, labels: $2.labels, $2.status.consecutiveFailures)
        }
        each("dbprobe_target_info", .info, "Configuration of the target.", rows) { writer, name, row in
            let target = row.status.target
            writer.sample(
                name,
                labels: plus(
                    row.labels,
                    [
                        "engine": target.engine.rawValue, "host": target.host, "port": String(target.port), "database": target.database,
                    ]), 1)
        }
    }

    /// No series while there is no verdict: nothing configured, not reached, not to be seen, or an administrator.
    private static func privileges(_ rows: [Row], _ writer: inout ExpositionWriter) {
        let name = "dbprobe_privilege_passed"
        var isAnnounced = false
        for row in rows {
            for (label, isPassed) in row.last?.verdicts ?? [] {
                if !isAnnounced { writer.family(name, .gauge, "Whether the named privilege requirement held in the last probe.") }
                isAnnounced = true
                writer.sample(name, labels: plus(row.labels, ["privilege": label]), isPassed)
            }
        }
    }

    private static func phases(_ rows: [Row], _ writer: inout ExpositionWriter) {
        guard !rows.isEmpty else { return }
        let name = "dbprobe_last_phase_duration_seconds"
        writer.family(
            name, .gauge,
            "Duration of each phase that ran in the last completed probe; no sample for a phase that did not run or a cached token.")
        let tails = Dictionary(
            uniqueKeysWithValues: Phase.allCases.map { ($0, [0x2C] + ExpositionWriter.labels(["phase": $0.rawValue])) })
        var labels: [UInt8] = []
        for row in rows {
            for result in row.last?.phases ?? [] where !result.isCached {
                guard let duration = result.duration, let tail = tails[result.phase] else { continue }
                labels.removeAll(keepingCapacity: true)
                labels += row.labels
                labels += tail
                writer.sample(name, labels: labels, duration)
            }
        }
    }

    // MARK: Engines

    private static func engines(_ input: ExpositionInput, _ rows: [Row], _ writer: inout ExpositionWriter) {
        let used = Set(rows.map(\.status.target.engine))
        let engines = Engine.allCases.enumerated().filter { used.contains($0.element) }
        guard !engines.isEmpty else { return }
        let probes = input.metrics.probes
        writer.family("dbprobe_probe_duration_seconds", .histogram, "Duration of completed probes.")
        for (index, engine) in engines {
            writer.histogram(
                "dbprobe_probe_duration_seconds", labels: ExpositionWriter.labels(["engine": engine.rawValue]), probes.durations[index])
        }
        writer.family("dbprobe_probe_phase_duration_seconds", .histogram, "Duration of completed phases of probes.")
        for (index, engine) in engines {
            for (place, phase) in Phase.probed.enumerated() {
                writer.histogram(
                    "dbprobe_probe_phase_duration_seconds",
                    labels: ExpositionWriter.labels(["engine": engine.rawValue, "phase": phase.rawValue]),
                    probes.phases[index * Phase.probed.count + place])
            }
        }
        writer.family("dbprobe_failure_events_total", .counter, "Probe failures by phase and cause.")
        for (_, engine) in engines {
            var rest = probes.failures.filter { $0.key.engine == engine }
            func write(_ phase: Phase, _ cause: Cause, _ count: UInt64) {
                let labels = ["engine": engine.rawValue, "phase": phase.rawValue, "cause": cause.rawValue] as KeyValuePairs
                writer.sample("dbprobe_failure_events_total", labels: ExpositionWriter.labels(labels), count)
            }
            for (phase, causes) in PossibleFailures.pairs(engine) {
                for cause in causes {
                    let key = Metrics.FailureKey(engine: engine, phase: phase, cause: cause)
                    write(phase, cause, rest.removeValue(forKey: key) ?? 0)
                }
            }
            for (key, count) in rest.sorted(by: {
                ($0.key.phase.rawValue, $0.key.cause.rawValue) < ($1.key.phase.rawValue, $1.key.cause.rawValue)
            }) {
                write(key.phase, key.cause, count)
            }
        }
    }

    // MARK: Identities

    private static func identities(_ input: ExpositionInput, _ writer: inout ExpositionWriter) {
        let identities = input.board.identities
        guard !identities.isEmpty else { return }
        let engines = Set(input.board.checks.map(\.target.engine.resource))
        var tokens: [(labels: [UInt8], token: IdentityStatus.TokenStatus?)] = []
        for identity in identities {
            for resource in TokenResource.allCases {
                let token = identity.tokens[resource]
                guard token != nil || engines.contains(resource) else { continue }
                tokens.append((ExpositionWriter.labels(["identity": identity.name, "resource": resource.rawValue]), token))
            }
        }
        if !tokens.isEmpty {
            writer.family(
                "dbprobe_token_expiry_timestamp_seconds", .gauge, "Unix time at which the cached token expires, 0 if none is held.")
            for (labels, token) in tokens { writer.sample("dbprobe_token_expiry_timestamp_seconds", labels: labels, token?.expires) }
            writer.family("dbprobe_token_lifetime_seconds", .gauge, "Lifetime granted to the cached token when it was issued.")
            for (labels, token) in tokens { writer.sample("dbprobe_token_lifetime_seconds", labels: labels, token?.lifetime ?? .zero) }
            writer.family("dbprobe_token_last_refresh_timestamp_seconds", .gauge, "Unix time of the last successful acquisition.")
            for (labels, token) in tokens { writer.sample("dbprobe_token_last_refresh_timestamp_seconds", labels: labels, token?.acquired) }
        }
        requests(input, &writer)
        var durations = input.metrics.tokens.durations
        for source in input.sources.values where durations[source] == nil { durations[source] = Histogram() }
        if !durations.isEmpty {
            writer.family("dbprobe_token_request_duration_seconds", .histogram, "Duration of token requests.")
            for source in TokenSourceKind.allCases {
                guard let histogram = durations[source] else { continue }
                writer.histogram(
                    "dbprobe_token_request_duration_seconds", labels: ExpositionWriter.labels(["source": source.rawValue]), histogram)
            }
        }
        let labels = identities.map { ExpositionWriter.labels(["identity": $0.name]) }
        writer.family("dbprobe_token_lookups_total", .counter, "Token lookups by probes.")
        for (labels, identity) in zip(labels, identities) {
            writer.sample("dbprobe_token_lookups_total", labels: labels, identity.lookups)
        }
        writer.family("dbprobe_token_cache_hits_total", .counter, "Token lookups served from the cache.")
        for (labels, identity) in zip(labels, identities) {
            writer.sample("dbprobe_token_cache_hits_total", labels: labels, identity.cacheHits)
        }
        writer.family("dbprobe_token_throttled_total", .counter, "Replies 429 or local rate-limit delays, by source.")
        for source in TokenSourceKind.allCases {
            writer.sample(
                "dbprobe_token_throttled_total", labels: ExpositionWriter.labels(["source": source.rawValue]),
                input.board.throttled[source] ?? 0)
        }
        writer.family(
            "dbprobe_identity_up", .gauge, "Whether the last token request of the identity was answered with a token (1) or not (0).")
        for (labels, identity) in zip(labels, identities) where identity.state == .up || identity.state == .down {
            writer.sample("dbprobe_identity_up", labels: labels, identity.state == .up)
        }
    }

    private static func requests(_ input: ExpositionInput, _ writer: inout ExpositionWriter) {
        let asked = input.board.identities.compactMap { identity -> (identity: IdentityStatus, sources: [TokenSourceKind])? in
            let sources = TokenSourceKind.allCases.filter { identity.requests[$0] != nil || input.sources[identity.name] == $0 }
            return sources.isEmpty ? nil : (identity, sources)
        }
        guard !asked.isEmpty else { return }
        writer.family("dbprobe_token_requests_total", .counter, "Token requests sent to the source.")
        for (identity, sources) in asked {
            for source in sources {
                writer.sample(
                    "dbprobe_token_requests_total",
                    labels: ExpositionWriter.labels(["identity": identity.name, "source": source.rawValue]),
                    identity.requests[source] ?? 0)
            }
        }
        writer.family("dbprobe_token_request_failures_total", .counter, "Token requests that failed, by cause.")
        for (identity, sources) in asked {
            for source in sources {
                let failures = identity.requestFailures[source] ?? [:]
                for cause in Cause.allCases where failures[cause] != nil || tokenCauses.contains(cause) {
                    writer.sample(
                        "dbprobe_token_request_failures_total",
                        labels: ExpositionWriter.labels([
                            "identity": identity.name, "source": source.rawValue, "cause": cause.rawValue,
                        ]), failures[cause] ?? 0)
                }
            }
        }
    }

    /// Causes that a token request can end with: present as zeros as soon as the source is known.
    private static let tokenCauses = Set(PossibleFailures.pairs(.postgresql).first { $0.phase == .token }?.causes ?? [])

    // MARK: Scheduler, configuration, build

    private static func schedule(_ input: ExpositionInput, _ rows: [Row], _ writer: inout ExpositionWriter) {
        let schedule = input.metrics.schedule
        var states: [Engine: [CheckState: Int]] = [:]
        for row in rows { states[row.status.target.engine, default: [:]][row.status.state, default: 0] += 1 }
        if !states.isEmpty {
            writer.family("dbprobe_checks", .gauge, "Configured checks by state.")
            for engine in Engine.allCases {
                guard let counts = states[engine] else { continue }
                for state in CheckState.allCases {
                    writer.sample(
                        "dbprobe_checks", labels: ExpositionWriter.labels(["engine": engine.rawValue, "state": state.rawValue]),
                        counts[state] ?? 0)
                }
            }
        }
        writer.family("dbprobe_probes_in_flight", .gauge, "Probes running now.")
        writer.sample("dbprobe_probes_in_flight", schedule.inFlight)
        writer.family("dbprobe_probes_in_flight_limit", .gauge, "Configured maximum of concurrent probes.")
        writer.sample("dbprobe_probes_in_flight_limit", schedule.limit)
        writer.family("dbprobe_probes_missed_total", .counter, "Due probes that were not started, by cause.")
        for reason in MissedReason.allCases {
            writer.sample(
                "dbprobe_probes_missed_total", labels: ExpositionWriter.labels(["cause": reason.rawValue]), schedule.missed[reason] ?? 0)
        }
        writer.family("dbprobe_schedule_lag_seconds", .histogram, "Delay between the due time and the start of probes.")
        writer.histogram("dbprobe_schedule_lag_seconds", schedule.lag)
        writer.family("dbprobe_config_last_reload_successful", .gauge, "Whether the last reload of the configuration succeeded.")
        writer.sample("dbprobe_config_last_reload_successful", schedule.lastReloadSucceeded)
        writer.family(
            "dbprobe_config_last_reload_success_timestamp_seconds", .gauge, "Unix time of the last successful reload.")
        writer.sample("dbprobe_config_last_reload_success_timestamp_seconds", schedule.lastReloadSuccess)
        writer.family("dbprobe_config_reloads_total", .counter, "Reloads of the configuration that were attempted.")
        writer.sample("dbprobe_config_reloads_total", schedule.reloads)
        writer.family("dbprobe_config_reload_failures_total", .counter, "Reloads of the configuration that failed.")
        writer.sample("dbprobe_config_reload_failures_total", schedule.reloadFailures)
        if !input.troubles.isEmpty {
            writer.family(
                "dbprobe_agent_failure_cause", .gauge, "1 for each cause of trouble of the agent itself; no series while there is none.")
            for cause in Set(input.troubles.map { [$0.phase.rawValue, $0.cause.rawValue] }).sorted(by: { $0[1] < $1[1] }) {
                writer.sample(
                    "dbprobe_agent_failure_cause", labels: ExpositionWriter.labels(["phase": cause[0], "cause": cause[1]]), 1)
            }
        }
        writer.family("dbprobe_build_info", .info, "Build of this agent.")
        writer.sample(
            "dbprobe_build_info",
            labels: ExpositionWriter.labels([
                "version": input.build.version, "revision": input.build.revision, "swift_version": input.build.swiftVersion,
                "sqlite_version": input.build.sqliteVersion, "os": BuildInfo.os, "arch": BuildInfo.architecture,
            ]), 1)
    }

    // MARK: Store

    private static func store(_ store: StoreGauges, _ metrics: Metrics.Snapshot, _ writer: inout ExpositionWriter) {
        writer.family("dbprobe_store_up", .gauge, "Whether the history store accepts writes.")
        writer.sample("dbprobe_store_up", store.isUp)
        writer.family("dbprobe_store_records_total", .counter, "Records written to the history store.")
        writer.sample("dbprobe_store_records_total", store.records)
        counts("dbprobe_store_record_failures_total", "Records that were not written, by cause.", store.recordFailures, &writer)
        writer.family("dbprobe_store_queue_records", .gauge, "Records waiting to be written.")
        writer.sample("dbprobe_store_queue_records", store.queued)
        writer.family("dbprobe_store_queue_limit_records", .gauge, "Records that may wait.")
        writer.sample("dbprobe_store_queue_limit_records", store.queueLimit)
        writer.family("dbprobe_store_commit_duration_seconds", .histogram, "Duration of write transactions.")
        writer.histogram("dbprobe_store_commit_duration_seconds", metrics.commits)
        writer.family("dbprobe_store_size_bytes", .gauge, "Size of the history database.")
        writer.sample("dbprobe_store_size_bytes", labels: [], store.size)
        writer.family("dbprobe_store_wal_size_bytes", .gauge, "Size of the write-ahead log of the history database.")
        writer.sample("dbprobe_store_wal_size_bytes", labels: [], store.writeAheadLogSize)
        writer.family("dbprobe_store_last_checkpoint_timestamp_seconds", .gauge, "Unix time of the last successful checkpoint.")
        writer.sample("dbprobe_store_last_checkpoint_timestamp_seconds", store.lastCheckpoint)
        counts(
            "dbprobe_store_recoveries_total", "Times the store was replaced because it could not be used, by cause.", store.recoveries,
            &writer)
        writer.family("dbprobe_store_pruned_records_total", .counter, "Records deleted by retention.")
        writer.sample("dbprobe_store_pruned_records_total", store.pruned)
    }

    /// Every cause is a zero from the start: what appears with its first event has no increase.
    private static func counts(_ name: String, _ help: String, _ counts: [StoreTrouble: UInt64], _ writer: inout ExpositionWriter) {
        writer.family(name, .counter, help)
        for cause in StoreTrouble.allCases {
            writer.sample(name, labels: ExpositionWriter.labels(["cause": cause.rawValue]), counts[cause] ?? 0)
        }
    }

    // MARK: HTTP, log, process

    private static func http(_ http: Metrics.HTTP, _ writer: inout ExpositionWriter) {
        var requests = http.requests
        for (handler, codes) in usualCodes {
            for code in codes { requests[Metrics.RequestKey(handler: handler, code: code), default: 0] += 0 }
        }
        writer.family("dbprobe_http_requests_total", .counter, "HTTP requests answered.")
        for (key, count) in requests.sorted(by: { ($0.key.handler.rawValue, $0.key.code) < ($1.key.handler.rawValue, $1.key.code) }) {
            writer.sample(
                "dbprobe_http_requests_total",
                labels: ExpositionWriter.labels(["handler": key.handler.rawValue, "code": String(key.code)]), count)
        }
        writer.family("dbprobe_http_request_duration_seconds", .histogram, "Duration of HTTP requests.")
        for handler in HTTPHandlerName.allCases {
            writer.histogram(
                "dbprobe_http_request_duration_seconds", labels: ExpositionWriter.labels(["handler": handler.rawValue]),
                http.durations[handler] ?? Histogram())
        }
        writer.family("dbprobe_http_connections", .gauge, "Open HTTP connections.")
        writer.sample("dbprobe_http_connections", http.connections)
        writer.family("dbprobe_http_connections_limit", .gauge, "HTTP connections that may be open.")
        writer.sample("dbprobe_http_connections_limit", http.connectionLimit)
        writer.family("dbprobe_http_rejected_total", .counter, "HTTP requests or connections that were refused, by cause.")
        for cause in HTTPRejection.allCases {
            writer.sample(
                "dbprobe_http_rejected_total", labels: ExpositionWriter.labels(["cause": cause.rawValue]), http.rejections[cause] ?? 0)
        }
    }

    /// What each handler answers when all is well, and when it is not: present as zeros from the start.
    private static let usualCodes: [(HTTPHandlerName, [Int])] = [
        (.page, [200]), (.metrics, [200]), (.livez, [200, 503]), (.readyz, [200, 503]), (.healthz, [200, 503]), (.status, [200]),
        (.history, [200, 400, 503]), (.incidents, [200, 400, 503]), (.changes, [200, 400, 503]),
        (.diagnose, [200, 400, 503]), (.probe, [200, 400, 503]), (.discovery, [200]), (.other, [404]),
    ]

    private static func log(_ log: LogSink.Counts, _ writer: inout ExpositionWriter) {
        writer.family("dbprobe_log_messages_total", .counter, "Log messages, by level.")
        for (level, count) in zip(LogSink.levelNames, log.messages) {
            writer.sample("dbprobe_log_messages_total", labels: ExpositionWriter.labels(["level": level]), count)
        }
        writer.family("dbprobe_log_messages_dropped_total", .counter, "Log messages that could not be written.")
        writer.sample("dbprobe_log_messages_dropped_total", log.dropped)
    }

    private static func process(_ process: ProcessStats, _ writer: inout ExpositionWriter) {
        writer.family("process_cpu_seconds_total", .counter, "Total user and system CPU time spent in seconds.")
        writer.sample("process_cpu_seconds_total", process.cpu)
        writer.family("process_resident_memory_bytes", .gauge, "Resident memory size in bytes.")
        writer.sample("process_resident_memory_bytes", labels: [], process.residentMemory)
        writer.family("process_virtual_memory_bytes", .gauge, "Virtual memory size in bytes.")
        writer.sample("process_virtual_memory_bytes", labels: [], process.virtualMemory)
        writer.family("process_open_fds", .gauge, "Number of open file descriptors.")
        writer.sample("process_open_fds", process.openDescriptors)
        writer.family("process_max_fds", .gauge, "Maximum number of open file descriptors.")
        writer.sample("process_max_fds", labels: [], process.descriptorLimit)
        writer.family("process_start_time_seconds", .gauge, "Start time of the process since unix epoch in seconds.")
        writer.sample("process_start_time_seconds", process.started)
    }
}
