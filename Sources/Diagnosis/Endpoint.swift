// Addresses and the part of the environment that identities are found in.

/// A host (name or address) and a port.
package struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    package var host: String
    package var port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// `127.0.0.1:9745`, `[::1]:9745`.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// The variables that say where managed identities are asked for. Read by `Settings`, used by `Identity`.
/// Source: App Service "Use managed identities", REST endpoint reference; azure-identity `imds.py`.
package struct IdentityEnvironment: Sendable {
    /// `IDENTITY_ENDPOINT`.
    package var identityEndpoint: String?
    /// `IDENTITY_HEADER`.
    package var identityHeader: Secret<String>?
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`, replaces `http://169.254.169.254`.
    package var imdsAuthority: String?

    package init(identityEndpoint: String? = nil, identityHeader: Secret<String>? = nil, imdsAuthority: String? = nil) {
        self.identityEndpoint = identityEndpoint
        self.identityHeader = identityHeader
        self.imdsAuthority = imdsAuthority
    }
}
