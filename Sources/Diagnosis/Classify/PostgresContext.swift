// What is known about an attempt beside the text of its failure.

/// The circumstances in which a PostgreSQL server, or libpq, said no.
package struct PostgresContext: Sendable {
    package var user: String
    package var database: String
    package var port: Int
    /// Whether the server had asked for the token before it refused (`PQconnectionUsedPassword`).
    package var usedPassword: Bool
    package var claims: TokenClaims?
    /// **Unit**: bytes.
    package var tokenLength: Int?
    package var now: Timestamp
    /// What ``Classifier/claims(_:wanted:cloud:expected:now:)`` foretold before the login; refines a vague refusal.
    package var prediction: Failure?
    /// The name that was connected to; tells `user@server` from a name with an `@`.
    package var host: String?
    /// Whether the agent itself logged in, rather than a person pasting a text.
    package var isOwnProbe: Bool

    package init(
        user: String, database: String, port: Int, usedPassword: Bool, claims: TokenClaims? = nil, tokenLength: Int? = nil,
        now: Timestamp, prediction: Failure? = nil, host: String? = nil, isOwnProbe: Bool = true
    ) {
        self.user = user
        self.database = database
        self.port = port
        self.usedPassword = usedPassword
        self.claims = claims
        self.tokenLength = tokenLength
        self.now = now
        self.prediction = prediction
        self.host = host
        self.isOwnProbe = isOwnProbe
    }

    /// PgBouncer's buffer for passwords: up to version 1.25 a longer token does not fit. **Unit**: bytes.
    static let poolerTokenLimit = 2047
    /// PostgreSQL drops the connection on a longer password message. **Unit**: bytes.
    static let serverTokenLimit = 65_530

    var isPooler: Bool { port == 6432 }

    /// Whether the length of the token explains a connection that ends without a word.
    var exceedsTokenLimit: Bool {
        guard let tokenLength else { return false }
        return tokenLength > Self.serverTokenLimit || (isPooler && tokenLength >= Self.poolerTokenLimit)
    }
}
