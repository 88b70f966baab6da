// The identity endpoints answer as Azure's: right tokens, right spellings, right sentences, and every fault of theirs.
import Diagnosis
import FoundationEssentials
import Lab
import Testing

@Suite struct IdentityEndpointTests {
    /// Without PostgreSQL: these tests are about tokens.
    static var tokensOnly: LabOptions {
        var options = LabOptions()
        options.postgres = false
        return options
    }

    static func appService(_ lab: Lab, _ query: [String: String] = [:], patience: String = "10") async throws -> Curl {
        var all = ["resource": Lab.audience, "api-version": "2019-08-01"]
        all.merge(query) { $1 }
        return try await Curl.get(
            lab.identity.appServiceEndpoint, query: all, headers: ["X-IDENTITY-HEADER": lab.identity.secretHeader.reveal { $0 }],
            patience: patience)
    }

    static func imds(_ lab: Lab, _ query: [String: String] = [:], headers: [String: String] = ["Metadata": "true"]) async throws -> Curl {
        var all = ["resource": Lab.audience, "api-version": "2018-02-01"]
        all.merge(query) { $1 }
        return try await Curl.get(lab.identity.imdsAuthority + "/metadata/identity/oauth2/token", query: all, headers: headers)
    }

    static func claims(_ token: String) throws -> [String: String] {
        struct Some: Decodable {
            var aud, iss, appid, appidacr, idtyp, oid, sub, tid, uti, ver, xms_mirid: String
            var iat, nbf, exp: Int
        }
        var text = token.split(separator: ".")[1].replacing("-", with: "+").replacing("_", with: "/")
        text += String(repeating: "=", count: (4 - text.count % 4) % 4)
        let data = try #require(Data(base64Encoded: String(text)))
        let some = try JSONDecoder().decode(Some.self, from: data)
        return [
            "aud": some.aud, "iss": some.iss, "appid": some.appid, "oid": some.oid, "sub": some.sub, "tid": some.tid, "idtyp": some.idtyp,
            "xms_mirid": some.xms_mirid, "ver": some.ver, "appidacr": some.appidacr, "life": String(some.exp - some.iat),
            "early": String(some.iat == some.nbf),
        ]
    }

