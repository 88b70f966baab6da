// The metrics page: rules of series, numbers, escaping, and what promtool says.
import Diagnosis
import Foundation
import Testing

@testable import Telemetry

private let orders = ["target": "orders", "identity": "app"]
private let billing = ["target": "billing", "identity": "app"]
private let crm = ["target": "crm", "identity": "app"]

@Suite struct ExpositionTests {
    @Test("Before the first probe there are counters and descriptions but no verdict and no last values")
    func young() throws {
        let parsed = try ParsedExposition(Exposition.render(Samples.exposition(Samples.young(), isOld: false)))
        #expect(parsed.samples.allSatisfy { $0.name != "dbprobe_up" && !$0.name.hasPrefix("dbprobe_last_") })
        #expect(parsed.samples("dbprobe_failure_cause").isEmpty)
        #expect(parsed.value("dbprobe_probes_total", orders) == 0)
        #expect(parsed.value("dbprobe_probe_failures_total", orders) == 0)
        #expect(parsed.value("dbprobe_checks", ["engine": "postgresql", "state": "unknown"]) == 2)
        #expect(
            parsed.value(
                "dbprobe_target_info",
                orders.merging(
                    ["engine": "postgresql", "host": "orders.postgres.database.azure.com", "port": "5432", "database": "orders"]) { $1 })
                == 1)
    }

    @Test("After probes every check shows its verdict, durations and times")
    func old() throws {
        let parsed = try ParsedExposition(Exposition.render(Samples.exposition(Samples.old())))
        #expect(parsed.value("dbprobe_up", orders) == 1)
        #expect(parsed.value("dbprobe_up", billing) == 0)
        #expect(parsed.value("dbprobe_up", crm) == nil)
        #expect(parsed.value("dbprobe_probes_total", billing) == 3)
        #expect(parsed.value("dbprobe_probe_failures_total", billing) == 3)
        #expect(parsed.value("dbprobe_consecutive_failures", billing) == 3)
        #expect(parsed.value("dbprobe_last_duration_seconds", orders) == 0.02125)
        #expect(parsed.value("dbprobe_last_probe_timestamp_seconds", orders) == Samples.now.seconds + 0.021)
        #expect(parsed.value("dbprobe_last_attempt_timestamp_seconds", orders) == Samples.now.seconds + 0.021)
        #expect(parsed.value("dbprobe_last_attempt_timestamp_seconds", crm) == nil)
        #expect(parsed.value("dbprobe_last_success_timestamp_seconds", billing) == 0)
        #expect(parsed.value("dbprobe_tls_cert_expiry_timestamp_seconds", orders) == Samples.now.seconds + 86400 * 190)
        #expect(parsed.value("dbprobe_tls_cert_expiry_timestamp_seconds", billing) == 0)
        #expect(parsed.value("dbprobe_interval_seconds", crm) == 60)
        #expect(
            parsed.samples("dbprobe_failure_cause").map(\.labels) == [billing.merging(["phase": "tcp", "cause": "tcp_refused"]) { $1 }])
    }

    @Test("A cached token and phases that did not run have no duration")
    func phases() throws {
        let parsed = try ParsedExposition(Exposition.render(Samples.exposition(Samples.old())))
        let phases = parsed.samples("dbprobe_last_phase_duration_seconds")
        #expect(
            phases.filter { $0.labels["target"] == "orders" }.compactMap { $0.labels["phase"] } == [
                "dns", "tcp", "negotiate", "tls", "login", "query",
            ])
        #expect(phases.filter { $0.labels["target"] == "billing" }.compactMap { $0.labels["phase"] } == ["dns", "tcp"])
    }

    @Test("A check that was down and recovers loses its cause and its count of failures")
    func recovery() throws {
        let board = Samples.old()
        _ = board.record(Samples.success(CheckID(target: "billing", identity: "app")))
        let parsed = try ParsedExposition(Exposition.render(Samples.exposition(board)))
        #expect(parsed.samples("dbprobe_failure_cause").isEmpty)
        #expect(parsed.value("dbprobe_consecutive_failures", billing) == 0)
        #expect(parsed.value("dbprobe_up", billing) == 1)
    }

    @Test("A probe that stopped on purpose moves the time of the last attempt and leaves every other value as it was")
    func partial() throws {
        let name = "dbprobe_last_attempt_timestamp_seconds"
        let board = Samples.old()
        func others() -> [Substring] {
            String(decoding: Exposition.render(Samples.exposition(board)), as: UTF8.self).split(separator: "\n").filter {
                !$0.hasPrefix(name)
            }
        }
        func attempt() throws -> Double? { try ParsedExposition(Exposition.render(Samples.exposition(board))).value(name, billing) }
        let (before, first) = (others(), try #require(try attempt()))
        let check = CheckID(target: "billing", identity: "app")
        _ = board.record(
            Observation(
                check: check, started: Samples.now + .seconds(60), duration: .seconds(1), phases: Samples.phases(),
                outcome: .partial(.loginPaused)))
        #expect(others() == before)
        #expect(try attempt() == Samples.now.seconds + 61)
        #expect(first < Samples.now.seconds + 60)
    }

    @Test("Every possible failure has a zero from the start, and an unforeseen one is counted all the same")
    func failureEvents() throws {
        let young = try ParsedExposition(Exposition.render(Samples.exposition(Samples.young(), isOld: false)))
        let possible = PossibleFailures.pairs(.postgresql).reduce(0) { $0 + $1.causes.count }
        #expect(young.samples("dbprobe_failure_events_total").count == possible)
        #expect(young.samples("dbprobe_failure_events_total").allSatisfy { $0.value == 0 })
        let old = try ParsedExposition(Exposition.render(Samples.exposition(Samples.old())))
        func events(_ phase: String, _ cause: String) -> Double? {
            old.value("dbprobe_failure_events_total", ["engine": "postgresql", "phase": phase, "cause": cause])
        }
        #expect(events("tcp", "tcp_refused") == 1)
        #expect(events("query", "dns_not_found") == 1)
    }

    @Test("Every cause that a probe can end with is in the table of possible failures")
    func tableIsComplete() {
        let listed = Set(Engine.allCases.flatMap { PossibleFailures.pairs($0).flatMap(\.causes) })
        // A configuration that cannot be used is refused before there is a probe; rights of tomorrow end no probe.
        #expect(Set(Cause.allCases).subtracting(listed) == [.configInvalid, .privilegeFutureObjects])
        for engine in [Engine.postgresql, .mysql] {
            for (phase, causes) in PossibleFailures.pairs(engine) { #expect(Set(causes).count == causes.count, "twice in \(phase)") }
            #expect(PossibleFailures.pairs(engine).map(\.phase) == Phase.probed)
        }
    }

    @Test("A verdict on rights is one series per name, and there is none without a verdict")
    func privileges() throws {
        func page(_ report: PrivilegeReport?) throws -> ParsedExposition {
            let board = Board(targets: [Samples.target("orders")], identities: ["app"])
            var observation = Samples.success(CheckID(target: "orders", identity: "app"))
            observation.facts.privileges = report
            _ = board.record(observation)
            return try ParsedExposition(Exposition.render(Samples.exposition(board)))
        }
        func entry(_ label: String, _ demand: PrivilegeDemand, _ rows: [PrivilegeRow]) -> PrivilegeReport.Entry {
            PrivilegeReport.Entry(label: label, demand: demand, rule: PrivilegeRule(object: .database, rights: [.connect]), rows: rows)
        }
        let missing = PrivilegeRow(.missing, sort: "table", schema: "s", name: "t", owner: "o", rights: ["SELECT"])
        let future = PrivilegeRow(.future, sort: "role", schema: "s", name: "o", owner: "o", rights: ["SELECT"])
        let parsed = try page(
            PrivilegeReport(
                role: "aad_orders",
                entries: [
                    entry("require", .require, []), entry("require", .require, [missing]), entry("writes", .require, [future]),
                    entry("deny", .deny, []),
                ]))
        func value(_ label: String) -> Double? {
            parsed.value("dbprobe_privilege_passed", ["target": "orders", "identity": "app", "privilege": label])
        }
        #expect(value("require") == 0)
        #expect(value("writes") == 1)
        #expect(value("deny") == 1)
        #expect(parsed.value("dbprobe_up", ["target": "orders", "identity": "app"]) == 1)
        let silent: [PrivilegeReport?] = [
            nil, PrivilegeReport(role: "r", administrator: "superuser"),
            PrivilegeReport(role: "r", entries: [entry("require", .require, [])], problem: Failure(.queryTimeout, during: .privileges)),
        ]
        for report in silent { #expect(try page(report).samples("dbprobe_privilege_passed").isEmpty) }
    }

    @Test("Histograms are cumulative, end at infinity and agree with their count and sum")
    func histograms() throws {
        let parsed = try ParsedExposition(Exposition.render(Samples.exposition(Samples.old())))
        let labels = ["engine": "postgresql"]
        let buckets = parsed.samples("dbprobe_probe_duration_seconds_bucket")
        #expect(
            buckets.compactMap { $0.labels["le"] } == [
                "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "+Inf",
            ])
        #expect(buckets.map(\.value) == [2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3])
        #expect(parsed.value("dbprobe_probe_duration_seconds_count", labels) == 3)
        #expect(parsed.value("dbprobe_probe_duration_seconds_sum", labels) == 0.02725)
    }

    @Test("A duration equal to a bound belongs to its bucket, and a longer one than all to infinity")
    func bounds() {
        var histogram = Histogram()
        histogram.observe(.milliseconds(5))
        histogram.observe(.nanoseconds(5_000_001))
        histogram.observe(.seconds(31))
        histogram.observe(.seconds(-1))
        #expect(histogram.counts == [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    }

    @Test("Tokens, requests and throttling are shown per identity and source")
    func tokens() throws {
        let parsed = try ParsedExposition(Exposition.render(Samples.exposition(Samples.old())))
        let app = ["identity": "app", "resource": "ossrdbms"]
        #expect(parsed.value("dbprobe_token_expiry_timestamp_seconds", app) == Samples.now.seconds + 86400)
        #expect(parsed.value("dbprobe_token_lifetime_seconds", app) == 86400)
        #expect(parsed.value("dbprobe_token_expiry_timestamp_seconds", ["identity": "reporting", "resource": "ossrdbms"]) == 0)
        #expect(parsed.value("dbprobe_token_lookups_total", ["identity": "app"]) == 2)
        #expect(parsed.value("dbprobe_token_cache_hits_total", ["identity": "app"]) == 1)
        #expect(parsed.value("dbprobe_token_requests_total", ["identity": "reporting", "source": "imds"]) == 1)
        let failed = ["identity": "reporting", "source": "imds", "cause": "identity_not_assigned"]
        #expect(parsed.value("dbprobe_token_request_failures_total", failed) == 1)
        #expect(parsed.value("dbprobe_token_request_failures_total", failed.merging(["cause": "entra_unavailable"]) { $1 }) == 0)
        #expect(parsed.value("dbprobe_token_throttled_total", ["source": "imds"]) == 1)
        #expect(parsed.value("dbprobe_token_throttled_total", ["source": "app_service"]) == 0)
        #expect(parsed.value("dbprobe_identity_up", ["identity": "reporting"]) == 0)
    }

    @Test("Scheduler, store, HTTP, log and process have their values")
    func rest() throws {
        let parsed = try ParsedExposition(Exposition.render(Samples.exposition(Samples.old())))
        #expect(parsed.value("dbprobe_probes_missed_total", ["cause": "overrun"]) == 1)
        #expect(parsed.value("dbprobe_config_last_reload_successful") == 0)
        #expect(parsed.value("dbprobe_config_reloads_total") == 2)
        #expect(parsed.value("dbprobe_config_reload_failures_total") == 1)
        #expect(parsed.value("dbprobe_store_records_total") == 12)
        #expect(parsed.value("dbprobe_store_record_failures_total", ["cause": "missing"]) == 1)
        #expect(parsed.value("dbprobe_store_record_failures_total", ["cause": "disk_full"]) == 0)
        #expect(parsed.value("dbprobe_http_requests_total", ["handler": "other", "code": "404"]) == 1)
        #expect(parsed.value("dbprobe_http_rejected_total", ["cause": "host"]) == 1)
        #expect(parsed.value("dbprobe_log_messages_total", ["level": "warning"]) == 2)
        #expect(parsed.value("dbprobe_log_messages_dropped_total") == 4)
        #expect(parsed.value("process_cpu_seconds_total") == 1.234)
    }

    @Test("Whatever a label holds comes back unchanged from a reader of the format")
    func labelRoundTrip() throws {
        var generator = Sequence(seed: 7)
        let alphabet = Array("ab\\\"\n{},= é😀\u{0}#").map(String.init)
        for _ in 0..<200 {
            let text = (0..<generator.next(12)).map { _ in alphabet[generator.next(alphabet.count)] }.joined()
            var target = Samples.target("orders")
            target.database = text
            target.host = text
            let board = Board(targets: [target], identities: ["app"])
            let parsed = try ParsedExposition(Exposition.render(Samples.exposition(board)))
            #expect(parsed.samples("dbprobe_target_info").map { $0.labels["database"] } == [text])
        }
    }

    @Test("The written page is the same as ever", arguments: [false, true])
    func golden(isOld: Bool) {
        let text = String(
            decoding: Exposition.render(Samples.exposition(isOld ? Samples.old() : Samples.young(), isOld: isOld)), as: UTF8.self)
        let start = isOld ? Self.oldStart : Self.youngStart
        #expect(text.hasPrefix(start))
    }

    private static let youngStart = """
        # HELP dbprobe_probes_total Completed probes of the target.
        # TYPE dbprobe_probes_total counter
        dbprobe_probes_total{target="orders",identity="app"} 0
        dbprobe_probes_total{target="orders",identity="reporting"} 0
        # HELP dbprobe_probe_failures_total Completed probes of the target that failed.

        """
    private static let oldStart = """
        # HELP dbprobe_up Whether the last completed probe went from token to query (1) or not (0); absent while the database sleeps.
        # TYPE dbprobe_up gauge
        dbprobe_up{target="orders",identity="app"} 1
        dbprobe_up{target="billing",identity="app"} 0
        # HELP dbprobe_probes_total Completed probes of the target.
        # TYPE dbprobe_probes_total counter
        dbprobe_probes_total{target="orders",identity="app"} 1
        dbprobe_probes_total{target="billing",identity="app"} 3
        dbprobe_probes_total{target="crm",identity="app"} 0
        # HELP dbprobe_probe_failures_total Completed probes of the target that failed.
        # TYPE dbprobe_probe_failures_total counter
        dbprobe_probe_failures_total{target="orders",identity="app"} 0
        dbprobe_probe_failures_total{target="billing",identity="app"} 3
        dbprobe_probe_failures_total{target="crm",identity="app"} 0
        # HELP dbprobe_last_duration_seconds Duration of the last completed probe of the target.
        # TYPE dbprobe_last_duration_seconds gauge
        dbprobe_last_duration_seconds{target="orders",identity="app"} 0.02125
        dbprobe_last_duration_seconds{target="billing",identity="app"} 0.003
        # HELP dbprobe_last_phase_duration_seconds Duration of each phase that ran in the last completed probe; no sample for a phase that did not run or a cached token.
        # TYPE dbprobe_last_phase_duration_seconds gauge
        dbprobe_last_phase_duration_seconds{target="orders",identity="app",phase="dns"} 0.0016

        """

    @Test("promtool finds nothing to complain about", .timeLimit(.minutes(1)), arguments: [false, true])
    func promtool(isOld: Bool) throws {
        let bytes = Exposition.render(Samples.exposition(isOld ? Samples.old() : Samples.young(), isOld: isOld))
        // The suite of checks outside the tests looks at the same pages.
        if let folder = ProcessInfo.processInfo.environment["AGENT_EXPOSITION_FOLDER"] {
            try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(isOld ? "old" : "young").prom"))
        }
        let result = try run("promtool", ["check", "metrics"], input: bytes)
        #expect(result.status == 0, "\(result.output)")
        #expect(result.output == "")
    }

    @Test("promtool does complain about a page that breaks the rules", .timeLimit(.minutes(1)))
    func promtoolIsAwake() throws {
        let result = try run("promtool", ["check", "metrics"], input: Array("# TYPE x_total gauge\nx_total 1\n".utf8))
        #expect(result.status != 0)
    }

    @Test("A thousand checks give about as many series as the catalogue says")
    func large() throws {
        let parsed = try ParsedExposition(Exposition.render(Samples.exposition(Samples.large())))
        #expect((15_000...21_000).contains(parsed.samples.count))
    }

    @Test("What the kernel says about this process is believable")
    func process() throws {
        let stats = try #require(ProcessStats.current())
        #expect(stats.residentMemory > 1 << 20)
        #expect(stats.virtualMemory > stats.residentMemory)
        #expect(stats.openDescriptors >= 3)
        #expect(stats.cpu > .zero)
        #expect(abs((Timestamp.now - stats.started).seconds) < 3600)
    }
}

/// Numbers that are the same in every run.
struct Sequence {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next(_ limit: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % limit
    }
}

/// Runs a program with bytes on its standard input.
func run(_ program: String, _ arguments: [String], input: [UInt8]) throws -> (status: Int32, output: String) {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("agent-test-\(UUID().uuidString)")
    try Data(input).write(to: folder)
    defer { try? FileManager.default.removeItem(at: folder) }
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    process.standardInput = try FileHandle(forReadingFrom: folder)
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
}

/// Runs a program on a thread of its own, while tasks of the test go on.
func runBeside(_ program: String, _ arguments: [String]) async throws -> (status: Int32, output: String) {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try run(program, arguments, input: []) }) }
    }
}
