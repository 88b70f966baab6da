// LOGIN7: who wants in, to which database, and with which features. The token travels in one of the features.

/// **Source**: MS-TDS 2.2.6.4, LOGIN7. Numbers are low byte first; offsets count from the first byte of the message.
///
/// Text is UTF-16LE, and its lengths count code units. A field may have at most 128 of them, the file name 260.
package struct LoginMessage: Sendable, Hashable {
    package var tdsVersion: UInt32 = TDSVersion.v74
    /// Wanted packet size; 0 leaves it to the server. **Unit**: bytes.
    package var packetSize: UInt32 = 4_096
    package var clientProgramVersion: UInt32 = 0
    package var clientProcessID: UInt32 = 0
    package var connectionID: UInt32 = 0
    package var options1: UInt8 = Options.defaults1
    package var options2: UInt8 = Options.defaults2
    package var typeFlags: UInt8 = 0
    package var options3: UInt8 = Options.extensions
    /// **Unit**: minutes.
    package var timeZone: Int32 = 0
    package var locale: UInt32 = 0x0409
    package var hostName = ""
    package var userName = ""
    /// As on the wire: every byte with its halves swapped and then combined with 0xA5.
    package var obfuscatedPassword = SensitiveBytes([])
    package var applicationName = ""
    /// The name that was asked for: the gateway finds the logical server by it.
    package var serverName = ""
    package var libraryName = ""
    package var language = ""
    package var database = ""
    package var clientID: [UInt8] = [0, 0, 0, 0, 0, 0]
    package var features: [FeatureRequest] = []

    package init() {}

    /// A longer message is refused by servers. **Source**: MS-TDS 2.2.6.4, Length. **Unit**: bytes.
    package static let largest = 128 * 1024 - 1
    /// Everything before the first text. **Unit**: bytes.
    package static let fixedSize = 94
    /// **Unit**: UTF-16 code units.
    package static let longestText = 128

    /// **Source**: MS-TDS 2.2.6.4, OptionFlags1 to OptionFlags3.
    package enum Options {
        /// Tell of USE, fail when the database cannot be opened, tell of SET LANGUAGE.
        package static let defaults1: UInt8 = 0xE0
        /// Fail when the language cannot be set; ANSI defaults as ODBC has them.
        package static let defaults2: UInt8 = 0x03
        package static let extensions: UInt8 = 0x10
    }

    // MARK: Bytes

    /// **Throws** when a text is too long or the whole is.
    package func encode() throws(WireError) -> [UInt8] {
        var writer = ByteWriter()
        writer.zeros(4)
        for number in [tdsVersion, packetSize, clientProgramVersion, clientProcessID, connectionID] { writer.uint32(number) }
        // The bit and the list go together: a server that finds only one of them refuses the login.
        let hasFeatures = !features.isEmpty || options3 & Options.extensions != 0
        writer.append([options1, options2, typeFlags, hasFeatures ? options3 | Options.extensions : options3])
        writer.int32(timeZone)
        writer.uint32(locale)

        // The table of offsets, then what it points to. Which fields without text have offset 0 is as ODBC does it.
        var data = ByteWriter()
        func place(_ text: String, _ name: String, always: Bool = false) throws(WireError) {
            let units = Array(text.utf16)
            guard units.count <= Self.longestText else { throw .beyondLimit("the \(name) of \(units.count) characters", Self.longestText) }
            writer.uint16(units.isEmpty && !always ? 0 : UInt16(Self.fixedSize + data.count))
            writer.uint16(UInt16(units.count))
            for unit in units { data.uint16(unit) }
        }
        try place(hostName, "host name", always: true)
        try place(userName, "user name")
        writer.uint16(obfuscatedPassword.count == 0 ? 0 : UInt16(Self.fixedSize + data.count))
        writer.uint16(UInt16(min(obfuscatedPassword.count, 256) / 2))
        obfuscatedPassword.reveal { data.append($0.prefix(256)) }
        try place(applicationName, "application name")
        try place(serverName, "server name")
        let pointer = data.count
        writer.uint16(hasFeatures ? UInt16(Self.fixedSize + pointer) : 0)
        writer.uint16(hasFeatures ? 4 : 0)
        if hasFeatures { data.zeros(4) }
        try place(libraryName, "library name")
        try place(language, "language", always: true)
        try place(database, "database name")
        writer.append((clientID + [0, 0, 0, 0, 0, 0]).prefix(6))
        // SSPI, file to attach, new password: none; long SSPI length: 0.
        writer.zeros(4)
        writer.uint16(UInt16(Self.fixedSize + data.count))
        writer.zeros(10)

        if hasFeatures {
            data.replace(at: pointer, little: UInt64(Self.fixedSize + data.count), 4)
            for feature in features { feature.encode(into: &data) }
            data.byte(FeatureID.terminator)
        }
        writer.append(data.bytes)
        guard writer.count <= Self.largest else { throw .beyondLimit("the login message of \(writer.count) bytes", Self.largest) }
        writer.replace(at: 0, little: UInt64(writer.count), 4)
        return writer.bytes
    }

    /// Reads what a client sends. Offsets are checked before anything is taken from them.
    package init(decoding bytes: [UInt8]) throws(WireError) {
        guard bytes.count <= Self.largest else { throw .beyondLimit("a login message of \(bytes.count) bytes", Self.largest) }
        var reader = ByteReader(bytes)
        let length = Int(try reader.uint32())
        guard length == bytes.count else { throw .malformed("LOGIN7 says it is \(length) bytes long and is \(bytes.count)") }
        tdsVersion = try reader.uint32()
        packetSize = try reader.uint32()
        clientProgramVersion = try reader.uint32()
        clientProcessID = try reader.uint32()
        connectionID = try reader.uint32()
        options1 = try reader.byte()
        options2 = try reader.byte()
        typeFlags = try reader.byte()
        options3 = try reader.byte()
        timeZone = try reader.int32()
        locale = try reader.uint32()

        var entries: [(offset: Int, count: Int)] = []
        for _ in 0..<9 { entries.append((try reader.length16(), try reader.length16())) }
        clientID = Array(try reader.take(6))
        try reader.skip(Self.fixedSize - reader.position)

        func range(_ entry: (offset: Int, count: Int), width: Int, _ name: String) throws(WireError) -> Range<Int> {
            let size = entry.count * width
            if size == 0 { return 0..<0 }
            guard entry.offset >= Self.fixedSize, entry.offset + size <= bytes.count else {
                throw .malformed("the \(name) of LOGIN7 lies outside the message")
            }
            return entry.offset..<entry.offset + size
        }
        func text(_ index: Int, _ name: String) throws(WireError) -> String {
            guard entries[index].count <= Self.longestText else { throw .beyondLimit("the \(name) of LOGIN7", Self.longestText) }
            return decodeUTF16(bytes[try range(entries[index], width: 2, name)])
        }
        hostName = try text(0, "host name")
        userName = try text(1, "user name")
        obfuscatedPassword = SensitiveBytes(Array(bytes[try range(entries[2], width: 2, "password")]))
        applicationName = try text(3, "application name")
        serverName = try text(4, "server name")
        libraryName = try text(6, "library name")
        language = try text(7, "language")
        database = try text(8, "database name")

        guard options3 & Options.extensions != 0 else { return }
        guard entries[5].count == 4 else {
            throw .malformed("the pointer to the features of LOGIN7 is \(entries[5].count) bytes long, not 4")
        }
        let place = try range(entries[5], width: 1, "pointer to the features")
        var pointer = ByteReader(Array(bytes[place]))
        let start = Int(try pointer.uint32())
        guard start >= Self.fixedSize, start < bytes.count else { throw .malformed("the features of LOGIN7 lie outside the message") }
        var list = ByteReader(bytes, from: start, open: false)
        features = try FeatureRequest.decodeList(from: &list)
    }

    /// Swaps the halves of every byte of UTF-16LE text and combines them with 0xA5. No protection; for servers with SQL logins.
    /// **Source**: MS-TDS 2.2.6.4, Password.
    package static func obfuscate(_ password: String) -> SensitiveBytes {
        var writer = ByteWriter()
        writer.text(password)
        return SensitiveBytes(writer.bytes.map { ($0 << 4 | $0 >> 4) ^ 0xA5 })
    }
}

/// **Source**: MS-TDS 2.2.6.4, TDSVersion; 2.2.7.14, LOGINACK.
package enum TDSVersion {
    package static let v74: UInt32 = 0x7400_0004
    package static let v80: UInt32 = 0x0800_0000
}
