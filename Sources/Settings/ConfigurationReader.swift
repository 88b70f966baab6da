// The top of the file and its small parts.
import Diagnosis

struct ConfigurationReader {
    let issues: IssueList
    let file: String
    let environment: [String: String]

    private static let laterKeys = [
        "discover": "discovery", "shard": "sharding", "webhooks": "webhooks", "otlp": "pushing metrics", "web": "a web configuration",
    ]

    /// Reads everything, also after errors, so that the list of errors is complete.
    func read(_ root: Section) -> Configuration {
        root.allow(ConfigurationShape.root, later: Self.laterKeys)
        let cloud = root.choice("cloud", of: Cloud.self)?.value ?? .public
        let defaults = self.defaults(root)
        let identities = IdentityReader(issues: issues).read(root)
        let targets = TargetReader(
            issues: issues, cloud: cloud, defaults: defaults, identityNames: identities.names, base: FilePath.folder(of: file)
        ).read(root)
        if root.value("targets") == nil && root.value("identities") == nil {
            issues.error("", at: root.position, "neither \"targets\" nor \"identities\" is given: there is nothing to do")
        } else if case .list(let items)? = root.value("targets")?.content, items.isEmpty {
            issues.warning("targets", at: root.value("targets")?.position, "no target is given: only identities are watched")
        } else if root.value("targets") == nil {
            issues.warning("", at: root.position, "\"targets\" is not given: only identities are watched")
        }
        let history = history(root)
        return Configuration(
            file: file, cloud: cloud, nameServers: nameServers(root), defaults: defaults, identities: identities.definitions,
            targets: targets, server: server(root, history), history: history, limits: limits(root), log: log(root),
            environment: Surroundings.identityEnvironment(environment))
    }

    private func defaults(_ root: Section) -> Configuration.Defaults {
        var defaults = Configuration.Defaults()
        guard let section = root.section("defaults") else { return defaults }
        section.allow(ConfigurationShape.defaults)
        let interval = section.duration("interval", in: TargetReader.intervalRange)
        let timeout = section.duration("timeout", in: TargetReader.timeoutRange)
        if let interval {
            defaults.interval = interval.value
            TargetReader.warnIfShort(interval, issues)
        }
        if let timeout { defaults.timeout = timeout.value }
        if let own = interval ?? timeout, defaults.interval < defaults.timeout {
            issues.warning(
                own.path, at: own.position,
                "the interval \(Durations.text(defaults.interval)) is shorter than the timeout"
                    + " \(Durations.text(defaults.timeout)): probes that hang will be missed ones")
        }
        return defaults
    }

    private func nameServers(_ root: Section) -> [Endpoint] {
        guard let section = root.section("dns") else { return [] }
        section.allow(ConfigurationShape.dns)
        return (section.texts("servers") ?? []).compactMap { item in
            switch Names.endpoint(item.value, defaultPort: 53) {
            case .failure(let problem): issues.error(item.path, at: item.position, problem.text)
            case .success(let endpoint):
                if !Names.isAddress(endpoint.host) {
                    issues.error(
                        item.path, at: item.position, "\"\(printable(endpoint.host))\" is no address; a name server cannot be a name")
                } else if endpoint.port == 0 {
                    issues.error(item.path, at: item.position, "0 is no port to ask at")
                } else {
                    return endpoint
                }
            }
            return nil
        }
    }

    private func server(_ root: Section, _ history: Configuration.History) -> Configuration.Server {
        var server = Configuration.Server()
        server.socket = Configuration.Socket(besideHistory: history.path)
        guard let section = root.section("server") else { return server }
        section.allow(ConfigurationShape.server, later: ["web_config": "TLS and passwords for the web side"])
        if section.value("socket") != nil { server.socket = socket(section, history) }
        if let items = section.texts("listen") { server.listen = listen(items) }
        if case .list(let items)? = section.value("listen")?.content, items.isEmpty {
            issues.error("server.listen", at: section.value("listen")?.position, "must hold at least one address and port")
        }
        for item in section.texts("hosts") ?? [] {
            if let problem = Names.problem(ofHost: item.value) {
                issues.error(item.path, at: item.position, problem)
            } else {
                server.hosts.append(item.value.lowercased())
            }
        }
        return server
    }

