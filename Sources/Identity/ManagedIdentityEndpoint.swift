// Where managed identities are asked for, and how the question is spelt there.
import Curl
import Diagnosis

/// The token endpoint of this compute: App Service (and its relatives) or the instance metadata service.
///
/// **Source**: App Service "REST endpoint reference" (2019-08-01); "How to use managed identities on a VM to acquire a token".
struct ManagedIdentityEndpoint: Sendable {
    let source: TokenSourceKind
    /// Scheme, host and path; never a query, never user information.
    let place: String
    /// A query that the environment's address already carries.
    private let query: String?
    /// The value of `X-IDENTITY-HEADER`.
    private let header: Secret<String>?

    /// What the environment offers.
    enum Detection: Sendable {
        case found(ManagedIdentityEndpoint)
        /// A kind that is recognised and not spoken, with the variables that gave it away.
        case unsupported(TokenSourceKind, because: String)
    }

    /// Reads the environment as the SDKs do, first match; an empty variable counts as absent.
    static func detect(in environment: IdentityEnvironment) -> Detection {
        let endpoint = environment.identityEndpoint.flatMap { $0.isEmpty ? nil : $0 }
        let header = environment.identityHeader.flatMap { secret in secret.reveal { $0.isEmpty } ? nil : secret }
        if let endpoint, let header {
            // Without the thumbprint's check this header would go to whoever listens there.
            guard !environment.hasServerThumbprint else {
                return .unsupported(.serviceFabric, because: "IDENTITY_SERVER_THUMBPRINT is set beside IDENTITY_ENDPOINT")
            }
            return .found(ManagedIdentityEndpoint(source: .appService, address: endpoint, header: header))
        }
        if endpoint != nil, environment.hasIMDSEndpoint {
            return .unsupported(.azureArc, because: "IDENTITY_ENDPOINT and IMDS_ENDPOINT are set and IDENTITY_HEADER is not")
        }
        if environment.hasArcAgent {
            return .unsupported(.azureArc, because: "the Azure Connected Machine agent is installed")
        }
        if environment.hasMSIEndpoint {
            return environment.hasMSISecret
                ? .unsupported(.azureML, because: "MSI_ENDPOINT and MSI_SECRET are set and IDENTITY_ENDPOINT is not")
                : .unsupported(.cloudShell, because: "MSI_ENDPOINT is set and MSI_SECRET is not")
        }
        var authority = environment.imdsAuthority.flatMap { $0.isEmpty ? nil : $0 } ?? "http://169.254.169.254"
        while authority.hasSuffix("/") { authority.removeLast() }
        return .found(
            ManagedIdentityEndpoint(source: .imds, address: authority + "/metadata/identity/oauth2/token", header: nil))
    }

    private init(source: TokenSourceKind, address: String, header: Secret<String>?) {
        let bare = address.prefix { $0 != "#" }
        let parts = bare.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        self.source = source
        self.header = header
        place = Self.withoutUserInformation(parts[0])
        query = parts.count > 1 && !parts[1].isEmpty ? String(parts[1]) : nil
    }

    /// User information has no meaning for these endpoints; whatever stands there may be a secret and goes nowhere.
    private static func withoutUserInformation(_ address: Substring) -> String {
        guard let scheme = address.firstRange(of: "://") else { return String(address) }
        let rest = address[scheme.upperBound...]
        let authority = rest.prefix { $0 != "/" }
        guard let at = authority.lastIndex(of: "@") else { return String(address) }
        return address[..<scheme.upperBound] + String(rest[rest.index(after: at)...])
    }

    var apiVersion: String { source == .imds ? "2018-02-01" : "2019-08-01" }

    /// A link-local or local listener answers its connection in milliseconds or not at all.
    var connectTimeout: Duration { .seconds(2) }

    /// The question for one token.
    func request(resource: String, for selector: ManagedIdentitySelector) -> HTTPRequest {
        var items = ["resource=" + Self.encoded(resource), "api-version=" + apiVersion]
        if let parameter = parameter(for: selector) { items.append(parameter.name + "=" + Self.encoded(parameter.value)) }
        if let query { items.insert(query, at: 0) }
        // "Metadata: true" is the guard of the metadata service, and Automation wants it beside the secret header.
        var headers = [HTTPRequest.Header("Metadata", "true"), HTTPRequest.Header("Accept", "application/json")]
        headers.append(HTTPRequest.Header("x-ms-client-request-id", Self.requestIdentifier()))
        if let header { headers.append(HTTPRequest.Header("X-IDENTITY-HEADER", secret: header)) }
        return HTTPRequest(
            url: place + "?" + items.joined(separator: "&"), headers: headers, connectTimeout: connectTimeout)
    }

    /// How the chosen identity is named to this endpoint; the same thing has another name in each.
    func parameter(for selector: ManagedIdentitySelector) -> (name: String, value: String)? {
        switch (selector, source) {
        case (.systemAssigned, _): nil
        case (.clientID(let value), _): ("client_id", value)
        case (.objectID(let value), .imds): ("object_id", value)
        case (.objectID(let value), _): ("principal_id", value)
        case (.resourceID(let value), .imds): ("msi_res_id", value)
        case (.resourceID(let value), _): ("mi_res_id", value)
        }
    }

    /// Takes the secret header out of text from outside; an endpoint may echo what it was sent.
    func scrubbed(_ text: String) -> String {
        guard let header else { return text }
        return header.reveal { secret in
            secret.utf8.count < 4 ? text : text.split(separator: secret, omittingEmptySubsequences: false).joined(separator: "<redacted>")
        }
    }

    /// Percent-encoding of everything that is not unreserved. **Source**: RFC 3986 2.3.
    static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".unicodeScalars)
        var result = String.UnicodeScalarView()
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: result.append(Unicode.Scalar(byte))
            default: result.append(contentsOf: ["%", digits[Int(byte >> 4)], digits[Int(byte & 15)]])
            }
        }
        return String(result)
    }

    /// A random UUID, which finds the call in the platform's logs.
    private static func requestIdentifier() -> String {
        func hex(_ value: UInt64, _ width: Int) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        let (high, low) = (UInt64.random(in: 0...UInt64.max), UInt64.random(in: 0...UInt64.max))
        return [
            hex(high >> 32, 8), hex(high >> 16 & 0xFFFF, 4), hex(0x4000 | high & 0x0FFF, 4),
            hex(0x8000 | low >> 48 & 0x3FFF, 4), hex(low & 0xFFFF_FFFF_FFFF, 12),
        ].joined(separator: "-")
    }
}
