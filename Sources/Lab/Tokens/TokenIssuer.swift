// The token service of the lab: signs tokens as Entra would, and checks them as the database service would.
import CryptoExtras
package import Diagnosis
import FoundationEssentials

/// Issues RS256 tokens with the claims of a managed identity, and verifies them.
package struct TokenIssuer: Sendable {
    private let key: _RSA.Signing.PrivateKey
    private let keyID: String
    /// The length that filler claims bring a token to. **Unit**: bytes.
    private let size: Int

    /// A key of 2048 bits, made anew: tokens of another lab are foreign here.
    package init(size: Int = 1_700) throws {
        self.key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        self.keyID = Base64URL.encode((0..<20).map { _ in UInt8.random(in: .min ... .max) })
        self.size = size
    }

    /// What a token is to say beyond the principal.
    package struct Request: Sendable, Hashable {
        package var audience: String
        package var tenant = Principal.tenant
        /// When Entra would have issued it. `iat` and `nbf` are set five minutes earlier.
        /// Source: Entra, observed tokens of managed identities.
        package var issued: Timestamp
        /// **Unit**: seconds.
        package var lifetime: Int
        package var size: Int?

        package init(audience: String, issued: Timestamp = .now, lifetime: Int = 86_400) {
            self.audience = audience
            self.issued = issued
            self.lifetime = lifetime
        }
    }

    /// A signed token with what a reply has to say about it.
    package struct Issued: Sendable {
        package var token: Secret<String>
        package var audience: String
        /// **Unit**: seconds since the epoch.
        package var notBefore: Int
        package var expires: Int
        package var principal: Principal
    }

    package func issue(to principal: Principal, _ request: Request) throws -> Issued {
        let issued = Int(request.issued.seconds)
        let notBefore = issued - 300
        let expires = issued + request.lifetime
        let header: JSON = ["typ": "JWT", "alg": "RS256", "x5t": keyID, "kid": keyID]
        func payload(filler: Int) -> JSON {
            let first: JSON = [
                "aud": request.audience, "iss": "https://sts.windows.net/\(request.tenant)/", "iat": notBefore, "nbf": notBefore,
                "exp": expires, "aio": Self.filler(filler), "appid": principal.clientID, "appidacr": "2",
            ]
            let groups: JSON = principal.groups.isEmpty ? [:] : ["groups": principal.groups]
            let rest: JSON = [
                "idp": "https://sts.windows.net/\(request.tenant)/", "idtyp": "app", "oid": principal.objectID, "rh": Self.filler(44),
                "sub": principal.objectID, "tid": request.tenant, "uti": Self.filler(22), "ver": "1.0", "xms_mirid": principal.resourceID,
            ]
            return .joining([first, groups, rest])
        }
        let head = Base64URL.encode(header.compact.utf8)
        // Two dots and 342 characters of signature; four characters of text for three bytes of payload.
        let room = (request.size ?? size) - head.utf8.count - 344
        let wanted = max(32, room * 3 / 4 - payload(filler: 0).compact.utf8.count)
        let signed = head + "." + Base64URL.encode(payload(filler: wanted).compact.utf8)
        let signature = try key.signature(for: Data(signed.utf8), padding: .insecurePKCS1v1_5)
        let token = signed + "." + Base64URL.encode(signature.rawRepresentation)
        return Issued(token: Secret(token), audience: request.audience, notBefore: notBefore, expires: expires, principal: principal)
    }

    /// Why a token is refused, in the order in which a service looks.
    package enum Refusal: String, Error, Sendable, CaseIterable {
        case malformed = "it is not a signed token"
        case signature = "its signature is not of this tenant's key"
        case tenant = "it was issued by another tenant"
        case audience = "its audience is another service"
        case notYetValid = "it is not yet valid"
        case expired = "it has expired"
    }

    /// The claims of a token that this server may accept at `now`.
    package func verify(_ token: String, audience: String, now: Timestamp = .now) throws(Refusal) -> VerifiedClaims {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let payload = Base64URL.decode(parts[1]), let signature = Base64URL.decode(parts[2]),
            let claims = try? JSONDecoder().decode(VerifiedClaims.self, from: Data(payload))
        else { throw .malformed }
        let signed = Data((parts[0] + "." + parts[1]).utf8)
        guard
            key.publicKey.isValidSignature(
                _RSA.Signing.RSASignature(rawRepresentation: signature), for: signed, padding: .insecurePKCS1v1_5)
        else { throw .signature }
        guard claims.tid == Principal.tenant, claims.iss == "https://sts.windows.net/\(Principal.tenant)/" else { throw .tenant }
        guard claims.aud == audience || claims.aud == audience + "/" else { throw .audience }
        guard Double(claims.nbf) <= now.seconds else { throw .notYetValid }
        guard Double(claims.exp) > now.seconds else { throw .expired }
        return claims
    }

    /// Opaque text as Entra puts it into `aio`, `rh` and `uti`.
    private static func filler(_ count: Int) -> String {
        Base64URL.encode((0..<(count * 3 + 3) / 4).map { _ in UInt8.random(in: .min ... .max) })
    }
}

/// What a database service reads out of a token it has checked.
package struct VerifiedClaims: Sendable, Codable, Hashable {
    package var aud: String
    package var iss: String
    package var tid: String
    package var oid: String
    package var appid: String
    package var nbf: Int
    package var exp: Int
    package var groups: [String]?
}
