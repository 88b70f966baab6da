// Whether an address is of a private network.

/// The reach of a numeric address.
package enum AddressKind: Sendable, Hashable {
    case `private`, loopback, `public`

    /// - Returns: nil for what is not a numeric address.
    package init?(_ text: String) {
        if text.contains(":") {
            let head = text.lowercased()
            if head == "::1" {
                self = .loopback
            } else if head.hasPrefix("::ffff:"), let mapped = AddressKind(String(head.dropFirst(7))) {
                self = mapped
            } else {
                // fc00::/7 and fe80::/10.
                let isLocal = ["fc", "fd", "fe8", "fe9", "fea", "feb"].contains { head.hasPrefix($0) }
                self = isLocal ? .private : .public
            }
            return
        }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).compactMap { UInt8($0) }
        guard parts.count == 4, text.utf8.count(where: { $0 == 0x2E }) == 3 else { return nil }
        switch (parts[0], parts[1]) {
        case (127, _): self = .loopback
        // RFC 1918, RFC 6598 (shared), RFC 3927 (link-local).
        case (10, _), (172, 16...31), (192, 168), (100, 64...127), (169, 254): self = .private
        default: self = .public
        }
    }
}
