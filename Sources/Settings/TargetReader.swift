// The part `targets:` of the file.
import Diagnosis

struct TargetReader {
    let issues: IssueList
    let cloud: Cloud
    let defaults: Configuration.Defaults
    /// Names that `identities:` defines.
    let identityNames: [String]
    /// Folder that relative file names start from.
    let base: String

    static let laterKeys = ["query": "queries of one's own"]
    static let intervalRange: ClosedRange<Duration> = .seconds(1) ... .seconds(86400)
    static let timeoutRange: ClosedRange<Duration> = .seconds(1) ... .seconds(120)

    func read(_ root: Section) -> [Target] {
        var targets: [Target] = []
        var places: [String: YAMLValue.Position] = [:]
        for item in root.list("targets") ?? [] {
            guard let fields = Section(item.value, path: item.path, issues: issues) else { continue }
            let name = self.name(fields)
            if let name {
                if let first = places[name.value] {
                    issues.error(name.path, at: name.position, "the name \"\(name.value)\" is taken by the target on line \(first.line)")
                } else {
                    places[name.value] = name.position
                }
            }
            if let target = target(fields, name: name?.value) { targets.append(target) }
        }
        return targets
    }

    private func name(_ fields: Section) -> Placed<String>? {
        guard let name = required("name", fields, like: "name: orders") else { return nil }
        if let problem = Names.problem(ofName: name.value) {
            issues.error(name.path, at: name.position, "the name \(problem)")
        }
        return name
    }

    private func target(_ fields: Section, name: String?) -> Target? {
        fields.allow(ConfigurationShape.target, later: Self.laterKeys)
        var engine: Engine?
        if fields.value("engine") == nil {
            issues.error(fields.path, at: fields.position, "the key \"engine\" is missing, as in engine: postgresql")
        } else if let choice = fields.choice("engine", of: Engine.self) {
            engine = choice.value
        }
        let host = required("host", fields, like: "host: orders.postgres.database.azure.com")
        if let host { check(host: host, engine: engine ?? .postgresql) }
        let port = fields.integer("port", in: 1...65535)
        let database = required("database", fields, like: "database: orders")
        if let database {
            switch engine {
            case .postgresql? where database.value.utf8.count > 63:
                issues.error(database.path, at: database.position, "is longer than the 63 bytes that PostgreSQL keeps of a name")
            case .mysql? where database.value.count > 64:
                issues.error(database.path, at: database.position, "is longer than the 64 characters that MySQL takes for a name")
            case .azuresql?: check(database: database)
            default: break
            }
        }
        let user: Placed<String>?
        if engine == .azuresql {
            user = nil
            if fields.value("user") != nil {
                issues.error(
                    fields.path("user"), at: fields.value("user")?.position,
                    "Azure SQL finds the user by the token alone; remove the key")
            }
        } else {
            user = required("user", fields, like: "user: aad_orders")
        }
        let wake = self.wake(fields, engine: engine)
        if let user { check(user: user, host: host?.value, engine: engine ?? .postgresql) }
        let identities = self.identities(fields)
        let interval = fields.duration("interval", in: Self.intervalRange)
        let timeout = fields.duration("timeout", in: Self.timeoutRange)
        let effective = (interval: interval?.value ?? defaults.interval, timeout: timeout?.value ?? defaults.timeout)
        if let own = interval { Self.warnIfShort(own, issues) }
        if let own = timeout ?? interval, effective.interval < effective.timeout {
            issues.warning(
                own.path, at: own.position,
                "the interval \(Durations.text(effective.interval)) is shorter than the timeout"
                    + " \(Durations.text(effective.timeout)): probes that hang will be missed ones")
        }
        let caFile = fields.section("tls").flatMap { tls -> String? in
            tls.allow(ConfigurationShape.tls, later: ["verify": "a switch for verification", "insecure": "a switch for verification"])
            return tls.text("ca_file").map(check(caFile:))
        }
        let privileges = PrivilegeReader(issues: issues, engine: engine ?? .postgresql).read(fields)
        guard let name, let engine, let host, let database, let identities else { return nil }
        return Target(
            name: name, engine: engine, host: host.value, port: port?.value ?? engine.defaultPort, database: database.value,
            user: user?.value, identities: identities, interval: effective.interval, timeout: effective.timeout, caFile: caFile,
            privileges: privileges, wake: wake)
    }

