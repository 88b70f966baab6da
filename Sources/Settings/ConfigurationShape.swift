// The keys of the file: the one table that the readers allow keys by, that the JSON Schema is made of and that defaults are shown from.
// Long because it is the catalogue.
import Diagnosis

/// What a value of the file may be.
indirect enum Shape: Sendable {
    /// Text that is not empty; `pattern` is a regular expression of ECMA 262, as JSON Schema wants it.
    case text(pattern: String? = nil)
    case choice([String])
    case integer(ClosedRange<Int>)
    case duration(ClosedRange<Duration>)
    /// **Unit**: bytes.
    case size(ClosedRange<Int64>)
    case list(of: Shape, least: Int = 0)
    case mapping([ShapeKey], least: Int = 0, most: Int? = nil)
    /// Names of the user's own, each with a value.
    case names(Shape)
    case either([Shape])
    /// The value that switches something off: `off`, `no`, `false`, or nothing.
    case off
}

/// One key of a mapping.
struct ShapeKey: Sendable {
    var name: String
    var shape: Shape
    var isRequired = false
    /// The value that holds when the key is not given, as it would be written; nil when there is none or when it depends on the machine.
    var fallback: JSON?
    /// One sentence for a person who writes the file.
    var means: String

    init(_ name: String, _ shape: Shape, isRequired: Bool = false, default fallback: JSON? = nil, _ means: String) {
        self.name = name
        self.shape = shape
        self.isRequired = isRequired
        self.fallback = fallback
        self.means = means
    }
}

/// The shape of the whole file.
enum ConfigurationShape {
    /// Names of targets, identities and rights: label values, keys of history.
    static let namePattern = "^[A-Za-z0-9._-]{1,64}$"
    private static let guidPattern = "^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$"

    static let root: [ShapeKey] = [
        ShapeKey("cloud", .choice(Cloud.allCases.map(\.rawValue)), default: "public", "Whose tokens are asked for."),
        ShapeKey("dns", .mapping(dns), "How names are looked up."),
        ShapeKey("defaults", .mapping(defaults), "What holds for targets that say nothing else."),
        ShapeKey("identities", .names(.mapping(identity, most: 2)), "Ways to get a token, by names of one's own."),
        ShapeKey("targets", .list(of: .mapping(target)), "The databases, one entry each."),
        ShapeKey("server", .mapping(server), "The page, the metrics and the API."),
        ShapeKey("history", .mapping(history), "Where what happened is kept, and for how long."),
        ShapeKey("limits", .mapping(limits), "Bounds on what the agent does."),
        ShapeKey("log", .mapping(log), "What is logged to standard error."),
    ]

    static let dns: [ShapeKey] = [
        ShapeKey(
            "servers", .list(of: .text()), default: .array([]),
            "Name servers, address:port, to ask instead of the system's.")
    ]

    static let defaults: [ShapeKey] = [interval(of: "60s"), timeout(of: "15s")]

    static let identity: [ShapeKey] = [
        ShapeKey("kind", .choice(["managed_identity"]), isRequired: true, "How tokens are got."),
        ShapeKey("client_id", .text(pattern: guidPattern), "Selects a user-assigned identity by its client id."),
        ShapeKey("object_id", .text(pattern: guidPattern), "Selects a user-assigned identity by its object id."),
        ShapeKey(
            "resource_id",
            .text(
                pattern: "^/[Ss]ubscriptions/[^/]+/[Rr]esource[Gg]roups/[^/]+/[Pp]roviders/[Mm]icrosoft\\.[Mm]anaged[Ii]dentity/"
                    + "[Uu]ser[Aa]ssigned[Ii]dentities/[^/]+$"),
            "Selects a user-assigned identity by its id in Azure Resource Manager."),
    ]

