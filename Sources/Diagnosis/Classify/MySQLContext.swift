// What is known about an attempt beside the text of its failure.

/// The circumstances in which a MySQL server, or libmariadb, said no.
package struct MySQLContext: Sendable {
    package var user: String
    package var database: String
    package var port: Int
    /// Whether the token had left before the refusal came.
    package var sentToken: Bool
    package var claims: TokenClaims?
    package var now: Timestamp
    /// What ``Classifier/claims(_:wanted:cloud:expected:now:)`` foretold before the login; refines a vague refusal.
    package var prediction: Failure?
    /// The name that was connected to; tells `user@server` from a name with an `@`.
    package var host: String?
    /// Whether the agent itself logged in, rather than a person pasting a text.
    package var isOwnProbe: Bool

    package init(
        user: String, database: String, port: Int = 3306, sentToken: Bool, claims: TokenClaims? = nil, now: Timestamp,
        prediction: Failure? = nil, host: String? = nil, isOwnProbe: Bool = true
    ) {
        self.user = user
        self.database = database
        self.port = port
        self.sentToken = sentToken
        self.claims = claims
        self.now = now
        self.prediction = prediction
        self.host = host
        self.isOwnProbe = isOwnProbe
    }

    /// Longest login name of MySQL. **Unit**: characters. **Source**: MySQL documentation, "Grant Tables".
    package static let nameLimit = 32
}
