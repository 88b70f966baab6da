// Which source the environment means, and how the question is spelt there.
import Curl
import Diagnosis
import Testing

@testable import Identity

@Suite struct EndpointTests {
    struct Surroundings: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var environment: IdentityEnvironment
        var source: TokenSourceKind
        /// Nil for a source that is recognised and not spoken.
        var place: String?
    }

    private static let header = Secret("header")
    private static let local = "http://127.0.0.1:41021/msi/token"

    // Source: fact sheet "Identity" 5.1, first match.
    @Test(
        "The environment decides over the source, first match, empty is absent",
        arguments: [
            Surroundings(
                testDescription: "nothing", environment: IdentityEnvironment(), source: .imds,
                place: "http://169.254.169.254/metadata/identity/oauth2/token"),
            Surroundings(
                testDescription: "another metadata host", environment: IdentityEnvironment(imdsAuthority: "http://10.0.0.1:8080/"),
                source: .imds, place: "http://10.0.0.1:8080/metadata/identity/oauth2/token"),
            Surroundings(
                testDescription: "App Service", environment: IdentityEnvironment(identityEndpoint: local, identityHeader: header),
                source: .appService, place: local),
            Surroundings(
                testDescription: "App Service with the deprecated twins of its variables",
                environment: IdentityEnvironment(identityEndpoint: local, identityHeader: header, hasMSIEndpoint: true, hasMSISecret: true),
                source: .appService, place: local),
            Surroundings(
                testDescription: "an endpoint that carries a query",
                environment: IdentityEnvironment(identityEndpoint: local + "?a=b", identityHeader: header), source: .appService,
                place: local),
            Surroundings(
                testDescription: "an empty header", environment: IdentityEnvironment(identityEndpoint: local, identityHeader: Secret("")),
                source: .imds, place: "http://169.254.169.254/metadata/identity/oauth2/token"),
            Surroundings(
                testDescription: "Container Instances: a header without an endpoint",
                environment: IdentityEnvironment(identityHeader: header, hasServerThumbprint: true), source: .imds,
                place: "http://169.254.169.254/metadata/identity/oauth2/token"),
            Surroundings(
                testDescription: "Service Fabric",
                environment: IdentityEnvironment(identityEndpoint: local, identityHeader: header, hasServerThumbprint: true),
                source: .serviceFabric),
            Surroundings(
                testDescription: "Azure Arc by its variables",
                environment: IdentityEnvironment(identityEndpoint: local, hasIMDSEndpoint: true),
                source: .azureArc),
            Surroundings(
                testDescription: "Azure Arc by its agent", environment: IdentityEnvironment(hasArcAgent: true), source: .azureArc),
            Surroundings(
                testDescription: "Azure Machine Learning", environment: IdentityEnvironment(hasMSIEndpoint: true, hasMSISecret: true),
                source: .azureML),
            Surroundings(testDescription: "Cloud Shell", environment: IdentityEnvironment(hasMSIEndpoint: true), source: .cloudShell),
        ])
    func detection(row: Surroundings) {
        switch ManagedIdentityEndpoint.detect(in: row.environment) {
        case .found(let endpoint):
            #expect(endpoint.source == row.source)
            #expect(endpoint.place == row.place)
        case .unsupported(let source, let reason):
            #expect(source == row.source)
            #expect(row.place == nil && !reason.isEmpty)
        }
    }

    struct Question: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var source: TokenSourceKind
        var selector: ManagedIdentitySelector
        var url: String
    }

    private static let resource = "resource=https%3A%2F%2Fossrdbms-aad.database.windows.net"
    private static let imds = "http://169.254.169.254/metadata/identity/oauth2/token?\(resource)&api-version=2018-02-01"
    private static let app = "\(local)?\(resource)&api-version=2019-08-01"

    // Source: fact sheet "Identity" 5.1, names of the identity parameter.
    @Test(
        "The identity is named as its source wants it, percent-encoded",
        arguments: [
            Question(testDescription: "imds", source: .imds, selector: .systemAssigned, url: imds),
            Question(testDescription: "imds client", source: .imds, selector: .clientID("c-1"), url: imds + "&client_id=c-1"),
            Question(testDescription: "imds object", source: .imds, selector: .objectID("o-1"), url: imds + "&object_id=o-1"),
            Question(
                testDescription: "imds resource", source: .imds, selector: .resourceID("/subscriptions/s/a b"),
                url: imds + "&msi_res_id=%2Fsubscriptions%2Fs%2Fa%20b"),
            Question(testDescription: "app", source: .appService, selector: .systemAssigned, url: app),
            Question(testDescription: "app client", source: .appService, selector: .clientID("c&x=1"), url: app + "&client_id=c%26x%3D1"),
            Question(testDescription: "app object", source: .appService, selector: .objectID("o-1"), url: app + "&principal_id=o-1"),
            Question(testDescription: "app resource", source: .appService, selector: .resourceID("ü"), url: app + "&mi_res_id=%C3%BC"),
        ])
    func question(row: Question) throws {
        let endpoint = try endpoint(row.source)
        let request = endpoint.request(resource: Cloud.public.resourceURI(.ossrdbms), for: row.selector)
        #expect(request.url == row.url)
        #expect(request.method == .get && request.body == nil)
        let names = request.headers.map(\.name)
        #expect(names.contains("Metadata"))
        #expect(names.contains("X-IDENTITY-HEADER") == (row.source == .appService))
        #expect(request.connectTimeout == .seconds(2))
    }

    @Test("A query that the endpoint carries stays in front")
    func existingQuery() throws {
        let environment = IdentityEnvironment(identityEndpoint: "http://127.0.0.1:1/t?code=1&x#part", identityHeader: Self.header)
        guard case .found(let endpoint) = ManagedIdentityEndpoint.detect(in: environment) else { throw Unexpected("not found") }
        let url = endpoint.request(resource: "r", for: .systemAssigned).url
        #expect(url == "http://127.0.0.1:1/t?code=1&x&resource=r&api-version=2019-08-01")
    }

    @Test("No endpoint is ever asked for a scope", arguments: Cloud.allCases, TokenResource.allCases)
    func neverAScope(cloud: Cloud, resource: TokenResource) throws {
        for source in [TokenSourceKind.imds, .appService] {
            let url = try endpoint(source).request(resource: cloud.resourceURI(resource), for: .systemAssigned).url
            #expect(!url.contains(".default"))
            #expect(url.contains(ManagedIdentityEndpoint.encoded(cloud.resourceURI(resource))))
        }
    }

    @Test("Two questions carry two request identifiers, each a UUID of version 4")
    func requestIdentifiers() throws {
        let endpoint = try endpoint(.imds)
        let values = (0..<2).map { _ in
            endpoint.request(resource: "r", for: .systemAssigned).headers.first { $0.name == "x-ms-client-request-id" }?
                .value.reveal { $0 } ?? ""
        }
        #expect(values[0] != values[1])
        for value in values {
            let parts = value.split(separator: "-")
            #expect(parts.map(\.count) == [8, 4, 4, 4, 12])
            #expect(parts[2].first == "4" && "89ab".contains(parts[3].first ?? "x"))
        }
    }

    @Test("An environment of another kind says so, and nobody is asked")
    func unsupportedEnvironment() async throws {
        let events = EventLog()
        let http = CurlClient()
        let identities = Identities(
            definitions: [IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned))], cloud: .public,
            environment: IdentityEnvironment(identityEndpoint: Self.local, hasIMDSEndpoint: true), http: http,
            onEvent: { events.add($0) }, logger: IdentityBench.silent)
        let story = try await identities.acquire(named: "app", for: .ossrdbms, fresh: false, until: .in(.seconds(5)))
        guard case .failed(let failure) = story.outcome else { throw Unexpected("a token") }
        #expect(failure.cause == .configInvalid)
        #expect(failure.detail?.contains("Azure Arc") == true)
        #expect(story.source == .azureArc && story.attempts.isEmpty && story.place == nil)
        await http.close()
    }

    private func endpoint(_ source: TokenSourceKind) throws -> ManagedIdentityEndpoint {
        let environment =
            source == .imds ? IdentityEnvironment() : IdentityEnvironment(identityEndpoint: Self.local, identityHeader: Self.header)
        guard case .found(let endpoint) = ManagedIdentityEndpoint.detect(in: environment) else { throw Unexpected("not found") }
        return endpoint
    }
}
