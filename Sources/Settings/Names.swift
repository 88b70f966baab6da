// Rules for names, hosts, addresses and identifiers: each says what is wrong in words, or nothing.
import Diagnosis

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

enum Names {
    /// The words that name targets and identities: label values, keys of history, halves of a check's id.
    static func problem(ofName name: String) -> String? {
        guard name.utf8.count <= 64 else { return "is longer than 64 characters" }
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
            default: false
            }
        }
        return isPlain ? nil : "may hold letters, digits, \".\", \"_\" and \"-\" only"
    }

    static func isGUID(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return parts.map(\.utf8.count) == [8, 4, 4, 4, 12] && parts.allSatisfy { $0.allSatisfy { $0.isASCII && $0.isHexDigit } }
    }

    static func isAddress(_ text: String) -> Bool {
        var room = in6_addr()
        return unsafe inet_pton(AF_INET, text, &room) == 1 || inet_pton(AF_INET6, text, &room) == 1
    }

    /// A host to connect to: a name or an address, nothing around it.
    static func problem(ofHost host: String) -> String? {
        if isAddress(host) { return nil }
        if host.contains("://") { return "must be a host name alone, without a scheme such as \"\(host.prefix { $0 != "/" })//\"" }
        if host.contains("@") { return "must be a host name alone; a user goes into \"user\", and passwords are not used" }
        if host.contains("/") || host.contains("?") { return "must be a host name alone, without a path or options" }
        if host.contains(where: \.isWhitespace) { return "must not hold blanks" }
        if host.hasPrefix("[") { return "an IPv6 address is written without brackets here" }
        if host.contains(",") { return "must be one host, not several" }
        if let colon = host.lastIndex(of: ":") {
            let port = host[host.index(after: colon)...]
            return port.allSatisfy(\.isNumber) ? "must not hold a port; write \"port: \(port)\"" : "is neither a host name nor an address"
        }
        if host.hasSuffix(".") { return "must not end with a dot; the certificate has none" }
        guard host.utf8.count <= 253 else { return "is longer than 253 characters" }
        guard host.unicodeScalars.allSatisfy(\.isASCII) else {
            return "holds characters that DNS does not carry; write the punycode form (xn--…)"
        }
        for label in host.split(separator: ".", omittingEmptySubsequences: false) {
            if label.isEmpty { return "holds an empty part between dots" }
            if label.utf8.count > 63 { return "holds a part longer than 63 characters" }
            if label.hasPrefix("-") || label.hasSuffix("-") { return "holds a part that begins or ends with \"-\"" }
            if !label.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" }) { return "is no host name" }
        }
        if host.split(separator: ".").allSatisfy({ $0.allSatisfy(\.isNumber) }) { return "is no valid IPv4 address" }
        return nil
    }

    /// Reads `host:port`, `[v6]:port`, and, where there is a default port, the address alone.
    /// **Shape**: the host is an address; names are for the caller to allow.
    static func endpoint(_ text: String, defaultPort: Int?) -> Result<Endpoint, EndpointProblem> {
        var host: Substring
        var portText: Substring?
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return .failure(.init("the closing bracket is missing")) }
            host = text[text.index(after: text.startIndex)..<close]
            let rest = text[text.index(after: close)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return .failure(.init("a port follows the bracket as \":port\"")) }
            portText = rest.isEmpty ? nil : rest.dropFirst()
            guard host.contains(":"), isAddress(String(host)) else { return .failure(.init("\"\(host)\" is no IPv6 address")) }
        } else if text.count(where: { $0 == ":" }) > 1 {
            guard isAddress(text) else { return .failure(.init("is neither host:port nor an IPv6 address in brackets")) }
            guard defaultPort != nil else { return .failure(.init("an IPv6 address with a port is written [\(text)]:port")) }
            (host, portText) = (text[...], nil)
        } else if let colon = text.firstIndex(of: ":") {
            (host, portText) = (text[..<colon], text[text.index(after: colon)...])
        } else {
            (host, portText) = (text[...], nil)
        }
        guard !host.isEmpty else { return .failure(.init("the address before the port is missing; 0.0.0.0 stands for every one")) }
        guard let portText else {
            guard let defaultPort else { return .failure(.init("the port is missing, as in \(text):9745")) }
            return .success(Endpoint(host: String(host), port: defaultPort))
        }
        guard !portText.isEmpty, portText.allSatisfy(\.isNumber), let port = Int(portText), port <= 65535 else {
            return .failure(.init("\"\(portText)\" is no port (0 to 65535)"))
        }
        return .success(Endpoint(host: String(host), port: port))
    }

    struct EndpointProblem: Error {
        var text: String
        init(_ text: String) { self.text = text }
    }
}