    private func wake(_ fields: Section, engine: Engine?) -> WakeMode {
        guard let value = fields.value("wake") else { return .auto }
        let path = fields.path("wake")
        if engine != .azuresql, engine != nil {
            issues.error(path, at: value.position, "only Azure SQL has databases that sleep; remove the key")
            return .auto
        }
        if case .mapping = value.content {
            guard let section = fields.section("wake") else { return .auto }
            section.allow(ConfigurationShape.wake)
            guard let budget = section.text("budget") else {
                if section.value("budget") == nil {
                    issues.error(path, at: value.position, "the key \"budget\" is missing, as in {budget: 6 per day}")
                }
                return .auto
            }
            guard let mode = WakeMode.budget(from: budget.value) else {
                let range = WakeMode.budgetRange
                issues.error(
                    budget.path, at: budget.position,
                    "\"\(printable(budget.value))\" is no budget; it reads as 6 per day, \(range.lowerBound) to \(range.upperBound) of them"
                )
                return .auto
            }
            return mode
        }
        guard let word = fields.text("wake") else { return .auto }
        switch word.value {
        case "auto": return .auto
        case "always": return .always
        case "never": return .never
        default:
            issues.error(
                word.path, at: word.position, "\"\(printable(word.value))\" is none of auto, always, never, {budget: 6 per day}",
                suggestion: Guess.nearest(to: word.value, among: ["auto", "always", "never"]))
            return .auto
        }
    }

    /// The gateway would take the login to `master`, whose logins wake every database of the server.
    private func check(database: Placed<String>) {
        if database.value.count > 128 {
            issues.error(database.path, at: database.position, "is longer than the 128 characters that SQL Server takes for a name")
        } else if database.value.lowercased() == "master" {
            issues.warning(
                database.path, at: database.position,
                "master holds no users of an application, and logins to it are reported to wake the server's other databases")
        }
    }

    private func required(_ key: String, _ fields: Section, like example: String) -> Placed<String>? {
        guard fields.value(key) != nil else {
            issues.error(fields.path, at: fields.position, "the key \"\(key)\" is missing, as in \(example)")
            return nil
        }
        return fields.text(key)
    }

    private func identities(_ fields: Section) -> [String]? {
        guard fields.value("identities") != nil else {
            let known = identityNames.prefix(3).map(printable).joined(separator: ", ")
            issues.error(
                fields.path, at: fields.position,
                "the key \"identities\" is missing, as in identities: [\(known.isEmpty ? "app" : known)]; each makes one check")
            return nil
        }
        guard let items = fields.texts("identities") else { return nil }
        guard !items.isEmpty else {
            if case .list(let all) = fields.value("identities")?.content, all.isEmpty {
                issues.error(fields.path("identities"), at: fields.value("identities")?.position, "must name at least one identity")
            }
            return nil
        }
        var seen: Set<String> = []
        for item in items {
            if !seen.insert(item.value).inserted {
                issues.error(item.path, at: item.position, "the identity \"\(printable(item.value))\" is listed twice")
            } else if !identityNames.contains(item.value) {
                issues.error(
                    item.path, at: item.position, "no identity is called \"\(printable(item.value))\" under \"identities\"",
                    suggestion: Guess.nearest(to: item.value, among: identityNames))
            }
        }
        return items.map(\.value)
    }

    // MARK: Rules about values

