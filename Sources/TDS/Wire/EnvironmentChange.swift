// ENVCHANGE: what the server changed about the session: database, packet size, collation, or the server itself (routing).

/// **Source**: MS-TDS 2.2.7.9, ENVCHANGE.
package enum EnvironmentChange: Sendable, Hashable {
    case database(new: String, old: String)
    case language(new: String, old: String)
    /// **Unit**: bytes. Decimal text on the wire.
    case packetSize(new: Int, old: Int)
    case collation(new: [UInt8], old: [UInt8])
    case transactionBegun(descriptor: [UInt8])
    case transactionCommitted(descriptor: [UInt8])
    case transactionRolledBack(descriptor: [UInt8])
    /// The session joined a distributed transaction.
    case transactionEnlisted(descriptor: [UInt8])
    /// The session left its transaction (12), or the transaction came to its end (17).
    case transactionEnded(type: UInt8, payload: [UInt8])
    case routing(Route)
    /// Any other type, kept as it came.
    case other(type: UInt8, payload: [UInt8])

    /// **Source**: MS-TDS 2.2.7.9, Type.
    private enum Kind {
        static let database: UInt8 = 1
        static let language: UInt8 = 2
        static let packetSize: UInt8 = 4
        static let collation: UInt8 = 7
        static let begin: UInt8 = 8
        static let commit: UInt8 = 9
        static let rollback: UInt8 = 10
        static let enlist: UInt8 = 11
        static let defect: UInt8 = 12
        static let ended: UInt8 = 17
        static let routing: UInt8 = 20
        static let enhancedRouting: UInt8 = 21
    }

    /// **Shape**: `reader` covers what the length of the token covers.
    package init(body reader: inout ByteReader) throws(WireError) {
        let type = try reader.byte()
        switch type {
        case Kind.database: self = .database(new: try reader.shortText(), old: try reader.shortText())
        case Kind.language: self = .language(new: try reader.shortText(), old: try reader.shortText())
        case Kind.packetSize:
            let new = try reader.shortText()
            let old = try reader.shortText()
            guard let size = Int(new), size >= PacketHeader.smallestPacket, size <= PacketHeader.largestPacket else {
                throw .malformed("the server wants packets of '\(printable(String(new.prefix(16))))' bytes; 512 to 32767 are possible")
            }
            self = .packetSize(new: size, old: Int(old) ?? 0)
        case Kind.collation: self = .collation(new: try reader.shortBytes(), old: try reader.shortBytes())
        case Kind.begin: self = .transactionBegun(descriptor: try Self.descriptor(&reader))
        case Kind.enlist: self = .transactionEnlisted(descriptor: try Self.descriptor(&reader))
        case Kind.defect, Kind.ended: self = .transactionEnded(type: type, payload: Array(reader.rest()))
        case Kind.commit:
            _ = try reader.shortBytes()
            self = .transactionCommitted(descriptor: try reader.shortBytes())
        case Kind.rollback:
            _ = try reader.shortBytes()
            self = .transactionRolledBack(descriptor: try reader.shortBytes())
        case Kind.routing, Kind.enhancedRouting:
            var value = try reader.part(try reader.length16())
            self = .routing(try Route(body: &value, hasDatabase: type == Kind.enhancedRouting))
        default: self = .other(type: type, payload: Array(reader.rest()))
        }
    }

    package func encode(into writer: inout ByteWriter) {
        switch self {
        case .database(let new, let old): Self.texts(Kind.database, new, old, &writer)
        case .language(let new, let old): Self.texts(Kind.language, new, old, &writer)
        case .packetSize(let new, let old): Self.texts(Kind.packetSize, String(new), String(old), &writer)
        case .collation(let new, let old): Self.values(Kind.collation, new, old, &writer)
        case .transactionBegun(let descriptor): Self.values(Kind.begin, descriptor, [], &writer)
        case .transactionEnlisted(let descriptor): Self.values(Kind.enlist, descriptor, [], &writer)
        case .transactionCommitted(let descriptor): Self.values(Kind.commit, [], descriptor, &writer)
        case .transactionRolledBack(let descriptor): Self.values(Kind.rollback, [], descriptor, &writer)
        case .routing(let route):
            writer.byte(route.database == nil ? Kind.routing : Kind.enhancedRouting)
            writer.sized16 { route.encode(into: &$0) }
            writer.uint16(0)
        case .transactionEnded(let type, let payload), .other(let type, let payload):
            writer.byte(type)
            writer.append(payload)
        }
    }

    /// **Source**: MS-TDS 2.2.5.3.2: eight bytes name a transaction.
    private static func descriptor(_ reader: inout ByteReader) throws(WireError) -> [UInt8] {
        let bytes = try reader.shortBytes()
        guard bytes.count == RequestHeaders.noTransaction.count else {
            throw .malformed("the server names a transaction with \(bytes.count) bytes instead of 8")
        }
        return bytes
    }

    private static func texts(_ type: UInt8, _ new: String, _ old: String, _ writer: inout ByteWriter) {
        writer.byte(type)
        writer.shortText(new)
        writer.shortText(old)
    }

    private static func values(_ type: UInt8, _ new: [UInt8], _ old: [UInt8], _ writer: inout ByteWriter) {
        writer.byte(type)
        writer.shortBytes(new)
        writer.shortBytes(old)
    }
}

/// Where a gateway sends its client. **Source**: MS-TDS 2.2.7.9, routing and enhanced routing.
package struct Route: Sendable, Hashable {
    /// 0 is TCP, the only one there is.
    package var transport: UInt8 = 0
    package var port: UInt16
    package var server: String
    /// Only in enhanced routing.
    package var database: String?

    package init(server: String, port: UInt16, database: String? = nil, transport: UInt8 = 0) {
        self.transport = transport
        self.port = port
        self.server = server
        self.database = database
    }

    /// Longer names are refused, as Microsoft's JDBC driver does. **Unit**: UTF-16 code units.
    package static let longestName = 1_024

    init(body reader: inout ByteReader, hasDatabase: Bool) throws(WireError) {
        transport = try reader.byte()
        port = try reader.uint16()
        let units = try reader.length16()
        guard units <= Self.longestName else { throw .beyondLimit("the name of the server in a redirect", Self.longestName) }
        server = try reader.text(units: units)
        if hasDatabase {
            let units = try reader.length16()
            guard units <= Self.longestName else { throw .beyondLimit("the name of the database in a redirect", Self.longestName) }
            database = try reader.text(units: units)
        }
    }

    func encode(into writer: inout ByteWriter) {
        writer.byte(transport)
        writer.uint16(port)
        writer.longText(server, limit: 32_000)
        if let database { writer.longText(database, limit: Self.longestName) }
    }
}
