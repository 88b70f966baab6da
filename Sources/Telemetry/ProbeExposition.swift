// What `/probe` answers: one probe under the names that blackbox_exporter made usual, so that dashboards and alerts made for it fit.
package import Diagnosis

/// The metrics of one probe on demand. They carry no target: who asks knows whom it asked about.
package struct ProbeExposition: Sendable {
    package var observation: Observation
    /// The time that the probe was given.
    package var timeout: Duration
    /// Why logins of the check rest, when the probe stopped before its login for that reason.
    package var resting: Failure?

    package init(_ observation: Observation, timeout: Duration, resting: Failure? = nil) {
        self.observation = observation
        self.timeout = timeout
        self.resting = resting
    }

    /// Nobody logged in so that the database may sleep, and the last login did not fail either: neither up nor down.
    private var isAsleep: Bool { observation.outcome == .partial(.asleep) && resting == nil }

    /// **Shape**: a metric whose value is not known is absent, as in blackbox_exporter; duration and timeout are always there, and so is
    /// success unless the database may sleep.
    package func render(as format: ExpositionFormat = .text) -> [UInt8] {
        var writer = ExpositionWriter(format, capacity: 4096)
        let facts = observation.facts
        if isAsleep {
            writer.family(
                "probe_db_asleep", .gauge, "1 while nobody logs in so that the database may sleep; there is no probe_success then.")
            writer.sample("probe_db_asleep", true)
        } else {
            writer.family("probe_success", .gauge, "Whether the probe went from token to query (1) or not (0).")
            writer.sample("probe_success", observation.outcome == .succeeded)
        }
        writer.family("probe_duration_seconds", .gauge, "Duration of the probe.")
        writer.sample("probe_duration_seconds", observation.duration)
        writer.family("probe_timeout_seconds", .gauge, "Time that the probe was given.")
        writer.sample("probe_timeout_seconds", timeout)
        phases(&writer)
        if let address = facts.address {
            writer.family("probe_ip_protocol", .gauge, "Version of the Internet protocol that the last connection used.")
            writer.sample("probe_ip_protocol", address.contains(":") ? 6 : 4)
        }
        if let certificate = facts.certificate {
            writer.family(
                "probe_ssl_earliest_cert_expiry", .gauge, "Unix time of the earliest expiry in the chain that the server presented.")
            writer.sample("probe_ssl_earliest_cert_expiry", certificate.chainNotAfter)
        }
        if let version = facts.tlsVersion {
            writer.family("probe_tls_version_info", .info, "Version of TLS that was agreed on.")
            writer.sample("probe_tls_version_info", labels: ExpositionWriter.labels(["version": version]), 1)
        }
        if let cipher = facts.tlsCipher {
            writer.family("probe_tls_cipher_info", .info, "Cipher that was agreed on.")
            writer.sample("probe_tls_cipher_info", labels: ExpositionWriter.labels(["cipher": cipher]), 1)
        }
        if let failure = observation.failure ?? (observation.isPartial ? resting : nil) {
            writer.family(
                "probe_db_failure_cause", .gauge, "1 for the cause of the failure; while logins rest, of the failure that made them rest.")
            writer.sample(
                "probe_db_failure_cause",
                labels: ExpositionWriter.labels(["phase": failure.phase.rawValue, "cause": failure.cause.rawValue]), 1)
        }
        let verdicts = facts.privileges?.verdicts ?? []
        if !verdicts.isEmpty {
            writer.family("probe_db_privilege_check_passed", .gauge, "Whether the named privilege requirement held.")
            for (label, isPassed) in verdicts {
                writer.sample("probe_db_privilege_check_passed", labels: ExpositionWriter.labels(["privilege": label]), isPassed)
            }
        }
        if let expires = facts.tokenExpires {
            writer.family("probe_db_token_expiry_timestamp_seconds", .gauge, "Unix time at which the token that was used expires.")
            writer.sample("probe_db_token_expiry_timestamp_seconds", expires)
        }
        writer.end()
        return writer.bytes
    }

    private func phases(_ writer: inout ExpositionWriter) {
        let timed = observation.phases.filter { $0.duration != nil && !$0.isCached }
        if let lookup = timed.first(where: { $0.phase == .dns })?.duration {
            writer.family("probe_dns_lookup_time_seconds", .gauge, "Time that the lookup of the name took.")
            writer.sample("probe_dns_lookup_time_seconds", lookup)
        }
        guard !timed.isEmpty else { return }
        writer.family("probe_db_duration_seconds", .gauge, "Duration of each phase that ran; no sample for a cached token.")
        for result in timed {
            writer.sample(
                "probe_db_duration_seconds", labels: ExpositionWriter.labels(["phase": result.phase.rawValue]), result.duration ?? .zero)
        }
    }
}
