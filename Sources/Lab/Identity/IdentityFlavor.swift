// The two endpoints differ in names, headers and sentences. Source: Entra, "How to use managed identities … to acquire an access token";
// App Service, "How to use managed identities", REST endpoint reference.
import Diagnosis

/// What a client asks for, understood.
struct IdentityQuestion: Sendable {
    var resource: String
    var principal: Principal

    /// **Throws**: nothing; a refusal is an answer.
    static func read(_ request: HTTPRequest, flavor: IdentityFlavor, secret: String, principals: [Principal]) -> Result<
        IdentityQuestion, IdentityRefusal
    > {
        switch flavor {
        case .imds:
            guard request.headers["metadata"] == "true", request.headers["x-forwarded-for"] == nil else {
                return .failure(.metadataMissing)
            }
            guard request.query["api-version"] != nil else { return .failure(.versionMissing) }
        case .appService:
            guard request.headers["x-identity-header"] == secret else { return .failure(.headerWrong) }
            guard request.query["api-version"] == "2019-08-01" else { return .failure(.versionMissing) }
        }
        guard let resource = request.query["resource"], !resource.isEmpty else { return .failure(.resourceMissing) }
        guard Self.knownResources.contains(resource.hasSuffix("/") ? String(resource.dropLast()) : resource) else {
            return .failure(.resourceUnknown)
        }
        let named = flavor.idParameters.compactMap { name in request.query[name].map { (name, $0.lowercased()) } }
        guard named.count <= 1 else { return .failure(.identityUnknown) }
        if let (name, value) = named.first {
            let found = principals.first { principal in
                switch name {
                case "client_id": principal.clientID.lowercased() == value
                case "object_id", "principal_id": principal.objectID.lowercased() == value
                default: principal.resourceID.lowercased() == value
                }
            }
            guard let found else { return .failure(.identityUnknown) }
            return .success(IdentityQuestion(resource: resource, principal: found))
        }
        if let system = principals.first(where: { $0.kind == .systemAssigned }) {
            return .success(IdentityQuestion(resource: resource, principal: system))
        }
        // IMDS takes the only user-assigned identity when none is named; App Service never does.
        guard let first = principals.first else { return .failure(.identityUnknown) }
        guard flavor == .imds, principals.count == 1 else { return .failure(.identityAmbiguous) }
        return .success(IdentityQuestion(resource: resource, principal: first))
    }

    private static let knownResources: Set<String> = [
        "https://ossrdbms-aad.database.windows.net", "https://database.windows.net", "https://management.azure.com",
        "https://graph.microsoft.com",
        "https://vault.azure.net", "https://storage.azure.com", "api://AzureADTokenExchange",
    ]
}

/// Why an endpoint gives no token.
enum IdentityRefusal: Error, Sendable {
    case metadataMissing, headerWrong, versionMissing, resourceMissing, resourceUnknown, identityUnknown, identityAmbiguous
    case gone, throttled, failing
}

/// Which of the two endpoints speaks.
enum IdentityFlavor: Sendable {
    case appService, imds

    var idParameters: [String] {
        switch self {
        case .appService: ["client_id", "principal_id", "object_id", "mi_res_id"]
        case .imds: ["client_id", "object_id", "msi_res_id", "mi_res_id"]
        }
    }

    var headers: [(name: String, value: String)] {
        switch self {
        case .appService: [("Server", "Kestrel")]
        case .imds: [("Server", "IMDS/150.870.65.1854"), ("x-ms-request-id", "3f0e9d52-6c1b-4f0a-9b77-2b1f0f6a7c11")]
        }
    }

    func reply(_ body: JSON, status: Int = 200, extra: [(name: String, value: String)] = []) -> HTTPReply {
        HTTPReply(status: status, headers: headers + extra, body: body.compact)
    }

    /// All values are texts, also the numbers. Source: observed replies of both endpoints.
    func reply(to question: IdentityQuestion, issued: TokenIssuer.Issued, token: String) -> HTTPReply {
        switch self {
        case .appService:
            reply([
                "access_token": token, "client_id": issued.principal.clientID, "expires_on": String(issued.expires),
                "resource": question.resource, "token_type": "Bearer",
            ])
        case .imds:
            reply([
                "access_token": token, "client_id": issued.principal.clientID,
                "expires_in": String(max(0, issued.expires - Int(Timestamp.now.seconds))), "expires_on": String(issued.expires),
                "ext_expires_in": "86399", "not_before": String(issued.notBefore), "resource": question.resource, "token_type": "Bearer",
            ])
        }
    }

    func refusal(_ refusal: IdentityRefusal) -> HTTPReply {
        switch self {
        case .appService: appService(refusal)
        case .imds: imds(refusal)
        }
    }

    private func imds(_ refusal: IdentityRefusal) -> HTTPReply {
        func error(_ code: String, _ text: String, status: Int = 400) -> HTTPReply {
            reply(["error": code, "error_description": text], status: status)
        }
        return switch refusal {
        case .metadataMissing: error("invalid_request", "Required metadata header not specified")
        case .headerWrong, .versionMissing: error("invalid_request", "Required query variable 'api-version' is missing")
        case .resourceMissing: error("invalid_request", "Required audience parameter not specified")
        case .resourceUnknown:
            error(
                "invalid_resource",
                "AADSTS500011: The resource principal named in the request was not found in the tenant \(Principal.tenant).")
        case .identityUnknown: error("invalid_request", "Identity not found")
        case .identityAmbiguous:
            error(
                "invalid_request",
                "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request")
        case .gone: error("gone", "The metadata service is being updated", status: 410)
        case .throttled:
            reply(["error": "too_many_requests", "error_description": "Rate limit exceeded"], status: 429, extra: [("Retry-After", "2")])
        case .failing: error("unknown", "Failed to retrieve token from the Active directory. For details see logs", status: 500)
        }
    }

    private func appService(_ refusal: IdentityRefusal) -> HTTPReply {
        func message(_ status: Int, _ text: String) -> HTTPReply {
            reply(["statusCode": status, "message": text, "correlationId": "7c1d7f4e-52a9-4c8a-8a4f-2d9f0e6b1a33"], status: status)
        }
        return switch refusal {
        case .metadataMissing, .headerWrong: message(403, "Forbidden")
        case .versionMissing: message(400, "The api-version is missing or not supported.")
        case .resourceMissing: message(400, "The resource parameter is missing.")
        // The spelling is the service's.
        case .resourceUnknown, .failing: message(500, "An unexpected error occured while fetching the AAD Token.")
        case .identityUnknown:
            message(400, "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.")
        case .identityAmbiguous: message(400, "Unable to load the proper Managed Identity.")
        case .gone: message(410, "The token service is being updated.")
        case .throttled: reply(["statusCode": 429, "message": "Too many requests."], status: 429, extra: [("Retry-After", "2")])
        }
    }
}
