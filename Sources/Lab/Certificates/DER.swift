// The little of DER that a certificate needs. Source: ITU-T X.690 sections 8 and 10.

/// One encoded value.
struct DER: Sendable {
    var bytes: [UInt8]

    init(tag: UInt8, _ content: [UInt8]) {
        var head = [tag]
        switch content.count {
        case 0..<128: head.append(UInt8(content.count))
        case 128..<256: head += [0x81, UInt8(content.count)]
        default: head += [0x82, UInt8(content.count >> 8 & 0xFF), UInt8(content.count & 0xFF)]
        }
        self.bytes = head + content
    }

    static func sequence(_ parts: [DER]) -> DER { DER(tag: 0x30, parts.flatMap(\.bytes)) }
    static func set(_ parts: [DER]) -> DER { DER(tag: 0x31, parts.flatMap(\.bytes)) }
    static func explicit(_ number: UInt8, _ part: DER) -> DER { DER(tag: 0xA0 | number, part.bytes) }
    static func octets(_ bytes: [UInt8]) -> DER { DER(tag: 0x04, bytes) }
    static func bits(_ bytes: [UInt8], unused: UInt8 = 0) -> DER { DER(tag: 0x03, [unused] + bytes) }
    static func text(_ text: String) -> DER { DER(tag: 0x0C, Array(text.utf8)) }
    static let yes = DER(tag: 0x01, [0xFF])

    /// A positive number from its big-endian bytes.
    static func integer(_ bytes: [UInt8]) -> DER {
        var bytes = Array(bytes.drop { $0 == 0 })
        if bytes.first.map({ $0 & 0x80 != 0 }) ?? true { bytes.insert(0, at: 0) }
        return DER(tag: 0x02, bytes)
    }

    static func object(_ arcs: [UInt]) -> DER {
        var content = [UInt8(arcs[0] * 40 + arcs[1])]
        for arc in arcs.dropFirst(2) {
            var septets = [UInt8(arc & 0x7F)]
            var rest = arc >> 7
            while rest > 0 {
                septets.insert(UInt8(rest & 0x7F) | 0x80, at: 0)
                rest >>= 7
            }
            content += septets
        }
        return DER(tag: 0x06, content)
    }

    /// `YYYYMMDDHHMMSSZ`. Certificates use this form for every year when written by hand; RFC 5280 asks for UTCTime before 2050.
    static func time(_ stamp: String) -> DER {
        // RFC 5280 section 4.1.2.5: UTCTime through 2049, two digits of year.
        DER(tag: 0x17, Array(stamp.dropFirst(2).utf8))
    }
}