    static let target: [ShapeKey] = [
        ShapeKey("name", .text(pattern: namePattern), isRequired: true, "The label of metrics and history."),
        ShapeKey("engine", .choice(Engine.allCases.map(\.rawValue)), isRequired: true, "What the server is."),
        ShapeKey("host", .text(pattern: "^[^\\s/?@,]+$"), isRequired: true, "The server's public name, also behind a private endpoint."),
        ShapeKey("port", .integer(1...65535), "Where the server listens; by engine 5432, 3306 or 1433."),
        ShapeKey("database", .text(), isRequired: true, "The database."),
        ShapeKey("user", .text(), "The role that belongs to the identity; required except for azuresql, where the token names it."),
        ShapeKey(
            "identities", .list(of: .text(pattern: namePattern), least: 1), isRequired: true,
            "Names out of identities; each makes one check."),
        interval(of: nil), timeout(of: nil),
        ShapeKey("tls", .mapping(tls), "Trust beside the system's."),
        ShapeKey("privileges", .mapping(privileges, least: 1), "Rights that have to be there, or must not be."),
        ShapeKey(
            "wake", .either([.choice(["auto", "always", "never"]), .mapping(wake, least: 1)]),
            "Azure SQL only: whether logins may keep a serverless database awake; auto (also without the key): four times a day at most."),
    ]

    static let wake: [ShapeKey] = [
        ShapeKey(
            "budget", .text(pattern: "^([1-9][0-9]{0,2}|1[0-3][0-9]{2}|14[0-3][0-9]|1440) per day$"), isRequired: true,
            "How often a day the database may be woken, as in 6 per day.")
    ]

    static let tls: [ShapeKey] = [ShapeKey("ca_file", .text(), "A PEM file with further trust anchors.")]

    static let privileges: [ShapeKey] = [
        ShapeKey("require", .list(of: .either([.text(), .mapping(privilege)]), least: 1), "Rights that have to be there."),
        ShapeKey("deny", .list(of: .either([.text(), .mapping(privilege)]), least: 1), "Rights that must not be there."),
    ]

    static let privilege: [ShapeKey] = [
        ShapeKey("on", .text(), isRequired: true, "The object: table sales.orders, all tables in schema public, …"),
        ShapeKey("grants", .list(of: .text(), least: 1), isRequired: true, "Rights on it, or all."),
        ShapeKey("name", .text(pattern: namePattern), "The value of the metric label privilege."),
    ]

    static let server: [ShapeKey] = [
        ShapeKey(
            "listen", .list(of: .text(), least: 1), default: ["127.0.0.1:9745"], "Addresses with ports; port 0 lets the system choose."),
        ShapeKey("hosts", .list(of: .text()), default: .array([]), "Names that a request may use in Host besides addresses and localhost."),
        ShapeKey(
            "socket", .either([.text(), .off]),
            "The local socket for commands on this machine, or off; without the key it is beside the history."),
    ]

    static let history: [ShapeKey] = [
        ShapeKey("path", .text(), "The SQLite file; without it /var/lib/agent/history.db or one in the user's state folder."),
        ShapeKey("keep", .mapping(keep), "For how long."),
        ShapeKey("max_size", .size(ConfigurationReader.sizeRange), default: "4GiB", "The file never grows beyond it."),
    ]

    static let keep: [ShapeKey] = [
        ShapeKey("detail", .duration(ConfigurationReader.detailRange), default: "7d", "Every success."),
        ShapeKey("failures", .duration(ConfigurationReader.keepRange), default: "90d", "Every failure with its evidence."),
        ShapeKey("hourly", .duration(ConfigurationReader.keepRange), default: "90d", "Sums by hour."),
        ShapeKey("daily", .duration(ConfigurationReader.keepRange), default: "400d", "Sums by day, and incidents."),
    ]

    static let limits: [ShapeKey] = [
        ShapeKey("concurrency", .integer(1...1024), default: 64, "Probes past tcp at the same time.")
    ]

    static let log: [ShapeKey] = [
        ShapeKey("level", .choice(Configuration.Log.Level.allCases.map(\.rawValue)), default: "info", "The least level that is written."),
        ShapeKey("format", .choice(Configuration.Log.Format.allCases.map(\.rawValue)), default: "text", "How a line looks."),
    ]

    private static func interval(of fallback: JSON?) -> ShapeKey {
        ShapeKey("interval", .duration(TargetReader.intervalRange), default: fallback, "The time between two probes of a check.")
    }

    private static func timeout(of fallback: JSON?) -> ShapeKey {
        ShapeKey(
            "timeout", .duration(TargetReader.timeoutRange), default: fallback, "A probe is over then, whatever the server does.")
    }
}

extension Section {
    /// Reports every key that is not in the table.
    func allow(_ keys: [ShapeKey], later: [String: String] = [:]) { allow(keys.map(\.name), later: later) }
}
