// The first packet of a server, read by us and never by libmariadb: pure, bounded, and written anew for the library from what was understood.
import Diagnosis

/// What a MySQL server says about itself before anything was asked.
///
/// **Source**: MySQL documentation, "Protocol::HandshakeV10".
package struct Greeting: Sendable, Hashable {
    /// Without MariaDB's prefix `5.5.5-`, which is there for old replicas.
    package var serverVersion: String
    package var connectionID: UInt32
    package var capabilities: UInt32
    package var characterSet: UInt8
    package var status: UInt16
    /// What the server offers to begin with; what an account wants is said after its name is known.
    package var plugin: String?
    /// **Unit**: bytes, at most 20.
    package var scramble: [UInt8]

    /// Largest greeting that is read. **Unit**: bytes; the ones there are have about 100, refusals up to 520.
    package static let limit = 2048

    package var isMariaDB: Bool { ForeignName.contains(serverVersion, "mariadb") }
    package var majorVersion: Int { Int(serverVersion.prefix { $0.isNumber }) ?? 0 }
    package var offersTLS: Bool { capabilities & Capability.tls != 0 }

    /// - Parameter payload: a packet without its header.
    package init(_ payload: [UInt8]) throws(GreetingFailure) {
        var reader = PacketReader(payload)
        guard let version = reader.byte() else { throw .foreign }
        if version == 0xFF {
            guard let refusal = ServerRefusal(&reader) else { throw .foreign }
            throw .refused(refusal)
        }
        guard version == 10 else { throw version == 9 ? .version(9) : .foreign }
        guard let name = reader.text(), !name.isEmpty, let id = reader.integer(4), let first = reader.bytes(8), reader.byte() != nil,
            let low = reader.integer(2)
        else { throw .foreign }
        serverVersion = String(name.hasPrefix("5.5.5-") ? name.dropFirst(6) : name[...])
        connectionID = UInt32(id)
        capabilities = UInt32(low)
        (characterSet, status, scramble) = (0, 0, first)
        // Servers older than 4.1 end here.
        guard let set = reader.byte() else { return }
        guard let status = reader.integer(2), let high = reader.integer(2), let length = reader.byte(), reader.bytes(10) != nil else {
            throw .foreign
        }
        characterSet = set
        self.status = UInt16(status)
        capabilities |= UInt32(high) << 16
        if capabilities & Capability.secureConnection != 0 {
            // One byte more than counts: a zero at the end.
            guard let rest = reader.bytes(max(13, Int(length) - 8)) else { throw .foreign }
            scramble += rest.prefix(12)
        }
        if capabilities & Capability.pluginAuthentication != 0 { plugin = reader.rest() }
    }

    /// The greeting for libmariadb, with header: only what a probe needs, so that the library's reader never sees foreign bytes, and only
    /// capabilities whose handling in the library a probe wants. Session tracking, compression and LOCAL INFILE are not among them.
    package var forLibrary: [UInt8] {
        var payload: [UInt8] = [10] + Array((isMariaDB ? "5.5.5-0-MariaDB" : "8.0.0").utf8) + [0]
        func append(_ value: UInt32, _ count: Int) {
            for place in 0..<count { payload.append(UInt8(truncatingIfNeeded: value >> (8 * place))) }
        }
        let kept = capabilities & Capability.kept
        let bytes = scramble + [UInt8](repeating: 0x2E, count: max(0, 20 - scramble.count))
        append(connectionID, 4)
        payload += bytes.prefix(8) + [0]
        append(kept & 0xFFFF, 2)
        payload.append(characterSet)
        append(UInt32(status), 2)
        append(kept >> 16, 2)
        payload.append(21)
        payload += [UInt8](repeating: 0, count: 10)
        payload += bytes.dropFirst(8).prefix(12) + [0]
        payload += Array("mysql_native_password".utf8) + [0]
        return [UInt8(payload.count & 0xFF), UInt8(payload.count >> 8), 0, 0] + payload
    }

    /// **Source**: MySQL documentation, "Capabilities Flags".
    package enum Capability {
        package static let connectWithDatabase: UInt32 = 1 << 3
        package static let protocol41: UInt32 = 1 << 9
        package static let tls: UInt32 = 1 << 11
        package static let secureConnection: UInt32 = 1 << 15
        package static let pluginAuthentication: UInt32 = 1 << 19
        static let kept: UInt32 =
            1 | 1 << 2 | connectWithDatabase | protocol41 | tls | 1 << 13 | secureConnection | pluginAuthentication | 1 << 20 | 1 << 21
    }
}

