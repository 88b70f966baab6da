// What is known about an attempt beside the errors that SQL Server sent.

/// One error of SQL Server, or of Azure SQL's gateway in front of it.
package struct AzureSQLError: Sendable, Hashable {
    package var number: Int
    /// Tells apart what shares a number; not documented for most.
    package var state: Int
    /// Severity: from 11 on an error, from 20 on the end of the connection.
    package var level: Int
    package var text: String

    package init(number: Int, state: Int = 1, level: Int = 14, text: String) {
        self.number = number
        self.state = state
        self.level = level
        self.text = text
    }

    var evidence: Evidence { Evidence(.tds, code: number, text: "state \(state), class \(level): \(text)") }
}

/// The circumstances in which Azure SQL said no.
package struct AzureSQLContext: Sendable {
    package var host: String
    package var database: String
    /// Whether the token had left before the refusal came.
    package var sentToken: Bool
    /// Whether the database is known, or said by the configuration, to be one that sleeps.
    package var isServerless: Bool
    /// How long ago the first of an unbroken row of "not currently available" was; nil when this is the first.
    package var resumingFor: Duration?
    /// How long ago a login last worked, the probe's own included; nil when nobody has seen one.
    package var idleFor: Duration?
    package var claims: TokenClaims?
    package var now: Timestamp
    /// What ``Classifier/claims(_:wanted:cloud:expected:now:)`` foretold before the login; refines a vague refusal.
    package var prediction: Failure?
    /// The tenant whose tokens the server takes, where it was asked.
    package var requiredTenant: String?
    /// What was seen when a login last worked.
    package var lastGood: Facts?

    package init(
        host: String, database: String, sentToken: Bool, isServerless: Bool = false, resumingFor: Duration? = nil,
        idleFor: Duration? = nil, claims: TokenClaims? = nil, now: Timestamp, prediction: Failure? = nil, requiredTenant: String? = nil,
        lastGood: Facts? = nil
    ) {
        self.idleFor = idleFor
        self.lastGood = lastGood
        self.host = host
        self.database = database
        self.sentToken = sentToken
        self.isServerless = isServerless
        self.resumingFor = resumingFor
        self.claims = claims
        self.now = now
        self.prediction = prediction
        self.requiredTenant = requiredTenant
    }

    /// Longest time that a database takes to wake; what lasts longer is another trouble.
    /// **Source**: Microsoft Learn, "Serverless compute tier", auto-resume: about one minute; twice that is allowed for.
    package static let longestResume = Duration.seconds(120)
    /// Least time without a session after which a database pauses. **Source**: Microsoft Learn, "Serverless compute tier".
    package static let shortestPauseDelay = Duration.seconds(15 * 60)
}
