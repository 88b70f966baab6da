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
    /// Whether `IDENTITY_SERVER_THUMBPRINT` is set: with the two above it means Service Fabric.
    package var hasServerThumbprint: Bool
    /// Whether `IMDS_ENDPOINT` is set: with `IDENTITY_ENDPOINT` and no header it means Azure Arc.
    package var hasIMDSEndpoint: Bool
    /// Whether `/opt/azcmagent/bin/himds` exists: Azure Arc without its variables.
    package var hasArcAgent: Bool
    /// Whether `MSI_ENDPOINT` is set: Cloud Shell, or Azure Machine Learning beside `MSI_SECRET`.
    package var hasMSIEndpoint: Bool
    /// Whether `MSI_SECRET` is set.
    package var hasMSISecret: Bool

    package init(
        identityEndpoint: String? = nil, identityHeader: Secret<String>? = nil, imdsAuthority: String? = nil,
        hasServerThumbprint: Bool = false, hasIMDSEndpoint: Bool = false, hasArcAgent: Bool = false,
        hasMSIEndpoint: Bool = false, hasMSISecret: Bool = false
    ) {
        self.identityEndpoint = identityEndpoint
        self.identityHeader = identityHeader
        self.imdsAuthority = imdsAuthority
        self.hasServerThumbprint = hasServerThumbprint
        self.hasIMDSEndpoint = hasIMDSEndpoint
        self.hasArcAgent = hasArcAgent
        self.hasMSIEndpoint = hasMSIEndpoint
        self.hasMSISecret = hasMSISecret
    }
}
