// Identity endpoints that refuse, lie, break off or stay silent: each has its cause, and no secret gets out.
import Diagnosis
import TestSupport
import Testing

@testable import Identity

@Suite(.timeLimit(.minutes(1))) struct HostileEndpointTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var source: TokenSourceKind
        var step: ScriptedHTTPServer.Step
        var cause: Cause
        var selector: ManagedIdentitySelector = .systemAssigned
        /// Requests until the verdict.
        var requests = 1

        init(
            _ description: String, _ source: TokenSourceKind, _ step: ScriptedHTTPServer.Step, _ cause: Cause,
            selector: ManagedIdentitySelector = .systemAssigned, requests: Int = 1
        ) {
            (testDescription, self.source, self.step, self.cause) = ("\(source.rawValue): \(description)", source, step, cause)
            (self.selector, self.requests) = (selector, requests)
        }
    }

    private static let chosen = ManagedIdentitySelector.clientID("6f2c1f0e-0000-0000-0000-000000000000")
    private static let json = ["Content-Type": "application/json"]

    private static func imds(_ error: String, _ description: String) -> ScriptedHTTPServer.Step {
        .reply(400, headers: ["Server": "IMDS/150.870.65.1854"], body: #"{"error":"\#(error)","error_description":"\#(description)"}"#)
    }

    private static func app(_ status: Int, _ message: String) -> ScriptedHTTPServer.Step {
        .reply(status, headers: json, body: #"{"statusCode":\#(status),"message":"\#(message)","correlationId":"0e9d4a3c"}"#)
    }

    static let rows: [Row] = [
        // Source: fact sheet "Identity" 11.1.
        Row("no identity", .imds, imds("invalid_request", "Identity not found"), .identityNotAssigned),
        Row(
            "several identities", .imds,
            imds(
                "invalid_request",
                "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request"),
            .identityClientIDWrong),
        Row("header missing", .imds, imds("bad_request_102", "Required metadata header not specified"), .identityReplyInvalid),
        Row("resource unknown", .imds, imds("invalid_resource", "AADSTS500011: The resource principal was not found"), .entraAppNotFound),
        Row("unknown source", .imds, .reply(401, body: #"{"error":"unknown_source"}"#), .identityEndpointUnreachable),
        Row(
            "403 of a proxy", .imds, .reply(403, body: "connecting to 169.254.169.254: network is unreachable"),
            .identityEndpointUnreachable),
        Row("404", .imds, .reply(404), .entraUnavailable, requests: 4),
        Row("410", .imds, .reply(410), .entraUnavailable, requests: 8),
        Row("429", .imds, .reply(429, headers: ["Retry-After": "2"]), .entraUnavailable, requests: 4),
        Row("500", .imds, .reply(500, headers: ["Server": "IMDS/150"], body: #"{"error":"unknown"}"#), .entraUnavailable, requests: 4),
        Row("502 of a proxy", .imds, .reply(502, body: "<html>bad gateway</html>"), .identityEndpointUnreachable, requests: 4),
        // Source: fact sheet "Identity" 11.2.
        Row(
            "unknown client id", .appService,
            app(400, "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."),
            .identityNotAssigned, selector: chosen),
        Row("none named", .appService, app(400, "Unable to load the proper Managed Identity."), .identityClientIDWrong),
        Row(
            "older wording", .appService, app(400, "No MSI found for specified ClientId/ResourceId."), .identityNotAssigned,
            selector: chosen),
        Row("stale header 401", .appService, .reply(401), .identityReplyInvalid),
        Row("stale header 403", .appService, .reply(403), .identityReplyInvalid),
        Row("404", .appService, .reply(404), .identityReplyInvalid, requests: 4),
        Row("429", .appService, .reply(429), .entraUnavailable, requests: 4),
        Row("500", .appService, app(500, "An unexpected error occured while fetching the AAD Token."), .entraUnavailable, requests: 4),
        Row("502", .appService, .reply(502), .entraUnavailable),
        Row("503", .appService, .reply(503), .entraUnavailable, requests: 4),
        // Something that is not the endpoint, or not in its right mind.
        Row("400 of a stranger", .appService, .reply(400, body: "Bad Request"), .identityReplyInvalid),
        Row("a page", .imds, .reply(200, headers: ["Content-Type": "text/html"], body: "<html>Sign in</html>"), .identityReplyInvalid),
        Row("nothing", .imds, .reply(200), .identityReplyInvalid),
        Row("truncated", .appService, .reply(200, body: String(tokenBody().dropLast(9))), .identityReplyInvalid),
        Row(
            "truncated on the way", .appService,
            .bytes(Array("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n".utf8) + Array(tokenBody().utf8)), .identityReplyInvalid),
        Row("no token", .appService, .reply(200, body: #"{"expires_on":"1893456000"}"#), .identityReplyInvalid),
        Row(
            "a number for a token", .appService, .reply(200, body: #"{"access_token":7,"expires_on":"1893456000"}"#), .identityReplyInvalid),
        Row("no end", .appService, .reply(200, body: #"{"access_token":"\#(Canary.token)"}"#), .identityReplyInvalid),
        Row(
            "an object for an end", .appService, .reply(200, body: #"{"access_token":"\#(Canary.token)","expires_on":{}}"#),
            .identityReplyInvalid),
        Row(
            "a date for an end", .appService,
            .reply(200, body: #"{"access_token":"\#(Canary.token)","expires_on":"11/22/2026 03:04:11 +00:00"}"#), .identityReplyInvalid),
        Row("the token as plain text", .appService, .reply(200, body: Canary.token), .identityReplyInvalid),
        Row("10 MB", .imds, .reply(200, body: String(repeating: Canary.token, count: 250_000)), .identityReplyInvalid),
        Row("redirect", .imds, .reply(302, headers: ["Location": "http://127.0.0.1:1/"]), .identityReplyInvalid),
        Row("the header echoed", .appService, .reply(400, body: "header was \(Canary.header)"), .identityReplyInvalid),
        Row("the header echoed in JSON", .appService, app(403, "X-IDENTITY-HEADER \(Canary.header) is unknown"), .identityReplyInvalid),
        Row("closed without a word", .imds, .close, .identityEndpointUnreachable),
        Row("not HTTP", .imds, .bytes(Array("220 mail ready\r\n".utf8)), .identityReplyInvalid),
        Row(
            "another identity", .appService, .reply(200, body: tokenBody(clientID: "11111111-0000-0000-0000-000000000000")),
            .identityClientIDWrong, selector: chosen),
    ]

    @Test("Every bad answer has its cause, costs the requests it is worth, and shows no secret", arguments: rows)
    func badAnswer(row: Row) async throws {
        let clock = SkippingTime(skipping: .seconds(15))
        try await IdentityBench.run(row.source, selector: row.selector, time: clock.time, script: [row.step]) { bench in
            let story = try await bench.identities.acquire(named: "app", for: .ossrdbms, fresh: true, until: .in(.seconds(100)))
            guard case .failed(let failure) = story.outcome else { throw Unexpected("a token") }
            #expect(failure.cause == row.cause)
            #expect(failure.phase == .token)
            #expect(!failure.evidence.isEmpty)
            #expect(failure.evidence.contains { $0.text.contains(bench.server.address) }, "it says where was asked")
            #expect(bench.server.requests.count == row.requests)
            #expect(story.attempts.count == row.requests)
            #expect(bench.events.requests.count == 1, "one request, however many tries")
            let shown =
                everything(about: failure) + everything(about: story) + everything(about: bench.events.all)
                + everything(about: bench.log.all)
            #expect(bench.log.all.count == row.requests)
            #expect(!shown.contains(Canary.token) && !shown.contains(Canary.header))
            let open = try openConnections(to: bench.server.port)
            #expect(open == 0)
        }
    }

    @Test(
        "An endpoint that accepts and says nothing is unreachable, at the deadline and not later",
        arguments: [TokenSourceKind.imds, .appService])
    func silentEndpoint(source: TokenSourceKind) async throws {
        try await IdentityBench.run(source, script: [.silent]) { bench in
            let took = try await bestOfFive(near: .milliseconds(500)) {
                // A person may ask at once; everybody else is told what was found a moment ago.
                let story = try await bench.identities.acquire(named: "app", for: .ossrdbms, fresh: true, until: .in(.milliseconds(500)))
                guard case .failed(let failure) = story.outcome else { throw Unexpected("a token") }
                #expect(failure.cause == .identityEndpointUnreachable)
                #expect(failure.evidence.contains { $0.kind == .curl && $0.code == "28" })
            }
            #expect(took > .milliseconds(400) && took < .milliseconds(600))
        }
    }

    @Test(
        "Nobody listens: IMDS is given up at once, App Service is asked again because it may be starting",
        arguments: [
            (TokenSourceKind.imds, [Duration]()), (.appService, [.seconds(1), .seconds(1), .seconds(1)]),
        ])
    func refused(source: TokenSourceKind, pauses: [Duration]) async throws {
        let port = RefusingPort()
        let clock = SkippingTime(skipping: .seconds(5))
        try await IdentityBench.run(source, time: clock.time, script: []) { bench in
            let endpoint = "http://127.0.0.1:\(port.port)"
            let identities = Identities(
                definitions: [IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned))], cloud: .public,
                environment: source == .imds
                    ? IdentityEnvironment(imdsAuthority: endpoint)
                    : IdentityEnvironment(identityEndpoint: endpoint, identityHeader: Secret(Canary.header)),
                http: bench.http, time: clock.time, onEvent: { _ in }, logger: IdentityBench.silent)
            let story = try await identities.acquire(named: "app", for: .ossrdbms, fresh: false, until: .in(.seconds(60)))
            guard case .failed(let failure) = story.outcome else { throw Unexpected("a token") }
            #expect(failure.cause == .identityEndpointUnreachable)
            #expect(failure.evidence.contains { $0.kind == .curl && $0.code == "7" })
            #expect(failure.evidence.contains { $0.kind == .errno && $0.code == "111" })
            #expect(story.attempts.compactMap(\.pause) == pauses)
        }
    }

    @Test("An address that lets nobody in costs the connect limit and not the deadline")
    func connectLimit() async throws {
        let deaf = DeafPort()
        try await IdentityBench.run(script: []) { bench in
            let identities = Identities(
                definitions: [IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned))], cloud: .public,
                environment: IdentityEnvironment(imdsAuthority: "http://127.0.0.1:\(deaf.port)"), http: bench.http, onEvent: { _ in },
                logger: IdentityBench.silent)
            let began = ContinuousClock.now
            let story = try await identities.acquire(named: "app", for: .ossrdbms, fresh: false, until: .in(.seconds(15)))
            guard case .failed(let failure) = story.outcome else { throw Unexpected("a token") }
            #expect(failure.cause == .identityEndpointUnreachable)
            #expect(ContinuousClock.now - began < .seconds(8))
        }
    }

    @Test("The secret header goes out in its own header and nowhere else")
    func headerStaysInItsPlace() async throws {
        try await IdentityBench.run(script: [.reply(200, body: tokenBody())]) { bench in
            _ = try await bench.token()
            let request = try #require(bench.server.requests.first)
            #expect(request.headers["x-identity-header"] == Canary.header)
            #expect(request.headers.filter { $0.value.contains(Canary.header) }.count == 1)
            #expect(!request.target.contains("CANARY"))
        }
    }

    @Test("A redirect does not carry the header to another place")
    func redirectLeaksNothing() async throws {
        try await ScriptedHTTPServer.serving([.reply(200, body: tokenBody())]) { other in
            try await IdentityBench.run(script: [.reply(307, headers: ["Location": other.address])]) { bench in
                let failure = try await bench.failure()
                #expect(failure.cause == .identityReplyInvalid)
                #expect(other.requests.isEmpty)
            }
        }
    }
}
