// What is asked of an HTTP server.
package import Diagnosis

/// One HTTP request. Never sent through a proxy, never redirected, never retried.
package struct HTTPRequest: Sendable {
    package var method: Method
    /// `http` or `https`; anything else is refused before a connection is made.
    package var url: String
    package var headers: [Header]
    package var body: [UInt8]?
    /// Limit for name lookup, connection and TLS handshake together; the deadline still holds.
    package var connectTimeout: Duration
    /// Longest body accepted. **Unit**: bytes.
    package var bodyLimit: Int
    /// Path of the local socket to connect to instead of the host of `url`.
    package var socket: String?

    package init(
        _ method: Method = .get, url: String, headers: [Header] = [], body: [UInt8]? = nil,
        connectTimeout: Duration = .seconds(5), bodyLimit: Int = 64 * 1024, socket: String? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.connectTimeout = connectTimeout
        self.bodyLimit = bodyLimit
        self.socket = socket
    }

    package enum Method: String, Sendable, Hashable {
        case get = "GET"
        case post = "POST"
    }

    /// One header line; its value may be a secret, which is then revealed next to the C call only.
    package struct Header: Sendable {
        package var name: String
        package var value: Secret<String>

        package init(_ name: String, _ value: String) { self.init(name, secret: Secret(value)) }
        package init(_ name: String, secret: Secret<String>) {
            self.name = name
            self.value = secret
        }
    }
}
