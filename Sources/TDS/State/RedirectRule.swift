// Whether a client may go where a gateway sends it. A redirect carries the token to another machine, so the rule is narrow.

/// Decides about a redirect: within the same service, once, by name.
package struct RedirectRule: Sendable, Hashable {
    /// Further endings that count as one service each, always with a dot before them and two labels or more: `.db.example`. For own servers.
    package let extraSuffixes: [String]
    package var mostHops = 1

    /// An ending of one label, or of none, would let a redirect lead nearly everywhere: it is left out.
    package init(extraSuffixes: [String] = []) {
        self.extraSuffixes = extraSuffixes.compactMap { given in
            let labels = Self.normal(given).drop { $0 == "." }
            return labels.contains(".") && Self.isHostName(String(labels)) ? "." + labels : nil
        }
    }

    package enum Decision: Sendable, Hashable {
        case follow(host: String, port: Int)
        case refuse(String)
    }

    /// **Source**: dotnet/SqlClient AdapterUtil.cs, names of the clouds.
    static let serviceSuffixes = [
        ".database.windows.net", ".database.usgovcloudapi.net", ".database.chinacloudapi.cn", ".database.cloudapi.de",
        ".database.fabric.microsoft.com", ".datawarehouse.fabric.microsoft.com", ".sql.azuresynapse.net",
    ]

    /// - Parameters:
    ///   - route: as the server sent it.
    ///   - host: the name that was asked for.
    ///   - hop: how many redirects have been followed already.
    package func decide(_ route: Route, from host: String, hop: Int) -> Decision {
        guard hop < mostHops else { return .refuse("The server that a redirect led to redirects again, to \(Self.shown(route)).") }
        guard route.transport == 0, route.port != 0 else {
            return .refuse("The redirect names transport \(route.transport) and port \(route.port); only TCP with a port is possible.")
        }
        // Some servers append an instance name.
        let name = Self.normal(String(route.server.prefix { $0 != "\\" }))
        guard Self.isHostName(name) else { return .refuse("The redirect names no host: '\(Self.shown(route))'.") }
        guard name.utf16.count <= LoginMessage.longestText else {
            return .refuse(
                "The redirect names a host of \(name.utf16.count) characters, and a login has room for \(LoginMessage.longestText).")
        }
        let origin = Self.normal(host)
        if name == origin { return .follow(host: name, port: Int(route.port)) }
        guard let suffix = (Self.serviceSuffixes + extraSuffixes).first(where: { origin.hasSuffix($0) }) else {
            return .refuse("The redirect leads from \(origin) to \(name), and no service is known to which both belong.")
        }
        guard name.hasSuffix(suffix), name.count > suffix.count else {
            return .refuse("The redirect leads out of the service *\(suffix), to \(name).")
        }
        return .follow(host: name, port: Int(route.port))
    }

    private static func shown(_ route: Route) -> String { "\(printable(String(route.server.prefix(255)))):\(route.port)" }

    private static func normal(_ name: String) -> String {
        let lower = name.lowercased()
        return lower.hasSuffix(".") ? String(lower.dropLast()) : lower
    }

    /// Labels of letters, digits and hyphens; the last one is no number, so that an address is no name.
    static func isHostName(_ name: String) -> Bool {
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        guard name.utf8.count <= 253, let last = labels.last, !last.allSatisfy(\.isNumber) else { return false }
        return labels.allSatisfy { label in
            (1...63).contains(label.utf8.count)
                && label.utf8.allSatisfy { byte in
                    (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2D
                        || byte == 0x5F
                }
        }
    }
}