/// Why a first packet is no greeting.
package enum GreetingFailure: Error, Sendable, Hashable {
    /// The server refuses the client before anything was said, in the clear.
    case refused(ServerRefusal)
    /// A version of the protocol that nobody has spoken since 1998.
    case version(UInt8)
    /// Not a packet of this protocol.
    case foreign
}

/// An error packet. **Source**: MySQL documentation, "ERR_Packet".
package struct ServerRefusal: Error, Sendable, Hashable {
    package var number: Int
    /// Nil before the login, where servers leave it out.
    package var sqlState: String?
    package var text: String

    package init(number: Int, sqlState: String? = nil, text: String) {
        self.number = number
        self.sqlState = sqlState
        self.text = text
    }

    /// - Parameter reader: behind the byte 0xFF.
    init?(_ reader: inout PacketReader) {
        guard let number = reader.integer(2), number > 0 else { return nil }
        var text = reader.rest() ?? ""
        self.number = Int(number)
        if text.hasPrefix("#"), text.utf8.count >= 6 {
            sqlState = String(text.dropFirst().prefix(5))
            text = String(text.dropFirst(6))
        }
        self.text = text
    }
}

/// The header of a packet. **Source**: MySQL documentation, "Protocol::Packet".
package struct PacketHeader: Sendable, Hashable {
    package static let size = 4
    package var length: Int
    package var sequence: UInt8

    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count >= Self.size else { return nil }
        let bytes = Array(bytes.prefix(Self.size))
        length = Int(bytes[0]) | Int(bytes[1]) << 8 | Int(bytes[2]) << 16
        sequence = bytes[3]
    }

    /// Whether a server could begin like this.
    package var isFirst: Bool { sequence == 0 && (1...Greeting.limit).contains(length) }
}

/// Takes a packet apart; nil where it is too short.
struct PacketReader {
    private var left: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { left = bytes[...] }

    mutating func byte() -> UInt8? { left.popFirst() }

    mutating func bytes(_ count: Int) -> [UInt8]? {
        guard count >= 0, left.count >= count else { return nil }
        defer { left = left.dropFirst(count) }
        return Array(left.prefix(count))
    }

    /// Little-endian.
    mutating func integer(_ count: Int) -> UInt64? {
        bytes(count)?.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Up to a zero byte, which has to be there.
    mutating func text() -> String? {
        guard let end = left.firstIndex(of: 0) else { return nil }
        defer { left = left[(end + 1)...] }
        return String(decoding: left[..<end], as: UTF8.self)
    }

    /// All that is left, up to a zero byte if there is one; nil when nothing is left.
    mutating func rest() -> String? {
        guard !left.isEmpty else { return nil }
        defer { left = [] }
        return String(decoding: left.prefix { $0 != 0 }, as: UTF8.self)
    }
}

enum ForeignName {
    /// Whether `text` holds `word`, which is written in lower case.
    static func contains(_ text: String, _ word: String) -> Bool {
        let bytes = text.utf8.map { (0x41...0x5A).contains($0) ? $0 + 0x20 : $0 }
        let needle = Array(word.utf8)
        guard bytes.count >= needle.count else { return false }
        return (0...(bytes.count - needle.count)).contains { bytes[$0..<$0 + needle.count].elementsEqual(needle) }
    }
}
