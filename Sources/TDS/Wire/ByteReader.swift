// Reading numbers and text out of bytes that may end anywhere.

/// Reads forward through bytes; every read says whether enough is there.
///
/// A reader over a part whose length a peer has declared (`part`) is closed: running past its end is an error of the peer.
/// An open reader answers `incomplete` instead, and the caller tries again with more bytes.
package struct ByteReader: Sendable {
    package let bytes: [UInt8]
    package private(set) var position: Int
    package let end: Int
    private let isOpen: Bool

    /// Reads a complete message.
    package init(_ bytes: [UInt8]) { self.init(bytes, from: 0, open: false) }

    /// Reads what has arrived from `position` on. **Shape**: `position` lies within `bytes`.
    package init(_ bytes: [UInt8], from position: Int, open: Bool) {
        self.init(bytes, from: position, to: bytes.count, open: open)
    }

    private init(_ bytes: [UInt8], from position: Int, to end: Int, open: Bool) {
        self.bytes = bytes
        self.position = position
        self.end = end
        isOpen = open
    }

    package var remaining: Int { end - position }
    package var isAtEnd: Bool { position >= end }

    /// Throws unless `count` more bytes are there.
    package func need(_ count: Int) throws(WireError) {
        guard count > remaining else { return }
        throw isOpen
            ? WireError(.incomplete(missing: count - remaining))
            : .malformed("a field of \(count) bytes does not fit into the \(max(0, remaining)) bytes that are left")
    }

    package mutating func byte() throws(WireError) -> UInt8 {
        try need(1)
        defer { position += 1 }
        return bytes[position]
    }

    /// The next byte without consuming it.
    package func peek() throws(WireError) -> UInt8 {
        try need(1)
        return bytes[position]
    }

    package mutating func take(_ count: Int) throws(WireError) -> ArraySlice<UInt8> {
        guard count >= 0 else { throw .malformed("a length is negative") }
        try need(count)
        defer { position += count }
        return bytes[position..<position + count]
    }

    package mutating func skip(_ count: Int) throws(WireError) { _ = try take(count) }
    package mutating func rest() -> ArraySlice<UInt8> {
        defer { position = end }
        return bytes[position..<end]
    }

    /// A closed reader over the next `count` bytes, which are consumed here.
    package mutating func part(_ count: Int) throws(WireError) -> ByteReader {
        let slice = try take(count)
        return ByteReader(bytes, from: slice.startIndex, to: slice.endIndex, open: false)
    }

    /// An unsigned number of `width` bytes (at most 8), low byte first.
    package mutating func little(_ width: Int) throws(WireError) -> UInt64 {
        try take(width).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// An unsigned number of `width` bytes (at most 8), high byte first.
    package mutating func big(_ width: Int) throws(WireError) -> UInt64 {
        try take(width).reduce(0) { $0 << 8 | UInt64($1) }
    }

    package mutating func uint16() throws(WireError) -> UInt16 { UInt16(truncatingIfNeeded: try little(2)) }
    package mutating func uint32() throws(WireError) -> UInt32 { UInt32(truncatingIfNeeded: try little(4)) }
    package mutating func uint64() throws(WireError) -> UInt64 { try little(8) }
    package mutating func int32() throws(WireError) -> Int32 { Int32(bitPattern: try uint32()) }
    package mutating func length16() throws(WireError) -> Int { Int(try uint16()) }

    /// UTF-16LE text of `units` code units. What is no valid UTF-16 becomes U+FFFD.
    package mutating func text(units: Int) throws(WireError) -> String { decodeUTF16(try take(units * 2)) }

    /// B_VARCHAR: one byte with the number of code units, then the text. **Source**: MS-TDS 2.2.5.1.2.
    package mutating func shortText() throws(WireError) -> String { try text(units: Int(try byte())) }

    /// US_VARCHAR: two bytes with the number of code units, then the text. **Source**: MS-TDS 2.2.5.1.2.
    package mutating func longText() throws(WireError) -> String { try text(units: try length16()) }

    /// B_VARBYTE: one byte with the number of bytes, then the bytes. **Source**: MS-TDS 2.2.5.1.3.
    package mutating func shortBytes() throws(WireError) -> [UInt8] { Array(try take(Int(try byte()))) }

    /// What lies between `start` and the present position or shortly after it, for an error.
    package func evidence(from start: Int) -> [UInt8] {
        Array(bytes[max(0, min(start, end))..<min(end, max(0, start) + WireError.evidenceLength)])
    }
}

/// UTF-16LE bytes as text; an odd last byte is dropped, invalid units become U+FFFD.
package func decodeUTF16(_ bytes: some RandomAccessCollection<UInt8>) -> String {
    var units: [UInt16] = []
    units.reserveCapacity(bytes.count / 2)
    var low: UInt8?
    for byte in bytes {
        if let first = low {
            units.append(UInt16(byte) << 8 | UInt16(first))
            low = nil
        } else {
            low = byte
        }
    }
    return String(decoding: units, as: UTF16.self)
}
