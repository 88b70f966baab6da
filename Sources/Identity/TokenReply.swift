// The body of a token reply, field by field.
import Diagnosis

/// What an identity endpoint said when it gave a token.
struct TokenReply: Sendable {
    var token: Secret<String>
    var expires: Timestamp
    var claims: TokenClaims?
    /// The client id of the identity that answered, as the endpoint echoes it.
    var clientID: String?
    /// **Unit**: bytes.
    var length: Int

    /// Why a body is not a token reply: one sentence that quotes nothing of it.
    struct Fault: Error, Hashable {
        var text: String
        init(_ text: String) { self.text = text }
    }

    /// - Parameter now: the moment from which `expires_in` counts.
    /// **Throws**: ``Fault`` for a body that is empty, not JSON, cut short, or lacks what a token reply must have.
    init(_ body: [UInt8], receivedAt now: Timestamp) throws(Fault) {
        guard !body.isEmpty else { throw Fault("the body is empty") }
        // Some servers put a byte order mark first.
        let bytes = body.starts(with: [0xEF, 0xBB, 0xBF]) ? body.dropFirst(3) : body[...]
        guard let json = String(validating: bytes, as: UTF8.self).flatMap(JSON.init(parsing:)) else {
            let first = bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
            if first == UInt8(ascii: "<") { throw Fault("the body is HTML or XML, not JSON") }
            throw Fault(first == UInt8(ascii: "{") ? "the JSON is malformed or was cut short" : "the body is not JSON")
        }
        guard case .object = json else { throw Fault("the JSON is not an object") }
        guard let field = json.present("access_token") else { throw Fault("access_token is missing") }
        guard let token = field.text else { throw Fault("access_token is not a string") }
        // A token travels in headers and password packets: visible ASCII without blanks, or it is something else.
        guard !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Fault(token.isEmpty ? "access_token is empty" : "access_token has characters in it that no token has")
        }
        if let type = json.present("token_type") {
            guard let name = type.text, name.lowercased() == "bearer" else { throw Fault("token_type is not Bearer") }
        }
        self.token = Secret(token)
        length = token.utf8.count
        claims = ClaimsReader.claims(of: self.token)
        clientID = (json["client_id"]?.text).flatMap { $0.isEmpty ? nil : Redactor.scrub(String($0.prefix(64))) }
        expires = try Self.expiry(in: json, claims: claims, now: now)
    }

    /// `expires_on`, else `expires_in`, else the token's own `exp`.
    /// **Source**: App Service and IMDS send an epoch as a string, Service Fabric also as a number.
    private static func expiry(in json: JSON, claims: TokenClaims?, now: Timestamp) throws(Fault) -> Timestamp {
        if let field = json.present("expires_on") {
            guard let number = field.wholeNumber else {
                throw Fault(
                    field.text.map { $0.contains("/") || $0.contains("-") || $0.contains(":") } == true
                        ? "expires_on is a date text; api-version 2019-08-01 and IMDS send seconds since 1970"
                        : "expires_on is neither a whole number nor a string of digits")
            }
            // Below 2001 it cannot be an epoch and is read as seconds from now, as MSAL does.
            return try number < 978_307_200
                ? now + .seconds(span(number, "expires_on")) : Timestamp(milliseconds: epoch(number) * 1000)
        }
        if let field = json.present("expires_in") {
            guard let number = field.wholeNumber else { throw Fault("expires_in is neither a whole number nor a string of digits") }
            return now + .seconds(try span(number, "expires_in"))
        }
        guard let expires = claims?.expires else { throw Fault("expires_on and expires_in are missing and the token shows no end") }
        return expires
    }

    private static func span(_ seconds: Int64, _ name: String) throws(Fault) -> Int64 {
        guard seconds >= 0, seconds < 366 * 86_400 else { throw Fault("\(name) is outside what a token can last") }
        return seconds
    }

    private static func epoch(_ seconds: Int64) throws(Fault) -> Int64 {
        guard seconds < 253_402_300_800 else { throw Fault("expires_on lies beyond the year 9999; milliseconds, perhaps") }
        return seconds
    }
}

extension JSON {
    /// The member of that name; a null counts as absent.
    func present(_ key: String) -> JSON? {
        guard let value = self[key], value != .null else { return Optional.none }
        return value
    }
}
