// The sovereign clouds and the token resources that belong to them.

/// What a token is for. Two resources cover all engines; the raw value is the alias used in labels and history.
package enum TokenResource: String, Sendable, Hashable, Codable, CaseIterable {
    case ossrdbms, azuresql
}

/// The Azure cloud a target lives in.
package enum Cloud: String, Sendable, Hashable, Codable, CaseIterable {
    case `public`, usgovernment, china

    /// The resource URI to ask an identity endpoint for; never with `/.default`, which endpoints refuse.
    /// Source: Azure CLI, `cloud.py`, `ossrdbms_resource_id` and `sql_management` of each cloud.
    package func resourceURI(_ resource: TokenResource) -> String {
        switch (self, resource) {
        case (.public, .ossrdbms): "https://ossrdbms-aad.database.windows.net"
        case (.usgovernment, .ossrdbms): "https://ossrdbms-aad.database.usgovcloudapi.net"
        case (.china, .ossrdbms): "https://ossrdbms-aad.database.chinacloudapi.cn"
        case (.public, .azuresql): "https://database.windows.net/"
        case (.usgovernment, .azuresql): "https://database.usgovcloudapi.net/"
        case (.china, .azuresql): "https://database.chinacloudapi.cn/"
        }
    }

    /// Whether a token whose audience is `audience` may be sent to a server that wants `resource`.
    ///
    /// A final slash makes no difference, and the application id of the first-party service may stand for its URI.
    package func accepts(audience: String, for resource: TokenResource) -> Bool {
        func bare(_ text: String) -> Substring {
            var rest = text.lowercased()[...]
            while rest.hasSuffix("/") { rest = rest.dropLast() }
            return rest
        }
        let firstParty =
            switch resource {
            case .ossrdbms: "123cd850-d9df-40bd-94d5-c9f07b7fa203"
            case .azuresql: "022907d3-0f1b-48f7-badc-1ba6abab6d66"
            }
        return bare(audience) == bare(resourceURI(resource)) || audience.lowercased() == firstParty
    }
}
