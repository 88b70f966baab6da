// The same catalogue in OpenMetrics 1.0, as a strict parser that others wrote reads it.
import Diagnosis
import Foundation
import Testing

@testable import Telemetry

@Suite struct OpenMetricsTests {
    enum Page: String, Sendable, CaseIterable { case young, old, hostile, empty, fresh }

    private func input(_ page: Page) -> ExpositionInput {
        switch page {
        case .young: Samples.exposition(Samples.young(), isOld: false)
        case .old: Samples.exposition(Samples.old())
        case .hostile: Samples.exposition(Samples.hostile("<b>\"\\\n\u{0}é😀#{},= "))
        case .empty: Samples.exposition(Board(targets: [], identities: []), isOld: false)
        case .fresh: Samples.fresh()
        }
    }

    @Test("A strict parser reads every page", .timeLimit(.minutes(1)), arguments: Page.allCases)
    func strict(page: Page) throws {
        let result = try strictly(Exposition.render(input(page), as: .openMetrics))
        #expect(result.status == 0, "\(result.output)")
    }

    @Test("The strict parser does refuse what breaks the rules", .timeLimit(.minutes(1)))
    func strictIsAwake() throws {
        for text in [
            "# TYPE x counter\nx 1\n# EOF\n", "# TYPE x counter\nx_total 1\n", "# TYPE x_total counter\n# UNIT x_total seconds\n# EOF\n",
        ] {
            #expect(try strictly(Array(text.utf8)).status != 0, "\(text)")
        }
    }

    @Test("Both formats say the same: every sample is the same line in the same order", arguments: Page.allCases)
    func sameSamples(page: Page) {
        let input = input(page)
        func samples(_ format: ExpositionFormat) -> [Substring] {
            String(decoding: Exposition.render(input, as: format), as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("# ") }
        }
        #expect(samples(.text) == samples(.openMetrics))
    }

