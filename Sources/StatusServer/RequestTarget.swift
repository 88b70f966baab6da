// The target of a request: path and query, decoded once and strictly.

/// Path and parameters of a request.
struct RequestTarget: Sendable, Hashable {
    var path: String
    /// **Shape**: in the order in which they came; a name without `=` has an empty value.
    var parameters: [Parameter]

    struct Parameter: Sendable, Hashable {
        var name: String
        var value: String
    }

    /// - Returns: nil for an address that is no path, or whose percent-encoding is no UTF-8 text.
    init?(_ uri: String) {
        guard uri.hasPrefix("/") else { return nil }
        let beforeFragment = uri.prefix { $0 != "#" }
        let parts = beforeFragment.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = Self.decoded(parts[0], plusIsBlank: false) else { return nil }
        self.path = path
        self.parameters = []
        guard parts.count == 2 else { return }
        for pair in parts[1].split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decoded(halves[0], plusIsBlank: true),
                let value = Self.decoded(halves.count == 2 ? halves[1] : "", plusIsBlank: true)
            else { return nil }
            parameters.append(Parameter(name: name, value: value))
        }
    }

    func has(_ name: String) -> Bool { parameters.contains { $0.name == name } }

    private static func decoded(_ text: Substring, plusIsBlank: Bool) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case 0x25:
                guard let high = rest.popFirst().flatMap(Self.nibble), let low = rest.popFirst().flatMap(Self.nibble) else { return nil }
                bytes.append(high << 4 | low)
            case 0x2B where plusIsBlank: bytes.append(0x20)
            default: bytes.append(byte)
            }
        }
        guard !bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func nibble(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
