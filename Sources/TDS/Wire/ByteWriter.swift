// Writing numbers and text into bytes.

/// Appends fields of the format to a growing array.
package struct ByteWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package var count: Int { bytes.count }

    package mutating func byte(_ value: UInt8) { bytes.append(value) }
    package mutating func append(_ values: some Sequence<UInt8>) { bytes.append(contentsOf: values) }
    package mutating func zeros(_ count: Int) { bytes.append(contentsOf: repeatElement(0, count: count)) }

    /// The low `width` bytes of a number, low byte first.
    package mutating func little(_ value: UInt64, _ width: Int) {
        for index in 0..<width { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))) }
    }

    /// The low `width` bytes of a number, high byte first.
    package mutating func big(_ value: UInt64, _ width: Int) {
        for index in (0..<width).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))) }
    }

    package mutating func uint16(_ value: UInt16) { little(UInt64(value), 2) }
    package mutating func uint32(_ value: UInt32) { little(UInt64(value), 4) }
    package mutating func uint64(_ value: UInt64) { little(value, 8) }
    package mutating func int32(_ value: Int32) { uint32(UInt32(bitPattern: value)) }

    /// UTF-16LE, no length before it.
    package mutating func text(_ text: some StringProtocol) { for unit in text.utf16 { uint16(unit) } }

    /// B_VARCHAR. Text beyond 255 code units is cut. **Source**: MS-TDS 2.2.5.1.2.
    package mutating func shortText(_ value: String) {
        let units = Array(value.utf16.prefix(255))
        byte(UInt8(units.count))
        for unit in units { uint16(unit) }
    }

    /// US_VARCHAR. Text beyond `limit` code units is cut. **Source**: MS-TDS 2.2.5.1.2.
    package mutating func longText(_ value: String, limit: Int = 16_000) {
        let units = Array(value.utf16.prefix(min(limit, 0xFFFF)))
        uint16(UInt16(units.count))
        for unit in units { uint16(unit) }
    }

    /// B_VARBYTE. Bytes beyond 255 are cut. **Source**: MS-TDS 2.2.5.1.3.
    package mutating func shortBytes(_ value: some Collection<UInt8>) {
        byte(UInt8(min(255, value.count)))
        append(value.prefix(255))
    }

    /// Writes `body` behind its own length of two bytes. What is longer than two bytes can say is cut, so that the stream stays readable.
    package mutating func sized16(_ body: (inout ByteWriter) -> Void) {
        var inner = ByteWriter()
        body(&inner)
        uint16(UInt16(min(0xFFFF, inner.count)))
        append(inner.bytes.prefix(0xFFFF))
    }

    /// Writes over bytes that are already there. **Shape**: the whole number lies within what was written.
    package mutating func replace(at offset: Int, little value: UInt64, _ width: Int) {
        for index in 0..<width { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
    }
}
