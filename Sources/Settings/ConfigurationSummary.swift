// What a configuration will cost: for `agent config check`.
package import Diagnosis

/// The load that a configuration puts on identity endpoints and servers.
package struct ConfigurationSummary: Sendable, Hashable, JSONTabled {
    package var file: String
    /// Running copies of the agent with this configuration; logins and connections are multiplied by it.
    package var instances: Int
    package var identities: Int
    package var targets: [TargetLoad]
    package var checks: Int
    /// Of all instances together.
    package var probesPerMinute: Double
    /// Connections past `tcp` at the same moment at most, of all instances together.
    package var peakConnections: Int
    /// Names of identities that no target uses; they are watched by themselves.
    package var unusedIdentities: [String]

    package struct TargetLoad: Sendable, Hashable, JSONTabled {
        package var name: String
        package var engine: Engine
        package var endpoint: Endpoint
        package var checks: Int
        package var interval: Duration
        package var timeout: Duration
        package var loginsPerDay: Int
        /// The same if the database turns out to be serverless, which only a login tells; nil where that makes no difference.
        package var serverlessLoginsPerDay: Int?
        /// Azure SQL: whether logins may keep the database awake; `auto` has fewer of them where it is serverless.
        package var wake: WakeMode?
        package var peakConnections: Int
        /// Entries under `privileges`, each a verdict per probe of every check.
        package var privileges: Int

        package static let table = JSONTable<TargetLoad>("target_load", "What one target costs its server.") {
            JSONKey("target", "Its name.") { $0.name }
            JSONKey("engine", "What the server is.") { $0.engine }
            JSONKey("host", "The server's name.") { $0.endpoint.host }
            JSONKey("port", "Where the server listens.", .whole(1...65535)) { $0.endpoint.port }
            JSONKey("checks", "One an identity.") { $0.checks }
            JSONKey("interval_seconds", "The time between two probes of a check.") { $0.interval }
            JSONKey("timeout_seconds", "A probe is over then.") { $0.timeout }
            JSONKey("logins_per_day", "Of all instances.") { $0.loginsPerDay }
            JSONKey("serverless_logins_per_day", "If the database turns out to be serverless; null where that makes no difference.") {
                $0.serverlessLoginsPerDay
            }
            JSONKey("wake", "Azure SQL: whether logins may keep the database awake.") { $0.wake?.text }
            JSONKey("peak_connections", "At one moment at most, of all instances.") { $0.peakConnections }
            JSONKey("privileges", "Entries under privileges.") { $0.privileges }
        }
    }

    package init(_ configuration: Configuration, instances: Int = 1) {
        let instances = max(1, instances)
        let used = Set(configuration.targets.flatMap(\.identities))
        self.file = configuration.file
        self.instances = instances
        self.identities = configuration.identities.count
        self.targets = configuration.targets.map { target in
            TargetLoad(
                name: target.name, engine: target.engine, endpoint: Endpoint(host: target.host, port: target.port),
                checks: target.identities.count, interval: target.interval, timeout: target.timeout,
                loginsPerDay: Self.loginsPerDay(target, isServerless: nil) * instances,
                serverlessLoginsPerDay: target.engine == .azuresql && target.wake == .auto
                    ? Self.loginsPerDay(target, isServerless: true) * instances : nil,
                wake: target.engine == .azuresql ? target.wake : nil,
                peakConnections: min(target.identities.count, configuration.limits.concurrency) * instances,
                privileges: target.privileges.entries.count)
        }
        self.checks = configuration.targets.reduce(0) { $0 + $1.identities.count }
        self.probesPerMinute = configuration.targets.reduce(0) {
            $0 + 60 / $1.interval.seconds * Double($1.identities.count * instances)
        }
        self.peakConnections = min(checks, configuration.limits.concurrency) * instances
        self.unusedIdentities = configuration.identities.map(\.name).filter { !used.contains($0) }
    }

    /// Of all checks of the target, in one instance.
    private static func loginsPerDay(_ target: Target, isServerless: Bool?) -> Int {
        let probes = 86400 / target.interval.seconds
        let logins = target.wake.loginsPerDay(isServerless: isServerless).map { min(Double($0), probes) } ?? probes
        return Int((logins * Double(target.identities.count)).rounded())
    }

    package static let table = JSONTable<ConfigurationSummary>("load", "What a configuration costs identity endpoints and servers.") {
        JSONKey("file", "Which file it is of.") { $0.file }
        JSONKey("instances", "How many agents run with it.") { $0.instances }
        JSONKey("identities", "How many there are.") { $0.identities }
        JSONKey("checks", "How many there are.") { $0.checks }
        JSONKey("probes_per_minute", "Of all instances.") { ($0.probesPerMinute * 100).rounded() / 100 }
        JSONKey("peak_connections", "At one moment at most, of all instances.") { $0.peakConnections }
        JSONKey("unused_identities", "Those that no target uses.") { $0.unusedIdentities }
        JSONKey("targets", "One by one.") { $0.targets }
    }

    /// **Shape**: one line a target and one for the whole, without a final line break.
    package var text: String {
        var lines = targets.map { target in
            "\(target.name): \(target.engine.rawValue) \(target.endpoint), \(counted(target.checks, "check"))"
                + " every \(Durations.text(target.interval)), \(counted(target.loginsPerDay, "login")) a day,"
                + " at most \(counted(target.peakConnections, "connection"))"
                + (target.serverlessLoginsPerDay.map { " (if the database is serverless, \(counted($0, "login")) a day)" }
                    ?? target.wake.map { " (wake: \($0.text))" } ?? "")
                + Self.rights(target.privileges)
        }
        if !unusedIdentities.isEmpty { lines.append("watched without a target: \(unusedIdentities.joined(separator: ", "))") }
        let rate = (probesPerMinute * 10).rounded() / 10
        let rateText = rate == rate.rounded() ? String(Int(rate)) : String(rate)
        lines.append(
            "\(file): valid, \(counted(checks, "check")), \(rateText) probes a minute, at most \(counted(peakConnections, "connection"))"
                + (instances > 1 ? ", all for \(instances) instances together" : "; several instances multiply these numbers"))
        return lines.joined(separator: "\n")
    }

    private func counted(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    private static func rights(_ count: Int) -> String {
        count == 0 ? "" : ", rights compared with \(count) \(count == 1 ? "entry" : "entries")"
    }
}
