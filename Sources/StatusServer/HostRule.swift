// Which `Host` a request may carry: the protection against DNS rebinding.
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The names that a request may carry; a new configuration replaces them while the server runs.
package final class HostNames: Sendable, ExpressibleByArrayLiteral {
    private let current: Mutex<HostRule>

    package init(_ names: [String]) { current = Mutex(HostRule(names: names)) }
    package convenience init(arrayLiteral names: String...) { self.init(names) }

    package func replace(_ names: [String]) {
        let rule = HostRule(names: names)
        current.withLock { $0 = rule }
    }

    func accepts(_ host: String?) -> Bool { current.withLock { $0 }.accepts(host) }
}

/// Accepts addresses, `localhost` and the configured names.
///
/// A page of somebody else's can make a browser ask here under a name of its own choice, but never under an address: an address cannot be
/// pointed elsewhere. Scrapers that ask by address go on working without configuration.
struct HostRule: Sendable {
    private let names: Set<String>

    init(names: [String]) { self.names = Set(names.map { $0.lowercased() } + ["localhost"]) }

    /// - Parameter host: the value of the header, with or without a port. HTTP/1.0 clients send none, and browsers always one.
    func accepts(_ host: String?) -> Bool {
        guard let host else { return true }
        guard let name = Self.name(of: host) else { return false }
        return names.contains(name) || names.contains(name.hasSuffix(".") ? String(name.dropLast()) : name) || Self.isAddress(name)
    }

    /// The host without its port, lower case; nil when the header is no host.
    private static func name(of host: String) -> String? {
        let text = host.lowercased()
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]"), isPort(text[text.index(after: close)...]) else { return nil }
            let inner = String(text[text.index(after: text.startIndex)..<close])
            return inner.contains(":") ? inner : nil
        }
        guard let colon = text.firstIndex(of: ":") else { return text.isEmpty ? nil : text }
        guard isPort(text[colon...]), colon != text.startIndex else { return nil }
        return String(text[..<colon])
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.isEmpty || (text.hasPrefix(":") && text.utf8.count <= 6 && text.dropFirst().allSatisfy { $0.isASCII && $0.isNumber })
    }

    private static func isAddress(_ text: String) -> Bool {
        var room = in6_addr()
        return unsafe inet_pton(AF_INET, text, &room) == 1 || inet_pton(AF_INET6, text, &room) == 1
    }
}
