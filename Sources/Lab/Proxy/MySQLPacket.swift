// Packets of a MySQL server, to be sent by scripts. Source: MySQL 8 internals, "Connection Phase" and "Command Phase".

enum MySQLPacket {
    /// Bits of the capability flags that scripts look at or set. Source: MySQL, `mysql_com.h`.
    enum Capability {
        static let withDatabase: UInt32 = 1 << 3
        static let localFiles: UInt32 = 1 << 7
        static let ssl: UInt32 = 1 << 11
        static let secureConnection: UInt32 = 1 << 15
        static let pluginName: UInt32 = 1 << 19
        static let lengthEncodedToken: UInt32 = 1 << 21
        static let noEndPackets: UInt32 = 1 << 24
        /// What MySQL 8 offers.
        static let mysql8: UInt32 = 0xDFFF_FFFF
    }

    /// Length in three bytes and number; content beyond 16 MiB would need further packets and is not made here.
    static func packet(_ number: UInt8, _ content: [UInt8]) -> [UInt8] { header(number, length: content.count) + content }

    static func header(_ number: UInt8, length: Int) -> [UInt8] {
        [UInt8(length & 0xFF), UInt8(length >> 8 & 0xFF), UInt8(length >> 16 & 0xFF), number]
    }

    static func text(_ value: String) -> [UInt8] { Array(value.utf8) + [0] }
    static func short(_ value: Int) -> [UInt8] { [UInt8(value & 0xFF), UInt8(value >> 8 & 0xFF)] }
    static func long(_ value: UInt32) -> [UInt8] { [0, 8, 16, 24].map { UInt8(value >> UInt32($0) & 0xFF) } }

    /// A text after its length, in the form that can say every length. Texts of scripts stay below 64 KiB.
    static func counted(_ bytes: [UInt8]) -> [UInt8] {
        bytes.count < 251 ? [UInt8(bytes.count)] + bytes : [0xFC] + short(bytes.count) + bytes
    }

    /// The first word of a server: protocol 10, version, what it can do, and the plugin it would use.
    static func greeting(version: String, plugin: String = "caching_sha2_password", capabilities: UInt32 = Capability.mysql8) -> [UInt8] {
        let nonce = (0..<20).map { _ in UInt8.random(in: 33...126) }
        var content: [UInt8] = [10] + text(version) + long(4_242) + nonce[..<8] + [0]
        content += short(Int(capabilities & 0xFFFF)) + [255] + short(2) + short(Int(capabilities >> 16))
        content += [21] + [UInt8](repeating: 0, count: 10) + nonce[8...] + [0] + text(plugin)
        return packet(0, content)
    }

    /// An error packet. Before the handshake there is no SQLSTATE in it.
    static func error(_ number: UInt8, _ code: Int, _ sqlState: String?, _ message: String) -> [UInt8] {
        packet(number, [0xFF] + short(code) + Array((sqlState.map { "#" + $0 } ?? "").utf8) + Array(message.utf8))
    }

    static func ok(_ number: UInt8) -> [UInt8] { packet(number, [0, 0, 0] + short(2) + short(0)) }

    /// Asks the client to go on with another plugin.
    static func authSwitch(_ number: UInt8, to plugin: String, data: [UInt8] = []) -> [UInt8] {
        packet(number, [0xFE] + text(plugin) + (data.isEmpty ? [] : data + [0]))
    }

    /// What comes before the rows of a result: names of columns, all of them text. Its last part is the number of the next packet.
    static func columns(_ names: [String], client: UInt32) -> (bytes: [UInt8], next: UInt8) {
        var bytes = packet(1, [UInt8(names.count)])
        var next: UInt8 = 2
        for name in names {
            let texts = ["def", "", "", "", name, ""].flatMap { counted(Array($0.utf8)) }
            // Character set 255 (utf8mb4), the longest value, type VAR_STRING.
            bytes += packet(next, texts + [12] + short(255) + long(1_024) + [0xFD] + short(0) + [0, 0, 0])
            next &+= 1
        }
        guard client & Capability.noEndPackets == 0 else { return (bytes, next) }
        return (bytes + packet(next, [0xFE] + short(0) + short(2)), next &+ 1)
    }

    /// The answer to a statement; nil is null.
    static func result(_ names: [String], _ rows: [[String?]], client: UInt32) -> [UInt8] {
        var (bytes, next) = Self.columns(names, client: client)
        for row in rows {
            bytes += packet(next, row.flatMap { $0.map { counted(Array($0.utf8)) } ?? [0xFB] })
            next &+= 1
        }
        let end = client & Capability.noEndPackets != 0 ? [0xFE, 0, 0] + short(2) + short(0) : [0xFE] + short(0) + short(2)
        return bytes + packet(next, end)
    }
}

/// What a client says in its answer to the greeting.
struct MySQLLogin: Sendable {
    var capabilities: UInt32 = 0
    var user = ""
    var token: [UInt8] = []
    var database: String?
    var plugin: String?

    /// **Shape**: flags, longest packet, character set, 23 reserved bytes, then texts by the flags. Nil for what is shorter.
    /// **Source**: MySQL internals, `HandshakeResponse41`.
    init?(_ bytes: [UInt8]) {
        guard bytes.count > 32 else { return nil }
        capabilities = Self.flags(bytes)
        var rest = bytes[32...]
        func text() -> String {
            let end = rest.firstIndex(of: 0) ?? rest.endIndex
            defer { rest = rest[min(rest.endIndex, end + 1)...] }
            return String(decoding: rest[..<end], as: UTF8.self)
        }
        user = text()
        var length = Int(rest.popFirst() ?? 0)
        if length == 0xFC, rest.count >= 2 {
            length = Int(rest.removeFirst()) | Int(rest.removeFirst()) << 8
        }
        guard length <= rest.count else { return nil }
        token = Array(rest.prefix(length))
        rest = rest.dropFirst(length)
        if capabilities & MySQLPacket.Capability.withDatabase != 0 { database = text() }
        if capabilities & MySQLPacket.Capability.pluginName != 0 { plugin = text() }
    }

    static func flags(_ bytes: [UInt8]) -> UInt32 { bytes.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) } }
}
