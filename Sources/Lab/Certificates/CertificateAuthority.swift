// The certificate authority of the lab, and the certificates that faults present: made in the process, new for every lab.
import Crypto
import Diagnosis
import FoundationEssentials

/// A certificate with its key, as PEM.
package struct CertifiedKey: Sendable {
    /// Leaf first.
    package var certificates: [String]
    package var key: String
}

/// A root that signs server certificates. Source: RFC 5280; keys are ECDSA P-256 (RFC 5480).
package struct CertificateAuthority: Sendable {
    private let key: P256.Signing.PrivateKey
    private let name: DER
    package let certificate: String

    init(commonName: String) throws {
        self.key = P256.Signing.PrivateKey()
        self.name = Self.distinguishedName(commonName)
        let now = Timestamp.now
        self.certificate = try Self.certificate(
            subject: name, issuer: name, subjectKey: key.publicKey, signer: key, from: now + .seconds(-86_400 * 3),
            until: now + .seconds(86_400 * 365),
            extensions: [
                Self.extension([2, 5, 29, 19], critical: true, .sequence([.yes])),
                Self.extension([2, 5, 29, 15], critical: true, .bits([0x06], unused: 1)),
                Self.keyIdentifier(of: key.publicKey),
            ])
    }

    /// A server certificate for `names`. **Unit**: `from` and `until` are moments of wall-clock time.
    func issue(names: [String], from: Timestamp = .now + .seconds(-86_400 * 2), until: Timestamp = .now + .seconds(86_400 * 90)) throws
        -> CertifiedKey
    {
        let leaf = P256.Signing.PrivateKey()
        // GeneralName, dNSName [2] IA5String. Source: RFC 5280 section 4.2.1.6.
        let alternatives = DER.sequence(names.map { DER(tag: 0x82, Array($0.utf8)) })
        let pem = try Self.certificate(
            subject: Self.distinguishedName(names[0]), issuer: name, subjectKey: leaf.publicKey, signer: key, from: from, until: until,
            extensions: [
                Self.extension([2, 5, 29, 19], critical: true, .sequence([])),
                Self.extension([2, 5, 29, 15], critical: true, .bits([0x80], unused: 7)),
                // serverAuth. Source: RFC 5280 section 4.2.1.12.
                Self.extension([2, 5, 29, 37], critical: false, .sequence([.object([1, 3, 6, 1, 5, 5, 7, 3, 1])])),
                Self.extension([2, 5, 29, 17], critical: false, alternatives),
                Self.keyIdentifier(of: leaf.publicKey),
                // AuthorityKeyIdentifier, keyIdentifier [0].
                Self.extension([2, 5, 29, 35], critical: false, .sequence([DER(tag: 0x80, Self.identifier(key.publicKey))])),
            ])
        return CertifiedKey(certificates: [pem], key: leaf.pemRepresentation + "\n")
    }

    private static func certificate(
        subject: DER, issuer: DER, subjectKey: P256.Signing.PublicKey, signer: P256.Signing.PrivateKey, from: Timestamp, until: Timestamp,
        extensions: [DER]
    ) throws -> String {
        let algorithm = DER.sequence([.object([1, 2, 840, 10045, 4, 3, 2])])  // ecdsa-with-SHA256
        var publicKey = DER.sequence([])
        publicKey.bytes = Array(subjectKey.derRepresentation)
        let body = DER.sequence([
            .explicit(0, .integer([2])),  // version 3
            .integer([0x40] + (0..<15).map { _ in UInt8.random(in: .min ... .max) }),
            algorithm, issuer, .sequence([.time(stamp(from)), .time(stamp(until))]), subject, publicKey,
            .explicit(3, .sequence(extensions)),
        ])
        let signature = try signer.signature(for: Data(body.bytes))
        let whole = DER.sequence([body, algorithm, .bits(Array(signature.derRepresentation))])
        let text = Data(whole.bytes).base64EncodedString()
        var lines: [Substring] = []
        var rest = text[...]
        while !rest.isEmpty {
            lines.append(rest.prefix(64))
            rest = rest.dropFirst(64)
        }
        return "-----BEGIN CERTIFICATE-----\n" + lines.joined(separator: "\n") + "\n-----END CERTIFICATE-----\n"
    }

    private static func distinguishedName(_ commonName: String) -> DER {
        func attribute(_ arcs: [UInt], _ value: String) -> DER { .set([.sequence([.object(arcs), .text(value)])]) }
        return .sequence([attribute([2, 5, 4, 10], "Agent Lab"), attribute([2, 5, 4, 3], commonName)])
    }

    private static func `extension`(_ arcs: [UInt], critical: Bool, _ value: DER) -> DER {
        .sequence([.object(arcs)] + (critical ? [.yes] : []) + [.octets(value.bytes)])
    }

    private static func keyIdentifier(of key: P256.Signing.PublicKey) -> DER {
        `extension`([2, 5, 29, 14], critical: false, .octets(identifier(key)))
    }
    private static func identifier(_ key: P256.Signing.PublicKey) -> [UInt8] { Array(SHA256.hash(data: key.x963Representation).prefix(20)) }

    /// `2026-11-22T03:04:11.000Z` as `20261122030411Z`.
    private static func stamp(_ time: Timestamp) -> String {
        String(time.description.prefix(19).filter(\.isNumber)) + "Z"
    }
}

/// All certificates of one lab.
package struct LabCertificates: Sendable {
    package let authority: CertificateAuthority
    package let postgres: ServerCertificates
    package let mysql: ServerCertificates
    package let azureSQL: ServerCertificates

    init() throws {
        self.authority = try CertificateAuthority(commonName: "Agent Lab Root")
        let stranger = try CertificateAuthority(commonName: "Somebody Else's Root")
        self.postgres = try ServerCertificates(suffix: LabTarget.suffix(of: .postgresql), authority: authority, stranger: stranger)
        self.mysql = try ServerCertificates(suffix: LabTarget.suffix(of: .mysql), authority: authority, stranger: stranger)
        self.azureSQL = try ServerCertificates(names: AzureSQLServer.names, authority: authority, stranger: stranger)
    }
}

/// What the servers of one engine present: the certificate that fits, and those that faults present instead.
package struct ServerCertificates: Sendable {
    package let good: CertifiedKey
    package let unknownIssuer: CertifiedKey
    package let wrongName: CertifiedKey
    package let expired: CertifiedKey
    package let notYetValid: CertifiedKey

    init(suffix: String, authority: CertificateAuthority, stranger: CertificateAuthority) throws {
        try self.init(
            names: ["*.\(suffix)", "*.rs-lab.\(suffix)", "*.privatelink.\(suffix)"], authority: authority, stranger: stranger)
    }

    init(names: [String], authority: CertificateAuthority, stranger: CertificateAuthority) throws {
        self.good = try authority.issue(names: names)
        self.unknownIssuer = try stranger.issue(names: names)
        self.wrongName = try authority.issue(names: ["other.example.net", "www.other.example.net"])
        self.expired = try authority.issue(names: names, from: .now + .seconds(-86_400 * 90), until: .now + .seconds(-86_400))
        self.notYetValid = try authority.issue(names: names, from: .now + .seconds(86_400), until: .now + .seconds(86_400 * 90))
    }
}