    /// The part of Azure's server names that tells the product and the cloud.
    private static let suffixes: [(suffix: String, engine: Engine, cloud: Cloud)] = [
        (".postgres.database.azure.com", .postgresql, .public), (".mysql.database.azure.com", .mysql, .public),
        (".database.windows.net", .azuresql, .public),
        (".postgres.database.usgovcloudapi.net", .postgresql, .usgovernment),
        (".mysql.database.usgovcloudapi.net", .mysql, .usgovernment), (".database.usgovcloudapi.net", .azuresql, .usgovernment),
        (".postgres.database.chinacloudapi.cn", .postgresql, .china), (".mysql.database.chinacloudapi.cn", .mysql, .china),
        (".database.chinacloudapi.cn", .azuresql, .china),
    ]

    private func check(host: Placed<String>, engine: Engine) {
        if let problem = Names.problem(ofHost: host.value) {
            issues.error(host.path, at: host.position, problem)
            return
        }
        let lower = host.value.lowercased()
        guard let row = Self.suffixes.first(where: { lower.hasSuffix($0.suffix) }) else { return }
        if row.engine != engine {
            issues.warning(
                host.path, at: host.position, "servers called …\(row.suffix) speak \(row.engine.rawValue), not \(engine.rawValue)")
        }
        if row.cloud != cloud {
            issues.warning(
                host.path, at: host.position,
                "the server is in the cloud \(row.cloud.rawValue), the tokens are for \(cloud.rawValue); set \"cloud: \(row.cloud.rawValue)\""
            )
        }
        if lower.contains(".privatelink.") {
            issues.warning(
                host.path, at: host.position, "the certificate does not cover privatelink names; use the server's public name",
                suggestion: lower.split(separator: ".").filter { $0 != "privatelink" }.joined(separator: "."))
        }
    }

    private func check(user: Placed<String>, host: String?, engine: Engine) {
        if engine == .mysql, user.value.count > 32 {
            issues.error(
                user.path, at: user.position,
                "is \(user.value.count) characters long; MySQL takes 32, so the account needs an alias (login_name_invalid)")
        }
        if engine == .postgresql, user.value.utf8.count > 63 {
            issues.error(
                user.path, at: user.position,
                "is \(user.value.utf8.count) bytes long; PostgreSQL keeps 63 bytes of a name"
                    + " (login_name_invalid)")
        }
        if user.value.first?.isWhitespace == true || user.value.last?.isWhitespace == true {
            issues.error(user.path, at: user.position, "begins or ends with a blank (login_name_invalid)")
        }
        guard let at = user.value.lastIndex(of: "@"), let host else { return }
        let tail = user.value[user.value.index(after: at)...].lowercased()
        let server = host.lowercased()
        if tail == server || tail == server.prefix(while: { $0 != "." }) {
            issues.warning(
                user.path, at: user.position,
                "the form user@server belongs to the retired single server; flexible server takes it for the whole name"
                    + " (login_name_invalid)", suggestion: String(user.value[..<at]))
        }
    }

    private func check(caFile: Placed<String>) -> String {
        let path = caFile.value.hasPrefix("/") ? caFile.value : "\(base)/\(caFile.value)"
        switch FileText.read(path, limit: 4 << 20) {
        case .failure(let problem):
            issues.error(caFile.path, at: caFile.position, "\(printable(caFile.value)): \(problem.text)")
        case .success(let bytes):
            let text = String(decoding: bytes, as: UTF8.self)
            if !text.contains("-----BEGIN CERTIFICATE-----") && !text.contains("-----BEGIN TRUSTED CERTIFICATE-----") {
                issues.error(caFile.path, at: caFile.position, "\(printable(caFile.value)): holds no certificate in PEM form")
            }
        }
        return path
    }

    static func warnIfShort(_ interval: Placed<Duration>, _ issues: IssueList) {
        guard interval.value < .seconds(10) else { return }
        issues.warning(
            interval.path, at: interval.position,
            "\(Durations.text(interval.value)) is below 10s: every probe is a login that the server has to serve")
    }
}
