// The lowest layer: messages cut into packets of eight header bytes and a payload, and put together again.

/// What a packet is part of. **Source**: MS-TDS 2.2.3.1.1, Type.
package enum PacketType: UInt8, Sendable, Hashable, CaseIterable {
    case sqlBatch = 0x01
    case rpc = 0x03
    /// Every reply of a server, that to PRELOGIN included.
    case reply = 0x04
    case attention = 0x06
    case bulkLoad = 0x07
    case federatedToken = 0x08
    case transaction = 0x0E
    case login = 0x10
    case sspi = 0x11
    /// PRELOGIN, and the records of the TLS handshake.
    case prelogin = 0x12
}

/// **Source**: MS-TDS 2.2.3.1.2, Status.
package struct PacketStatus: OptionSet, Sendable, Hashable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let endOfMessage = PacketStatus(rawValue: 0x01)
    package static let ignore = PacketStatus(rawValue: 0x02)
    package static let resetConnection = PacketStatus(rawValue: 0x08)
    package static let resetConnectionKeepTransaction = PacketStatus(rawValue: 0x10)
}

/// The eight bytes before every payload; numbers are high byte first. **Source**: MS-TDS 2.2.3.1.
package struct PacketHeader: Sendable, Hashable {
    package var type: PacketType
    package var status: PacketStatus
    /// The whole packet, header included. **Unit**: bytes.
    package var length: Int
    /// The server's process id; zero from a client.
    package var spid: UInt16 = 0
    package var packetID: UInt8 = 0

    package static let size = 8
    /// **Source**: MS-TDS 2.2.6.4, PacketSize.
    package static let smallestPacket = 512
    /// **Source**: MS-TDS 2.2.6.4, PacketSize; the header could say 65535.
    package static let largestPacket = 32_767
    /// The most that is written: a packet is one record of TLS, which holds 16,384 bytes, and SQL Server encrypts no larger ones.
    /// **Source**: go-mssqldb, tds.go; RFC 8446 5.1.
    package static let largestEncrypted = 16_383
    /// In force until a login reply says otherwise. **Source**: MS-TDS 2.2.6.4, PacketSize.
    package static let initialPacket = 4_096

    package init(_ type: PacketType, status: PacketStatus, length: Int, spid: UInt16 = 0, packetID: UInt8 = 0) {
        self.type = type
        self.status = status
        self.length = length
        self.spid = spid
        self.packetID = packetID
    }

    package init(from reader: inout ByteReader) throws(WireError) {
        try reader.need(Self.size)
        let raw = try reader.byte()
        status = PacketStatus(rawValue: try reader.byte())
        length = Int(try reader.big(2))
        spid = UInt16(truncatingIfNeeded: try reader.big(2))
        packetID = try reader.byte()
        try reader.skip(1)
        guard let type = PacketType(rawValue: raw) else { throw .malformed("packet type 0x\(hexadecimal(raw)) does not exist") }
        self.type = type
        guard length >= Self.size else { throw .malformed("a packet says it is \(length) bytes long, its header alone takes 8") }
    }

    package func encode(into writer: inout ByteWriter) {
        writer.byte(type.rawValue)
        writer.byte(status.rawValue)
        writer.big(UInt64(length), 2)
        writer.big(UInt64(spid), 2)
        writer.byte(packetID)
        writer.byte(0)
    }
}

/// One packet with its payload.
package struct Packet: Sendable, Hashable {
    package var header: PacketHeader
    package var payload: [UInt8]

    package init(header: PacketHeader, payload: [UInt8]) {
        self.header = header
        self.payload = payload
    }

    package var isLast: Bool { header.status.contains(.endOfMessage) }

    package var bytes: [UInt8] {
        var writer = ByteWriter()
        header.encode(into: &writer)
        writer.append(payload)
        return writer.bytes
    }

    /// A message as packets of at most `size` bytes each; the last one is marked. An empty message is one packet.
    package static func split(_ message: some Collection<UInt8>, as type: PacketType, size: Int, spid: UInt16 = 0, firstID: UInt8 = 1)
        -> [Packet]
    {
        let room = max(PacketHeader.smallestPacket, min(size, PacketHeader.largestPacket)) - PacketHeader.size
        var packets: [Packet] = []
        var id = firstID
        var rest = message[...]
        repeat {
            let payload = Array(rest.prefix(room))
            rest = rest.dropFirst(room)
            let header = PacketHeader(
                type, status: rest.isEmpty ? .endOfMessage : [], length: payload.count + PacketHeader.size, spid: spid, packetID: id)
            packets.append(Packet(header: header, payload: payload))
            id &+= 1
        } while !rest.isEmpty
        return packets
    }
}

/// Puts packets together from bytes that arrive in any portions.
package struct PacketReader: Sendable {
    private var buffer: [UInt8] = []
    private var start = 0
    /// The largest packet that is taken; the connection raises it to the negotiated size. **Unit**: bytes.
    package var largest: Int

    package init(largest: Int = PacketHeader.initialPacket) { self.largest = largest }

    /// Bytes that are not part of a finished packet yet.
    package var pending: Int { buffer.count - start }

    /// The first byte of the packet that comes next.
    package var first: UInt8? { start < buffer.count ? buffer[start] : nil }

    package mutating func append(_ bytes: some Sequence<UInt8>) {
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole packet; nil when more bytes are needed.
    ///
    /// **Throws** as soon as the header alone shows that the peer does not keep to the rules.
    package mutating func next() throws(WireError) -> Packet? {
        var reader = ByteReader(buffer, from: start, open: true)
        guard reader.remaining >= PacketHeader.size else {
            // A peer that speaks something else is recognised by its first byte, before it has sent eight.
            if let first = buffer[start...].first, PacketType(rawValue: first) == nil {
                throw WireError(.malformed("packet type 0x\(hexadecimal(first)) does not exist"), evidence: reader.evidence(from: start))
            }
            return nil
        }
        do throws(WireError) {
            let header = try PacketHeader(from: &reader)
            guard header.length <= largest else { throw .beyondLimit("a packet of \(header.length) bytes", largest) }
            guard reader.remaining >= header.length - PacketHeader.size else { return nil }
            let payload = Array(try reader.take(header.length - PacketHeader.size))
            start = reader.position
            return Packet(header: header, payload: payload)
        } catch {
            throw WireError(error.reason, evidence: reader.evidence(from: start))
        }
    }

    /// What has arrived and belongs to no packet: the bytes after a switch to raw TLS.
    package mutating func drain() -> [UInt8] {
        defer {
            buffer = []
            start = 0
        }
        return Array(buffer[start...])
    }
}
