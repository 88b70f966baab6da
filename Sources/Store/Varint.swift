// Numbers of variable length: seven bits a byte, least first, the high bit says that more follow.

/// Reads bytes that may be damaged: every read can fail, none goes past the end.
struct ByteReader {
    private let source: [UInt8]
    private(set) var position: Int

    init(_ source: [UInt8]) {
        self.source = source
        position = 0
    }

    var isAtEnd: Bool { position >= source.count }

    mutating func byte() -> UInt8? {
        guard position < source.count else { return nil }
        defer { position += 1 }
        return source[position]
    }

    mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while shift < 64, let byte = byte() {
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
        return nil
    }

    /// A number of either sign, the sign in the lowest bit.
    mutating func signed() -> Int64? {
        guard let value = varint() else { return nil }
        return Int64(bitPattern: (value >> 1) ^ (0 &- (value & 1)))
    }

    mutating func bytes(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= source.count - position else { return nil }
        defer { position += count }
        return source[position..<position + count]
    }
}

extension [UInt8] {
    mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    mutating func append(signed value: Int64) { append(varint: UInt64(bitPattern: (value << 1) ^ (value >> 63))) }
}
