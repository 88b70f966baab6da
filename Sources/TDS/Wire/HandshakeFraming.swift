// TDS 7.x carries the TLS handshake inside packets of type PRELOGIN; when it is over, the packets are inside TLS instead.

/// Unwraps what the peer sends during the handshake, with bounds; wraps what we send.
package struct HandshakeFraming: Sendable {
    private var packets = PacketReader(largest: PacketHeader.initialPacket)
    private var received = 0
    private var count = 0
    /// After the handshake bytes pass as they are.
    package private(set) var isPassing = false

    package init() {}

    /// A handshake may be no longer. **Unit**: bytes.
    package static let largestHandshake = 64 * 1024
    package static let mostPackets = 256

    /// One flight of records as packets, the last one marked. **Source**: MS-TDS 2.2.6.5, TLS/SSL exchange.
    package func wrap(_ records: some Collection<UInt8>) -> [UInt8] {
        if isPassing { return Array(records) }
        // Microsoft's drivers number handshake packets from zero.
        return Packet.split(records, as: .prelogin, size: PacketHeader.initialPacket, firstID: 0).flatMap(\.bytes)
    }

    /// The records within `bytes`, as far as whole packets have arrived.
    ///
    /// Old servers send their part as type 4, so both types are taken. A byte that begins a TLS record (0x14 to 0x17) where a packet
    /// should begin says that the peer has ended wrapping, which drivers do at different moments with TLS 1.3; from there on bytes pass.
    package mutating func unwrap(_ bytes: [UInt8]) throws(WireError) -> [UInt8] {
        if isPassing { return bytes }
        received += bytes.count
        guard received <= Self.largestHandshake else { throw .beyondLimit("the TLS handshake", Self.largestHandshake) }
        var records: [UInt8] = []
        packets.append(bytes)
        while true {
            if let first = packets.first, Self.recordTypes.contains(first) {
                isPassing = count > 0
                guard isPassing else { throw .malformed("the server answers PRELOGIN with bare TLS") }
                return records + packets.drain()
            }
            guard let packet = try packets.next() else { return records }
            count += 1
            guard count <= Self.mostPackets else { throw .beyondLimit("the number of packets in the TLS handshake", Self.mostPackets) }
            guard packet.header.type == .prelogin || packet.header.type == .reply else {
                throw WireError(
                    .malformed("a packet of type 0x\(hexadecimal(packet.header.type.rawValue)) arrives within the TLS handshake"),
                    evidence: Array(packet.bytes.prefix(WireError.evidenceLength)))
            }
            records += packet.payload
        }
    }

    /// Ends wrapping. What has arrived after the last whole packet is raw and is returned.
    package mutating func pass() -> [UInt8] {
        isPassing = true
        return packets.drain()
    }

    /// ContentType of TLS records: change cipher spec, alert, handshake, application data. 0x12 is none of them. **Source**: RFC 8446 5.1.
    private static let recordTypes: ClosedRange<UInt8> = 0x14...0x17
}
