// PRELOGIN: the clear-text message in which both sides agree on encryption and on token login.

/// A list of options; the same form in both directions. **Source**: MS-TDS 2.2.6.5, PRELOGIN.
package struct Prelogin: Sendable, Hashable {
    /// In the order of the table.
    package var options: [Option]

    package init(options: [Option]) { self.options = options }

    /// What a client of ours says: version of the program, encryption, no instance, no MARS, a trace id, token login.
    package init(version: Version, encryption: Encryption, trace: [UInt8], federatedAuthentication: Bool = true) {
        options = [
            Option(.version, version.bytes), Option(.encryption, [encryption.rawValue]), Option(.instance, [0]),
            Option(.threadID, [0, 0, 0, 0]), Option(.mars, [0]), Option(.traceID, trace),
        ]
        if federatedAuthentication { options.append(Option(.federatedAuthenticationRequired, [1])) }
    }

    // MARK: Options by name

    /// Of the program that sent the message: a server's own version in its reply.
    package var version: Version? { data(.version).flatMap(Version.init) }
    package var encryption: Encryption? { data(.encryption)?.first.map(Encryption.init) }
    /// From a client: it can log in by token. From a server: the login must echo this.
    package var federatedAuthenticationRequired: UInt8? { data(.federatedAuthenticationRequired)?.first }
    /// 32 bytes that go back to the server behind the token.
    package var nonce: [UInt8]? { data(.nonce) }
    package var trace: [UInt8]? { data(.traceID) }

    package func data(_ token: OptionToken) -> [UInt8]? { options.first { $0.token == token.rawValue }?.data }

    // MARK: Bytes

    /// The whole message may be no longer; it fits one packet. **Unit**: bytes.
    package static let largest = 4_096 - PacketHeader.size
    package static let mostOptions = 32
    private static let terminator: UInt8 = 0xFF
    private static let entrySize = 5

    /// Reads the payload of one PRELOGIN message.
    ///
    /// **Throws** `malformed` when the table has no end, an option lies outside the message, VERSION is not first, or a known option
    /// has a length it cannot have.
    package init(decoding bytes: [UInt8]) throws(WireError) {
        do throws(WireError) {
            try self.init(reading: bytes)
        } catch {
            throw WireError(error.reason, evidence: Array(bytes.prefix(WireError.evidenceLength)))
        }
    }

    private init(reading bytes: [UInt8]) throws(WireError) {
        guard bytes.count <= Self.largest else { throw .beyondLimit("a PRELOGIN message of \(bytes.count) bytes", Self.largest) }
        options = []
        var reader = ByteReader(bytes)
        while true {
            let token = try reader.byte()
            if token == Self.terminator { break }
            guard options.count < Self.mostOptions else { throw .beyondLimit("the number of PRELOGIN options", Self.mostOptions) }
            let offset = Int(try reader.big(2))
            let length = Int(try reader.big(2))
            // Both are at most 65535, so the sum cannot overflow.
            guard offset + length <= bytes.count else {
                throw .malformed("PRELOGIN option 0x\(hexadecimal(token)) lies outside the message")
            }
            let option = Option(token: token, data: Array(bytes[offset..<offset + length]))
            try option.check()
            options.append(option)
        }
        guard options.first?.token == OptionToken.version.rawValue else { throw .malformed("PRELOGIN does not begin with VERSION") }
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter()
        var offset = options.count * Self.entrySize + 1
        for option in options {
            writer.byte(option.token)
            writer.big(UInt64(offset), 2)
            writer.big(UInt64(option.data.count), 2)
            offset += option.data.count
        }
        writer.byte(Self.terminator)
        for option in options { writer.append(option.data) }
        return writer.bytes
    }

    // MARK: Parts

    /// **Source**: MS-TDS 2.2.6.5, PL_OPTION_TOKEN.
    package enum OptionToken: UInt8, Sendable, Hashable {
        case version = 0x00
        case encryption = 0x01
        case instance = 0x02
        case threadID = 0x03
        case mars = 0x04
        case traceID = 0x05
        case federatedAuthenticationRequired = 0x06
        case nonce = 0x07
    }

    package struct Option: Sendable, Hashable {
        package var token: UInt8
        package var data: [UInt8]

        package init(token: UInt8, data: [UInt8]) {
            self.token = token
            self.data = data
        }

        package init(_ token: OptionToken, _ data: [UInt8]) { self.init(token: token.rawValue, data: data) }

        fileprivate func check() throws(WireError) {
            let isPossible =
                switch OptionToken(rawValue: token) {
                case .version: data.count == 6
                case .encryption: data.count == 1
                case .federatedAuthenticationRequired, .mars: data.count <= 1
                case .nonce: data.count == 32
                case .traceID: data.isEmpty || data.count == 36
                case .threadID: data.count <= 4
                case .instance, nil: true
                }
            guard isPossible else { throw .malformed("PRELOGIN option 0x\(hexadecimal(token)) cannot be \(data.count) bytes long") }
        }
    }

    /// **Source**: MS-TDS 2.2.6.5, ENCRYPTION.
    package struct Encryption: RawRepresentable, Sendable, Hashable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Only the login is encrypted.
        package static let off = Encryption(rawValue: 0x00)
        package static let on = Encryption(rawValue: 0x01)
        package static let notSupported = Encryption(rawValue: 0x02)
        package static let required = Encryption(rawValue: 0x03)

        /// Without the flag for client certificates.
        package var withoutFlags: Encryption { Encryption(rawValue: rawValue & 0x3F) }

        /// Whether everything after PRELOGIN is encrypted.
        package var isWhole: Bool { withoutFlags == .on || withoutFlags == .required }
    }

    /// **Shape**: major, minor, build (high byte first), sub-build (low byte first). **Source**: MS-TDS 2.2.6.5, VERSION.
    package struct Version: Sendable, Hashable, CustomStringConvertible {
        package var major, minor: UInt8
        package var build: UInt16
        package var subBuild: UInt16

        package init(major: UInt8, minor: UInt8, build: UInt16, subBuild: UInt16 = 0) {
            self.major = major
            self.minor = minor
            self.build = build
            self.subBuild = subBuild
        }

        init?(_ bytes: [UInt8]) {
            guard bytes.count == 6 else { return nil }
            self.init(
                major: bytes[0], minor: bytes[1], build: UInt16(bytes[2]) << 8 | UInt16(bytes[3]),
                subBuild: UInt16(bytes[5]) << 8 | UInt16(bytes[4]))
        }

        package var bytes: [UInt8] {
            var writer = ByteWriter()
            writer.byte(major)
            writer.byte(minor)
            writer.big(UInt64(build), 2)
            writer.uint16(subBuild)
            return writer.bytes
        }

        package var description: String { "\(major).\(minor).\(build)" }
    }
}
