// Bodies of replies, and what tokens say of themselves.
import Diagnosis
import Foundation
import Testing

@testable import Identity

/// An unsigned token with these claims; nobody here looks at signatures.
func token(claims json: String) -> String {
    func encoded(_ text: String) -> String {
        Data(text.utf8).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
    return "\(encoded(#"{"alg":"RS256","typ":"JWT"}"#)).\(encoded(json)).c2lnbmF0dXJl"
}

@Suite struct TokenReplyTests {
    private static let now = Timestamp(seconds: 1_800_000_000)

    struct Expiry: Sendable { var fields: String; var seconds: Double }

    // Source: fact sheet "Identity" 7.
    @Test(
        "The end of a token is read in every spelling that endpoints use",
        arguments: [
            Expiry(fields: #""expires_on":"1800003600""#, seconds: 1_800_003_600),
            Expiry(fields: #""expires_on":1800003600"#, seconds: 1_800_003_600),
            Expiry(fields: #""expires_on":"1800003600","expires_in":"1""#, seconds: 1_800_003_600),
            Expiry(fields: #""expires_on":3600"#, seconds: 1_800_003_600),
            Expiry(fields: #""expires_in":"3599""#, seconds: 1_800_003_599),
            Expiry(fields: #""expires_in":3599"#, seconds: 1_800_003_599),
            Expiry(fields: #""expires_on":null,"expires_in":60"#, seconds: 1_800_000_060),
        ])
    func expiry(row: Expiry) throws {
        let reply = try TokenReply(Array(#"{"access_token":"abc",\#(row.fields)}"#.utf8), receivedAt: Self.now)
        #expect(reply.expires == Timestamp(seconds: row.seconds))
    }

    @Test("Without an end in the reply the token's own end counts")
    func expiryOfTheToken() throws {
        let body = #"{"access_token":"\#(token(claims: #"{"exp":1800007200}"#))"}"#
        #expect(try TokenReply(Array(body.utf8), receivedAt: Self.now).expires == Timestamp(seconds: 1_800_007_200))
    }

    struct Fault: Sendable { var body: String; var part: String }

    @Test(
        "A body that is no token reply is refused with its reason, and the reason quotes nothing",
        arguments: [
            Fault(body: "", part: "empty"),
            Fault(body: "  <!DOCTYPE html>", part: "HTML"),
            Fault(body: "canary", part: "not JSON"),
            Fault(body: #"{"access_token":"canary""#, part: "cut short"),
            Fault(body: #"["canary"]"#, part: "not an object"),
            Fault(body: #"{"accessToken":"canary","expires_on":"1800003600"}"#, part: "access_token is missing"),
            Fault(body: #"{"access_token":null,"expires_on":"1800003600"}"#, part: "access_token is missing"),
            Fault(body: #"{"access_token":["canary"],"expires_on":"1800003600"}"#, part: "not a string"),
            Fault(body: #"{"access_token":"","expires_on":"1800003600"}"#, part: "empty"),
            Fault(body: #"{"access_token":"canary\n","expires_on":"1800003600"}"#, part: "characters"),
            Fault(body: #"{"access_token":"canary","expires_on":"1800003600","token_type":"pop"}"#, part: "Bearer"),
            Fault(body: #"{"access_token":"canary"}"#, part: "missing"),
            Fault(body: #"{"access_token":"canary","expires_on":"11/22/2026 03:04:11 +00:00"}"#, part: "date"),
            Fault(body: #"{"access_token":"canary","expires_on":"2026-11-22T03:04:11Z"}"#, part: "date"),
            Fault(body: #"{"access_token":"canary","expires_on":true}"#, part: "whole number"),
            Fault(body: #"{"access_token":"canary","expires_on":"soon"}"#, part: "whole number"),
            Fault(body: #"{"access_token":"canary","expires_on":1800003600000}"#, part: "9999"),
            Fault(body: #"{"access_token":"canary","expires_on":-5}"#, part: "outside"),
            Fault(body: #"{"access_token":"canary","expires_in":"99999999999"}"#, part: "outside"),
        ])
    func faults(row: Fault) {
        do throws(TokenReply.Fault) {
            _ = try TokenReply(Array(row.body.utf8), receivedAt: Self.now)
            Issue.record("accepted")
        } catch {
            #expect(error.text.contains(row.part))
            #expect(!error.text.contains("canary"))
        }
    }

    @Test("The reply is read with a byte order mark, and the client id that it echoes is kept")
    func echo() throws {
        let body =
            [0xEF, 0xBB, 0xBF] + Array(#"{"access_token":"abc","expires_on":"1800003600","client_id":"c-1","token_type":"bearer"}"#.utf8)
        let reply = try TokenReply(body, receivedAt: Self.now)
        #expect(reply.clientID == "c-1")
        #expect(reply.length == 3)
        #expect(!everything(about: reply).contains("abc"))
    }
}

@Suite struct ClaimsReaderTests {
    @Test("The claims that diagnose are read")
    func claims() throws {
        let json = """
            {"aud":"https://ossrdbms-aad.database.windows.net","iss":"https://sts.windows.net/t-1/","tid":"t-1","appid":"a-1","oid":"o-1",\
            "sub":"o-1","iat":1800000000,"nbf":1800000000,"exp":1800086700,"uti":"u-1","groups":["g1","g2"],"ver":"1.0",\
            "xms_mirid":"/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"}
            """
        let claims = try #require(ClaimsReader.claims(of: Secret(token(claims: json))))
        #expect(claims.audience == "https://ossrdbms-aad.database.windows.net")
        #expect(claims.issuer == "https://sts.windows.net/t-1/" && claims.tenant == "t-1")
        #expect(claims.appID == "a-1" && claims.objectID == "o-1" && claims.uti == "u-1")
        #expect(claims.principal == .userAssigned && claims.groupCount == 2 && !claims.groupOverage)
        #expect(claims.issuedAt == Timestamp(seconds: 1_800_000_000) && claims.expires == Timestamp(seconds: 1_800_086_700))
    }

    struct Kind: Sendable { var json: String; var kind: TokenClaims.PrincipalKind }

    // Source: fact sheet "Identity" 10.2.
    @Test(
        "The kind of principal follows from the claims",
        arguments: [
            Kind(
                json: #"{"xms_mirid":"/subscriptions/s/resourcegroups/g/providers/Microsoft.Web/sites/app/slots/x"}"#, kind: .systemAssigned
            ),
            Kind(
                json: #"{"xms_mirid":"/SUBSCRIPTIONS/S/PROVIDERS/MICROSOFT.MANAGEDIDENTITY/USERASSIGNEDIDENTITIES/A"}"#, kind: .userAssigned
            ),
            Kind(json: #"{"idtyp":"app","appidacr":"1"}"#, kind: .servicePrincipal),
            Kind(json: #"{"sub":"o","oid":"o"}"#, kind: .servicePrincipal),
            Kind(json: #"{"sub":"o","oid":"o","scp":"user_impersonation"}"#, kind: .user),
            Kind(json: #"{"upn":"a@b.example"}"#, kind: .user),
            Kind(json: #"{"unique_name":"a@b.example"}"#, kind: .user),
            Kind(json: #"{"idtyp":"user"}"#, kind: .user),
            Kind(json: #"{"sub":"pairwise","oid":"o"}"#, kind: .unknown),
            Kind(json: "{}", kind: .unknown),
        ])
    func principal(row: Kind) {
        #expect(ClaimsReader.claims(of: Secret(token(claims: row.json)))?.principal == row.kind)
    }

    @Test(
        "Groups that were left out are noticed in both spellings",
        arguments: [
            #"{"hasgroups":true}"#, #"{"hasgroups":"true"}"#, #"{"_claim_names":{"groups":"src1"}}"#,
        ])
    func overage(json: String) { #expect(ClaimsReader.claims(of: Secret(token(claims: json)))?.groupOverage == true) }

    @Test(
        "What is no token with readable claims is no error and has no claims",
        arguments: [
            "", "abc", "a.b", "a.b.c.d", "..", "a..c", "a.!!.c", "eyJ.bm90IGpzb24.x", "eyJ.W10.x", "eyJ.e.x", "eyJ._w.x",
            "a." + String(repeating: "A", count: 70_000) + ".c",
        ])
    func unreadable(text: String) { #expect(ClaimsReader.claims(of: Secret(text)) == nil) }

    @Test("Claims of odd types are absent, and long ones are cut")
    func oddClaims() throws {
        let long = String(repeating: "a", count: 5000)
        let json = #"{"aud":["first","second"],"tid":7,"oid":{"a":1},"exp":"1800000000","iat":-1,"nbf":1e40,"groups":"g","iss":"\#(long)"}"#
        let claims = try #require(ClaimsReader.claims(of: Secret(token(claims: json))))
        #expect(claims.audience == "first" && claims.tenant == nil && claims.objectID == nil)
        #expect(claims.expires == Timestamp(seconds: 1_800_000_000) && claims.issuedAt == nil && claims.notBefore == nil)
        #expect(claims.groupCount == nil)
        #expect((claims.issuer?.count ?? 0) <= ClaimsReader.claimLimit)
    }

    @Test("Every length of base64url comes back as it was")
    func base64() throws {
        for count in 0..<80 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + count) }
            let text = Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
            #expect(ClaimsReader.decoded(base64URL: Array(text.utf8)) == bytes)
        }
    }

    @Test("Equal tokens have equal fingerprints within one process, and another process has others")
    func fingerprints() {
        let (mine, other) = (TokenFingerprint(), TokenFingerprint())
        #expect(mine.of(Secret("a")) == mine.of(Secret("a")))
        #expect(mine.of(Secret("a")) != mine.of(Secret("b")))
        #expect(mine.of(Secret("a")) != other.of(Secret("a")))
    }
}