    @Test("Counters and descriptions lose their endings in the name of the family, and units are told")
    func families() {
        let lines = Set(
            String(decoding: Exposition.render(input(.old), as: .openMetrics), as: UTF8.self).split(separator: "\n").map(String.init))
        for line in [
            "# TYPE dbprobe_probes counter", "# TYPE dbprobe_target info", "# TYPE dbprobe_build info", "# TYPE dbprobe_up gauge",
            "# TYPE process_cpu_seconds counter", "# UNIT process_cpu_seconds seconds", "# UNIT dbprobe_store_size_bytes bytes",
            "# UNIT dbprobe_probe_duration_seconds seconds", "# TYPE dbprobe_probe_duration_seconds histogram",
        ] { #expect(lines.contains(line), "\(line)") }
        #expect(!lines.contains { $0.hasPrefix("# ") && $0.contains("_total ") })
    }

    @Test("The last line says that nothing is missing, and only there")
    func end() {
        let text = String(decoding: Exposition.render(input(.old), as: .openMetrics), as: UTF8.self)
        #expect(text.hasSuffix("\n# EOF\n"))
        #expect(text.components(separatedBy: "# EOF").count == 2)
        #expect(!String(decoding: Exposition.render(input(.old)), as: UTF8.self).contains("# EOF"))
    }

    @Test("Everything that can be known in advance is there as zero before anything happened")
    func zeros() throws {
        let parsed = try ParsedExposition(Exposition.render(Samples.fresh()))
        let expected: [(String, Int)] = [
            ("dbprobe_probes_total", 2), ("dbprobe_probe_failures_total", 2), ("dbprobe_token_requests_total", 2),
            ("dbprobe_token_lookups_total", 2), ("dbprobe_token_cache_hits_total", 2),
            ("dbprobe_token_throttled_total", TokenSourceKind.allCases.count), ("dbprobe_probes_missed_total", 3),
            ("dbprobe_config_reloads_total", 1), ("dbprobe_config_reload_failures_total", 1), ("dbprobe_store_records_total", 1),
            ("dbprobe_store_record_failures_total", StoreTrouble.allCases.count),
            ("dbprobe_store_recoveries_total", StoreTrouble.allCases.count), ("dbprobe_store_pruned_records_total", 1),
            ("dbprobe_http_rejected_total", HTTPRejection.allCases.count), ("dbprobe_log_messages_total", 7),
        ]
        for (name, count) in expected { #expect(parsed.samples(name).count == count, "\(name)") }
        let causes = PossibleFailures.pairs(.postgresql)[0].causes.count
        #expect(parsed.samples("dbprobe_token_request_failures_total").count == 2 * causes)
        for handler in HTTPHandlerName.allCases {
            #expect(parsed.samples("dbprobe_http_requests_total").contains { $0.labels["handler"] == handler.rawValue })
            #expect(parsed.value("dbprobe_http_request_duration_seconds_count", ["handler": handler.rawValue]) == 0)
        }
        // What happens first to a history is often that its file is gone, or another agent's.
        for cause in ["missing", "locked", "newer_schema", "foreign"] {
            #expect(parsed.value("dbprobe_store_recoveries_total", ["cause": cause]) == 0, "\(cause)")
        }
        #expect(parsed.value("dbprobe_token_request_duration_seconds_count", ["source": "imds"]) == 0)
        #expect(parsed.samples("dbprobe_probe_phase_duration_seconds_count").count == Phase.probed.count)
        let counters = parsed.types.filter { $0.value == "counter" && $0.key.hasPrefix("dbprobe_") }.keys
        #expect(parsed.samples.filter { counters.contains($0.name) }.allSatisfy { $0.value == 0 })
    }

    @Test("One probe is told under the names that blackbox_exporter made usual", .timeLimit(.minutes(1)))
    func probe() throws {
        let check = CheckID(target: "orders", identity: "app")
        var good = Samples.success(check)
        good.facts.tlsVersion = "TLSv1.3"
        good.facts.tlsCipher = "TLS_AES_256_GCM_SHA384"
        let parsed = try ParsedExposition(ProbeExposition(good, timeout: .seconds(9.5)).render())
        #expect(parsed.value("probe_success") == 1)
        #expect(parsed.value("probe_duration_seconds") == 0.02125)
        #expect(parsed.value("probe_timeout_seconds") == 9.5)
        #expect(parsed.value("probe_dns_lookup_time_seconds") == 0.0016)
        #expect(parsed.value("probe_ip_protocol") == 4)
        #expect(parsed.value("probe_ssl_earliest_cert_expiry") == Samples.now.seconds + 86400 * 190)
        #expect(parsed.value("probe_tls_version_info", ["version": "TLSv1.3"]) == 1)
        #expect(parsed.value("probe_tls_cipher_info", ["cipher": "TLS_AES_256_GCM_SHA384"]) == 1)
        #expect(parsed.value("probe_db_token_expiry_timestamp_seconds") == Samples.now.seconds + 10_000)
        #expect(
            parsed.samples("probe_db_duration_seconds").compactMap { $0.labels["phase"] } == [
                "dns", "tcp", "negotiate", "tls", "login", "query",
            ])
        #expect(parsed.samples("probe_db_failure_cause").isEmpty)
        let bad = Samples.failure(check, .loginRefused, .login)
        let failed = try ParsedExposition(ProbeExposition(bad, timeout: .seconds(1)).render())
        #expect(failed.value("probe_success") == 0)
        #expect(failed.value("probe_db_failure_cause", ["phase": "login", "cause": "login_refused"]) == 1)
        #expect(failed.samples("probe_ip_protocol").isEmpty)
        for page in [ProbeExposition(good, timeout: .seconds(9.5)), ProbeExposition(bad, timeout: .seconds(1))] {
            let text = try run("promtool", ["check", "metrics"], input: page.render())
            #expect(text.status == 0 && text.output == "", "\(text.output)")
            #expect(try strictly(page.render(as: .openMetrics)).status == 0)
        }
    }

    @Test("A probe on demand tells which rights hold by their names, and tells none without a verdict", .timeLimit(.minutes(1)))
    func probedRights() throws {
        let name = "probe_db_privilege_check_passed"
        let rule = PrivilegeRule(object: .database, rights: [.connect])
        let missing = PrivilegeRow(.missing, sort: "table", schema: "s", name: "t", owner: "o", rights: ["SELECT"])
        var observation = Samples.success(CheckID(target: "orders", identity: "app"))
        observation.facts.privileges = PrivilegeReport(
            role: "app",
            entries: [
                .init(label: "require", demand: .require, rule: rule, rows: []),
                .init(label: "wri\"tes", demand: .require, rule: rule, rows: [missing]),
            ])
        let page = ProbeExposition(observation, timeout: .seconds(9.5))
        let parsed = try ParsedExposition(page.render())
        #expect(parsed.samples(name).map(\.labels) == [["privilege": "require"], ["privilege": "wri\"tes"]])
        #expect(parsed.samples(name).map(\.value) == [1, 0])
        #expect(parsed.value("probe_success") == 1)
        let text = try run("promtool", ["check", "metrics"], input: page.render())
        #expect(text.status == 0 && text.output == "", "\(text.output)")
        #expect(try strictly(page.render(as: .openMetrics)).status == 0)
        observation.facts.privileges = PrivilegeReport(role: "app", administrator: "superuser")
        #expect(try ParsedExposition(ProbeExposition(observation, timeout: .seconds(1)).render()).samples(name).isEmpty)
    }

    @Test("A probe that stops before its login is no success, and names the failure that made logins rest")
    func resting() throws {
        let check = CheckID(target: "orders", identity: "app")
        let partial = Observation(
            check: check, started: Samples.now, duration: .milliseconds(3), phases: Samples.phases(), outcome: .partial(.loginPaused))
        let page = ProbeExposition(partial, timeout: .seconds(1), resting: Failure(.loginRefused, during: .login))
        let parsed = try ParsedExposition(page.render())
        #expect(parsed.value("probe_success") == 0)
        #expect(parsed.value("probe_db_failure_cause", ["phase": "login", "cause": "login_refused"]) == 1)
    }
}

/// Reads an exposition with prometheus_client's strict parser, to the last sample.
func strictly(_ exposition: [UInt8]) throws -> (status: Int32, output: String) {
    // The package of the distribution belongs to the interpreter of the distribution.
    let python = FileManager.default.isExecutableFile(atPath: "/usr/bin/python3") ? "/usr/bin/python3" : "python3"
    let program = """
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as families; import sys
        print(sum(len(family.samples) for family in families(sys.stdin.buffer.read().decode("utf-8"))))
        """
    return try run(python, ["-c", program], input: exposition)
}
