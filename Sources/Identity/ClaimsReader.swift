// Reads what a token says about itself. Nothing is verified here and nothing raw is kept.
import Diagnosis

/// Best-effort reading of the claims of an access token.
///
/// The token is opaque by contract: whatever cannot be read is nil and never an error.
enum ClaimsReader {
    /// Longest token looked into. **Unit**: bytes.
    static let tokenLimit = 64 * 1024
    /// What is kept of one claim. **Unit**: characters.
    static let claimLimit = 256

    /// - Returns: nil when the token is not three base64url parts with a JSON object in the second.
    static func claims(of token: Secret<String>) -> TokenClaims? {
        token.reveal { text -> TokenClaims? in
            guard text.utf8.count <= tokenLimit else { return nil }
            let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            guard parts.count == 3, parts.allSatisfy({ part in !part.isEmpty && part.allSatisfy { digit(of: $0) != nil } }),
                let payload = decoded(base64URL: parts[1]), let body = String(validating: payload, as: UTF8.self),
                let json = JSON(parsing: body), case .object = json
            else { return nil }
            return claims(in: json)
        }
    }

    private static func claims(in json: JSON) -> TokenClaims {
        TokenClaims(
            audience: text(json["aud"]?.items?.first ?? json["aud"]), tenant: text(json["tid"]), issuer: text(json["iss"]),
            appID: text(json.present("appid") ?? json["azp"]), objectID: text(json["oid"]), principal: principal(in: json),
            managedIdentityResource: text(json["xms_mirid"]), groupCount: json["groups"]?.items?.count,
            groupOverage: isOverage(json), issuedAt: time(json["iat"]), notBefore: time(json["nbf"]), expires: time(json["exp"]),
            uti: text(json["uti"]))
    }

    /// **Source**: access token claims reference; managed identities carry `xms_mirid`, users a name or delegated scopes.
    private static func principal(in json: JSON) -> TokenClaims.PrincipalKind {
        if let resource = json["xms_mirid"]?.text?.lowercased() {
            return resource.contains("/providers/microsoft.managedidentity/userassignedidentities/")
                ? .userAssigned : .systemAssigned
        }
        let kind = json["idtyp"]?.text
        if kind == "user" || ["upn", "unique_name", "preferred_username", "scp"].contains(where: { json.present($0) != nil }) {
            return .user
        }
        if kind == "app" { return .servicePrincipal }
        if let subject = json["sub"]?.text, subject == json["oid"]?.text { return .servicePrincipal }
        return .unknown
    }

    private static func isOverage(_ json: JSON) -> Bool {
        json["hasgroups"] == .bool(true) || json["hasgroups"]?.text?.lowercased() == "true" || json["_claim_names"]?["groups"] != nil
    }

    private static func text(_ value: JSON?) -> String? {
        guard let text = value?.text, !text.isEmpty else { return nil }
        return Redactor.scrub(String(text.prefix(claimLimit)))
    }

    /// Times beyond the year 9999 are as unreadable as text.
    private static func time(_ value: JSON?) -> Timestamp? {
        guard let seconds = value?.wholeNumber, seconds > 0, seconds < 253_402_300_800 else { return nil }
        return Timestamp(milliseconds: seconds * 1000)
    }

    /// **Source**: RFC 4648 5, without padding.
    static func decoded(base64URL text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count % 4 != 1 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count * 3 / 4)
        var buffer: UInt32 = 0
        var bits = 0
        for character in text {
            guard let digit = digit(of: character) else { return nil }
            buffer = (buffer << 6 | UInt32(digit)) & 0xFF_FFFF
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bits)))
            }
        }
        return bytes
    }

    private static func digit(of character: UInt8) -> UInt8? {
        switch character {
        case 0x41...0x5A: character - 0x41
        case 0x61...0x7A: character - 0x61 + 26
        case 0x30...0x39: character - 0x30 + 52
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