    @Test("App Service gives a token with the claims of the system-assigned identity, all values as texts", .timeLimit(.minutes(1)))
    func appServiceToken() async throws {
        try await withLab(Self.tokensOnly) { lab in
            let reply = try await Self.appService(lab)
            let body = try #require(reply.texts)
            let app = try #require(lab.principal("app"))
            #expect(reply.status == 200)
            #expect(Set(body.keys) == ["access_token", "client_id", "expires_on", "resource", "token_type"])
            #expect(body["client_id"] == app.clientID && body["resource"] == Lab.audience && body["token_type"] == "Bearer")
            let token = try #require(body["access_token"])
            #expect(token.utf8.count == 1_700)
            let claims = try Self.claims(token)
            #expect(
                claims == [
                    "aud": Lab.audience, "iss": "https://sts.windows.net/\(Principal.tenant)/", "appid": app.clientID, "oid": app.objectID,
                    "sub": app.objectID, "tid": Principal.tenant, "idtyp": "app", "ver": "1.0", "appidacr": "2", "life": "86700",
                    "early": "true",
                    "xms_mirid": "/subscriptions/\(Principal.subscription)/resourcegroups/rg-shop/providers/Microsoft.Web/sites/shop-web",
                ])
        }
    }

    @Test("IMDS gives a token with its own spellings and its Server header", .timeLimit(.minutes(1)))
    func imdsToken() async throws {
        try await withLab(Self.tokensOnly) { lab in
            let reply = try await Self.imds(lab, ["client_id": "6f2c1f0e-2a44-4e0b-8d55-91c07a3be6d4"])
            let body = try #require(reply.texts)
            #expect(
                Set(body.keys) == [
                    "access_token", "client_id", "expires_in", "expires_on", "ext_expires_in", "not_before", "resource", "token_type",
                ])
            #expect(reply.headers["server"]?.hasPrefix("IMDS/") == true)
            #expect(reply.headers["date"]?.hasSuffix(" GMT") == true)
            #expect(
                try Self.claims(body["access_token"] ?? "")["xms_mirid"]?.hasSuffix(
                    "/Microsoft.ManagedIdentity/userAssignedIdentities/reporting") == true)
        }
    }

    struct Asked: Sendable {
        var query: [String: String] = [:]
        var status: Int
        var text: String
    }

    @Test("App Service refuses with the service's own sentences", .timeLimit(.minutes(1)))
    func appServiceRefusals() async throws {
        let app = Principal.standard[0]
        let reporting = Principal.standard[1]
        let rows = [
            Asked(query: ["client_id": reporting.clientID], status: 200, text: reporting.clientID),
            Asked(query: ["principal_id": reporting.objectID], status: 200, text: reporting.clientID),
            Asked(query: ["object_id": reporting.objectID.uppercased()], status: 200, text: reporting.clientID),
            Asked(query: ["mi_res_id": reporting.resourceID], status: 200, text: reporting.clientID),
            Asked(query: ["client_id": reporting.objectID], status: 400, text: "No User Assigned or Delegated Managed Identity found"),
            Asked(
                query: ["resource": Lab.audience + "/.default"], status: 500,
                text: "An unexpected error occured while fetching the AAD Token."),
            Asked(query: ["api-version": "2017-09-01"], status: 400, text: "api-version"),
            Asked(query: ["resource": ""], status: 400, text: "resource"),
            Asked(query: ["resource": "https://database.windows.net/"], status: 200, text: app.clientID),
        ]
        try await withLab(Self.tokensOnly) { lab in
            for row in rows {
                let reply = try await Self.appService(lab, row.query)
                #expect(reply.status == row.status && reply.body.contains(row.text), "\(row.query): \(reply.body)")
            }
            let bare = try await Curl.get(lab.identity.appServiceEndpoint, query: ["resource": Lab.audience, "api-version": "2019-08-01"])
            #expect(bare.status == 403)
        }
    }

    @Test("IMDS refuses with the service's own sentences", .timeLimit(.minutes(1)))
    func imdsRefusals() async throws {
        let reporting = Principal.standard[1]
        let rows = [
            Asked(query: ["msi_res_id": reporting.resourceID], status: 200, text: reporting.clientID),
            Asked(query: ["client_id": reporting.objectID], status: 400, text: #""error_description":"Identity not found""#),
            Asked(query: ["resource": Lab.audience + "/.default"], status: 400, text: "AADSTS500011"),
        ]
        try await withLab(Self.tokensOnly) { lab in
            for row in rows {
                let reply = try await Self.imds(lab, row.query)
                #expect(reply.status == row.status && reply.body.contains(row.text), "\(row.query): \(reply.body)")
            }
            let bare = try await Self.imds(lab, headers: [:])
            #expect(bare.status == 400 && bare.body.contains("Required metadata header not specified"))
            let forwarded = try await Self.imds(lab, headers: ["Metadata": "true", "X-Forwarded-For": "10.0.0.1"])
            #expect(forwarded.status == 400)
            let info = try await Curl.get(lab.identity.imdsAuthority + "/metadata/identity/info", headers: ["Metadata": "true"])
            #expect(info.texts == ["tenantId": Principal.tenant])
        }
    }

    @Test("Several user-assigned identities and none named: IMDS says so; a single one is taken", .timeLimit(.minutes(1)))
    func defaultIdentity() async throws {
        var options = Self.tokensOnly
        options.principals = Array(Principal.standard[1...])
        try await withLab(options) { lab in
            let (imds, appService) = (try await Self.imds(lab), try await Self.appService(lab))
            #expect(imds.body.contains("Multiple user assigned identities exist, please specify the clientId / resourceId"))
            #expect(appService.body.contains("Unable to load the proper Managed Identity."))
        }
        options.principals = [Principal.standard[1]]
        try await withLab(options) { lab in
            let (imds, appService) = (try await Self.imds(lab), try await Self.appService(lab))
            #expect(imds.texts?["client_id"] == Principal.standard[1].clientID)
            #expect(appService.status == 400)
        }
    }

    @Test("The platform repeats a token within its window, and not when its cache is off", .timeLimit(.minutes(1)))
    func platformCache() async throws {
        try await withLab(Self.tokensOnly) { lab in
            let first = try await Self.appService(lab).texts?["access_token"]
            #expect(try await Self.appService(lab).texts?["access_token"] == first)
            #expect(try await Self.imds(lab).texts?["access_token"] == first)
            lab.identity.setCacheWindow(0)
            #expect(try await Self.appService(lab).texts?["access_token"] != first)
            #expect(lab.identity.requests.map(\.status) == [200, 200, 200, 200])
            #expect(!"\(lab.identity.requests)".contains(lab.identity.secretHeader.reveal { $0 }))
        }
    }

    struct Spoiled: Sendable {
        var fault: Fault
        var exit: Int32 = 0
        var status: Int
        var text = ""
    }

    @Test("Every fault of the endpoints does what its name says and is gone when it is off", .timeLimit(.minutes(1)))
    func faults() async throws {
        let rows = [
            Spoiled(fault: .identityNotFound, status: 400, text: "No User Assigned or Delegated Managed Identity found"),
            Spoiled(fault: .identityMultiple, status: 400, text: "Unable to load the proper Managed Identity."),
            Spoiled(fault: .identityHeaderRefused, status: 403), Spoiled(fault: .identityGone, status: 410),
            Spoiled(fault: .identityThrottled, status: 429, text: "Too many requests"), Spoiled(fault: .identityFailing, status: 500),
            Spoiled(fault: .identityHTML, status: 200, text: "<!DOCTYPE html>"),
            Spoiled(fault: .identityTruncated, status: 200, text: #"{"access_token":"eyJ"#),
            Spoiled(fault: .identityNoExpiry, status: 200),
            Spoiled(fault: .identityWrongTypes, status: 200, text: #""expires_on":{"at":"soon"}"#),
            Spoiled(fault: .identitySilent, exit: 28, status: 0), Spoiled(fault: .identityRefused, exit: 7, status: 0),
            Spoiled(fault: .identityRedirect, status: 302), Spoiled(fault: .identityBigBody, status: 200, text: "          "),
            Spoiled(fault: .identityDribble, exit: 28, status: 0),
        ]
        #expect(Set(rows.map(\.fault.name)).isSubset(of: Fault.allCases.filter { $0.part == .identity }.map(\.name)))
        try await withLab(Self.tokensOnly) { lab in
            for row in rows {
                try await lab.faults.turnOn(row.fault)
                let reply = try await Self.appService(lab, patience: row.exit == 28 ? "1.5" : "20")
                #expect(
                    reply.exit == row.exit && reply.status == row.status && (row.text.isEmpty || reply.body.contains(row.text)),
                    "\(row.fault.name): \(reply.exit) \(reply.status)")
                if row.fault == .identityThrottled { #expect(reply.headers["retry-after"] == "2") }
                if row.fault == .identityBigBody { #expect(reply.body.utf8.count == 10 << 20) }
                try await lab.faults.turnOff(row.fault)
            }
            #expect(try await Self.appService(lab).status == 200)
            try await lab.faults.turnOn(.identityGone)
            #expect(try await Self.imds(lab).status == 410)
        }
    }

    @Test("Wrong tokens are issued on request, with a reply that looks right", .timeLimit(.minutes(1)))
    func issuedFaults() async throws {
        try await withLab(Self.tokensOnly) { lab in
            let reasons: [(Fault, TokenIssuer.Refusal?)] = [
                (.issuedWrongAudience, .audience), (.issuedExpired, .expired), (.issuedNotYetValid, .notYetValid), (.issuedLarge, nil),
            ]
            for (fault, expected) in reasons {
                try await lab.faults.turnOn(fault)
                let token = try #require(try await Self.appService(lab).texts?["access_token"])
                var refusal: TokenIssuer.Refusal?
                do throws(TokenIssuer.Refusal) { _ = try lab.issuer.verify(token, audience: Lab.audience) } catch { refusal = error }
                #expect(refusal == expected, "\(fault.name)")
                if fault == .issuedLarge { #expect(abs(token.utf8.count - 9_000) < 8) }
                try await lab.faults.turnOff(fault)
            }
        }
    }
}
