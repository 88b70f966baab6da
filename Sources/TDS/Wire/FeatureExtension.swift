// Features: what a client asks for behind LOGIN7, and what the server acknowledges in FEATUREEXTACK.

/// **Source**: MS-TDS 2.2.6.4, FeatureId.
package struct FeatureID: RawRepresentable, Sendable, Hashable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let sessionRecovery = FeatureID(rawValue: 0x01)
    package static let federatedAuthentication = FeatureID(rawValue: 0x02)
    package static let columnEncryption = FeatureID(rawValue: 0x04)
    package static let globalTransactions = FeatureID(rawValue: 0x05)
    package static let azureSQLSupport = FeatureID(rawValue: 0x08)
    package static let dataClassification = FeatureID(rawValue: 0x09)
    package static let utf8Support = FeatureID(rawValue: 0x0A)
    package static let dnsCaching = FeatureID(rawValue: 0x0B)
    package static let enhancedRouting = FeatureID(rawValue: 0x0F)
    package static let userAgent = FeatureID(rawValue: 0x10)

    package static let terminator: UInt8 = 0xFF
    /// More features or acknowledgements than this are refused; the specification knows about a dozen.
    package static let mostInList = 32
}

/// One wish of a client. Its bytes may be a token, so they do not print.
package struct FeatureRequest: Sendable, Hashable {
    package var id: FeatureID
    package var data: SensitiveBytes

    package init(_ id: FeatureID, _ data: [UInt8] = []) {
        self.id = id
        self.data = SensitiveBytes(data)
    }

    package func encode(into writer: inout ByteWriter) {
        writer.byte(id.rawValue)
        writer.uint32(UInt32(truncatingIfNeeded: data.count))
        data.reveal { writer.append($0) }
    }

    static func decodeList(from reader: inout ByteReader) throws(WireError) -> [FeatureRequest] {
        var features: [FeatureRequest] = []
        while true {
            let id = try reader.byte()
            if id == FeatureID.terminator { return features }
            guard features.count < FeatureID.mostInList else { throw .beyondLimit("the number of features", FeatureID.mostInList) }
            let length = Int(try reader.uint32())
            features.append(FeatureRequest(FeatureID(rawValue: id), Array(try reader.take(length))))
        }
    }
}

/// One answer of a server. **Source**: MS-TDS 2.2.7.11, FEATUREEXTACK.
package struct FeatureAcknowledgement: Sendable, Hashable {
    package var id: FeatureID
    package var data: [UInt8]

    package init(_ id: FeatureID, _ data: [UInt8] = []) {
        self.id = id
        self.data = data
    }
}

/// The wish to log in by token. **Source**: MS-TDS 2.2.6.4, FEDAUTH.
///
/// The low bit of the option byte is the echo, the rest the library; the table of the specification prints them the other way round.
package enum FederatedLogin: Sendable, Hashable {
    /// The token is at hand and goes with the login: one round trip.
    case securityToken(SensitiveBytes, nonce: [UInt8]?, echo: Bool)
    /// The server is asked first who issues tokens for it, and answers with FEDAUTHINFO.
    case askFirst(workflow: UInt8, echo: Bool)

    /// **Source**: MS-TDS 2.2.6.4, bFedAuthLibrary.
    private enum Library {
        static let securityToken: UInt8 = 1
        static let entra: UInt8 = 2
    }

    /// Managed identities and tokens from a call-back. **Source**: MS-TDS 2.2.6.4, workflow.
    package static let managedIdentityWorkflow: UInt8 = 3

    package static let nonceLength = 32

    package func request() -> FeatureRequest {
        var writer = ByteWriter()
        switch self {
        case .securityToken(let token, let nonce, let echo):
            writer.byte(Library.securityToken << 1 | (echo ? 1 : 0))
            writer.uint32(UInt32(truncatingIfNeeded: token.count))
            token.reveal { writer.append($0) }
            writer.append(nonce ?? [])
        case .askFirst(let workflow, let echo):
            writer.byte(Library.entra << 1 | (echo ? 1 : 0))
            writer.byte(workflow)
        }
        return FeatureRequest(.federatedAuthentication, writer.bytes)
    }

    package init(decoding feature: FeatureRequest) throws(WireError) {
        self = try feature.data.reveal { (bytes) throws(WireError) -> FederatedLogin in
            var reader = ByteReader(bytes)
            let options = try reader.byte()
            let echo = options & 1 == 1
            switch options >> 1 {
            case Library.securityToken:
                let token = Array(try reader.take(Int(try reader.uint32())))
                return .securityToken(SensitiveBytes(token), nonce: try Self.nonce(&reader), echo: echo)
            case Library.entra: return .askFirst(workflow: try reader.byte(), echo: echo)
            case let other: throw .malformed("library \(other) for token login is unknown")
            }
        }
    }

    fileprivate static func nonce(_ reader: inout ByteReader) throws(WireError) -> [UInt8]? {
        if reader.isAtEnd { return nil }
        guard reader.remaining == nonceLength else { throw .malformed("behind the token are \(reader.remaining) bytes, a nonce has 32") }
        return Array(try reader.take(nonceLength))
    }
}