    /// A path, or `off` (also `false` and `null`) for none.
    private func socket(_ section: Section, _ history: Configuration.History) -> Configuration.Socket? {
        if case .scalar(let scalar)? = section.value("socket")?.content {
            if scalar.kind == .null { return nil }
            if scalar.kind == .boolean {
                if ["off", "no", "false"].contains(scalar.text.lowercased()) { return nil }
                issues.error(
                    section.path("socket"), at: section.value("socket")?.position,
                    "must be a path, or off; without the key the socket is beside the history")
                return nil
            }
        }
        guard let path = section.text("socket") else { return nil }
        let absolute = path.value.hasPrefix("/") ? path.value : "\(FilePath.folder(of: file))/\(path.value)"
        if absolute.utf8.count > Configuration.Socket.pathLimit {
            issues.error(
                path.path, at: path.position,
                "the path is \(absolute.utf8.count) bytes long; that of a socket has \(Configuration.Socket.pathLimit) at most")
        } else if FileText.isDirectory(absolute) {
            issues.error(path.path, at: path.position, "\(printable(path.value)) is a directory; name a file in it")
        } else if absolute == history.path {
            issues.error(path.path, at: path.position, "this is the path of the history file")
        }
        return Configuration.Socket(path: absolute)
    }

    /// Port 0 lets the system choose; the log says which it was.
    private func listen(_ items: [Placed<String>]) -> [Endpoint] {
        var endpoints: [Endpoint] = []
        for item in items {
            switch Names.endpoint(item.value, defaultPort: nil) {
            case .failure(let problem): issues.error(item.path, at: item.position, problem.text)
            case .success(let endpoint):
                if !Names.isAddress(endpoint.host) && endpoint.host != "localhost" {
                    issues.error(
                        item.path, at: item.position, "\"\(printable(endpoint.host))\" is no address of this machine; write its address")
                } else if endpoint.port != 0 && endpoints.contains(endpoint) {
                    issues.error(item.path, at: item.position, "\(endpoint) is listed twice")
                } else {
                    endpoints.append(endpoint)
                }
            }
        }
        return endpoints
    }

    private func history(_ root: Section) -> Configuration.History {
        let section = root.section("history")
        section?.allow(ConfigurationShape.history)
        var history = historyFile(section)
        if let size = section?.size("max_size", in: Self.sizeRange) { history.maximumSize = size.value }
        guard let keep = section?.section("keep") else { return history }
        keep.allow(ConfigurationShape.keep)
        if let age = keep.duration("detail", in: Self.detailRange) { history.keep.detail = age.value }
        if let age = keep.duration("failures", in: Self.keepRange) { history.keep.failures = age.value }
        if let age = keep.duration("hourly", in: Self.keepRange) { history.keep.hourly = age.value }
        if let age = keep.duration("daily", in: Self.keepRange) { history.keep.daily = age.value }
        return history
    }

    /// Every success for longer than this would not be history but a burden; sums are there for that.
    static let detailRange: ClosedRange<Duration> = .seconds(86_400)...(.seconds(400 * 86_400))
    static let keepRange: ClosedRange<Duration> = .seconds(86_400)...(.seconds(3650 * 86_400))
    /// Below the least there is no room for a day of a few checks.
    static let sizeRange: ClosedRange<Int64> = (16 << 20)...(1 << 40)

    private func historyFile(_ section: Section?) -> Configuration.History {
        if let path = section?.text("path") {
            let absolute = path.value.hasPrefix("/") ? path.value : "\(FilePath.folder(of: file))/\(path.value)"
            if FileText.isDirectory(absolute) {
                issues.error(path.path, at: path.position, "\(printable(path.value)) is a directory; name a file in it")
            }
            return Configuration.History(path: absolute, isDefault: false)
        }
        let choice = Surroundings.historyPath(environment)
        if let warning = choice.warning { issues.warning("history.path", at: nil, warning) }
        return Configuration.History(path: choice.path, isDefault: true)
    }

    private func limits(_ root: Section) -> Configuration.Limits {
        var limits = Configuration.Limits()
        guard let section = root.section("limits") else { return limits }
        section.allow(ConfigurationShape.limits)
        if let concurrency = section.integer("concurrency", in: 1...1024) { limits.concurrency = concurrency.value }
        return limits
    }

    private func log(_ root: Section) -> Configuration.Log {
        var log = Configuration.Log()
        guard let section = root.section("log") else { return log }
        section.allow(ConfigurationShape.log)
        if let level = section.choice("level", of: Configuration.Log.Level.self) { log.level = level.value }
        if let format = section.choice("format", of: Configuration.Log.Format.self) { log.format = format.value }
        return log
    }
}

enum FilePath {
    /// The folder part of a path; `.` when there is none.
    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
