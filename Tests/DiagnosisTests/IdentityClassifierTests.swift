import Testing

@testable import Diagnosis

@Suite struct IdentityClassifierTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var source: TokenSourceKind
        var status: Int
        var body: String
        var cause: Cause
        var server: String?
        var selector: ManagedIdentitySelector
        var testDescription: String { "\(source) \(status) \(body)" }

        init(
            _ source: TokenSourceKind, _ status: Int, _ body: String, _ cause: Cause, server: String? = "IMDS/150.870.65.1854",
            named selector: ManagedIdentitySelector = .systemAssigned
        ) {
            (self.source, self.status, self.body, self.cause, self.server, self.selector) = (source, status, body, cause, server, selector)
        }
    }

    private func classify(_ row: Row) -> Failure {
        Classifier.identityReply(
            source: row.source, status: row.status, body: row.body, server: row.server, contentType: "application/json",
            selector: row.selector)
    }

    private static let client = ManagedIdentitySelector.clientID(Fixture.appID)

    @Test(
        "Replies of IMDS",
        arguments: [
            Row(.imds, 400, #"{"error":"invalid_request","error_description":"Identity not found"}"#, .identityNotAssigned),
            Row(.imds, 400, #"{"error":"invalid_request","error_description":"Identity not found"}"#, .identityNotAssigned, named: client),
            Row(
                .imds, 400,
                #"{"error":"invalid_request","error_description":"Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request"}"#,
                .identityClientIDWrong),
            Row(
                .imds, 400, #"{"error":"invalid_request","error_description":"Required metadata header not specified"}"#,
                .identityReplyInvalid),
            Row(
                .imds, 400, #"{"error":"bad_request_102","error_description":"Required metadata header not specified"}"#,
                .identityReplyInvalid),
            Row(
                .imds, 400,
                #"{"error":"invalid_resource","error_description":"AADSTS500011: The resource principal named x was not found"}"#,
                .entraAppNotFound),
            Row(
                .imds, 400, #"{"error":"invalid_resource","error_description":"AADSTS50001: The application named x was not found"}"#,
                .entraAppNotFound),
            Row(.imds, 400, #"{"error":"invalid_resource"}"#, .entraAppNotFound),
            Row(.imds, 400, #"{"error":"unauthorized_client","error_description":"no"}"#, .entraPolicyDenied),
            Row(.imds, 400, #"{"error":"temporarily_unavailable"}"#, .entraUnavailable),
            Row(.imds, 400, "", .identityReplyInvalid),
            Row(.imds, 401, #"{"error":"unknown_source"}"#, .identityEndpointUnreachable),
            Row(
                .imds, 403,
                "connecting to 169.254.169.254:80: dial tcp: connect: A socket operation was attempted to an unreachable network.",
                .identityEndpointUnreachable, server: nil),
            Row(.imds, 403, "<html>Forbidden by proxy</html>", .identityEndpointUnreachable, server: "squid"),
            Row(.imds, 403, "{}", .identityReplyInvalid),
            Row(.imds, 404, "", .entraUnavailable), Row(.imds, 410, "", .entraUnavailable), Row(.imds, 429, "", .entraUnavailable),
            Row(.imds, 500, #"{"error":"unknown"}"#, .entraUnavailable),
            Row(.imds, 500, "<html>", .entraUnavailable, server: "Microsoft-IIS/10.0"),
            Row(.imds, 503, "", .entraUnavailable),
            Row(.imds, 502, "<html>Bad gateway</html>", .identityEndpointUnreachable, server: "nginx"),
            Row(.imds, 504, "<html>", .identityEndpointUnreachable, server: nil), Row(.imds, 504, "", .entraUnavailable),
            Row(.imds, 200, "<html>Sign in to the network</html>", .identityReplyInvalid, server: nil),
            Row(.imds, 200, #"{"token_type":"Bearer"}"#, .identityReplyInvalid), Row(.imds, 200, "", .identityReplyInvalid),
            Row(.imds, 302, "", .identityReplyInvalid),
        ])
    func imds(row: Row) {
        let failure = classify(row)
        #expect(failure.cause == row.cause)
        #expect(failure.phase == .token)
        #expect(failure.evidence.first?.kind == .http)
        #expect(failure.evidence.first?.code == String(row.status))
    }

    @Test(
        "Replies of App Service",
        arguments: [
            Row(
                .appService, 400,
                #"{"statusCode":400,"message":"No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."}"#,
                .identityNotAssigned, named: client),
            Row(
                .appService, 400,
                #"{"statusCode":400,"message":"No Managed Identity found for specified ClientId/ResourceId/PrincipalId."}"#,
                .identityNotAssigned),
            Row(
                .appService, 400, #"{"ExceptionMessage":"No MSI found for specified ClientId/ResourceId."}"#, .identityNotAssigned,
                named: client),
            Row(
                .appService, 400, #"{"statusCode":400,"message":"Unable to load the proper Managed Identity.","correlationId":"x"}"#,
                .identityClientIDWrong),
            Row(
                .appService, 400, #"{"statusCode":400,"message":"Unable to load the proper Managed Identity."}"#, .identityNotAssigned,
                named: client),
            Row(.appService, 400, "no words", .identityReplyInvalid), Row(.appService, 401, "", .identityReplyInvalid),
            Row(.appService, 403, "", .identityReplyInvalid), Row(.appService, 404, "", .identityReplyInvalid),
            Row(
                .appService, 500,
                #"{"statusCode":500,"message":"An unexpected error occured while fetching the AAD Token.","correlationId":"x"}"#,
                .entraUnavailable),
            Row(.appService, 500, "", .entraUnavailable), Row(.appService, 429, "", .entraUnavailable),
            Row(.appService, 503, "", .entraUnavailable),
            Row(.appService, 200, #"{"access_token":""#, .identityReplyInvalid),
        ])
    func appService(row: Row) {
        var row = row
        row.server = "Kestrel"
        #expect(classify(row).cause == row.cause)
    }

    @Test(
        "Entra's numbers decide wherever they are relayed",
        arguments: [
            (7_000_215, Cause.appCredentialInvalid), (7_000_222, .appCredentialInvalid), (7_000_218, .appCredentialInvalid),
            (700_027, .appCredentialInvalid),
            (700_030, .appCredentialInvalid), (50012, .appCredentialInvalid), (70021, .federatedCredentialMismatch),
            (700_211, .federatedCredentialMismatch),
            (700_212, .federatedCredentialMismatch), (700_213, .federatedCredentialMismatch), (7_002_137, .federatedCredentialMismatch),
            (7_002_138, .federatedCredentialMismatch), (700_024, .federatedCredentialMismatch), (70023, .federatedCredentialMismatch),
            (700_016, .entraAppNotFound), (90002, .entraAppNotFound), (900_023, .entraAppNotFound), (900_021, .entraAppNotFound),
            (500_011, .entraAppNotFound),
            (650_057, .entraAppNotFound), (7_000_112, .entraAppNotFound), (1_002_012, .entraAppNotFound), (70011, .entraAppNotFound),
            (53003, .entraPolicyDenied), (530_084, .entraPolicyDenied), (530_003, .entraPolicyDenied), (50076, .entraPolicyDenied),
            (50079, .entraPolicyDenied),
            (65001, .entraPolicyDenied), (50105, .entraPolicyDenied), (50057, .entraPolicyDenied), (7_000_113, .entraPolicyDenied),
            (90033, .entraUnavailable), (90006, .entraUnavailable), (50196, .entraUnavailable), (700_006, .entraUnavailable),
            (90055, .entraUnavailable),
        ])
    func entra(number: Int, cause: Cause) {
        for source in TokenSourceKind.allCases {
            let body = #"{"error":"invalid_request","error_description":"AADSTS\#(number): some words. Trace ID: 1"}"#
            let failure = Classifier.identityReply(source: source, status: 400, body: body, server: "IMDS/1")
            #expect(failure.cause == cause)
            #expect(failure.evidence.contains { $0.kind == .aadsts && $0.code == String(number) })
        }
        let listed = Classifier.identityReply(
            source: .imds, status: 401, body: #"{"error":"x","error_codes":[\#(number)]}"#, server: "IMDS/1")
        #expect(listed.cause == cause)
    }

    @Test("Which identity was asked for is said, because the reply does not say it")
    func namesTheSelector() {
        let body = #"{"error":"invalid_request","error_description":"Identity not found"}"#
        let failure = Classifier.identityReply(source: .imds, status: 400, body: body, server: "IMDS/1", selector: Self.client)
        #expect(failure.detail == "The identity with client id \(Fixture.appID) is not assigned to this machine.")
    }

    @Test("A reply that was a success is never quoted, whatever it holds")
    func successIsNotQuoted() {
        let failure = Classifier.identityReply(
            source: .appService, status: 200, body: #"{"accessToken":"s3cr3t-without-any-shape"#, contentType: "application/json")
        #expect(failure.evidence.allSatisfy { !$0.text.contains("s3cr3t") })
        #expect(failure.detail?.contains("s3cr3t") == false)
        #expect(failure.detail?.contains("broken JSON") == true)
    }

    @Test("Foreign fields are made safe before they are shown")
    func fieldsAreScrubbed() {
        let failure = Classifier.identityReply(
            source: .imds, status: 400, body: #"{"error":"\u001b[2Jgone","error_description":"x"}"#, server: "IMDS/1")
        #expect(failure.evidence.contains { $0.kind == .oauth && $0.code == "[2Jgone" })
    }

    @Test("A peer that does not speak HTTP is a bad reply, a scheme that curl does not speak a bad setting")
    func notHTTP() {
        #expect(Classifier.curl(code: 1, text: "Received HTTP/0.9 when not allowed", source: .imds).cause == .identityReplyInvalid)
        #expect(Classifier.curl(code: 1, text: "Protocol \"gopher\" not supported", source: .imds).cause == .configInvalid)
    }

    @Test(
        "Numbers of curl",
        arguments: [
            (7, Cause.identityEndpointUnreachable), (28, .identityEndpointUnreachable), (6, .identityEndpointUnreachable),
            (5, .identityEndpointUnreachable),
            (35, .identityEndpointUnreachable), (52, .identityEndpointUnreachable), (56, .identityEndpointUnreachable),
            (60, .identityEndpointUnreachable),
            (97, .identityEndpointUnreachable), (3, .configInvalid), (58, .configInvalid), (77, .configInvalid),
            (63, .identityReplyInvalid),
            (23, .identityReplyInvalid), (47, .identityReplyInvalid), (27, .probeInternal), (4711, .identityEndpointUnreachable),
        ])
    func curl(code: Int, cause: Cause) {
        let failure = Classifier.curl(code: code, text: "words of curl", source: .appService, endpoint: "http://172.16.0.5:8081")
        #expect(failure.cause == cause)
        #expect(failure.evidence.first?.line == "curl \(code): words of curl (http://172.16.0.5:8081)")
    }
}

@Suite struct ClaimsTests {
    @Test(
        "A token for another resource is certain trouble and must not be sent",
        arguments: [
            "https://management.azure.com/", "https://graph.microsoft.com", "https://database.windows.net/", "api://AzureADTokenExchange",
            "https://ossrdbms-aad.database.chinacloudapi.cn",
        ])
    func wrongAudience(audience: String) {
        let failure = Classifier.claims(Fixture.claims(audience: audience), wanted: .ossrdbms, now: noon)
        #expect(failure?.cause == .tokenWrongAudience)
        #expect(failure?.certainty == .certain)
        #expect(failure?.forbidsLogin == true)
        #expect(failure?.detail?.contains(audience) == true)
    }

    @Test(
        "The right audience passes with or without its final slash, and as the service's application id",
        arguments: [
            Fixture.audience, Fixture.audience + "/", "123CD850-d9df-40bd-94d5-c9f07b7fa203",
        ])
    func rightAudience(audience: String) {
        #expect(Classifier.claims(Fixture.claims(audience: audience), wanted: .ossrdbms, now: noon) == nil)
    }

    @Test("Each cloud wants tokens of its own")
    func clouds() {
        let claims = Fixture.claims(audience: "https://ossrdbms-aad.database.usgovcloudapi.net")
        #expect(Classifier.claims(claims, wanted: .ossrdbms, cloud: .usgovernment, now: noon) == nil)
        let failure = Classifier.claims(claims, wanted: .ossrdbms, cloud: .public, now: noon)
        #expect(failure?.detail?.contains("usgovernment") == true)
    }

    @Test("Times and other identities are foretold, and do not forbid the login")
    func predictions() {
        let expired = Classifier.claims(Fixture.claims(expires: noon), wanted: .ossrdbms, now: noon)
        #expect(expired?.cause == .tokenExpired)
        let early = Classifier.claims(Fixture.claims(notBefore: noon + .seconds(61)), wanted: .ossrdbms, now: noon)
        #expect(early?.cause == .tokenNotYetValid)
        let other = Classifier.claims(Fixture.claims(), wanted: .ossrdbms, expected: .objectID(Fixture.appID), now: noon)
        #expect(other?.cause == .identityClientIDWrong)
        for failure in [expired, early, other] {
            #expect(failure?.certainty == .likely)
            #expect(failure?.forbidsLogin == false)
        }
    }

    @Test("A minute of skew, letter case and a leading slash are no reason to speak")
    func tolerance() {
        #expect(Classifier.claims(Fixture.claims(notBefore: noon + .seconds(60)), wanted: .ossrdbms, now: noon) == nil)
        #expect(Classifier.claims(Fixture.claims(), wanted: .ossrdbms, expected: .clientID(Fixture.appID.uppercased()), now: noon) == nil)
        let id = "/subscriptions/S/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
        let claims = Fixture.claims(resource: String(id.dropFirst()).uppercased())
        #expect(Classifier.claims(claims, wanted: .ossrdbms, expected: .resourceID(id), now: noon) == nil)
    }

    @Test("A token whose claims cannot be read foretells nothing")
    func opaque() { #expect(Classifier.claims(TokenClaims(), wanted: .ossrdbms, expected: .clientID("x"), now: noon) == nil) }

    @Test(
        "A firm refusal is not overruled by a prediction",
        arguments: [Cause.firewallDenied, .databaseUnknown, .connectionLimit, .tokenWrongTenant])
    func firmRefusal(cause: Cause) {
        let prediction = Failure(.tokenExpired, during: .token)
        #expect(Classifier.refined(Failure(cause, during: .login), by: prediction).cause == cause)
    }

    @Test(
        "A dead public address behind a privatelink alias is the DNS's fault, certain once it has been private",
        arguments: [
            Cause.tcpTimeout, .firewallDenied, .tcpRefused,
        ])
    func publicForPrivate(cause: Cause) {
        var facts = Facts()
        facts.aliases = ["orders.privatelink.postgres.database.azure.com"]
        facts.addresses = ["20.61.88.14"]
        let failure = Failure(cause, during: .tcp, evidence: [Evidence(.errno, code: 110, text: "x")])
        let likely = Classifier.refined(failure, facts: facts)
        #expect(likely.cause == .dnsPublicForPrivate)
        #expect(likely.certainty == .likely)
        #expect(likely.evidence.count == 2)
        var good = Facts()
        good.addresses = ["10.20.4.7"]
        #expect(Classifier.refined(failure, facts: facts, lastGood: good).certainty == .certain)
        #expect(Classifier.refined(failure, facts: facts, expectsPrivate: true).certainty == .certain)
    }

    @Test("A private address, a name without such an alias and other causes stay what they are")
    func notPublicForPrivate() {
        var facts = Facts()
        facts.aliases = ["orders.privatelink.postgres.database.azure.com"]
        facts.addresses = ["10.20.4.7"]
        #expect(Classifier.refined(Failure(.tcpTimeout, during: .tcp), facts: facts).cause == .tcpTimeout)
        facts.addresses = ["20.61.88.14"]
        #expect(Classifier.refined(Failure(.loginRefused, during: .login), facts: facts).cause == .loginRefused)
        facts.aliases = ["orders.rs-1.postgres.database.azure.com"]
        #expect(Classifier.refined(Failure(.tcpTimeout, during: .tcp), facts: facts).cause == .tcpTimeout)
        var good = Facts()
        good.addresses = ["20.9.9.9"]
        #expect(Classifier.refined(Failure(.tcpTimeout, during: .tcp), facts: facts, lastGood: good).cause == .tcpTimeout)
    }

    @Test("A name that was private and is public now is the DNS's fault also without such an alias, and stays so when looked at again")
    func wasPrivate() {
        var (facts, good) = (Facts(), Facts())
        facts.addresses = ["20.61.88.14"]
        good.addresses = ["10.20.4.7"]
        let once = Classifier.refined(Failure(.tcpTimeout, during: .tcp), facts: facts, lastGood: good)
        #expect(once.cause == .dnsPublicForPrivate && once.certainty == .certain)
        #expect(once.detail == "The name leads to 20.61.88.14, which is public; it led to 10.20.4.7 when it last worked.")
        #expect(Classifier.refined(once, facts: facts, lastGood: good) == once)
    }
}