/// The message that carries a token after FEDAUTHINFO. **Source**: MS-TDS 2.2.6.3, Federated Authentication Token.
package struct FederatedTokenMessage: Sendable, Hashable {
    package var token: SensitiveBytes
    package var nonce: [UInt8]?

    package init(token: SensitiveBytes, nonce: [UInt8]? = nil) {
        self.token = token
        self.nonce = nonce
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.uint32(UInt32(truncatingIfNeeded: 4 + token.count + (nonce?.count ?? 0)))
        writer.uint32(UInt32(truncatingIfNeeded: token.count))
        token.reveal { writer.append($0) }
        writer.append(nonce ?? [])
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        var reader = ByteReader(bytes)
        let length = Int(try reader.uint32())
        guard length == reader.remaining else {
            throw .malformed("the token message says \(length) bytes follow, there are \(reader.remaining)")
        }
        token = SensitiveBytes(Array(try reader.take(Int(try reader.uint32()))))
        nonce = try FederatedLogin.nonce(&reader)
    }
}

/// Who issues tokens for this server, and for which resource. **Source**: MS-TDS 2.2.7.12, FEDAUTHINFO.
package struct FederatedAuthenticationInfo: Sendable, Hashable {
    /// Authority and tenant: `https://login.windows.net/<tenant>`.
    package var stsURL: String?
    /// The resource: `https://database.windows.net/`.
    package var spn: String?

    package init(stsURL: String?, spn: String?) {
        self.stsURL = stsURL
        self.spn = spn
    }

    /// The first path segment of the authority: a GUID, a domain name, `common`, or nil.
    package var tenant: String? {
        guard let url = stsURL, let scheme = url.firstRange(of: "://") else { return nil }
        let segments = url[scheme.upperBound...].split(separator: "/", omittingEmptySubsequences: false)
        guard segments.count >= 2, let tenant = segments[1].split(separator: "?").first, !tenant.isEmpty else { return nil }
        return String(tenant)
    }

    /// **Source**: MS-TDS 2.2.7.12, FedAuthInfoID.
    private enum InfoID {
        static let stsURL: UInt8 = 1
        static let spn: UInt8 = 2
    }

    private static let entrySize = 9
    private static let mostEntries = 16

    /// **Shape**: `body` is what the length of the token covers; offsets count from its first byte.
    package init(body: [UInt8]) throws(WireError) {
        var reader = ByteReader(body)
        let count = Int(try reader.uint32())
        guard count <= Self.mostEntries else { throw .beyondLimit("the number of entries of FEDAUTHINFO", Self.mostEntries) }
        let first = 4 + count * Self.entrySize
        for _ in 0..<count {
            let id = try reader.byte()
            let length = Int(try reader.uint32())
            let offset = Int(try reader.uint32())
            guard offset >= first, offset + length <= body.count else { throw .malformed("an entry of FEDAUTHINFO lies outside the token") }
            guard length.isMultiple(of: 2) else { throw .malformed("a text of FEDAUTHINFO has an odd number of bytes") }
            let text = decodeUTF16(body[offset..<offset + length])
            switch id {
            case InfoID.stsURL: stsURL = text
            case InfoID.spn: spn = text
            default: break
            }
        }
    }

    package func encodeBody() -> [UInt8] {
        let entries = [(InfoID.stsURL, stsURL), (InfoID.spn, spn)].compactMap { id, text in text.map { (id, $0) } }
        var writer = ByteWriter()
        writer.uint32(UInt32(entries.count))
        var offset = 4 + entries.count * Self.entrySize
        for (id, text) in entries {
            writer.byte(id)
            writer.uint32(UInt32(text.utf16.count * 2))
            writer.uint32(UInt32(offset))
            offset += text.utf16.count * 2
        }
        for (_, text) in entries { writer.text(text) }
        return writer.bytes
    }
}
